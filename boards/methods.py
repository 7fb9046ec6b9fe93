"""Ways to edit a board inside a model that need no latents: directions of squares, fitted on the choosing games.

| method | what is added to the activation x |
|---|---|
| null | nothing |
| supervised | new state's direction minus the old one's, of least squares on all squares; nothing to tune |
| difference of means | the same with conditional means |
| probe direction | the difference of the two states' probes, at a size chosen on other edits |
| probe flip | reflects the probes' difference about their boundary: margin m becomes -s m, s chosen on other edits |
| linear flip (published) | the same about zero and not the boundary: coordinate c becomes -s c |
| random direction | a random direction for each pair of states, at a size chosen on other edits |

References: least squares is the MSE dictionary of Makelov, Lange and Nanda 2024 (arXiv 2405.08366); the linear flip is
that of Nanda, Lee and Wattenberg 2023 (arXiv 2309.00941). Sizes are chosen once for all edits, never per example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.seeds import generator_of
from ..supervised_dicts.linear import regress
from ..supervised_dicts.probes import fit_probes
from .edits import BoardEdits, Squares

SIZES = (
    (0.5,),
    (1.0,),
    (1.5,),
    (2.0,),
    (3.0,),
    (4.0,),
    (6.0,),
)  # of an edit, relative to the mean size of the supervised one
STRENGTHS = ((0.0,), (0.5,), (1.0,), (2.0,), (4.0,), (8.0,))  # how far beyond the boundary a flip goes
SQUARE_METHODS = (
    "null",
    "supervised",
    "supervised, sized",
    "difference of means",
    "probe direction",
    "probe flip",
    "linear flip (published)",
    "random direction",
)
RIDGES = (0.0, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class View:
    """What an edit may look at.

    Attributes:
        x: float [B, d], activations at the last move, as they arrive.
        edits: B of them.
        neurons: float [B, d_mlp], MLP neurons of the same block; None in layers above the one edited.
    """

    x: torch.Tensor
    edits: BoardEdits
    neurons: torch.Tensor | None = None


Setting = tuple[float, ...]
Delta = Callable[[View, Setting], torch.Tensor]


@dataclass(frozen=True)
class Method:
    """A way to edit.

    Attributes:
        name: a row of the table.
        delta: from a view and a setting to what is added, float [B, d].
        settings: of which one is chosen on other edits than those reported; each holds a number a unit.
        units: what the numbers are, such as ("k =", "x").
        role: "floor" for what deserves no credit, "supervised" for what was fitted with labels, "unsupervised".
        removed: from a view and a setting to the weight removed [B]; None where it has no meaning.
    """

    name: str
    delta: Delta
    settings: tuple[Setting, ...] = ((1.0,),)
    units: tuple[str, ...] = ("",)
    role: str = "supervised"
    removed: Callable[[View, Setting], torch.Tensor] | None = None

    def say(self, setting: Setting) -> str:
        """A setting for people; empty if there was no choice."""
        if len(self.settings) == 1:
            return ""
        return ", ".join(f"{unit} {number:g}" for unit, number in zip(self.units, setting, strict=True))


@dataclass(frozen=True)
class SquareDirections:
    """A direction for every state of every square.

    Attributes:
        directions: float32 [S * C, d]; of each square they average to 0, weighted by how often each state holds.
        mean: float32 [d], mean activation.
        held_out: explained variance on games left out.
        rank: of the states as columns.
        ridge: chosen on the games left out.
    """

    directions: torch.Tensor
    mean: torch.Tensor
    held_out: float
    rank: int
    ridge: float

    def delta(self, edits: BoardEdits) -> torch.Tensor:
        """New states' directions minus old ones', float [B, d]."""
        return edits.change @ self.directions

    def weight_removed(self, edits: BoardEdits) -> torch.Tensor:
        """Share of the reconstruction that the old states carry, float [B]; all states' shares sum to 1."""
        states = (edits.before[..., None] == np.arange(edits.squares.n_states)).reshape(len(edits), -1)
        written = torch.from_numpy(states.astype(np.float32)) @ self.directions
        taken = edits.change.clamp(max=0).neg() @ self.directions
        return (taken * written).sum(1) / written.square().sum(1).clamp(min=1e-12)


@dataclass(frozen=True)
class FitRows:
    """Positions to fit on.

    Attributes:
        x: float32 [N, d].
        states: bool [N, S, C].
        game_id: int [N].
        squares: what the states mean.
        neurons: float32 [N, d_mlp], or None.
    """

    x: torch.Tensor
    states: NDArray[np.bool_]
    game_id: NDArray[np.integer]
    squares: Squares
    neurons: torch.Tensor | None = None

    @property
    def flat(self) -> NDArray[np.bool_]:
        """States as columns, bool [N, S * C]."""
        return self.states.reshape(len(self.states), -1)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [f"{name} {state}" for name in self.squares.names for state in range(self.squares.n_states)]


