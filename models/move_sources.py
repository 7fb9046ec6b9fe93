"""Where training games come from: fresh random games, and games of an engine mixed in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..games.transcripts import Game
from .train_transformer import MoveSource


@dataclass(frozen=True)
class RandomPlay:
    """Fresh random games with the exact distribution of the next token.

    Args:
        game: the world. If it has `next_counts` (a token can begin several legal moves), those are the targets.
    """

    game: Game

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Tokens [n, positions] and the weight of every next token [n, positions, d_vocab]."""
        counted = getattr(self.game, "next_counts", None)
        return (counted or self.game.next_moves)(n_games, seed)


@dataclass(frozen=True)
class Mixed:
    """Random games, some of them replaced by given games whose target is the move that was played.

    Args:
        random: the random games.
        tokens: int64 [games, positions], given games.
        share: of given games, in [0, 1].
        first_chunk: random games only before this chunk.
        pad_id: id after the end of a game.

    Raises:
        ValueError: no games, or a share outside of [0, 1].
    """

    random: MoveSource
    tokens: NDArray[np.int64]
    share: float
    first_chunk: int = 0
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or not len(self.tokens):
            raise ValueError(f"games to mix in must be [games, positions], got {list(self.tokens.shape)}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"the share of given games must lie in [0, 1], got {self.share}")

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """As `RandomPlay`; which rows are given games, and which games, follows from the seed."""
        tokens, weights = self.random.next_moves(n_games, seed)
        if isinstance(seed, list) and seed[-1] < self.first_chunk:
            return tokens, weights
        generator = np.random.default_rng([*np.atleast_1d(seed).tolist(), 1])
        rows = np.flatnonzero(generator.random(n_games) < self.share)
        picked = self.tokens[generator.integers(0, len(self.tokens), len(rows))]
        tokens[rows] = picked
        weights[rows] = played_targets(picked, weights.shape[-1], self.pad_id)
        return tokens, weights


def played_targets(tokens: NDArray[np.int64], d_vocab: int, pad_id: int = 0) -> NDArray[np.bool_]:
    """The token played next as the only target, bool [games, positions, d_vocab]; none before padding or the end."""
    following = np.full_like(tokens, pad_id)
    following[:, :-1] = tokens[:, 1:]
    targets = np.zeros((*tokens.shape, d_vocab), np.bool_)
    np.put_along_axis(targets, following[..., None], True, axis=-1)
    targets[..., pad_id] = False
    return targets
