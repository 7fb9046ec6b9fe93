"""The chess vocabulary of squares: what stands where, what attacks what, and what the last move did.

Everything is absolute: White and Black, never "mine" and "yours". A square is attacked by a colour if one of its pieces
could take an enemy piece there by the way it moves, checks to its own king aside: pinned pieces attack, a piece does
not attack through another one, and the square may be empty or hold a piece of either colour.

A plane has one feature a square, a1 first, b1, .. h8 last, so that its labels are one bitboard; squares where a feature
cannot hold stay in the plane as unreachable features. What stands on a square at the start of a game is scored apart
("initial board") from what had to get there ("board"), because a model can know the former without reading any move.
"""

from collections.abc import Callable, Sequence

import chess

from .blocks import Block
from .chess_bits import SQUARES
from .features import Feature

COLOURS = (("white", True), ("black", False))
KINDS = tuple(range(chess.PAWN, chess.KING + 1))
CORNERS = (chess.A1, chess.H1, chess.A8, chess.H8)
# Squares behind a pawn that has moved two squares: White's pass rank 3, Black's rank 6.
PASSANT = tuple(range(chess.A3, chess.H3 + 1)) + tuple(range(chess.A6, chess.H6 + 1))
_START = chess.Board()


def starts_there(kind: int, white: bool, square: int) -> bool:
    """Whether a piece of this kind and colour stands on the square in the initial position."""
    return _START.piece_at(square) == chess.Piece(kind, white)


def _plane(
    key: str,
    name: str,
    group: str | Callable[[int], str],
    *,
    definition: str,
    rung: int = 2,
    variable: str | None = None,
    parents: Sequence[str] = (),
    reachable: Callable[[int], bool] = lambda square: True,
) -> Block:
    """A plane; `{}` in its texts is the name of the square. Unreachable features imply nothing."""

    def feature(square: int) -> Feature:
        on = SQUARES[square]
        return Feature(
            name=name.format(on),
            group=group if isinstance(group, str) else group(square),
            rung=rung,
            definition=definition.format(on),
            variable=None if variable is None else variable.format(on),
            parents=tuple(parent.format(on) for parent in parents) if reachable(square) else (),
            reachable=reachable(square),
        )

    return Block(f"plane {key}", tuple(feature(s) for s in range(64)), tuple(range(64)))


def _piece_plane(colour: str, white: bool, kind: int) -> Block:
    piece = f"{colour} {chess.piece_name(kind)}"
    return _plane(
        piece,
        f"{piece} on {{}}",
        lambda square: "initial board" if starts_there(kind, white, square) else "board",
        rung=1,
        definition=f"A {piece} is on {{}}.",
        variable="content of {}",
        parents=(f"{colour} piece on {{}}",),
        reachable=lambda square: kind != chess.PAWN or 0 < square // 8 < 7,
    )


def _square_planes() -> list[Block]:
    """What stands on each square."""
    blocks = [_piece_plane(colour, white, kind) for colour, white in COLOURS for kind in KINDS]
    blocks += [
        _plane(
            f"{colour} piece",
            f"{colour} piece on {{}}",
            "colour",
            rung=1,
            definition=f"A {colour} piece of any kind, the king included, is on {{}}.",
            variable="colour on {}",
            parents=("{} occupied",),
        )
        for colour, _ in COLOURS
    ]
    blocks += [
        _plane("occupied", "{} occupied", "occupied", rung=1, definition="A piece of either colour is on {}."),
        _plane(
            "empty", "{} empty", "empty", rung=1, definition="No piece is on {}.", variable="content of {}"
        ),
    ]  # fmt: skip
    return blocks


def _relation_planes() -> list[Block]:
    """Attacks, pins, hanging pieces and legal moves."""
    blocks = [
        _plane(
            f"{colour} attacks",
            f"{colour} attacks {{}}",
            f"attacked by {colour}",
            definition=f"A {colour} piece, pinned or not, attacks {{}}: it could take an enemy piece there by the way "
            "it moves, through empty squares only; the square may be empty or hold a piece of either colour.",
        )
        for colour, _ in COLOURS
    ]
    for colour, other in (("white", "black"), ("black", "white")):
        blocks.append(
            _plane(
                f"{colour} pinned",
                f"{colour} pinned piece on {{}}",
                "pinned pieces",
                definition=f"A {colour} piece on {{}} is pinned to its king: it is the only piece on the line between "
                f"the {colour} king and a {other} queen, or a {other} rook (on a rank or file) or bishop (on a "
                "diagonal). It counts as pinned even if it may move along that line, and whoever is to move.",
                parents=(f"{colour} piece on {{}}", f"{colour} piece pinned"),
                reachable=lambda square: square not in CORNERS,  # a corner lies between no two squares
            )
        )
    for colour, other in (("white", "black"), ("black", "white")):
        blocks.append(
            _plane(
                f"{colour} hanging",
                f"hanging {colour} piece on {{}}",
                "hanging pieces",
                rung=3,
                definition=f"A {colour} piece other than the king is on {{}}, {other} attacks that square and {colour} "
                "does not. Pinned pieces count as attackers and defenders, and it does not matter whose move it is.",
                parents=(f"{colour} piece on {{}}", f"{other} attacks {{}}", f"{colour} piece hanging"),
            )
        )
    blocks += [
        _plane(
            "legal target",
            "legal move to {}",
            "legal moves",
            definition="The side to move has a legal move to {} (of its king when castling, of the pawn when capturing "
            "en passant).",
            parents=("at least 1 legal move",),
        ),
        _plane(
            "legal origin",
            "legal move from {}",
            "movable pieces",
            definition="A piece of the side to move on {} has a legal move (castling is a move of the king).",
            parents=("{} occupied", "at least 1 legal move"),
        ),
    ]
    return blocks


def _last_move_planes() -> list[Block]:
    """Where the last move came from and went to."""
    return [
        _plane(
            "moved from",
            "moved from {}",
            "last move",
            rung=0,
            definition="The last move started from {} (castling: of the king). Never true before the first move.",
            variable="last move from",
            parents=("{} empty",),
        ),
        _plane(
            "moved to",
            "moved to {}",
            "last move",
            rung=0,
            definition="The last move went to {} (castling: of the king). Never true before the first move.",
            variable="last move to",
            parents=("{} occupied",),
        ),
    ]


def planes() -> tuple[Block, ...]:
    """All planes, pieces first: white pawns, knights, bishops, rooks, queens, king, then the black ones."""
    return (*_square_planes(), *_relation_planes(), *_last_move_planes())


def square_flags() -> tuple[Block, ...]:
    """Features of some squares only: en passant."""
    features: list[Feature] = []
    for square in PASSANT:
        on, white = SQUARES[square], square < 32  # on rank 3 it is a white pawn that is taken
        pawn = SQUARES[square + 8 if white else square - 8]
        colour, other = ("white", "black") if white else ("black", "white")
        features.append(
            Feature(
                name=f"en passant on {on}",
                group="en passant",
                rung=2,
                definition=f"A {other} pawn may legally capture en passant by moving to {on}: the last move was of the "
                f"{colour} pawn on {pawn} two squares forward, and taking it leaves the {other} king unattacked.",
                variable="en passant square",
                parents=(
                    f"legal move to {on}",
                    f"{on} empty",
                    f"{colour} pawn on {pawn}",
                    f"{other} can capture en passant",
                ),
            )
        )
    return (Block("en passant squares", tuple(features), PASSANT),)
