"""Games that agree at first and then part: all ways through a few moves from one position of a random game.

Random games of a board game soon stop meeting again, so that natural pairs of positions (position_pairs.py) are found
among them only in the first moves. Games that share their beginning and then take a few of the same moves in different
orders meet, or nearly meet, at every stage of a game. Every beginning has a random order of preference among all moves;
after it, games go on with each of the `ways` most preferred moves that are allowed, `depth` times. The moves come from
the rules alone, so each is a legal game cut off; but games with one beginning are no independent draws: `beginning`
says which belong together, for intervals that resample beginnings.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .transcripts import Game, Transcripts

_CHUNK = 512  # games whose allowed moves are asked for together


@dataclass(frozen=True)
class BranchingGames:
    """Games in groups that share their beginning.

    Attributes:
        transcripts: the games, labelled.
        beginning: int64 [games], number of the shared beginning.
    """

    transcripts: Transcripts
    beginning: NDArray[np.int64]


def branching_games(
    game: Game, n_beginnings: int, seed: int, *, ways: int = 3, depth: int = 4, first: int = 1
) -> BranchingGames:
    """Games that part after a random number of moves.

    Args:
        game: a world whose tokens are moves.
        n_beginnings: random games drawn to begin with, >= 1; each gives up to `ways ** depth` games, all different.
        seed: the same seed gives the same games.
        ways: moves that games go on with at each step, >= 2.
        depth: moves after the beginning, >= 1; fewer where a game ends.
        first: the shortest beginning, in tokens, >= 1.

    Raises:
        ValueError: numbers out of range, or no room for `depth` moves after `first`.
    """
    width, pad = game.n_positions, game.tokenizer.pad_id
    if n_beginnings < 1 or ways < 2 or depth < 1 or not 1 <= first <= width - depth:
        raise ValueError(
            f"branching games need at least 1 beginning, 2 ways and depth 1, and first + depth at most {width}; got "
            f"{n_beginnings} beginnings, {ways} ways, depth {depth} and first {first}"
        )
    generator = np.random.default_rng([seed, ways, depth])
    whole, _ = game.next_moves(n_beginnings, seed)
    lengths = (whole != pad).sum(axis=1)
    cut = np.minimum(generator.integers(first, width - depth + 1, size=n_beginnings), np.maximum(lengths - 1, 1))
    tokens: NDArray[np.int64] = np.where(np.arange(width) < cut[:, None], whole, pad)
    beginning = np.arange(n_beginnings)
    preference = generator.random((n_beginnings, len(game.tokenizer.vocabulary)))
    for step in range(depth):
        column = cut[beginning] + step
        score = np.where(_allowed(game, tokens, column - 1), preference[beginning], -1.0)
        best = np.argsort(-score, axis=1, kind="stable")[:, :ways]
        fits = np.take_along_axis(score, best, axis=1) >= 0
        fits[:, 0] |= ~fits.any(axis=1)  # a game that has ended stays as it is
        row, way = np.nonzero(fits)
        added = np.where(score.max(axis=1)[row] >= 0, best[row, way], pad)
        tokens, beginning = tokens[row], beginning[row]
        tokens[np.arange(len(tokens)), column[row]] = added
    return BranchingGames(game.label(tokens), beginning)


def _allowed(game: Game, tokens: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tokens allowed after one position of each game, bool [games, d_vocab]; none after the end of a game."""
    parts: list[NDArray[np.bool_]] = []
    for first in range(0, len(tokens), _CHUNK):
        part = slice(first, first + _CHUNK)
        rows = np.arange(len(tokens[part]))
        ended = tokens[part][rows, position[part]] == game.tokenizer.pad_id
        parts.append(game.allowed(tokens[part])[rows, position[part]] & ~ended[:, None])
    return np.concatenate(parts)
