"""Scores along an axis: training steps, numbers of games."""
