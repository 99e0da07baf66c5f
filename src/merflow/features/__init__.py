"""Feature extractors, one module each. They take texts or arrays, never paths."""
