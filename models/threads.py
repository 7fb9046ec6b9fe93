"""How many threads small work gets: one. More only wait for each other, and on a busy machine for long."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 1 << 16  # weights of a matrix below which a second thread was no gain


@contextmanager
def threads_for(n_weights: int) -> Iterator[None]:
    """One torch thread inside the block if a matrix of that many weights is small; what was set comes back after.

    Args:
        n_weights: of the largest matrix in the work.
    """
    before = torch.get_num_threads()
    try:
        if n_weights <= SMALL:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)
