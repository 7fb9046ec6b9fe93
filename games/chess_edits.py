"""Chess positions with one thing changed on the board, and what the rules say of them.

Five kinds: "remove" takes a piece off, "move" puts one on an empty square, "swap" lets two pieces of different kind or
colour change places, "replace" puts another piece in place of one, "place" adds a piece on an empty square. Kings are
never touched, and the side to move stays. Castling with a rook that is no longer there is gone, and so is an en passant
capture of which the edit touched a square (`replace_content` of chess_counterfactuals.py).

The edited position is valid as python-chess judges it (`Board.is_valid`; `possible` below is that rule for many
positions at once): at most sixteen pieces and eight pawns a side, no pawn on the back ranks, the side that has just
moved not in check, checks that some move can have given. No game need reach it.

The truth about the edited position is computed as for any other, except for what only the moves so far can tell: the
last move, whether a side has castled, repetitions and how many moves were made. Castling and en passant rights and the
plies since the last capture or pawn move are part of a position and stay with it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from dataclasses import dataclass
from typing import Any

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, popcount
from .chess_bits import DIRECTIONS, OPPOSITE, RANKS, ray
from .chess_board import Boards, attackers, checkers
from .chess_counterfactuals import contents, replace_content
from .chess_labels import Layout, label_boards, label_record
from .chess_moves import legal_moves
from .chess_play import Record, play_random
from .chess_tokens import UciTokens
from .square_edits import ROUNDS

KINDS = ("remove", "move", "swap", "replace", "place")
# Blocks of features that depend on how the position came about, and features of other blocks that do.
HISTORY = frozenset(
    {"plane moved from", "plane moved to", "castled", "last piece", "last capture", "last kind", "last two",
     "move number"}
)  # fmt: skip
HISTORY_FEATURES = frozenset(
    {"discovered check", "position occurred before", "threefold repetition", "can claim repetition", "can claim a draw"}
)
_KINDS = 6  # of pieces; contents are 1 to 6 for White, 7 to 12 for Black
_PIECES = np.array([1, 2, 3, 4, 5, 7, 8, 9, 10, 11])  # contents without the kings
_POOL, _TRIES = 512, 8  # games drawn at a time, each the base of one edit at most; edits tried on each
_BACK_RANKS = RANKS[0] | RANKS[7]


@dataclass(frozen=True)
class PieceEdits:
    """Edits of positions, one a row.

    Attributes:
        record: the games, one column a row here.
        ply: int64 [n], moves made before the position.
        before: the positions [n].
        after: the edited positions [n].
        squares: int64 [n, 2], a1 = 0; the second is -1 if only one changes.
        old: int64 [n, 2], contents before: 0 nothing, 1 to 6 White's pawn to king, 7 to 12 Black's.
        new: int64 [n, 2], contents afterwards.
        kind: int64 [n], index into `KINDS`.
        allowed_before: bool [n, d_vocab], legal moves of the positions as UCI tokens.
        allowed_after: bool [n, d_vocab], legal moves after the edit.
    """

    record: Record
    ply: NDArray[np.int64]
    before: Boards
    after: Boards
    squares: NDArray[np.int64]
    old: NDArray[np.int64]
    new: NDArray[np.int64]
    kind: NDArray[np.int64]
    allowed_before: NDArray[np.bool_]
    allowed_after: NDArray[np.bool_]


def recomputed(layout: Layout) -> NDArray[np.bool_]:
    """Features that are functions of the position with its rights, bool [F]."""
    return np.array(
        [b.key not in HISTORY and f.name not in HISTORY_FEATURES for b in layout.blocks for f in b.features], np.bool_
    )


def edited_labels(edits: PieceEdits, layout: Layout) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Packed labels before and after; what depends on history is wrong in the second."""
    before = label_record(edits.record, layout, edits.ply[:, None])[:, 0]
    return before, label_boards(edits.after, layout)


def possible(boards: Boards) -> NDArray[np.bool_]:
    """Whether python-chess calls positions valid, bool [n].

    Args:
        boards: flat positions with one king a side, whose castling and en passant rights fit the board.
    """
    rows: NDArray[np.bool_] = (boards.pawns & _BACK_RANKS) == 0
    for white in (True, False):
        pieces = boards.colour(white)
        rows &= (popcount(pieces) <= 16) & (popcount(pieces & boards.pawns) <= 8)
    waiting = boards.kings & boards.enemy
    into_check = np.where(boards.turn, attackers(boards, waiting, white=True), attackers(boards, waiting, white=False))
    return rows & (into_check == 0) & _given_by_a_move(boards)


