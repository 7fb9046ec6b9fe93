"""Batches that carry more than latents and labels: whatever was measured at each position, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.dictionary import Codes
from ..inputs import LabelBits
from .batch import Batch

FIELDS = ("position", "codes", "labels", "x", "x_hat")


@dataclass(frozen=True)
class BehaviourBatch(Batch):
    """A batch with what a model did at its positions.

    Attributes:
        measured: arrays of one row a position, by the names that metrics read, such as `clean_logprobs` float [n, V]
            and `allowed` bool [n, V].
    """

    measured: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])


def value_of(batch: Batch, name: str) -> Any:
    """A field of a batch, or what was measured under that name; None where it is missing."""
    if name in FIELDS:
        return getattr(batch, name)
    return batch.measured.get(name) if isinstance(batch, BehaviourBatch) else None


def n_rows_of(value: Any) -> int:
    """How many positions a field has."""
    return value.n_rows if isinstance(value, Codes | LabelBits) else len(value)


def take(batch: Batch, rows: NDArray[np.int64], names: frozenset[str] | None = None) -> Batch:
    """Some positions of a batch in the given order; `start` stays.

    Args:
        batch: where from.
        rows: int64, in 0 to n - 1.
        names: fields and measured arrays to keep besides the games and the split; all for None.
    """

    def some(value: Any) -> Any:
        return value.take(rows) if isinstance(value, Codes | LabelBits) else value[rows]

    kept = {name: value_of(batch, name) for name in FIELDS if names is None or name in names}
    part = replace(
        batch,
        game_id=batch.game_id[rows],
        train=batch.train[rows],
        **{name: None if kept.get(name) is None else some(kept[name]) for name in FIELDS},
    )
    if not isinstance(part, BehaviourBatch):
        return part
    return replace(part, measured={n: some(v) for n, v in part.measured.items() if names is None or n in names})


def reporting(batch: Batch) -> Batch:
    """The positions that scores are reported on; the batch itself where all are."""
    return take(batch, np.flatnonzero(~batch.train)) if batch.train.any() else batch


def split_rows(whole: Batch, size: int) -> Iterator[Batch]:
    """A sample in memory, cut into pieces of `size` rows; the plain way to make batches of any kind.

    Raises:
        ValueError: a size below 1.
    """
    if size < 1:
        raise ValueError(f"a batch must have at least 1 row, got {size}")
    for first in range(0, len(whole), size):
        rows = np.arange(first, min(first + size, len(whole)))
        yield replace(take(whole, rows), start=whole.start + first)


def joined(parts: list[Batch]) -> Batch:
    """Batches with the same fields as one, rows in the order of the parts, starting at 0.

    Raises:
        ValueError: no parts.
    """
    if not parts:
        raise ValueError("nothing to join")
    found: dict[str, Any] = {}
    for one in fields(Batch):
        values = [getattr(part, one.name) for part in parts]
        if one.name == "start":
            found[one.name] = 0
        elif values[0] is None:
            found[one.name] = None
        elif isinstance(values[0], Codes):
            found[one.name] = Codes.concatenate(values)
        elif isinstance(values[0], LabelBits):
            words = np.concatenate([value.words for value in values], axis=1)
            found[one.name] = LabelBits(words, values[0].n_features)
        else:
            found[one.name] = np.concatenate(values)
    behind = [part for part in parts if isinstance(part, BehaviourBatch)]
    if not behind:
        return Batch(**found)
    return BehaviourBatch(
        **found,
        measured={name: np.concatenate([part.measured[name] for part in behind]) for name in behind[0].measured},
    )
