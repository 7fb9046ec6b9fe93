"""Positions of a file as a testbed: activations, or latents only, with their truth, and no model to ask.

What is posed on a testbed's labels and activations (SAEBench's tasks) is posed here in the same words; what asks the
model that made the activations, or a world's true directions, cannot be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .games.features import FeatureSet


@dataclass(frozen=True)
class SamplePlace:
    """What stands for a testbed's spec.

    Attributes:
        position: where prompts are read; empty for games, whose positions follow each other.
    """

    position: str = ""


@dataclass(frozen=True)
class SampleRows:
    """The rows, as a capture has them.

    Attributes:
        labels: packed uint8 [N, ceil(F / 8)].
        game_id: integer [N].
        position: integer [N].
    """

    labels: NDArray[np.uint8]
    game_id: NDArray[np.integer[Any]]
    position: NDArray[np.integer[Any]]


@dataclass
class SampleTestbed:
    """Whole games of a sample, in memory.

    Attributes:
        name: of the file.
        features: what the labels mean.
        activations: labels, games and positions of the rows.
        x: activations, float32 [N, d]; empty [N, 0] where the file holds latents.
        train: bool [N], rows that choose.
        spec: whether they are prompts.
        seed: of what is drawn when tasks are posed.
        device: where activations and dictionaries are.
        facts: where the sample comes from.
        cache: what scoring computes once.
    """

    name: str
    features: FeatureSet
    activations: SampleRows
    x: torch.Tensor
    train: NDArray[np.bool_]
    spec: SamplePlace = field(default_factory=SamplePlace)
    seed: int = 0
    device: str = "cpu"
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cache: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def hook(self) -> str:
        """Where the activations were read."""
        return str(self.facts.get("hook", "unknown"))

    @property
    def d_in(self) -> int:
        """Width of the activations."""
        return self.x.shape[1]

    @cached_property
    def n_games(self) -> int:
        """Games that are kept."""
        return len(np.unique(self.activations.game_id))
