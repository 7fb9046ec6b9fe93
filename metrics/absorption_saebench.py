# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""SAEBench's absorption scores: the published rates of many properties, in its names, and of first letters.

Question      How much of a property is written by latents other than those that stand for it, in the published form?
Equations     `absorption_published.py`; of each property the sum over its samples divided by their number, then the
              mean over properties whose probe has F1 > .6 on the reporting rows
  absorption_fraction_saebench_error, absorption_full_saebench_error   the two rates under names of this catalogue
  mean_absorption_fraction_score, mean_full_absorption_score, mean_num_split_features, std_dev_ of each
                                                                       the same under SAEBench's own
Conventions   Probes and weights are fitted on the choosing rows; the number of main latents is taken from the
              reporting rows, as published. Intervals resample games. A rate without a property to average is NaN, with
              the reason.
References    SAEBench, evaluation `absorption_first_letter`; Chanin et al. 2024 (arXiv 2409.14507).
Differences from published code
              1. Those of `absorption_published.py`.
              2. First letters: with fewer than 20 letters that can be scored the published code leaves without writing
                 anything. Here the value is NaN, and the table says of each letter what it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from .absorption_published import L1_ROWS, Probes, evenly, fit_probes, l1_weights, main_latents, rates
from .core import checked_matrix
from .counts import f1_score
from .inputs import Latents, as_codes, as_games, as_split
from .properties import Properties
from .score import Score, game_weights, interval, stamped

if TYPE_CHECKING:
    from ..models.dictionary import Codes

MIN_PROBE_F1 = 0.6
MIN_LETTERS = 20
PUBLISHED_NAMES = tuple(
    f"{kind}_{stem}"
    for stem in ("absorption_fraction_score", "full_absorption_score", "num_split_features")
    for kind in ("mean", "std_dev")
)
_PROBED = ("latents", "labels", "game_id", "train", "x", "directions")
PROPERTIES: dict[str, Properties] = {
    "absorption_fraction_saebench_error": Properties(
        question="SAEBench's absorption fraction: how much of a property do other latents than its main ones write?",
        direction="down",
        low=0.0,
        high=1.0,
        chance="0 where nothing points along the probe, high where the main latents are wrong and something does",
        needs=_PROBED,
        symmetries=("dead latent",),
        notices=(),
        limits="Its probe tilts towards the children, at a perfect dictionary's cost; children's latents pass for main "
        "ones, which hides absorption; copies of a latent count as absorption.",
        claims=("absorbed",),
    ),
    "absorption_full_saebench_error": Properties(
        question="SAEBench's full absorption: how often is every main latent silent while another writes the property?",
        direction="down",
        low=0.0,
        high=1.0,
        chance="0 where the main latents always fire or nothing points along the probe",
        needs=_PROBED,
        symmetries=("dead latent",),
        notices=("absorbed",),
        limits="As the fraction: most absorption is hidden; a parent that has no latent and one that is absorbed look "
        "alike.",
    ),
}


