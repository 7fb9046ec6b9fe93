"""Checks of exercise 03, the first SAE."""

from collections.abc import Callable
from typing import Any

import torch
from checks import Wrong, check_choice, check_function, check_number, given, require, right
from torch import Tensor


def _weights(seed: int) -> list[tuple[Tensor, ...]]:
    g = torch.Generator().manual_seed(seed)
    shapes = ((6, 4, 7, 2), (5, 3, 9, 4))
    return [
        (torch.randn(n, d, generator=g), torch.randn(d, latents, generator=g), torch.randn(latents, generator=g), k)
        for n, d, latents, k in shapes
    ]  # type: ignore[misc]


def _reading(x: Tensor, encoder: Tensor, bias: Tensor) -> Tensor:
    return x @ encoder + bias


def _topk(x: Tensor, encoder: Tensor, bias: Tensor, k: int, *, relu: bool = True, by_size: bool = False) -> Tensor:
    reading = _reading(x, encoder, bias)
    kept = (reading.abs() if by_size else reading).topk(k, dim=1).indices
    values = reading.gather(1, kept)
    return torch.zeros_like(reading).scatter(1, kept, values.relu() if relu else values)


def check_encode(encode: Callable[..., Tensor]) -> None:
    """The k largest readings, none negative."""
    check_function(
        "encode",
        encode,
        _weights(1),
        _topk,
        hints={
            "all readings are kept; only the k largest of each row may stay": lambda x, e, b, k: _reading(x, e, b),
            "all positive readings are kept; only the k largest of each row may stay": lambda x, e, b, k: _reading(
                x, e, b
            ).relu(),
            "a latent must not be negative: one of the k largest may still be below 0": lambda x, e, b, k: _topk(
                x, e, b, k, relu=False
            ),
            "the largest, not those of the largest size": lambda x, e, b, k: _topk(x, e, b, k, by_size=True),
            "the bias is missing": lambda x, e, b, k: _topk(x, e, torch.zeros_like(b), k),
            "the k largest of each row, not of each column": lambda x, e, b, k: (
                _topk(_reading(x, e, b).T, torch.eye(len(x)), torch.zeros(1), min(k, len(x))).T
            ),
        },
        hint="reading.topk(k, dim=1) gives values and indices; scatter them into zeros.",
    )


def check_loss(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Sum over coordinates, mean over rows."""
    g = torch.Generator().manual_seed(2)
    check_function(
        "loss",
        loss,
        [(torch.randn(6, 4, generator=g), torch.randn(6, 4, generator=g))],
        lambda x, y: ((x - y) ** 2).sum(1).mean(),
        hints={
            "sum over the coordinates of a row, then the mean over rows": lambda x, y: ((x - y) ** 2).mean(),
            "the squared length of the error, not the length": lambda x, y: (x - y).norm(dim=1).mean(),
            "the mean over rows, not the sum": lambda x, y: ((x - y) ** 2).sum(),
        },
        hint="The squared length of x - restored, averaged over rows.",
    )


def check_unit_rows(unit_rows: Callable[[Tensor], Tensor]) -> None:
    """Rows of length 1."""
    g = torch.Generator().manual_seed(3)
    check_function(
        "unit_rows",
        unit_rows,
        [(torch.randn(5, 3, generator=g),), (torch.randn(2, 4, generator=g),)],
        lambda d: d / d.norm(dim=1, keepdim=True),
        hints={
            "the rows, not the columns": lambda d: d / d.norm(dim=0, keepdim=True),
            "each row by its own length": lambda d: d / d.norm(),
        },
        hint="Divide each row by its norm; keepdim=True keeps the shapes together.",
    )


def check_trained(losses: list[float]) -> None:
    """Whether training went anywhere."""
    require(len(losses) > 1, "no loss was recorded")
    start, end = losses[0], sum(losses[-50:]) / 50
    if end > 0.5 * start:
        raise Wrong(f"the loss went from {start:.2f} to {end:.2f} only: is the gradient step taken, on both weights?")
    right(f"the loss fell from {start:.2f} to {end:.2f} (0 would be perfect)")


def check_always_on(floor: Any, prevalence: Any) -> None:
    """Mean of 2p / (1 + p), not that of the mean p."""
    mean = float(prevalence.mean())
    check_number(
        "floor",
        floor,
        float((2 * prevalence / (1 + prevalence)).mean()),
        tolerance=1e-4,
        hints={
            mean: "that is the mean prevalence, the precision of such a latent",
            2 * mean / (1 + mean): "nearly: F1 for each feature first, then the mean over features",
        },
        hint="F1 = 2 hits / (fired + held); it always fires, so hits are p and fired is 1.",
    )


def check_difference(low: Any, high: Any, a: Any, b: Any) -> None:
    """Percentiles of the paired differences of replicates."""
    given("low", low)
    given("high", high)
    difference = a.replicates - b.replicates
    wanted = [float(q) for q in torch.tensor(difference).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))]
    apart = [a.low - b.high, a.high - b.low]
    told = "Take b from a, replicate by replicate, then np.percentile at 2.5 and 97.5."
    turned = "you took a from b; the question is by how much a is better"
    unpaired = "that treats the two scores as if they had been measured on different games; take the differences first"
    hints = {-wanted[1]: turned, -wanted[0]: turned}
    check_number("low", low, wanted[0], tolerance=1e-4, hints={**hints, apart[0]: unpaired}, hint=told)
    check_number("high", high, wanted[1], tolerance=1e-4, hints={**hints, apart[1]: unpaired}, hint=told)


def check_verdict(verdict: Any, low: float, high: float) -> None:
    """What a paired interval allows to say."""
    truth = "theirs" if low > 0 else "mine" if high < 0 else "cannot tell"
    hints = {
        "theirs": "look at which side of 0 the interval of (theirs minus mine) lies",
        "mine": "look at which side of 0 the interval of (theirs minus mine) lies",
        "cannot tell": "the interval of the difference does not hold 0",
    }
    check_choice("verdict", verdict, truth, {word: told for word, told in hints.items() if word != truth})


def check_rare(which: Any, table: Any) -> None:
    """Which features an SAE finds, by the rank correlation of F1 and positives."""
    scored = table.dropna(subset=["value"])
    correlation = scored["value"].rank().corr(scored["positives"].rank())
    truth = "frequent" if correlation > 0.2 else "rare" if correlation < -0.2 else "neither"
    why = "look at the left panel again: where on the horizontal axis are the low values?"
    check_choice("found_best", which, truth, {word: why for word in ("frequent", "rare", "neither") if word != truth})


def check_neurons(versus_neurons: Any, score: Any) -> None:
    """Where an SAE of a game model stands against the neurons."""
    neurons = score.floors["neurons"]
    truth = "above" if score.low > neurons else "below" if score.high < neurons else "level"
    why = "compare the interval of the SAE with the floor called neurons"
    check_choice("versus_neurons", versus_neurons, truth, {w: why for w in ("above", "below", "level") if w != truth})
