"""The judges judged: how far each way of scoring explanations agrees with the truth."""
