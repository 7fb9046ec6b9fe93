"""Checks of exercise 02, superposition."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from checks import as_array, check_choice, check_function, check_number, given, require, right
from torch import Tensor


def _models(seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(6, n, generator=g), torch.randn(d, n, generator=g), 0.3 * torch.randn(n, generator=g))
        for n, d in ((5, 2), (7, 3))
    ]


def check_restore(restore: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """relu(W'W x + b), row by row."""
    check_function(
        "restore",
        restore,
        _models(1),
        lambda x, w, b: torch.relu(x @ w.T @ w + b),
        hints={
            "the ReLU is missing": lambda x, w, b: x @ w.T @ w + b,
            "the bias is missing": lambda x, w, b: torch.relu(x @ w.T @ w),
            "the bias belongs inside the ReLU": lambda x, w, b: torch.relu(x @ w.T @ w) + b,
        },
        hint="h = x @ W.T has as many columns as there are hidden dimensions; h @ W has n again.",
    )


def check_loss(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Importance-weighted squared error: sum over features, mean over rows."""
    g = torch.Generator().manual_seed(2)
    cases = [tuple(torch.rand(*shape, generator=g) for shape in ((6, n), (6, n), (n,))) for n in (4, 5)]
    check_function(
        "loss",
        loss,
        cases,
        lambda x, y, w: (w * (x - y) ** 2).sum(1).mean(),
        hints={
            "the importance is missing": lambda x, y, w: ((x - y) ** 2).sum(1).mean(),
            "sum over the features of a row, then the mean over rows; you took the mean of both": lambda x, y, w: (
                w * (x - y) ** 2
            ).mean(),
            "the mean over rows, not the sum": lambda x, y, w: (w * (x - y) ** 2).sum(),
            "importance weighs the squared error; it is not squared itself": lambda x, y, w: (
                ((w * (x - y)) ** 2).sum(1).mean()
            ),
        },
        hint="(importance * squared difference), summed over features, averaged over rows.",
    )


def _dimensionality(w: Any) -> Any:
    w = np.asarray(w, float)
    norms = np.linalg.norm(w, axis=0)
    return norms**2 / (((w / norms).T @ w) ** 2).sum(1)


def check_dimensionality(dimensionality: Callable[[Tensor], Tensor]) -> None:
    """|W_i|^2 / sum over j of (unit W_i . W_j)^2."""

    def unscaled(w: Any) -> Any:
        w = np.asarray(w, float)
        return (w**2).sum(0) / ((w.T @ w) ** 2).sum(1)

    def others_alone(w: Any) -> Any:
        w = np.asarray(w, float)
        norms = np.linalg.norm(w, axis=0)
        return norms**2 / ((((w / norms).T @ w) ** 2).sum(1) - norms**2)

    check_function(
        "dimensionality",
        dimensionality,
        [(w,) for _, w, _ in _models(3)],
        _dimensionality,
        hints={
            "in the denominator the first W_i has length 1": unscaled,
            "the sum over j includes j = i": others_alone,
        },
        hint="The squared length of a column, over the sum of squared products of its unit vector with all columns.",
    )


def check_two_to_a_dimension(share: Any) -> None:
    """Opposite pairs."""
    hints = {1.0: "each would have a dimension of its own", 2.0: "the other way round: a share of a dimension"}
    check_number("share", share, 0.5, hints=hints, hint="Put u and -u into the formula, both of length 1.")


def check_noise(predict_noise: Callable[[float, int], float]) -> None:
    """sqrt(k / d)."""
    check_function(
        "predict_noise",
        predict_noise,
        [(2.0, 32), (5.0, 64), (1.0, 10)],
        lambda k, d: np.sqrt(k / d),
        hints={
            "that is the variance; the standard deviation is its root": lambda k, d: k / d,
            "variances of independent things add up, standard deviations do not": lambda k, d: k / np.sqrt(d),
            "that is what one feature adds; k of them fire": lambda k, d: 1 / np.sqrt(d),
        },
        hint="The mean squared cosine of two random directions is 1 / d, and k of them add up.",
    )


def check_standing(floor: Any, standing: Any, score: Any) -> None:
    """The highest floor, and the place between it and the highest ceiling."""
    best = max(score.floors.values())
    others = {v: "that is a floor, but not the best one" for v in score.floors.values() if v != best}
    check_number("floor", floor, best, hints=others, hint="Take the floor that is hardest to beat: score.floors.")
    ceiling = max(score.ceilings.values())
    hints = {
        score.value - best: "divide by the distance from floor to ceiling",
        score.value / ceiling: "that ignores the floor",
        (score.value - best) / (1 - best): "the ceiling is not 1 here: see score.ceilings",
    }
    told = "0 at the floor, 1 at the ceiling, linear in between."
    check_number("standing", standing, score.normalised(), hints=hints, hint=told, tolerance=1e-4)


def check_guess(guess: Any, names: list[str], values: list[float]) -> None:
    """The first world below .5; a guess is made before the run, so a wrong one is only told."""
    given("guess", guess)
    require(guess in names, f"guess should be one of {', '.join(names)}, got {guess!r}")
    below = [name for name, value in zip(names, values, strict=True) if value < 0.5]
    first = below[0] if below else "none of them"
    if guess == first:
        right("guess")
    else:
        print(f"you guessed {guess}; it is {first}. Look at the figure: what changed from one world to the next?")


def check_narrow(most: Any) -> None:
    """32 of 64."""
    hints = {1.0: "one latent cannot be the detector of two features that fire independently"}
    check_number("most", most, 0.5, hints=hints, hint="One latent can be a perfect detector of one feature.")


def check_why_bias(why: Any) -> None:
    """What a negative bias is for."""
    hints = {
        "sparser inputs": "the inputs are what they are; look at the output",
        "shorter columns": "nothing in the loss asks for short columns",
    }
    check_choice("why", why, "cut off interference", hints)


def check_density(densities: Any) -> None:
    """An array of five densities."""
    as_array("densities", densities, (None,))
