"""Audio and video files: no other package opens or writes them."""