def _given_by_a_move(boards: Boards) -> NDArray[np.bool_]:
    """Whether some last move can have given the checks of the position, as python-chess sees it, bool [n]."""
    checks = checkers(boards)
    n_checks = popcount(checks)
    king = boards.kings & boards.own
    # Two sliders on opposite sides of the king, on one line with it: no single move opens or makes both checks.
    opposed = np.zeros(len(boards), np.bool_)
    for direction in DIRECTIONS[:4]:
        sides = [ray(king, boards.empty, d) & checks for d in (direction, OPPOSITE[direction])]
        opposed |= (sides[0] != 0) & (sides[1] != 0)
    # After a pawn's double step: one check, by that pawn or already given before the pawn left its square.
    down = np.where(boards.turn, boards.ep >> np.uint64(8), boards.ep << np.uint64(8))
    up = np.where(boards.turn, boards.ep << np.uint64(8), boards.ep >> np.uint64(8))
    earlier = _attacked(boards, king, (boards.occupied & ~down) | up)
    stepped = (boards.ep != 0) & ((n_checks > 1) | ((checks != 0) & (checks != down) & earlier))
    return (n_checks <= 2) & ~(opposed & (boards.ep == 0)) & ~stepped


def _attacked(boards: Boards, target: U64, occupied: U64) -> NDArray[np.bool_]:
    """Whether the side that waits attacks `target` if these squares are occupied, bool [n]."""
    enemy = boards.enemy
    sliders = np.zeros(len(boards), np.uint64)
    for i, direction in enumerate(DIRECTIONS):
        fitting = boards.queens | (boards.bishops if i % 2 else boards.rooks)
        sliders |= ray(target, ~occupied, direction) & fitting & enemy
    near = checkers(boards) & (boards.pawns | boards.knights | boards.kings)
    return (sliders | near) != 0


def piece_edits(
    n: int, plies: int, kinds: tuple[str, ...], tokenizer: UciTokens, generator: np.random.Generator
) -> PieceEdits:
    """Draw `n` edits of positions after 1 to `plies` moves of random games of at most `plies` moves.

    Game, ply and kind are uniform, then the edit among those of the kind that leave a valid position, change its legal
    moves and leave some: a few are tried and the first that fits is taken.

    Raises:
        RuntimeError: edits of these kinds are hardly to be found.
    """
    rounds: list[PieceEdits] = []
    found = 0
    while found < n:
        rounds.append(_one_round(plies, kinds, tokenizer, generator))
        found += len(rounds[-1].ply)
        if not found and len(rounds) == ROUNDS:
            raise RuntimeError(f"found no square edit of the kinds {', '.join(kinds)} in {ROUNDS * _POOL} games")
    return _joined(rounds, n)


def _one_round(plies: int, kinds: tuple[str, ...], tokenizer: UciTokens, generator: np.random.Generator) -> PieceEdits:
    record = play_random(_POOL, plies, generator)
    games = np.arange(_POOL)
    ply = generator.integers(1, plies + 1, size=_POOL)
    kind = np.array([KINDS.index(k) for k in kinds])[generator.integers(0, len(kinds), size=_POOL)]
    base = record.boards[ply, games]
    tries = np.repeat(games, _TRIES)
    here = contents(base)[tries].astype(np.int64)
    squares, new = _propose(here, kind[tries], generator)
    rows = np.flatnonzero((squares[:, 0] >= 0) & record.played[ply - 1, games][tries])
    old = np.where(squares >= 0, np.take_along_axis(here, np.maximum(squares, 0), axis=1), 0)
    edited = base[tries[rows]]
    for column in (0, 1):
        on, put = squares[rows, column], new[rows, column]
        changed = replace_content(edited, np.maximum(on, 0), kind_of(put), put <= _KINDS)
        edited = _where(on >= 0, changed, edited)
    valid = possible(edited)
    rows, edited = rows[valid], edited[np.flatnonzero(valid)]
    before, after = (_allowed(boards, tokenizer) for boards in (base, edited))
    fits = np.flatnonzero(after.any(axis=1) & (after != before[tries[rows]]).any(axis=1))
    fits = fits[before[tries[rows[fits]]].any(axis=1)]
    _, first = np.unique(tries[rows[fits]], return_index=True)  # the first try that fits, game by game
    fits = fits[first]
    rows = rows[fits]
    game = tries[rows]
    return PieceEdits(
        record=Record(record.boards[:, game], *(a[:, game] for a in (record.origin, record.target, record.promotion))),
        ply=ply[game],
        before=base[game],
        after=edited[fits],
        squares=squares[rows],
        old=old[rows],
        new=new[rows],
        kind=kind[game],
        allowed_before=before[game],
        allowed_after=after[fits],
    )


