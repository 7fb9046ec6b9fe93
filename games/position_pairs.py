"""Pairs of real positions whose boards differ in one square, or not at all.

`position_pairs` finds positions of different games after equally many moves that hold the same on every square but
one, with the same player to move and, in chess, the same castling rights and legal en passant captures. Patching the
activation of one into the other asks a model to change that one square, and unlike an edited board both boards occur
in games. In Othello such a square holds a disc of either player, since equally many discs lie on both boards.

`same_board_pairs` finds positions after equally many moves with the same board, player and rights that were reached by
different moves. A model whose state is the board does the same in both.

Method: every position has the exclusive or of one random number a square and state; taking the number of square q out
again gives the hash of the board without q, so that equal hashes are found by one sort a square. A hash only proposes:
every pair is compared square by square before it counts. Early boards recur in many games, and pairs grow with the
square of that, so at most `per_key` positions of one board without q and state of q are used, drawn by the seed; of
games that began with the same moves only one is taken. Random games have such pairs in their first moves only;
branching_games.py makes games that have them at every stage.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .bitboards import U64
from .board_states import BoardStates, board_states, state_codes
from .transcripts import Game, Transcripts

# Fixed, so that the same games give the same pairs; the draw among pairs has the seed of the caller.
_ZOBRIST_SEED = 20_240_501
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class PositionPairs:
    """Pairs of positions of given transcripts, one a row.

    Attributes:
        base: int64 [n, 2], (game, position) of the first, as rows and columns of the transcripts.
        source: int64 [n, 2], (game, position) of the second.
        square: int64 [n], the square in which they differ, as in `game.square_of`; -1 if the boards are equal.
        before: int64 [n], feature that holds on the square in the base; -1 if the boards are equal.
        after: int64 [n], feature that holds there in the source; -1 if the boards are equal.
        ply: int64 [n], moves made in both.
        same_last_move: bool [n], both end with the same token.
    """

    base: NDArray[np.int64]
    source: NDArray[np.int64]
    square: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    ply: NDArray[np.int64]
    same_last_move: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.base)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "PositionPairs":
        """Some of the pairs."""
        return PositionPairs(*(getattr(self, f.name)[rows] for f in fields(self)))


@dataclass(frozen=True)
class _Positions:
    """Positions to pair, in random order, one for every sequence of moves.

    Attributes:
        games: int64 [N], row of the transcripts.
        positions: int64 [N], column.
        ply: int64 [N].
        codes: int8 [N, squares], state of every square.
        rest: packed uint8 [N, bytes], the rest of what makes positions the same.
        hashes: uint64 [N], of everything.
        keys: uint64 [squares, states], the random number of every state.
    """

    games: NDArray[np.int64]
    positions: NDArray[np.int64]
    ply: NDArray[np.int64]
    codes: NDArray[np.int8]
    rest: NDArray[np.uint8]
    hashes: U64
    keys: U64


def position_pairs(
    game: Game, transcripts: Transcripts, *, n: int | None = None, seed: int = 0, per_key: int = 4
) -> PositionPairs:
    """Pairs of positions at equal ply whose boards differ in exactly one square.

    Which of the two is the base is drawn by the seed; every pair is listed once.

    Args:
        game: the board game that the transcripts come from.
        transcripts: its games, labelled with all its features.
        n: pairs at most, spread over the plies as evenly as they are found; all of them by default.
        seed: draws among the positions of one board, and among the pairs.
        per_key: positions at most of one board without the square and state of the square, >= 1.

    Returns:
        Pairs in ascending order of ply; fewer than `n` if not that many exist.

    Raises:
        ValueError: not a board game, transcripts with other features, `n` or `per_key` below 1.
    """
    states, found, generator = _prepared(game, transcripts, n, seed, per_key)
    parts: list[NDArray[np.int64]] = []
    for square in range(len(states.names)):
        masked = found.hashes ^ found.keys[square, found.codes[:, square]]
        left, right = _across_states(masked, found.codes[:, square], per_key)
        kept = _equal_elsewhere(found, left, right, square)
        parts.append(np.stack([left[kept], right[kept], np.full(int(kept.sum()), square)]))
    left, right, square = np.concatenate(parts, axis=1)
    return _listed(transcripts, found, states, (left, right, square), n, generator)


def same_board_pairs(
    game: Game, transcripts: Transcripts, *, n: int | None = None, seed: int = 0, per_key: int = 4
) -> PositionPairs:
    """Pairs of positions at equal ply with the same board, player and rights, reached by different moves.

    Args:
        game: the board game that the transcripts come from.
        transcripts: its games, labelled with all its features.
        n: pairs at most, spread over the plies as evenly as they are found; all of them by default.
        seed: draws among the ways to one board, and among the pairs.
        per_key: pairs at most of one board, >= 1; no way to it is in two of them.

    Returns:
        Pairs in ascending order of ply, without a square; fewer than `n` if not that many exist.

    Raises:
        ValueError: not a board game, transcripts with other features, `n` or `per_key` below 1.
    """
    states, found, generator = _prepared(game, transcripts, n, seed, per_key)
    order = np.argsort(found.hashes, kind="stable")
    rank = _rank_in_run(found.hashes[order])
    first = np.flatnonzero(rank[:-1] % 2 == 0)
    first = first[(rank[first + 1] == rank[first] + 1) & (rank[first] < 2 * per_key)]
    left, right = order[first], order[first + 1]
    kept = _equal_elsewhere(found, left, right, None)
    return _listed(transcripts, found, states, (left[kept], right[kept], None), n, generator)


def _prepared(
    game: Game, transcripts: Transcripts, n: int | None, seed: int, per_key: int
) -> tuple[BoardStates, _Positions, np.random.Generator]:
    if (n is not None and n < 1) or per_key < 1:
        raise ValueError(f"the number of pairs and of positions a board must be at least 1, got {n} and {per_key}")
    states = board_states(game)
    if transcripts.features is not game.features and transcripts.features != game.features:
        raise ValueError(
            f"position pairs need transcripts with all features of {game.name} ({len(game.features)}), got "
            f"{len(transcripts.features)} of {transcripts.game}"
        )
    generator = np.random.default_rng(seed)
    return states, _positions(transcripts, states, generator), generator


def _positions(transcripts: Transcripts, states: BoardStates, generator: np.random.Generator) -> _Positions:
    """One scored position for every sequence of moves that leads to one, in random order."""
    tokens, width = transcripts.tokens, transcripts.tokens.shape[1]
    new_ply = np.ones(tokens.shape, np.bool_)  # characters: several tokens of a game may share a ply
    seen: NDArray[np.int64] = np.maximum.accumulate(np.where(transcripts.scored, transcripts.ply, -1), axis=1)
    new_ply[:, 1:] = transcripts.ply[:, 1:] > seen[:, :-1]
    rows = np.flatnonzero((transcripts.scored & new_ply).ravel())
    rows = rows[generator.permutation(len(rows))]
    _, first = np.unique(_histories(tokens).ravel()[rows], return_index=True)
    rows = rows[np.sort(first)]
    games, positions = np.divmod(rows, width)
    ply = transcripts.ply[games, positions]
    codes, rest = state_codes(transcripts.labels, games, positions, states)
    random = np.random.default_rng(_ZOBRIST_SEED)
    keys = random.integers(0, 2**64, size=(len(states.names), states.features.shape[1]), dtype=np.uint64)
    hashes = _scramble(ply.astype(np.uint64))
    for column in range(rest.shape[1]):
        hashes = _scramble(hashes ^ rest[:, column])
    for square in range(len(states.names)):
        hashes = hashes ^ keys[square, codes[:, square]]
    return _Positions(games, positions, ply, codes, rest, hashes, keys)


def _scramble(values: U64) -> U64:
    mixed = (values + _MIX) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX
    return mixed ^ (mixed >> np.uint64(32))


def _histories(tokens: NDArray[np.int64]) -> U64:
    """A hash of the tokens up to and including every position."""
    out = np.empty(tokens.shape, np.uint64)
    so_far = np.zeros(len(tokens), np.uint64)
    for position in range(tokens.shape[1]):
        so_far = _scramble(so_far ^ tokens[:, position].astype(np.uint64))
        out[:, position] = so_far
    return out


def _rank_in_run(*columns: NDArray[np.generic]) -> NDArray[np.int64]:
    """Place of every row within its run of equal rows, from 0; the rows lie run by run."""
    n = len(columns[0])
    starts = np.ones(n, np.bool_)
    starts[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in columns])
    index = np.arange(n)
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _across_states(masked: U64, state: NDArray[np.int8], per_key: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs with one masked hash and different states.

    The positions of a hash lie in random order; the first of every state are paired with one another, then the second,
    and so on, so that no position is in more pairs than there are other states.
    """
    order = np.argsort(masked, kind="stable")
    repeated = np.zeros(len(order), np.bool_)  # most boards are met once: only the others are sorted by state
    again = masked[order][1:] == masked[order][:-1]
    repeated[1:] |= again
    repeated[:-1] |= again
    order = order[repeated]
    order = order[np.lexsort((state[order], masked[order]))]
    rank = _rank_in_run(masked[order], state[order])
    order, rank = order[rank < per_key], rank[rank < per_key]
    again = np.lexsort((state[order], rank, masked[order]))
    order, rank = order[again], rank[again]
    place = _rank_in_run(masked[order], rank)  # among the states that have a position of this rank
    left: list[NDArray[np.int64]] = []
    right: list[NDArray[np.int64]] = []
    for lag in range(1, int(place.max(initial=0)) + 1):
        second = np.flatnonzero(place >= lag)
        left.append(order[second - lag])
        right.append(order[second])
    none = np.empty(0, np.int64)
    return np.concatenate([none, *left]), np.concatenate([none, *right])


