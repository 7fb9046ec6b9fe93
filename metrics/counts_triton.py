# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""The scoring core on Triton: the same integers as the other paths, latents cut into pieces of bounded length.

Runs on a CUDA device; with TRITON_INTERPRET=1 set before the first import of Triton, the same kernels run on a CPU, far
too slowly for anything but tests. What the kernels do is said in `counts_triton_kernels`.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .counts import SortedCodes
from .counts_triton_codes import (
    DeviceCodes,
    DeviceLabels,
    codes_on,
    labels_on,
    mark_groups,
    sort_codes_on,
    value_rank,
)
from .inputs import LabelBits, Labels, Latents, as_label_bits


@dataclass(frozen=True)
class Tuning:
    """How work is cut; results do not depend on it.

    Attributes:
        piece: most entries of a program.
        tile: entries whose label words are loaded together, a power of two.
        warps: of 32 threads, a program.
        entries: entries of a chunk of latents (one latent is never split over chunks); each takes about 60 bytes.
        cells: (piece, feature) cells of a chunk; each takes 16 bytes.
    """

    piece: int = 2048
    tile: int = 32
    warps: int = 1
    entries: int = 1 << 25
    cells: int = 1 << 26


@dataclass(frozen=True)
class Pieces:
    """Ranges of entries of consecutive segments, cut to a bounded length.

    Attributes:
        starts: int32 [P].
        stops: int32 [P].
        owner: int32 [P], segment of each.
        pointers: int32 [S + 1], pieces of each segment.
    """

    starts: NDArray[np.int32]
    stops: NDArray[np.int32]
    owner: NDArray[np.int32]
    pointers: NDArray[np.int32]

    @classmethod
    def cut(cls, starts: NDArray[np.int64], stops: NDArray[np.int64], longest: int) -> "Pieces":
        """Cut segments starts..stops; an empty one gets no piece."""
        counts = (stops - starts + longest - 1) // longest
        pointers = np.concatenate([[0], np.cumsum(counts)])
        owner = np.repeat(np.arange(len(starts)), counts)
        begin = starts[owner] + (np.arange(pointers[-1]) - pointers[owner]) * longest
        end = np.minimum(begin + longest, stops[owner])
        return cls(begin.astype(np.int32), end.astype(np.int32), owner.astype(np.int32), pointers.astype(np.int32))


def is_there() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None


@lru_cache(maxsize=1)
def load_kernels() -> Any:
    """The module of kernels.

    Raises:
        ModuleNotFoundError: Triton is not installed.
    """
    if not is_there():
        raise ModuleNotFoundError(
            "implementation='triton' needs the package triton (Linux: pip install triton; torch for CUDA brings it); "
            "implementation='torch' counts on a device without it"
        )
    return import_module(".counts_triton_kernels", __package__)


def kernels_for(device: torch.device) -> Any:
    """The kernels, if they run on this device.

    Raises:
        ModuleNotFoundError: Triton is not installed.
        ValueError: a CPU, and Triton does not interpret.
    """
    kernels = load_kernels()
    if device.type == "cpu" and hasattr(kernels.count_pieces, "cache_key"):  # compiled ones have a key, interpreted not
        raise ValueError(
            "implementation='triton' runs on a CUDA device, got device='cpu'; to test the kernels on a CPU set "
            "TRITON_INTERPRET=1 before Triton is imported, to count on one take implementation='numba'"
        )
    return kernels


def launch(kernel: Any, programs: int, *tensors: Any, **options: Any) -> None:
    """Run so many programs of a kernel on the device of the first tensor, which need not be the current one."""
    device = tensors[0].device
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        kernel[(programs,)](*tensors, **options)