def _propose(
    here: NDArray[np.int64], kind: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One edit of each board: squares and contents afterwards, int64 [n, 2]; squares -1 where there is none.

    The first square holds a piece, or is empty if one is placed; of a move and a swap the second is where it goes.
    """
    n = len(here)
    name = np.array(KINDS)[kind]
    movable = (here > 0) & (here % _KINDS != 0)  # a king is 6 or 12
    placed: NDArray[np.bool_] = np.asarray(name == "place")[:, None]
    swapped: NDArray[np.bool_] = np.asarray(name == "swap")[:, None]
    first_fits: NDArray[np.bool_] = np.where(placed, here == 0, movable)
    first = np.argmax(np.where(first_fits, generator.random(here.shape), -1.0), axis=1)
    content = here[np.arange(n), first]
    second_fits: NDArray[np.bool_] = np.where(swapped, movable & (here != content[:, None]), here == 0)
    second = np.argmax(np.where(second_fits, generator.random(here.shape), -1.0), axis=1)
    # Another piece than the one there: one of ten for an empty square, one of the nine others otherwise.
    drawn = generator.integers(0, np.where(name == "place", 10, 9))
    drawn += (name == "replace") & (_PIECES[np.minimum(drawn, 9)] >= content)
    two = (name == "move") | (name == "swap")
    none: NDArray[np.bool_] = ~first_fits.any(axis=1) | (two & ~second_fits.any(axis=1))
    squares = np.stack([np.where(none, -1, first), np.where(two & ~none, second, -1)], axis=1)
    new = np.zeros((n, 2), np.int64)
    puts = (name == "replace") | (name == "place")
    new[puts, 0] = _PIECES[drawn[puts]]
    swap = name == "swap"
    new[swap, 0] = here[np.arange(n), second][swap]
    new[two, 1] = content[two]
    return squares, new


def kind_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """`chess.PAWN` to `chess.KING` of contents, 0 of nothing."""
    return np.where(codes > 0, (codes - 1) % _KINDS + 1, 0)


def _where(rows: NDArray[np.bool_], yes: Boards, no: Boards) -> Boards:
    return Boards(*(np.where(rows, a, b) for a, b in zip(yes.arrays(), no.arrays(), strict=True)))


def _allowed(boards: Boards, tokenizer: UciTokens) -> NDArray[np.bool_]:
    moves = legal_moves(boards)
    allowed = np.zeros((len(boards), tokenizer.d_vocab), np.bool_)
    allowed[moves.board, tokenizer.id_of_move(moves.origin, moves.target, moves.promotion)] = True
    return allowed


def _joined(rounds: list[PieceEdits], n: int) -> PieceEdits:
    """The first `n` edits of several draws."""
    columns = ("ply", "squares", "old", "new", "kind", "allowed_before", "allowed_after")
    parts: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in rounds])[:n] for name in columns}
    boards = {name: Boards.concatenate([getattr(part, name) for part in rounds])[:n] for name in ("before", "after")}
    records = [part.record for part in rounds]
    whole = Boards(*(np.concatenate(a, axis=1)[:, :n] for a in zip(*(r.boards.arrays() for r in records), strict=True)))
    moves = [
        np.concatenate([getattr(r, name) for r in records], axis=1)[:, :n] for name in ("origin", "target", "promotion")
    ]
    return PieceEdits(record=Record(whole, *moves), **boards, **parts)


def content_name(code: int, square: int) -> str:
    """Feature of a content, such as "white knight on f3" or "f3 empty"."""
    if code == 0:
        return f"{chess.SQUARE_NAMES[square]} empty"
    colour = chess.COLOR_NAMES[code <= _KINDS]
    return f"{colour} {chess.piece_name((code - 1) % _KINDS + 1)} on {chess.SQUARE_NAMES[square]}"
