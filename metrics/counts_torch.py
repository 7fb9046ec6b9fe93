# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""The scoring core on torch, for CUDA devices: the same integers as the other paths, by sorted cumulative counts."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .inputs import LabelBits

if TYPE_CHECKING:
    from .counts import SortedCodes


def best_pairs(
    ordered: "SortedCodes", labels: LabelBits, device: str | torch.device, elements: int = 1 << 26
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Best (tp, on) by F1 and AUROC of every (latent, feature) pair.

    Latents are taken a few at a time and features 64 at a time, so that at most about `elements` (entry, feature)
    cells are alive; one latent is never split.

    Args:
        ordered: entries of each latent, largest value first.
        labels: of the same positions.
        device: where to count, such as "cuda".
        elements: cells of a chunk.

    Returns:
        tp int32, on int32, AUROC float64, each [L, F].
    """
    n_latents, n_features = ordered.n_latents, labels.n_features
    rows = torch.from_numpy(ordered.rows).to(device)
    values = torch.from_numpy(ordered.values).to(device)
    out_tp = np.zeros((n_latents, n_features), np.int32)
    out_on = np.zeros((n_latents, n_features), np.int32)
    out_auroc = np.empty((n_latents, n_features), np.float64)
    shifts = torch.arange(64, device=device)
    for j in range(len(labels.words)):
        span = slice(64 * j, min(64 * j + 64, n_features))
        words = torch.from_numpy(labels.words[j].view(np.int64)).to(device)
        positives = torch.from_numpy(labels.positives[span]).to(device)
        first = 0
        while first < n_latents:
            last = _chunk_end(ordered.colptr, first, elements // 64)
            entries = slice(int(ordered.colptr[first]), int(ordered.colptr[last]))
            bits = ((words[rows[entries].long(), None] >> shifts[: len(positives)]) & 1).to(torch.int32)
            colptr = torch.from_numpy(ordered.colptr[first : last + 1] - entries.start).to(device)
            tp, on, auc = _chunk(bits, values[entries], colptr, positives, labels.n_rows)
            out_tp[first:last, span] = tp.cpu().numpy()
            out_on[first:last, span] = on.cpu().numpy()
            out_auroc[first:last, span] = auc.cpu().numpy()
            first = last
    return out_tp, out_on, out_auroc


def counts_at_cuts(
    ordered: "SortedCodes",
    labels: LabelBits,
    cuts: NDArray[np.int64],
    device: str | torch.device,
    elements: int = 1 << 26,
) -> NDArray[np.int32]:
    """True positives among the first cuts[l, t] entries of each latent, int32 [L, T, F]."""
    rows = torch.from_numpy(ordered.rows).to(device)
    out = np.empty((*cuts.shape, labels.n_features), np.int32)
    shifts = torch.arange(64, device=device)
    for j in range(len(labels.words)):
        span = slice(64 * j, min(64 * j + 64, labels.n_features))
        words = torch.from_numpy(labels.words[j].view(np.int64)).to(device)
        first = 0
        while first < ordered.n_latents:
            last = _chunk_end(ordered.colptr, first, elements // 64)
            entries = slice(int(ordered.colptr[first]), int(ordered.colptr[last]))
            bits = (words[rows[entries].long(), None] >> shifts[: span.stop - span.start]) & 1
            running = torch.zeros((len(bits) + 1, bits.shape[1]), dtype=torch.int32, device=device)
            running[1:] = bits.cumsum(0, dtype=torch.int32)  # differences stay right where a sum over latents wraps
            start = torch.from_numpy(ordered.colptr[first:last] - entries.start).to(device)[:, None]
            ends = start + torch.from_numpy(cuts[first:last]).to(device)
            out[first:last, :, span] = (running[ends] - running[start]).cpu().numpy()
            first = last
    return out


def _chunk_end(colptr: NDArray[np.int64], first: int, n_entries: int) -> int:
    """One past the last latent that fits beside `first` in `n_entries`, at least one latent."""
    end = int(np.searchsorted(colptr, colptr[first] + n_entries, "right")) - 1
    return max(first + 1, min(end, len(colptr) - 1))


def _chunk(
    bits: torch.Tensor, values: torch.Tensor, colptr: torch.Tensor, positives: torch.Tensor, n_rows: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same for the latents of one chunk: bits int32 [n, B] of its entries, in order."""
    n, width = bits.shape
    n_latents = len(colptr) - 1
    zeros = torch.zeros((n_latents, width), dtype=torch.int64, device=bits.device)
    tp_pos, tp_neg, above = zeros.clone(), zeros.clone(), zeros.clone()
    best_tp, best_on = zeros.clone(), zeros.clone()
    n_pos = torch.zeros(n_latents, dtype=torch.int64, device=bits.device)
    n_neg = n_pos.clone()
    if n:
        latent = torch.repeat_interleave(torch.arange(n_latents, device=bits.device), colptr.diff())
        fires = values > 0
        n_pos.index_add_(0, latent, fires.long())
        n_neg.index_add_(0, latent, (~fires).long())
        running = bits.cumsum(0, dtype=torch.int64)  # positives among entries up to here, whatever the latent
        before_latent = torch.cat([zeros[:1, :], running])[colptr[:-1]]
        new = torch.ones(n, dtype=torch.bool, device=bits.device)
        new[1:] = (values[1:] != values[:-1]) | (latent[1:] != latent[:-1])
        starts = new.nonzero().squeeze(1)
        ends = torch.cat([starts[1:], torch.full_like(starts[:1], n)])
        owner = latent[starts]
        tp_end = running[ends - 1] - before_latent[owner]
        dt = torch.diff(torch.cat([zeros[:1], running[ends - 1]]), dim=0)
        seen = starts - colptr[owner]
        size = ends - starts
        above.index_add_(0, owner, dt * (2 * (seen[:, None] - tp_end + dt) + size[:, None] - dt))
        firing = fires[starts]
        tp_pos.index_add_(0, owner[firing], dt[firing])
        tp_neg.index_add_(0, owner[~firing], dt[~firing])
        # Exact while N < 2^26: two different fractions of such integers stay different in float64.
        on_end = (seen + size)[:, None].expand_as(tp_end)
        f1 = torch.where(firing[:, None], tp_end.double() / (on_end + positives).clamp(min=1), -1.0)
        index = owner[:, None].expand_as(f1)
        best = torch.zeros((n_latents, width), dtype=torch.float64, device=bits.device)
        best = best.scatter_reduce(0, index, f1, "amax")
        on_if_best = torch.where((f1 == best[owner]) & (f1 > 0), on_end, torch.full_like(on_end, n_rows + 1))
        best_on = torch.full_like(zeros, n_rows + 1).scatter_reduce(0, index, on_if_best, "amin")
        best_on = torch.where(best_on > n_rows, zeros, best_on)
        tp_if_best = torch.where(on_end == best_on[owner], tp_end, torch.zeros_like(tp_end))
        best_tp = zeros.scatter_reduce(0, index, tp_if_best, "amax")
    n_zero = (n_rows - n_pos - n_neg)[:, None]
    zero_tp = positives - tp_pos - tp_neg
    above += zero_tp * (2 * (n_pos[:, None] - tp_pos) + n_zero - zero_tp) + 2 * tp_neg * (n_zero - zero_tp)
    pairs = 2.0 * positives.double() * (n_rows - positives).double()
    auc = torch.where(pairs > 0, 1 - above.double() / pairs.clamp(min=1.0), float("nan"))
    return best_tp.int(), best_on.int(), auc
