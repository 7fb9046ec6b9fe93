"""The features of chess that belong to the whole board: state, moves at hand, the last move, draws.

Names are absolute (White, Black); where only the side to move can act, "can" means that one of its legal moves does
it. Material, pawns and kings are in chess_scalars_structure.py, forks, pins and the like in chess_scalars_tactics.py;
`chess_whole.scalars` computes them all. Piece values are pawn 1, knight 3, bishop 3, rook 5, queen 9; a king is worth
more than any other piece.
"""

from .blocks import Block
from .chess_flags import KINDS, OTHER, SIDES, WINGS, counts, flags
from .chess_scalars_structure import structure_blocks
from .chess_scalars_tactics import tactic_blocks

_LEGAL = ("at least 1 legal move",)
BAND = 8  # plies of a move number band
# Thresholds reached now and then in games of random moves or of an engine.
_MOBILITY = (1, 5, 10, 15, 20, 25, 30, 35, 40, 50)
_CAPTURES = (1, 2, 3, 4, 6, 8)
_CHECKS = (2, 3, 4)
_CLOCK = (2, 4, 6, 8, 12, 16, 24, 32, 48, 75, 100)


def _article(kind: str) -> str:
    return f"a {kind}"


def _state_blocks() -> list[Block]:
    """Whose move it is, check, castling, en passant."""
    homes = {("white", "kingside"): "h1", ("white", "queenside"): "a1",
             ("black", "kingside"): "h8", ("black", "queenside"): "a8"}  # fmt: skip
    king = {"white": "e1", "black": "e8"}
    sides = [(side, wing) for side in SIDES for wing in WINGS]
    return [
        flags(
            "turn", "side to move", 1,
            ((f"{side} to move", f"{side.title()} is to move.", ()) for side in SIDES),
            variable="side to move",
        ),
        flags(
            "check", "check", 2,
            [
                ("check", "The side to move is in check.", ()),
                *((f"{side} in check", f"{side.title()} is to move and in check.", ("check", f"{side} to move"))
                  for side in SIDES),
                ("double check", "Two pieces give check to the side to move.", ("check",)),
                ("discovered check", "A piece that did not make the last move gives check; both king and rook make the "
                 "move of castling.", ("check",)),
                *((f"check from {_article(kind)}", f"A {kind} gives check to the side to move.", ("check",))
                  for kind in KINDS[:5]),
            ],
        ),
        flags(
            "rights", "castling", 2,
            [
                *((f"{side} {wing} castling right", f"Neither the {side} king nor the rook that began on "
                   f"{homes[side, wing]} has moved or been captured: {side.title()} may one day castle {wing}.",
                   (f"{side} castling right", f"{side} king on {king[side]}", f"{side} rook on {homes[side, wing]}"))
                  for side, wing in sides),
                *((f"{side} castling right", f"{side.title()} has the right to castle on at least one side.",
                   (f"{side} king on {king[side]}",)) for side in SIDES),
            ],
        ),
        flags(
            "castle now", "castling", 2,
            ((f"{side} can castle {wing}", f"{side.title()} is to move and castling {wing} is a legal move.",
              (f"{side} {wing} castling right", f"{side} to move", *_LEGAL)) for side, wing in sides),
        ),
        flags(
            "castled", "castling", 2,
            ((f"{side} has castled {wing}", f"An earlier or the last move of the game was {side.title()}'s castling "
              f"{wing}.", ()) for side, wing in sides),
        ),
        flags(
            "en passant", "en passant", 2,
            [
                ("legal en passant", "The side to move has a legal capture en passant.", _LEGAL),
                *((f"{side} can capture en passant", f"{side.title()} is to move and has a legal capture en passant.",
                   ("legal en passant", f"{side} to move")) for side in SIDES),
                ("en passant ruled out", "A pawn of the side to move stands beside a pawn that has just moved two "
                 "squares, but no capture en passant is legal, because of a pin or a check.", ()),
            ],
        ),
    ]  # fmt: skip


