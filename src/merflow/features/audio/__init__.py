"""Features of audio."""
