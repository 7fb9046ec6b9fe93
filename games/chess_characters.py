"""Chess games as published for character-level models: `;1.e4 e5 2.Nf3 Nc6 `, 32 characters, cut at 256.

The alphabet, in order of the ids 0 to 31 (sorted by code; the first one is the space):

    " #+-.0123456789;=BKNOQRabcdefghx"

A text begins with `;`, numbers are glued to White's move, moves are in SAN with `+` and `#` and without result, and
every move is followed by one space. SAN is exact here: as short as the position allows, check and mate marked. (Games
from elsewhere are written anew, so a needless `Nge2` or a missing `+` ends at their source.)

**Which board a character carries.** The ply of a character is the number of spaces up to and including it: number, dot
and letters of a move carry the board *before* it, the space behind it the board *after* it.

    ; 1 . d 4 _ d 5 _ 2 . c 4 _
    0 0 0 0 0 1 1 1 2 2 2 2 2 3

**A cut-off move is no move.** A text that is cut in the middle of `O-O-O` ends in `O-O`, which is legal too, and
`Nb` or `e8=` may go on in several ways. So a move counts when its space is there, and what follows the last space is
returned apart.

Shorter games are filled up with `;`: it stands nowhere but at the start of a text, so the published ply map holds in
the filling as well.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import chess
import numpy as np
from numpy.typing import NDArray

CHARACTERS = " #+-.0123456789;=BKNOQRabcdefghx"
N_POSITIONS = 256
START, SPACE = ";", " "
MAX_PLIES = 60
"""Plies that always fill 256 characters: a move has two letters at least, and they share a number of three to four."""

_SAN = re.compile(r"(O-O(-O)?|([a-h]x)?[a-h][1-8](=[NBRQ])?|[KQRBN][a-h]?[1-8]?x?[a-h][1-8])[+#]?")


@dataclass(frozen=True)
class CharacterTokens:
    """Tokenizer of games written in characters.

    Attributes:
        n_positions: characters at which a text is cut, >= 1.
        pad_id: id that fills up shorter texts: that of `;`.
    """

    n_positions: int = N_POSITIONS
    pad_id: int = CHARACTERS.index(START)

    def __post_init__(self) -> None:
        if self.n_positions < 1:
            raise ValueError(f"a text needs at least 1 character, got n_positions={self.n_positions!r}")
        if self.pad_id != CHARACTERS.index(START):
            raise ValueError(f"texts are filled up with ';', id {CHARACTERS.index(START)}, got {self.pad_id!r}")

    @property
    def d_vocab(self) -> int:
        """Number of ids: 32."""
        return len(CHARACTERS)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The characters in order."""
        return tuple(CHARACTERS)

    @property
    def start_id(self) -> int:
        """Id of the first character of every game, the same as `pad_id`."""
        return self.pad_id

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {character: i for i, character in enumerate(CHARACTERS)}

    def encode(self, moves: Sequence[str]) -> list[int]:
        """Ids of the first `n_positions` characters of a game.

        Args:
            moves: SAN moves, or a text that begins with `;`. Legality is not checked: `parse_text` does that.

        Raises:
            ValueError: a move that is not in SAN, a text without `;`, or a foreign character.
        """
        text = moves if isinstance(moves, str) else game_text(moves)
        _check_characters(text)
        return [self._ids[character] for character in text[: self.n_positions]]

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Ids of many texts, int64 [n, n_positions], filled up with `pad_id`.

        Raises:
            ValueError: as `encode`; names the game.
        """
        tokens = np.full((len(texts), self.n_positions), self.pad_id, dtype=np.int64)
        for game, (row, text) in enumerate(zip(tokens, texts, strict=True)):
            try:
                ids = self.encode(text)
            except ValueError as error:
                raise ValueError(f"game {game}, {error}") from error
            row[: len(ids)] = ids
        return tokens

    def text(self, ids: Sequence[int]) -> str:
        """The characters of a game, without its filling.

        Raises:
            ValueError: an id that is none of the 32.
        """
        values = [int(i) for i in ids]
        for position, value in enumerate(values):
            if not 0 <= value < self.d_vocab:
                raise ValueError(f"position {position}: token id {value}: ids run from 0 to {self.d_vocab - 1}")
        text = "".join(CHARACTERS[i] for i in values)
        return text[:1] + text[1:].rstrip(START)

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Complete SAN moves of a game; a cut-off last one and the filling are dropped. Legality is not checked.

        Raises:
            ValueError: an unknown id, no `;` at the start, or a move number that is missing or wrong.
        """
        text = self.text(ids)
        if not text:
            return []
        _check_characters(text)
        return [text[start:end] for start, end in _words(text)]

    def positions(self, ids: Sequence[int]) -> list[int]:
        """Ply of the board that each character carries: the spaces up to and including it, the filling left out.

        Letters of a move carry the board before it, the space behind it the board after it.
        """
        return plies_of(self.text(ids))


def plies_of(text: str) -> list[int]:
    """Published ply of every character: spaces up to and including it."""
    ply, plies = 0, list[int]()
    for character in text:
        ply += character == SPACE
        plies.append(ply)
    return plies


def game_text(sans: Sequence[str]) -> str:
    """The text of a game, a space behind every move.

    Args:
        sans: SAN moves, exact as `sans_of` writes them.

    Raises:
        ValueError: a text that is no SAN move; names the ply.
    """
    parts = [START]
    for ply, san in enumerate(sans):
        if not _SAN.fullmatch(san):
            hint = "; UCI moves become SAN by sans_of" if re.fullmatch(r"[a-h][1-8][a-h][1-8][nbrq]?", san) else ""
            raise ValueError(f"ply {ply}: {san!r} is no move in SAN, which reads like e4, Nbd7 or exd8=Q+{hint}")
        parts.append(_number(ply) + san + SPACE)
    return "".join(parts)


