"""Scores of predictions: metrics, intervals, trivial baselines. Sees labels and predictions, never torch."""
