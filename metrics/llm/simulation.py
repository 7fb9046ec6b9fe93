"""Simulation: can somebody who reads the explanation alone say how strongly the latent fires at each position?

Equation      r = Pearson correlation of simulated (0 to 10) and true activations over all positions of all windows
              joined; beside it 1 - mean((t - s)^2) / mean(t^2) and 1 - mean|t - s| / mean|t|, after calibration.
Conventions   Windows are half strongest, half at random, as published; r of each half stands beside the whole.
              Calibration is linear, fitted on every other window and applied to the rest, both ways; it leaves r as it
              is. r of a constant is not defined: it stays NaN, with a reason, and is never 0.
References    Bills et al. 2023, Language models can explain neurons in language models; Paulo et al. 2025.
Differences from published code
              1. A mismatch of lengths gives a vector of zeros in the released code, hence NaN or a silent 0. Here it is
                 a failure of that window, counted.
              2. It correlates with activations rounded to 0 to 10; `truth="quantised"` gives that form.
              3. Explanations see no game of the windows that are simulated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .asking import Asked, Failures, ask
from .detection import asked_about
from .examples import windows_of
from .facts import Facts
from .nouns import Example, Explanation, Judge, Latent
from .nulls import shuffled
from .seeds import generator_of

Truth = Literal["activations", "quantised"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SimulationScore:
    """How well a latent is simulated from its explanation.

    Attributes:
        latent: its number.
        r: Pearson correlation over all positions; NaN if it is not defined.
        r_top: over the strongest windows alone.
        r_random: over the random windows alone.
        squared: 1 - mean((t - s)^2) / mean(t^2), calibrated.
        absolute: 1 - mean|t - s| / mean|t|, calibrated.
        n_windows: with an answer.
        n_positions: in them.
        failed: windows by reason of failure.
        undefined: why r is NaN; empty if it is not.
        null: r of another latent's explanation on the same windows; NaN if not asked.
    """

    latent: int
    r: float
    r_top: float = nan
    r_random: float = nan
    squared: float = nan
    absolute: float = nan
    n_windows: int = 0
    n_positions: int = 0
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    undefined: str = ""
    null: float = nan


def windows(facts: Facts, window: int, *, train: bool = False) -> list[NDArray[np.int64]]:
    """Positions of games in pieces of `window` that follow each other, on a fixed grid from each game's first.

    Args:
        facts: with games and positions.
        window: positions a piece, at least 2.
        train: of the choosing games instead of the reporting ones.

    Returns:
        Rows of every piece, in order; a rest of at least 2 is kept, a single position is not.

    Raises:
        ValueError: a window of fewer than 2 positions.
    """
    if window < 2:
        raise ValueError(f"a window to simulate needs at least 2 positions, got {window}")
    cut = windows_of(facts, window)
    pieces = [cut.rows(i) for i in np.flatnonzero(cut.train == train).tolist()]
    return [rows for rows in pieces if len(rows) >= 2]


def top_and_random(
    latent: Latent,
    pieces: Sequence[NDArray[np.int64]],
    *,
    n: int = 10,
    seed: int = 0,
) -> tuple[Example, ...]:
    """Windows to simulate: half those with the largest activations, half drawn from all others.

    Args:
        latent: where it fires.
        pieces: from `windows`.
        n: how many, at least 2; half of them, rounded up, are the strongest.
        seed: of the draw, which depends on the seed and the latent alone.

    Returns:
        As many as there are; `source` says `top` or `random`. A random window may hold firings: that is the point.
    """
    if n < 2:
        raise ValueError(f"at least 2 windows are simulated, got {n}")
    dense = latent.dense()
    starts = np.cumsum([0, *(len(rows) for rows in pieces[:-1])])
    peaks = np.maximum.reduceat(dense[np.concatenate(list(pieces))], starts) if pieces else np.zeros(0, np.float32)
    order = np.argsort(-peaks, kind="stable")
    top = [int(i) for i in order[: (n + 1) // 2] if peaks[i] > 0]
    chosen = set(top)
    rest = np.array([i for i in range(len(pieces)) if i not in chosen], np.int64)
    drawn = generator_of(seed, "simulated windows", latent.number).permutation(rest)[: n // 2].tolist()
    return tuple(_example(pieces[i], dense, source) for source, some in (("top", top), ("random", drawn)) for i in some)


def _example(rows: NDArray[np.int64], dense: NDArray[np.float32], source: str) -> Example:
    values = tuple(float(value) for value in dense[rows])
    return Example(tuple(int(row) for row in rows), values, any(value > 0 for value in values), source=source)


def score_simulation(asked: Asked, *, truth: Truth = "activations", maximum: float = nan) -> SimulationScore:
    """Score one latent from a judge's simulations.

    Args:
        asked: windows with their answers.
        truth: true activations, or those rounded up to 0 to 10 as the released code of Paulo et al. has them.
        maximum: activation that stands for 10; by default the largest in the windows.

    Raises:
        ValueError: something else than a simulation, or an unknown truth.
    """
    if asked.mode != "simulation":
        raise ValueError(f"only a simulation has activations, got {asked.mode}")
    if truth not in ("activations", "quantised"):
        raise ValueError(f"truth must be 'activations' or 'quantised', got {truth!r}")
    answered = asked.answered()
    common = {"n_windows": len(answered), "n_positions": sum(len(value) for _, value in answered)}
    if asked.undefined:
        return SimulationScore(asked.latent, nan, failed=asked.failed, undefined=asked.undefined, **common)
    simulated = [np.array(value, np.float64) for _, value in answered]
    true = [np.array(example.values, np.float64) for example, _ in answered]
    if truth == "quantised":
        top = maximum if np.isfinite(maximum) else max(float(t.max()) for t in true)
        true = [quantised(t, top) for t in true]
    r, reason = correlation(np.concatenate(simulated), np.concatenate(true))
    halves = {
        source: correlation(
            *(
                np.concatenate([part[i] for i, (e, _) in enumerate(answered) if e.source == source] or [np.zeros(0)])
                for part in (simulated, true)
            )
        )[0]
        for source in ("top", "random")
    }
    squared, absolute = normalised(calibrated(simulated, true), true)
    return SimulationScore(
        asked.latent, r, halves["top"], halves["random"], squared, absolute, failed=asked.failed, undefined=reason,
        **common,
    )  # fmt: skip


def correlation(simulated: Floats, true: Floats) -> tuple[float, str]:
    """Pearson's r and, where it is not defined, why.

    >>> correlation(np.array([0.0, 10.0]), np.array([1.0, 3.0])), correlation(np.ones(2), np.array([1.0, 3.0]))
    ((1.0, ''), (nan, 'the simulated activations are constant'))
    """
    if len(simulated) < 2:
        return nan, "fewer than 2 positions"
    s, t = simulated - simulated.mean(), true - true.mean()
    for values, centred, name in ((simulated, s, "simulated"), (true, t, "true")):
        if np.ptp(values) == 0 or not (centred @ centred > 0):
            return nan, f"the {name} activations are constant"
    return float(np.clip((s @ t) / np.sqrt((s @ s) * (t @ t)), -1, 1)), ""


def quantised(true: Floats, maximum: float) -> Floats:
    """Activations as whole numbers, ceil(10 a / maximum), held to 0 to 10; all 0 if the maximum is not above 0."""
    return np.clip(np.ceil(10 * true / maximum), 0, 10) if maximum > 0 else np.zeros_like(true)


def calibrated(simulated: Sequence[Floats], true: Sequence[Floats]) -> list[Floats]:
    """Simulated activations on the scale of the true ones, by least squares on the other windows.

    Windows at even places are fitted for those at odd places and the other way round, so that no window calibrates
    itself; with one window there is nothing to fit on, and it stays as it is.
    """
    out = [np.array(s) for s in simulated]
    if len(simulated) < 2:
        return out
    for side in (0, 1):
        s, t = (np.concatenate([part[i] for i in range(1 - side, len(part), 2)]) for part in (simulated, true))
        spread = s - s.mean()
        slope = float(spread @ t / (spread @ spread)) if spread @ spread > 0 else 0.0
        for i in range(side, len(out), 2):
            out[i] = t.mean() + slope * (simulated[i] - s.mean())
    return out


def normalised(simulated: Sequence[Floats], true: Sequence[Floats]) -> tuple[float, float]:
    """1 - mean((t - s)^2) / mean(t^2) and 1 - mean|t - s| / mean|t|; NaN where nothing fires."""
    s, t = np.concatenate(list(simulated)), np.concatenate(list(true))
    if not t.any():
        return nan, nan
    return float(1 - ((t - s) ** 2).mean() / (t**2).mean()), float(1 - np.abs(t - s).mean() / np.abs(t).mean())


def simulation(
    explanations: Sequence[Explanation],
    exams: Mapping[int, Sequence[Example]],
    judge: Judge,
    *,
    failures: Failures = "drop",
    truth: Truth = "activations",
    maxima: Mapping[int, float] | None = None,
    null: bool = True,
    seed: int = 0,
) -> list[SimulationScore]:
    """Simulation of every latent.

    Args:
        explanations: one a latent.
        exams: windows by latent, from `top_and_random`.
        judge: who simulates.
        failures: `drop` or `raise`.
        truth: see `score_simulation`.
        maxima: by latent, the activation that stands for 10 where truth is quantised.
        null: also simulate from shuffled explanations.
        seed: of the order of the windows and of the shuffle.

    Returns:
        In the order of the explanations; one without explanation or windows is NaN and says why.

    Raises:
        KeyError: a latent without exam.
        RuntimeError: a failure, where `raise` was asked for.
        ValueError: options out of range.
    """
    tops = maxima or {}
    asked = ask(judge, asked_about("simulation", explanations, exams, 1, seed), failures=failures)
    nulls: dict[int, float] = {}
    if null:
        others = asked_about("simulation", shuffled(explanations, seed=seed), exams, 1, seed)
        for number, one in ask(judge, others, failures=failures).items():
            nulls[number] = score_simulation(one, truth=truth, maximum=tops.get(number, nan)).r
    found: list[SimulationScore] = []
    for one in explanations:
        if one.latent in asked:
            score = score_simulation(asked[one.latent], truth=truth, maximum=tops.get(one.latent, nan))
            found.append(replace(score, null=nulls.get(one.latent, nan)))
        else:
            reason = f"no explanation: {one.failure}" if one.failure else "no windows"
            found.append(SimulationScore(one.latent, nan, undefined=reason))
    return found