@dataclass(frozen=True)
class Measured:
    """Published absorption of K properties.

    Attributes:
        fraction: float64 [G, K], sum over the samples of each game.
        full: float64 [G, K].
        n: float64 [G, K], samples: reporting rows with the property and a positive probe score.
        beside: the two sums with other directions in place of the probes', on the same samples; None if not asked.
        main: main latents of each property.
        main_f1: float64 [K], of the regression on them.
        probe_f1: float64 [K], on the reporting rows.
        cosines: float64 [K], of the probe with the other direction; NaN if not asked.
    """

    fraction: NDArray[np.float64]
    full: NDArray[np.float64]
    n: NDArray[np.float64]
    beside: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    main: tuple[NDArray[np.int64], ...]
    main_f1: NDArray[np.float64]
    probe_f1: NDArray[np.float64]
    cosines: NDArray[np.float64]

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Properties that are averaged, bool [K]."""
        return (self.probe_f1 > MIN_PROBE_F1) & (self.n.sum(0) > 0)


def measure_published(
    codes: "Codes",
    y: NDArray[np.bool_],
    *,
    x: NDArray[np.float64],
    directions: NDArray[np.float64],
    games: NDArray[np.int64],
    train: NDArray[np.bool_],
    probes: Probes | None = None,
    beside: NDArray[np.float64] | None = None,
) -> Measured:
    """Published absorption of every property.

    Args:
        codes: latents of N rows.
        y: bool [N, K], the properties.
        x: float64 [N, d].
        directions: float64 [L, d].
        games: int64 [N], numbered from 0 without gaps.
        train: bool [N], a split by game.
        probes: of the properties; fitted on the choosing rows by default.
        beside: unit directions [K, d] to measure along as well.
    """
    if probes is None:
        probes = fit_probes(x[train], y[train])
    lengths = np.linalg.norm(directions, axis=1)
    unit = directions / np.maximum(lengths, 1e-30)[:, None]
    folded = replace(codes, values=(codes.values * lengths[codes.indices]).astype(np.float32))
    said = probes.scores(x) > 0
    report = ~train
    toward = probes.weights / np.maximum(np.linalg.norm(probes.weights, axis=1), 1e-30)[:, None]
    chosen = np.flatnonzero(train)
    some = chosen[evenly(len(chosen), L1_ROWS)]
    weights = l1_weights(folded.take(some), y[some])
    columns = csc_array(
        _csr(folded)  # by latent, so that a few of them are taken out cheaply
    )
    reporting = np.unique(games[report], return_inverse=True)
    place = np.zeros(len(games), np.int64)
    place[report] = reporting[1]
    n_games, k = len(reporting[0]), y.shape[1]
    sums = np.zeros((5, n_games, k))  # fraction, full, n, and the first two along the other direction
    main: list[NDArray[np.int64]] = []
    main_f1 = np.zeros(k)
    for j in range(k):
        ranked = np.argsort(-weights[:, j], kind="stable")[: min(10, codes.n_latents)]
        latents = np.asarray(columns[:, ranked].toarray(), np.float32)
        found, main_f1[j] = main_latents(weights[ranked, j], latents, ranked, y[:, j], train)
        main.append(found)
        rows = np.flatnonzero(report & y[:, j] & said[:, j])
        if not len(rows):
            continue
        samples, game = folded.take(rows), place[rows]
        sums[2, :, j] = np.bincount(game, minlength=n_games)
        for start, line in ((0, toward[j]), (3, None if beside is None else beside[j])):
            if line is not None:
                rate = rates(samples, unit @ line, x[rows] @ line, found)
                sums[start, :, j] = np.bincount(game, rate.fraction, n_games)
                sums[start + 1, :, j] = np.bincount(game, rate.full, n_games)
    held = y[report]
    probe_f1 = f1_score((said[report] & held).sum(0), said[report].sum(0), held.sum(0))
    cosines = np.full(k, np.nan) if beside is None else (toward * beside).sum(1)
    other = None if beside is None else (sums[3], sums[4])
    return Measured(sums[0], sums[1], sums[2], other, tuple(main), main_f1, probe_f1, cosines)


def _csr(codes: "Codes") -> Any:
    from scipy.sparse import csr_array

    return csr_array((codes.values, codes.indices, codes.indptr), (codes.n_rows, codes.n_latents))


def headline_scores(
    measured: Measured, names: Sequence[str], depths: Sequence[int], *, n_resamples: int, seed: int
) -> dict[str, Score]:
    """The two published rates under names of this catalogue, those along the other directions in their details."""
    columns = _columns(measured, names)
    found: dict[str, Score] = {}
    for i, (kind, top) in enumerate((("fraction", measured.fraction), ("full", measured.full))):
        name = f"absorption_{kind}_saebench_error"
        score = _mean_rate(name, top, measured, depths, n_resamples, seed)
        if measured.beside is not None:
            along = _mean_rate(name, measured.beside[i], measured, depths, n_resamples, seed)
            score = replace(score, details={**score.details, "along_true_directions": along.value})
        found[name] = with_table(score, columns).beside(ceilings={"perfect": 0.0})
    return {name: replace(score, protocol="saebench") for name, score in stamped(found, PROPERTIES).items()}


def published_scores(
    measured: Measured, names: Sequence[str], *, min_scored: int = 1, n_resamples: int, seed: int
) -> dict[str, Score]:
    """The published figures in SAEBench's names.

    Args:
        measured: of K properties.
        names: of the properties.
        min_scored: properties that have to be scored; with fewer the figures are NaN.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
    """
    depths = [0] * len(names)
    main = np.array([len(m) for m in measured.main], np.float64)
    split = np.where(measured.n > 0, measured.n * main, 0.0)
    columns = _columns(measured, names)
    found: dict[str, Score] = {}
    for stem, top in (
        ("absorption_fraction_score", measured.fraction),
        ("full_absorption_score", measured.full),
        ("num_split_features", split),
    ):
        score = with_table(_mean_rate(f"mean_{stem}", top, measured, depths, n_resamples, seed), columns)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (top.sum(0) / measured.n.sum(0))[measured.scored]
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        nan = float("nan")
        found[score.metric] = score
        found[f"std_dev_{stem}"] = Score(
            f"std_dev_{stem}", spread, nan, nan, details={"of": "properties", "n": len(values)}
        )
    scored = int(measured.scored.sum())
    if scored < min_scored:
        reason = f"{scored} properties have a probe with F1 > {MIN_PROBE_F1}, the published mean needs {min_scored}"
        found = {
            name: replace(
                score, value=nan, low=nan, high=nan, replicates=None, details={**score.details, "undefined": reason}
            )
            for name, score in found.items()
        }
    return {name: replace(score, protocol="saebench") for name, score in found.items()}


def first_letter_absorption(
    latents: Latents,
    words: Sequence[str],
    *,
    x: NDArray[np.floating],
    directions: NDArray[np.floating],
    train: NDArray[np.bool_] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """The published task: absorption of the first letters of words.

    Args:
        latents: Codes or floating [N, L] of the activations.
        words: N words of the letters a to z, upper or lower case, a leading space allowed. Spellings of one word that
            differ in these stay on one side of the split and are resampled together.
        x: activations at the words, floating [N, d].
        directions: floating [L, d].
        train: bool [N], words that choose; by default four fifths of them at random, as published.
        n_resamples: bootstrap resamples over words.
        seed: of the bootstrap and of the default split.

    Returns:
        Scores by SAEBench's names; the table has one row a letter.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, or a word that is not of letters.

    Examples:
        >>> import numpy as np
        >>> from string import ascii_lowercase
        >>> words = [a + b + c for a in ascii_lowercase for b in "aeiou" for c in "klmn"]
        >>> first = np.array([[word[0] == letter for letter in ascii_lowercase] for word in words]) * 1.0
        >>> scores = first_letter_absorption(first, words, x=first, directions=np.eye(26), n_resamples=20)
        >>> scores["mean_full_absorption_score"].value, scores["mean_num_split_features"].value  # all is well
        (0.0, 1.0)
    """
    codes = as_codes(latents)
    plain = [word.strip().lower() for word in words]
    for word in plain:
        if not (word.isascii() and word.isalpha()):
            raise ValueError(f"words must be made of the letters a to z, got {word!r}")
    if len(plain) != codes.n_rows:
        raise ValueError(f"there must be one word a row, got {len(plain)} words and {codes.n_rows} rows")
    games = as_games(np.unique(np.array(plain), return_inverse=True)[1], codes.n_rows)
    if train is None:
        train = np.random.default_rng(seed).random(int(games.max()) + 1)[games] < 0.8
    chooses = as_split(train, games)
    letters = sorted({word[0] for word in plain})
    y = np.array([word[0] for word in plain])[:, None] == np.array(letters)
    measured = measure_published(
        codes,
        y,
        x=checked_matrix(x, "x"),
        directions=checked_matrix(directions, "directions"),
        games=games,
        train=chooses,
    )
    return published_scores(measured, letters, min_scored=MIN_LETTERS, n_resamples=n_resamples, seed=seed)


def _columns(measured: Measured, names: Sequence[str]) -> dict[str, list[Any]]:
    with np.errstate(invalid="ignore", divide="ignore"):
        n = measured.n.sum(0)
        columns: dict[str, list[Any]] = {
            "feature": list(names),
            "n": n.astype(int).tolist(),
            "scored": measured.scored.tolist(),
            "fraction": (measured.fraction.sum(0) / n).tolist(),
            "full": (measured.full.sum(0) / n).tolist(),
            "main": [m.tolist() for m in measured.main],
            "main_f1": measured.main_f1.tolist(),
            "probe_f1": measured.probe_f1.tolist(),
        }
        if measured.beside is not None:
            columns["fraction_along_true"] = (measured.beside[0].sum(0) / n).tolist()
            columns["full_along_true"] = (measured.beside[1].sum(0) / n).tolist()
            columns["probe_cosine"] = measured.cosines.tolist()
    return columns


def _mean_rate(
    name: str, top: NDArray[np.float64], measured: Measured, depths: Sequence[int], n_resamples: int, seed: int
) -> Score:
    """Mean over scored properties of sums [G, K] divided by the samples."""
    kept = measured.scored
    if not kept.any():
        nan, best = float("nan"), float(measured.probe_f1.max(initial=0.0))
        reason = f"no property has a probe with F1 > {MIN_PROBE_F1} and samples; the best has {best:.2f}"
        return Score(name, nan, nan, nan, details={"undefined": reason})
    weights = game_weights(len(top), n_resamples, seed)
    sums, n = top[:, kept], measured.n[:, kept]
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = (weights @ sums) / (weights @ n)
    told = [depth for depth, keep in zip(depths, kept.tolist(), strict=True) if keep]
    return over_trees(name, sums.sum(0) / n.sum(0), replicates, told)


def over_trees(name: str, values: NDArray[np.float64], replicates: NDArray[np.float64], depths: Sequence[int]) -> Score:
    """Mean over trees, with the mean of every depth as groups.

    Args:
        name: of the score.
        values: float64 [T], NaN for a tree without samples, which is left out.
        replicates: float64 [n_resamples, T]; NaN where a resample has no samples of a tree.
        depths: of the parents, [T].
    """
    known = ~np.isnan(values)
    if not known.any():
        nan = float("nan")
        return Score(name, nan, nan, nan, details={"undefined": "no tree has a reporting row with its parent"})
    whole = _means(replicates[:, known])
    groups: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    for depth in sorted(set(depths)):
        here = known & (np.array(depths) == depth)
        if here.any():
            groups[f"depth {depth}"] = float(values[here].mean())
            intervals[f"depth {depth}"] = _interval(_means(replicates[:, here]))
    return Score(
        name,
        float(values[known].mean()),
        *_interval(whole),
        groups=groups,
        group_intervals=intervals,
        details={"n_trees": int(known.sum())},
        replicates=whole,
    )


def _means(replicates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the trees that a resample has samples of; NaN where it has none of any."""
    there = ~np.isnan(replicates)
    return np.where(there.any(1), np.where(there, replicates, 0.0).sum(1) / np.maximum(there.sum(1), 1), np.nan)


def _interval(replicates: NDArray[np.float64]) -> tuple[float, float]:
    """Over the resamples that say something."""
    return interval(replicates[np.isfinite(replicates)])


def with_table(score: Score, columns: Mapping[str, list[Any]]) -> Score:
    """The score with a table of its properties."""
    return replace(score, features=dict(columns))
