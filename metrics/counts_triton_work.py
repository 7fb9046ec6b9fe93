# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""What the kernels of the scoring core do on a given input: bytes loaded and stored, integer operations, both counted.

Counted, not estimated: from the pieces, and from what the kernels themselves say of the tiles and entries they looked
at. Operations are those of the algorithm on 32-bit or 64-bit integers (a multiply-add is two); addresses and loop
counters are left out. Lanes beyond the end of a piece or beyond the last feature work too and are counted.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .counts import SortedCodes
from .counts_triton import Pieces, Tuning, best_chunks, chunks, cut_segments, entries_above, put_on
from .counts_triton_codes import DeviceCodes, DeviceLabels
from .inputs import Labels, Latents

COUNT = 3  # of a cell (entry, feature): shift, and, add
WEIGH = 2  # multiply, add
BETTER = 8  # of a comparison of two fractions: 2 multiplications, 1 subtraction, 3 comparisons, and, or
CUT = BETTER + 3  # of a (group end, feature): the size, and two selections
BOUND = BETTER + 5  # of a (tile, feature): see `hopeful`, and one maximum over features


@dataclass(frozen=True)
class Work:
    """What counting took.

    Attributes:
        bytes: asked for by the loads and stores of the kernels; caches serve part of them.
        operations: on integers.
        compulsory_bytes: each entry, label word and result moved once: no kernel can do with less.
        cells: (entry, feature) pairs of the input.
        walked: cells looked at one by one because a bound allowed a better threshold.
    """

    bytes: int
    operations: int
    compulsory_bytes: int
    cells: int
    walked: int


def work_of(
    codes: "Latents | SortedCodes | DeviceCodes",
    labels: "Labels | DeviceLabels",
    *,
    device: str = "cuda",
    thresholds: NDArray[np.floating] | None = None,
    strict: bool = True,
    tuning: Tuning | None = None,
) -> Work:
    """Count the work of `best_thresholds` on this input, or of `counts_at` where thresholds [L, T] are given.

    Sorting and transfers are not part of it. The kernels run, since how far they look depends on the numbers.

    Raises:
        ModuleNotFoundError: Triton is not installed.
        TypeError: not arrays.
        ValueError: numbers that do not fit, or a device that the kernels cannot run on.
    """
    entries, bits = put_on(device, codes, labels)
    tuning = tuning or Tuning()
    n_words, width = bits.n_words, 32 * bits.n_words
    n_entries = int(entries.colptr[-1])
    if thresholds is not None:
        n_bytes, operations, counted = 0, 0, 0
        for part in chunks(entries, width, tuning, thresholds.shape[1]):
            on = entries_above(entries, part, thresholds[part], strict)
            pieces = cut_segments(entries, part, on, tuning)[1]
            more_bytes, more_operations = _counting(pieces, n_words, tuning, weigh=False)
            n_bytes, operations, counted = (
                n_bytes + more_bytes,
                operations + more_operations,
                counted + int(on.max(1).sum()),
            )
        compulsory = 4 * counted + 4 * bits.n_rows * n_words + 4 * thresholds.size * bits.n_features
        return Work(n_bytes, operations, compulsory, counted * bits.n_features, 0)
    seen = torch.zeros(4, dtype=torch.int64)
    n_bytes, operations = 0, 0
    for part, found in best_chunks(entries, bits, tuning):
        seen += found[3].sum(0, dtype=torch.int64).cpu()
        colptr, middle = entries.colptr[part.start : part.stop + 1], entries.negative[part]
        start = colptr[0]
        firing = Pieces.cut(colptr[:-1] - start, middle - start, tuning.piece)
        negative = Pieces.cut(middle - start, colptr[1:] - start, tuning.piece)
        n_firing, n_negative, n_latents = len(firing.owner), len(negative.owner), len(middle)
        for pieces in (firing, negative):
            more_bytes, more_operations = _counting(pieces, n_words, tuning, weigh=True)
            n_bytes, operations = n_bytes + more_bytes, operations + more_operations
        n_bytes += 4 * width * (4 * (n_firing + n_negative) + 6 * n_latents)  # join_pieces: counts, sums, before, bests
        n_bytes += 4 * width * 7 * n_firing + 16 * n_firing * n_words  # refine_pieces, entries aside
        n_bytes += 4 * width * (2 * n_firing + 4 * n_latents)  # choose_pieces
        operations += width * ((BOUND + 2 + CUT + 1 + BETTER + 2) * n_firing + 2 * n_negative)
    tiles, looked_at, walked, ends = seen.tolist()
    n_bytes += 8 * (2 * looked_at + walked) + 4 * tiles  # twice: ends of tiles, then bounds
    operations += 32 * (tiles * (2 * tuning.tile * COUNT + CUT + 2 + BOUND) + walked * COUNT + ends * CUT)
    compulsory = 8 * n_entries + 4 * bits.n_rows * n_words + 16 * entries.n_latents * bits.n_features
    return Work(n_bytes, operations, compulsory, n_entries * bits.n_features, 32 * walked)


def _counting(pieces: Pieces, n_words: int, tuning: Tuning, weigh: bool) -> tuple[int, int]:
    """Bytes and operations of `count_pieces`."""
    sizes = pieces.stops.astype(np.int64) - pieces.starts
    tiles = int(((sizes + tuning.tile - 1) // tuning.tile).sum())
    per_piece = 8 + 32 * (12 if weigh else 4)
    n_bytes = n_words * (int(sizes.sum()) * (12 if weigh else 8) + len(sizes) * per_piece)
    return n_bytes, n_words * 32 * tuning.tile * tiles * (COUNT + (WEIGH if weigh else 0))
