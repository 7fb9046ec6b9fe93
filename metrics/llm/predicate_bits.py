"""Truth of many predicates at many positions, 64 positions to a word, so that counting is one instruction a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from .facts import Facts
from .predicate import Atom, Compare, Predicate, order

_BLOCK = 1 << 12  # rows unpacked together; a multiple of 64


@dataclass(frozen=True, eq=False)
class AtomBits:
    """Where facts and comparisons hold.

    Attributes:
        predicates: A of them, none negated, in canonical order.
        words: uint64 [A, ceil(R / 64)], row r in bit r % 64 of word r // 64; unused bits are 0.
        n_rows: R.
    """

    predicates: tuple[Predicate, ...]
    words: NDArray[np.uint64]
    n_rows: int

    @cached_property
    def on(self) -> NDArray[np.int64]:
        """Rows at which each holds, int64 [A]."""
        return popcount(self.words)

    @cached_property
    def valid(self) -> NDArray[np.uint64]:
        """A word of ones for every row, uint64 [ceil(R / 64)]."""
        return pack(np.ones(self.n_rows, np.bool_))


def atom_bits(
    facts: Facts, rows: NDArray[np.int64], names: Sequence[str] | None = None, *, n_thresholds: int = 0
) -> AtomBits:
    """Every fact at some rows, and every counter against some numbers.

    Args:
        facts: what is true.
        rows: int64 [R].
        names: of the facts wanted; all by default.
        n_thresholds: numbers that each counter is compared with: its quantiles on these rows.

    Raises:
        KeyError: an unknown name.
    """
    wanted = facts.names if names is None else tuple(names)
    unknown = [name for name in wanted if name not in facts.index]
    if unknown:
        raise KeyError(f"no facts named {unknown[:3]} among {len(facts.names)}")
    listed, atoms = _atoms(tuple(wanted))
    columns = np.array([facts.index[name] for name in listed], np.int64)
    parts: list[NDArray[np.uint64]] = []
    for start in range(0, len(rows), _BLOCK):
        block = facts.labels[rows[start : start + _BLOCK]]
        parts.append(pack(np.unpackbits(block, axis=1, bitorder="little").T[columns]))
    words = np.concatenate(parts, axis=1) if parts else np.zeros((len(listed), 0), np.uint64)
    compared = [pack(facts.counters[p.counter][rows] >= p.value) for p in _comparisons(facts, rows, n_thresholds)]
    if compared:
        words = np.concatenate([words, np.stack(compared)])
    predicates = (*atoms, *_comparisons(facts, rows, n_thresholds))
    return AtomBits(predicates, np.ascontiguousarray(words), len(rows))


@lru_cache(maxsize=8)
def _atoms(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Atom, ...]]:
    """Names in canonical order of their atoms, and these."""
    listed = tuple(sorted(names))
    return listed, tuple(map(Atom, listed))


def _comparisons(facts: Facts, rows: NDArray[np.int64], n: int) -> list[Compare]:
    """Each counter against its quantiles, in canonical order; what holds at every row is left out."""
    found: set[Compare] = set()
    for counter, counted in facts.counters.items():
        if not n or not len(rows):
            continue
        here = counted[rows]
        cuts = np.unique(np.quantile(here, np.arange(1, n + 1) / (n + 1), method="nearest"))
        found |= {Compare(counter, ">=", int(cut)) for cut in cuts if cut > here.min()}
    return sorted(found, key=order)


def pack(flags: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Flags [..., R] as words [..., ceil(R / 64)]."""
    bytes_ = np.packbits(flags, axis=-1, bitorder="little")
    padded = np.zeros((*flags.shape[:-1], 8 * ((flags.shape[-1] + 63) // 64)), np.uint8)
    padded[..., : bytes_.shape[-1]] = bytes_
    return padded.view("<u8").astype(np.uint64, copy=False)


def popcount(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Bits set along the last axis, int64."""
    return np.bitwise_count(words).sum(axis=-1, dtype=np.int64)


def count_both(base: NDArray[np.uint64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Bits set in both, int64 [B, A], of every row of [B, W] and every row of [A, W]."""
    from .predicate_bits_numba import count_both as fast  # compiles, which listing the metrics should not wait for

    return fast(np.ascontiguousarray(base), np.ascontiguousarray(words))
