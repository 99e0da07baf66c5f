"""Features of frames."""
