"""Synthetic: a world of planted features, where the true dictionary is known.

    world = Synthetic("synthsaebench-64")
    sample = world.sample(20_000, seed=0)          # frozen: the same seed gives the same bytes
    world.directions                               # float32 [A, d], the true dictionary
    next(world.batches(1024, seed=1))              # endless rows to train on, never those of a sample

An activation is magnitudes @ directions + bias (+ noise), where few magnitudes differ from 0; how rows are drawn is
said in `synthetic_rows`. The global random state plays no part. Bytes are the same for the same versions of torch,
sae_lens and scipy on one kind of machine.

Measured on one core: 80,000 rows a second of `synthsaebench-64`, 20,000 of -256 and 700 of -16k, whose directions take
3 minutes once (a saved sample keeps them, see data.synthetic).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch, scipy and sae_lens are not fully typed.

from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .features import Feature, FeatureSet
from .synthetic_config import SyntheticConfig
from .synthetic_rows import BLOCK_ROWS, PlantedWorld, Rows, SyntheticSample
from .synthetic_structure import (
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

RULES = 1  # raised when the same configuration and seed come to mean other rows

__all__ = ["SYNTHETIC_WORLDS", "Synthetic", "SyntheticConfig", "SyntheticSample"]


class Synthetic(PlantedWorld):
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
        self.version = self.version_of(self.config)
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

    @staticmethod
    def version_of(config: SyntheticConfig) -> str:
        """Version of the world of a configuration, which need not be built for it."""
        return f"{RULES}-{config.digest[:16]}"

    def __repr__(self) -> str:
        return f"Synthetic({self.name!r}: {self.config.n_features} features in {self.config.width} dimensions)"

    @property
    def features(self) -> FeatureSet:
        """The planted features, F of them."""
        return self._feature_set

    @cached_property
    def _feature_set(self) -> FeatureSet:
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

    def use_dictionary(self, directions: "torch.Tensor", bias: "torch.Tensor", owner: NDArray[np.int64]) -> None:
        """Take stored directions instead of making them, which takes minutes for the largest world.

        Raises:
            ValueError: they are not of this shape, or their axes are of other features.
        """
        wanted = (len(self.owner), self.config.width)
        if (
            tuple(directions.shape) != wanted
            or tuple(bias.shape) != wanted[1:]
            or not np.array_equal(owner, self.owner)
        ):
            raise ValueError(
                f"{self.name} has directions {list(wanted)} and bias [{wanted[1]}], got {list(directions.shape)} and "
                f"{list(bias.shape)}, or axes of other features"
            )
        self._dictionary = (directions, bias)

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
        )

    def _draw(self, seed: int) -> Rows:
        import torch

        generator, directions = self._generator, self.directions  # made before the random state is borrowed
        with torch.random.fork_rng(devices=[]):  # sae_lens draws from the global generator; it is put back
            torch.default_generator.manual_seed(seed)
            drawn = generator.sample(BLOCK_ROWS)
        own = torch.Generator().manual_seed(seed ^ 1)  # what sae_lens does not draw: angles and noise
        fires = (drawn > 0).numpy()
        row, feature = fires.nonzero()
        value = drawn.numpy()[row, feature]
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
