"""The vocabulary of Othello: every feature with its exact definition."""

from collections.abc import Callable
from dataclasses import dataclass

from .features import Feature, FeatureSet
from .othello_board import Geometry


@dataclass(frozen=True)
class Block:
    """Features that are computed together: the bits of one number a position, lowest first.

    Attributes:
        key: name of that number in the labeller.
        features: one a bit; for a plane, one a square in row-major order.
        squares: square of each feature, or None if they belong to no square.
    """

    key: str
    features: tuple[Feature, ...]
    squares: tuple[int, ...] | None = None

    @property
    def is_plane(self) -> bool:
        """One feature a square."""
        return self.squares is not None


def plane(geometry: Geometry, key: str, feature: Callable[[int, str], Feature]) -> Block:
    """A block with one feature a square, made from its number and name."""
    squares = tuple(range(geometry.size**2))
    return Block(key, tuple(feature(s, geometry.names[s]) for s in squares), squares)


def vocabulary(geometry: Geometry) -> tuple[Block, ...]:
    """All blocks of the vocabulary, in order."""
    centre = geometry.centre

    def on(key: str, group: str, word: str, definition: str, variable: str) -> Block:
        return plane(
            geometry,
            key,
            lambda s, name: Feature(
                name=f"{word} {name}",
                group=group,
                rung=1,
                definition=definition.format(name),
                variable=variable.format(name),
            ),
        )

    return (
        on("own", "board", "mine on", "A disc of the player to move (after a forced pass) is on {}.", "state of {}"),
        on("opp", "board", "yours on", "A disc of the opponent of the player to move is on {}.", "state of {}"),
        plane(
            geometry,
            "empty",
            lambda s, name: Feature(
                name=f"{name} empty",
                group="empty",
                rung=1,
                definition=f"No disc is on {name}.",
                variable=f"state of {name}",
                reachable=s not in centre,
            ),
        ),
        on("black", "colour", "black on", "A black disc is on {}.", "colour of {}"),
        on("white", "colour", "white on", "A white disc is on {}.", "colour of {}"),
        plane(
            geometry,
            "legal",
            lambda s, name: Feature(
                name=f"legal move at {name}",
                group="legal moves",
                rung=2,
                definition=f"The player to move may play at {name}.",
                reachable=s not in centre,
            ),
        ),
    )


def feature_set(blocks: tuple[Block, ...]) -> FeatureSet:
    """The features of all blocks, in order."""
    return FeatureSet(feature for block in blocks for feature in block.features)
