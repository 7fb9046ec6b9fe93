"""What stands in the text of a position, word for word: the facts that a style shows."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import chess

from ..games.serialise_marks import MOVES, NONE

_KINDS = "pawn|knight|bishop|rook|queen|king"
_GRID = re.compile(r"^(\d) ((?:\S+ )+\S+)$", re.MULTILINE)
_FILES = re.compile(r"^  ((?:[a-h] )+[a-h])$", re.MULTILINE)
_TURN = re.compile(
    r"^(?:The game is over; it would be the turn of )?(Black|White) \(([XO])\)(?: to move)?(, \w+ passes)?$",
    re.MULTILINE,
)
_PLAYED = re.compile(r"^Just played: ([a-h][1-8]) \(([XO])\)(?:, turning over (.*))?$", re.MULTILINE)
_STATUS = re.compile(r"^(White|Black) to move, castling (\S+), en passant (\S+), (.+)$", re.MULTILINE)
_FEN = re.compile(r"^((?:[pnbrqkPNBRQK1-8]+/){7}[pnbrqkPNBRQK1-8]+ [wb] \S+ \S+)(?: \d+ \d+)?$", re.MULTILINE)
_SAN = re.compile(r"([a-h][1-8])(?:=[NBRQ])?[+#]?$")


@dataclass(frozen=True)
class Seen:
    """Facts that a text shows.

    Attributes:
        true: names of facts that hold.
        covers: names that are decided: those that fit and are not in `true` do not hold. Others are not visible.
        ply: moves made; None if they are not shown.
    """

    true: frozenset[str] = frozenset()
    covers: tuple[re.Pattern[str], ...] = ()
    ply: int | None = None

    def holds(self, name: str) -> bool | None:
        """Whether a fact holds; None if it is not visible."""
        if name in self.true:
            return True
        return False if any(pattern.fullmatch(name) for pattern in self.covers) else None


class _Found:
    """Facts found so far."""

    def __init__(self) -> None:
        self.true: set[str] = set()
        self.covers: list[str] = []

    def add(self, covers: str, *true: str) -> None:
        self.covers.append(covers)
        self.true.update(true)

    def seen(self, ply: int | None) -> Seen:
        return Seen(frozenset(self.true), tuple(re.compile(c) for c in self.covers), ply)


def _moves(text: str) -> list[str] | None:
    for line in text.splitlines():
        if line.startswith(MOVES):
            words = [re.sub(r"[\[\]<>]|^\[?(?:<<)?\d+\.", "", word) for word in line.removeprefix(MOVES).split()]
            return [word for word in words if word != NONE]
    return None


def _grid(text: str) -> dict[str, str] | None:
    """Symbols of a board by square; None if there is no board."""
    files = _FILES.search(text)
    if files is None:
        return None
    return {
        file + row[1]: symbol.removeprefix("<<").removesuffix(">>")
        for row in _GRID.finditer(text)
        for file, symbol in zip(files[1].split(), row[2].split(), strict=True)
    }


def _listed(text: str, heading: str) -> str | None:
    found = re.search(rf"^{re.escape(heading)}: (.*)$", text, re.MULTILINE)
    return None if found is None else re.sub(r"[<>]", "", found[1])


def read_othello(text: str) -> Seen:
    """Discs, the last move, what it turned over, whose turn it is; whichever of them are shown."""
    found, moves = _Found(), _moves(text)
    turn, last = _TURN.search(text), _PLAYED.search(text)
    if turn is not None:
        found.add("(black|white) to move", f"{turn[1].lower()} to move")
        found.add("the last move forced a pass", *(["the last move forced a pass"] if turn[3] else []))
        found.add("game over", *(["game over"] if turn[0].startswith("The game") else []))
    if last is not None or moves:
        square = last[1] if last is not None else (moves or [""])[-1]
        found.add("played [a-h][1-8]", f"played {square}")
    if last is not None and last[3] is not None:
        found.add("flipped [a-h][1-8]", *(f"flipped {square}" for square in last[3].split(", ")))
    board = _othello_board(text, last)
    if board is not None and turn is not None:
        mover = "XO".index(turn[2])
        whose = ("mine", "yours") if mover == 0 else ("yours", "mine")
        colours = ("black", "white") if (turn[1] == "Black") == (mover == 0) else ("white", "black")
        for square in (f + r for f in "abcdefgh" for r in "12345678"):  # what is beyond a smaller board is not asked
            side = "XO".find(board.get(square, "."))
            if side < 0:
                found.true.add(f"{square} empty")
            else:
                found.true.update((f"{square} occupied", f"{colours[side]} on {square}", f"{whose[side]} on {square}"))
        found.add("(mine|yours|black|white) on [a-h][1-8]|[a-h][1-8] (empty|occupied)")
    return found.seen(None if moves is None else len(moves))


def _othello_board(text: str, last: re.Match[str] | None) -> dict[str, str] | None:
    board = _grid(text)
    if board is not None and last is not None:
        board[last[1]] = last[2]
    if board is None:
        lists = [_listed(text, heading) for heading in ("X, mine", "O, theirs")]
        lists = lists if lists[0] is not None else [_listed(text, heading) for heading in ("X, Black", "O, White")]
        if lists[0] is None or lists[1] is None:
            return None
        sides = zip("XO", lists, strict=True)
        board = {s: symbol for symbol, names in sides for s in (names or "").split(", ") if s != "none"}
    return board


def read_chess(text: str) -> Seen:
    """Pieces, whose turn it is, rights, check, where the last move went; whichever of them are shown."""
    found, moves = _Found(), _moves(text)
    status, fen, symbols = _STATUS.search(text), _FEN.search(text), _grid(text)
    if fen is not None:
        board = chess.Board(fen[1] + " 0 1")
        symbols = {chess.SQUARE_NAMES[s]: p.symbol() for s, p in board.piece_map().items()}
        _, colour, castling, passant = fen[1].split()
        _rights(found, "white" if colour == "w" else "black", castling, passant)
    if status is not None:
        side = status[1].lower()
        _rights(found, side, status[2], status[3])
        checked = status[4] in ("in check", "checkmate")
        found.add("check|(white|black) in check", *(["check", f"{side} in check"] if checked else []))
        found.add("checkmate|stalemate", status[4])
    if symbols is None and (lists := [_listed(text, who) for who in ("White", "Black")])[0] is not None:
        symbols = _pieces(lists[0] or "", str.upper) | _pieces(lists[1] or "", str.lower)
    if symbols is not None:
        found.add(rf"(white|black) ({_KINDS}|piece) on [a-h][1-8]|[a-h][1-8] (empty|occupied)")
        for square in chess.SQUARE_NAMES:
            symbol = symbols.get(square, ".")
            if symbol == ".":
                found.true.add(f"{square} empty")
                continue
            colour = "white" if symbol.isupper() else "black"
            kind = chess.piece_name(chess.PIECE_SYMBOLS.index(symbol.lower()))
            found.true.update((f"{square} occupied", f"{colour} piece on {square}", f"{colour} {kind} on {square}"))
    if moves:
        found.add("moved to [a-h][1-8]", f"moved to {_target(moves[-1], len(moves))}")
    return found.seen(None if moves is None else len(moves))


def _rights(found: _Found, side: str, castling: str, passant: str) -> None:
    found.add("(white|black) to move", f"{side} to move")
    wings = {"K": "white kingside", "Q": "white queenside", "k": "black kingside", "q": "black queenside"}
    held = [f"{wing} castling right" for letter, wing in wings.items() if letter in castling]
    held += [f"{name.split()[0]} castling right" for name in held]
    found.add("(white|black) (kingside |queenside )?castling right", *held)
    passing = [] if passant == "-" else [f"en passant on {passant}", "legal en passant"]
    found.add("en passant on [a-h][1-8]|legal en passant", *passing)


def _pieces(listed: str, case: Callable[[str], str]) -> dict[str, str]:
    """Letters by square of one side's list."""
    found: dict[str, str] = {}
    for part in listed.split("; "):
        kind, _, squares = part.partition(" ")
        symbol = chess.PIECE_SYMBOLS[chess.PIECE_NAMES.index(kind.removesuffix("s"))]
        found |= dict.fromkeys(squares.split(", "), case(symbol))
    return found


def _target(san: str, ply: int) -> str:
    if san.startswith("O-O"):
        return ("c" if san.startswith("O-O-O") else "g") + ("1" if ply % 2 else "8")
    found = _SAN.search(san)
    return "" if found is None else found[1]


def read_sentence(text: str) -> Seen:
    """The first two names, which stand at the same places in all sentences, words, and the name that is read."""
    found = _Found()
    words = re.sub(r"[\[\]<>]", "", text).replace(",", " ,").split()
    for place, which in ((2, "first"), (4, "second")):
        if len(words) > place:
            found.add(f"{which} name is .*", f"{which} name is {words[place]}")
    found.add("(place|object) is .*", *(f"{what} is {word}" for what in ("place", "object") for word in words))
    if repeated := [word for word in words[5:] if word in (words[2], words[4])]:
        found.add("third name is .*", f"third name is {repeated[0]}")
    return found.seen(None)
