"""Chess boards for people: plain text for terminals, and SVG through python-chess, shaded by a score of every square.

Rank 8 is on top and White below, as chess is printed everywhere.
"""

import math
from collections.abc import Mapping
from html import escape

import chess

_CELL, _MARGIN, _LEGEND = 45, 18, 32  # chess.svg draws squares of 45
_SIDE = 8 * _CELL + 2 * _MARGIN
# The frame is dark with light letters, so that it reads the same on a white page and on a dark one.
_FRAME, _SHADE, _MARK = "#212121", "#0072b2", "#d55e00"
_TEXT = '<text x="{}" y="{}" font-family="sans-serif" font-size="{}" text-anchor="{}" fill="#e5e5e5">{}</text>'
_GREYS = {"square light": "#f7f7f7", "square dark": "#d5d7da"}  # leave the colour to the scores
_STRONGEST = 0.85  # opacity of a score of 1; black pieces stay legible on it
_UNICODE = dict(zip("PNBRQKpnbrqk", "♙♘♗♖♕♔♟♞♝♜♛♚", strict=True))


def as_text(
    board: chess.Board, last_move: chess.Move | None = None, *, ply: int | None = None, unicode: bool = False
) -> str:
    """Letters around the board: capitals White, small letters Black, `.` an empty square.

    The piece that moved last stands in brackets; the square that it left is a `-`.

    Args:
        board: the position.
        last_move: the move that led to it; None takes it from the board's own move stack, if that has one.
        ply: moves made so far; None takes the board's own count.
        unicode: chess figures instead of letters.

    Returns:
        Eleven lines: files, eight ranks, what was played and who is to move, castling rights and counters.
    """
    move = _last(board, last_move)
    files = "   " + " ".join(chess.FILE_NAMES)
    lines = [files]
    for rank in reversed(range(8)):
        text = f" {rank + 1}"
        for file in range(8):
            before = ")" if move is not None and file and chess.square(file - 1, rank) == move.to_square else " "
            square = chess.square(file, rank)
            at_target = move is not None and square == move.to_square
            text += ("(" if at_target else before) + _symbol(board, square, move, unicode)
        lines.append(text + (")" if move is not None and move.to_square == chess.square(7, rank) else ""))
    return "\n".join([*lines, status(board, move, ply=ply), rights(board)])


def status(board: chess.Board, last_move: chess.Move | None = None, *, ply: int | None = None) -> str:
    """One line: moves made, the last one and who made it, and what now: whose turn, check, or how it ended."""
    move, made = _last(board, last_move), board.ply() if ply is None else ply
    mover, other = ("Black", "White") if board.turn else ("White", "Black")
    if not made and move is None:
        text = "Start: "
    else:
        text = "After 1 move" if made == 1 else f"After {made} moves"
        text += ": " if move is None else f", the last {move.uci()} by {mover}: "
    if board.is_checkmate():
        return f"{text}checkmate, {mover} wins"
    if board.is_stalemate():
        return f"{text}stalemate"
    return f"{text}{other} to move" + (", in check" if board.is_check() else "")


def rights(board: chess.Board) -> str:
    """One line: castling rights as in a FEN, the square of a legal en passant capture, plies without progress."""
    where = chess.square_name(board.ep_square) if board.has_legal_en_passant() and board.ep_square is not None else "-"
    quiet = "1 ply" if board.halfmove_clock == 1 else f"{board.halfmove_clock} plies"
    return f"Castling {board.castling_xfen()}, en passant {where}, {quiet} since a capture or pawn move"


