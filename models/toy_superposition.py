"""Toy models of superposition: a trained model that stores more features than it has dimensions.

The model of Elhage et al. 2022 (arXiv 2209.10652): x' = relu(W'W x + b) is trained to restore x, whose n features are
sparse, through d < n dimensions. The activations of the testbed are h = W x, its true directions the columns of W, its
behaviour x'. So the dictionary is not planted but learnt by a model, and is known all the same.

    world = ToySuperposition("toy-sparse")
    sample = world.sample(20_000, seed=0)
    world.behaviour(sample.activations)       # x', what the model makes of an activation

How many features the model keeps follows from the sparsity: none sparse, the d most important ones; very sparse, many
more than d, at angles. No named world has a density of 1, where labels are always true.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from ..games.features import Feature, FeatureSet
from ..games.synthetic_rows import BLOCK_ROWS, PlantedWorld, Rows

RULES = 1  # raised when the same configuration and seed come to mean other rows


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """A toy model and how it is trained.

    Attributes:
        name: of the world.
        n_features: n, features of the input.
        width: d, hidden dimensions.
        density: probability that a feature of the input is not 0 (1 - the paper's sparsity); then it is even in [0, 1].
        importance: weight of feature i in the loss is importance ** i.
        steps: of Adam.
        batch_size: rows a step.
        lr: learning rate, falling linearly to a tenth.
        represented_from: norm of the column of W from which on a feature counts as represented.
        seed: of the start and of the training rows.
    """

    name: str
    n_features: int = 20
    width: int = 5
    density: float = 0.05
    importance: float = 0.9
    steps: int = 3000
    batch_size: int = 1024
    lr: float = 3e-3
    represented_from: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("n_features", "width", "steps", "batch_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1, got {getattr(self, field)}")
        for field in ("density", "importance"):
            if not 0 < getattr(self, field) <= 1:
                raise ValueError(f"{field} must lie in (0, 1], got {getattr(self, field)}")
        if self.lr <= 0 or self.represented_from <= 0 or self.seed < 0:
            raise ValueError(
                f"lr and represented_from must be above 0 and seed at least 0, "
                f"got {self.lr}, {self.represented_from} and {self.seed}"
            )


TOY_MODELS: dict[str, ToyConfig] = {
    config.name: config
    for config in (
        ToyConfig(name="toy-medium", density=0.2),
        ToyConfig(name="toy-sparse", density=0.05),
        ToyConfig(name="toy-very-sparse", density=0.01, importance=1.0, n_features=40, width=10),
    )
}


@dataclass(frozen=True, eq=False)
class ToyModel:
    """A trained toy model.

    Attributes:
        weight: float32 [d, n], W.
        bias: float32 [n], b.
        losses: float64 [steps], importance-weighted squared error of each training batch.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    losses: NDArray[np.float64]

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs [N, n] to activations W x, float32 [N, d]."""
        return x @ self.weight.T

    def output(self, h: torch.Tensor) -> torch.Tensor:
        """Activations [N, d] to x' = relu(W'h + b), float32 [N, n]."""
        return (h @ self.weight + self.bias).relu()


def train_toy(config: ToyConfig, seed: int | None = None) -> ToyModel:
    """Train a toy model; the same configuration and seed give the same weights.

    Args:
        config: the model.
        seed: of the start and of the training rows; None takes the configuration's.
    """
    generator = torch.Generator().manual_seed(config.seed if seed is None else seed)
    weight = torch.randn(config.width, config.n_features, generator=generator) / config.n_features**0.5
    weight.requires_grad_(True)
    bias = torch.zeros(config.n_features, requires_grad=True)
    importance = config.importance ** torch.arange(config.n_features)
    optimizer = torch.optim.Adam([weight, bias], lr=config.lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, config.steps)
    losses = torch.empty(config.steps, dtype=torch.float64)
    with torch.enable_grad():
        for step in range(config.steps):
            x = _inputs(config, config.batch_size, generator)
            restored = (x @ weight.T @ weight + bias).relu()
            loss = (importance * (x - restored).square()).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses[step] = loss.detach()
    return ToyModel(weight.detach(), bias.detach(), losses.numpy())


class ToySuperposition(PlantedWorld):
    """A toy model as a world with a known dictionary.

    Features of the world are those that the model represents: their column of W is at least `represented_from` long.
    The others, in `unrepresented`, hardly reach the activation; what they add is noise to a dictionary.

    Args:
        name_or_config: a name in TOY_MODELS, or a configuration.
        seed: another start and other training rows; None keeps the configuration's.

    Attributes:
        model: the trained model.
        represented: int64 [A], the represented features by their number in the input.
        unrepresented: names of the other features.

    Raises:
        KeyError: unknown name; close names are suggested.
        ValueError: the model represents nothing.
    """

    def __init__(self, name_or_config: str | ToyConfig, *, seed: int | None = None) -> None:
        config = _named(name_or_config) if isinstance(name_or_config, str) else name_or_config
        self.config = config if seed is None else replace(config, seed=seed)
        self.name = self.config.name
        digest = hashlib.sha256(json.dumps(asdict(self.config), sort_keys=True).encode()).hexdigest()
        self.version = f"toy-{RULES}-{digest[:16]}"
        self.model = train_toy(self.config)
        norms = self.model.weight.norm(dim=0)
        self.represented: NDArray[np.int64] = np.flatnonzero((norms >= self.config.represented_from).numpy())
        if not len(self.represented):
            raise ValueError(f"{self.name} represents none of its {self.config.n_features} features; train it longer")
        missing = np.setdiff1d(np.arange(self.config.n_features), self.represented)
        self.unrepresented: tuple[str, ...] = tuple(f"feature {i}" for i in missing)
        self.owner: NDArray[np.int64] = np.arange(len(self.represented))
        self._norms = norms[torch.from_numpy(self.represented)]
        self._directions = self.model.weight[:, torch.from_numpy(self.represented)].T / self._norms[:, None]
        self._bias = torch.zeros(self.config.width)

    def __repr__(self) -> str:
        sizes = f"{self.config.n_features} features in {self.config.width} dimensions, {len(self.represented)} kept"
        return f"ToySuperposition({self.name!r}: {sizes})"

    @property
    def features(self) -> FeatureSet:
        """The represented features."""
        return self._feature_set

    @cached_property
    def _feature_set(self) -> FeatureSet:
        return FeatureSet(
            Feature(name=f"feature {i}", group="input", rung=0, definition=f"input {i} of the toy model is above 0")
            for i in self.represented
        )

    @property
    def directions(self) -> torch.Tensor:
        """Float32 [A, d], the columns of W of the represented features, normalised."""
        return self._directions

    @property
    def bias(self) -> torch.Tensor:
        """Float32 [d], zeros: an input of zeros has an activation of zeros."""
        return self._bias

    def behaviour(self, activations: torch.Tensor) -> torch.Tensor:
        """What the model makes of activations [N, d]: x', float32 [N, n_features]; also of a dictionary's.

        Raises:
            ValueError: another shape.
        """
        if activations.ndim != 2 or activations.shape[1] != self.config.width:
            raise ValueError(f"activations must be [N, {self.config.width}], got {list(activations.shape)}")
        return self.model.output(activations)

    def _draw(self, seed: int) -> Rows:
        x = _inputs(self.config, BLOCK_ROWS, torch.Generator().manual_seed(seed)).numpy()
        kept = x[:, self.represented]
        # Sparse times dense, row by row: the bytes of a row depend on nothing but the row.
        activations = sparse.csr_array(x) @ np.ascontiguousarray(self.model.weight.numpy().T)
        return Rows(activations, sparse.csr_array(kept * self._norms.numpy()), kept > 0)


def _inputs(config: ToyConfig, n_rows: int, generator: torch.Generator) -> torch.Tensor:
    size = (n_rows, config.n_features)
    return torch.rand(size, generator=generator) * (torch.rand(size, generator=generator) < config.density)


def _named(name: str) -> ToyConfig:
    if name not in TOY_MODELS:
        close = get_close_matches(name, TOY_MODELS, n=3)
        hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(TOY_MODELS)}"
        raise KeyError(f"no toy model named {name!r}; {hint}")
    return TOY_MODELS[name]
