"""Many chess games in characters at a time: write them, read them, and count what may follow every character.

The same as `game_text`, `parse_text` and `continuation_counts` of chess_characters.py, which go through python-chess
one game at a time; here whole batches are compared with the writing of their legal moves. Tokens are the ids of
chess_characters.py, [games, positions], filled up with `;`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chess_board import Boards
from .chess_characters import CHARACTERS, N_POSITIONS, SPACE, START, CharacterTokens, parse_text
from .chess_moves import apply, legal_count
from .chess_play import Record, replay
from .chess_san import WIDTH, Written, marked, written

_SPACE, _PAD = CHARACTERS.index(SPACE), CHARACTERS.index(START)
_DIGITS, _DOT = CHARACTERS.index("0"), CHARACTERS.index(".")
_CHUNK = 4096  # positions whose moves are written together
_NOTHING = 255  # stands behind the last character of a text and equals no other
_DUE = 4  # characters of the longest move number, 999.


def plies_of_tokens(tokens: NDArray[np.integer]) -> NDArray[np.int64]:
    """Published ply of every character, [games, positions]: spaces up to and including it."""
    return (tokens == _SPACE).cumsum(axis=-1)


def last_character(tokens: NDArray[np.integer]) -> NDArray[np.int64]:
    """Position of the last character of every game that is no filling, [games]."""
    used = tokens != _PAD
    used[:, 0] = True
    return tokens.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)


def write(record: Record, n_positions: int = N_POSITIONS) -> NDArray[np.int64]:
    """Games as characters, cut at `n_positions`.

    Args:
        record: games from the initial position; 60 plies always fill 256 characters.
        n_positions: characters of a text, >= 1.

    Returns:
        Int64 [games, n_positions].
    """
    n, plies = len(record.lengths), len(record.origin)
    ids, length = np.zeros((plies, n, WIDTH), np.uint8), np.zeros((plies, n), np.int64)
    played = np.argwhere(record.played)
    for part in (played[i : i + _CHUNK] for i in range(0, len(played), _CHUNK)):
        ply, game = part.T
        boards = record.boards[ply, game]
        rows = written(boards)
        moves = rows.moves
        made = moves.origin == record.origin[ply, game][moves.board]
        made &= moves.target == record.target[ply, game][moves.board]
        made &= moves.promotion == record.promotion[ply, game][moves.board]
        chosen = marked(boards, rows[np.flatnonzero(made)])
        ids[ply, game], length[ply, game] = chosen.ids, chosen.length
    tokens = np.full((n, n_positions + WIDTH), _PAD, np.int64)
    games, start = np.arange(n), np.ones(n, np.int64)
    for ply in range(plies):
        due, n_due = _numbers(np.array([ply]))
        going = record.played[ply] & (start < n_positions)
        rows = games[going]
        for i in range(int(n_due[0])):
            tokens[rows, start[rows] + i] = due[0, i]
        start[rows] += n_due[0]
        for i in range(WIDTH):
            more = rows[(length[ply, rows] >= i) & (start[rows] + i < n_positions)]
            tokens[more, start[more] + i] = ids[ply, more, i]
        start[rows] += length[ply, rows] + 1
    return np.ascontiguousarray(tokens[:, :n_positions])


def read(tokens: NDArray[np.integer]) -> Record:
    """The complete moves of texts; what is cut off behind the last space is checked and makes no move.

    Args:
        tokens: int [games, positions].

    Returns:
        The games; as many plies as the longest has, at least 1.

    Raises:
        ValueError: an unknown id, a text that `parse_text` refuses; names game, ply and character.
    """
    if tokens.ndim != 2 or tokens.dtype.kind not in "iu":
        raise ValueError(f"texts must be integers [games, positions], got {tokens.dtype} {list(tokens.shape)}")
    if not tokens.size:
        raise ValueError(f"no games were given: texts are {list(tokens.shape)}")
    bad = ((tokens < 0) | (tokens >= len(CHARACTERS))).any(axis=1) | (tokens[:, 0] != _PAD)
    _refuse(tokens, np.flatnonzero(bad))
    n, count = len(tokens), plies_of_tokens(tokens)[:, -1]
    plies = max(int(count.max()), 1)
    moves = np.full((3, n, plies), -1, np.int64)
    moves[2] = 0
    now, texts = Boards.start(n), _Texts.of(tokens)
    for ply in range(plies + 1):
        for games in _chunks(np.flatnonzero(count >= ply)):
            match = _match(now[games], texts, games, np.full(len(games), ply))
            complete = match.complete
            found = match.rows.moves[complete]
            moved = np.zeros(len(games), np.bool_)
            moved[found.board] = True
            wanted = count[games] > ply
            # Behind the last space: nothing, or what some legal move begins with.
            fits = np.where(wanted, moved, match.rest_begins_a_move)
            _refuse(tokens, games[~fits])
            keep = wanted[found.board]
            if ply < plies:
                for column, values in zip(moves, (found.origin, found.target, found.promotion), strict=True):
                    column[games[found.board[keep]], ply] = values[keep]
        if ply < plies:
            now = _step(now, moves[:, :, ply])
    return replay(moves[0], moves[1], moves[2])


def counts(tokens: NDArray[np.integer], boards: Boards) -> NDArray[np.uint8]:
    """How many legal moves go on with each character, after every character of given games.

    A row divided by its sum is the exact distribution of the next character when the next move is uniform over the
    legal ones; see `continuation_counts`. Rows are empty after the last move of a game that is over and in the filling.

    Args:
        tokens: int [games, positions], as `write` or `read` know them.
        boards: [plies + 1, games], their positions; at least as many as the texts have spaces, and 1.

    Returns:
        Uint8 [games, positions, 32]; a position has at most 218 legal moves.

    Raises:
        ValueError: shapes that do not fit.
    """
    n, positions = tokens.shape
    spaces = plies_of_tokens(tokens)[:, -1]
    longest = int(spaces.max(initial=0))
    if len(boards.shape) != 2 or boards.shape[1] != n or boards.shape[0] <= longest:
        raise ValueError(
            f"texts {list(tokens.shape)} with up to {longest} moves need boards [moves + 1, {n}], got "
            f"{list(boards.shape)}"
        )
    found = np.zeros((n, positions, len(CHARACTERS)), np.uint8)
    texts = _Texts.of(tokens)
    for part in _chunks(np.argwhere(np.arange(longest + 1)[:, None] <= spaces)):
        ply, game = part.T
        now = boards[ply, game]
        _match(now, texts, game, ply).count(found, game, legal_count(now))
    return found


@dataclass(frozen=True)
class _Texts:
    """Texts ready to be compared.

    Attributes:
        letters: uint8 [games, positions + more], `_NOTHING` behind the last character.
        start: int64 [games, moves + 1], where the number or the letters of each move begin.
        end: int64 [games], characters of each text.
        positions: characters at which texts are cut.
    """

    letters: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    positions: int

    @staticmethod
    def of(tokens: NDArray[np.integer]) -> "_Texts":
        n, positions = tokens.shape
        plies = plies_of_tokens(tokens)
        end = last_character(tokens) + 1
        letters = np.full((n, positions + 1 + _DUE + WIDTH), _NOTHING, np.uint8)
        letters[:, :positions] = tokens
        letters[np.arange(letters.shape[1]) >= end[:, None]] = _NOTHING
        start = np.ones((n, int(plies[:, -1].max(initial=0)) + 1), np.int64)
        game, position = np.nonzero(np.diff(plies, axis=1, prepend=0))
        start[game, plies[game, position]] = position + 1
        return _Texts(letters, start, end, positions)

    def window(self, games: NDArray[np.int64], start: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
        """Characters of some games from a position on, [m, width]."""
        return self.letters[games[:, None], start[:, None] + np.arange(width)]


@dataclass(frozen=True)
class _Match:
    """Legal moves of positions against the texts of their games.

    Attributes:
        rows: the moves [m] of the positions [n]; marked where the text has all their letters.
        agrees: int64 [m], first characters of the move that the text has, at most all and the space; -1 where the
            number in front is not whole.
        due: uint8 [n, 4], characters of the number in front.
        n_due: int64 [n], how many it has; 0 for Black.
        number: int64 [n], how many of them the text has.
        start: int64 [n], position of the first of them.
        rest: int64 [n], characters from `start` to the end of the text.
        positions: characters at which texts are cut.
    """

    rows: Written
    agrees: NDArray[np.int64]
    due: NDArray[np.uint8]
    n_due: NDArray[np.int64]
    number: NDArray[np.int64]
    start: NDArray[np.int64]
    rest: NDArray[np.int64]
    positions: int

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Moves that the text has with their space."""
        return self.agrees > self.rows.length

    @property
    def rest_begins_a_move(self) -> NDArray[np.bool_]:
        """Whether the rest of the text, [n], is empty or the beginning of a number and a legal move."""
        board = self.rows.moves.board
        playable = np.zeros(len(self.rest), np.bool_)
        playable[board] = True
        letters = self.rest - self.n_due
        begins = np.zeros(len(self.rest), np.bool_)
        begins[board[self.agrees >= letters[board]]] = True
        in_number = playable & (letters < 0) & (self.number == self.rest)
        return (self.rest == 0) | in_number | (begins & (letters >= 0))

    def count(self, found: NDArray[np.uint8], games: NDArray[np.int64], legal: NDArray[np.int64]) -> None:
        """Add to [all games, positions, 32] what may follow."""
        for i in range(_DUE):
            at = (self.number >= i) & (self.n_due > i) & (self.start + i <= self.positions)
            found[games[at], self.start[at] + i - 1, self.due[at, i]] = legal[at].astype(np.uint8)
        board = self.rows.moves.board
        first = (self.start + self.n_due)[board] - 1
        row = games[board] * self.positions + first
        flat = found.reshape(-1)
        for k in range(WIDTH):
            at = np.flatnonzero((self.agrees >= k) & (self.rows.length >= k) & (first + k < self.positions))
            np.add.at(flat, (row[at] + k) * len(CHARACTERS) + self.rows.ids[at, k], np.uint8(1))


