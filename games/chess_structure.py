"""Material, pawns, files, single kinds of pieces and kings: the values of the blocks in chess_scalars_structure.py.

What belongs to a file is held as one byte a position, bit 0 the a-file. Black is handled by the same code as White:
only the direction "ahead" differs.
"""

from collections.abc import Sequence

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_bits import DIRECTIONS, FILES, RANKS, SQUARES, king_attacks, pawn_attacks, step
from .chess_flags import SIDES, WINGS
from .chess_scalars_structure import ENDGAME, FIANCHETTO, HOMES
from .chess_targets import rays_down, rays_up
from .chess_view import View

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Values = dict[str, Sequence[Bools] | NDArray[np.bool_] | NDArray[np.uint8] | NDArray[np.int16]]

_ZERO, _ONE = np.uint64(0), np.uint64(1)
_LIGHT = np.uint64(0x55AA55AA55AA55AA)
_DARK = ~_LIGHT
_RIM = FILES[0] | FILES[7]
_MIDDLE = FILES[3] | FILES[4]
CENTRE = np.uint64(sum(1 << SQUARES.index(name) for name in ("d4", "e4", "d5", "e5")))
_KINGSIDE_FILES = FILES[4] | FILES[5] | FILES[6] | FILES[7]
_NOT_AB = ~(FILES[0] | FILES[1])


def some(boards: U64) -> Bools:
    """Whether there is any square."""
    return boards != _ZERO


def several(boards: U64) -> Bools:
    """Whether there are at least two squares."""
    return (boards & (boards - _ONE)) != _ZERO


def count(boards: U64) -> NDArray[np.uint8]:
    """Number of squares."""
    counts: NDArray[np.uint8] = np.bitwise_count(boards)
    return counts


def sideways(b: U64) -> U64:
    """Squares directly east and west."""
    return step(b, "east") | step(b, "west")


def ahead(b: U64, white: bool) -> U64:
    """All squares of the file in front of every member, up to the edge, as a side sees it."""
    if white:
        b = b << np.uint64(8)
        b = b | (b << np.uint64(8))
        b = b | (b << np.uint64(16))
        return b | (b << np.uint64(32))
    b = b >> np.uint64(8)
    b = b | (b >> np.uint64(8))
    b = b | (b >> np.uint64(16))
    return b | (b >> np.uint64(32))


def files_of(b: U64) -> Bytes:
    """Files that hold a member, one byte a board."""
    b = b | (b >> np.uint64(32))
    b = b | (b >> np.uint64(16))
    b = b | (b >> np.uint64(8))
    return b.astype(np.uint8)


def each_file(files: Bytes) -> list[Bools]:
    """The eight bits of files, a to h."""
    return list(np.unpackbits(files[None], axis=0, bitorder="little").view(np.bool_))


def _beside(files: Bytes) -> Bytes:
    return (files << np.uint8(1)) | (files >> np.uint8(1))


def structure(view: View) -> Values:
    """Every count [n] and every group of flags, by key."""
    pawn_files = [files_of(view.boards.pawns & colour) for colour in (view.boards.white, view.boards.black)]
    return _material(view) | _pawns(view, pawn_files) | _pieces(view, pawn_files) | _kings(view, pawn_files)


