# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Description length: how many bits does it take to send a row's latents, and would plain linear coding need fewer?

Equations     a latent is sent as: silent or not, and where not, the bin of its value; p_i share of rows on which it
              differs from 0, q_i(b) share of those in bin b, both counted on the choosing rows
  mdl_bits            E over rows of  sum_i -log2(p_i or 1 - p_i) - sum_{i that differs from 0} log2 q_i(bin)
  mdl_score           R(D) / (R(D) + bits), D the mean squared error of the reconstruction from the bins; with as many
                      bins as make it largest (chosen on the choosing rows, reported on the others)
  R(D)                bits of a Gaussian code of the activations with mean squared error D: reverse water-filling over
                      the eigenvalues v_j of their covariance: sum_j max(0, log2(v_j / t) / 2), sum_j min(t, v_j) = D
  mdl_saebench_error  the published sum_i H(p_i) + p_i H(histogram_i), see below, least over bins whose error is small
Conventions   Bins are of equal width between 0 and the extremes of a latent on the choosing rows; what falls outside
              counts to the last one. A bin stands for the mean of what fell into it. Shares are counted with half a
              count more, so that nothing is impossible; a latent that never fired while choosing costs nothing silent.
              The dictionary itself is not sent: over many rows its share goes to 0. Reconstructions from bins are
              x' + (binned - latents) @ directions, exact where decoding is linear. Intervals resample games.
              Bits alone are a description: nothing is shortest. At equal error they compare: 0.5 is what linear coding
              without a dictionary takes; 0 is a reconstruction no closer than the mean, which takes no bits.
References    Ayonrinde, Pearce and Sharkey 2024, MDL-SAEs (arXiv 2410.11179); SAEBench, evaluation `mdl`;
              reverse water-filling: Cover and Thomas, Elements of Information Theory, section 10.3.
Differences from published code (`protocol="saebench"` keeps all but the third)
              1. The published histogram of a latent counts rows on which it is silent, in the lowest bin, though the
                 bit that says so is paid already: longer for every latent that fires.
              2. Published bins reach from 0 to 100 at least: latents that stay small fall into one bin, for nothing.
              3. Published densities are found again inside of the loop over latents: here one pass over sparse codes.
              4. Published reconstructions put a silent latent into the middle of the lowest bin, so that all write.
              5. The published k limits the latents of the reconstruction, never those that are described.
              6. Published bits and error stand apart, and bits are paid on the rows they were counted on.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .core import checked_matrix
from .inputs import Latents, as_codes, as_games, as_split
from .mdl_saebench import Described, published_lengths
from .properties import Properties
from .score import Score, game_weights, interval, stamped

if TYPE_CHECKING:
    from ..models.dictionary import Codes

BINS = (1, 2, 4, 8, 16, 32)
BITS_BINS = 8  # of `mdl_bits`
_NEEDS = ("latents", "game_id", "train")
PROPERTIES: dict[str, Properties] = {
    "mdl_bits": Properties(
        question="How many bits describe the latents of a row, each value in one of eight bins?",
        direction="none",
        low=0.0,
        high=inf,
        chance="0 for a dead dictionary",
        needs=_NEEDS,
        symmetries=("latent permutation", "positive rescaling", "dead latent", "game order"),
        notices=(),
        limits="Says nothing of what the bits buy: a dictionary that never fires has the shortest description.",
    ),
    "mdl_score": Properties(
        question="Do the latents of a row take fewer bits than linear coding to the same error?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0.5 for linear coding without a dictionary, less for random directions, 0 for what explains nothing",
        needs=(*_NEEDS, "x", "x_hat", "directions"),
        symmetries=("latent permutation", "dead latent", "game order", "rotation"),
        notices=(
            "noise",
            "permuted decoder",
            "permuted encoder",
            "random",
            "frozen decoder",
            "half",
            "duplicated",
            "split",
            "merged",
            "dead",
        ),
        limits="Never looks at the truth: whatever codes shorter is better, absorption included, which saves bits.",
    ),
    "mdl_saebench_error": Properties(
        question="How long is the published description of a row's latents?",
        direction="down",
        low=0.0,
        high=inf,
        chance="0 for a dead dictionary",
        needs=(*_NEEDS, "x", "x_hat", "directions"),
        symmetries=("latent permutation", "dead latent", "game order", "rotation"),
        notices=("duplicated", "split"),
        claims=("random",),
        limits="Blind to what the bits buy, and hardly asks how large values are: nothing is described shortest.",
    ),
}