def _match(boards: Boards, texts: _Texts, games: NDArray[np.int64], ply: NDArray[np.int64]) -> _Match:
    """Compare the legal moves of flat positions [n] with what the texts of their games say at a ply.

    Args:
        boards: positions [n].
        texts: all texts.
        games: int64 [n], text of each position.
        ply: int64 [n], moves made.
    """
    start = texts.start[games, ply]
    due, n_due = _numbers(ply)
    same = (texts.window(games, start, _DUE) == due) & (np.arange(_DUE) < n_due[:, None])
    number = np.logical_and.accumulate(same, axis=1).sum(axis=1)
    letters = texts.window(games, start + n_due, WIDTH)
    rows = written(boards)
    numbered = (number == n_due)[rows.moves.board]
    agrees = _agreement(rows, letters)
    # Only a move that the text has to its last letter can differ by its mark.
    whole = np.flatnonzero((agrees >= rows.length) & numbered)
    exact = marked(boards, rows[whole])
    rows.ids[whole], rows.length[whole] = exact.ids, exact.length
    agrees[whole] = _agreement(exact, letters)
    agrees[~numbered] = -1
    return _Match(rows, agrees, due, n_due, number, start, texts.end[games] - start, texts.positions)


def _agreement(rows: Written, letters: NDArray[np.uint8]) -> NDArray[np.int64]:
    """First characters of every move that its text has, the space behind it included."""
    same = rows.ids == letters[rows.moves.board]
    agrees = np.logical_and.accumulate(same, axis=1).sum(axis=1)
    return np.minimum(agrees, rows.length + 1)