def _material(view: View) -> Values:
    b = view.boards
    counts = [{k: count(b.pieces(k, white)) for k in range(chess.PAWN, chess.KING)} for white in (True, False)]
    points: list[NDArray[np.int16]] = []
    rest: list[NDArray[np.int16]] = []  # without pawns
    for c in counts:
        minor = (c[chess.KNIGHT] + c[chess.BISHOP]).astype(np.int16)
        pieces = 3 * minor + 5 * c[chess.ROOK].astype(np.int16) + 9 * c[chess.QUEEN].astype(np.int16)
        rest.append(pieces)
        points.append(pieces + c[chess.PAWN])
    out: Values = {"pieces": count(b.occupied), "level": (points[0] == points[1],)}
    for i, side in enumerate(SIDES):
        own, other = counts[i], counts[1 - i]
        for kind, name in (
            (chess.PAWN, "pawn"),
            (chess.KNIGHT, "knight"),
            (chess.BISHOP, "bishop"),
            (chess.ROOK, "rook"),
        ):
            out[f"count {side} {name}"] = own[kind]
        minor, minor_other = own[chess.KNIGHT] + own[chess.BISHOP], other[chess.KNIGHT] + other[chess.BISHOP]
        out[f"lead {side}"] = points[i] - points[1 - i]
        out[f"imbalance {side}"] = (
            own[chess.PAWN] > other[chess.PAWN],
            minor > minor_other,
            (own[chess.ROOK] == other[chess.ROOK] + 1)
            & (minor_other == minor + 1)
            & (own[chess.QUEEN] == other[chess.QUEEN]),
        )  # fmt: skip
    queens = [c[chess.QUEEN] for c in counts]
    no_minor, no_rook, no_queen = ~some(b.knights | b.bishops), ~some(b.rooks), ~some(b.queens)
    rooks = [c[chess.ROOK] > 0 for c in counts]
    out["queens"] = (queens[0] > 0, queens[1] > 0, queens[0] > 1, queens[1] > 1, no_queen)
    out["endgames"] = (
        (rest[0] <= ENDGAME) & (rest[1] <= ENDGAME),
        no_minor & no_rook & no_queen,
        no_minor & no_queen & rooks[0] & rooks[1],
        no_rook & no_queen & ~no_minor,
        no_minor & no_rook & (queens[0] > 0) & (queens[1] > 0),
        points[0] == 0,
        points[1] == 0,
    )
    return out


def _passed(view: View, white: bool) -> U64:
    theirs = view.boards.pawns & view.boards.colour(not white)
    span = ahead(theirs, not white)
    return view.boards.pawns & view.boards.colour(white) & ~(span | sideways(span))


def _pawns(view: View, pawn_files: Sequence[Bytes]) -> Values:
    b = view.boards
    out: Values = {}
    attacked = [pawn_attacks(b.pawns & b.colour(white), white) for white in (True, False)]
    for i, side in enumerate(SIDES):
        white, files = i == 0, pawn_files[i]
        own, theirs = b.pawns & b.colour(white), b.pawns & b.colour(not white)
        front = ahead(own, white)
        passed, doubled = _passed(view, white), files_of(own & front)
        passed_files, isolated = files_of(passed), files & ~_beside(files)
        for kind, found in (("passed", passed_files), ("doubled", doubled), ("isolated", isolated)):
            out[f"{kind} {side}"] = (*each_file(found), found != 0)
        guards = sideways(own | front)  # squares with a pawn beside or behind on a neighbouring file
        stop = step(attacked[1 - i], "south" if white else "north")  # pawns whose next square is attacked
        # Pawns on neighbouring files are all ahead, so there are some, and none of them is beside or behind.
        has_neighbour = sideways(front | ahead(own, not white) | own)
        chained = own & attacked[i]
        wings = {wing: _KINGSIDE_FILES if wing == "kingside" else ~_KINGSIDE_FILES for wing in WINGS}
        out[f"pawns {side}"] = (
            some(own & ~guards & has_neighbour & stop),
            some(passed & attacked[i]),
            (passed_files & (passed_files >> np.uint8(1))) != 0,
            some(own & RANKS[6 if white else 1]),
            some(pawn_attacks(chained, white) & own),
            *(count(own & wing) > count(theirs & wing) for wing in wings.values()),
        )
        out[f"islands {side}"] = np.bitwise_count(files & ~(files << np.uint8(1)))
    white_pawns, black_pawns = b.pawns & b.white, b.pawns & b.black
    out["rammed"] = each_file(files_of(step(white_pawns, "north") & black_pawns))
    out["tension"] = (some(attacked[0] & black_pawns),)
    open_ = ~(pawn_files[0] | pawn_files[1])
    out["open files"] = (*each_file(open_), open_ != 0)
    for i, side in enumerate(SIDES):
        out[f"half-open {side}"] = each_file(~pawn_files[i] & pawn_files[1 - i])
    return out


