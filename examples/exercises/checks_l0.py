"""Checks of exercise 04, L0 and its traps."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from checks import check_choice, check_function, check_number, given, require, right
from torch import Tensor

Array = npt.NDArray[np.float64]


def check_l0(l0: Callable[[Tensor], Any]) -> None:
    """Mean number of latents of a row that are not 0."""
    g = torch.Generator().manual_seed(1)
    cases = [(torch.rand(n, latents, generator=g) * (torch.rand(n, latents, generator=g) < 0.3),) for n, latents in ((8, 5), (5, 9))]  # fmt: skip  # noqa: E501
    check_function(
        "l0",
        l0,
        cases,
        lambda z: (z != 0).sum(1).float().mean(),
        hints={
            "that is the share of all entries; count in each row": lambda z: (z != 0).float().mean(),
            "that is the L1 norm: count the latents, do not add them up": lambda z: z.sum(1).mean(),
            "that is the total over all rows": lambda z: (z != 0).sum(),
            "that is how often a latent fires; count along the other axis": lambda z: (z != 0).sum(0).float().mean(),
        },
        hint="Count what is not 0 in each row, then take the mean over rows.",
    )


def check_explained(explained: Callable[[Tensor, Tensor], Any]) -> None:
    """1 - squared error / variance about the mean."""
    g = torch.Generator().manual_seed(2)
    cases = [(torch.randn(n, d, generator=g) + 1, torch.randn(n, d, generator=g) + 1) for n, d in ((9, 3), (12, 4))]
    check_function(
        "explained",
        explained,
        cases,
        lambda x, y: 1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum(),
        tolerance=1e-3,
        hints={
            "the variance is about the mean row; yours is about 0, so that writing the mean would earn credit": (
                lambda x, y: 1 - ((x - y) ** 2).sum() / (x**2).sum()
            ),
            "one minus that": lambda x, y: ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum(),
            "the mean of each coordinate, not one mean of all numbers": lambda x, y: (
                1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum()
            ),
            "add up over all coordinates before you divide": lambda x, y: (
                1 - (((x - y) ** 2).sum(0) / ((x - x.mean(0)) ** 2).sum(0)).mean()
            ),
        },
        hint="1 - (sum of squared errors) / (sum of squared distances from the mean row).",
    )


def check_best(best_l0: Any, values: Mapping[int, float]) -> None:
    """The L0 with the largest value."""
    given("best_l0", best_l0)
    require(best_l0 in values, f"best_l0 should be one of the L0s of the sweep, {', '.join(map(str, values))}")
    require(values[best_l0] == max(values.values()), "look along the line: another L0 restores more")
    right("best_l0")


def check_truth_at(truth_at: Callable[[Tensor, float], Tensor]) -> None:
    """Only the k N largest sizes stay."""
    g = torch.Generator().manual_seed(3)
    cases = [
        (torch.rand(n, f, generator=g) * (torch.rand(n, f, generator=g) < 0.7), k) for n, f, k in ((6, 5, 2), (7, 4, 1))
    ]

    def kept(sizes: Tensor, k: float) -> Tensor:
        threshold = sizes.flatten().topk(round(k * len(sizes))).values[-1]
        return sizes * (sizes >= threshold)

    def by_row(sizes: Tensor, k: float) -> Tensor:
        top = sizes.topk(int(k), dim=1)
        return torch.zeros_like(sizes).scatter(1, top.indices, top.values)

    check_function(
        "truth_at",
        truth_at,
        cases,
        kept,
        hints={
            "that keeps k in every row, as TopK does; keep the k N largest of the whole table": by_row,
            "keep the sizes, not just whether they are kept": lambda s, k: (kept(s, k) > 0).float(),
        },
        hint="The k N-th largest number of the table is a threshold; what lies below it becomes 0.",
    )


def check_winner(winner: Any, sae_error: float, true_error: float) -> None:
    """Who restores more with few features."""
    truth = "the SAE" if sae_error < true_error else "the truth"
    other = "the truth" if truth == "the SAE" else "the SAE"
    check_choice("winner", winner, truth, {other: "look at the errors printed above: less is better"})


def _cosine(directions: Any) -> float:
    d = np.asarray(directions, float)
    d = d / np.linalg.norm(d, axis=1, keepdims=True)
    cosines = abs(d @ d.T)
    n = len(d)
    return float((cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


def check_decoder_cosine(decoder_cosine: Callable[[Tensor], Any]) -> None:
    """Mean |cos| of different rows."""
    g = torch.Generator().manual_seed(4)

    def with_itself(directions: Any) -> float:
        n = len(directions)
        return (_cosine(directions) * n * (n - 1) + n) / n**2

    def signed(directions: Any) -> float:
        d = np.asarray(directions, float)
        d = d / np.linalg.norm(d, axis=1, keepdims=True)
        n = len(d)
        return float(((d @ d.T).sum() - n) / (n * (n - 1)))

    def unscaled(directions: Any) -> float:
        d = np.asarray(directions, float)
        products = abs(d @ d.T)
        return float((products.sum() - np.trace(products)) / (len(d) * (len(d) - 1)))

    check_function(
        "decoder_cosine",
        decoder_cosine,
        [(torch.randn(5, 3, generator=g),), (torch.randn(4, 6, generator=g),)],
        _cosine,
        hints={
            "each row has a cosine of 1 with itself; leave the diagonal out": with_itself,
            "take the size of each cosine before the mean, or they cancel": signed,
            "scale the rows to length 1 first": unscaled,
        },
        hint="All pairs of different rows: size of the cosine, then the mean.",
    )


def check_chosen(chosen: Any, cosines: Mapping[int, float]) -> None:
    """The L0 with the smallest decoder cosine."""
    given("chosen", chosen)
    require(chosen in cosines, f"chosen should be one of the L0s of the sweep, {', '.join(map(str, cosines))}")
    require(cosines[chosen] == min(cosines.values()), "another L0 has directions that are less alike")
    right("chosen")


def _at(l0s: Array, values: Array, l0: float) -> float:
    order = np.argsort(l0s)
    return float(np.interp(l0, l0s[order], values[order]))


def check_at(at: Callable[[Array, Array, float], Any]) -> None:
    """Linear interpolation, NaN outside what was measured."""
    rng = np.random.default_rng(5)
    cases = []
    for l0 in (3.3, 5.9):
        l0s = rng.permutation(np.array([2.1, 3.9, 6.2, 8.0]))
        cases.append((l0s, rng.random(4), l0))
    check_function(
        "at",
        at,
        cases,
        _at,
        hints={
            "np.interp wants the L0s in rising order, and silently gives nonsense otherwise": lambda a, b, x: np.interp(
                x, a, b
            ),
            "that is the nearest one; draw a straight line between the two neighbours": lambda a, b, x: b[
                abs(a - x).argmin()
            ],
        },
        hint="Sort both by L0, then np.interp.",
    )
    for outside in (1.0, 9.0):
        value = at(*cases[0][:2], outside)
        told = f"at an L0 of {outside:g}, where nothing was measured, it gives {value}: should it not be NaN?"
        require(value is not None and bool(np.isnan(value)), told)
    right("at, outside of what was measured")


def check_comparable(comparable: Any, measured: Mapping[str, float], asked: float) -> None:
    """Names whose L0 is within a tenth of what was asked."""
    given("comparable", comparable)
    wanted = {name for name, l0 in measured.items() if abs(l0 - asked) <= 0.1 * asked}
    unknown = set(comparable) - set(measured)
    require(not unknown, f"comparable holds {', '.join(sorted(unknown))}; there are {', '.join(measured)}")
    extra, missing = set(comparable) - wanted, wanted - set(comparable)
    require(not extra, f"{', '.join(sorted(extra))}: the measured L0 is more than a tenth away from {asked:g}")
    require(not missing, f"{len(missing)} more of them lie within a tenth of {asked:g}")
    right("comparable")


def check_true_l0(true_l0: Any, fires: Any) -> None:
    """Mean number of features that fire."""
    number = float(fires.sum(1).mean())
    share = {float(fires.mean()): "that is the share of entries"}
    check_number("true_l0", true_l0, number, hints=share, hint="The mean over rows of how many features fire.")