def _step(now: Boards, moves: NDArray[np.int64]) -> Boards:
    """The positions after one move each; a game without one stays."""
    origin, target, promotion = moves
    return apply(now, origin, np.maximum(target, 0), promotion)


def _numbers(ply: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """What stands in front of moves.

    Args:
        ply: int64 [n], moves made before.

    Returns:
        Character ids [n, 4], of no meaning behind the dot, and how many they are [n]: 0 for Black.

    Raises:
        ValueError: a move number above 999.
    """
    number = ply // 2 + 1
    if number.max(initial=0) > 999:
        raise ValueError(f"texts go up to move 999, got move {number.max()}")
    digits = 1 + (number >= 10) + (number >= 100).astype(np.int64)
    column = np.arange(_DUE)
    power = 10 ** np.maximum(digits[:, None] - 1 - column, 0)
    due = np.where(column < digits[:, None], _DIGITS + number[:, None] // power % 10, _DOT)
    return due.astype(np.uint8), np.where(ply % 2 == 0, digits + 1, 0)


def _chunks(games: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (games[i : i + _CHUNK] for i in range(0, len(games), _CHUNK))


def _refuse(tokens: NDArray[np.integer], games: NDArray[np.int64]) -> None:
    """Let python-chess say what is wrong with the first of some broken texts."""
    if not len(games):
        return
    game = int(games[0])
    try:
        text = CharacterTokens(tokens.shape[1]).text(tokens[game].tolist())
        parse_text(text)
    except ValueError as error:
        raise ValueError(f"game {game}, {error}") from error
    raise RuntimeError(f"game {game}: {text!r} is fine for python-chess but could not be read")
