"""merflow: five multimodal-emotion-recognition papers, rebuilt from raw video to result tables."""

__version__ = "0.1.0"
