# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Sorted codes and labels that live on a device: sorted there, uploaded once, brought back only when asked for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.dictionary import Codes
from .counts import SortedCodes
from .inputs import LabelBits, Latents, as_codes

MOST_ROWS = 1 << 30  # sums of two counts stay in int32, products in int64


@dataclass(frozen=True)
class DeviceCodes:
    """`SortedCodes` whose entries are tensors on a device.

    Attributes:
        colptr: int64 [L + 1], on the host.
        negative: int64 [L], first negative entry of each latent, on the host.
        rows: int32 [nnz].
        values: float32 [nnz].
        n_rows: N.
    """

    colptr: NDArray[np.int64]
    negative: NDArray[np.int64]
    rows: torch.Tensor
    values: torch.Tensor
    n_rows: int

    @property
    def n_latents(self) -> int:
        """Width of the dictionary."""
        return len(self.colptr) - 1

    @property
    def device(self) -> torch.device:
        """Where the entries are."""
        return self.rows.device

    @cached_property
    def host(self) -> SortedCodes:
        """The same codes as arrays, brought back once."""
        return SortedCodes(self.colptr, self.rows.cpu().numpy(), self.values.cpu().numpy(), self.negative, self.n_rows)

    def values_at(self, entries: NDArray[np.integer]) -> NDArray[np.float32]:
        """Values of some entries, float32 in the shape of `entries`."""
        chosen = torch.from_numpy(np.ascontiguousarray(entries, dtype=np.int64)).to(self.device)
        return self.values[chosen].cpu().numpy()


@dataclass(frozen=True)
class DeviceLabels:
    """Labels on a device, 32 features to a word: feature f of position n is bit f % 32 of words[n, f // 32].

    Attributes:
        words: int32 [N, 2 ceil(F / 64)]; unused bits are 0.
        n_features: F.
    """

    words: torch.Tensor
    n_features: int

    @property
    def n_rows(self) -> int:
        """Number of positions."""
        return len(self.words)

    @property
    def n_words(self) -> int:
        """Words of 32 features that hold one."""
        return (self.n_features + 31) // 32

    @cached_property
    def padded_positives(self) -> torch.Tensor:
        """Positions at which each feature holds, int32 [32 n_words] on the device; 0 beyond the last feature."""
        used = self.words[:, : self.n_words]
        counts = torch.zeros((self.n_words, 32), dtype=torch.int64, device=used.device)
        for start in range(0, self.n_rows, 1 << 22):
            for bit in range(32):
                counts[:, bit] += ((used[start : start + (1 << 22)] >> bit) & 1).sum(0)
        return counts.flatten().int()

    @cached_property
    def positives(self) -> NDArray[np.int64]:
        """Positions at which each feature holds, int64 [F]."""
        return self.padded_positives[: self.n_features].cpu().numpy().astype(np.int64)

    @cached_property
    def host(self) -> LabelBits:
        """The same labels as arrays, brought back once."""
        words = self.words.cpu().contiguous().view(torch.int64).T.contiguous().numpy()
        return LabelBits(words.view(np.uint64), self.n_features)


def labels_on(device: str | torch.device, labels: LabelBits) -> DeviceLabels:
    """Upload labels, so that the words of one position lie side by side.

    Args:
        device: such as "cuda".
        labels: of N < 2^30 positions.

    Raises:
        ValueError: too many positions.
    """
    _check_rows(labels.n_rows)
    words = torch.from_numpy(labels.words.view(np.int64)).to(device)
    turned = words.T.clone(memory_format=torch.contiguous_format)  # one word a row counts as contiguous with any stride
    return DeviceLabels(turned.view(torch.int32), labels.n_features)


def codes_on(device: str | torch.device, ordered: SortedCodes) -> DeviceCodes:
    """Upload codes that are sorted already.

    Raises:
        ValueError: too many positions.
    """
    _check_rows(ordered.n_rows)
    rows, values = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (ordered.rows, ordered.values))
    return DeviceCodes(ordered.colptr, ordered.negative, rows, values, ordered.n_rows)