def sans_of(games: Sequence[Sequence[str]]) -> list[list[str]]:
    """Games in UCI to games in SAN, through python-chess. See chess_texts.py for many games at a time.

    Raises:
        ValueError: an illegal move; names game and ply.
    """
    written: list[list[str]] = []
    for game, moves in enumerate(games):
        board, sans = chess.Board(), list[str]()
        for ply, uci in enumerate(moves):
            try:
                move = board.parse_uci(uci)
            except ValueError as error:
                raise ValueError(f"game {game}, ply {ply}: {uci!r} is illegal in {board.fen()}") from error
            if not move:
                raise ValueError(f"game {game}, ply {ply}: {uci!r} passes the turn, which is no move of chess")
            sans.append(board.san_and_push(move))
        written.append(sans)
    return written


def parse_text(text: str, *, whole: bool = False) -> tuple[list[str], str]:
    """Moves of a text.

    Args:
        text: begins with `;`; may be cut anywhere.
        whole: the text was not cut, so its last move is complete without a space behind it.

    Returns:
        The complete moves in UCI, and what stands behind the last space: the beginning of a move (with its number)
        that some legal move has, or "".

    Raises:
        ValueError: no `;`, a foreign character, a wrong move number, an illegal or inexact move, a rest that begins
            no legal move; names ply and character.
    """
    _check_characters(text)
    board, moves, end = chess.Board(), list[str](), 0
    for start, end in _words(text):
        moves.append(_push(board, text[start:end], len(moves), start))
    rest = text[end + 1 :]
    number = _number(len(moves))
    if not rest:
        return moves, ""
    sans = [board.san(move) for move in board.legal_moves]
    if whole and rest.removeprefix(number) in sans:
        moves.append(_push(board, rest.removeprefix(number), len(moves), end + 1 + len(number)))
        return moves, ""
    if whole or not any((number + san).startswith(rest) for san in sans):
        why = "is no legal move" if whole else "begins no legal move"
        raise ValueError(f"{_at(len(moves), end + 1)}: {rest!r} {why} in {board.fen()}")
    return moves, rest


def parse_texts(texts: Sequence[str], *, whole: bool = False) -> list[tuple[list[str], str]]:
    """`parse_text` of every text.

    Raises:
        ValueError: as `parse_text`; names the game too.
    """
    parsed: list[tuple[list[str], str]] = []
    for game, text in enumerate(texts):
        try:
            parsed.append(parse_text(text, whole=whole))
        except ValueError as error:
            raise ValueError(f"game {game}, {error}") from error
    return parsed


def continuation_counts(text: str) -> NDArray[np.int64]:
    """How many legal moves go on with each character, after every character of a text.

    A row divided by its sum is the exact distribution of the next character when the next move is uniform over the
    legal ones. In front of and inside a number all legal moves count for its next character. After the last move of a
    game that is over the row is empty. This is the plain form through python-chess; chess_texts.py does many games at
    a time.

    Args:
        text: as for `parse_text`.

    Returns:
        Int64 [len(text), 32].

    Raises:
        ValueError: as `parse_text`.
    """
    ucis, _ = parse_text(text)
    counts = np.zeros((len(text), len(CHARACTERS)), dtype=np.int64)
    board, start = chess.Board(), 1
    for ply in range(len(ucis) + 1):
        words = [_number(ply) + board.san(move) + SPACE for move in board.legal_moves]
        end = text.find(SPACE, start)
        end = len(text) if end < 0 else end
        for position in range(start - 1, min(end, len(text))):
            seen = text[start : position + 1]
            for word in words:
                if word.startswith(seen):
                    counts[position, CHARACTERS.index(word[len(seen)])] += 1
        if ply < len(ucis):
            board.push_uci(ucis[ply])
            start = end + 1
    return counts


def legal_continuations(text: str) -> NDArray[np.bool_]:
    """Characters that some legal continuation has next, after every character of a text; bool [len(text), 32]."""
    return continuation_counts(text) > 0


def _number(ply: int) -> str:
    """What stands in front of a move."""
    return f"{ply // 2 + 1}." if ply % 2 == 0 else ""


def _at(ply: int, character: int) -> str:
    return f"ply {ply}, character {character}"


def _check_characters(text: str) -> None:
    for position, character in enumerate(text):
        if character not in CHARACTERS:
            raise ValueError(f"character {position}: {character!r} is none of the 32 characters {CHARACTERS!r}")
    if not text.startswith(START):
        raise ValueError(f"character 0: a game begins with ';', as in ';1.e4 e5 ', got {text[:12]!r}")


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every move that has its space, its number checked and left out."""
    start, ply = 1, 0
    while (end := text.find(SPACE, start)) >= 0:
        number = _number(ply)
        if not text.startswith(number, start) or end <= start + len(number):
            what = f"{number} and a move" if number else "a move"
            raise ValueError(f"{_at(ply, start)}: expected {what}, got {text[start : end + 1]!r}")
        yield start + len(number), end
        start, ply = end + 1, ply + 1


def _push(board: chess.Board, san: str, ply: int, character: int) -> str:
    """Make a move written in exact SAN; returns it in UCI."""
    try:
        move = board.parse_san(san)
    except ValueError as error:
        raise ValueError(f"{_at(ply, character)}: {san!r} is illegal in {board.fen()}") from error
    exact = board.san(move) if move else None
    if san != exact:
        hint = f"written {exact} exactly" if exact else "no move of chess"
        raise ValueError(f"{_at(ply, character)}: {san!r} is {hint}, in {board.fen()}")
    board.push(move)
    return move.uci()