def as_svg(
    board: chess.Board,
    *,
    last_move: chess.Move | None = None,
    scores: Mapping[int, float] | None = None,
    title: str | None = None,
    ply: int | None = None,
    legend: str = "score",
) -> str:
    """A stand-alone SVG with a title; the last move and a king in check are marked.

    Args:
        board: the position.
        last_move: the move that led to it; None takes it from the board's own move stack, if that has one.
        scores: square from 0 (a1) to 63 (h8) -> number from 0 to 1, drawn as the strength of a colour with a legend
            below; squares that are missing or NaN get a small cross. None draws an ordinary board.
        title: what is shown, for the tooltip and for those who cannot see it; None says what `status` says.
        ply: moves made so far, for `status`.
        legend: what the scores are, beside the legend.

    Raises:
        ValueError: a score outside [0, 1], or of no square.
    """
    import chess.svg  # brings an XML parser, which playing should not wait for

    move = _last(board, last_move)
    if scores is not None:
        _check(scores)
    known = {s: v for s, v in (scores or {}).items() if not math.isnan(v)}
    said = escape(title if title is not None else status(board, move, ply=ply), quote=True)
    drawn = chess.svg.board(
        board,
        coordinates=False,  # its letters are outlines, half of the whole drawing
        lastmove=move if scores is None else None,  # with scores a frame marks the move: two fills would mix
        check=board.king(board.turn) if board.is_check() else None,
        fill={s: f"{_SHADE}{round(255 * _STRONGEST * v):02x}" for s, v in known.items()},
        colors={} if scores is None else _GREYS,
    )
    inside = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]  # a page may size every <svg>, so there is only one
    height = _SIDE if scores is None else _SIDE + _LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {_SIDE} {height}" width="{_SIDE}" height="{height}" role="img" aria-label="{said}">',
        f"<title>{said}</title>",
        f'<rect width="{_SIDE}" height="{height}" fill="{_FRAME}"/>',
        *_coordinates(),
        f'<g transform="translate({_MARGIN},{_MARGIN})">{inside}</g>',
    ]
    if scores is not None:
        parts += [_mark(move.from_square, "4 3"), _mark(move.to_square, "none")] if move is not None else []
        parts += [_tip(board, square, known.get(square)) for square in chess.SQUARES]
        parts += _scale(legend)
    return "\n".join([*parts, "</svg>"])


def _last(board: chess.Board, last_move: chess.Move | None) -> chess.Move | None:
    return board.peek() if last_move is None and board.move_stack else last_move


def _symbol(board: chess.Board, square: int, move: chess.Move | None, unicode: bool) -> str:
    piece = board.piece_at(square)
    if piece is None:
        return "-" if move is not None and square == move.from_square else "."
    return _UNICODE[piece.symbol()] if unicode else piece.symbol()


def _check(scores: Mapping[int, float]) -> None:
    for square, value in scores.items():
        if not 0 <= square < 64:
            raise ValueError(f"scores are by square from 0 (a1) to 63 (h8), got square {square}")
        if not math.isnan(value) and not 0 <= value <= 1:
            raise ValueError(f"the score of {chess.square_name(square)} must lie in [0, 1], got {value}")


def _corner(square: int) -> tuple[int, int]:
    """Left and top of a square in the drawing."""
    return _MARGIN + _CELL * chess.square_file(square), _MARGIN + _CELL * (7 - chess.square_rank(square))


def _coordinates() -> list[str]:
    """Ranks on the left, files below."""
    half = _CELL // 2
    ranks = [_TEXT.format(_MARGIN // 2, _corner(8 * r)[1] + half + 4, 12, "middle", r + 1) for r in range(8)]
    files = [_TEXT.format(_corner(f)[0] + half, _SIDE - 5, 12, "middle", chess.FILE_NAMES[f]) for f in range(8)]
    return [*ranks, *files]


def _mark(square: int, dashes: str) -> str:
    """A frame just inside a square of the last move: dashed where it began, whole where it ended."""
    x, y = _corner(square)
    return (
        f'<rect x="{x + 2}" y="{y + 2}" width="{_CELL - 4}" height="{_CELL - 4}" fill="none" stroke="{_MARK}" '
        f'stroke-width="3" stroke-dasharray="{dashes}"/>'
    )


def _tip(board: chess.Board, square: int, value: float | None) -> str:
    """An invisible sheet over a square that says in words what is there; a cross in its corner without a value."""
    x, y = _corner(square)
    piece = board.piece_at(square)
    name = "empty" if piece is None else f"{chess.COLOR_NAMES[piece.color]} {chess.piece_name(piece.piece_type)}"
    number = "no value" if value is None else f"{value:.3f}"
    cross = f'<path d="M{x + 35} {y + 4}l6 6m0 -6l-6 6" stroke="#777" stroke-width="1.5"/>' if value is None else ""
    return (
        f'{cross}<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill-opacity="0">'
        f"<title>{chess.square_name(square)}: {name}, {number}</title></rect>"
    )


def _scale(legend: str) -> list[str]:
    """The colours from 0 to 1 beneath the board, on white as the lightest squares are."""
    n, width, left, top = 20, 7, 210, _SIDE + 6
    steps = [
        f'<rect x="{left + width * i}" y="{top}" width="{width}" height="16" fill="{_SHADE}" '
        f'fill-opacity="{_STRONGEST * (i + 0.5) / n:.3f}"/>'
        for i in range(n)
    ]
    return [
        _TEXT.format(_MARGIN, top + 13, 14, "start", escape(legend)),
        f'<rect x="{left}" y="{top}" width="{n * width}" height="16" fill="#fff"/>',
        *steps,
        _TEXT.format(left - 8, top + 13, 14, "end", 0),
        _TEXT.format(left + n * width + 8, top + 13, 14, "start", 1),
    ]
