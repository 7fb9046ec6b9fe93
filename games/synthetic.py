"""Synthetic: a world of planted features, where the true dictionary is known.

    world = Synthetic("synthsaebench-64")
    sample = world.sample(20_000, seed=0)          # frozen: the same seed gives the same bytes
    world.directions                               # float32 [A, d], the true dictionary
    next(world.batches(1024, seed=1))              # endless rows to train on, never those of a sample

An activation is magnitudes @ directions + bias (+ noise), where few magnitudes differ from 0. Rows are drawn in blocks
of 1024, each from a seed made of the world, the stream, the caller's seed and the block's number. So a shorter sample
is the beginning of a longer one, nothing is ever held dense for all rows, and the global random state plays no part.
Bytes are the same for the same versions of torch, sae_lens and scipy on one kind of machine.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .features import Feature, FeatureSet
from .synthetic_config import SyntheticConfig
from .synthetic_structure import (
    SPARSE_FROM,
    Forest,
    asked_rates,
    chance_above_zero,
    correlation,
    directions_and_bias,
    drawn_rates,
    expected_rates,
    magnitudes,
    plant_forest,
)
from .synthetic_worlds import SYNTHETIC_WORLDS

if TYPE_CHECKING:
    import torch

BLOCK_ROWS = 1024
RULES = 1  # raised when the same configuration and seed come to mean other rows

__all__ = ["SYNTHETIC_WORLDS", "Synthetic", "SyntheticConfig", "SyntheticSample"]


@dataclass(frozen=True, eq=False)
class SyntheticSample:
    """Rows of a synthetic world with the truth about them.

    Attributes:
        activations: float32 [N, d].
        magnitudes: csr_array float32 [N, A], coordinate along each axis; at least 0 for lines, signed for planes.
        labels: packed uint8 [N, n_bytes], which features fire; see FeatureSet.
        game_id: int32 [N]; rows are independent, and a "game" is a block of rows, for splits and the bootstrap.
        features: what the labels mean.
        world: name of the world.
        version: of the world.
        seed: of the sample.
    """

    activations: "torch.Tensor"
    magnitudes: Any
    labels: NDArray[np.uint8]
    game_id: NDArray[np.int32]
    features: FeatureSet
    world: str
    version: str
    seed: int

    def __len__(self) -> int:
        return len(self.game_id)

    @property
    def true_l0(self) -> float:
        """Mean number of features that fire in a row."""
        return float(np.unpackbits(self.labels).sum() / len(self))


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of rows: float32 [n, d], magnitudes csr float32 [n, A], firing features bool [n, F]."""

    activations: NDArray[np.float32]
    magnitudes: Any
    fires: NDArray[np.bool_]