def best_pairs(
    ordered: SortedCodes | DeviceCodes,
    labels: LabelBits | DeviceLabels,
    device: str | torch.device,
    tuning: Tuning | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Best (tp, on) by F1 and AUROC of every (latent, feature) pair.

    Args:
        ordered: entries of each latent, largest value first.
        labels: of the same positions.
        device: where to count, such as "cuda".
        tuning: how work is cut.

    Returns:
        tp int32, on int32, AUROC float64, each [L, F].

    Raises:
        ModuleNotFoundError: Triton is not installed.
        ValueError: a device that the kernels cannot run on, or 2^30 positions and more.
    """
    codes, bits = put_on(device, ordered, labels)
    shape = (codes.n_latents, bits.n_features)
    tp, on, auroc = np.empty(shape, np.int32), np.empty(shape, np.int32), np.empty(shape, np.float64)
    for part, found in best_chunks(codes, bits, tuning or Tuning()):
        for whole, array in zip((tp, on, auroc), found[:3], strict=True):
            torch.from_numpy(whole)[part].copy_(array[:, : bits.n_features])
    return tp, on, auroc


def best_chunks(
    codes: DeviceCodes, labels: DeviceLabels, tuning: Tuning
) -> Iterator[tuple[slice, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]]:
    """Best pairs of a chunk of latents after another, left on the device.

    Yields:
        The latents; tp int32, on int32 and AUROC float64 [latents, 32 n_words], columns beyond F meaning nothing; and
        int32 [programs, 4]: tiles counted while best thresholds were sought, entries in them, entries walked one by
        one, and ends of groups among these.
    """
    kernels, device, width = kernels_for(codes.device), codes.device, 32 * labels.n_words
    options: dict[str, Any] = {"num_warps": tuning.warps}
    layout = (labels.n_words, labels.words.stride(0))
    p = labels.padded_positives
    wide = tuning.tile * 2 * codes.n_rows >= 1 << 31
    for part in chunks(codes, width, tuning):
        first, last = part.start, part.stop
        rows, weights = mark_groups(codes, first, last)
        colptr = codes.colptr[first : last + 1] - codes.colptr[first]
        middle = codes.negative[first:last] - codes.colptr[first]
        firing = Pieces.cut(colptr[:-1], middle, tuning.piece)
        negative = Pieces.cut(middle, colptr[1:], tuning.piece)
        n_firing, n_pieces = len(firing.owner), len(firing.owner) + len(negative.owner)
        starts, stops = (
            _up(np.concatenate([getattr(firing, name), getattr(negative, name)]), device)
            for name in ("starts", "stops")
        )
        owner, firing_at = _up(firing.owner, device), _up(firing.pointers, device)
        negative_at = _up(negative.pointers + np.int32(n_firing), device)
        latent_start = _up(colptr[:-1].astype(np.int32), device)

        def empty(n: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
            return torch.empty((n, width), dtype=dtype, device=device)

        piece_tp, piece_sum = empty(n_pieces), empty(n_pieces, torch.int64)
        if n_pieces:
            launch(
                kernels.count_pieces, n_pieces * labels.n_words,
                labels.words, rows, weights, starts, stops, piece_tp, piece_sum, *layout,
                tile=tuning.tile, weigh=True, wide=wide, **options,
            )  # fmt: skip
        before, tp, total = empty(n_firing), empty(last - first), empty(last - first, torch.int64)
        best_tp, best_size = empty(last - first), empty(last - first)
        programs = (last - first) * labels.n_words
        launch(
            kernels.join_pieces, programs,
            rows, stops, piece_tp, piece_sum, firing_at, negative_at, latent_start, p, before, tp, total,
            best_tp, best_size, labels.n_words, **options,
        )  # fmt: skip
        work = torch.zeros((n_firing * labels.n_words, 4), dtype=torch.int32, device=device)
        if n_firing:
            found_tp, found_size = piece_sum.view(torch.int32).view(2, -1, width)[:, :n_firing]  # sums are done with
            launch(
                kernels.refine_pieces, n_firing * labels.n_words,
                labels.words, rows, starts, stops, owner, latent_start, p, piece_tp, before, best_tp, best_size,
                found_tp, found_size, work, *layout, tile=tuning.tile, **options,
            )  # fmt: skip
            launch(
                kernels.choose_pieces,
                programs,
                found_tp,
                found_size,
                firing_at,
                best_tp,
                best_size,
                labels.n_words,
                **options,
            )
        counts = _up(np.stack([middle - colptr[:-1], colptr[1:] - middle]), device)
        auroc = rank_auroc(total, tp, p, counts[0], counts[1], codes.n_rows)
        yield part, (best_tp, best_size - p, auroc, work)


def rank_auroc(
    total: torch.Tensor,
    tp: torch.Tensor,
    positives: torch.Tensor,
    n_firing: torch.Tensor,
    n_negative: torch.Tensor,
    n_rows: int,
) -> torch.Tensor:
    """AUROC from sums of rank weights over the positives among entries.

    Args:
        total: int64 [L, F], sums of weights.
        tp: int32 [L, F], positives among entries; the others lie among the zeros.
        positives: int32 [F].
        n_firing: int64 [L], firing entries.
        n_negative: int64 [L], negative entries.
        n_rows: N.

    Returns:
        float64 [L, F], NaN where the label is constant.
    """
    p = positives.long()
    n_zero = (n_rows - n_firing - n_negative)[:, None]
    above = total + (p - tp) * (2 * n_firing[:, None] + n_zero) - p * p
    pairs = 2.0 * p.double() * (n_rows - p).double()
    return torch.where(pairs > 0, 1 - above.double() / pairs.clamp(min=1.0), float("nan"))


def counts_at(
    ordered: SortedCodes | DeviceCodes,
    labels: LabelBits | DeviceLabels,
    thresholds: NDArray[np.floating],
    strict: bool,
    device: str | torch.device,
    tuning: Tuning | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Counts at thresholds [L, T] of every latent: on int64 [L, T] and true positives int32 [L, T, F].

    Raises:
        ModuleNotFoundError: Triton is not installed.
        ValueError: a device that the kernels cannot run on, or 2^30 positions and more.
    """
    codes, bits = put_on(device, ordered, labels)
    tuning = tuning or Tuning()
    kernels, width = kernels_for(codes.device), 32 * bits.n_words
    n_cuts = thresholds.shape[1]
    on = np.empty(thresholds.shape, np.int64)
    out = np.empty((*thresholds.shape, bits.n_features), np.int32)
    for part in chunks(codes, width, tuning, n_cuts):
        n, first = part.stop - part.start, int(codes.colptr[part.start])
        on[part] = entries_above(codes, part, thresholds[part], strict)
        order, pieces = cut_segments(codes, part, on[part], tuning)
        total = torch.zeros((n * n_cuts, width), dtype=torch.int32, device=codes.device)
        if len(pieces.owner):
            starts, stops, owner = (_up(a, codes.device) for a in (pieces.starts, pieces.stops, pieces.owner))
            piece_tp = torch.empty((len(pieces.owner), width), dtype=torch.int32, device=codes.device)
            rows = codes.rows[first : int(codes.colptr[part.stop])]
            launch(
                kernels.count_pieces, len(pieces.owner) * bits.n_words,
                bits.words, rows, rows, starts, stops, piece_tp, piece_tp, bits.n_words, bits.words.stride(0),
                tile=tuning.tile, weigh=False, wide=False, num_warps=tuning.warps,
            )  # fmt: skip
            total.index_add_(0, owner, piece_tp)
        tp = total.view(n, n_cuts, width).cumsum(1, dtype=torch.int32)
        back = _up(np.argsort(order, axis=1, kind="stable"), codes.device)
        tp = torch.gather(tp, 1, back[:, :, None].expand_as(tp))[:, :, : bits.n_features]
        torch.from_numpy(out)[part].copy_(tp)
    return on, out


def cut_segments(
    codes: DeviceCodes, part: slice, on: NDArray[np.int64], tuning: Tuning
) -> tuple[NDArray[np.int64], Pieces]:
    """Pieces of the entries between one cut and the next: each entry is counted once, however many cuts there are.

    Returns:
        The order of the cuts of each latent from the fewest entries up, int64 [latents, T], and the pieces, whose
        owner is latent x T + place in that order.
    """
    start = (codes.colptr[part] - codes.colptr[part.start])[:, None]
    order = np.argsort(on, axis=1, kind="stable")
    ends = start + np.take_along_axis(on, order, 1)
    starts = np.concatenate([start, ends[:, :-1]], 1)
    return order, Pieces.cut(starts.ravel(), ends.ravel(), tuning.piece)


def chunks(codes: DeviceCodes, width: int, tuning: Tuning, n_cuts: int = 2) -> Iterator[slice]:
    """Ranges of latents whose entries, and pieces times `width` cells, fit; at least one latent each."""
    sizes = np.diff(codes.colptr)
    cells = np.concatenate([[0], np.cumsum((sizes // tuning.piece + n_cuts + 1) * width)])
    first = 0
    while first < codes.n_latents:
        fits = (
            np.searchsorted(codes.colptr, codes.colptr[first] + tuning.entries, "right"),
            np.searchsorted(cells, cells[first] + tuning.cells, "right"),
        )
        last = max(first + 1, int(min(fits)) - 1)
        yield slice(first, last)
        first = last


def entries_above(codes: DeviceCodes, part: slice, thresholds: NDArray[np.floating], strict: bool) -> NDArray[np.int64]:
    """Firing entries of some latents above thresholds [latents, T], int64 [latents, T]."""
    first, last = int(codes.colptr[part.start]), int(codes.colptr[part.stop])
    limits = np.ascontiguousarray(thresholds.astype(np.float32, copy=False))
    numbers = torch.arange(part.stop - part.start, device=codes.device)
    owner = torch.repeat_interleave(numbers, _up(np.diff(codes.colptr[part.start : part.stop + 1]), codes.device))
    keys = (owner << 32) | value_rank(codes.values[first:last])  # rise from one entry to the next
    wanted = (numbers[:, None] << 32) | value_rank(_up(limits, codes.device))
    found = torch.searchsorted(keys, wanted, right=not strict).cpu().numpy() + first - codes.colptr[part, None]
    return np.minimum(found, (codes.negative[part] - codes.colptr[part])[:, None])


def _up(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def put_on(
    device: str | torch.device,
    latents: "Latents | SortedCodes | DeviceCodes",
    labels: "Labels | DeviceLabels",
    n_features: int | None = None,
) -> tuple[DeviceCodes, DeviceLabels]:
    """Codes sorted and labels packed on a device; what lies there already is taken as it is.

    Raises:
        TypeError: not arrays.
        ValueError: shapes, dtypes or numbers that do not fit, or codes or labels on another device.
    """
    if isinstance(latents, DeviceCodes):
        codes = latents
    elif isinstance(latents, SortedCodes):
        codes = codes_on(device, latents)
    else:
        codes = sort_codes_on(device, latents)
    if isinstance(labels, DeviceLabels):
        bits = labels
        if bits.n_rows != codes.n_rows or n_features not in (None, bits.n_features):
            found, expected = (bits.n_rows, bits.n_features), (codes.n_rows, n_features or bits.n_features)
            raise ValueError(f"labels on a device hold rows x features {found}, expected {expected}")
    else:
        bits = labels_on(device, as_label_bits(labels, codes.n_rows, n_features))
    for name, where in (("codes", codes.device), ("labels", bits.words.device)):
        if where.type != torch.device(device).type:
            raise ValueError(f"{name} lie on {where}, but counting was asked for on {device}; put both on one device")
    return codes, bits
