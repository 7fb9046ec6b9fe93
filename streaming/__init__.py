"""Samples larger than memory: read from files batch by batch, scored as they pass."""
