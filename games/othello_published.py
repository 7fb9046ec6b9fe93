"""The board-state properties of Karvonen et al. 2024 (arXiv 2408.00113) for Othello, as published, for comparison only.

They are labelled apart from the vocabulary that is scored, because several are wrong and all of them would have to be
stored with every position. Every feature here is a counterpart. All are read after move i (from 0), on boards times +1
for even i and -1 for odd i, so that "+1" is the colour that just moved *if no player has ever passed*: after a pass
these labels are wrong until the next one.

Differences from the corrected features of othello_features.py:

1. Colour by the parity of the move. "mine" is +1, who just moved, the opposite of this package's mine.
2. "mine/yours, blank masked" keeps a class of blanks that never holds; published means divide by it.
3. "valid moves" are right: those of the next player, or of the other one after a forced pass.
4. "opponent length lines" puts a run of length 0 in the classes of length 6 (class -8 + direction, counted from the
   end): on the start board 470 of 480 labels are false.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .features import Feature, FeatureSet
from .othello_board import BLACK, Geometry, Record
from .othello_features import DIRECTIONS

Boards = NDArray[np.int8]
_LENGTHS = 6

_MEANING = {
    "absolute": "white, blank or black disc",
    "mine/yours": "disc of the colour to move next by parity, blank, or disc of the colour that just moved by parity",
    "mine/yours, blank masked": "as mine/yours, with the class of blanks never true",
    "valid moves": "legal move of the next player, after a forced pass",
    "lines mine": "blank, with a run of discs of the parity's last mover closed by one of the other colour",
    "lines yours": "blank, with a run of discs of the parity's next mover closed by one of the other colour",
    "length lines": "as lines mine, by length of the run (6 for 6 and more)",
    "opponent length lines": "as length lines but closed or not, and a run of length 0 counted as length 6",
}
PUBLISHED = tuple(_MEANING)

_LINE_CLASSES = tuple(DIRECTIONS)
_LENGTH_CLASSES = tuple(f"{length} {d}" for length in range(1, _LENGTHS + 1) for d in DIRECTIONS)
_CLASSES: dict[str, tuple[str, ...]] = {
    "absolute": ("white", "blank", "black"),
    "mine/yours": ("next", "blank", "moved"),
    "mine/yours, blank masked": ("next", "blank", "moved"),
    "valid moves": ("valid",),
    "lines mine": _LINE_CLASSES,
    "lines yours": _LINE_CLASSES,
    "length lines": _LENGTH_CLASSES,
    "opponent length lines": _LENGTH_CLASSES,
}


def published_features(geometry: Geometry, name: str) -> FeatureSet:
    """The properties of one published function, in the published order: row, column, class.

    Raises:
        KeyError: unknown name.
    """
    if name not in _CLASSES:
        raise KeyError(f"no published Othello function {name!r}; there are {', '.join(PUBLISHED)}")
    return FeatureSet(
        Feature(
            name=f"{name}: {square} {kind}",
            group=name,
            rung=1 if "lines" not in name and name != "valid moves" else 2,
            definition=f"Published class {kind!r} of {square}: {_MEANING[name]}.",
            variable=f"{name}: {square}" if len(_CLASSES[name]) > 1 else None,
            reachable=not (name.endswith("masked") and kind == "blank"),
            counterpart=True,
        )
        for square in geometry.names
        for kind in _CLASSES[name]
    )


def published_labels(record: Record, name: str, n_positions: int) -> NDArray[np.bool_]:
    """Labels of one published function, bool [games, n_positions, size * size * classes].

    Raises:
        KeyError: unknown name.
    """
    classes = published_features(record.geometry, name)  # a KeyError for an unknown name
    absolute = _boards(record, n_positions)
    parity = np.where(np.arange(n_positions) % 2 == 0, 1, -1).astype(np.int8)[:, None, None]
    labels = _LABELLERS[name](absolute, absolute * parity, record)
    labels = labels & record.played[:n_positions].T[..., None, None, None]
    return labels.reshape(*labels.shape[:2], len(classes))


def _boards(record: Record, n_positions: int) -> Boards:
    """+1 black, -1 white, 0 blank, int8 [games, positions, rows, columns]."""
    own = record.geometry.unpack(record.own[:n_positions].T).astype(np.int8)
    opp = record.geometry.unpack(record.opp[:n_positions].T).astype(np.int8)
    sign = np.where(record.to_move[:n_positions].T == BLACK, 1, -1).astype(np.int8)
    return ((own - opp) * sign[..., None]).reshape(*sign.shape, record.geometry.size, record.geometry.size)


def _one_hot(boards: Boards) -> NDArray[np.bool_]:
    return boards[..., None] == np.array([-1, 0, 1], dtype=np.int8)


def _masked(boards: Boards) -> NDArray[np.bool_]:
    labels = _one_hot(boards)
    labels[..., 1] = False
    return labels


def _valid(_absolute: Boards, boards: Boards, record: Record) -> NDArray[np.bool_]:
    legal = record.geometry.unpack(record.legal[: boards.shape[1]].T)
    return legal.reshape(*boards.shape, 1)


def _run(boards: Boards, direction: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Length of the run of +1 that starts beside each square, and whether a -1 ends it."""
    size = boards.shape[-1]
    dr, dc = DIRECTIONS[direction]
    padded = np.pad(boards, [(0, 0), (0, 0), (size, size), (size, size)])  # off the board counts as blank
    length = np.zeros(boards.shape, np.int64)
    going = np.ones(boards.shape, np.bool_)
    closed = np.zeros(boards.shape, np.bool_)
    for k in range(1, size):
        seen = padded[..., size + k * dr : 2 * size + k * dr, size + k * dc : 2 * size + k * dc]
        closed |= going & (seen == -1)
        going &= seen == 1
        length += going
    return length, closed


def _lines(boards: Boards) -> NDArray[np.bool_]:
    found: list[NDArray[np.bool_]] = []
    for direction in DIRECTIONS:
        length, closed = _run(boards, direction)
        found.append((boards == 0) & (length > 0) & closed)
    return np.stack(found, axis=-1)


def _length_lines(boards: Boards, closed_only: bool) -> NDArray[np.bool_]:
    labels = np.zeros((*boards.shape, _LENGTHS * len(DIRECTIONS)), np.bool_)
    for d, direction in enumerate(DIRECTIONS):
        length, closed = _run(boards, direction)
        counts = (boards == 0) & (closed & (length > 0) if closed_only else True)
        kind = (np.minimum(length, _LENGTHS) - 1) * len(DIRECTIONS) + d  # negative for length 0: the published slip
        where = np.nonzero(counts)
        labels[(*where, kind[where])] = True
    return labels


_LABELLERS: dict[str, Callable[[Boards, Boards, Record], NDArray[np.bool_]]] = {
    "absolute": lambda absolute, _boards, _record: _one_hot(absolute),
    "mine/yours": lambda _absolute, boards, _record: _one_hot(boards),
    "mine/yours, blank masked": lambda _absolute, boards, _record: _masked(boards),
    "valid moves": _valid,
    "lines mine": lambda _absolute, boards, _record: _lines(boards),
    "lines yours": lambda _absolute, boards, _record: _lines(-boards),
    "length lines": lambda _absolute, boards, _record: _length_lines(boards, closed_only=True),
    "opponent length lines": lambda _absolute, boards, _record: _length_lines(boards, closed_only=False),
}
