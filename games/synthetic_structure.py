"""What is drawn once for a synthetic world: directions, trees, rates and magnitudes, on sae_lens.synthetic.

Seeds follow SyntheticModel of sae_lens 6.54 (directions and bias from seed, spread of magnitudes + 1, trees + 3,
correlation + 4), so a world of lines with low-rank correlation has the parameters of SyntheticModel with the same
numbers. What is mended: no global random state is left changed, and the spread of magnitudes cannot be lost on reload
because the configuration alone decides it.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch, scipy and sae_lens are not fully typed.

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .synthetic_config import SyntheticConfig

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Forest:
    """The trees of a world.

    Attributes:
        parents: int64 [F], -1 for roots and for features that stand alone.
        depth: int64 [F], -1 for features that stand alone.
        exclusive: groups of siblings of which at most one fires.
        nodes: sae_lens's Hierarchy, or None.
    """

    parents: NDArray[np.int64]
    depth: NDArray[np.int64]
    exclusive: tuple[tuple[int, ...], ...]
    nodes: Any


def plant_forest(config: SyntheticConfig) -> Forest:
    """The trees of a configuration."""
    parents = np.full(config.n_features, -1, np.int64)
    depth = np.full(config.n_features, -1, np.int64)
    spec = config.hierarchy
    if spec is None:
        return Forest(parents, depth, (), None)
    from sae_lens.synthetic import HierarchyConfig, generate_hierarchy

    hierarchy = generate_hierarchy(
        config.n_features,
        HierarchyConfig(
            total_root_nodes=spec.roots,
            branching_factor=spec.branching,
            max_depth=spec.depth,
            mutually_exclusive_portion=spec.exclusive,
            compensate_probabilities=spec.compensation == "published",
            scale_children_by_parent=spec.scale_by_parent,
        ),
        seed=config.seed + 3,
    )
    exclusive: list[tuple[int, ...]] = []
    level: list[Any] = list(hierarchy.roots)
    for root in level:
        depth[root.feature_index] = 0
    while level:
        below: list[Any] = []
        for node in level:
            children: list[int] = [child.feature_index for child in node.children]
            parents[children] = node.feature_index
            depth[children] = depth[node.feature_index] + 1
            if node.mutually_exclusive_children:
                exclusive.append(tuple(children))
            below.extend(node.children)
        level = below
    return Forest(parents, depth, tuple(exclusive), hierarchy)


def asked_rates(config: SyntheticConfig, forest: Forest) -> NDArray[np.float64]:
    """How often each feature should fire, float64 [F]."""
    n, spec = config.n_features, config.hierarchy
    if config.frequency == "constant" or n == 1:
        rates = np.full(n, config.p_max)
    elif config.frequency == "linear":
        rates = np.linspace(config.p_max, config.p_min, n)
    else:
        power = np.arange(1, n + 1, dtype=np.float64) ** -config.exponent
        rates = config.p_min + (config.p_max - config.p_min) * (power - power[-1]) / (power[0] - power[-1])
    if spec is not None and spec.child_rate is not None:
        for feature in np.flatnonzero(forest.parents >= 0):  # a parent's number is below its children's
            rates[feature] = rates[forest.parents[feature]] * spec.child_rate
    return rates


def drawn_rates(
    config: SyntheticConfig, forest: Forest, asked: NDArray[np.float64], alive: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probability that each feature is drawn with, before its parent and its siblings have their say.

    Args:
        config: says how rates are compensated.
        forest: the trees.
        asked: float64 [F], how often each should fire.
        alive: float64 [F], probability that a drawn magnitude is above 0.

    Raises:
        ValueError: "exact" compensation is asked, and no probability reaches a feature's rate.
    """
    spec = config.hierarchy
    if spec is None or spec.compensation == "none":
        return asked
    if spec.compensation == "published":
        import torch

        factors = forest.nodes.compute_probability_correction_factors(torch.from_numpy(asked).float())
        return np.minimum(asked * factors.numpy(), 1.0)
    # Exact: a feature's rate is its parent's rate times the chance that it is drawn, above 0 and wins its siblings.
    wanted = asked.copy()
    children = forest.parents >= 0
    wanted[children] /= asked[forest.parents[children]]
    drawn = np.where(children, wanted / alive, asked)
    solved: dict[bytes, NDArray[np.float64]] = {}  # families of one kind need be solved once
    for group in map(list, forest.exclusive):
        key = np.stack([wanted[group], alive[group]]).tobytes()
        if key not in solved:
            solved[key] = _exclusive_draws(wanted[group], alive[group])
        drawn[group] = solved[key]
    impossible = np.flatnonzero(drawn > 1 + 1e-9)
    if impossible.size:
        worst = int(impossible[0])
        raise ValueError(
            f"{config.name}: feature {worst} is asked to fire in {asked[worst]:.4g} of the rows, which its parent's "
            f"{asked[forest.parents[worst]]:.4g} and its exclusive siblings do not allow; lower child_rate or p_max, "
            f"or choose another compensation"
        )
    return np.minimum(drawn, 1.0)


