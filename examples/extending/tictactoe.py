"""Tic-tac-toe as a world of fiducial: the whole contract of a game in one file.

A transcript is up to nine moves, one token each. A position is the board after a move, seen from the player to move
next, so that "mine" and "yours" mean the same whoever is to move. Games are random: every move is uniform over the
empty squares, until three in a row.

        a   b   c
    1   0   1   2       squares, row by row; token id = square + 1, and 0 after the end of a game
    2   3   4   5
    3   6   7   8
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from fiducial.games import Counterfactuals, Feature, FeatureSet, Transcripts
from numpy.typing import NDArray

SQUARES = tuple(f"{file}{rank}" for rank in "123" for file in "abc")
LINES = {
    **{f"rank {rank + 1}": (3 * rank, 3 * rank + 1, 3 * rank + 2) for rank in range(3)},
    **{f"file {'abc'[file]}": (file, file + 3, file + 6) for file in range(3)},
    "diagonal a1-c3": (0, 4, 8),
    "diagonal a3-c1": (6, 4, 2),
}
IN_LINE = np.array([[square in line for line in LINES.values()] for square in range(9)], dtype=np.int64)  # [9, 8]
STATES = ("{} empty", "mine on {}", "yours on {}")


@dataclass(frozen=True)
class Squares:
    """Moves to tokens: a square's name is one token."""

    pad_id: int = 0
    vocabulary: tuple[str, ...] = ("<pad>", *SQUARES)

    def encode(self, moves: Sequence[str]) -> list[int]:
        """Token ids of a game."""
        if unknown := [move for move in moves if move not in SQUARES]:
            raise ValueError(f"move {unknown[0]!r} is no square; squares are {', '.join(SQUARES)}")
        return [SQUARES.index(move) + 1 for move in moves]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Moves of a game; padding is dropped."""
        return [self.vocabulary[i] for i in ids if i != self.pad_id]

    def positions(self, ids: Sequence[int]) -> list[int]:
        """Ply of the state that each token stands for."""
        return list(range(1, len(self.decode(ids)) + 1))


def features() -> FeatureSet:
    """What is known about a position, from what the token says to what a player would think of."""
    token = [
        Feature(
            name=f"just played {square}",
            group="last move",
            rung=0,
            definition=f"The last move was {square}.",
            parents=(f"yours on {square}",),
        )
        for square in SQUARES
    ]
    board = [
        Feature(
            name=state.format(square),
            group="board",
            rung=1,
            definition=f"{who} on {square}.",
            variable=f"state of {square}",
        )
        for square in SQUARES
        for state, who in zip(STATES, ("There is nothing", "The player to move is", "The other player is"), strict=True)
    ]
    lines = [
        Feature(
            name=f"{name} {line}",
            group=name,
            rung=2,
            definition=f"Two marks of {whose} and an empty square on {line}, in a game that is not over.",
        )
        for name, whose in (("can win on", "the player to move"), ("must block", "the other player"))
        for line in LINES
    ]
    plans = [
        Feature(
            name="fork",
            group="strategy",
            rung=3,
            definition="The other player threatens two lines at once, and the player to move can win on none.",
        ),
        Feature(name="lost", group="strategy", rung=3, definition="The other player has three in a row."),
    ]
    return FeatureSet([*token, *board, *lines, *plans])


@dataclass(frozen=True)
class TicTacToe:
    """Random games of tic-tac-toe with the truth about every position."""

    name: str = "tic-tac-toe"
    version: str = "1"
    n_positions: int = 9
    tokenizer: Squares = Squares()

    @cached_property
    def features(self) -> FeatureSet:
        """Everything that is known about a position."""
        return features()

    def sample(self, n_games: int, seed: int) -> Transcripts:
        """Random games with labels."""
        return self._transcripts(_play(n_games, np.random.default_rng(seed)), seed)

    def label(self, games: Sequence[Sequence[str]] | NDArray[np.int64]) -> Transcripts:
        """Given games, as moves or as token ids, with labels; an illegal move raises ValueError."""
        return self._transcripts(self._tokens(games), None)

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Random games without labels, and the tokens allowed after every position."""
        tokens = _play(n_games, np.random.default_rng(seed))
        return tokens, self.allowed(tokens)

    def allowed(self, tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tokens allowed after every position, bool [games, positions, 10]; none after the end of a game."""
        boards = _boards(tokens)
        open_ = (boards == 0) & ~_over(boards)[..., None] & (tokens > 0)[..., None]
        return np.concatenate([np.zeros((*open_.shape[:2], 1), bool), open_], axis=-1)

    def render(self, game: Sequence[str] | Sequence[int], ply: int, format: Literal["text", "svg"] = "text") -> str:
        """The board after `ply` moves."""
        moves = self.tokenizer.decode([int(i) for i in self._tokens([game])[0]])
        if format not in ("text", "svg") or not 0 <= ply <= len(moves):
            raise ValueError(f"format must be text or svg and ply 0 to {len(moves)}, got {format!r} and {ply}")
        marks = [" "] * 9
        for i, move in enumerate(moves[:ply]):
            marks[SQUARES.index(move)] = "XO"[i % 2]
        ranks = [f"{rank + 1} {'|'.join(marks[3 * rank : 3 * rank + 3])}" for rank in range(3)]
        if format == "text":
            return "\n".join(["  a b c", *ranks])
        cells = "".join(
            f'<rect x="{40 * (i % 3) + 1}" y="{40 * (i // 3) + 1}" width="38" height="38" fill="#fff" stroke="#888"/>'
            f'<text x="{40 * (i % 3) + 20}" y="{40 * (i // 3) + 29}" font-size="26" text-anchor="middle"'
            f' font-family="sans-serif">{mark.strip()}</text>'
            for i, mark in enumerate(marks)
        )
        title = f"<title>tic-tac-toe after {ply} moves</title>"
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120" role="img">{title}{cells}</svg>'

    def counterfactuals(self, n: int, seed: int) -> Counterfactuals:
        """Pairs of positions: a square that is empty in the base holds a mark in the source.

        `allowed_after` is what could be played on the base board with that one mark put on it: one square fewer.
        """
        _at_least_one(n, "pairs")
        rng = np.random.default_rng(seed)
        tokens = _play(64 * n, rng)
        boards, labels = _boards(tokens), self._transcripts(tokens, None).bool_labels()
        chosen = []
        while len(chosen) < n:
            game, ply, square = int(rng.integers(len(tokens))), int(rng.integers(7)), int(rng.integers(9))
            state = ("mine on {}", "yours on {}")[int(rng.integers(2))]
            feature = self.features.index(state.format(SQUARES[square]))
            board = boards[game, ply].copy()
            board[square] = 1 if (ply % 2 == 1) == state.startswith("mine") else 2
            playing = tokens[game, ply] > 0 and not _over(boards[game, ply]) and boards[game, ply, square] == 0
            sources = np.flatnonzero(labels[:, ply, feature])
            if playing and not _over(board) and len(sources):
                chosen.append((game, int(rng.choice(sources)), ply, feature, square))
        base, source, position, feature, square = np.array(chosen, dtype=np.int64).T
        before = self.allowed(tokens[base])[np.arange(n), position]
        after = before.copy()
        after[np.arange(n), square + 1] = False
        return Counterfactuals(tokens[base], tokens[source], position, position.copy(), feature, before, after)

    def _tokens(
        self, games: Sequence[Sequence[str]] | Sequence[Sequence[int]] | NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Checked tokens of given games, int64 [games, 9]."""
        tokens = np.zeros((len(games), 9), np.int64)
        for row, game in enumerate(games):
            texts = len(game) > 0 and isinstance(game[0], str)
            ids = self.tokenizer.encode(game) if texts else [int(i) for i in game if i]  # type: ignore[arg-type]
            board = np.zeros(9, np.int64)
            for ply, token in enumerate(ids, 1):
                if not 1 <= token <= 9 or board[token - 1] or _over(board):
                    reason = "the game is over" if _over(board) else "the square is taken or none"
                    raise ValueError(f"game {row}, ply {ply}: illegal move {token}, {reason}")
                board[token - 1] = 2 - ply % 2
            tokens[row, : len(ids)] = ids
        return tokens

    def _transcripts(self, tokens: NDArray[np.int64], seed: int | None) -> Transcripts:
        scored = tokens > 0
        labels = _labels(tokens) & scored[..., None]
        return Transcripts(
            tokens,
            self.features.pack(labels),
            scored,
            scored.cumsum(axis=1),
            self.features,
            self.name,
            self.version,
            seed,
        )


def _at_least_one(n: int, what: str) -> None:
    if n < 1:
        raise ValueError(f"the number of {what} must be at least 1, got {n}")


def _play(n_games: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Tokens of random games, int64 [games, 9]."""
    _at_least_one(n_games, "games")
    order = rng.random((n_games, 9)).argsort(axis=1) + 1  # a random order of squares is a random game
    over = _over(_boards(order))
    ended = np.concatenate([np.zeros((n_games, 1), bool), over[:, :-1]], axis=1)
    return np.where(ended, 0, order).astype(np.int64)


def _boards(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Boards after every token, int64 [games, positions, 9]: 0 empty, 1 first player, 2 second."""
    who = 1 + np.arange(tokens.shape[1]) % 2
    marks = (tokens[..., None] == np.arange(1, 10)) * who[:, None]
    return marks.cumsum(axis=1)


def _over(boards: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether somebody has three in a row, bool [...]."""
    return ((boards == 1) @ IN_LINE == 3).any(-1) | ((boards == 2) @ IN_LINE == 3).any(-1)


def _labels(tokens: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Truth about every position, bool [games, positions, F], in the order of `features`."""
    boards = _boards(tokens)
    mover = 1 + (np.arange(tokens.shape[1]) + 1) % 2  # who moves after the token at each position
    mine, empty = boards == mover[:, None], boards == 0
    yours = ~mine & ~empty
    last = tokens[..., None] == np.arange(1, 10)
    states = np.stack([empty, mine, yours], axis=-1).reshape(*tokens.shape, 27)
    playing = ~_over(boards)[..., None]
    room = empty @ IN_LINE == 1
    can_win, must_block = (mine @ IN_LINE == 2) & room & playing, (yours @ IN_LINE == 2) & room & playing
    fork = (must_block.sum(-1) >= 2) & ~can_win.any(-1)
    plans = np.stack([fork, (yours @ IN_LINE == 3).any(-1)], axis=-1)
    return np.concatenate([last, states, can_win, must_block, plans], axis=-1)
