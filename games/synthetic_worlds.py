"""The named synthetic worlds, each with the reason for its numbers.

The small worlds have 32 to 64 dimensions and 2 to 6 features firing at a time, so that an SAE learns them in seconds
on one core. Features in superposition disturb each other: k firing features of unit magnitude with random directions
in d dimensions add about sqrt(k / d) of noise to a projection. The superposition worlds hold k = 2 and d = 32
(sqrt(k / d) = .25) and change only the number of features, from half of d to 8 d.

`synthsaebench-16k` is the published world of SynthSAEBench (arXiv 2602.14687, version 2, in which children are scaled
by their parents). Its small versions keep everything that is a ratio or a shape: Zipf exponent .5 up to p = .4,
branching 4, all children exclusive and scaled by their parents, the published compensation, two thirds of the features
in trees, low-rank correlation of scale .1 and magnitudes 5 to 4 with spread |normal(.5, .5)|. They change:

- F = 4 d (16k: 21 d), so that an SAE with F / 4 = d latents, the published ratio, is square and trains in seconds;
- the rarest rate asked, .004 and .002 (16k: .0005). The published compensation falls short of what is asked, so 20,000
  rows hold at least 73 and 22 firings of each feature;
- 8 trees of depth 2 and 3 (16k: 128 of depth 3): fewer trees would leave no frequent, unrelated roots;
- rank 8 and 12 (16k: 25): rank * scale ** 2 is .08 and .12, and it keeps a similar spread of correlations.

Their true L0 follows from that: 5.5 and 7.9, so sqrt(k / d) is .29 and .18 (16k: 34.7 in 768, .21; measured). The d
most frequent features, as many as an SAE of the published ratio has latents, hold 3.8 and 5.6 of it: the L0 to train at
that answers to the published 25.
"""

from .synthetic_config import Correlation, Hierarchy, SyntheticConfig

_SYNTHSAEBENCH = SyntheticConfig(
    name="synthsaebench-16k",
    about="the published world of SynthSAEBench: 16,384 features in 768 dimensions, trees, Zipf rates, correlations",
    n_features=16384,
    width=768,
    frequency="zipf",
    p_max=0.4,
    p_min=5e-4,
    exponent=0.5,
    magnitude=(5.0, 4.0),
    magnitude_std=0.5,
    magnitude_std_spread=0.5,
    bias=0.5,
    orthogonal_steps=100,
    orthogonal_lr=3e-4,
    hierarchy=Hierarchy(roots=128, branching=4, depth=3, exclusive=1.0, compensation="published", scale_by_parent=True),
    correlation=Correlation(rank=25, scale=0.1),
    seed=42,
)


def _synthsaebench(width: int, depth: int, p_min: float, rank: int) -> SyntheticConfig:
    assert _SYNTHSAEBENCH.hierarchy is not None
    shape = _SYNTHSAEBENCH.hierarchy
    return _SYNTHSAEBENCH.changed(
        name=f"synthsaebench-{width}",
        about=f"a small SynthSAEBench: {4 * width} features in {width} dimensions",
        n_features=4 * width,
        width=width,
        p_min=p_min,
        hierarchy=Hierarchy(
            roots=8,
            branching=shape.branching,
            depth=depth,
            exclusive=shape.exclusive,
            compensation=shape.compensation,
            scale_by_parent=shape.scale_by_parent,
        ),
        correlation=Correlation(rank=rank, scale=0.1),
    )


def _superposition(name: str, n_features: int) -> SyntheticConfig:
    return SyntheticConfig(
        name=f"superposition-{name}",
        about=f"{n_features} independent features in 32 dimensions, 2 firing at a time",
        n_features=n_features,
        width=32,
        p_max=2 / n_features,
    )


_SMALL = (
    SyntheticConfig(
        name="independent",
        about="48 independent features with orthogonal directions in 64 dimensions: as easy as it gets",
        n_features=48,
        width=64,
        p_max=0.06,
    ),
    SyntheticConfig(
        name="zipf",
        about="96 independent features in 64 dimensions whose rates fall as 1 / rank from .3 to .005",
        n_features=96,
        width=64,
        frequency="zipf",
        p_max=0.3,
        p_min=0.005,
    ),
    SyntheticConfig(
        name="correlated",
        about="64 features in 48 dimensions that share 4 hidden causes; copula correlations are about normal(0, .16)",
        n_features=64,
        width=48,
        p_max=0.06,
        correlation=Correlation(rank=4, scale=0.28),
    ),
    SyntheticConfig(
        name="correlated-pairs",
        about="16 features in 32 dimensions, in pairs that fire together (copula .8) or avoid each other (-.8)",
        n_features=16,
        width=32,
        p_max=0.15,
        correlation=Correlation(pairs=tuple((2 * i, 2 * i + 1, 0.8 if i % 2 == 0 else -0.8) for i in range(8))),
    ),
    SyntheticConfig(
        name="hierarchical",
        about="8 trees of 13 features in 64 dimensions; each child fires in .4 of its parent's firings, independently",
        n_features=104,
        width=64,
        p_max=0.15,
        hierarchy=Hierarchy(roots=8, branching=3, depth=2, child_rate=0.4),
    ),
    SyntheticConfig(
        name="hierarchical-exclusive",
        about="8 trees of 13 features in 64 dimensions; of three siblings at most one fires, each in .3 of the cases",
        n_features=104,
        width=64,
        p_max=0.15,
        hierarchy=Hierarchy(roots=8, branching=3, depth=2, exclusive=1.0, child_rate=0.3),
    ),
    SyntheticConfig(
        name="hierarchy-toy",
        about="4 parents with 3 children each, 16 orthogonal directions in 32 dimensions: the setting of absorption",
        n_features=16,
        width=32,
        p_max=0.2,
        hierarchy=Hierarchy(roots=4, branching=3, depth=1, child_rate=0.25),
    ),
    SyntheticConfig(
        name="noisy",
        about="the independent world with normal noise of .1 on every coordinate, about a sixth of the variance",
        n_features=48,
        width=64,
        p_max=0.06,
        noise=0.1,
    ),
    SyntheticConfig(
        name="planes",
        about="24 lines and 12 planes in 64 dimensions; a plane is two axes with normal coordinates",
        n_features=36,
        width=64,
        p_max=0.08,
        n_planes=12,
    ),
    SyntheticConfig(
        name="circles",
        about="24 lines and 12 circles in 64 dimensions; a circle is two axes with any angle",
        n_features=36,
        width=64,
        p_max=0.08,
        n_circles=12,
    ),
    _superposition("half", 16),
    _superposition("1", 32),
    _superposition("2", 64),
    _superposition("8", 256),
    _synthsaebench(64, depth=2, p_min=0.004, rank=8),
    _synthsaebench(256, depth=3, p_min=0.002, rank=12),
    _SYNTHSAEBENCH,
)

SYNTHETIC_WORLDS: dict[str, SyntheticConfig] = {config.name: config for config in _SMALL}
