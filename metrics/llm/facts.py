"""What is true at every position, as explanations and judges need it: named facts, counters, games."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..inputs import LabelBits, as_games, as_label_bits


@dataclass(frozen=True, eq=False)
class Facts:
    """Named truths about N positions.

    Attributes:
        names: of the facts, in order; the atoms of predicates.
        labels: packed uint8 [N, ceil(F / 8)], fact f in bit f % 8 of byte f // 8.
        game_id: int64 [N].
        position: int64 [N], order inside a game; rows of a game with rising positions are a window of it.
        train: bool [N], positions that explainers may see; judges are asked about the others. Split by game.
        counters: int64 [N] by name, such as `ply`, for atoms such as `ply >= 30`.
        hidden: facts that cannot be seen in what a judge is shown, such as the roles of names in a sentence.
    """

    names: tuple[str, ...]
    labels: NDArray[np.uint8]
    game_id: NDArray[np.int64]
    position: NDArray[np.int64]
    train: NDArray[np.bool_]
    counters: Mapping[str, NDArray[np.int64]] = field(default_factory=dict[str, NDArray[np.int64]])
    hidden: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        n = len(self.labels)
        if len(set(self.names)) != len(self.names):
            raise ValueError("names of facts must be unique")
        if self.labels.dtype != np.uint8 or self.labels.shape != (n, (len(self.names) + 7) // 8):
            raise ValueError(
                f"labels of {len(self.names)} facts must be uint8 [N, {(len(self.names) + 7) // 8}], "
                f"got {self.labels.dtype} {list(self.labels.shape)}"
            )
        for name, array in {
            "game_id": self.game_id,
            "position": self.position,
            "train": self.train,
            **self.counters,
        }.items():
            if array.shape != (n,):
                raise ValueError(f"{name} must be [{n}], one a position, got {list(array.shape)}")
        as_games(self.game_id, n)

    @property
    def n_rows(self) -> int:
        """Number of positions."""
        return len(self.labels)

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each fact."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def bits(self) -> LabelBits:
        """The facts, 64 to a word."""
        return as_label_bits(self.labels, self.n_rows, len(self.names))

    def column(self, name: str, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.bool_]:
        """Whether a fact holds at some rows, bool [rows].

        Raises:
            KeyError: an unknown fact.
        """
        if name not in self.index:
            raise KeyError(f"no fact named {name!r} among {len(self.names)}")
        f = self.index[name]
        return (self.labels[rows, f // 8] >> np.uint8(f % 8) & 1).astype(np.bool_)

    def rows_of(self, train: bool) -> NDArray[np.int64]:
        """Rows of one side of the split, rising."""
        return np.flatnonzero(self.train == train)
