"""Checks of exercise 8, in the way of `checks_boards`. Reading this file spoils the exercise."""

from typing import Any

import numpy as np
from checks import Wrong, given, require, right
from checks_compare import Function, compare
from scipy import stats


def check_explained(function: Function) -> None:
    """Explained variance about the mean."""
    rng = np.random.default_rng(10)
    x = rng.standard_normal((40, 3)) + np.array([5.0, 0.0, -2.0])
    x_hat = x + 0.5 * rng.standard_normal((40, 3))

    def ours(x: np.ndarray, x_hat: np.ndarray) -> float:
        return 1 - ((x - x_hat) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()

    compare(
        "explained_variance",
        function,
        ours,
        [(x, x_hat), (x, x * 0)],
        wrong={
            "that is the share that is *not* explained": lambda x, h: 1 - ours(x, h),
            "the variance is about the mean of x; do not compare with the size of x itself":
                lambda x, h: 1 - ((x - h) ** 2).sum() / (x**2).sum(),
            "the mean is that of every coordinate, not one number for all": lambda x, h:
                1 - ((x - h) ** 2).sum() / ((x - x.mean()) ** 2).sum(),
        },
        hint="1 - sum of squared errors / sum of squared deviations of x from its mean row.",
    )  # fmt: skip


def check_mmcs(function: Function) -> None:
    """Mean over features of the largest cosine with any latent."""
    rng = np.random.default_rng(11)
    latents, true = rng.standard_normal((6, 4)) * 2, rng.standard_normal((3, 4))

    def table(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T

    compare(
        "mmcs",
        function,
        lambda a, b: table(a, b).max(0).mean(),
        [(latents, true)],
        wrong={
            "that is the mean over latents of their nearest feature, so missed features cost nothing": lambda a, b:
                table(a, b).max(1).mean(),
            "divide by the lengths: these are not cosines yet": lambda a, b: (a @ b.T).max(0).mean(),
            "take the largest, not the mean, over latents": lambda a, b: table(a, b).mean(),
        },
        hint="Cosines of all latents with all features; the largest for each feature; the mean of these.",
    )  # fmt: skip


def check_in_order(function: Function) -> None:
    """Share of pairs in which the better one has the higher score."""
    scores = np.array([1.0, 0.7, 0.7, 0.9, 0.2])
    pairs = [(0, 1), (1, 2), (3, 1), (2, 3), (0, 4)]

    def ours(s: np.ndarray, p: list[tuple[int, int]]) -> float:
        return float(np.mean([s[a] > s[b] for a, b in p]))

    compare(
        "in_order",
        function,
        ours,
        [(scores, pairs)],
        wrong={
            "a tie is not in order: the metric has not noticed the damage": lambda s, p:
                float(np.mean([s[a] >= s[b] for a, b in p])),
            "each pair is (better, worse): the first should have the higher score": lambda s, p: 1 - ours(s, p),
            "a share: divide by the number of pairs": lambda s, p: ours(s, p) * len(p),
        },
        hint="For every (better, worse): is scores[better] above scores[worse]? Then the mean.",
    )  # fmt: skip


def check_rank_correlation(function: Function) -> None:
    """Spearman's rho, without ties."""
    rng = np.random.default_rng(12)
    a = rng.standard_normal(9)
    b = np.exp(a) + rng.standard_normal(9)

    def ours(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])

    compare(
        "rank_correlation",
        function,
        ours,
        [(a, b), (a, -np.exp(a))],
        wrong={
            "that is the correlation of the values; ranks are wanted": lambda a, b: float(np.corrcoef(a, b)[0, 1]),
            "argsort says where each rank is, not which rank each one has; apply it twice": lambda a, b:
                float(np.corrcoef(np.argsort(a), np.argsort(b))[0, 1]),
        },
        hint="Replace both by their ranks, then take the ordinary correlation.",
    )  # fmt: skip


def check_natural_f1(function: Function) -> None:
    """F1 at natural prevalence from the two rates of an exam."""

    def ours(tpr: float, tnr: float, share: float) -> float:
        return 2 * share * tpr / (share * tpr + (1 - share) * (1 - tnr) + share)

    compare(
        "natural_f1",
        function,
        ours,
        [(0.9, 0.8, 0.05), (1.0, 0.5, 0.3), (0.4, 0.99, 0.01)],
        wrong={
            "that is the F1 of the exam, half of whose examples are active; use the share in which the latent fires":
                lambda t, n, s: ours(t, n, 0.5),
            "the false positives come from the other 1 - share of the positions": lambda t, n, s:
                2 * s * t / (s * t + s * (1 - n) + s),
            "that is the precision": lambda t, n, s: s * t / (s * t + (1 - s) * (1 - n)),
            "false positives are silent positions that get a yes: 1 - tnr of them": lambda t, n, s:
                2 * s * t / (s * t + (1 - s) * n + s),
        },
        hint="Of 1 position: hits = share * tpr, yes = hits + (1 - share) * (1 - tnr). F1 = 2 hits / (yes + share).",
    )  # fmt: skip


def check_explanation(text: Any, precision: float, recall: float, f1: float, enough: float) -> None:
    """An explanation in the student's words, executed: good enough, or too broad, or too narrow."""
    given("explanation", text)
    if f1 >= enough:
        right(f"{text!r}: precision {precision:.2f}, recall {recall:.2f}")
        return
    told = f"{text!r}: precision {precision:.2f}, recall {recall:.2f}, F1 {f1:.2f}. "
    require(recall > 0, told + "It never holds where the latent fires")
    require(precision >= recall, told + "It is too broad: what else do the boards above share, that the others do not?")
    raise Wrong(told + "It is too narrow: leave something out, or join two cases with `or`")
