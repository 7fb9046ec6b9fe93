"""Features that are computed together, for worlds whose labels are made in batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from .features import Feature, FeatureSet


@dataclass(frozen=True)
class Block:
    """Features that are computed together.

    Attributes:
        key: name of the block in the labeller; "plane ..." for planes.
        features: in order.
        squares: square of each feature (row-major in Othello, a1 = 0 .. h8 = 63 in chess); None if they belong to none.
        thresholds: a feature holds if the block's count is at least this; None for planes and flags.
    """

    key: str
    features: tuple[Feature, ...]
    squares: tuple[int, ...] | None = None
    thresholds: tuple[int, ...] | None = None

    @property
    def is_plane(self) -> bool:
        """One feature a square of the whole board, computed as a bitboard."""
        return self.key.startswith("plane ")


def feature_set(blocks: Sequence[Block]) -> FeatureSet:
    """The features of all blocks, in order."""
    return FeatureSet(feature for block in blocks for feature in block.features)
