"""Batched Othello on bitboards: thousands of games a call, one uint64 per player and game.

Square numbering is row-major with a1 at the top left: row = number - 1, column = letter, index = size * row + column.
Inside, every board lies on an 8 x 8 grid with bit = 8 * row + column; a smaller board (6 x 6, 4 x 4) sits in the
middle of that grid, and the squares around it simply never exist:

     size 8                   size 6
     a1 = bit 0  .. h1 = 7    a1 = bit 9  .. f1 = 14
     a8 = bit 56 .. h8 = 63   a6 = bit 49 .. f6 = 54

A state is (own, opp): the discs of the player to move and of the other one, with the colour to move kept beside them.
Rules: a player without a legal move passes without a token; when neither player can move the game is over, even with
empty squares left. The colour to move therefore never follows from the parity of the ply.

All functions take and return uint64 arrays of any one shape, and keep no state.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64, bit_index, popcount, select_bit, unpack_squares

SIZES = (4, 6, 8)
BLACK, WHITE = 0, 1

# One column of shifts broadcast over a batch: (4, 1) against (n,).
# Steps east, south-west, south, south-east as left shifts; the right shifts are the opposite four.
_STEPS: U64 = np.array([[1], [7], [8], [9]], dtype=np.uint64)
_STEPS2: U64 = _STEPS * np.uint64(2)
# A run that is flipped never includes an edge file when the step has an east-west part, which also stops wrap-around.
_INNER_FILES = 0x7E7E7E7E7E7E7E7E
_RUN_MASK: U64 = np.array([[_INNER_FILES], [_INNER_FILES], [0xFFFFFFFFFFFFFFFF], [_INNER_FILES]], dtype=np.uint64)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@dataclass(frozen=True)
class Geometry:
    """Where the squares of a `size` x `size` board lie among the 64 bits.

    Args:
        size: board side, one of 4, 6, 8.

    Raises:
        ValueError: another size.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"Othello board size must be one of {SIZES}, got {self.size!r}")

    @cached_property
    def bits(self) -> NDArray[np.int64]:
        """Bit of each square, int64 [size * size], squares in row-major order."""
        offset = (8 - self.size) // 2
        rows, columns = np.divmod(np.arange(self.size**2), self.size)
        return 8 * (rows + offset) + columns + offset

    @cached_property
    def square_of_bit(self) -> NDArray[np.int64]:
        """Square of each of the 64 bits, -1 where there is none."""
        squares = np.full(64, -1, dtype=np.int64)
        squares[self.bits] = np.arange(self.size**2)
        return squares

    @cached_property
    def mask(self) -> np.uint64:
        """All squares of the board."""
        return np.bitwise_or.reduce(_ONE << self.bits.astype(np.uint64))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Square names in row-major order: a1, b1, ..."""
        return tuple(f"{chr(97 + c)}{r + 1}" for r in range(self.size) for c in range(self.size))

    @cached_property
    def centre(self) -> tuple[int, int, int, int]:
        """The four squares filled at the start, in row-major order."""
        h = self.size // 2
        return tuple(self.size * r + c for r in (h - 1, h) for c in (h - 1, h))  # type: ignore[return-value]

    @property
    def max_plies(self) -> int:
        """Moves in a game that fills the board."""
        return self.size**2 - 4

    def start(self, n: int) -> tuple[U64, U64]:
        """Start position for `n` games: (own, opp) with Black, on e4 and d5, to move."""
        north_west, north_east, south_west, south_east = (_ONE << np.uint64(self.bits[s]) for s in self.centre)
        return np.full(n, north_east | south_west, np.uint64), np.full(n, north_west | south_east, np.uint64)

    def unpack(self, boards: U64) -> NDArray[np.bool_]:
        """Bitboards [...] to one boolean a square [..., size * size]."""
        return unpack_squares(boards)[..., self.bits]


def legal_moves(own: U64, opp: U64, mask: np.uint64) -> U64:
    """Squares where the player with discs `own` may move: some run of `opp` discs is closed by an `own` disc."""
    run = opp & _RUN_MASK  # (4, n)
    pairs = run & (run << _STEPS)
    reach = own << _STEPS
    reach &= run
    reach |= run & (reach << _STEPS)
    reach |= pairs & (reach << _STEPS2)
    reach |= pairs & (reach << _STEPS2)
    moves = np.bitwise_or.reduce(reach << _STEPS, axis=0)
    np.right_shift(pairs, _STEPS, out=pairs)  # run & (run >> step)
    np.right_shift(own, _STEPS, out=reach)
    reach &= run
    reach |= run & (reach >> _STEPS)
    reach |= pairs & (reach >> _STEPS2)
    reach |= pairs & (reach >> _STEPS2)
    moves |= np.bitwise_or.reduce(reach >> _STEPS, axis=0)
    moves &= mask & ~(own | opp)
    return moves


def flips(own: U64, opp: U64, move: U64) -> U64:
    """Discs turned over when the player with discs `own` plays the single bit `move` (empty move: none)."""
    run = opp & _RUN_MASK
    pairs = run & (run << _STEPS)
    reach = move << _STEPS
    reach &= run
    reach |= run & (reach << _STEPS)
    reach |= pairs & (reach << _STEPS2)
    reach |= pairs & (reach << _STEPS2)
    reach *= ((reach << _STEPS) & own) != 0  # a run counts only if an own disc closes it
    turned = np.bitwise_or.reduce(reach, axis=0)
    np.right_shift(pairs, _STEPS, out=pairs)
    np.right_shift(move, _STEPS, out=reach)
    reach &= run
    reach |= run & (reach >> _STEPS)
    reach |= pairs & (reach >> _STEPS2)
    reach |= pairs & (reach >> _STEPS2)
    reach *= ((reach >> _STEPS) & own) != 0
    turned |= np.bitwise_or.reduce(reach, axis=0)
    return turned


@dataclass(frozen=True)
class Record:
    """Every position of a batch of games, one row a ply, one column a game.

    `plies` is the board's `max_plies`; after the end of a game `played` is false, `move` is 0 and the boards repeat.
    Boards are seen from the player to move next, after a forced pass (at the end of a game: from the player whose
    turn it would have been).

    Attributes:
        move: uint64 [plies, n], the single bit played.
        turned: uint64 [plies, n], discs flipped by it.
        own: uint64 [plies, n], discs of the player to move after it.
        opp: uint64 [plies, n], discs of the other player.
        legal: uint64 [plies, n], legal moves of the player to move; 0 once the game is over.
        to_move: uint8 [plies, n], BLACK or WHITE, the player to move after it.
        mover: uint8 [plies, n], who played it.
        passed: bool [plies, n], the opponent of the mover had no move, so the mover is to move again.
        played: bool [plies, n], a move was made at this ply.
    """

    geometry: Geometry
    move: U64
    turned: U64
    own: U64
    opp: U64
    legal: U64
    to_move: NDArray[np.uint8]
    mover: NDArray[np.uint8]
    passed: NDArray[np.bool_]
    played: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Moves of each game, int64 [n]."""
        return self.played.sum(axis=0)

    @property
    def squares(self) -> NDArray[np.int64]:
        """Squares played, int64 [n, plies]; -1 after the end."""
        indices = bit_index(self.move)
        return np.where(indices < 0, -1, self.geometry.square_of_bit[indices]).T


