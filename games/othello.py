"""Othello: random or given games, tokens as in OthelloGPT, and the truth about every position."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .features import Feature, FeatureSet
from .othello_board import Geometry, Record, play_random, replay
from .othello_features import VOCABULARIES, Block, feature_set, planes
from .othello_labels import Layout, label_record
from .othello_scalars import scalars
from .othello_tokens import OthelloTokens
from .transcripts import Counterfactuals, Transcripts

VERSION = "1"


@dataclass(frozen=True)
class Othello:
    """Othello on a `size` x `size` board.

    A position is the board after a move, seen from the player to move next (after a forced pass). The last move of a
    game that fills the board is not in the transcript, because nothing is left to predict after it: 59 positions on
    the 8 x 8 board, 31 on 6 x 6, 11 on 4 x 4. Every position with a move is scored.

    Args:
        size: 4, 6 or 8.
        transpose: read token ids as the public OthelloGPT code does (see othello_tokens.py).
        vocabulary: "standard", or "full" with the lines by length as well (8 x 8: 3,072 more features).
    """

    size: int = 8
    transpose: bool = False
    vocabulary: str = "standard"

    def __post_init__(self) -> None:
        Geometry(self.size)
        if self.vocabulary not in VOCABULARIES:
            raise ValueError(f"Othello vocabulary must be one of {VOCABULARIES}, got {self.vocabulary!r}")

    @property
    def name(self) -> str:
        """Such as "othello-8x8"."""
        return f"othello-{self.size}x{self.size}"

    @property
    def version(self) -> str:
        """Changes with the rules and the definitions of features."""
        return VERSION

    @cached_property
    def geometry(self) -> Geometry:
        """The board."""
        return Geometry(self.size)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Features by how they are computed."""
        return (*planes(self.geometry, self.vocabulary), *scalars(self.geometry))

    @cached_property
    def features(self) -> FeatureSet:
        """Everything that is known about a position."""
        return feature_set(self.blocks)

    @cached_property
    def squares(self) -> dict[str, int]:
        """Row-major square of every feature that belongs to one."""
        return {
            f.name: s for b in self.blocks if b.squares is not None for f, s in zip(b.features, b.squares, strict=True)
        }

    def square_of(self, feature: Feature | str) -> int | None:
        """Row-major square of a feature, None if it belongs to no single square."""
        return self.squares.get(feature if isinstance(feature, str) else feature.name)

    @cached_property
    def tokenizer(self) -> OthelloTokens:
        """Moves to tokens."""
        return OthelloTokens(self.size, self.transpose)

    @property
    def n_positions(self) -> int:
        """Tokens of a transcript."""
        return self.geometry.max_plies - 1

    def sample(self, n_games: int, seed: int) -> Transcripts:
        """Random games, every move uniform over the legal ones, with labels."""
        return self._transcripts(play_random(self.geometry, n_games, np.random.default_rng(seed)), seed)

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Random games without labels.

        Returns:
            Tokens int64 [n, positions] and the moves allowed after each, bool [n, positions, d_vocab].
        """
        record = play_random(self.geometry, n_games, np.random.default_rng(seed))
        return self._tokens(record), self._allowed(record)

    def allowed(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Moves allowed after every position, bool [games, positions, d_vocab]."""
        return self._allowed(replay(self.geometry, self.tokenizer.to_squares(tokens)))

    def label(self, games: Sequence[Sequence[str]] | NDArray[np.int64]) -> Transcripts:
        """Replay given games and label them."""
        if isinstance(games, np.ndarray):
            squares = self.tokenizer.to_squares(games)
        else:
            squares = np.full((len(games), self.geometry.max_plies), -1, dtype=np.int64)
            for row, game in enumerate(games):
                ids = self.tokenizer.encode(game)
                squares[row, : len(ids)] = self.tokenizer.square_of_id[ids]
        return self._transcripts(replay(self.geometry, squares), None)

    def render(self, game: Sequence[str] | Sequence[int], ply: int, format: Literal["text", "svg"] = "text") -> str:
        """The board after `ply` moves."""
        raise NotImplementedError

    def counterfactuals(self, n: int, seed: int) -> Counterfactuals:
        """Pairs of positions that differ in one variable."""
        raise NotImplementedError

    def _tokens(self, record: Record) -> NDArray[np.int64]:
        return np.ascontiguousarray(self.tokenizer.from_squares(record.squares[:, : self.n_positions]))

    def _allowed(self, record: Record) -> NDArray[np.bool_]:
        legal = self.geometry.unpack(record.legal[: self.n_positions].T)
        allowed = np.zeros((*legal.shape[:2], self.tokenizer.d_vocab), np.bool_)
        allowed[:, :, 1:] = legal[:, :, self.tokenizer.square_of_id[1:]]
        return allowed

    def _transcripts(self, record: Record, seed: int | None) -> Transcripts:
        scored = np.ascontiguousarray(record.played[: self.n_positions].T)
        return Transcripts(
            tokens=self._tokens(record),
            labels=label_record(record, Layout(self.geometry, self.blocks), self.n_positions),
            scored=scored,
            ply=scored.cumsum(axis=1),
            features=self.features,
            game=self.name,
            version=self.version,
            seed=seed,
        )
