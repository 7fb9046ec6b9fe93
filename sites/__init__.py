"""Places in a model where dictionaries are judged: which qualify, how to find them, and the three axes there."""
