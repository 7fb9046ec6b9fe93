"""fiducial: a ground-truth testbed for sparse autoencoders."""
