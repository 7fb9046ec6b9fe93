"""Can values be read linearly, and does writing along the probes that read them change the activation the same way?

Equation      minimise the sum over prompts of -log p(value | a), plus l2 / 2 |w|^2, with p from one logistic regression
              a value ("logistic") or a softmax over the values of an attribute ("multinomial");
              direction of value v = ((mean of a over prompts with v, minus mean of all) . c) c,  c = w_v / |w_v|
Conventions   inputs standardised on the rows fitted on; biases are free of penalty; a value that all or no prompts have
              is never read, and gets direction 0
References    Alain and Bengio 2016, arXiv 1610.01644; scikit-learn's LogisticRegression with C = 1 / l2
Differences from published code
    1. Edits along probes need a length, and are often given the one that works best on the very prompts that are
       scored. Here it is that of the mean code along the probe, from the fit set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch

from .attribute_blocks import Attributes, latents_of
from .attribute_fitting import Sums, assemble, gather, value_means
from .attributes import AttributeDictionary
from .logistic import fit_logistic
from .mean import titled


def fit_attribute_probes(
    activations: torch.Tensor,
    attributes: Attributes,
    values: Mapping[str, Sequence[str]],
    *,
    which: Sequence[str] = ("IO", "S", "Pos"),
    parametrisation: str | Sequence[Sequence[str]] = "independent",
    kind: Literal["logistic", "multinomial"] = "logistic",
    l2: float = 10.0,
    max_iter: int = 50,
    name: str | None = None,
) -> AttributeDictionary:
    """Probes of every value, as a dictionary that reads with them and writes along them.

    Args:
        activations: floating [N, d]; give prompts of the fit set only.
        attributes: int64 [N] for every attribute, the value of each prompt; -1 for none.
        values: names of the values of every attribute.
        which: attributes to use.
        parametrisation: "independent", "coupled", "slots", or the attributes of every block; see `attribute_blocks`.
        kind: one logistic regression a value, or one softmax an attribute. The former may say that no value holds,
            where no probe gives one half; the latter cannot, and is fitted without the prompts that have none.
        l2: penalty, above 0.
        max_iter: Newton steps, or ten times as many of L-BFGS for the softmax.
        name: of the dictionary.

    Raises:
        TypeError: activations that are no tensor.
        KeyError: unknown attribute.
        ValueError: inputs that do not fit each other or are not finite, a penalty not above 0, or an unknown kind.
    """
    if kind not in ("logistic", "multinomial"):
        raise ValueError(f"kind must be 'logistic' or 'multinomial', got {kind!r}")
    if not 0 < l2 < torch.inf:
        raise ValueError(f"l2 must be above 0 and finite, got {l2}")
    sums = gather(activations, attributes, values, which, parametrisation)
    std = (sums.scatter.diagonal() / sums.n).sqrt().float()
    std = torch.where(std > 1e-6 * std.max(), std, torch.inf)  # a dimension that never varies says nothing
    scaled = (activations.float() - sums.mean.float()) / std
    active = latents_of(sums.blocks, attributes).to(activations.device)
    fit = _logistic if kind == "logistic" else _multinomial
    weights, biases = fit(scaled, active, sums, l2, max_iter)
    weights = weights / std
    unit = torch.nn.functional.normalize(weights.double(), dim=1)
    directions = (value_means(sums) * unit).sum(1, keepdim=True) * unit
    dictionary = assemble(name or titled(f"{kind} probes", parametrisation), sums, directions)
    # "No value" wins where no logistic probe has a positive score; the softmax always names a value.
    nothing = torch.zeros(len(sums.blocks), device=weights.device)
    if kind == "multinomial":
        nothing -= torch.inf
    reads = torch.cat([weights, weights.new_zeros(len(sums.blocks), weights.shape[1])])
    return replace(dictionary, reads=reads, read_biases=torch.cat([biases, nothing]))


def _logistic(
    x: torch.Tensor, active: torch.Tensor, sums: Sums, l2: float, max_iter: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights float [H, d] and biases [H] on standardised inputs, one regression a latent."""
    n_latents = len(sums.cross)
    index = torch.where(active < 0, n_latents, active)
    y = torch.zeros(len(x), n_latents + 1, dtype=torch.bool, device=x.device).scatter_(1, index, True)[:, :-1]
    live = (y.any(0) & ~y.all(0)).nonzero()[:, 0]
    weights, biases = x.new_zeros(n_latents, x.shape[1]), x.new_full((n_latents,), -torch.inf)
    biases[y.all(0)] = 1.0
    if len(live):
        fitted, _ = fit_logistic(x, y[:, live], x.new_full((len(live),), l2), max_iter=max_iter)
        weights[live], biases[live] = fitted[:, :-1], fitted[:, -1]
    return weights, biases


def _multinomial(
    x: torch.Tensor, active: torch.Tensor, sums: Sums, l2: float, max_iter: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights float [H, d] and biases [H] on standardised inputs, one softmax a block."""
    weights, biases = x.new_zeros(len(sums.cross), x.shape[1]), x.new_full((len(sums.cross),), -torch.inf)
    for i, part in enumerate(sums.slices):
        seen = part.start + (sums.counts[part] > 0).nonzero()[:, 0]
        rows = active[:, i] >= 0
        if len(seen) == 1:
            biases[seen] = 1.0
        if len(seen) < 2:
            continue
        place = torch.full((len(sums.cross),), -1, device=x.device)
        place[seen] = torch.arange(len(seen), device=x.device)
        fitted = softmax_regression(x[rows], place[active[rows, i]], len(seen), l2, max_iter * 10)
        weights[seen], biases[seen] = fitted[:, :-1], fitted[:, -1]
    return weights, biases


def softmax_regression(x: torch.Tensor, y: torch.Tensor, n_values: int, l2: float, max_iter: int) -> torch.Tensor:
    """Weights of one softmax regression, float [n_values, d + 1], bias last.

    Args:
        x: float [N, d], of about unit scale.
        y: int64 [N].
        n_values: number of classes.
        l2: penalty of the weights but not of the biases.
        max_iter: steps of L-BFGS at most.
    """
    weights = torch.zeros(n_values, x.shape[1] + 1, dtype=x.dtype, device=x.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=max_iter, history_size=20, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        logits = torch.addmm(weights[:, -1], x, weights[:, :-1].T)
        total = torch.nn.functional.cross_entropy(logits, y) + 0.5 * l2 / len(x) * weights[:, :-1].square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[arg-type] - the stubs want a float
    return weights.detach()
