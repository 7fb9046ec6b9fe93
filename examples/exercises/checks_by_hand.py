"""Checks of exercise 01, sparse coding by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from checks import check_array, check_choice, check_function, check_number

Array = npt.NDArray[np.float64]


def _units(rng: np.random.Generator, *shape: int) -> Array:
    directions = rng.standard_normal(shape)
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def _rows_and_directions(seed: int) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((n, d)), _units(rng, latents, d)) for n, d, latents in ((7, 2, 3), (9, 4, 5))]


def check_rows(x: Any, sizes: Array, directions: Array) -> None:
    """Rows are sizes times directions."""
    check_array("x", x, sizes @ directions, hint="Each row is the sum of size times direction: a matrix product.")


def check_true_l0(true_l0: Any, sizes: Array) -> None:
    """Mean number of features that fire."""
    fires = sizes > 0
    check_number(
        "true_l0",
        true_l0,
        float(fires.sum(1).mean()),
        hints={
            float(fires.mean()): "that is the share of entries that are not 0",
            float(sizes.sum(1).mean()): "count the features that fire, not their sizes",
            float(fires.sum()): "that is the count over all rows; take the mean",
        },
        hint="Count in each row, then take the mean over rows.",
    )


def check_project(project: Callable[[Array, Array], Array]) -> None:
    """Latents are the positive part of the projections on the directions."""
    check_function(
        "project",
        project,
        _rows_and_directions(1),
        lambda x, d: np.maximum(x @ d.T, 0),
        hints={
            "a latent must not be negative: take the positive part": lambda x, d: x @ d.T,
            "the positive part, not the size: a direction and its opposite are two things": lambda x, d: abs(x @ d.T),
        },
        hint="Each entry is the inner product of a row with a direction, or 0 if that is negative.",
    )


def check_readings(reading_0: Any, reading_1: Any) -> None:
    """Of sizes 1 and .4, at a cosine of -1/2."""
    check_number(
        "reading_0", reading_0, 0.8, hints={1: "the other feature pulls on it too"}, hint="1, and ½ of what less?"
    )
    check_number(
        "reading_1",
        reading_1,
        0.0,
        hints={0.4: "feature 0 pulls on it too", -0.1: "nearly: what does `project` do with negative numbers?"},
        hint="Add up what each of the two features gives along direction 1.",
    )


def _pursue(x: Array, directions: Array, k: int, *, clip: bool = True, residual: bool = True) -> Array:
    rest, codes, rows = x.copy(), np.zeros((len(x), len(directions))), np.arange(len(x))
    for _ in range(k):
        reading = rest @ directions.T
        best = reading.argmax(1)
        size = np.maximum(reading[rows, best], 0) if clip else reading[rows, best]
        codes[rows, best] += size
        if residual:
            rest = rest - size[:, None] * directions[best]
    return codes


def check_pursuit(pursue: Callable[[Array, Array, int], Array]) -> None:
    """Matching pursuit with k picks."""
    cases = [(x, d, k) for x, d in _rows_and_directions(2) for k in (1, 2, 3)]
    check_function(
        "pursue",
        pursue,
        cases,
        _pursue,
        hints={
            "the pick is never taken off the rest, so every round picks the same": lambda x, d, k: _pursue(
                x, d, k, residual=False
            ),
            "a pick must not have a negative size": lambda x, d, k: _pursue(x, d, k, clip=False),
            "only the first pick counts; go on with what is left": lambda x, d, k: _pursue(x, d, 1),
        },
        hint="Project what is left, pick the largest, add its size to the codes, take it off what is left; k times.",
    )


def _refit(x: Array, codes: Array) -> Array:
    directions = np.linalg.lstsq(codes, x, rcond=None)[0]
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def check_update(update: Callable[[Array, Array], Array]) -> None:
    """Directions of least squares, normalised."""
    rng = np.random.default_rng(3)
    cases = [
        (rng.standard_normal((40, d)), rng.random((40, n)) * (rng.random((40, n)) < 0.4)) for d, n in ((2, 3), (5, 4))
    ]
    check_function(
        "update",
        update,
        cases,
        _refit,
        hints={
            "the directions must have length 1": lambda x, c: np.linalg.lstsq(c, x, rcond=None)[0],
            "that is the mean of the rows weighted by one latent at a time; others that fire with it disturb: "
            "solve for all of them at once": lambda x, c: (c.T @ x) / np.linalg.norm(c.T @ x, axis=1, keepdims=True),
        },
        hint="Which directions D make codes @ D closest to x? np.linalg.lstsq(codes, x, rcond=None)[0], then lengths.",
    )


def _mmcs(learned: Array, true: Array) -> float:
    return float((true @ learned.T).max(1).mean())


def check_mmcs(mmcs: Callable[[Array, Array], float]) -> None:
    """Mean over true features of the largest cosine with a latent."""
    rng = np.random.default_rng(4)
    check_function(
        "mmcs",
        mmcs,
        [(_units(rng, 5, 4), _units(rng, 3, 4)), (_units(rng, 3, 2), _units(rng, 3, 2))],
        _mmcs,
        hints={
            "you go over the latents; the question is what became of each true feature": lambda a, b: (
                (b @ a.T).max(0).mean()
            ),
            "an opposite direction writes the opposite: do not take the size of the cosine": lambda a, b: (
                abs(b @ a.T).max(1).mean()
            ),
            "one cosine for each true feature, then the mean, not the largest": lambda a, b: (b @ a.T).max(),
        },
        hint="For each true direction the largest cosine with a learned one, then the mean.",
    )


def check_floor(floor: Any, rescaled: Any, by_chance: Array, value: float) -> None:
    """Mean of chance, and the value between it and 1."""
    mean = float(by_chance.mean())
    best = {float(by_chance.max()): "the mean of what chance gives, not the best"}
    check_number("floor", floor, mean, hints=best, hint="The mean of by_chance.")
    check_number(
        "rescaled",
        rescaled,
        (value - mean) / (1 - mean),
        tolerance=1e-5,
        hints={value - mean: "divide by the room there is above the floor", value: "that is not rescaled"},
        hint="0 at the floor, 1 at a perfect score, linear in between.",
    )


def _f1(fires: Any, holds: Any) -> float:
    hits = (fires & holds).sum()
    return float(2 * hits / (fires.sum() + holds.sum()))


def check_f1(f1: Callable[[Any, Any], float]) -> None:
    """2 hits / (fired + held)."""
    rng = np.random.default_rng(5)
    cases = [(rng.random(60) < p, rng.random(60) < q) for p, q in ((0.5, 0.5), (0.3, 0.8), (0.9, 0.2))]
    check_function(
        "f1",
        f1,
        cases,
        _f1,
        hints={
            "that is the precision: it forgets the rows that were missed": lambda a, b: (a & b).sum() / a.sum(),
            "that is the recall: it forgets the false alarms": lambda a, b: (a & b).sum() / b.sum(),
            "that is the accuracy: rows where neither happens should not count": lambda a, b: (a == b).mean(),
            "that is the overlap (Jaccard); F1 counts the hits twice": lambda a, b: (a & b).sum() / (a | b).sum(),
        },
        hint="2 * hits / (rows where it fires + rows where the feature holds).",
    )


def check_always_on(always_on: Any) -> None:
    """2p / (1 + p) at p = .2."""
    hints = {0.2: "that is its precision", 0.4: "the denominator is not 1", 0.5: "that would be at p = 1/3"}
    told = "In shares of the rows: hits p, it fired 1, the feature held p."
    check_number("always_on", always_on, 2 * 0.2 / 1.2, hints=hints, hint=told)


def check_k1(k1_is: Any, low: float, high: float) -> None:
    """Which way the paired interval lies."""
    truth = "lower" if high < 0 else "higher" if low > 0 else "equal"
    why = "features that fire together are missed with one pick; and look at the sign of the interval"
    check_choice("k1_is", k1_is, truth, {word: why for word in ("higher", "lower", "equal") if word != truth})