def _exclusive_draws(wanted: NDArray[np.float64], alive: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities to draw exclusive siblings with, so that each wins as often as wanted; above 1: impossible."""
    drawn = wanted / alive
    for _ in range(500):
        before = drawn
        drawn = wanted / (alive * exclusive_win(np.minimum(drawn * alive, 1.0)))
        if drawn.max() > 1 or np.abs(drawn - before).max() < 1e-12:
            break
    return drawn


def exclusive_win(active: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that an active sibling is kept when one of the active siblings is kept at random.

    That is E[1 / (1 + K)] with K the number of other active siblings, the integral over t in 0..1 of the product of
    1 - p + p t over the others: a polynomial, so Gauss-Legendre gives it exactly.

    Args:
        active: float64 [n], probability that each is active.

    Returns:
        float64 [n].
    """
    nodes, weights = np.polynomial.legendre.leggauss(len(active) // 2 + 1)
    t = (nodes + 1) / 2
    factors = 1 - active[:, None] * (1 - t)
    others = np.stack([np.delete(factors, i, axis=0).prod(0) for i in range(len(active))])
    return others @ weights / 2


def expected_rates(forest: Forest, drawn: NDArray[np.float64], alive: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each feature fires, float64 [F], if nothing but the trees relates the draws."""
    own = drawn * alive
    for group in map(list, forest.exclusive):
        own[group] *= exclusive_win(own[group])
    for feature in np.flatnonzero(forest.parents >= 0):
        own[feature] *= own[forest.parents[feature]]
    return own


def magnitudes(config: SyntheticConfig) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Mean and standard deviation of each feature's magnitude, float32 [F] each."""
    import torch

    mean = torch.linspace(*config.magnitude, config.n_features)
    if not config.magnitude_std_spread:
        return mean, torch.full((config.n_features,), float(config.magnitude_std))
    draws = torch.randn(config.n_features, generator=torch.Generator().manual_seed(config.seed + 1))
    return mean, (config.magnitude_std + draws * config.magnitude_std_spread).abs()


def chance_above_zero(mean: "torch.Tensor", std: "torch.Tensor") -> NDArray[np.float64]:
    """Probability that normal(mean, std) is above 0, float64 [F]; means must be above 0."""
    pairs = zip(mean.tolist(), std.tolist(), strict=True)
    return np.array([0.5 * (1 + math.erf(m / s / math.sqrt(2))) if s > 0 else 1.0 for m, s in pairs])


def correlation(config: SyntheticConfig) -> Any:
    """What ActivationGenerator takes: a matrix [F, F], a low-rank pair, or None.

    Raises:
        ValueError: pairs that no set of normal variables has.
    """
    spec = config.correlation
    if spec is None:
        return None
    import torch

    if spec.rank:
        from sae_lens.synthetic import generate_random_low_rank_correlation_matrix

        return generate_random_low_rank_correlation_matrix(
            config.n_features, spec.rank, spec.scale, seed=config.seed + 4
        )
    matrix = torch.eye(config.n_features)
    for first, second, value in spec.pairs:
        matrix[first, second] = matrix[second, first] = value
    smallest = float(torch.linalg.eigvalsh(matrix.double())[0])
    if smallest <= 1e-6:  # sae_lens would move the correlations silently
        raise ValueError(f"{config.name}: the pairs contradict each other (smallest eigenvalue {smallest:.3g})")
    return matrix


def directions_and_bias(config: SyntheticConfig, owner: NDArray[np.int64]) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Unit directions float32 [A, d] and bias float32 [d].

    Args:
        config: the world.
        owner: int64 [A], feature of each axis.
    """
    import torch
    from sae_lens.synthetic import FeatureDictionary

    drawn = FeatureDictionary(len(owner), config.width, bias=config.bias, initializer=None, seed=config.seed)
    rows = drawn.feature_vectors.detach()
    if config.orthogonal_steps:
        rows = push_apart(rows, config.orthogonal_steps, config.orthogonal_lr)
    second = torch.from_numpy(np.flatnonzero(np.r_[False, owner[1:] == owner[:-1]]))
    if len(second):  # the two axes of a plane are orthonormal
        first = rows[second - 1]
        rest = rows[second] - (rows[second] * first).sum(1, keepdim=True) * first
        rows = rows.index_copy(0, second, rest / rest.norm(dim=1, keepdim=True))
    return rows.contiguous(), drawn.bias.detach().clone()


def push_apart(rows: "torch.Tensor", steps: int, lr: float) -> "torch.Tensor":
    """Unit rows moved towards orthogonality, as sae_lens's orthogonalize_embeddings does, in less time.

    The loss is the sum of squared products of different rows plus n times the sum of (squared norm - 1) ** 2, and its
    gradient is 4 V (V'V) - 4 |v|^2 v + 4 n (|v|^2 - 1) v. Through the d x d matrix V'V a step costs n d^2 rather than
    n^2 d: 20 times less at 16,384 rows of 768. Adam as there; results agree up to rounding, which Adam enlarges where a
    gradient is nearly 0 (1,024 rows of 256, 100 steps: one element in 3,000 differs by 2e-5 to 6e-4, the rest by less).

    Args:
        rows: float32 [n, d], unit rows.
        steps: of Adam.
        lr: its learning rate.
    """
    import torch

    n, width = rows.shape
    rows = rows.clone()
    optimizer = torch.optim.Adam([rows], lr=lr)
    for _ in range(steps):
        squares = rows.square().sum(1, keepdim=True)
        product = rows @ (rows.T @ rows) if width <= n else (rows @ rows.T) @ rows
        rows.grad = 4 * (product - squares * rows + n * (squares - 1) * rows)
        optimizer.step()
    return rows / rows.norm(dim=1, keepdim=True)
