"""Audio and video files: the only place that opens or writes them."""