class Synthetic:
    """A world of planted features.

    Args:
        name_or_config: a name in SYNTHETIC_WORLDS, or a configuration.
        seed: another world of the same kind: other directions, and whatever else is drawn once; None keeps the
            configuration's.

    Raises:
        KeyError: unknown name; close names are suggested.
        ValueError: rates that the trees cannot reach, or correlations that contradict each other.
    """

    def __init__(self, name_or_config: "str | SyntheticConfig", *, seed: int | None = None) -> None:
        config = named_config(name_or_config) if isinstance(name_or_config, str) else name_or_config
        self.config = config if seed is None else config.changed(seed=seed)
        self.name = self.config.name
        self.version = f"{RULES}-{self.config.digest[:16]}"
        self._forest: Forest = plant_forest(self.config)
        mean, std = magnitudes(self.config)
        alive = chance_above_zero(mean, std)
        self.asked_rates = asked_rates(self.config, self._forest)
        self._drawn = drawn_rates(self.config, self._forest, self.asked_rates, alive)
        self._mean, self._std, self._alive = mean, std, alive
        dims = np.ones(self.config.n_features, np.int64)
        n_flat = self.config.n_planes + self.config.n_circles
        flat = (np.arange(n_flat) * self.config.n_features) // max(n_flat, 1)  # spread evenly over the frequencies
        dims[flat] = 2
        self._circle = np.zeros(self.config.n_features, np.bool_)
        if self.config.n_circles:
            self._circle[flat[(np.arange(self.config.n_circles) * n_flat) // self.config.n_circles]] = True
        self._flat = dims == 2
        self.owner: NDArray[np.int64] = np.repeat(np.arange(self.config.n_features), dims)
        self._first_axis = np.cumsum(dims) - dims

    def __repr__(self) -> str:
        return f"Synthetic({self.name!r}: {self.config.n_features} features in {self.config.width} dimensions)"

    @cached_property
    def features(self) -> FeatureSet:
        """The planted features, F of them."""
        forest = self._forest
        family = {child: group for group in forest.exclusive for child in group}

        def feature(i: int) -> Feature:
            parent = int(forest.parents[i])
            level = int(forest.depth[i])
            kind = "circle" if self._circle[i] else "plane" if self._flat[i] else "line"
            place = "root" if level == 0 else f"depth {level}" if level > 0 else "alone" if forest.nodes else ""
            condition = f" and only while feature {parent} fires" if parent >= 0 else ""
            return Feature(
                name=f"feature {i}",
                group=", ".join(part for part in (place, kind) if part and (part != "line" or not place)),
                rung=0,
                definition=f"its {kind} is written with a magnitude above 0{condition}",
                variable=f"child of feature {parent}" if i in family else None,
                parents=(f"feature {parent}",) if parent >= 0 else (),
            )

        return FeatureSet(feature(i) for i in range(self.config.n_features))

    @property
    def directions(self) -> "torch.Tensor":
        """The true dictionary, float32 [A, d] unit rows."""
        return self._dictionary[0]

    @property
    def bias(self) -> "torch.Tensor":
        """Float32 [d]."""
        return self._dictionary[1]

    @cached_property
    def _dictionary(self) -> tuple["torch.Tensor", "torch.Tensor"]:
        return directions_and_bias(self.config, self.owner)

    @property
    def parents(self) -> NDArray[np.int64]:
        """Parent of each feature, int64 [F]; -1 for none."""
        return self._forest.parents

    @property
    def expected_rates(self) -> NDArray[np.float64] | None:
        """How often each feature fires, float64 [F]; None where trees and correlations act together."""
        if self.config.correlation is not None and self._forest.nodes is not None:
            return None
        return expected_rates(self._forest, self._drawn, self._alive)

    def sample(self, n_rows: int, seed: int, *, rows_per_game: int = 100) -> SyntheticSample:
        """Rows with the truth about them; the same seed gives the same bytes, and a shorter sample is a beginning.

        Args:
            n_rows: N, at least 1.
            seed: of the rows; at least 0.
            rows_per_game: rows in a block that is never split.

        Raises:
            ValueError: a number out of range.
        """
        if n_rows < 1 or rows_per_game < 1:
            raise ValueError(f"n_rows and rows_per_game must be at least 1, got {n_rows} and {rows_per_game}")
        import torch

        activations = torch.empty(n_rows, self.config.width)
        labels = np.empty((n_rows, self.features.n_bytes), np.uint8)
        pieces: list[Any] = []
        for start in range(0, n_rows, BLOCK_ROWS):
            rows = self._rows("sample", seed, start // BLOCK_ROWS)
            n = min(BLOCK_ROWS, n_rows - start)
            activations[start : start + n] = torch.from_numpy(rows.activations[:n])
            labels[start : start + n] = self.features.pack(rows.fires[:n])
            pieces.append(rows.magnitudes[:n])
        return SyntheticSample(
            activations=activations,
            magnitudes=sparse.csr_array(sparse.vstack(pieces, format="csr")),
            labels=labels,
            game_id=(np.arange(n_rows) // rows_per_game).astype(np.int32),
            features=self.features,
            world=self.name,
            version=self.version,
            seed=seed,
        )

    def batches(self, batch_size: int, seed: int) -> "Iterator[torch.Tensor]":
        """Endless activations to train on, float32 [batch_size, d]; a stream of its own, apart from every sample.

        Raises:
            ValueError: a number out of range.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        _checked_seed(seed)
        return self._batches(batch_size, seed)

    def _batches(self, batch_size: int, seed: int) -> "Iterator[torch.Tensor]":
        import torch

        waiting = torch.empty(0, self.config.width)
        number = 0
        while True:
            pieces = [waiting]
            held = len(waiting)
            while held < batch_size:
                pieces.append(torch.from_numpy(self._rows("batches", seed, number).activations))
                number += 1
                held += BLOCK_ROWS
            whole = torch.cat(pieces)
            yield whole[:batch_size]
            waiting = whole[batch_size:].clone()

    @cached_property
    def _generator(self) -> Any:
        """sae_lens's ActivationGenerator of this world: draws which features fire and how strongly."""
        import torch
        from sae_lens.synthetic import ActivationGenerator

        return ActivationGenerator(
            self.config.n_features,
            torch.from_numpy(self._drawn).float(),
            self._std,
            self._mean,
            modify_activations=None if self._forest.nodes is None else self._forest.nodes.modifier,
            correlation_matrix=correlation(self.config),
            use_sparse_tensors=self.config.n_features >= SPARSE_FROM,
        )

    def _rows(self, stream: str, seed: int, number: int) -> Rows:
        """Block `number` of a stream; always whole, so that it does not depend on how many rows are wanted."""
        import torch

        text = f"{self.version}|{stream}|{_checked_seed(seed)}|{number}"
        derived = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        generator, directions = self._generator, self.directions  # made before the random state is borrowed
        with torch.random.fork_rng(devices=[]):  # sae_lens draws from the global generator; it is put back
            torch.default_generator.manual_seed(derived)
            drawn = generator.sample(BLOCK_ROWS)
        own = torch.Generator().manual_seed(derived ^ 1)  # what sae_lens does not draw: angles and noise
        drawn = drawn.coalesce() if drawn.is_sparse else drawn.to_sparse_coo()
        row, feature = drawn.indices().numpy()
        value = drawn.values().numpy()
        fired = value > 0
        row, feature, value = row[fired], feature[fired], value[fired]
        fires = np.zeros((BLOCK_ROWS, self.config.n_features), np.bool_)
        fires[row, feature] = True
        written = self._coordinates(row, feature, value, own)
        activations = written @ directions.numpy() + self.bias.numpy()
        if self.config.noise:
            activations += torch.randn(activations.shape, generator=own).numpy() * np.float32(self.config.noise)
        return Rows(activations, written, fires)

    def _coordinates(
        self, row: NDArray[np.int64], feature: NDArray[np.int64], value: NDArray[np.float32], own: "torch.Generator"
    ) -> Any:
        """Magnitudes of features to coordinates along axes, csr float32 [n, A]."""
        axis = self._first_axis[feature]
        flat = self._flat[feature]
        if flat.any():
            import torch

            n = int(flat.sum())
            angle = 2 * np.pi * torch.rand(n, generator=own, dtype=torch.float64).numpy()
            # Normal coordinates have a Rayleigh radius; its mean is made the magnitude.
            rayleigh = torch.rand(n, generator=own, dtype=torch.float64).neg().log1p().mul(-2).sqrt().numpy()
            stretch = np.where(self._circle[feature[flat]], 1.0, rayleigh / np.sqrt(np.pi / 2))
            radius = value[flat] * stretch
            row = np.r_[row, row[flat]]
            axis = np.r_[axis, axis[flat] + 1]
            value = np.r_[value, (radius * np.sin(angle)).astype(np.float32)]
            value[: len(flat)][flat] = radius * np.cos(angle)
        written = sparse.csr_array((value, (row, axis)), shape=(BLOCK_ROWS, len(self.owner)), dtype=np.float32)
        written.sort_indices()
        return written


def named_config(name: str) -> SyntheticConfig:
    """A configuration by name.

    Raises:
        KeyError: unknown name; close names are suggested.
    """
    if name not in SYNTHETIC_WORLDS:
        close = get_close_matches(name, SYNTHETIC_WORLDS, n=3)
        hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(SYNTHETIC_WORLDS)}"
        raise KeyError(f"no synthetic world named {name!r}; {hint}")
    return SYNTHETIC_WORLDS[name]


def _checked_seed(seed: int) -> int:
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    return int(seed)
