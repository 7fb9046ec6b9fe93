"""The scoring core: for every (latent, feature) pair the exact best threshold, F1, precision, recall and AUROC.

Conventions   A latent fires where it is > 0. A threshold v is one of its positive values, the prediction is
              `act >= v`; the best F1 wins, of equal ones the highest threshold. A latent that never meets a positive
              has F1 0, on = 0 and threshold infinity (predict nothing). AUROC ranks all values: positive ones, then
              zeros, then negative ones (signed dictionaries), ties as a half; NaN for a constant label.
              All counts are exact integers, F1s are compared as fractions. Latents are compared as float32.
Paths         numba on a CPU, Triton on a CUDA device (torch, where Triton is missing), plain numpy as the
              definition; all give the same integers.
Source        The threshold sweep over sorted scores is the textbook one (as in scikit-learn's precision_recall_curve
              and roc_auc_score, the oracles of the tests).
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .inputs import LabelBits, Labels, Latents, as_codes, as_label_bits

if TYPE_CHECKING:
    from ..models.dictionary import Codes
    from .counts_triton_codes import DeviceCodes, DeviceLabels

Implementation = Literal["auto", "numba", "torch", "triton", "plain"]
IMPLEMENTATIONS = ("auto", "numba", "torch", "triton", "plain")


@dataclass(frozen=True)
class SortedCodes:
    """Codes by latent: entries colptr[l] to colptr[l + 1] are those of latent l, largest value first.

    Attributes:
        colptr: int64 [L + 1].
        rows: int32 [nnz], position of each entry; equal values in order of position.
        values: float32 [nnz].
        negative: int64 [L], first negative entry of each latent.
        n_rows: N.
    """

    colptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]
    negative: NDArray[np.int64]
    n_rows: int

    @property
    def n_latents(self) -> int:
        """Width of the dictionary."""
        return len(self.colptr) - 1

    @property
    def n_firing(self) -> NDArray[np.int64]:
        """Positions at which each latent fires, int64 [L]."""
        return self.negative - self.colptr[:-1]

    @cached_property
    def maxima(self) -> NDArray[np.float32]:
        """Largest value of each latent, float32 [L]; 0 if it never fires."""
        found = np.zeros(self.n_latents, np.float32)
        fires = self.n_firing > 0
        found[fires] = self.values[self.colptr[:-1][fires]]
        return found

    def slice(self, start: int, stop: int) -> "SortedCodes":
        """Latents start..stop."""
        first, last = int(self.colptr[start]), int(self.colptr[stop])
        return SortedCodes(
            self.colptr[start : stop + 1] - first,
            self.rows[first:last],
            self.values[first:last],
            self.negative[start:stop] - first,
            self.n_rows,
        )

    def values_at(self, entries: NDArray[np.integer]) -> NDArray[np.float32]:
        """Values of some entries, float32 in the shape of `entries`."""
        return self.values[entries]

    def n_above(self, thresholds: NDArray[np.floating], strict: bool) -> NDArray[np.int64]:
        """Entries that fire above thresholds [L, T], int64 [L, T]; `strict` means `>`, otherwise `>=`."""
        out = np.zeros(thresholds.shape, np.int64)
        limits = thresholds.astype(np.float32, copy=False)
        for latent in range(self.n_latents):
            falling = self.values[self.colptr[latent] : self.negative[latent]]
            out[latent] = np.searchsorted(-falling, -limits[latent], "left" if strict else "right")
        return out


@dataclass(frozen=True)
class PairCounts:
    """Every (latent, feature) pair at its own best threshold.

    Attributes:
        tp: int32 [L, F], positives among the predictions.
        on: int32 [L, F], predictions; 0 where no threshold catches a positive.
        auroc: float64 [L, F], NaN where the label is constant.
        positives: int64 [F].
        n_rows: N.
        source: the latents that were counted, where they were counted.
    """

    tp: NDArray[np.int32]
    on: NDArray[np.int32]
    auroc: NDArray[np.float64]
    positives: NDArray[np.int64]
    n_rows: int
    source: "SortedCodes | DeviceCodes"

    @property
    def ordered(self) -> SortedCodes:
        """The latents that were counted, as arrays; brought back from a device when first asked for."""
        return self.source if isinstance(self.source, SortedCodes) else self.source.host

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """2 tp / (on + positives), float64 [L, F]; 0 where nothing is caught."""
        return f1_score(self.tp, self.on, self.positives)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Tp / on, float64 [L, F]; 0 without predictions."""
        return self.tp / np.maximum(self.on, 1)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Tp / positives, float64 [L, F]; 0 without positives."""
        return self.tp / np.maximum(self.positives, 1)

    @property
    def threshold(self) -> NDArray[np.float32]:
        """Smallest value that predicts, float32 [L, F]; infinity where nothing is predicted."""
        n_latents, n_features = self.source.n_latents, len(self.positives)
        return self.threshold_at(np.arange(n_latents)[:, None], np.arange(n_features)[None])

    def threshold_at(self, latents: NDArray[np.integer], features: NDArray[np.integer]) -> NDArray[np.float32]:
        """The thresholds of some pairs only; index arrays broadcast."""
        on = self.on[latents, features]
        entries = np.maximum(self.source.colptr[:-1][latents] + on - 1, 0)
        if not len(self.source.values):
            return np.full(on.shape, np.inf, np.float32)
        values = self.source.values_at(entries)
        return np.where(on > 0, values, np.float32(np.inf)).astype(np.float32)

    def best_latents(self) -> NDArray[np.int64]:
        """Latent with the highest F1 for every feature, int64 [F]; the lowest number wins ties."""
        return self.f1.argmax(0)


def f1_score(
    tp: NDArray[np.integer] | NDArray[np.floating],
    on: NDArray[np.integer] | NDArray[np.floating],
    positives: NDArray[np.integer] | NDArray[np.floating],
) -> NDArray[np.float64]:
    """F1 from counts, 2 tp / (on + positives); 0 where nothing is predicted and nothing is there."""
    total = np.asarray(on, np.float64) + positives
    return 2.0 * tp / np.where(total > 0, total, 1.0)


def sort_codes(codes: "Codes", threads: int | None = None) -> SortedCodes:
    """Entries of every latent from the largest value down; `threads` as in `best_thresholds`."""
    from .counts_blocks_numba import keys_by_latent, read_keys
    from .counts_threads import sort_keys

    colptr, keys = keys_by_latent(codes.indptr, codes.indices, codes.values, codes.n_latents)
    sort_keys(keys, colptr, threads)
    rows, values, negative = read_keys(colptr, keys)
    return SortedCodes(colptr, rows, values, negative, codes.n_rows)


def best_thresholds(
    latents: "Latents | SortedCodes | DeviceCodes",
    labels: "Labels | DeviceLabels",
    *,
    n_features: int | None = None,
    implementation: Implementation = "auto",
    device: str = "cpu",
    threads: int | None = None,
) -> PairCounts:
    """Best threshold, F1, precision, recall and AUROC of every latent for every feature, exactly.

    Args:
        latents: Codes or floating [N, L]; sorted once by `sort_codes` or `sort_codes_on` they serve many calls.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)]; uploaded once by `labels_on` they serve many calls.
        n_features: F of packed labels.
        implementation: `auto` takes triton on a CUDA device (torch, where Triton is not installed) and numba elsewhere.
        device: for triton and torch, such as "cuda".
        threads: of numba; by default those that torch may use. The counts do not depend on it.

    Raises:
        ModuleNotFoundError: triton asked for and not installed.
        TypeError: not arrays.
        ValueError: shapes, dtypes or numbers that do not fit, or an unknown implementation.

    Examples:
        >>> import numpy as np
        >>> labels = np.array([[True], [True], [False], [False]])
        >>> pairs = best_thresholds(np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 0.0]]), labels)
        >>> pairs.f1[:, 0].tolist(), pairs.auroc[:, 0].tolist(), float(pairs.threshold[0, 0])
        ([1.0, 0.0], [1.0, 0.5], 2.0)
    """
    chosen, device = choose_implementation(implementation, device, latents)
    if chosen == "triton":
        from .counts_triton import best_pairs as triton_pairs
        from .counts_triton import put_on

        codes, device_bits = put_on(device, latents, labels, n_features)
        return PairCounts(*triton_pairs(codes, device_bits, device), device_bits.positives, codes.n_rows, codes)
    ordered, bits = _on_host(latents, labels, n_features)
    if chosen == "torch":
        from .counts_torch import best_pairs as torch_pairs

        tp, on, auroc = torch_pairs(ordered, bits, device)
    elif chosen == "numba":
        from .counts_threads import best_pairs as numba_pairs

        tp, on, auroc = numba_pairs(ordered.colptr, ordered.negative, ordered.rows, ordered.values, bits, threads)
    else:
        from .counts_plain import best_pairs as plain_pairs

        tp, on, auroc = plain_pairs(to_dense(ordered), bits.to_dense())
    return PairCounts(tp, on, auroc, bits.positives, ordered.n_rows, ordered)


def counts_at(
    latents: "Latents | SortedCodes | DeviceCodes",
    labels: "Labels | DeviceLabels",
    thresholds: NDArray[np.floating],
    *,
    strict: bool,
    n_features: int | None = None,
    implementation: Implementation = "auto",
    device: str = "cpu",
    threads: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Counts at given thresholds of every latent: on int64 [L, T] and true positives int32 [L, T, F].

    Args:
        latents: Codes or floating [N, L], or sorted ones.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)], or uploaded ones.
        thresholds: [L, T], compared as float32; a latent never fires where it is <= 0.
        strict: `act > threshold` if true, `act >= threshold` otherwise.
        n_features: F of packed labels.
        implementation: as in `best_thresholds`.
        device: for triton and torch, such as "cuda".
        threads: as in `best_thresholds`.

    Raises:
        ModuleNotFoundError: triton asked for and not installed.
        TypeError: not arrays.
        ValueError: shapes, dtypes or numbers that do not fit, or an unknown implementation.
    """
    chosen, device = choose_implementation(implementation, device, latents)
    if chosen == "triton":
        from .counts_triton import counts_at as triton_counts
        from .counts_triton import put_on

        codes, device_bits = put_on(device, latents, labels, n_features)
        return triton_counts(codes, device_bits, _check_thresholds(thresholds, codes.n_latents), strict, device)
    ordered, bits = _on_host(latents, labels, n_features)
    limits = _check_thresholds(thresholds, ordered.n_latents)
    if chosen == "plain":
        from .counts_plain import counts_at as plain_counts

        n_on, tp = plain_counts(to_dense(ordered), bits.to_dense(), limits.astype(np.float32, copy=False), strict)
        return n_on.astype(np.int64), tp
    on = ordered.n_above(limits, strict)
    falling = bool((on[:, 1:] <= on[:, :-1]).all())  # as the kernels want them
    order = np.argsort(-on, axis=1, kind="stable")
    cuts = on if falling else np.take_along_axis(on, order, 1)
    if chosen == "torch":
        from .counts_torch import counts_at_cuts as torch_counts

        tp = torch_counts(ordered, bits, cuts, device)
    else:
        from .counts_threads import counts_at_cuts as numba_counts

        tp = numba_counts(ordered.colptr, ordered.rows, bits, cuts, threads)
    if falling:
        return on, tp
    back = np.argsort(order, axis=1, kind="stable")
    return on, np.take_along_axis(tp, back[:, :, None], 1)


