"""Boards edited inside a model: control, natural pairs, history, and what the model uses."""