class _Table:
    """The game in progress: current boards, and the record being filled."""

    def __init__(self, geometry: Geometry, n: int) -> None:
        plies = geometry.max_plies
        self.geometry = geometry
        self.own, self.opp = geometry.start(n)
        self.legal = legal_moves(self.own, self.opp, geometry.mask)
        self.to_move = np.full(n, BLACK, np.uint8)
        self.boards = {key: np.zeros((plies, n), np.uint64) for key in ("move", "turned", "own", "opp", "legal")}
        self.colours = {key: np.zeros((plies, n), np.uint8) for key in ("to_move", "mover")}
        self.flags = {key: np.zeros((plies, n), np.bool_) for key in ("passed", "played")}

    def play(self, ply: int, move: U64) -> None:
        """Play one legal bit in every game; 0 where the game is over."""
        played = move != 0
        turned = flips(self.own, self.opp, move)
        self.colours["mover"][ply] = self.to_move
        own = self.opp & ~turned
        opp = self.own | turned | move
        legal = legal_moves(own, opp, self.geometry.mask)
        colour = self.to_move ^ np.uint8(1)
        if not played.all():  # finished games stand still
            own = np.where(played, own, self.own)
            opp = np.where(played, opp, self.opp)
            colour = np.where(played, colour, self.to_move)
            legal *= played
        stuck = np.flatnonzero((legal == 0) & played)
        if stuck.size:
            other = legal_moves(opp[stuck], own[stuck], self.geometry.mask)
            back = stuck[other != 0]
            own[back], opp[back] = opp[back], own[back]
            legal[back] = other[other != 0]
            colour[back] ^= np.uint8(1)
            self.flags["passed"][ply, back] = True
        self.own, self.opp, self.legal, self.to_move = own, opp, legal, colour
        self.flags["played"][ply] = played
        self.colours["to_move"][ply] = colour
        for key, value in (("move", move), ("turned", turned), ("own", own), ("opp", opp), ("legal", legal)):
            self.boards[key][ply] = value

    def record(self) -> Record:
        boards, colours, flags = self.boards, self.colours, self.flags
        return Record(
            self.geometry,
            move=boards["move"],
            turned=boards["turned"],
            own=boards["own"],
            opp=boards["opp"],
            legal=boards["legal"],
            to_move=colours["to_move"],
            mover=colours["mover"],
            passed=flags["passed"],
            played=flags["played"],
        )


