"""Boards with one thing changed that no player did, and what the rules say of them.

An edit takes a position of a random game and changes what stands on one square (or lets two squares exchange what
they hold); the player to move stays. The rules are then asked for the legal moves of the edited board, which no game
need be able to reach: a model that carries its moves out of a board inside it should follow the edit, one that carries
them out of something else should not. After Li et al., "Emergent World Representations" (arXiv 2210.13382), section 4,
an edit counts only if it changes the set of legal moves and leaves at least one. No two edits of a draw use the same
game, so that edits are independent draws and intervals may resample them one by one.

othello_edits.py and chess_edits.py make them; `square_edits` of the games returns them.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from .features import FeatureSet

# Pools of games without a single edit found, before giving up.
ROUNDS = 60


@dataclass(frozen=True)
class SquareEdits:
    """Positions of random games and one edit of each, one a row.

    Features of a square are the values of its state: what stands there, "empty" among them. Where an edit changes two
    squares (a piece that moves, two that change places), `square` is where the piece came from and `other_square` the
    second one.

    Attributes:
        tokens: int64 [n, positions], the game up to the position; padding after it.
        position: int64 [n], index of its last token: where to read and to edit.
        square: int64 [n], number of the square as in `game.square_of`.
        removed: int64 [n], feature that holds on the square before the edit.
        added: int64 [n], feature that holds there afterwards.
        other_square: int64 [n], the second square; -1 if the edit changes only one.
        other_removed: int64 [n], its feature before; -1 if there is none.
        other_added: int64 [n], its feature afterwards; -1 if there is none.
        labels_before: packed uint8 [n, bytes], the truth about the position.
        labels_after: packed uint8 [n, bytes], the truth about the edited board. What only the moves so far can tell is
            taken over from `labels_before`.
        recomputed: bool [F], the features that `labels_after` has from the edited board itself.
        allowed_before: bool [n, d_vocab], tokens of the legal moves of the position.
        allowed_after: bool [n, d_vocab], tokens of the legal moves of the edited board.
        kind: names of the kinds of edits, [n].
    """

    tokens: NDArray[np.int64]
    position: NDArray[np.int64]
    square: NDArray[np.int64]
    removed: NDArray[np.int64]
    added: NDArray[np.int64]
    other_square: NDArray[np.int64]
    other_removed: NDArray[np.int64]
    other_added: NDArray[np.int64]
    labels_before: NDArray[np.uint8]
    labels_after: NDArray[np.uint8]
    recomputed: NDArray[np.bool_]
    allowed_before: NDArray[np.bool_]
    allowed_after: NDArray[np.bool_]
    kind: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.position)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "SquareEdits":
        """Some of the edits."""
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        return SquareEdits(**{name: v if name == "recomputed" else v[rows] for name, v in kept.items()})

    @property
    def changes(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Squares, features removed and features added by every edit, int64 [n, 2] each; -1 where there is no second.

        The difference of two dictionaries of squares that an edit asks for is the sum over both columns.
        """
        return (
            np.stack([self.square, self.other_square], axis=1),
            np.stack([self.removed, self.other_removed], axis=1),
            np.stack([self.added, self.other_added], axis=1),
        )


def check_request(n: int, kinds: Sequence[str] | str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The kinds of edits asked for, in the order of `known`; all of them by default.

    Raises:
        ValueError: fewer than 1 edit, no kind at all, or an unknown one.
    """
    if n < 1:
        raise ValueError(f"the number of square edits must be at least 1, got {n}")
    if kinds is None:
        return tuple(known)
    asked = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in asked:
        if kind not in known:
            close = get_close_matches(str(kind), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"no square edit of the kind {kind!r}; {hint}")
    if not asked:
        raise ValueError(f"no kind of square edit was asked for; there are {', '.join(known)}")
    return tuple(kind for kind in known if kind in asked)


def merge_labels(
    features: FeatureSet, before: NDArray[np.uint8], after: NDArray[np.uint8], recomputed: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Packed labels `after` where a feature was recomputed, `before` elsewhere; uint8 [n, bytes]."""
    mask = features.pack(recomputed)
    return (after & mask) | (before & ~mask)


def cut_after(tokens: NDArray[np.int64], position: NDArray[np.int64], pad_id: int) -> NDArray[np.int64]:
    """Games up to and including one position each, padding after it; int64 [n, positions]."""
    kept: NDArray[np.bool_] = np.arange(tokens.shape[1]) <= position[:, None]
    return np.where(kept, tokens, pad_id)
