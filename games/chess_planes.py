"""Labels of the chess vocabulary of squares, computed on bitboards: every plane is one uint64 a position."""

from collections.abc import Mapping

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_features import COLOURS, KINDS, PASSANT
from .chess_view import View

_ONE = np.uint64(1)
_PASSANT_SHIFTS = np.array([[square] for square in PASSANT], np.uint64)


def fill_planes(view: View, plane: Mapping[str, U64]) -> None:
    """Write every plane.

    Args:
        view: the positions [n].
        plane: uint64 [n] by key of the plane (without the word "plane"); filled.
    """
    boards = view.boards
    sides = {True: boards.white, False: boards.black}
    for colour, white in COLOURS:
        for kind in KINDS:
            np.bitwise_and(boards.kind(kind), sides[white], out=plane[f"{colour} {chess.piece_name(kind)}"])
        own, attacked, defended = sides[white], view.attacks(not white), view.attacks(white)
        plane[f"{colour} piece"][...] = own
        plane[f"{colour} attacks"][...] = defended
        plane[f"{colour} pinned"][...] = view.pinned(white)
        hanging = np.bitwise_and(own, attacked, out=plane[f"{colour} hanging"])
        hanging &= ~(defended | boards.kings)
    occupied = np.bitwise_or(boards.white, boards.black, out=plane["occupied"])
    np.invert(occupied, out=plane["empty"])
    plane["legal target"][...] = view.legal_targets
    plane["legal origin"][...] = view.legal_origins
    plane["moved from"][...] = view.origin_bit
    plane["moved to"][...] = view.target_bit


def square_flags(view: View) -> dict[str, NDArray[np.bool_]]:
    """Features of some squares only, bool [features, n] by key of the block."""
    return {"en passant squares": ((view.legal_passant >> _PASSANT_SHIFTS) & _ONE).astype(np.bool_)}
