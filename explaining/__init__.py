"""Latents of a dictionary on a testbed, put into words, judged and held against the truth."""
