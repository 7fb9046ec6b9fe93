"""Metrics that take a sample batch by batch: `accumulate` as it passes, `compute` at the end, in bounded memory."""