def _pieces(view: View, pawn_files: Sequence[Bytes]) -> Values:
    """Rooks, bishops, knights, batteries."""
    b, empty = view.boards, view.boards.empty
    open_ = ~(pawn_files[0] | pawn_files[1])
    out: Values = {}
    bishops = [b.bishops & b.white, b.bishops & b.black]
    single = [(count(c) == 1) for c in bishops]
    light = [some(c & _LIGHT) for c in bishops]
    dark = [some(c & _DARK) for c in bishops]
    out["opposite bishops"] = (single[0] & single[1] & (light[0] ^ light[1]),)
    for i, side in enumerate(SIDES):
        white, own = i == 0, b.colour(i == 0)
        rooks, knights, pawns, queens = b.rooks & own, b.knights & own, b.pawns & own, b.queens & own
        rays = rays_up(np.stack([rooks, bishops[i], rooks, bishops[i]]), empty)
        down = rays_down(np.stack([queens] * 4), empty)  # a queen looks back along each line
        met = rays_up(np.stack([queens] * 4), empty)
        straight = some((met[0] | down[0] | met[2] | down[2]) & rooks)
        diagonal = some((met[1] | down[1] | met[3] | down[3]) & bishops[i])
        doubled = some(rays[0] & rooks)
        behind = _rook_behind(_passed(view, white), empty, rooks, white)
        rook_files = files_of(rooks)
        out[f"rooks {side}"] = (
            doubled | some(rays[2] & rooks),
            doubled,
            some(rooks & RANKS[6 if white else 1]),
            (rook_files & open_) != 0,
            (rook_files & ~pawn_files[i] & pawn_files[1 - i]) != 0,
            behind,
        )
        corners = [FIANCHETTO[side, wing] for wing in WINGS]
        bits = [[_ONE << np.uint64(SQUARES.index(name)) for name in pair] for pair in corners]
        out[f"bishops {side}"] = (
            light[i] & dark[i],
            light[i],
            dark[i],
            *(some(bishops[i] & bishop) & some(pawns & pawn) for bishop, pawn in bits),
        )
        span = sideways(ahead(b.pawns & b.colour(not white), not white))
        ranks = RANKS[3] | RANKS[4] | (RANKS[5] if white else RANKS[2])
        out[f"knights {side}"] = (
            some(knights & _RIM),
            some(knights & CENTRE),
            some(knights & ranks & pawn_attacks(pawns, white) & ~span),
        )
        out[f"batteries {side}"] = (diagonal, straight)
    return out


def _rook_behind(passed: U64, empty: U64, rooks: U64, white: bool) -> Bools:
    rays = rays_down if white else rays_up
    return some(rays(passed, empty)[DIRECTIONS.index("north")] & rooks)


def _kings(view: View, pawn_files: Sequence[Bytes]) -> Values:
    b = view.boards
    open_ = ~(pawn_files[0] | pawn_files[1])
    out: Values = {}
    for i, side in enumerate(SIDES):
        white = i == 0
        own, attacks, theirs = b.colour(white), view.attacks(white), view.attacks(not white)
        king, pawns = b.kings & own, b.pawns & own
        front = step(king | sideways(king), "north" if white else "south")
        first = some(king & RANKS[0 if white else 7])
        near, file = king_attacks(king), files_of(king)
        out[f"king {side}"] = (
            first,
            some(king & _MIDDLE),
            ((file | _beside(file)) & open_) != 0,
            first & ~some(front & ~own),
            ~some(near & ~own & ~theirs),
        )
        out[f"shield {side}"] = count(front & pawns)
        out[f"pressure {side}"] = count(near & theirs)
        out[f"centre pawns {side}"] = count(pawns & CENTRE)
        out[f"centre control {side}"] = count(attacks & CENTRE)
        knights, bishops = (
            np.bitwise_or.reduce([_ONE << np.uint64(SQUARES.index(HOMES[side][k])) for k in pair])
            for pair in ((0, 3), (1, 2))
        )
        out[f"developed {side}"] = np.uint8(4) - count((b.knights & own & knights) | (b.bishops & own & bishops))
    white_king, black_king = b.kings & b.white, b.kings & b.black
    two = (white_king << np.uint64(16)) | (white_king >> np.uint64(16))
    two |= ((white_king << np.uint64(2)) & _NOT_AB) | ((white_king >> np.uint64(2)) & ~(FILES[6] | FILES[7]))
    out["opposition"] = (some(two & black_king),)
    return out
