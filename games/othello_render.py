"""Othello boards for people: plain text and SVG."""

from dataclasses import dataclass

import numpy as np

from .bitboards import popcount
from .othello_board import BLACK, Geometry, Record, legal_moves

_CELL, _MARGIN = 40, 24


@dataclass(frozen=True)
class View:
    """What is drawn.

    Attributes:
        geometry: the board.
        black: squares with black discs.
        white: squares with white discs.
        legal: squares where the player to move may play.
        last: square of the last move, None before the first.
        status: one line: moves made, whose turn.
    """

    geometry: Geometry
    black: frozenset[int]
    white: frozenset[int]
    legal: frozenset[int]
    last: int | None
    status: str


def view_of(record: Record, ply: int) -> View:
    """The first game of a record after `ply` moves."""
    geometry = record.geometry
    if ply == 0:
        own, opp = geometry.start(1)
        legal, black_to_move, last = legal_moves(own, opp, geometry.mask), True, None
        status = "Start: Black to move"
    else:
        own, opp, legal = record.own[ply - 1, :1], record.opp[ply - 1, :1], record.legal[ply - 1, :1]
        black_to_move = bool(record.to_move[ply - 1, 0] == BLACK)
        last = int(record.squares[0, ply - 1])
        mover, other = ("Black", "White") if record.mover[ply - 1, 0] == BLACK else ("White", "Black")
        moves = "1 move," if ply == 1 else f"{ply} moves, the last"
        status = f"After {moves} {geometry.names[last]} by {mover}: "
        if not legal[0]:
            counts = [int(popcount(board)[0]) for board in (own, opp)]
            black, white = counts if black_to_move else counts[::-1]
            status += f"game over, Black {black}, White {white}"
        elif record.passed[ply - 1, 0]:
            status += f"{other} passes, {mover} to move"
        else:
            status += f"{other} to move"
    mine, yours, free = (frozenset(np.flatnonzero(geometry.unpack(b)[0]).tolist()) for b in (own, opp, legal))
    black, white = (mine, yours) if black_to_move else (yours, mine)
    return View(geometry, black, white, free, last, status)


def as_text(view: View) -> str:
    """Letters and numbers around the board: X black, O white, * a legal move, . empty; the last move in brackets."""
    size = view.geometry.size
    lines = ["   " + " ".join(chr(97 + c) for c in range(size))]
    for row in range(size):
        text = f"{row + 1:>2}"
        for column in range(size):
            square = size * row + column
            mark = "(" if square == view.last else ")" if column and square - 1 == view.last else " "
            text += mark + _symbol(view, square)
        lines.append(text + (")" if view.last == size * row + size - 1 else ""))
    return "\n".join([*lines, view.status])


def _symbol(view: View, square: int) -> str:
    if square in view.black:
        return "X"
    if square in view.white:
        return "O"
    return "*" if square in view.legal else "."


def as_svg(view: View) -> str:
    """A stand-alone SVG with a title; discs, legal moves as dots, the last move marked with a red dot."""
    size, names = view.geometry.size, view.geometry.names
    side = _CELL * size
    total = side + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {total}" width="{total}" height="{total}" '
        f'role="img" aria-label="{view.status}">',
        f"<title>{view.status}</title>",
        f'<rect width="{total}" height="{total}" fill="#f4f1ea"/>',
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{side}" height="{side}" fill="#1f7a4d"/>',
    ]
    ends = (_MARGIN, _MARGIN + side)
    for i in range(size + 1):
        at = _MARGIN + _CELL * i
        for x1, y1, x2, y2 in ((at, ends[0], at, ends[1]), (ends[0], at, ends[1], at)):
            parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#0e4a2d" stroke-width="1"/>')
    label = '<text x="{}" y="{}" font-family="sans-serif" font-size="13" text-anchor="middle" fill="#333">{}</text>'
    for i in range(size):
        at = _MARGIN + _CELL * i + _CELL // 2
        parts.append(label.format(at, _MARGIN - 8, chr(97 + i)))
        parts.append(label.format(_MARGIN // 2, at + 5, i + 1))
    for square, name in enumerate(names):
        x = _MARGIN + _CELL * (square % size) + _CELL // 2
        y = _MARGIN + _CELL * (square // size) + _CELL // 2
        circle = f'<circle cx="{x}" cy="{y}" r="{{}}" fill="{{}}" stroke="{{}}"><title>{{}} {name}</title></circle>'
        if square in view.black:
            parts.append(circle.format(16, "#111", "#000", "black on"))
        elif square in view.white:
            parts.append(circle.format(16, "#fafafa", "#555", "white on"))
        elif square in view.legal:
            parts.append(circle.format(4, "#a8d8bd", "none", "legal move at"))
        if square == view.last:
            parts.append(circle.format(4, "#d22", "none", "played"))
    return "\n".join([*parts, "</svg>"])