def sort_codes_on(device: str | torch.device, latents: Latents, entries: int = 1 << 26) -> DeviceCodes:
    """Entries of every latent from the largest value down, sorted on a device by (latent, value, row).

    Args:
        device: such as "cuda".
        latents: Codes or floating [N, L], N < 2^30.
        entries: sorted at a time, latents whole; at work each takes about 50 bytes.

    Raises:
        TypeError: not arrays.
        ValueError: shapes, dtypes or numbers that do not fit, or too many positions.
    """
    codes = latents if isinstance(latents, Codes) else as_codes(latents)
    _check_rows(codes.n_rows)
    if codes.n_latents < 1 or codes.values.dtype != np.float32 or codes.indices.dtype != np.int32:
        as_codes(codes)
    indices, values = (torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (codes.indices, codes.values))
    if not _hold_good(codes, indices, values):
        as_codes(codes)  # the same checks on the host, which say what is wrong
    per_row = torch.from_numpy(np.diff(codes.indptr)).to(device)
    rows = torch.repeat_interleave(torch.arange(codes.n_rows, dtype=torch.int32, device=device), per_row)
    counts = torch.bincount(indices, minlength=codes.n_latents)
    fires = torch.bincount(indices[values > 0], minlength=codes.n_latents)
    colptr = np.concatenate([[0], np.cumsum(counts.cpu().numpy())]).astype(np.int64)
    negative = colptr[:-1] + fires.cpu().numpy()
    out_rows, out_values = torch.empty_like(rows), torch.empty_like(values)
    first = 0
    while first < codes.n_latents:
        last = max(first + 1, int(np.searchsorted(colptr, colptr[first] + entries, "right")) - 1)
        chosen = slice(None) if last - first == codes.n_latents else (indices >= first) & (indices < last)
        keys = (indices[chosen].long() << 32) | value_rank(values[chosen])
        order = torch.sort(keys, stable=True).indices  # entries come by row, and equal values keep that order
        span = slice(int(colptr[first]), int(colptr[last]))
        out_rows[span], out_values[span] = rows[chosen][order], values[chosen][order]
        first = last
    return DeviceCodes(colptr, negative, out_rows, out_values, codes.n_rows)


def value_rank(values: torch.Tensor) -> torch.Tensor:
    """Numbers below 2^32 that rise where float32 values fall, int64: positive bits are turned round."""
    bits = values.view(torch.int32).long() & 0xFFFFFFFF
    return torch.where(bits >> 31 == 1, bits, 0x7FFFFFFF - bits)


def mark_groups(codes: DeviceCodes, first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Entries of latents first..last for the kernels: rows whose sign marks the end of a group, and rank weights.

    The weight of an entry is s + e: positions before its group of equal values and up to its end, zeros lying between
    firing and negative ones.

    Returns:
        int32 [n] and int32 [n].
    """
    device, base = codes.device, int(codes.colptr[first])
    span = slice(base, int(codes.colptr[last]))
    rows, values = codes.rows[span], codes.values[span]
    n = len(rows)
    if n == 0:
        return rows, rows
    starts_at = torch.from_numpy(codes.colptr[first:last] - base).to(device)
    counts = torch.from_numpy(np.diff(codes.colptr[first : last + 1])).to(device)
    new = torch.ones(n, dtype=torch.bool, device=device)
    new[1:] = values[1:] != values[:-1]
    new[starts_at[counts > 0]] = True
    starts = new.nonzero().squeeze(1)
    ends = torch.cat([starts[1:], torch.full_like(starts[:1], n)])
    weights = torch.repeat_interleave(starts + ends, ends - starts)
    weights -= torch.repeat_interleave(2 * starts_at, counts)
    weights += torch.where(values < 0, torch.repeat_interleave(2 * (codes.n_rows - counts), counts), 0)
    marked = rows.clone()
    marked[ends - 1] |= -(1 << 31)
    return marked, weights.int()


def _hold_good(codes: Codes, indices: torch.Tensor, values: torch.Tensor) -> bool:
    """Whether `as_codes` would take them; looking through all entries costs least on the device."""
    n = len(values)
    per_row = np.diff(codes.indptr)
    if codes.n_rows < 1 or len(indices) != n or codes.indptr[0] != 0 or codes.indptr[-1] != n or (per_row < 0).any():
        return False
    lies_in = not n or bool(((indices >= 0) & (indices < codes.n_latents)).all())
    return lies_in and bool((torch.isfinite(values) & (values != 0)).all())


def _check_rows(n_rows: int) -> None:
    if n_rows >= MOST_ROWS:
        raise ValueError(
            f"counts on a device hold fewer than 2^30 positions, got {n_rows}; take implementation='numba'"
        )
