"""Transcripts with their truth, and the contract that every world meets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .features import FeatureSet


@dataclass(frozen=True)
class Transcripts:
    """Tokenised games with the truth about every position.

    Attributes:
        tokens: int64 [games, positions]; `pad_id` of the tokenizer after the end of a game.
        labels: packed uint8 [games, positions, bytes]: the truth about the state that a token leads to.
        scored: bool [games, positions]: positions that count.
        ply: int64 [games, positions]: moves made up to and including the token; the state labelled.
        features: what the labels mean.
        game: name of the world.
        version: rules version of the world.
        seed: the seed they were sampled with; None for given games.
    """

    tokens: NDArray[np.int64]
    labels: NDArray[np.uint8]
    scored: NDArray[np.bool_]
    ply: NDArray[np.int64]
    features: FeatureSet
    game: str
    version: str
    seed: int | None

    def __post_init__(self) -> None:
        shape = self.tokens.shape
        expected = {"scored": shape, "ply": shape, "labels": (*shape, self.features.n_bytes)}
        for name, want in expected.items():
            if getattr(self, name).shape != want:
                raise ValueError(f"transcripts: {name} must be {list(want)}, got {list(getattr(self, name).shape)}")

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def bool_labels(self) -> NDArray[np.bool_]:
        """Labels unpacked, bool [games, positions, F]."""
        return self.features.unpack(self.labels)

    def take(self, games: NDArray[np.int64] | slice) -> "Transcripts":
        """Some of the games."""
        return Transcripts(
            self.tokens[games],
            self.labels[games],
            self.scored[games],
            self.ply[games],
            self.features,
            self.game,
            self.version,
            self.seed,
        )


@dataclass(frozen=True)
class Counterfactuals:
    """Pairs of positions that differ in one variable, with what the model should then allow.

    Attributes:
        base: int64 [n, positions], tokens of the first game, padded.
        source: int64 [n, positions], tokens of the second game, padded.
        base_position: int64 [n], position of `base` to read and edit.
        source_position: int64 [n], position of `source` that shows the changed state.
        feature: int64 [n], index of the feature that is false in `base` and true in `source`.
        allowed_before: bool [n, d_vocab], tokens allowed after `base`.
        allowed_after: bool [n, d_vocab], tokens that would be allowed if only the feature's variable changed.
    """

    base: NDArray[np.int64]
    source: NDArray[np.int64]
    base_position: NDArray[np.int64]
    source_position: NDArray[np.int64]
    feature: NDArray[np.int64]
    allowed_before: NDArray[np.bool_]
    allowed_after: NDArray[np.bool_]


@runtime_checkable
class Tokenizer(Protocol):
    """Moves as written by people to token ids and back."""

    @property
    def pad_id(self) -> int:
        """Id after the end of a game."""
        ...

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Text of every id, in order."""
        ...

    def encode(self, moves: Sequence[str]) -> list[int]:
        """Token ids of a game."""
        ...

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Moves of a game; padding is dropped."""
        ...

    def positions(self, ids: Sequence[int]) -> list[int]:
        """Ply of the state that each token stands for: the number of moves made *after* it."""
        ...


@runtime_checkable
class Game(Protocol):
    """A world that knows the truth. Same seed, same bytes; a rule fix changes `version`."""

    @property
    def name(self) -> str:
        """Short name, also that of the testbeds on it."""
        ...

    @property
    def version(self) -> str:
        """Version of the rules and labels."""
        ...

    @property
    def features(self) -> FeatureSet:
        """Everything that is known about a position."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """Moves to tokens."""
        ...

    @property
    def n_positions(self) -> int:
        """Tokens of a transcript: the context length of its models."""
        ...

    def sample(self, n_games: int, seed: int) -> Transcripts:
        """Random games with labels."""
        ...

    def label(self, games: Sequence[Sequence[str]] | NDArray[np.int64]) -> Transcripts:
        """Replay given games, as moves or as token ids, and label them.

        Raises:
            ValueError: an illegal move; names game and ply.
        """
        ...

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Random games without labels: tokens [n, positions] and allowed next tokens [n, positions, d_vocab]."""
        ...

    def allowed(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tokens allowed after every position of given games, bool [games, positions, d_vocab]."""
        ...

    def render(self, game: Sequence[str] | Sequence[int], ply: int, format: Literal["text", "svg"] = "text") -> str:
        """The state after `ply` moves, for people."""
        ...

    def counterfactuals(self, n: int, seed: int) -> Counterfactuals:
        """Pairs of positions that differ in one variable."""
        ...
