"""What a synthetic world is made of: its configuration, checked, serialisable and hashed."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Frequency = Literal["constant", "zipf", "linear"]
FREQUENCIES = ("constant", "zipf", "linear")
COMPENSATIONS = ("none", "published", "exact")


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """Trees of features: a child fires only while its parent does.

    Features are numbered level by level (all roots first), as sae_lens does; those left over stand alone.

    Attributes:
        roots: number of trees.
        branching: children of every inner node.
        depth: levels below the root.
        exclusive: share of inner nodes, 0 to 1, of whose children at most one fires.
        compensation: how the probability that a feature is drawn with is raised, so that it fires as often as asked
            although its parent and its siblings have a say. "none": not at all. "published": the factor of sae_lens,
            which is approximate and clamped at 1. "exact": solved for; refused where no probability reaches the rate.
        scale_by_parent: multiply a child's magnitude by its parent's, in units of the parent's mean.
        child_rate: asked share of a parent's firings in which each child fires; None takes the world's frequencies.
    """

    roots: int
    branching: int
    depth: int
    exclusive: float = 0.0
    compensation: str = "exact"
    scale_by_parent: bool = False
    child_rate: float | None = None

    def __post_init__(self) -> None:
        _at_least("roots", self.roots, 1)
        _at_least("branching", self.branching, 2)
        _at_least("depth", self.depth, 1)
        _share("exclusive", self.exclusive)
        if self.compensation not in COMPENSATIONS:
            raise ValueError(f"compensation must be one of {', '.join(COMPENSATIONS)}, got {self.compensation!r}")
        if self.child_rate is not None:
            _share("child_rate", self.child_rate, above=True)

    @property
    def size(self) -> int:
        """Features in all trees together."""
        return self.roots * sum(self.branching**level for level in range(self.depth + 1))


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """A Gaussian copula: features fire where correlated normal variables pass their thresholds, so rates are kept.

    Attributes:
        rank: of a random low-rank correlation; 0 if pairs are given.
        scale: standard deviation of the entries of its factor; rank * scale ** 2 must stay below 1.
        pairs: (feature, feature, correlation of their normal variables), an explicit sparse matrix.
    """

    rank: int = 0
    scale: float = 0.0
    pairs: tuple[tuple[int, int, float], ...] = ()

    def __post_init__(self) -> None:
        if (self.rank > 0) == bool(self.pairs):
            raise ValueError(f"give either a rank or pairs, got rank {self.rank} and {len(self.pairs)} pairs")
        if self.rank and not (self.scale > 0 and self.rank * self.scale**2 < 1):
            raise ValueError(
                f"rank * scale ** 2 is the share of variance that features have in common and must lie between "
                f"0 and 1, got {self.rank} * {self.scale} ** 2 = {self.rank * self.scale**2:g}"
            )
        for first, second, value in self.pairs:
            if first == second or not -1 < value < 1:
                raise ValueError(
                    f"a pair must be two features and a correlation in -1..1, got {(first, second, value)}"
                )


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """A world of planted features.

    Attributes:
        name: of the world.
        about: one sentence that says what is special about it.
        n_features: F.
        width: d, the width of an activation.
        frequency: how firing rates run over the features: "constant" at p_max, "zipf" (a power of the rank, scaled to
            p_min..p_max) or "linear".
        p_max: firing rate of the most frequent feature.
        p_min: firing rate of the rarest feature; not used by "constant".
        exponent: of "zipf".
        magnitude: mean magnitude of the first and of the last feature; linear in between.
        magnitude_std: standard deviation of a feature's magnitude, in the units of `magnitude`.
        magnitude_std_spread: 0 gives every feature `magnitude_std`; otherwise each has |normal(std, spread)|.
        bias: norm of the constant added to every activation.
        noise: standard deviation of normal noise on every coordinate.
        n_planes: features with a 2-dimensional direction, whose coordinates are normal in the plane.
        n_circles: the same on a circle: any angle, the radius is the magnitude.
        orthogonal_steps: steps that push the directions apart; 0 leaves them random.
        orthogonal_lr: their learning rate.
        hierarchy: trees, or None.
        correlation: copula, or None.
        seed: of the directions and of everything that is drawn once for a world.
    """

    name: str
    about: str = ""
    n_features: int
    width: int
    frequency: str = "constant"
    p_max: float
    p_min: float = 0.0
    exponent: float = 1.0
    magnitude: tuple[float, float] = (1.0, 1.0)
    magnitude_std: float = 0.2
    magnitude_std_spread: float = 0.0
    bias: float = 0.0
    noise: float = 0.0
    n_planes: int = 0
    n_circles: int = 0
    orthogonal_steps: int = 200
    orthogonal_lr: float = 0.01
    hierarchy: Hierarchy | None = None
    correlation: Correlation | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _at_least("n_features", self.n_features, 1)
        _at_least("width", self.width, 1)
        if self.frequency not in FREQUENCIES:
            raise ValueError(f"frequency must be one of {', '.join(FREQUENCIES)}, got {self.frequency!r}")
        _share("p_max", self.p_max, above=True)
        if self.frequency != "constant" and not 0 < self.p_min < self.p_max:
            raise ValueError(f"p_min must lie between 0 and p_max {self.p_max}, got {self.p_min}")
        if self.exponent <= 0:
            raise ValueError(f"exponent must be above 0, got {self.exponent}")
        if min(self.magnitude) <= 0:
            raise ValueError(f"magnitude must be two means above 0, got {self.magnitude}")
        for field in ("magnitude_std", "magnitude_std_spread", "bias", "noise", "orthogonal_lr"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field} must be finite and at least 0, got {value}")
        _at_least("orthogonal_steps", self.orthogonal_steps, 0)
        _at_least("n_planes", self.n_planes, 0)
        _at_least("n_circles", self.n_circles, 0)
        _at_least("seed", self.seed, 0)
        if self.n_planes + self.n_circles > self.n_features:
            raise ValueError(
                f"{self.n_planes} planes and {self.n_circles} circles are more than {self.n_features} features"
            )
        if (self.n_planes or self.n_circles) and self.width < 2:
            raise ValueError("planes and circles need a width of at least 2")
        if self.correlation is not None:
            outside = [
                pair for pair in self.correlation.pairs if not 0 <= min(pair[:2]) <= max(pair[:2]) < self.n_features
            ]
            if outside:
                raise ValueError(f"pair {outside[0]} names a feature outside 0..{self.n_features - 1}")

    @property
    def digest(self) -> str:
        """sha256 of everything that decides what the world is, in hexadecimal; the words about it are left out."""
        return hashlib.sha256(json.dumps({**self.to_dict(), "about": ""}, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "SyntheticConfig":
        """Inverse of `to_dict`, also after a passage through JSON.

        Raises:
            TypeError: an unknown or a missing field.
            ValueError: a value out of range.
        """
        fields = dict(fields)
        if fields.get("hierarchy") is not None:
            fields["hierarchy"] = Hierarchy(**fields["hierarchy"])
        if fields.get("correlation") is not None:
            copula: dict[str, Any] = dict(fields["correlation"])
            copula["pairs"] = tuple((int(a), int(b), float(value)) for a, b, value in copula["pairs"])
            fields["correlation"] = Correlation(**copula)
        if "magnitude" in fields:
            first, last = fields["magnitude"]
            fields["magnitude"] = (first, last)
        return cls(**fields)

    def changed(self, **fields: Any) -> "SyntheticConfig":
        """The same with some fields replaced, checked again."""
        return replace(self, **fields)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _share(name: str, value: float, *, above: bool = False) -> None:
    if not (0 < value <= 1 if above else 0 <= value <= 1):
        raise ValueError(f"{name} must lie in {'(0, 1]' if above else '[0, 1]'}, got {value}")
