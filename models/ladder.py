"""A ladder of dictionaries of known quality, made from one that is right: what a metric has to put in order.

From a base whose truth is known (the oracle of a synthetic world; elsewhere a supervised dictionary stands in) come
copies with one known damage each, most of them graded. `known_order` says which of two rungs is better beyond doubt.
Every rung meets the Dictionary contract, keeps latents >= 0 and encodes a row the same in any batch.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from . import ladder_damages as make
from .controls import PermutedDictionary
from .dictionary import Dictionary
from .ladder_base import LadderBase, Parents, measured, parent_pairs

DAMAGES = (
    "none",
    "noise",
    "permuted decoder",
    "permuted encoder",
    "random",
    "frozen decoder",
    "half",
    "duplicated",
    "split",
    "merged",
    "absorbed",
    "dead",
)
BROKEN = ("permuted decoder", "permuted encoder", "random", "frozen decoder")
NOISE_LEVELS = (0.1, 0.2, 0.5, 1.0, 2.0)
SHARES = (0.25, 0.5, 1.0)
SHARES_LOST = (0.25, 0.5, 0.75)  # of latents removed or silent: something has to be left
L0_FACTORS = (1.0, 4.0)


@dataclass(frozen=True)
class Rung:
    """One dictionary of the ladder.

    Attributes:
        name: such as `noise 0.5` or `split 100%`; unique in its ladder.
        damage: one of `DAMAGES`.
        level: how much: the length of the noise, the share of latents (pairs, when absorbed), the multiple of the
            base's L0 (random); 0 for the base itself, 1 where there are no degrees.
        dictionary: the damaged dictionary.
    """

    name: str
    damage: str
    level: float
    dictionary: Dictionary


def ladder(base: Dictionary, x: torch.Tensor, *, parents: Parents = None, seed: int = 0) -> list[Rung]:
    """Every rung, the base first.

    Args:
        base: a dictionary that is right, with at least 4 latents, all >= 0.
        x: float [N, d], choosing rows that the base can encode: rates, means, L0 and gains are measured on them.
        parents: what implies what, for absorption: a FeatureSet; pairs (parent latent, child latent); or None to find
            implications in the base's codes. Without a single pair there are no absorbed rungs.
        seed: of every choice. Damage and level together never change the choice, only how much of it is used.

    Returns:
        Rungs in the order of `DAMAGES`, levels rising; a level that affects no more latents than the one before it
        is left out.

    Raises:
        ValueError: too few latents, negative latents, x of another shape, or parents that do not fit.
    """
    facts = measured(base, x)
    pairs = parent_pairs(facts, parents)
    seeds = {damage: _seed(seed, i) for i, damage in enumerate(DAMAGES)}
    rungs = [Rung("none", "none", 0.0, base)]
    rungs += [Rung(f"noise {v:g}", "noise", v, make.noise(facts, v, seeds["noise"])) for v in NOISE_LEVELS]
    for side in ("decoder", "encoder"):
        damage = f"permuted {side}"
        rungs.append(Rung(damage, damage, 1.0, PermutedDictionary(base, side, seed=seeds["permuted decoder"])))
    for v in L0_FACTORS:
        name = "random" if v == 1 else f"random {v:g}x L0"
        rungs.append(Rung(name, "random", v, make.random_like(facts, v, seeds["random"])))
    rungs.append(Rung("frozen decoder", "frozen decoder", 1.0, make.frozen_decoder(facts, seeds["frozen decoder"])))
    graded: tuple[tuple[str, Callable[[LadderBase, float, int], Dictionary], tuple[float, ...], int], ...] = (
        ("half", make.half, SHARES_LOST, facts.n_latents),
        ("duplicated", make.duplicated, SHARES, facts.n_latents),
        ("split", make.split, SHARES, facts.n_latents),
        ("merged", make.merged, SHARES, facts.n_latents),
        ("absorbed", partial(make.absorbed, pairs=pairs), SHARES, len(pairs)),
        ("dead", make.dead, SHARES_LOST, facts.n_latents),
    )
    for damage, damaged, levels, n in graded:
        before = 0
        for v in levels if n else ():
            affected = make.n_affected(damage, n, v)
            if affected > before:  # of few latents or pairs, two levels may affect the same: that is one rung
                rungs.append(Rung(f"{damage} {v:.0%}", damage, v, damaged(facts, v, seeds[damage])))
            before = affected
    return rungs


def kept(damage: str, level: float) -> float:
    """How much of the truth a rung keeps, about: the cosine under noise, the share of features with their own latent.

    Raises:
        KeyError: an unknown damage.
    """
    if damage not in DAMAGES:
        raise KeyError(f"there is no damage {damage!r}; there are {', '.join(DAMAGES)}")
    if damage in BROKEN:
        return 0.0
    if damage == "noise":
        return float(1 / np.sqrt(1 + level**2))
    lost = {"none": 0.0, "duplicated": 0.0, "split": 0.5, "merged": 0.5, "absorbed": 0.5, "half": 1.0, "dead": 1.0}
    return 1 - lost[damage] * level


def known_order(rungs: Sequence[Rung], *, notices: Collection[str] | None = None) -> list[tuple[int, int]]:
    """Pairs of rungs of which one is better beyond doubt.

    Three rules: the base is better than every other rung; of one graded damage the lower level is better; and a rung
    that keeps at least half of the truth (`kept`) is better than one whose latents do not write what they read
    (`BROKEN`). Two different graded damages are never compared, nor two broken rungs.

    Args:
        rungs: of one ladder.
        notices: damages that a metric must notice; only pairs whose worse rung has one of them are returned. None
            means all.

    Returns:
        (better, worse) numbers of rungs, sorted.
    """
    found: list[tuple[int, int]] = []
    for i, better in enumerate(rungs):
        for j, worse in enumerate(rungs):
            if worse.damage == "none" or (notices is not None and worse.damage not in notices):
                continue
            from_base = better.damage == "none"
            same = better.damage == worse.damage and worse.damage not in BROKEN and better.level < worse.level
            whole = worse.damage in BROKEN and better.damage not in BROKEN
            if from_base or same or (whole and kept(better.damage, better.level) >= 0.5):
                found.append((i, j))
    return sorted(found)


def _seed(seed: int, part: int) -> int:
    return int(np.random.SeedSequence([seed, part]).generate_state(1)[0])
