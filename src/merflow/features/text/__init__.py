"""Features of text."""
