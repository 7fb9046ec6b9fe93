"""All whole-board features of a batch of chess positions, by the keys of the blocks in chess_scalars.py."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .blocks import Block
from .chess_history import history
from .chess_scalars import scalar_blocks
from .chess_structure import structure
from .chess_tactics import tactics
from .chess_threats import threats
from .chess_view import View


@cache
def _blocks(plies: int) -> tuple[Block, ...]:
    return scalar_blocks(plies)


def scalars(view: View, plies: int = 64) -> dict[str, NDArray[np.bool_]]:
    """Every whole-board feature of every position.

    Args:
        view: positions [n] of whole games.
        plies: as in `scalar_blocks`.

    Returns:
        Bool [features, n] by key of the block.
    """
    values = history(view) | structure(view) | tactics(view) | threats(view)
    values["draws"] = (values.pop("stalemate")[0], *values["draws"])
    out: dict[str, NDArray[np.bool_]] = {}
    for block in _blocks(plies):
        value = values[block.key]
        if block.key == "move number":
            bounds = [[int(word) for word in f.name.split()[1::2]] for f in block.features]
            low, high = np.array(bounds).T[:, :, None]
            out[block.key] = (low <= value) & (value <= high)
        elif block.thresholds is not None:
            out[block.key] = np.asarray(value) >= np.array(block.thresholds)[:, None]
        else:
            out[block.key] = np.stack([np.asarray(flag, np.bool_) for flag in value])
    return out
