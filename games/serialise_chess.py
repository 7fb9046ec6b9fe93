"""Chess as text for a language model, from moves or from characters.

    Moves so far: e4 e5 Nf3
    Black to move, castling KQkq, en passant -, not in check
      a b c d e f g h
    8 r n b q k b n r
    ...
    White: king e1; queen d1; rooks a1, h1; ...
    Black: ...

The state that a character stands for is the one after the last complete move, the last one with its space: a cut
`O-O-O` reads as the legal, wrong `O-O`. If letters of the next move are there, the text says so.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import chess
import numpy as np
from numpy.typing import NDArray

from .chess import Chess
from .chess_characters import CharacterTokens, plies_of
from .chess_render import rights
from .serialise_marks import Form, Marks, grid, marked, moves_line, rest_of_marks

STYLES = ("record", "grid", "list", "fen", "moves")
PERSPECTIVE = "fixed"
KINDS = (chess.KING, chess.QUEEN, chess.ROOK, chess.BISHOP, chess.KNIGHT, chess.PAWN)
_LETTERS = {(kind, colour): chess.Piece(kind, colour).symbol() for kind in KINDS for colour in chess.COLORS}
_KEPT = 1024  # games of which the boards stay in memory: 26 kB for 64 moves


def legend(form: Form) -> str:
    """How to read the texts."""
    moves = "Chess. Moves so far are in standard algebraic notation, White first."
    board = "On the board capitals are White, small letters Black, . is an empty square."
    lists = "White and Black list the squares of all their pieces; all other squares are empty."
    state = (
        "Castling rights are K and Q for White, k and q for Black; - is none; en passant names the square to which a "
        "pawn may capture so."
    )
    return {
        "record": f"{moves} {board} {lists} {state}",
        "grid": f"Chess. {board} {state}",
        "list": f"Chess. {lists} {state}",
        "fen": "Chess. The position is in Forsyth-Edwards notation: ranks 8 to 1, side to move, castling, en passant.",
        "moves": f"{moves} The position is the one after the last move.",
    }[form.style]


class ChessGames:
    """Games that are replayed one by one when they are first asked for.

    Args:
        game: the world.
        tokens: int64 [games, positions], padded.
    """

    def __init__(self, game: Chess, tokens: NDArray[np.int64]) -> None:
        self._game, self._tokens = game, tokens
        self._replayed = lru_cache(_KEPT)(self._replay)

    def __getitem__(self, game: int) -> "ChessGame":
        return self._replayed(game)

    def _replay(self, game: int) -> "ChessGame":
        return ChessGame(self._game, self._tokens[game].tolist())


class ChessGame:
    """One game with the board after every move.

    Args:
        game: the world.
        ids: its tokens.

    Raises:
        ValueError: an illegal move.
    """

    def __init__(self, game: Chess, ids: list[int]) -> None:
        tokenizer = game.tokenizer
        board = chess.Board()
        self._boards, self._sans = [board.copy(stack=False)], list[str]()
        characters = isinstance(tokenizer, CharacterTokens)
        self._letters = tokenizer.text(ids) if characters else ""
        self._plies = plies_of(self._letters) if characters else tokenizer.positions(ids)
        for ply, text in enumerate(tokenizer.decode(ids)):
            try:
                move = board.parse_san(text) if characters else board.parse_uci(text)
            except ValueError as error:
                raise ValueError(f"ply {ply}: {text!r} is illegal in {board.fen()}") from error
            self._sans.append(board.san_and_push(move))
            self._boards.append(board.copy(stack=False))

    @property
    def n_positions(self) -> int:
        """Tokens of the game."""
        return len(self._plies)

    def squares(self) -> tuple[str, ...]:
        """Names of all squares, a1 first."""
        return tuple(chess.SQUARE_NAMES)

    def moves(self, position: int) -> list[str]:
        """Moves in SAN up to a position."""
        return self._sans[: self._plies[position]]

    def text(self, position: int, form: Form, marks: Marks) -> str:
        """The board that a token stands for, in one of `STYLES`."""
        ply = self._plies[position]
        board = self._boards[ply]
        has_moves = form.style in ("record", "moves")
        stressed = {self._plies[p] for p in marks.marked}
        lines: list[str] = []
        if has_moves:
            moves = [_number(i, form) + san for i, san in enumerate(self._sans[:ply])]
            lines.append(moves_line(moves, stressed, {self._plies[p] for p in marks.window}))
        if begun := self._begun(position):
            lines.append(f"The next move is being written, {begun} so far; the board is the one before it.")
        if form.style == "fen":
            lines.append(_fen(board, form))
        elif form.style != "moves":
            lines.append(_status(board))
        if form.style in ("record", "grid"):
            lines.append(_grid(board, form, marks))
        if form.style in ("record", "list"):
            lines += [f"{who}: {_pieces(board, colour, marks)}" for who, colour in (("White", True), ("Black", False))]
        if not has_moves:
            lines += rest_of_marks("moves", [self._sans[p - 1] for p in sorted(stressed) if p])
        if form.style not in ("record", "grid"):
            names = sorted(marks.squares, key=chess.SQUARE_NAMES.index)
            listed = self.occupied(position) if form.style == "list" else ()  # an empty square is in no list
            lines += rest_of_marks("squares", [name for name in names if name not in listed])
        return "\n".join(lines)

    def line(self, position: int, form: Form) -> str:
        """The move and the board in one line."""
        ply = self._plies[position]
        board, move = self._boards[ply], self._sans[ply - 1] if ply else "start"
        if begun := self._begun(position):
            move += f" ({begun} being written)"
        if form.style == "moves":
            return move
        if form.style == "list":
            sides = (f"{who} {_short(board, c)}" for who, c in (("White", True), ("Black", False)))
            return f"{move}: {'; '.join(sides)}; {_status(board)}"
        return f"{move}: {_fen(board, form)}" + (", in check" if board.is_check() else "")

    def occupied(self, position: int) -> tuple[str, ...]:
        """Squares with a piece."""
        board = self._boards[self._plies[position]]
        return tuple(chess.SQUARE_NAMES[s] for s in chess.scan_forward(board.occupied))

    def _begun(self, position: int) -> str:
        """Letters of the move that is being written, without its number."""
        rest = self._letters[: position + 1].rpartition(" ")[2].lstrip(";")
        number, dot, letters = rest.rpartition(".")
        if dot:
            return letters
        return "" if rest.isdigit() or number else rest


def _number(ply: int, form: Form) -> str:
    return f"{ply // 2 + 1}." if form.numbered and ply % 2 == 0 else ""


def _fen(board: chess.Board, form: Form) -> str:
    """Without the two counters at its end, which tell how long the game has lasted."""
    return board.fen() if form.numbered else " ".join(board.fen().split()[:4])


def _status(board: chess.Board) -> str:
    """Whose turn, castling, en passant, check."""
    castling, passant, _ = rights(board).removeprefix("Castling ").split(", ")
    now = "checkmate" if board.is_checkmate() else "in check" if board.is_check() else "not in check"
    if board.is_stalemate():
        now = "stalemate"
    return f"{'White' if board.turn else 'Black'} to move, castling {castling}, {passant}, {now}"


def _grid(board: chess.Board, form: Form, marks: Marks) -> str:
    turned = form.perspective == "mover" and not board.turn  # as Black sees it: h1 at the top left
    ranks: Sequence[int] = range(8) if turned else range(7, -1, -1)
    files: Sequence[int] = range(7, -1, -1) if turned else range(8)
    pieces = _symbols(board)
    names = [[chess.SQUARE_NAMES[8 * rank + file] for file in files] for rank in ranks]
    rows = [(row[0][1], [(name, pieces.get(name, ".")) for name in row]) for row in names]
    return grid(rows, [chess.FILE_NAMES[f] for f in files], marks.squares)


def _by_kind(board: chess.Board, colour: bool) -> Iterator[tuple[int, list[str]]]:
    for kind in KINDS:
        if found := [chess.SQUARE_NAMES[s] for s in chess.scan_forward(board.pieces_mask(kind, colour))]:
            yield kind, found


def _symbols(board: chess.Board) -> dict[str, str]:
    """Letter of every square with a piece."""
    return {on: _LETTERS[kind, c] for c in chess.COLORS for kind, names in _by_kind(board, c) for on in names}


def _pieces(board: chess.Board, colour: bool, marks: Marks) -> str:
    parts: list[str] = []
    for kind, on in _by_kind(board, colour):
        name = chess.piece_name(kind) + ("s" if len(on) > 1 else "")
        parts.append(f"{name} {', '.join(marked(square, square in marks.squares) for square in on)}")
    return "; ".join(parts)


def _short(board: chess.Board, colour: bool) -> str:
    """Pieces in the letters of the notation, pawns by their square alone."""
    letter = {kind: chess.piece_symbol(kind).upper() if kind != chess.PAWN else "" for kind in KINDS}
    return " ".join(letter[kind] + square for kind, on in _by_kind(board, colour) for square in on)
