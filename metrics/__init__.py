"""Metrics: one question, one file; they see arrays, never a game."""
