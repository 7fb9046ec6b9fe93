"""The functions of the published board-game evaluation, beside the right features that mean the same.

`as published` labels come from the world's `published`, errors included. The right ones are columns of its own
vocabulary: relative to the side that is really to move, reachable features only. Where a published function has no
right counterpart (pseudo-legal moves), nothing stands for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .games.chess_published import STRATEGY as CHESS_STRATEGY
from .games.features import Feature, FeatureSet
from .games.transcripts import Game, Transcripts


@runtime_checkable
class PublishedGame(Game, Protocol):
    """A world that also knows the published functions."""

    @property
    def published_names(self) -> tuple[str, ...]:
        """Names that `published` knows."""
        ...

    def published(self, name: str, games: NDArray[np.int64]) -> Transcripts:
        """Given games, as tokens, with a published function instead of the vocabulary."""
        ...


# What the released pipeline scores. The first is the masked board state of the paper's Table 1.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "othello": ("mine/yours, blank masked", "mine/yours", "valid moves"),
    "chess": (
        "piece, blank and initial masked",
        "piece, blank masked",
        "piece",
        *CHESS_STRATEGY,
        "piece colour",
        "pseudo-legal moves",
        "specific fork",
        "can claim draw",
        "mate threat",
        "connected rooks",
    ),
}
# Their plain mean is the paper's score of strategy.
STRATEGY: dict[str, tuple[str, ...]] = {"othello": (), "chess": CHESS_STRATEGY}
# What published means divide by, where that is not the number of declared classes: chess leaves the masked class out.
DENOMINATORS: dict[str, dict[str, float]] = {
    "othello": {},
    "chess": {"piece, blank masked": 768.0, "piece, blank and initial masked": 768.0},
}


def world_of(game: Game) -> str:
    """`othello` or `chess`, whatever the board size or the tokens.

    Raises:
        ValueError: a game that was not in the paper.
    """
    world = game.name.split("-")[0]
    if world not in FUNCTIONS:
        raise ValueError(f"the paper has chess and Othello, not {game.name!r}")
    return world


class Truth:
    """The world's own labels at N positions, and ways to take columns of them.

    Args:
        features: what the labels mean.
        packed: uint8 [N, bytes].
    """

    def __init__(self, features: FeatureSet, packed: NDArray[np.uint8]) -> None:
        self.features, self.packed = features, packed

    def columns(self, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Labels of some features, bool [N, len(indices)]."""
        return self.features.unpack_columns(self.packed, indices)

    def named(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Labels of features by name, bool [N, len(names)].

        Raises:
            KeyError: an unknown feature.
        """
        return self.columns(np.array([self.features.index(name) for name in names], np.int64))


Right = Callable[[Truth], tuple[list[Feature], NDArray[np.bool_]]]


def _group(*groups: str) -> Right:
    """The reachable features of some groups."""

    def right(truth: Truth) -> tuple[list[Feature], NDArray[np.bool_]]:
        indices = truth.features.where(group=groups, reachable=True)
        return [truth.features[int(i)] for i in indices], truth.columns(indices)

    return right


def _flag(name: str) -> Right:
    def right(truth: Truth) -> tuple[list[Feature], NDArray[np.bool_]]:
        return [truth.features[truth.features.index(name)]], truth.named([name])

    return right


def _either(*names: str) -> Right:
    """Any of several features."""

    def right(truth: Truth) -> tuple[list[Feature], NDArray[np.bool_]]:
        feature = Feature(name=" or ".join(names), group="", rung=3, definition="One of them holds.")
        return [feature], np.logical_or.reduce(truth.named(names), axis=1)[:, None]

    return right


def _by_turn(white: str | Sequence[str], black: str | Sequence[str]) -> Right:
    """Some features where White is to move, others where Black is."""
    whites, blacks = ([names] if isinstance(names, str) else list(names) for names in (white, black))

    def right(truth: Truth) -> tuple[list[Feature], NDArray[np.bool_]]:
        labels = np.where(truth.named(["white to move"]), truth.named(whites), truth.named(blacks))
        features = [
            Feature(name=f"{a} (White to move) or {b}", group="", rung=2, definition="Relative to the side to move.")
            for a, b in zip(whites, blacks, strict=True)
        ]
        return features, labels

    return right


_SQUARES = [f"{file}{rank}" for rank in range(1, 9) for file in "abcdefgh"]
RIGHT: dict[str, dict[str, Right]] = {
    "othello": {
        "mine/yours, blank masked": _group("board"),
        "mine/yours": _group("board", "empty"),
        "valid moves": _group("legal moves"),
    },
    "chess": {
        "piece, blank and initial masked": _group("board"),
        "piece, blank masked": _group("board", "initial board"),
        "piece": _group("board", "initial board", "empty"),
        "piece colour": _group("colour", "empty"),
        "threat": _by_turn([f"black attacks {on}" for on in _SQUARES], [f"white attacks {on}" for on in _SQUARES]),
        "legal moves": _group("legal moves"),
        "check": _flag("check"),
        "pin": _either("white piece pinned", "black piece pinned"),
        "specific fork": _by_turn("white knight fork", "black knight fork"),
        "any fork": _flag("fork by the side to move"),
        "castling rights": _by_turn("white castling right", "black castling right"),
        "queenside castling rights": _by_turn("white queenside castling right", "black queenside castling right"),
        "kingside castling rights": _by_turn("white kingside castling right", "black kingside castling right"),
        "legal en passant": _flag("legal en passant"),
        "can claim draw": _flag("can claim a draw"),
        "can check next": _flag("can give check"),
        "bishop pair": _by_turn("white bishop pair", "black bishop pair"),
        "mate threat": _flag("mate threat"),
        "can capture queen": _flag("can capture a queen"),
        "has queen": _by_turn("white has a queen", "black has a queen"),
        "connected rooks": _by_turn("white connected rooks", "black connected rooks"),
        "ambiguous moves": _flag("ambiguous move"),
    },
}


def right_labels(world: str, functions: Sequence[str], truth: Truth) -> tuple[FeatureSet, NDArray[np.uint8]] | None:
    """Right labels of some functions, each a group of its own, packed uint8 [N, bytes]; None if there are none."""
    features: list[Feature] = []
    columns: list[NDArray[np.bool_]] = []
    for function in functions:
        if function not in RIGHT[world]:
            continue
        found, labels = RIGHT[world][function](truth)
        features += [
            replace(f, name=f"{function}: {f.name}", group=function, parents=(), counterpart=False) for f in found
        ]
        columns.append(labels)
    if not features:
        return None
    together = FeatureSet(features)
    return together, together.pack(np.concatenate(columns, axis=1))


def published_labels(
    game: PublishedGame, functions: Sequence[str], tokens: NDArray[np.int64], chunk: int = 250
) -> tuple[FeatureSet, NDArray[np.uint8], NDArray[np.bool_]]:
    """Published labels of some functions, each a group of its own, at the positions that are scored as published.

    Args:
        game: the world.
        functions: published names.
        tokens: int64 [games, positions].
        chunk: games at a time.

    Returns:
        The features, packed labels uint8 [N, bytes], and which positions are scored, bool [games, positions].

    Raises:
        ValueError: functions that are scored at different positions.
    """
    features: FeatureSet | None = None
    packed: list[NDArray[np.uint8]] = []
    masks: list[NDArray[np.bool_]] = []
    for start in range(0, len(tokens), chunk):
        parts = [game.published(function, tokens[start : start + chunk]) for function in functions]
        scored = parts[0].scored
        if any(not np.array_equal(part.scored, scored) for part in parts[1:]):
            raise ValueError(f"the functions {', '.join(functions)} are scored at different positions")
        features = features or FeatureSet(feature for part in parts for feature in part.features)
        packed.append(features.pack(np.concatenate([p.features.unpack(p.labels[scored]) for p in parts], axis=1)))
        masks.append(scored)
    assert features is not None
    return features, np.concatenate(packed), np.concatenate(masks)