def _equal_elsewhere(
    found: _Positions, left: NDArray[np.int64], right: NDArray[np.int64], square: int | None
) -> NDArray[np.bool_]:
    """Whether two positions are the same but for one square, in which they differ; compared in full."""
    equal = (found.ply[left] == found.ply[right]) & (found.rest[left] == found.rest[right]).all(axis=1)
    same = found.codes[left] == found.codes[right]
    if square is None:
        return equal & same.all(axis=1)
    differs = ~same[:, square]
    same[:, square] = True
    return equal & differs & same.all(axis=1)


def _listed(
    transcripts: Transcripts,
    found: _Positions,
    states: BoardStates,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None],
    n: int | None,
    generator: np.random.Generator,
) -> PositionPairs:
    """The pairs as rows of the transcripts, `n` of them, spread over the plies."""
    left, right, square = pairs
    swapped = generator.random(len(left)) < 0.5
    left, right = np.where(swapped, right, left), np.where(swapped, left, right)
    order = generator.permutation(len(left))
    order = order[np.argsort(found.ply[left[order]], kind="stable")]
    if n is not None and n < len(order):
        turn = _rank_in_run(found.ply[left[order]])
        order = order[np.sort(np.argsort(turn, kind="stable")[:n])]
    left, right = left[order], right[order]
    base = np.stack([found.games[left], found.positions[left]], axis=1)
    source = np.stack([found.games[right], found.positions[right]], axis=1)
    none = np.full(len(order), -1, np.int64)
    if square is None:
        on, before, after = none, none, none
    else:
        q = square[order]
        on = states.squares[q]
        before, after = states.features[q, found.codes[left, q]], states.features[q, found.codes[right, q]]
    return PositionPairs(
        base=base,
        source=source,
        square=on,
        before=before,
        after=after,
        ply=found.ply[left],
        same_last_move=transcripts.tokens[base[:, 0], base[:, 1]] == transcripts.tokens[source[:, 0], source[:, 1]],
    )