def choose_implementation(implementation: Implementation, device: str, latents: object) -> tuple[Implementation, str]:
    """The implementation that `auto` means and where it runs: where sorted codes lie already, else on `device`.

    Raises:
        ValueError: an unknown one.
    """
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(f"implementation must be one of {', '.join(IMPLEMENTATIONS)}, got {implementation!r}")
    if hasattr(latents, "host"):  # codes on a device
        device = str(getattr(latents, "device"))  # noqa: B009
    if implementation != "auto":
        return implementation, device
    if not device.startswith("cuda"):
        return "numba", device
    return "triton" if find_spec("triton") is not None else "torch", device


def _on_host(
    latents: "Latents | SortedCodes | DeviceCodes", labels: "Labels | DeviceLabels", n_features: int | None
) -> tuple[SortedCodes, LabelBits]:
    plain: Any = getattr(latents, "host", latents)  # of codes and labels on a device
    plain_labels: Any = getattr(labels, "host", labels)
    ordered = plain if isinstance(plain, SortedCodes) else sort_codes(as_codes(plain))
    return ordered, as_label_bits(plain_labels, ordered.n_rows, n_features)


def _check_thresholds(thresholds: NDArray[np.floating], n_latents: int) -> NDArray[np.floating]:
    if thresholds.ndim != 2 or len(thresholds) != n_latents or np.isnan(thresholds).any():
        raise ValueError(f"thresholds must be [{n_latents}, T] without NaN, got {list(thresholds.shape)}")
    return thresholds


