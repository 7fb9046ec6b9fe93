"""Sample efficiency: how many games it takes until the rank of dictionaries is stable.

Every dictionary is encoded once on many games; then disjoint samples of n games are scored by themselves, half of each
choosing and half reporting, as a testbed of n games would. All dictionaries see the same samples. Agreement is given
with the full set of games (which holds each sample, so that it flatters large ones) and between samples that share
nothing (which is what a second group with games of its own would find).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.activations import split_by_game
from ..data.hdf5 import partial_file
from ..metrics.score import Score
from ..models.dictionary import Codes, Dictionary, encode_in_batches
from ..references import Candidate
from ..scoring import FAMILIES, FAMILY_OF, score_subject, supported
from ..subject import Subject
from ..testbed_catalogue import AnyTestbed
from .agreement import Mean, agreement_between, detectable, kendall, rank_agreement, spearman

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
ON_ROWS = ("coverage", "reconstruction", "codes", "fidelity")  # families that need no more than rows with labels
SIZES = (25, 50, 100, 200, 400, 1000, 2000)


@dataclass(frozen=True)
class Efficiency:
    """Values of dictionaries on samples of several sizes.

    Attributes:
        testbed: where.
        about: games in all, seeds, repeats; JSON types.
        dictionaries: names.
        full: by metric, the values on all games, one a dictionary.
        samples: by metric and size, the values [samples][dictionaries].
    """

    testbed: str
    about: Mapping[str, Any]
    dictionaries: tuple[str, ...]
    full: Mapping[str, tuple[float, ...]]
    samples: Mapping[str, Mapping[int, tuple[tuple[float, ...], ...]]]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names."""
        return tuple(self.full)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Games of a sample, rising."""
        return tuple(sorted({size for by_size in self.samples.values() for size in by_size}))

    def values(
        self, metric: str, size: int, among: Sequence[str] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of the samples [R, M] and of all games [M], of some dictionaries or of all.

        Raises:
            KeyError: an unknown metric, size or dictionary.
        """
        if metric not in self.full or size not in self.samples[metric]:
            raise KeyError(f"no values of {metric} at {size} games; there are {self.metrics} at {self.sizes}")
        if unknown := sorted(set(among or ()) - set(self.dictionaries)):
            raise KeyError(f"no dictionary {', '.join(unknown)}; there are {', '.join(self.dictionaries)}")
        chosen = [i for i, name in enumerate(self.dictionaries) if among is None or name in among]
        return np.array(self.samples[metric][size])[:, chosen], np.array(self.full[metric])[chosen]

    def tau(self, metric: str, size: int, among: Sequence[str] | None = None) -> Mean:
        """Kendall's tau of samples of a size with all games."""
        return rank_agreement(*self.values(metric, size, among))

    def stable_from(self, metric: str, level: float = 0.9, among: Sequence[str] | None = None) -> int | None:
        """The smallest size from which on mean tau with all games stays at a level; None if it never does."""
        found: int | None = None
        for size in reversed(self.sizes):
            if not self.tau(metric, size, among).value >= level:
                break
            found = size
        return found

    def frame(self, among: Sequence[str] | None = None) -> "pd.DataFrame":
        """A row a metric and size: agreement with all games and between samples, bias, detectable difference."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for metric in self.metrics:
            for size in self.sizes:
                samples, full = self.values(metric, size, among)
                row: dict[str, Any] = {"metric": metric, "games": size, "samples": len(samples)}
                for name, mean in {
                    "tau": rank_agreement(samples, full),
                    "rho": rank_agreement(samples, full, spearman),
                    "tau_between": agreement_between(samples, kendall),
                }.items():
                    row |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
                row |= {"bias": float((samples.mean(0) - full).mean()), "detectable": detectable(samples)}
                rows.append(row)
        return pd.DataFrame(rows)

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all."""
        plain = {"fiducial_efficiency": FORMAT, **asdict(self)}
        with partial_file(path) as partial:
            partial.write_text(json.dumps(plain, indent=1) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Efficiency":
        """What `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a file of something else.
        """
        try:
            plain = json.loads(Path(path).read_text())
            if plain.pop("fiducial_efficiency") != FORMAT:
                raise ValueError
            samples = {
                metric: {int(size): tuple(tuple(row) for row in rows) for size, rows in by_size.items()}
                for metric, by_size in plain.pop("samples").items()
            }
            full = {metric: tuple(values) for metric, values in plain.pop("full").items()}
            return cls(**{**plain, "dictionaries": tuple(plain["dictionaries"]), "full": full, "samples": samples})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a file of sample efficiency, format {FORMAT}") from error


def sample_efficiency(
    bed: AnyTestbed,
    dictionaries: Sequence[Dictionary],
    metrics: Sequence[str] = ("coverage", "reconstruction"),
    *,
    sizes: Sequence[int] = SIZES,
    repeats: int = 8,
    seed: int = 0,
    progress: bool = True,
) -> Efficiency:
    """Score dictionaries on disjoint samples of several sizes and on all games of a testbed.

    Args:
        bed: all games; the largest size must fit into them twice for an interval.
        dictionaries: what is ranked, at least two, of different names.
        metrics: names of those that need rows and labels only: coverage, reconstruction, of latents or of fidelity.
        sizes: games of a sample, at least 8 and no more than there are.
        repeats: samples of a size at most; as many as there are disjoint ones otherwise.
        seed: of the order in which games are dealt, and of the splits.
        progress: show a bar.

    Raises:
        KeyError: an unknown metric.
        ValueError: a metric that needs more than rows, too few dictionaries, two of one name, sizes out of range.
    """
    from tqdm.auto import tqdm

    names = _checked_metrics(bed, metrics)
    known = [dictionary.name for dictionary in dictionaries]
    if len(known) < 2 or len(set(known)) < len(known):
        raise ValueError(f"ranks are of at least two dictionaries of different names, got {', '.join(known) or 'none'}")
    wanted = tuple(sorted(dict.fromkeys(sizes)))
    if not wanted or wanted[0] < 8 or wanted[-1] > bed.n_games or repeats < 1:
        raise ValueError(f"sizes must be 8 to {bed.n_games} games, with at least 1 repeat, got {sizes} and {repeats}")
    deals = {size: deal(bed, size, repeats, seed) for size in wanted}
    whole = np.arange(len(bed.activations.game_id))
    full: dict[str, list[float]] = {name: [] for name in names}
    found: dict[str, dict[int, list[list[float]]]] = {
        name: {size: [[] for _ in parts] for size, parts in deals.items()} for name in names
    }
    steps = len(dictionaries) * (1 + sum(map(len, deals.values())))
    with tqdm(total=steps, disable=None if progress else True, desc=f"samples of {bed.name}") as bar:
        for dictionary in dictionaries:
            candidate = Candidate(dictionary.name, "tested", dictionary, bed.x)
            codes = encode_in_batches(dictionary, bed.x)
            for name, score in score_rows(bed, candidate, codes, whole, names, bed.seed).items():
                full[name].append(score.value)
            bar.update()
            for size, parts in deals.items():
                for number, rows in enumerate(parts):
                    for name, score in score_rows(bed, candidate, codes, rows, names, seed).items():
                        found[name][size][number].append(score.value)
                    bar.update()
    return Efficiency(
        bed.name,
        {
            "games": bed.n_games,
            "games_seed": bed.seed,
            "positions": len(whole),
            "vocabulary_sha256": bed.features.digest,
            "repeats": repeats,
            "seed": seed,
        },
        tuple(known),
        {name: tuple(values) for name, values in full.items()},
        {
            name: {size: tuple(tuple(row) for row in rows) for size, rows in by_size.items()}
            for name, by_size in found.items()
        },
    )


def deal(bed: AnyTestbed, size: int, repeats: int, seed: int) -> list[NDArray[np.int64]]:
    """Rows of disjoint samples of `size` games each, at most `repeats` of them, in the order of the testbed."""
    games = np.asarray(bed.activations.game_id)
    order = np.random.default_rng([seed, size]).permutation(np.unique(games))
    chunks = [order[start : start + size] for start in range(0, len(order) - size + 1, size)][:repeats]
    return [np.flatnonzero(np.isin(games, chunk)) for chunk in chunks]


def score_rows(
    bed: AnyTestbed, candidate: Candidate, codes: Codes, rows: NDArray[np.int64], metrics: Sequence[str], seed: int
) -> dict[str, Score]:
    """Scores on some rows of a testbed, half of whose games choose and half report.

    Args:
        bed: the testbed.
        candidate: the dictionary on all rows.
        codes: its latents at all rows.
        rows: int64, rising.
        metrics: checked names.
        seed: of the split.
    """
    part = Candidate(candidate.name, candidate.role, candidate.dictionary, candidate.x[rows])
    part.__dict__["codes"] = codes.take(rows)  # a cached property, known already
    games = np.asarray(bed.activations.game_id)[rows]
    about = Subject(
        part,
        bed,
        np.asarray(bed.activations.labels)[rows],
        games,
        split_by_game(games, test_fraction=0.5, seed=seed),
        bed.features,
        null=False,
        n_resamples=2,  # values are asked for, not intervals: those are over samples here
        seed=seed,
    )
    return score_subject(about, metrics)


def _checked_metrics(bed: AnyTestbed, metrics: Sequence[str]) -> list[str]:
    names = supported(bed, metrics)
    if more := [name for name in names if FAMILY_OF[name] not in ON_ROWS]:
        known = [name for family in ON_ROWS for name in FAMILIES[family].metrics]
        raise ValueError(f"rows with labels do not suffice for {', '.join(more)}: ask {', '.join(known)}")
    return names
