"""Which architectures `train_sae` knows, where each comes from, and how each is trained here by default."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..suggestions import did_you_mean


@dataclass(frozen=True)
class Sizes:
    """What options may depend on.

    Attributes:
        d_in: width of an activation.
        n_latents: width of the dictionary.
        k: L0 wanted.
        steps: length of the run.
    """

    d_in: int
    n_latents: int
    k: float
    steps: int


@dataclass(frozen=True)
class Recipe:
    """How an architecture is trained by default; measured on planted dictionaries (see `train_sae`).

    Attributes:
        trainer: name in sae_lens's registry.
        paper: where it was first described.
        how: how its L0 is set here and what is particular about its training, in a line.
        rate: peak learning rate times sqrt(d): the entries of a direction in d dimensions are about 1 / sqrt(d).
        penalty: name of the coefficient that sets the sparsity; None where k does.
        coefficient: its value at the start, in units of the latents that k active ones would need to write a row:
            sqrt(d / k) for an L1 penalty or one that begins as it, d / k for L0.
        lead: of the controller that steers the penalty (see `PenaltyController`).
        whole_k: whether each row keeps a whole number of latents.
        calibrated: whether the threshold is set on held-out rows after training.
        unit_decoder: keep decoder rows at norm 1 although the training class does not.
        beta1: first moment of Adam.
        options: further fields of the sae_lens training config.
        sized: those that depend on width, L0 or length of the run.
    """

    trainer: str
    paper: str
    how: str
    rate: float = 0.035
    penalty: str | None = None
    coefficient: float = 0.0
    lead: float = 0.0
    whole_k: bool = False
    calibrated: bool = False
    unit_decoder: bool = False
    beta1: float = 0.9
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sized: Callable[[Sizes], dict[str, Any]] = lambda sizes: {}


def _annealed(sizes: Sizes) -> dict[str, Any]:
    """The published window, as a share of the run: steps 10,000 to 36,621 of 36,621 (arXiv 2408.00113, Table 2)."""
    start = sizes.steps * 10_000 // 36_621
    updates = max(2, min(10, sizes.steps - start))
    return {"anneal_start": start, "anneal_end": sizes.steps, "n_sparsity_updates": updates}


def _nested(sizes: Sizes) -> dict[str, Any]:
    n = sizes.n_latents
    return {"k": float(sizes.k), "matryoshka_widths": sorted({max(1, n // 16), max(1, n // 4), n})}


def _experts(sizes: Sizes) -> dict[str, Any]:
    """As many as 8 experts, if each has k latents and no fewer than there are dimensions."""
    n, least = sizes.n_latents, max(sizes.d_in, math.ceil(sizes.k))
    return {"k": int(sizes.k), "n_experts": next((e for e in (8, 4, 2) if n % e == 0 and n // e >= least), 1)}


def _whole(sizes: Sizes) -> dict[str, Any]:
    return {"k": int(sizes.k)}


ARCHITECTURES: dict[str, Recipe] = {
    "standard": Recipe(
        "standard",
        "Anthropic, Circuits Updates, April 2024",
        "ReLU; L1 weighed by decoder norms; the penalty is steered to the wanted L0",
        penalty="l1",
        coefficient=0.25,
    ),
    "standard-unit-norm": Recipe(
        "standard-unit-norm",
        "Bricken et al. 2023, Towards Monosemanticity",
        "ReLU; L1; decoder rows kept at norm 1; the penalty is steered to the wanted L0; no resampling",
        penalty="l1",
        coefficient=0.25,
    ),
    "topk": Recipe(
        "topk",
        "Gao et al. 2024, arXiv 2406.04093",
        "the k largest latents of a row; auxiliary loss on dead ones",
        whole_k=True,
        sized=_whole,
    ),
    "batchtopk": Recipe(
        "batchtopk",
        "Bussmann et al. 2024, arXiv 2412.06410",
        "the k N largest latents of a batch of N; one threshold, set on held-out rows",
        calibrated=True,
        sized=lambda sizes: {"k": float(sizes.k)},
    ),
    "jumprelu": Recipe(
        "jumprelu",
        "Rajamanoharan et al. 2024, arXiv 2407.14435",
        "a threshold per latent; L0 penalty by straight-through gradients, steered to the wanted L0",
        penalty="l0",
        coefficient=0.05,
        options={"jumprelu_bandwidth": 0.5, "jumprelu_init_threshold": 0.3},
    ),
    "gated": Recipe(
        "gated",
        "Rajamanoharan et al. 2024, arXiv 2404.16014",
        "which latents fire and how much are read apart; L1 on the gate, steered to the wanted L0",
        penalty="l1",
        coefficient=0.25,
    ),
    "matryoshka": Recipe(
        "matryoshka_batchtopk",
        "Bussmann et al. 2025, arXiv 2503.17547",
        "BatchTopK whose first 1/16 and 1/4 of latents rebuild the input too; one threshold, set on held-out rows",
        calibrated=True,
        sized=_nested,
    ),
    "p_anneal": Recipe(
        "p_anneal",
        "Karvonen et al. 2024, arXiv 2408.00113",
        "ReLU; L_p^p with p from 1 towards 0.2, from 27 % of the run on; decoder rows at norm 1; steered to the L0",
        penalty="lp",
        coefficient=0.25,
        lead=0.2,
        sized=_annealed,
    ),
    "gated_anneal": Recipe(
        "gated_anneal",
        "Karvonen et al. 2024, arXiv 2408.00113",
        "gated, with the gate's L_p^p annealed as in p_anneal; decoder rows at norm 1; steered to the L0",
        penalty="lp",
        coefficient=0.25,
        lead=0.2,
        beta1=0.0,
        sized=_annealed,
    ),
    "switch": Recipe(
        "switch",
        "Mudide et al. 2024, arXiv 2410.08201",
        "a router sends a row to one of up to 8 experts, whose k largest latents count; decoder rows at norm 1",
        whole_k=True,
        sized=_experts,
    ),
    "abstopk": Recipe(
        "abstopk",
        "AbsTopK 2025, arXiv 2510.00404",
        "the k latents of largest size, which keep their sign; auxiliary loss on dead ones",
        whole_k=True,
        sized=_whole,
    ),
    "matching_pursuit": Recipe(
        "matching_pursuit",
        "Costa et al. 2025, arXiv 2506.03093",
        "k latents picked one after the other, each from what the others leave; tied; decoder rows at norm 1",
        whole_k=True,
        unit_decoder=True,
        options={"decoder_init_norm": 1.0},
        sized=lambda sizes: {"max_iterations": int(sizes.k)},
    ),
}


_OWN = frozenset(ARCHITECTURES)


def find_recipe(arch: str) -> Recipe:
    """The recipe of an architecture.

    Raises:
        KeyError: unknown.
    """
    if arch in ARCHITECTURES:
        return ARCHITECTURES[arch]
    from . import architectures

    architectures.load_packages()
    if arch in ARCHITECTURES:
        return ARCHITECTURES[arch]
    raise KeyError(f"no architecture named {arch!r}; {did_you_mean(arch, ARCHITECTURES)}")


def register_architecture(name: str, recipe: Recipe) -> None:
    """Make an architecture of yours one of `ARCHITECTURES`, in this process: to `train_sae`, zoos and sweeps.

    sae_lens must know its classes by then (`sae_lens.register_sae_training_class`, and `register_sae_class` unless it
    becomes one of sae_lens's own once it is trained). A package brings both to every process, and to whoever loads what
    was trained, by an entry point whose function does the two:

        [project.entry-points."fiducial.architectures"]
        soft = "my_package:register"

    Args:
        name: as `arch` is given to `train_sae`.
        recipe: how it is trained by default.

    Raises:
        TypeError: not a recipe.
        ValueError: an architecture of this package has the name.
    """
    if not isinstance(recipe, Recipe):
        raise TypeError(f"register_architecture takes a Recipe, got {type(recipe).__name__}")
    if name in _OWN:
        raise ValueError(f"there is an architecture named {name!r} already; take a name of its own")
    ARCHITECTURES[name] = recipe


def training_settings(
    arch: str, sizes: Sizes, coefficient: float | None, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The sae_lens training config of an architecture, as a dict.

    Args:
        arch: a key of `ARCHITECTURES`.
        sizes: of the run.
        coefficient: of the penalty; None for the recipe's start of a steered one.
        options: fields that override all others.

    Raises:
        ValueError: an option that the architecture has not.
    """
    from sae_lens.registry import get_sae_training_class

    from . import architectures

    architectures.register()
    recipe = find_recipe(arch)
    settings: dict[str, Any] = {"architecture": recipe.trainer, "d_in": sizes.d_in, "d_sae": sizes.n_latents}
    if recipe.penalty is not None:
        start = recipe.coefficient * (sizes.d_in / sizes.k) ** (1.0 if recipe.penalty == "l0" else 0.5)
        settings[f"{recipe.penalty}_coefficient"] = start if coefficient is None else coefficient
        settings[f"{recipe.penalty}_warm_up_steps"] = 0 if coefficient is None else sizes.steps // 10
    known = {f.name for f in fields(get_sae_training_class(recipe.trainer)[1])} - {"d_in", "d_sae", "k", "metadata"}
    for option in options or {}:
        if option not in known:
            raise ValueError(f"{arch} has no option {option!r}, expected some of {', '.join(sorted(known))}")
    return settings | recipe.sized(sizes) | dict(recipe.options) | dict(options or {})
