"""Sealed worlds: made from a secret that its owner keeps, so that nobody can have tuned to them.

    world = sealed_world("synthsaebench-64", secret)
    world.commitment                                  # publish this before any dictionary is scored
    verify_commitment(commitment, "synthsaebench-64", secret)     # anyone can, once the secret is told

Everything comes from scrypt of the secret, which is slow on purpose: one guess at a secret costs about 50 ms and 16 MB.
A short or common secret can still be guessed; take a random one, for instance `secrets.token_hex(16)`.
"""

import hashlib
import hmac

import numpy as np

from .synthetic import Synthetic, named_config
from .synthetic_config import Correlation, Hierarchy, SyntheticConfig

# Each number of the world is multiplied by a factor drawn evenly (on a log scale) from its range.
SEALED_RANGES: dict[str, tuple[float, float]] = {
    "n_features": (0.8, 1.25),
    "exponent": (0.7, 1.4),
    "firing": (0.75, 1.3),
    "magnitude_std": (0.5, 1.5),
    "noise": (0.5, 1.5),
    "correlation": (0.5, 1.25),
    "roots": (0.6, 1.25),
    "child_rate": (0.8, 1.05),
}
SHORTEST_SECRET = 8


class SealedWorld(Synthetic):
    """A synthetic world whose configuration follows from a secret; made by `sealed_world`.

    Args:
        config: the world.
        commitment: hash that binds its owner to it.
    """

    def __init__(self, config: SyntheticConfig, commitment: str) -> None:
        super().__init__(config)
        self.commitment = commitment


def sealed_world(name: str, secret: str, *, vary: bool = True) -> SealedWorld:
    """The world of a secret.

    Args:
        name: the named world that it is a relative of.
        secret: at least 8 characters, better 32 random ones.
        vary: also change the numbers of the world inside SEALED_RANGES, not only what is drawn.

    Returns:
        The world; its `commitment` may be published and tells neither seed nor numbers.

    Raises:
        KeyError: unknown name.
        ValueError: a secret that is too short.
    """
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(
            f"a secret needs at least {SHORTEST_SECRET} characters, got {len(secret)}; take secrets.token_hex(16)"
        )
    config = named_config(name)
    salt = f"fiducial sealed world|{name}|{vary}".encode()
    key = hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=1, dklen=96)
    if vary:
        config = varied(config, np.random.default_rng(list(key[32:64])))
    config = config.changed(name=f"{name}-sealed", seed=int.from_bytes(key[:7], "big"))
    version = Synthetic.version_of(config)
    commitment = hmac.new(key[64:], version.encode(), "sha256").hexdigest()
    return SealedWorld(config, commitment)


def verify_commitment(commitment: str, name: str, secret: str, *, vary: bool = True) -> bool:
    """Whether a published commitment is that of this secret and this kind of world, made by these rules.

    Raises:
        KeyError: unknown name.
        ValueError: a secret that is too short.
    """
    return hmac.compare_digest(commitment, sealed_world(name, secret, vary=vary).commitment)


def varied(config: SyntheticConfig, rng: np.random.Generator) -> SyntheticConfig:
    """A relative of a world, its numbers changed inside SEALED_RANGES; planes, circles and pairs are kept.

    Args:
        config: the world.
        rng: draws the factors, one for each range in order, needed or not.
    """
    factor = {name: low * (high / low) ** rng.uniform() for name, (low, high) in SEALED_RANGES.items()}
    n_features = round(config.n_features * factor["n_features"])
    hierarchy = config.hierarchy
    if hierarchy is not None:
        full = hierarchy.size == config.n_features
        roots = max(2, round(hierarchy.roots * factor["roots"]))
        tree = hierarchy.size // hierarchy.roots
        n_features = roots * tree if full else max(n_features, roots * tree)
        hierarchy = Hierarchy(
            roots=roots,
            branching=hierarchy.branching,
            depth=hierarchy.depth,
            exclusive=hierarchy.exclusive,
            compensation=hierarchy.compensation,
            scale_by_parent=hierarchy.scale_by_parent,
            child_rate=None if hierarchy.child_rate is None else hierarchy.child_rate * factor["child_rate"],
        )
    correlation = config.correlation
    if correlation is not None and correlation.rank:
        correlation = Correlation(rank=correlation.rank, scale=correlation.scale * factor["correlation"])
    elif correlation is not None:
        n_features = max(n_features, config.n_features)
    return config.changed(
        n_features=max(n_features, config.n_planes + config.n_circles, 2),
        exponent=config.exponent * factor["exponent"],
        p_max=min(config.p_max * factor["firing"], 0.5),
        p_min=min(config.p_min * factor["firing"], config.p_max / 4),
        magnitude_std=config.magnitude_std * factor["magnitude_std"],
        noise=config.noise * factor["noise"],
        hierarchy=hierarchy,
        correlation=correlation,
    )