def mdl(
    latents: Latents,
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    x: NDArray[np.floating],
    x_hat: NDArray[np.floating],
    directions: NDArray[np.floating],
    bins: Sequence[int] = BINS,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: Literal["fiducial", "saebench"] = "fiducial",
) -> dict[str, Score]:
    """Bits a row, and bits against those of linear coding at the same error.

    Args:
        latents: Codes or floating [N, L].
        game_id: integer [N].
        train: bool [N], rows on which shares are counted and the number of bins is chosen; no game on both sides.
        x: activations, floating [N, d].
        x_hat: reconstructions, floating [N, d].
        directions: floating [L, d], what each latent writes.
        bins: numbers of bins to try.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.
        protocol: `saebench` gives the published figures under their names: `description_length` and `mse_loss`, with
            the sweep over bins and k in the table of the first.

    Returns:
        Scores by name: `mdl_bits`, `mdl_score`, `mdl_saebench_error`. The table of `mdl_score` holds, for
        each number of bins, bits, explained variance and the bits of linear coding on the reporting rows.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, bins below 1, or fewer than two games.

    Examples:
        >>> import numpy as np
        >>> latents = (np.random.default_rng(0).random((400, 8)) < 0.1) * 1.0  # eight rare features of one size
        >>> games = np.repeat(np.arange(20), 20)
        >>> shared = dict(game_id=games, train=games < 10, x=latents, directions=np.eye(8), n_resamples=20)
        >>> scores = mdl(latents, x_hat=latents, **shared)  # rebuilt to the last bit, in few bits
        >>> round(scores["mdl_score"].value, 3), round(scores["mdl_bits"].value, 1)
        (1.0, 4.0)
    """
    codes = as_codes(latents)
    games = as_games(game_id, codes.n_rows)
    train = as_split(train, games)
    if not bins or min(bins) < 1:
        raise ValueError(f"bins must be numbers from 1, got {list(bins)}")
    matrices = (checked_matrix(value, name) for value, name in ((x, "x"), (x_hat, "x_hat"), (directions, "directions")))
    given = Described(codes, games, train, *matrices)
    shapes = {"x": given.x.shape, "x_hat": given.x_hat.shape, "directions": given.directions.shape}
    width = given.x.shape[1]
    if shapes != {"x": (codes.n_rows, width), "x_hat": (codes.n_rows, width), "directions": (codes.n_latents, width)}:
        raise ValueError(
            f"x and x_hat must be [{codes.n_rows}, d] and directions [{codes.n_latents}, d], got "
            f"{ {name: list(shape) for name, shape in shapes.items()} }"
        )
    published = published_lengths(given, n_resamples, seed)
    if protocol == "saebench":
        return {name: replace(one, protocol="saebench") for name, one in published.items()}
    length = published["description_length"]
    scores = {
        **_scores(given, tuple(bins), n_resamples, seed),
        "mdl_saebench_error": replace(length, metric="mdl_saebench_error"),
    }
    return stamped(scores, PROPERTIES)


def code_lengths(codes: "Codes", train: NDArray[np.bool_], n_bins: int) -> tuple[NDArray[np.float64], ...]:
    """Bits of each row and the value that each entry is received as.

    Args:
        codes: of N rows.
        train: bool [N], rows on which shares and bins are counted.
        n_bins: of the values of a latent that differ from 0.

    Returns:
        bits, float64 [N], and received values, float64 [nnz].
    """
    n_train, rows, latent = int(train.sum()), codes.rows, codes.indices.astype(np.int64)
    seen = train[rows]
    fires = np.bincount(latent[seen], minlength=codes.n_latents).astype(np.float64)
    bin_of = _bin_of(codes, seen, n_bins)
    cell = latent * n_bins + bin_of
    counts = np.bincount(cell[seen], minlength=codes.n_latents * n_bins).astype(np.float64)
    share = (fires + 0.5) / (n_train + 1)
    silent = np.where(fires > 0, np.log2(1 - share), 0.0)
    in_bin = (counts + 0.5) / (np.repeat(fires, n_bins) + 0.5 * n_bins)
    paid = silent[latent] - np.log2(share[latent]) - np.log2(in_bin[cell])
    bits = np.bincount(rows, paid, codes.n_rows) - silent.sum()
    sums = np.bincount(cell[seen], codes.values[seen], codes.n_latents * n_bins)
    met = counts[cell] > 0
    received = np.where(met, sums[cell] / np.maximum(counts[cell], 1), codes.values)  # a new cell: sent as it is
    return bits, received