def _move_blocks() -> list[Block]:
    """What the side to move can do."""
    capture = ("at least 1 legal capture",)
    return [
        counts(
            "mobility", "mobility", 2, _MOBILITY, name="at least {k} legal move{s}",
            definition="The side to move has at least {k} legal move{s}; a promotion counts as four moves.",
        ),
        flags(
            "movers", "mobility", 2,
            [
                ("forced move", "The side to move has exactly one legal move (a promotion counts as four).", _LEGAL),
                *((f"{_article(kind)} can move", f"A {kind} of the side to move has a legal move; castling is a move "
                   "of the king.", _LEGAL) for kind in KINDS),
                ("can promote", "A pawn of the side to move can legally promote.", ("a pawn can move",)),
            ],
        ),
        counts(
            "captures", "captures", 2, _CAPTURES, name="at least {k} legal capture{s}",
            definition="At least {k} legal move{s} of the side to move capture a piece, en passant included; a capture "
            "that promotes counts as four.", parents=_LEGAL,
        ),
        flags(
            "captures of", "captures", 2,
            ((f"can capture {_article(kind)}", f"The side to move can legally capture a {kind}"
              + (" (also en passant)." if kind == "pawn" else "."), capture) for kind in KINDS[:5]),
        ),
        flags(
            "ambiguous", "ambiguous moves", 2,
            [
                ("ambiguous move", "Two knights, two bishops, two rooks or two queens of the side to move can legally "
                 "go to one square, so that the move needs more than piece and square to be told; pawn captures do "
                 "not count.", _LEGAL),
                *((f"ambiguous {kind} move", f"Two {kind}s of the side to move can legally go to one square.",
                   ("ambiguous move", f"a {kind} can move")) for kind in KINDS[1:5]),
            ],
        ),
        flags(
            "checks", "checks to give", 3,
            [
                ("can give check", "A legal move of the side to move gives check.", _LEGAL),
                *((f"can give check with {_article(kind)}", f"A legal move of a {kind} gives check, by itself or by "
                   "uncovering another piece" + ("; the move counts as the pawn's when it promotes." if kind == "pawn"
                   else "; castling counts as the king's." if kind == "king" else "."),
                   ("can give check", f"a {kind} can move")) for kind in KINDS),
                ("can give discovered check", "After a legal move, a piece that did not move gives check; both king "
                 "and rook move in castling.", ("can give check",)),
                ("can give double check", "After a legal move, two pieces give check.", ("can give discovered check",)),
                ("can capture with check", "A legal move captures and gives check.", ("can give check", *capture)),
            ],
        ),
        counts(
            "number of checks", "checks to give", 3, _CHECKS, name="at least {k} checking moves",
            definition="At least {k} legal moves give check; a promotion with check counts for every piece that gives "
            "it.", parents=("can give check",),
        ),
        flags(
            "mate", "mate", 3,
            [
                ("checkmate", "The side to move is in check and has no legal move.", ("check",)),
                ("mate in one", "A legal move of the side to move gives checkmate.", ("can give check",)),
                ("mate threat", "The side to move is not in check, and if it passed, the other side could give "
                 "checkmate at once.", ()),
            ],
        ),
    ]  # fmt: skip


