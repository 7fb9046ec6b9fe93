"""Legal moves of many positions in SAN, as rows of character ids.

A move is written as short as its position allows: a knight, bishop, rook or queen names its file if another piece of
its kind may legally go to the same square, its rank if that one stands on the same file, both if need be. Check and
mate are marked by `marks`, apart, because they cost a look at the position after the move.
"""

from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .chess_bits import FILES, RANKS
from .chess_board import Boards, checkers
from .chess_characters import CHARACTERS
from .chess_moves import Moves, apply, legal_count, legal_moves

WIDTH = 8
"""Characters of a row: the longest move, such as Qa1xb2+, has seven, and a space follows."""
_ID = {character: i for i, character in enumerate(CHARACTERS)}
_SPACE = np.uint8(_ID[" "])
_LETTERS = np.array([0, 0, *(_ID[c] for c in "NBRQK")], np.uint8)
_FILE_IDS = np.array([_ID[c] for c in "abcdefgh"], np.uint8)
_RANK_IDS = np.array([_ID[c] for c in "12345678"], np.uint8)
_FILE_MASKS, _RANK_MASKS = np.array(FILES), np.array(RANKS)
_ONE = np.uint64(1)


@dataclass(frozen=True)
class Written:
    """Moves with their writing.

    Attributes:
        moves: the moves, [m].
        ids: uint8 [m, 8], character ids; spaces after the end.
        length: int64 [m], characters before the space.
    """

    moves: Moves
    ids: NDArray[np.uint8]
    length: NDArray[np.int64]

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> "Written":
        return Written(self.moves[index], self.ids[index], self.length[index])


def written(boards: Boards) -> Written:
    """All legal moves of flat positions [n] in SAN without marks of check and mate."""
    moves = legal_moves(boards)
    origin, target = moves.origin.astype(np.int64), moves.target.astype(np.int64)
    kind = _kinds(boards, moves)
    names_file, names_rank = _ambiguous(len(boards), moves, kind)
    pawn, king = kind == chess.PAWN, kind == chess.KING
    to = _ONE << target.astype(np.uint64)
    capture = (boards.occupied[moves.board] & to) != 0
    capture |= pawn & (origin % 8 != target % 8)
    names_file |= pawn & capture
    castles = king & (np.abs(origin - target) == 2)
    long = castles & (target < origin)
    plain, promotes = ~castles, moves.promotion > 0
    row = _Rows(len(moves))
    for where, character in ((castles, "O"), (castles, "-"), (castles, "O"), (long, "-"), (long, "O")):
        row.add(where, _ID[character])
    row.add(plain & ~pawn, _LETTERS[kind])
    row.add(plain & names_file, _FILE_IDS[origin % 8])
    row.add(plain & names_rank, _RANK_IDS[origin // 8])
    row.add(capture, _ID["x"])
    row.add(plain, _FILE_IDS[target % 8])
    row.add(plain, _RANK_IDS[target // 8])
    row.add(promotes, _ID["="])
    row.add(promotes, _LETTERS[moves.promotion])
    return Written(moves, row.ids, row.length)


def marks(boards: Boards, moves: Moves) -> NDArray[np.uint8]:
    """Character id of + or # behind each move, of a space where there is no check; uint8 [m].

    Args:
        boards: flat positions.
        moves: legal moves of theirs.
    """
    after = apply(boards[moves.board], moves.origin, moves.target, moves.promotion)
    found = np.full(len(moves), _SPACE)
    check = np.flatnonzero(checkers(after))
    found[check] = np.where(legal_count(after[check]) == 0, np.uint8(_ID["#"]), np.uint8(_ID["+"]))
    return found


def marked(boards: Boards, rows: Written) -> Written:
    """The same moves with their marks of check and mate."""
    mark = marks(boards, rows.moves)
    checks = mark != _SPACE
    ids = rows.ids.copy()
    at = np.flatnonzero(checks)
    ids[at, rows.length[at]] = mark[at]
    return Written(rows.moves, ids, rows.length + checks)


class _Rows:
    """Rows of character ids that grow at their ends."""

    def __init__(self, n: int) -> None:
        self.ids = np.full((n, WIDTH), _SPACE)
        self.length = np.zeros(n, np.int64)

    def add(self, where: NDArray[np.bool_], character: int | NDArray[np.uint8]) -> None:
        at = np.flatnonzero(where)
        self.ids[at, self.length[at]] = character[at] if isinstance(character, np.ndarray) else character
        self.length[at] += 1


def _kinds(boards: Boards, moves: Moves) -> NDArray[np.int64]:
    """Kind of the piece that moves, `chess.PAWN` to `chess.KING`."""
    origin = moves.origin.astype(np.uint64)
    kind = np.zeros(len(moves), np.int64)
    for number in chess.PIECE_TYPES:
        kind += number * ((boards.kind(number)[moves.board] >> origin) & _ONE).astype(np.int64)
    return kind


def _ambiguous(n: int, moves: Moves, kind: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a move must name the file, and the rank, that it comes from."""
    names_file, names_rank = np.zeros((2, len(moves)), np.bool_)
    rows = np.flatnonzero((kind != chess.PAWN) & (kind != chess.KING))
    key = (moves.board[rows] * 64 + moves.target[rows]) * 4 + kind[rows] - chess.KNIGHT
    shared = np.bincount(key, minlength=n * 256)[key] > 1
    rows, key = rows[shared], key[shared]
    order = np.argsort(key, kind="stable")
    rows, key = rows[order], key[order]
    if not len(rows):
        return names_file, names_rank
    origin = moves.origin[rows].astype(np.int64)
    own: U64 = _ONE << origin.astype(np.uint64)
    group = np.cumsum(np.diff(key, prepend=key[0]) != 0)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    others = np.bitwise_or.reduceat(own, first)[group] ^ own
    same_file = (others & _FILE_MASKS[origin % 8]) != 0
    names_rank[rows] = same_file
    names_file[rows] = ((others & _RANK_MASKS[origin // 8]) != 0) | ~same_file
    return names_file, names_rank
