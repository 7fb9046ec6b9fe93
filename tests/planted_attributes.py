"""Activations that are a mean plus one known direction for every attribute, and a plain twin of the dictionaries."""

import numpy as np
import torch

NAMES = ("Mary", "John", "Anna", "Tom", "Eve")
VALUES = {"IO": NAMES, "S": NAMES, "Pos": ("IO first", "S first")}
D = 12


def directions(seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(len(v), D, generator=generator, dtype=torch.float64) for name, v in VALUES.items()}
    return {name: u - u.mean(0) for name, u in made.items()}


TRUE = directions()
MEAN = torch.linspace(-5, 5, D, dtype=torch.float64)


def crossed(repeats=2):
    """Every combination of values equally often: attributes are independent in the sample."""
    grid = np.array(list(np.ndindex(5, 5, 2)) * repeats, dtype=np.int64)
    return {name: grid[:, i].copy() for i, name in enumerate(VALUES)}


def drawn(n=400, seed=1, distinct=True):
    """Random values; IO and S differ, as in the task."""
    rng = np.random.default_rng(seed)
    io = rng.integers(0, 5, n)
    s = (io + rng.integers(1, 5, n)) % 5 if distinct else rng.integers(0, 5, n)
    return {"IO": io, "S": s, "Pos": rng.integers(0, 2, n)}


def activations(attributes, noise=0.0, seed=2):
    """Float32 [N, D]."""
    made = MEAN + sum(TRUE[name][attributes[name]] for name in VALUES)
    generator = torch.Generator().manual_seed(seed)
    return (made + noise * torch.randn(len(made), D, generator=generator, dtype=torch.float64)).float()


def one_hot(attributes, names, values=VALUES):
    """The plain code matrix, float64 [N, H], one row and one value at a time."""
    n = len(next(iter(attributes.values())))
    rows = []
    for i in range(n):
        row = []
        for name in names:
            row += [float(attributes[name][i] == v) for v in range(len(values[name]))]
        rows.append(row)
    return np.array(rows)