def supervised_directions(rows: FitRows, seed: int = 0, ridges: Sequence[float] = RIDGES) -> SquareDirections:
    """Least squares of the activation on all squares at once, with the ridge that explains most of unseen games."""
    y = torch.from_numpy(rows.flat).float()
    games = np.unique(rows.game_id)
    left = np.random.default_rng(seed).permutation(games)[: max(1, len(games) // 5)]
    out = torch.from_numpy(np.isin(rows.game_id, left))
    spread = (rows.x[out] - rows.x[~out].mean(0)).square().sum()
    fits: list[float] = []
    for ridge in ridges:
        offset, directions = regress(y[~out], rows.x[~out], ridge)
        fits.append(1 - float((rows.x[out] - offset - y[out] @ directions).square().sum() / spread))
    best = int(np.argmax(fits))
    _, directions = regress(y, rows.x, ridges[best])
    centred = (y - y.mean(0)).double()
    values = torch.linalg.eigvalsh(centred.T @ centred)
    rank = int((values > values[-1] * len(values) * torch.finfo(torch.float32).eps).sum())
    return SquareDirections(_centred(directions, y, rows.squares), rows.x.mean(0), fits[best], rank, ridges[best])


def mean_directions(rows: FitRows) -> SquareDirections:
    """Mean activation with a state minus the mean over all positions; 0 for a state that never holds."""
    y = torch.from_numpy(rows.flat).float()
    counts = y.sum(0)[:, None]
    mean = rows.x.mean(0)
    directions = torch.where(counts > 0, y.T @ rows.x / counts.clamp(min=1) - mean, torch.zeros(()))
    return SquareDirections(directions, mean, float("nan"), int((counts > 0).sum()), 0.0)


def _centred(directions: torch.Tensor, y: torch.Tensor, squares: Squares) -> torch.Tensor:
    share = y.mean(0).reshape(len(squares), squares.n_states, 1)
    cubes = directions.reshape(len(squares), squares.n_states, -1)
    return (cubes - (share * cubes).sum(1, keepdim=True)).reshape(directions.shape)


@dataclass(frozen=True)
class SquareProbes:
    """Linear read-outs of every state of every square.

    Attributes:
        weights: float32 [S * C, d].
        biases: float32 [S * C]; minus infinity for a state that was never seen.
    """

    weights: torch.Tensor
    biases: torch.Tensor

    def states(self, x: torch.Tensor, squares: Squares) -> NDArray[np.int64]:
        """State that each square seems to have, int64 [N, S]."""
        scores = (x @ self.weights.T + self.biases).reshape(len(x), len(squares), squares.n_states)
        return scores.argmax(2).numpy()

    def difference(self, edits: BoardEdits) -> tuple[torch.Tensor, torch.Tensor]:
        """Probes of the new states minus those of the old, float [B, d] and [B]; one of several changes counts as sum.

        A state that was never seen has no probe and adds nothing.
        """
        biases = torch.where(self.biases.isfinite(), self.biases, torch.zeros(()))
        return edits.change @ self.weights, edits.change @ biases


def square_probes(rows: FitRows, max_iter: int = 30) -> SquareProbes:
    """Logistic probes, one a state."""
    made = fit_probes(rows.x, rows.flat, feature_names=rows.names, max_iter=max_iter)
    seen = torch.from_numpy(rows.flat.any(0))
    weights = torch.where(seen[:, None], made.weights, torch.zeros(()))
    return SquareProbes(weights, torch.where(seen, made.biases, torch.full((), -torch.inf)))


def square_methods(
    supervised: SquareDirections, means: SquareDirections, probes: SquareProbes, squares: Squares, seed: int = 0
) -> list[Method]:
    """All methods of the module's table, the null first."""
    typical = float(_pair_norms(supervised.directions, squares))
    generator = generator_of("random board edits", seed)
    noise = torch.randn(len(squares) * squares.n_states, supervised.directions.shape[1], generator=generator)

    def along(directions: torch.Tensor) -> Delta:
        return lambda view, setting: _unit(view.edits.change @ directions) * setting[0] * typical

    def flip(centred: bool) -> Delta:
        def delta(view: View, setting: Setting) -> torch.Tensor:
            weight, bias = probes.difference(view.edits)
            margin = (view.x * weight).sum(1) + (bias if centred else 0)
            size = weight.square().sum(1).clamp(min=1e-12)
            return -(1 + setting[0]) * (margin / size)[:, None] * weight

        return delta

    return [
        Method("null", lambda view, _: torch.zeros_like(view.x), role="floor"),
        Method(
            "supervised",
            lambda view, setting: setting[0] * supervised.delta(view.edits),
            removed=lambda view, _: supervised.weight_removed(view.edits),
        ),
        Method(
            "supervised, sized",
            lambda view, setting: setting[0] * supervised.delta(view.edits),
            SIZES,
            ("x",),
            removed=lambda view, _: supervised.weight_removed(view.edits),
        ),
        Method("difference of means", lambda view, setting: setting[0] * means.delta(view.edits), SIZES, ("x",)),
        Method("probe direction", along(probes.weights), SIZES, ("x",)),
        Method("probe flip", flip(centred=True), STRENGTHS, ("s =",)),
        Method("linear flip (published)", flip(centred=False), STRENGTHS, ("s =",)),
        Method("random direction", along(noise), SIZES, ("x",), role="floor"),
    ]


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _pair_norms(directions: torch.Tensor, squares: Squares) -> torch.Tensor:
    """Mean norm of the difference of two states of a square."""
    cubes = directions.reshape(len(squares), squares.n_states, -1)
    alive = cubes.norm(dim=2) > 0
    first, second = torch.triu_indices(squares.n_states, squares.n_states, 1)
    norms = (cubes[:, first] - cubes[:, second]).norm(dim=2)
    both = alive[:, first] & alive[:, second]
    return norms[both].mean() if both.any() else norms.mean()
