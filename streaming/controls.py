"""Floors and ceilings of a sample on disk: fitted on a bounded part of it, or from sums over all of it.

| reference | fitted on |
|---|---|
| random dictionary | mean and gain of the kept training positions |
| PCA | covariance of all training positions, streamed |
| probes, least squares | the kept training positions and their labels |
| identity | nothing |

Kept are whole training games, in a seeded order, as long as they fit: all of them in a small sample, which then has the
references that `fiducial.evaluate` gives it. SAEs with a frozen decoder and those of a randomly initialised model need
training of their own and are no part of this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.controls import identity_dictionary, pca_from_covariance, random_dictionary
from ..models.dictionary import Dictionary
from ..references import shared_k
from ..supervised_dicts.least_squares import fit_least_squares
from ..supervised_dicts.probes import fit_probes
from .sample import GameSplit, Sample
from .source import CHUNK_ROWS, prefetched, rows_within

FIT_ROWS = 20_000  # training positions that references are fitted on at most
KINDS = ("random dictionary", "PCA", "probes", "least squares", "identity")


@dataclass(frozen=True)
class Control:
    """A floor or ceiling.

    Attributes:
        name: a column of the report, as in reports on testbeds.
        role: which of both.
        make: fits it.
    """

    name: str
    role: Literal["floor", "ceiling"]
    make: Callable[[], Dictionary]


@dataclass(frozen=True)
class Kept:
    """Training positions that references are fitted on.

    Attributes:
        x: float32 [n, d].
        labels: bool [n, F], features that can be reached and are no counterparts.
        names: of these features.
        of_rows: training positions of the whole sample.
    """

    x: torch.Tensor
    labels: NDArray[np.bool_]
    names: tuple[str, ...]
    of_rows: int


def kept_training_rows(sample: Sample, split: GameSplit, *, most_rows: int = FIT_ROWS, seed: int = 0) -> Kept:
    """Whole training games in a seeded order, as many as fit; always at least one.

    Args:
        sample: activations.
        split: which games are for training.
        most_rows: positions at most, unless the first game is longer.
        seed: of the order.

    Raises:
        ValueError: a sample without activations.
    """
    if sample.d_in is None:
        raise ValueError(f"{sample.path} holds latents; references are fitted on activations")
    training = np.flatnonzero(split.train)
    order = np.random.default_rng(seed).permutation(training)
    fits = np.cumsum(split.n_rows[order]) <= most_rows
    fits[0] = True
    kept = np.zeros(len(split.ids), np.bool_)
    kept[order[fits]] = True
    n_kept = int(split.n_rows[kept].sum())
    columns = sample.features.where(counterpart=False, reachable=True)
    x = torch.empty(n_kept, sample.d_in)
    labels = np.empty((n_kept, len(columns)), np.bool_)
    done = 0
    for rows in sample.rows(min(CHUNK_ROWS, rows_within(1 << 27, sample)), frozenset({"x", "labels"})):
        here = np.flatnonzero(kept[np.searchsorted(split.ids, rows.game_id)])
        if len(here):
            assert rows.x is not None
            assert rows.labels is not None
            x[done : done + len(here)] = rows.x[torch.from_numpy(here)]
            labels[done : done + len(here)] = rows.labels.take(here).to_dense()[:, columns]
            done += len(here)
        if done == n_kept:
            break
    return Kept(x, labels, sample.features.take(columns).names, int(split.n_rows[split.train].sum()))


def training_moments(
    sample: Sample, split: GameSplit, *, progress: str | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean [d] and scatter [d, d] about it of all training activations, float64, in one pass.

    Sums are taken about the first training activation, so that a large mean costs no digits.
    """
    assert sample.d_in is not None
    from tqdm.auto import tqdm

    total = torch.zeros(sample.d_in, dtype=torch.float64)
    square = torch.zeros(sample.d_in, sample.d_in, dtype=torch.float64)
    shift: torch.Tensor | None = None
    n = 0
    size = min(CHUNK_ROWS, rows_within(1 << 27, sample))
    with tqdm(total=sample.n_rows, desc=progress, unit="row", unit_scale=True, leave=False, disable=None) as bar:
        for rows in prefetched(sample.rows(size, frozenset({"x"}))):
            assert rows.x is not None
            x = rows.x[torch.from_numpy(split.train_rows(rows.game_id))].double()
            if len(x):
                shift = x[0].clone() if shift is None else shift
                x -= shift
                total += x.sum(0)
                square += x.T @ x
                n += len(x)
            bar.update(len(rows.game_id))
    assert shift is not None  # a split has games on both sides
    mean = total / n
    return mean + shift, square - n * torch.outer(mean, mean)


def controls_of(
    sample: Sample,
    split: GameSplit,
    *,
    n_latents: int,
    l0: float,
    fit_rows: int = FIT_ROWS,
    seed: int = 0,
    progress: bool = True,
) -> tuple[list[Control], dict[str, int]]:
    """The references for dictionaries of one width and L0, and how much of the sample they were fitted on.

    Args:
        sample: activations.
        split: which games are for training.
        n_latents: width of the dictionary under test.
        l0: its mean number of active latents.
        fit_rows: training positions to fit on at most.
        seed: of the kept games, the random directions and the probes.
        progress: show a bar.
    """
    kept = kept_training_rows(sample, split, most_rows=fit_rows, seed=seed)
    k = shared_k(n_latents, l0)
    random, (pca, probes, squares, identity) = f"random dictionary ({n_latents}, L0 {k})", KINDS[1:]
    assert sample.d_in is not None
    width = sample.d_in

    def principal() -> Dictionary:
        moments = training_moments(sample, split, progress="covariance" if progress else None)
        return pca_from_covariance(*moments, name=pca)

    def probed() -> Dictionary:
        return fit_probes(kept.x, kept.labels, feature_names=kept.names, seed=seed, name=probes)

    return [
        Control(random, "floor", lambda: random_dictionary(kept.x, n_latents, k, seed=seed, name=random)),
        Control(pca, "floor", principal),
        Control(probes, "ceiling", probed),
        Control(
            squares,
            "ceiling",
            lambda: fit_least_squares(kept.x, kept.labels, feature_names=kept.names, name=squares),
        ),
        Control(identity, "ceiling", lambda: identity_dictionary(width, name=identity)),
    ], {"rows": len(kept.x), "of_rows": kept.of_rows}
