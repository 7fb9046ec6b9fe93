"""Batches of chess games: random legal play, and the replay of given moves with every move checked."""

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, bit_index
from .chess_bits import SQUARES
from .chess_board import Boards
from .chess_legal import is_legal
from .chess_moves import choose, legal_moves, play
from .chess_targets import relative, targets

_ONE = np.uint64(1)
MAX_PLIES = 1024


@dataclass(frozen=True)
class Record:
    """Every position of a batch of games.

    Attributes:
        boards: [plies + 1, n], positions after 0, 1, .. moves; after the end of a game the last one repeats.
        origin: int8 [plies, n], square each move starts from, -1 after the end of the game.
        target: int8 [plies, n], square it goes to, -1 after the end.
        promotion: int8 [plies, n], `chess.KNIGHT` to `chess.QUEEN`, 0 if none.
    """

    boards: Boards
    origin: NDArray[np.int8]
    target: NDArray[np.int8]
    promotion: NDArray[np.int8]

    @property
    def played(self) -> NDArray[np.bool_]:
        """Bool [plies, n], a move was made at this ply."""
        return self.origin >= 0

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Moves of each game, int64 [n]."""
        return self.played.sum(axis=0)

    def uci(self, game: int) -> list[str]:
        """The moves of one game as UCI text."""
        n = int(self.lengths[game])
        rows = zip(self.origin[:n, game], self.target[:n, game], self.promotion[:n, game], strict=True)
        return [uci_of(int(o), int(t), int(p)) for o, t, p in rows]


def uci_of(origin: int, target: int, promotion: int = 0) -> str:
    """A move as UCI text, such as "e7e8q"."""
    return SQUARES[origin] + SQUARES[target] + (chess.piece_symbol(promotion) if promotion else "")


class _Table:
    """Games in progress and the record being filled."""

    def __init__(self, n: int, plies: int, start: Boards | None) -> None:
        self.now = Boards.start(n) if start is None else start
        self.boards = Boards(*(np.empty((plies + 1, n), array.dtype) for array in self.now.arrays()))
        self.moves = np.full((3, plies, n), -1, np.int8)
        self.moves[2] = 0
        self._keep(0)

    def _keep(self, ply: int) -> None:
        for kept, now in zip(self.boards.arrays(), self.now.arrays(), strict=True):
            kept[ply] = now

    def play(self, ply: int, origin: U64, target: U64, promotion: U64) -> None:
        self.now = play(self.now, origin, target, promotion)
        self._keep(ply + 1)
        for row, value in zip(self.moves, (bit_index(origin), bit_index(target), promotion), strict=True):
            row[ply] = value

    def record(self) -> Record:
        return Record(self.boards, *self.moves)


def play_random(n: int, plies: int, generator: np.random.Generator, start: Boards | None = None) -> Record:
    """Play `n` games, every move uniform over the legal ones, until mate, stalemate or the given number of plies.

    No draw is ever claimed: random games would go on for hundreds of moves, so they are cut off.

    Args:
        n: number of games, >= 1.
        plies: moves at most, >= 1.
        generator: source of randomness; the same state gives the same games.
        start: positions [n] to start from, the initial one by default.
    """
    table = _Table(n, plies, start)
    for ply in range(plies):
        draws = generator.integers(0, 1 << 32, size=n, dtype=np.uint32)
        side = relative(table.now)
        table.play(ply, *choose(side, targets(side), table.now.turn, draws))
    return table.record()


def replay(
    origin: NDArray[np.integer],
    target: NDArray[np.integer],
    promotion: NDArray[np.integer],
    start: Boards | None = None,
) -> Record:
    """Replay given games, checking every move.

    Args:
        origin: integer [n, plies], squares from 0 to 63, -1 after the last move of a game.
        target: integer [n, plies], likewise.
        promotion: integer [n, plies], `chess.KNIGHT` to `chess.QUEEN`, 0 if none.
        start: positions [n] to start from, the initial one by default.

    Raises:
        ValueError: arrays of other shapes, a square or piece that does not exist, a move after a gap, an illegal move;
            names game and ply (from 0).
    """
    if origin.ndim != 2 or not origin.shape == target.shape == promotion.shape:
        raise ValueError(
            "origin, target and promotion must be [games, plies] of one shape, got "
            f"{list(origin.shape)}, {list(target.shape)}, {list(promotion.shape)}"
        )
    n, plies = origin.shape
    made = origin >= 0
    bad = (origin < -1) | (origin > 63) | (made & ((target < 0) | (target > 63)))
    bad |= made & (promotion != 0) & ((promotion < chess.KNIGHT) | (promotion > chess.QUEEN))
    if bad.any():
        game, ply = (int(i) for i in np.argwhere(bad)[0])
        numbers = (int(origin[game, ply]), int(target[game, ply]), int(promotion[game, ply]))
        raise ValueError(f"game {game}, ply {ply}: (from, to, promotion) {numbers} is no move")
    gaps = ~made[:, :-1] & made[:, 1:]
    if gaps.any():
        game, ply = (int(i) for i in np.argwhere(gaps)[0])
        raise ValueError(f"game {game}: a move at ply {ply + 1} follows the end of the game at ply {ply}")
    table = _Table(n, plies, start)
    for ply in range(plies):
        moves = made[:, ply].astype(np.uint64)
        from_ = moves << (origin[:, ply] * made[:, ply]).astype(np.uint64)
        to = moves << (target[:, ply] * made[:, ply]).astype(np.uint64)
        piece = (promotion[:, ply] * made[:, ply]).astype(np.uint64)
        table.play(ply, from_, to, piece)
    record = table.record()
    _check(record, made)
    return record


def _check(record: Record, made: NDArray[np.bool_]) -> None:
    """Refuse an illegal move, the earliest; all plies are looked at together, which is quicker than one by one.

    Raises:
        ValueError: there is one; names game and ply.
    """
    at = made.T.ravel()
    origin, target = (at * (_ONE << (row.ravel() & 63).astype(np.uint64)) for row in (record.origin, record.target))
    found = is_legal(record.boards[:-1].ravel(), origin, target, record.promotion.ravel().astype(np.uint64))
    illegal = np.flatnonzero(at & ~found)
    if illegal.size:
        ply, game = divmod(int(illegal[0]), len(made))
        move = uci_of(*(int(row[ply, game]) for row in (record.origin, record.target, record.promotion)))
        raise ValueError(_illegal(record.boards[ply, game : game + 1], game, ply, move))


def _illegal(board: Boards, game: int, ply: int, move: str) -> str:
    moves = legal_moves(board)
    rows = zip(moves.origin, moves.target, moves.promotion, strict=True)
    legal = sorted(uci_of(int(o), int(t), int(p)) for o, t, p in rows)
    colour = "White" if board.turn[0] else "Black"
    if not legal:
        return f"game {game}, ply {ply}: {move} is played after the end of the game"
    return f"game {game}, ply {ply}: {move} is illegal for {colour}, who may play {', '.join(legal)}"


def moves_of(games: Sequence[Sequence[str]]) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """Games as UCI text to (origin, target, promotion), int8 [n, longest game], -1, -1 and 0 after the end.

    Raises:
        ValueError: a text that is no UCI move; names game and ply.
    """
    longest = max((len(game) for game in games), default=0)
    out = np.full((3, len(games), longest), -1, np.int8)
    out[2] = 0
    for row, game in enumerate(games):
        for ply, text in enumerate(game):
            try:
                move = chess.Move.from_uci(text)
            except (ValueError, TypeError) as error:
                raise ValueError(f"game {row}, ply {ply}: {text!r} is no move in UCI notation such as e2e4") from error
            if not move:
                raise ValueError(f"game {row}, ply {ply}: {text!r} is a null move, which chess does not have")
            out[:, row, ply] = move.from_square, move.to_square, move.promotion or 0
    return out[0], out[1], out[2]
