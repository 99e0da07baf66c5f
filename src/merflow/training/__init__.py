"""Training: batches, seeds, the one loop, and the steps around it."""
