"""Edits of boards, as the state of every square before and after, ready to be carried out on a model's activations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.features import FeatureSet
from ..games.transcripts import Game

BOARD = "board"  # group of the features that say what stands on a square


@dataclass(frozen=True)
class Squares:
    """The squares of a board as categorical variables.

    Attributes:
        names: variable of every square, such as `state of c4`.
        features: int64 [S, C], feature of every state of every square; -1 where a square has fewer states.
    """

    names: tuple[str, ...]
    features: NDArray[np.int64]

    @classmethod
    def of(cls, features: FeatureSet) -> "Squares":
        """The variables of the group `board`.

        Raises:
            ValueError: the features describe no board.
        """
        found = {
            name: columns
            for name, columns in features.variables.items()
            if any(features[i].group == BOARD for i in columns)
        }
        if not found:
            raise ValueError(f"no board here: none of the groups {', '.join(features.groups[:8])}... is {BOARD!r}")
        table = np.full((len(found), max(map(len, found.values()))), -1, np.int64)
        for row, columns in zip(table, found.values(), strict=True):
            row[: len(columns)] = columns
        return cls(tuple(found), table)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def n_states(self) -> int:
        """States of a square, C."""
        return self.features.shape[1]

    def one_hot(self, labels: NDArray[np.uint8], features: FeatureSet) -> NDArray[np.bool_]:
        """States of packed labels [N, bytes], bool [N, S, C]."""
        columns = self.features.ravel()
        states = features.unpack_columns(labels, np.maximum(columns, 0))
        states[:, columns < 0] = False
        return states.reshape(len(labels), *self.features.shape)

    def states(self, labels: NDArray[np.uint8], features: FeatureSet) -> NDArray[np.int64]:
        """State of every square of packed labels [N, bytes], int64 [N, S].

        Raises:
            ValueError: a square without exactly one state.
        """
        states = self.one_hot(labels, features)
        if (wrong := states.sum(2) != 1).any():
            row, square = (int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(f"{self.names[square]} has {int(states[row, square].sum())} states in row {row}, not one")
        return states.argmax(2)

    def place(self, feature: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Square and state of features [n], each int64 [n].

        Raises:
            ValueError: a feature that is no state of a square.
        """
        size = max(int(self.features.max()), int(feature.max(initial=0))) + 1
        where = np.full(size, -1, np.int64)
        flat = self.features.ravel()
        where[flat[flat >= 0]] = np.flatnonzero(flat >= 0)
        found = np.where(feature >= 0, where[np.maximum(feature, 0)], -1)
        if (found < 0).any():
            raise ValueError(f"feature {int(feature[found < 0][0])} is no state of a square")
        return found // self.n_states, found % self.n_states


@dataclass(frozen=True)
class BoardEdits:
    """Positions with an edited board each, and the moves allowed on both.

    Attributes:
        tokens: int64 [n, positions], padded.
        position: int64 [n], the last move's token: where activations are read and edited.
        before: int64 [n, S], state of every square.
        after: int64 [n, S], states after the edit.
        allowed_before: bool [n, d_vocab].
        allowed_after: bool [n, d_vocab], at least one.
        kind: str [n], what the edit does, such as "flip".
        squares: what the states mean.
    """

    tokens: NDArray[np.int64]
    position: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    allowed_before: NDArray[np.bool_]
    allowed_after: NDArray[np.bool_]
    kind: NDArray[np.str_]
    squares: Squares

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def game_id(self) -> NDArray[np.int64]:
        """Edits after the same moves share a number, and are resampled together."""
        return np.unique(self.tokens, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @cached_property
    def change(self) -> torch.Tensor:
        """What is taken away (-1) and put (+1), float32 [n, S * C]."""
        states = np.arange(self.squares.n_states)
        put = (self.after[..., None] == states).astype(np.float32)
        taken = (self.before[..., None] == states).astype(np.float32)
        return torch.from_numpy((put - taken).reshape(len(self), -1))

    @cached_property
    def taken(self) -> NDArray[np.int64]:
        """Columns of S * C that cease to hold, int64 [n, m], -1 where an edit changes fewer squares than another."""
        return self._columns(self.before)

    @cached_property
    def put(self) -> NDArray[np.int64]:
        """Columns of S * C that come to hold, int64 [n, m], -1 as in `taken`; the same squares in the same order."""
        return self._columns(self.after)

    def take(self, rows: NDArray[np.int64] | slice) -> "BoardEdits":
        """Some of the edits."""
        return BoardEdits(
            self.tokens[rows],
            self.position[rows],
            self.before[rows],
            self.after[rows],
            self.allowed_before[rows],
            self.allowed_after[rows],
            self.kind[rows],
            self.squares,
        )

    def _columns(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        changed = self.before != self.after
        order = np.argsort(~changed, axis=1, kind="stable")[:, : max(1, int(changed.sum(1).max(initial=1)))]
        columns = order * self.squares.n_states + np.take_along_axis(states, order, 1)
        return np.where(np.take_along_axis(changed, order, 1), columns, -1)


def board_edits(game: Game, n: int, seed: int, *, kinds: Sequence[str] | None = None) -> BoardEdits:
    """Edits of positions of fresh random games, of the game's own kinds or, without those, its counterfactuals.

    Args:
        game: with a board.
        n: how many, at least 1.
        seed: of the games and the edits.
        kinds: of edits, as the game's `square_edits` names them; None for all.

    Raises:
        ValueError: a game without a board, or kinds that it does not know.
    """
    squares = Squares.of(game.features)
    draw: Any = getattr(game, "square_edits", None)
    if draw is not None:
        made = draw(n, seed, kinds=kinds)
        return BoardEdits(
            made.tokens,
            made.position,
            squares.states(made.labels_before, game.features),
            squares.states(made.labels_after, game.features),
            made.allowed_before,
            made.allowed_after,
            np.asarray(made.kind).astype(np.str_),
            squares,
        )
    if kinds is not None:
        raise ValueError(f"{game.name} knows no kinds of edits, got {list(kinds)}")
    pairs = game.counterfactuals(n, seed)
    labels = game.label(pairs.base).labels[np.arange(len(pairs.base)), pairs.base_position]
    before = squares.states(labels, game.features)
    square, state = squares.place(pairs.feature)
    after = before.copy()
    after[np.arange(len(after)), square] = state
    kind = np.full(len(before), "counterfactual")
    return BoardEdits(
        pairs.base, pairs.base_position, before, after, pairs.allowed_before, pairs.allowed_after, kind, squares
    )
