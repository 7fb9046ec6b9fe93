"""Pairs of Othello positions that differ in the state of one square, with the moves that an edit should bring about.

The base is a position of a random legal game and a square with a disc. The edit turns that one disc over: what was
"mine" becomes "yours" or the reverse; the other squares and the player to move stay. The moves allowed afterwards are
those of the rules on the edited board, which need not be a board that a game can reach. Only edits count that change
the set of legal moves and leave at least one. The source is a position of another random legal game after the same
number of moves, in which the square has the state that the edit asks for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .othello_board import Geometry, legal_moves, play_random

# Games drawn at a time, each the base of one pair at most; and rounds before giving up.
_POOL, _ROUNDS = 512, 1000


@dataclass(frozen=True)
class DiscFlips:
    """Pairs of positions, one a row.

    Attributes:
        base: int64 [n, plies], squares of the game to edit, -1 after its end.
        source: int64 [n, plies], squares of the game that shows the changed state.
        position: int64 [n], index of the last move made in both.
        square: int64 [n], row-major square whose disc is turned over.
        becomes_mine: bool [n], the disc belongs to the player to move after the edit.
        before: uint64 [n], legal moves of the base position.
        after: uint64 [n], legal moves after the edit.
    """

    base: NDArray[np.int64]
    source: NDArray[np.int64]
    position: NDArray[np.int64]
    square: NDArray[np.int64]
    becomes_mine: NDArray[np.bool_]
    before: U64
    after: U64


def disc_flips(geometry: Geometry, n: int, n_positions: int, generator: np.random.Generator) -> DiscFlips:
    """Draw `n` pairs among the first `n_positions` plies of random games.

    Raises:
        ValueError: `n` below 1.
    """
    if n < 1:
        raise ValueError(f"the number of counterfactual pairs must be at least 1, got {n}")
    rounds: list[DiscFlips] = []
    found = 0
    for _ in range(_ROUNDS):
        rounds.append(_one_round(geometry, n_positions, generator))
        found += len(rounds[-1].position)
        if found >= n:
            break
    else:
        raise RuntimeError(f"found only {found} of {n} counterfactual pairs in {_ROUNDS * _POOL} games")
    return DiscFlips(
        *(
            np.concatenate([getattr(part, name) for part in rounds])[:n]
            for name in ("base", "source", "position", "square", "becomes_mine", "before", "after")
        )
    )


def _one_round(geometry: Geometry, n_positions: int, generator: np.random.Generator) -> DiscFlips:
    record = play_random(geometry, _POOL, generator)
    games = np.arange(_POOL)
    ply = generator.integers(0, n_positions, size=_POOL)
    bits = np.uint64(1) << geometry.bits.astype(np.uint64)  # (squares,)
    own, opp, before = record.own[ply, games], record.opp[ply, games], record.legal[ply, games]
    edited_own, edited_opp = own[:, None] ^ bits, opp[:, None] ^ bits  # (games, squares); right where there is a disc
    after = np.empty_like(edited_own)
    after.ravel()[:] = legal_moves(edited_own.ravel(), edited_opp.ravel(), geometry.mask)
    fits = ((own | opp)[:, None] & bits != 0) & (after != 0) & (after != before[:, None]) & (before != 0)[:, None]
    square = _choose(fits, generator)
    becomes_mine = opp & bits[square] != 0
    # Sources: other games, still going at the same ply, in which the square has the other state.
    shown = np.where(becomes_mine[:, None], record.own[ply], record.opp[ply]) & bits[square][:, None] != 0
    candidates = shown & record.played[ply] & (games[:, None] != games)
    source = _choose(candidates, generator)
    rows = np.flatnonzero(fits.any(axis=1) & candidates.any(axis=1))
    squares = record.squares
    return DiscFlips(
        base=squares[rows],
        source=squares[source[rows]],
        position=ply[rows],
        square=square[rows],
        becomes_mine=becomes_mine[rows],
        before=before[rows],
        after=after[rows, square[rows]],
    )


def _choose(allowed: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int64]:
    """One true column of every row, uniformly; 0 for a row without one."""
    return np.argmax(np.where(allowed, generator.random(allowed.shape), -1.0), axis=1)