def gaussian_rate(spread: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bits a row that a Gaussian code needs for a mean squared error, by reverse water-filling.

    Args:
        spread: float64 [d], eigenvalues of the covariance.
        error: float64 [K], mean squared errors summed over dimensions, above 0.

    Returns:
        float64 [K]; 0 where the error is as large as the variance.

    Examples:
        >>> import numpy as np
        >>> gaussian_rate(np.array([4.0, 1.0]), np.array([2.0, 1.0, 5.0])).tolist()  # level 1 on both; 0.5; above all
        [1.0, 2.0, 0.0]
    """
    falling = np.sort(np.asarray(spread, np.float64))[::-1]
    falling = falling[falling > 1e-12 * max(falling[0], 1e-300)]
    below = falling.sum() - np.cumsum(falling)  # variance of the components after the k-th
    order = np.arange(1, len(falling) + 1)
    at_component = order * falling + below  # the error when the level is at the k-th eigenvalue
    k = np.clip(np.searchsorted(-at_component, -np.asarray(error, np.float64), side="right"), 1, len(falling))
    level = np.minimum((error - below[k - 1]) / k, falling[k - 1])
    logs = np.cumsum(np.log2(falling))
    with np.errstate(divide="ignore"):
        rate = 0.5 * (logs[k - 1] - k * np.log2(np.maximum(level, 0.0)))
    return np.where(error >= falling.sum(), 0.0, rate)


def _bin_of(codes: "Codes", seen: NDArray[np.bool_], n_bins: int) -> NDArray[np.int64]:
    """Bin of every entry, equal in width between 0 and the extremes of its latent on the rows seen."""
    low, high = np.zeros(codes.n_latents), np.zeros(codes.n_latents)
    order = np.argsort(codes.indices[seen], kind="stable")
    if len(order):
        latent, values = codes.indices[seen][order], codes.values[seen][order]
        starts = np.flatnonzero(np.diff(latent, prepend=-1))
        low[latent[starts]] = np.minimum(np.minimum.reduceat(values, starts), 0.0)
        high[latent[starts]] = np.maximum(np.maximum.reduceat(values, starts), 0.0)
    width = np.where(high > low, high - low, 1.0)
    place = (codes.values - low[codes.indices]) / width[codes.indices] * n_bins
    return np.clip(np.ceil(place).astype(np.int64) - 1, 0, n_bins - 1)


def _scores(given: Described, bins: tuple[int, ...], n_resamples: int, seed: int) -> dict[str, Score]:
    report = ~given.train
    covariance = np.cov(given.x[given.train].T, bias=True).reshape(given.x.shape[1], -1)
    spread = np.linalg.eigvalsh(covariance).astype(np.float64)
    games = np.unique(given.games[report], return_inverse=True)[1]
    n_games = int(games.max()) + 1
    weights = game_weights(n_games, n_resamples, seed)
    variance = ((given.x[report] - given.x[report].mean(0)) ** 2).sum(1).mean()
    table: dict[str, list[float]] = {"n_bins": [], "bits": [], "explained_variance": [], "linear_bits": []}
    tried: list[tuple[float, NDArray[np.float64], NDArray[np.float64]]] = []
    for n_bins in bins:
        bits, received = code_lengths(given.codes, given.train, n_bins)
        error = _errors(given, received)
        chosen = np.array([bits[given.train].mean()]), np.array([error[given.train].mean()])
        tried.append((float(_share(*chosen, spread)[0]), bits[report], error[report]))
        linear = float(gaussian_rate(spread, np.array([error[report].mean()]))[0])
        row = (n_bins, float(bits[report].mean()), float(1 - error[report].mean() / variance), linear)
        for column, value in zip(table.values(), row, strict=True):
            column.append(value)
    sizes = weights @ np.bincount(games, minlength=n_games)

    def mean_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return weights @ np.bincount(games, values, n_games) / sizes

    flat, _ = code_lengths(given.codes, given.train, BITS_BINS)
    again = mean_of(flat[report])
    value = float(flat[report].mean())
    plain = Score("mdl_bits", value, *interval(again), details={"n_bins": BITS_BINS}, replicates=again)
    best = int(np.argmax([share for share, _, _ in tried]))
    _, bits, error = tried[best]
    share = float(_share(np.array([bits.mean()]), np.array([error.mean()]), spread)[0])
    details = {"n_bins": bins[best], "ratio": (1 - share) / share if share else inf}
    if not bits.any() and not share:
        nan, reason = float("nan"), "no latent fires, and nothing is explained"
        undefined = Score("mdl_score", nan, nan, nan, features=table, details={"undefined": reason})
        return {"mdl_bits": plain, "mdl_score": undefined}
    replicates = _share(mean_of(bits), mean_of(error), spread)
    low, high = interval(replicates)
    score = Score(
        "mdl_score",
        share,
        min(low, share),
        max(high, share),
        features=table,
        floors={"linear code": 0.5},
        details={name: value for name, value in details.items() if np.isfinite(value)},
        replicates=replicates,
    )
    return {"mdl_bits": plain, "mdl_score": score}


def _share(bits: NDArray[np.float64], error: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """R / (R + bits); 0 where both are 0, 1 where nothing is lost, which no linear code of finite length can do."""
    rate = gaussian_rate(spread, error)
    finite = np.where(np.isinf(rate), 0.0, rate)
    return np.where(np.isinf(rate), 1.0, finite / np.maximum(finite + bits, 1e-300))


def _errors(given: Described, received: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared error of each row when entries are received so, float64 [N]."""
    codes = given.codes
    moved = csr_array((received - codes.values, codes.indices, codes.indptr), shape=(codes.n_rows, codes.n_latents))
    return ((given.x - given.x_hat - moved @ given.directions) ** 2).sum(1)
