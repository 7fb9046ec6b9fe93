"""The two ways a chess game is written as tokens: one token a move, or one a character.

A form turns records of games into rows of tokens with the ply of every token, and given games back into records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from . import chess_texts
from .chess_characters import MAX_PLIES, CharacterTokens, game_text
from .chess_moves import legal_moves
from .chess_play import Record, moves_of, replay
from .chess_tokens import UciTokens

Games = Sequence[Sequence[str]] | Sequence[Sequence[int]] | NDArray[np.int64]
_UCI = UciTokens()  # one for all: its tables take long to make
PUBLISHED_PLIES = range(0, 40, 2)  # the boards before White's first twenty moves


@dataclass(frozen=True)
class Written:
    """Games as rows of tokens.

    Attributes:
        record: the games.
        tokens: int64 [games, positions], padded.
        ply: int64 [games, positions], moves made up to and including each token; of the last one in the padding.
        inside: bool [games, positions], tokens that belong to the game.
    """

    record: Record
    tokens: NDArray[np.int64]
    ply: NDArray[np.int64]
    inside: NDArray[np.bool_]


class Form(Protocol):
    """How games are written."""

    @property
    def tokenizer(self) -> UciTokens | CharacterTokens:
        """Text to tokens."""
        ...

    @property
    def plies(self) -> int:
        """Moves a game needs at most to fill its row."""
        ...

    def write(self, record: Record) -> Written:
        """Tokens of played games."""
        ...

    def read(self, games: Games) -> Written:
        """Given games, every move checked."""
        ...

    def uci(self, game: Sequence[str] | Sequence[int]) -> list[str]:
        """Moves of one given game, every one checked."""
        ...

    def counts(self, written: Written) -> NDArray[np.uint8] | NDArray[np.bool_]:
        """How many legal moves go on with each token, after every token: [games, positions, d_vocab]."""
        ...

    def scored(self, written: Written, which: str) -> NDArray[np.bool_]:
        """Tokens that count: "all" or those of the "published" positions."""
        ...


@dataclass(frozen=True)
class MoveForm:
    """One token a move, after a start token; position p is the board after p moves.

    Args:
        n_positions: tokens of a game.
    """

    n_positions: int

    @property
    def tokenizer(self) -> UciTokens:
        """Moves to tokens."""
        return _UCI

    @property
    def plies(self) -> int:
        """Moves of a full row."""
        return self.n_positions - 1

    def write(self, record: Record) -> Written:
        """Tokens of played games, cut at `n_positions`."""
        tokenizer = self.tokenizer
        n = record.origin.shape[1]
        tokens = np.full((n, self.n_positions), tokenizer.pad_id, np.int64)
        tokens[:, 0] = tokenizer.start_id
        kept = slice(0, self.plies)
        ids = tokenizer.id_of_move(record.origin[kept], record.target[kept], record.promotion[kept]).T
        tokens[:, 1 : 1 + ids.shape[1]] = ids
        inside = tokens != tokenizer.pad_id
        return Written(record, tokens, inside.cumsum(axis=1) - 1, inside)

    def read(self, games: Games) -> Written:
        """Games as UCI texts (lists, or one text apart by spaces) or token ids, with or without the start token."""
        rows = [self._moves(game, row) for row, game in enumerate(games)]
        return self.write(replay(*moves_of(rows)))

    def uci(self, game: Sequence[str] | Sequence[int]) -> list[str]:
        """Moves of one given game, every one checked; one board at a time, which is faster for a single game."""
        moves = list(self._moves(game, 0))
        board = chess.Board()
        try:
            plain = all(move != "0000" and board.push_uci(move).uci() == move for move in moves)
        except ValueError:
            plain = False
        return moves if plain else self.read([game]).record.uci(0)  # type: ignore[list-item] - which says what is wrong

    def _moves(self, game: Sequence[str] | Sequence[int] | NDArray[np.int64], row: int) -> Sequence[str]:
        if isinstance(game, str):
            return self.tokenizer.split(game)
        if all(isinstance(move, str) for move in game):
            return list(game)  # type: ignore[arg-type] - all texts
        try:
            return self.tokenizer.decode(game)  # type: ignore[arg-type] - ids; others are refused there
        except ValueError as error:
            raise ValueError(f"game {row}, {error}") from error

    def counts(self, written: Written) -> NDArray[np.bool_]:
        """Legal moves after every token; none after the end of a game."""
        boards = written.record.boards[: self.n_positions]
        n_plies, n = boards.shape
        moves = legal_moves(boards)
        ply, game = np.divmod(moves.board, n)
        allowed = np.zeros((n, self.n_positions, self.tokenizer.d_vocab), np.bool_)
        there = np.zeros((n, n_plies), np.bool_)
        there[...] = written.inside[:, :n_plies]
        kept = there[game, ply]
        ids = self.tokenizer.id_of_move(moves.origin[kept], moves.target[kept], moves.promotion[kept])
        allowed[game[kept], ply[kept], ids] = True
        return allowed

    def scored(self, written: Written, which: str) -> NDArray[np.bool_]:
        """All positions after a move; or, as published, those after 0, 2, .. 38 moves."""
        if which == "published":
            return written.inside & np.isin(np.arange(self.n_positions), PUBLISHED_PLIES)
        scored = written.inside.copy()
        scored[:, 0] = False  # the start position is the same in every game
        return scored


@dataclass(frozen=True)
class CharacterForm:
    """One token a character of `;1.e4 e5 2.Nf3 `, cut at `n_positions`; see chess_characters.py for the ply map.

    Args:
        n_positions: characters of a game.
    """

    n_positions: int

    @property
    def tokenizer(self) -> CharacterTokens:
        """Characters to tokens."""
        return CharacterTokens(self.n_positions)

    @property
    def plies(self) -> int:
        """Moves that fill a row whatever they are."""
        return min(MAX_PLIES, self.n_positions // 3 + 1)

    def write(self, record: Record) -> Written:
        """Tokens of played games."""
        return self._written(record, chess_texts.write(record, self.n_positions))

    def read(self, games: Games) -> Written:
        """Games as texts that begin with `;`, lists of SAN moves, or token ids; texts may be cut in a move."""
        if isinstance(games, np.ndarray):
            tokens = np.full((len(games), self.n_positions), self.tokenizer.pad_id, np.int64)
            tokens[:, : games.shape[1]] = games[:, : self.n_positions]
        else:
            tokens = self.tokenizer.encode_texts([self._text(game, row) for row, game in enumerate(games)])
        return self._written(chess_texts.read(tokens), tokens)

    def uci(self, game: Sequence[str] | Sequence[int]) -> list[str]:
        """Moves of one given game, every one checked."""
        return self.read([game]).record.uci(0)  # type: ignore[list-item] - one game of either kind

    def _text(self, game: Sequence[str] | Sequence[int], row: int) -> str:
        if isinstance(game, str):
            return game
        try:
            if all(isinstance(part, str) for part in game):
                return game_text(game)  # type: ignore[arg-type] - all texts
            return self.tokenizer.text(game)  # type: ignore[arg-type] - ids; others are refused there
        except ValueError as error:
            raise ValueError(f"game {row}, {error}") from error

    def _written(self, record: Record, tokens: NDArray[np.int64]) -> Written:
        inside = np.arange(tokens.shape[1], dtype=np.int64) <= chess_texts.last_character(tokens)[:, None]
        return Written(record, tokens, chess_texts.plies_of_tokens(tokens), inside)

    def counts(self, written: Written) -> NDArray[np.uint8]:
        """How many legal moves go on with each character, after every character."""
        return chess_texts.counts(written.tokens, written.record.boards)

    def scored(self, written: Written, which: str) -> NDArray[np.bool_]:
        """All characters; or, as published, the first twenty dots of a game."""
        if which == "all":
            return written.inside.copy()
        dots = written.inside & (written.tokens == self.tokenizer.vocabulary.index("."))
        return dots & (dots.cumsum(axis=1) <= len(PUBLISHED_PLIES))