def counts_by_game(
    latents: "Latents | SortedCodes | DeviceCodes",
    labels: "Labels | DeviceLabels",
    games: NDArray[np.int64],
    chosen: NDArray[np.int64],
    thresholds: NDArray[np.floating],
    *,
    strict: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Counts in every game of one latent at one threshold a feature: on, tp, positives, each int64 [G, F].

    Args:
        latents: Codes or floating [N, L].
        labels: bool [N, F] or bits.
        games: int64 [N], numbered from 0 without gaps.
        chosen: int64 [F], latent of each feature; -1 predicts nothing.
        thresholds: [F].
        strict: `act > threshold` if true, `act >= threshold` otherwise.
    """
    from .counts_numba import bits_by_game, pair_counts_by_game

    ordered, bits = _on_host(latents, labels, None)
    n_games = int(games.max()) + 1
    n_on = np.zeros(len(chosen), np.int64)
    for f, (latent, limit) in enumerate(zip(chosen.tolist(), thresholds.astype(np.float32), strict=True)):
        if latent >= 0:
            falling = ordered.values[ordered.colptr[latent] : ordered.negative[latent]]
            n_on[f] = np.searchsorted(-falling, -limit, "left" if strict else "right")
    on, tp = pair_counts_by_game(bits.words, ordered.rows, ordered.colptr, chosen, n_on, games, n_games)
    return on, tp, bits_by_game(bits.words, bits.n_features, games, n_games)


def to_dense(ordered: SortedCodes) -> NDArray[np.float32]:
    """Dense latents [N, L]."""
    dense = np.zeros((ordered.n_rows, ordered.n_latents), np.float32)
    dense[ordered.rows, np.repeat(np.arange(ordered.n_latents), np.diff(ordered.colptr))] = ordered.values
    return dense