def play_random(geometry: Geometry, n: int, generator: np.random.Generator) -> Record:
    """Play `n` games to the end, every move uniform over the legal ones.

    Args:
        geometry: the board.
        n: number of games, >= 1.
        generator: source of randomness; the same state gives the same games.
    """
    table = _Table(geometry, n)
    for ply in range(geometry.max_plies):
        choices = np.bitwise_count(table.legal)
        # 32 random bits times at most 33 moves: the bias of this scaling is below 1e-8.
        drawn = generator.integers(0, 1 << 32, size=n, dtype=np.uint32).astype(np.uint64)
        table.play(ply, select_bit(table.legal, ((drawn * choices) >> np.uint64(32)).astype(np.int64)))
    return table.record()


def replay(geometry: Geometry, squares: NDArray[np.integer]) -> Record:
    """Replay given games, checking every move.

    Args:
        geometry: the board.
        squares: integer [n, plies], row-major squares, -1 after the last move of a shorter game.

    Raises:
        ValueError: an illegal move, a move after the end of the game or after a gap; names game, ply and square.
    """
    n, plies = squares.shape
    if plies > geometry.max_plies:
        raise ValueError(f"a game on this board has at most {geometry.max_plies} moves, got rows of {plies}")
    outside = (squares < -1) | (squares >= geometry.size**2)
    if outside.any():
        game, ply = (int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"game {game}, ply {ply}: square {int(squares[game, ply])} is not on a board of {geometry.size**2} squares"
        )
    gaps = (squares[:, :-1] < 0) & (squares[:, 1:] >= 0)
    if gaps.any():
        game, ply = (int(i) for i in np.argwhere(gaps)[0])
        raise ValueError(f"game {game}: a move at ply {ply + 1} follows the end of the game at ply {ply}")
    shifts = geometry.bits.astype(np.uint64)
    table = _Table(geometry, n)
    for ply in range(geometry.max_plies):
        column = squares[:, ply] if ply < plies else np.full(n, -1)
        move = np.where(column >= 0, _ONE << shifts[column], _ZERO)
        illegal = np.flatnonzero(move & ~table.legal)
        if illegal.size:
            game = int(illegal[0])
            raise ValueError(_illegal(table, game, ply, int(column[game])))
        table.play(ply, move)
    return table.record()


def _illegal(table: _Table, game: int, ply: int, square: int) -> str:
    names = table.geometry.names
    legal = [names[s] for s in np.flatnonzero(table.geometry.unpack(table.legal[game : game + 1])[0])]
    if not legal:
        return f"game {game}, ply {ply}: {names[square]} is played after the end of the game"
    colour = ("Black", "White")[int(table.to_move[game])]
    return f"game {game}, ply {ply}: {names[square]} is illegal for {colour}, who may play {', '.join(legal)}"


def perft(geometry: Geometry, depth: int) -> int:
    """Leaves of the game tree at `depth` plies from the start position.

    A forced pass is one ply. A game that ends earlier counts as one leaf at the first depth that it does not reach and
    has no children after it; this is the convention under which the published count for depth 10 of the 8 x 8 board is
    24,571,284.
    """
    own, opp = geometry.start(1)
    return _perft(own, opp, geometry.mask, depth)


def _perft(own: U64, opp: U64, mask: np.uint64, depth: int, chunk: int = 1 << 16) -> int:
    if depth == 0:
        return own.size
    if own.size > chunk:
        return sum(_perft(own[i : i + chunk], opp[i : i + chunk], mask, depth) for i in range(0, own.size, chunk))
    legal = legal_moves(own, opp, mask)
    stuck = legal == 0
    finished = stuck & (legal_moves(opp, own, mask) == 0)
    if depth == 1:
        return int(popcount(legal).sum()) + int(stuck.sum())
    next_own, next_opp = [opp[stuck & ~finished]], [own[stuck & ~finished]]
    rest = legal
    while rest.any():
        move = rest & (~rest + _ONE)
        alive = move != 0
        move, mine, theirs = move[alive], own[alive], opp[alive]
        turned = flips(mine, theirs, move)
        next_own.append(theirs & ~turned)
        next_opp.append(mine | turned | move)
        rest = rest & (rest - (rest != 0))
    return _perft(np.concatenate(next_own), np.concatenate(next_opp), mask, depth - 1, chunk)
