"""Othello boards with one square set to another state, and what the rules say of them.

Three kinds: "flip" turns a disc over, "place" puts one of either player on an empty square, "remove" takes one off.
The four centre squares are never emptied: no position has them empty, and no token stands for a move there. The player
to move stays, and has a move on the edited board.

The truth about an edited board is computed as for any other, except for what only the moves so far can tell: the last
move, what it flipped and how, passes, and how many moves were made. The parity of the empty squares is counted on the
edited board, not taken from the number of moves.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, popcount
from .othello_board import Geometry, legal_moves, play_random
from .othello_labels import Layout, label_positions
from .othello_whole import Positions
from .square_edits import ROUNDS

KINDS = ("flip", "place", "remove")
MINE, YOURS, EMPTY = 0, 1, 2
# What an edit may do to a square: kind, state before and state after.
_ACTIONS = (
    ("flip", MINE, YOURS), ("flip", YOURS, MINE), ("place", EMPTY, MINE), ("place", EMPTY, YOURS),
    ("remove", MINE, EMPTY), ("remove", YOURS, EMPTY),
)  # fmt: skip
# Blocks of features that depend on how the board came about.
HISTORY = frozenset(
    {
        "plane move", "plane turned", "mover", "passes", "phase", "move kind", "flips", "flip directions",
        "flip direction",
    }
)  # fmt: skip
_POOL = 512  # games drawn at a time, each the base of one edit at most


@dataclass(frozen=True)
class StateEdits:
    """Edits on bitboards, one a row.

    Attributes:
        moves: int64 [n, plies], squares of the game, -1 after its end.
        before: the positions [n].
        own: uint64 [n], discs of the player to move after the edit.
        opp: uint64 [n], discs of the other player after the edit.
        legal: uint64 [n], legal moves after the edit.
        position: int64 [n], index of the last move made.
        square: int64 [n], row-major.
        old: int64 [n], state before: 0 mine, 1 yours, 2 empty.
        new: int64 [n], state afterwards.
        kind: int64 [n], index into `KINDS`.
    """

    moves: NDArray[np.int64]
    before: Positions
    own: U64
    opp: U64
    legal: U64
    position: NDArray[np.int64]
    square: NDArray[np.int64]
    old: NDArray[np.int64]
    new: NDArray[np.int64]
    kind: NDArray[np.int64]

    @property
    def after(self) -> Positions:
        """The edited positions; the moves so far as they were, but as many as there are discs."""
        discs = popcount(self.own | self.opp)
        return replace(self.before, own=self.own, opp=self.opp, legal=self.legal, ply=(discs - 4).astype(np.uint8))


def recomputed(layout: Layout) -> NDArray[np.bool_]:
    """Features that are functions of the board and the player to move, bool [F]."""
    return np.array([block.key not in HISTORY for block in layout.blocks for _ in block.features], np.bool_)


def edited_labels(edits: StateEdits, layout: Layout) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Packed labels before and after; what depends on history is wrong in the second."""
    return label_positions(edits.before, layout), label_positions(edits.after, layout)


def state_edits(
    geometry: Geometry, n: int, n_positions: int, kinds: tuple[str, ...], generator: np.random.Generator
) -> StateEdits:
    """Draw `n` edits of positions after 1 to `n_positions` moves of random games.

    Game, ply and kind are uniform (all plies at which the game still has a move), then the square and its new state
    among those whose edit changes the legal moves and leaves some.

    Raises:
        RuntimeError: edits of these kinds are hardly to be found.
    """
    actions = [a for a in _ACTIONS if a[0] in kinds]
    rounds: list[StateEdits] = []
    found = 0
    while found < n:
        rounds.append(_one_round(geometry, n_positions, kinds, actions, generator))
        found += len(rounds[-1].position)
        if not found and len(rounds) == ROUNDS:
            raise RuntimeError(f"found no square edit of the kinds {', '.join(kinds)} in {ROUNDS * _POOL} games")
    return _joined(rounds, n)


def _one_round(
    geometry: Geometry,
    n_positions: int,
    kinds: tuple[str, ...],
    actions: list[tuple[str, int, int]],
    generator: np.random.Generator,
) -> StateEdits:
    record = play_random(geometry, _POOL, generator)
    games = np.arange(_POOL)
    ply = generator.integers(0, n_positions, size=_POOL)
    kind = np.array([KINDS.index(k) for k in kinds])[generator.integers(0, len(kinds), size=_POOL)]
    at = (ply, games)
    own, opp, before = record.own[at], record.opp[at], record.legal[at]
    bits = np.uint64(1) << geometry.bits.astype(np.uint64)  # [squares]
    holds = np.stack([own, opp, ~(own | opp)])[:, :, None] & bits != 0  # [3, games, squares]
    may_empty = ~np.isin(np.arange(geometry.size**2), geometry.centre)
    fits = np.empty((_POOL, len(actions), geometry.size**2), np.bool_)
    boards = np.empty((3, *fits.shape), np.uint64)
    for i, (name, old, new) in enumerate(actions):
        mine = (own[:, None] & ~bits) | bits * np.uint64(new == MINE)
        yours = (opp[:, None] & ~bits) | bits * np.uint64(new == YOURS)
        legal = legal_moves(mine.ravel(), yours.ravel(), geometry.mask).reshape(mine.shape)
        boards[:, :, i] = mine, yours, legal
        fits[:, i] = holds[old] & (legal != 0) & (legal != before[:, None]) & (before != 0)[:, None]
        fits[:, i] &= (kind == KINDS.index(name))[:, None]
        if new == EMPTY:
            fits[:, i] &= may_empty
    flat = fits.reshape(_POOL, -1)
    chosen = np.argmax(np.where(flat, generator.random(flat.shape), -1.0), axis=1)
    rows = np.flatnonzero(flat.any(axis=1))
    action, square = np.divmod(chosen[rows], geometry.size**2)
    mine, yours, legal = boards[:, rows, action, square]
    at = (ply[rows], rows)
    ever_passed = np.logical_or.accumulate(record.passed, axis=0)
    return StateEdits(
        moves=record.squares[rows],
        before=Positions(
            own=own[rows], opp=opp[rows], legal=before[rows], move=record.move[at], turned=record.turned[at],
            to_move=record.to_move[at], mover=record.mover[at], passed=record.passed[at], ever_passed=ever_passed[at],
            ply=(ply[rows] + 1).astype(np.uint8),
        ),
        own=mine,
        opp=yours,
        legal=legal,
        position=ply[rows],
        square=square,
        old=np.array([a[1] for a in actions])[action],
        new=np.array([a[2] for a in actions])[action],
        kind=kind[rows],
    )  # fmt: skip


def _joined(rounds: list[StateEdits], n: int) -> StateEdits:
    """The first `n` edits of several draws."""
    columns = ("moves", "own", "opp", "legal", "position", "square", "old", "new", "kind")
    parts = {name: np.concatenate([getattr(part, name) for part in rounds])[:n] for name in columns}
    positions = Positions(
        *(
            np.concatenate([getattr(part.before, name) for part in rounds])[:n]
            for name in ("own", "opp", "legal", "move", "turned", "to_move", "mover", "passed", "ever_passed", "ply")
        )
    )
    return StateEdits(before=positions, **parts)
