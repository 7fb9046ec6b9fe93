"""The properties of every metric, as data: what it asks, which way is good, what chance scores."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["up", "down", "none"]
Symmetry = Literal[
    "latent permutation", "positive rescaling", "duplicated latent", "dead latent", "game order", "rotation"
]


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What is true of a metric, read by the tests, the command line and the report.

    Attributes:
        question: what it answers, in one sentence.
        direction: whether higher (`up`) or lower (`down`) is better, or neither.
        low: smallest value it can take.
        high: largest value.
        chance: what chance or nothing scores, and why.
        needs: arrays that it reads.
        symmetries: changes of the input that leave it as it is.
        version: rises when its numbers change.
    """

    question: str
    direction: Direction
    low: float
    high: float
    chance: str
    needs: tuple[str, ...]
    symmetries: tuple[Symmetry, ...]
    version: int = 1