def _last_blocks() -> list[Block]:
    """What kind of move led here."""
    capture = ("last move captured",)
    return [
        flags(
            "last piece", "last moved piece", 1,
            ((f"last move by {_article(kind)}", f"The last move was made by a {kind}; castling is a move of the king, "
              "a promotion one of a pawn.", ()) for kind in KINDS),
            variable="last moved piece",
        ),
        flags(
            "last capture", "last move kind", 1,
            [
                ("last move captured", "The last move captured a piece, en passant included.", ()),
                *((f"last move captured {_article(kind)}", f"The last move captured a {kind}.", capture)
                  for kind in KINDS[:5]),
                ("last move captured en passant", "The last move was a capture en passant.",
                 ("last move captured a pawn", "last move by a pawn")),
            ],
        ),
        flags(
            "last kind", "last move kind", 1,
            [
                ("last move promoted", "The last move promoted a pawn.", ("last move by a pawn",)),
                *((f"last move promoted to {_article(kind)}", f"The last move promoted a pawn to a {kind}.",
                   ("last move promoted",)) for kind in KINDS[1:5]),
                ("last move castled", "The last move was castling.", ("last move by a king",)),
                *((f"last move castled {wing}", f"The last move was castling {wing}.", ("last move castled",))
                  for wing in WINGS),
                ("last move was a double step", "The last move advanced a pawn by two squares.",
                 ("last move by a pawn",)),
            ],
        ),
        flags(
            "last two", "last move kind", 2,
            [
                ("last move recaptured", "The last two moves captured on the same square.", capture),
                ("last move by the same piece again", "The last move was made by the piece that its side moved the "
                 "time before (in castling only the king counts).", ()),
                ("last move went back", "The last move took a piece back to the square from which its side had moved "
                 "it the time before.", ("last move by the same piece again",)),
            ],
        ),
    ]  # fmt: skip


def _draw_blocks(plies: int) -> list[Block]:
    """Draws, repetition, and how far the game is."""
    first_bands = [(0, BAND)] + [(first, first + BAND - 1) for first in range(BAND + 1, plies + 1, BAND)]
    return [
        flags(
            "draws", "draws", 3,
            [
                ("stalemate", "The side to move is not in check and has no legal move.", ()),
                ("insufficient material", "Neither side could give mate with what it has left, however the other "
                 "plays, by the rule of python-chess's `has_insufficient_material`.",
                 tuple(f"{side} cannot mate" for side in SIDES)),
                *((f"{side} cannot mate", f"{side.title()} has no pawn, rook or queen, and no other material with "
                   f"which a mate of {OTHER[side].title()} could come about: a bare king; one knight where "
                   f"{OTHER[side].title()} has nothing but king and queens; or only bishops where all bishops on the "
                   "board are on squares of one colour and there are no pawns or knights.", ()) for side in SIDES),
                ("position occurred before", "The same pieces on the same squares, side to move, castling rights and "
                 "legal en passant captures occurred earlier in the game.", ()),
                ("threefold repetition", "The position has occurred at least twice before.",
                 ("position occurred before", "can claim repetition")),
                ("can claim repetition", "The position has occurred at least twice before, or a legal move leads to "
                 "one that has (`can_claim_threefold_repetition` of python-chess).", ("can claim a draw",)),
                ("can claim a draw", "A draw can be claimed by threefold repetition or the fifty-move rule, at once or "
                 "by a legal move (`can_claim_draw` of python-chess).", ()),
            ],
        ),
        flags(
            "fifty", "draws", 3,
            [("can claim fifty moves", "No capture or pawn move was made in the last 100 plies and there is a legal "
              "move, or a legal move would make it so (`can_claim_fifty_moves` of python-chess).",
              ("can claim a draw", *_LEGAL))],
            reachable=plies >= 99,
        ),
        counts(
            "clock", "halfmove clock", 2, _CLOCK, name="at least {k} quiet plies",
            definition="No capture or pawn move was made in the last {k} plies.", limit=plies,
        ),
        flags(
            "move number", "move number", 2,
            ((f"ply {a} to {b}", f"Between {a} and {b} moves of either side have been made.", ())
             for a, b in first_bands),
            variable="move number",
        ),
    ]  # fmt: skip


def scalar_blocks(plies: int = 64) -> tuple[Block, ...]:
    """All blocks of whole-board features, for games cut off after a number of plies.

    Args:
        plies: moves of a game at most, >= 8; decides the move number bands and what can be reached.

    Raises:
        ValueError: fewer plies.
    """
    if plies < BAND:
        raise ValueError(f"plies must be at least {BAND} for the move number bands, got {plies}")
    return (
        *_state_blocks(),
        *_move_blocks(),
        *_last_blocks(),
        *_draw_blocks(plies),
        *structure_blocks(),
        *tactic_blocks(),
    )
