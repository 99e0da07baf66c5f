"""Feature extractors: one module each. They get texts or arrays, never paths."""
