"""Scores of predictions: metrics, intervals, trivial baselines; knows labels, never torch."""
