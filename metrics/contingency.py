"""How often latents fire with each value of categorical attributes: one table, from which every F1 follows.

Equation      F1(j, A) = 2 TP / (|F_j| + |A|), F_j the prompts with f_j > 0, A those with the value, a pair or a union.
              Values of one attribute exclude each other, so for a union of values both TP and |A| are sums: the best
              prefix of values sorted by F1 comes from cumulative sums over the table TP [H, V].
Conventions   An attribute is integer [N]: the value, or -1 for none; or integer [N, m] for m values at once (a name
              anywhere in the prompt), which then has no unions. Latents fire where they are > 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .counts import f1_score
from .inputs import Latents, as_array, as_codes

if TYPE_CHECKING:
    from ..models.dictionary import Codes


@dataclass(frozen=True)
class Attribute:
    """A categorical attribute of N prompts.

    Attributes:
        name: such as `IO`, or `IO, Pos` for a pair.
        values: names of its values.
        columns: int64 [N, m], the value(s) of each row; -1 for none.
        parts: names of the attributes that a pair is made of; empty for others.
    """

    name: str
    values: tuple[str, ...]
    columns: NDArray[np.int64]
    parts: tuple[str, ...] = ()

    @property
    def exclusive(self) -> bool:
        """Whether a row has one value at most."""
        return self.columns.shape[1] == 1

    def label(self, value: int) -> str:
        """Name of one value, such as `IO=Mary` or `IO=Mary, Pos=IO first`."""
        return self.values[value] if self.parts else f"{self.name}={self.values[value]}"

    def take(self, rows: NDArray[np.int64]) -> "Attribute":
        """The attribute on some rows."""
        return Attribute(self.name, self.values, self.columns[rows], self.parts)


@dataclass(frozen=True)
class Contingency:
    """Counts of latents against all values of all attributes.

    Attributes:
        tp: int64 [H, V], prompts on which the latent fires and the value holds; values of all attributes in a row.
        fires: int64 [H], prompts on which the latent fires.
        positives: int64 [V], prompts with the value.
        offsets: int64 [A + 1], first column of each attribute.
        n_rows: N.
    """

    tp: NDArray[np.int64]
    fires: NDArray[np.int64]
    positives: NDArray[np.int64]
    offsets: NDArray[np.int64]
    n_rows: int

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """Float64 [H, V]; 0 where neither fires nor holds."""
        return f1_score(self.tp, self.fires[:, None], self.positives)

    def columns(self, attribute: int) -> slice:
        """Columns of one attribute."""
        return slice(int(self.offsets[attribute]), int(self.offsets[attribute + 1]))


def checked_attributes(
    attributes: Mapping[str, NDArray[np.integer]], values: Mapping[str, Sequence[str]] | None, n_rows: int
) -> list[Attribute]:
    """Attributes as records.

    Args:
        attributes: by name, integer [N] or [N, m]; -1 for none.
        values: by name, names of the values; None numbers them.
        n_rows: N.

    Raises:
        KeyError: an attribute without names of values.
        TypeError: not integer arrays.
        ValueError: shapes or values that do not fit, or no attribute.
    """
    if not attributes:
        raise ValueError("attributes must hold at least one attribute")
    found: list[Attribute] = []
    for name, given in attributes.items():
        array = as_array(given, f"attributes[{name!r}]", "an integer array [N] or [N, m]")
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"attributes[{name!r}] must be integers, got {array.dtype}")
        if array.ndim not in (1, 2) or len(array) != n_rows or array.size == 0:
            raise ValueError(f"attributes[{name!r}] must be [{n_rows}] or [{n_rows}, m], got {list(array.shape)}")
        columns = array.reshape(n_rows, -1).astype(np.int64)
        top = int(columns.max())
        if values is None:
            names = tuple(str(v) for v in range(max(top, 0) + 1))
        elif name not in values:
            raise KeyError(f"values has no names for attribute {name!r}; it has {', '.join(values)}")
        else:
            names = tuple(values[name])
        if int(columns.min()) < -1 or top >= len(names):
            reach = f"{int(columns.min())} to {top}"
            raise ValueError(f"attributes[{name!r}] must lie in -1 (none) to {len(names) - 1}, got {reach}")
        if columns.shape[1] > 1:
            ordered = np.sort(columns, 1)
            if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
                raise ValueError(f"attributes[{name!r}] names one value twice in a row of the table; each counts once")
        found.append(Attribute(name, names, columns))
    return found


def paired(first: Attribute, second: Attribute) -> Attribute:
    """The attribute whose values are pairs of values, such as IO and Pos.

    Raises:
        ValueError: an attribute with several values a row.
    """
    if not (first.exclusive and second.exclusive):
        raise ValueError(f"a pair needs attributes with one value a row, got {first.name} and {second.name}")
    a, b = first.columns[:, 0], second.columns[:, 0]
    both = np.where((a >= 0) & (b >= 0), a * len(second.values) + b, -1)
    labels = tuple(
        f"{first.label(i)}, {second.label(j)}" for i in range(len(first.values)) for j in range(len(second.values))
    )
    return Attribute(f"{first.name}, {second.name}", labels, both[:, None], (first.name, second.name))


def contingency(codes: "Codes", attributes: Sequence[Attribute]) -> Contingency:
    """Count in one pass over the active latents."""
    widths = [len(attribute.values) for attribute in attributes]
    offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    on = codes.values > 0
    rows, latents = codes.rows[on], codes.indices[on].astype(np.int64)
    tp = np.zeros((codes.n_latents, int(offsets[-1])), np.int64)
    positives = np.zeros(int(offsets[-1]), np.int64)
    for attribute, width, start in zip(attributes, widths, offsets[:-1].tolist(), strict=True):
        for column in attribute.columns.T:
            value = column[rows]
            there = value >= 0
            cells = np.bincount(latents[there] * width + value[there], minlength=codes.n_latents * width)
            tp[:, start : start + width] += cells.reshape(codes.n_latents, width)
            positives[start : start + width] += np.bincount(column[column >= 0], minlength=width)
    fires = np.bincount(latents, minlength=codes.n_latents)
    return Contingency(tp, fires.astype(np.int64), positives, offsets, codes.n_rows)


@dataclass(frozen=True)
class Unions:
    """The best union of values of one attribute for every latent.

    Attributes:
        values: int64 [H, M], values by falling F1 (of equal ones the lowest); the first `size` are the union.
        size: int64 [H], at least 1.
        f1: float64 [H], of the union, where it was chosen.
    """

    values: NDArray[np.int64]
    size: NDArray[np.int64]
    f1: NDArray[np.float64]

    def members(self) -> NDArray[np.bool_]:
        """Which of `values` belong to the union, bool [H, M]."""
        return np.less(np.arange(int(self.values.shape[1])), self.size[:, None])

    def scored(self, table: Contingency, attribute: int) -> NDArray[np.float64]:
        """F1 of the same unions on another table, float64 [H]."""
        part, inside = table.columns(attribute), self.members()
        tp = (np.take_along_axis(table.tp[:, part], self.values, 1) * inside).sum(1)
        positives = (table.positives[part][self.values] * inside).sum(1)
        return f1_score(tp, table.fires, positives)


def best_unions(table: Contingency, attribute: int, most: int, *, at_most_half: bool = True) -> Unions:
    """Best prefix of at most `most` values, sorted by F1; of equal prefixes the shortest.

    Args:
        table: counts to choose on.
        attribute: its number.
        most: largest union; 1 chooses the best single value.
        at_most_half: take no union that covers more than half of the rows with a value. The union of all values holds
            everywhere, so a latent that always fires would match it.
    """
    part = table.columns(attribute)
    values = np.argsort(-table.f1[:, part], axis=1, kind="stable")[:, :most]
    tp = np.take_along_axis(table.tp[:, part], values, 1).cumsum(1)
    positives = table.positives[part][values].cumsum(1)
    f1 = f1_score(tp, table.fires[:, None], positives)
    if at_most_half:
        f1[:, 1:][2 * positives[:, 1:] > table.positives[part].sum()] = -1.0
    size = f1.argmax(1)
    return Unions(values, size + 1, np.take_along_axis(f1, size[:, None], 1)[:, 0])


def value_f1(latents: Latents, values: NDArray[np.integer], n_values: int) -> NDArray[np.float64]:
    """F1 of every latent for every value of one attribute, float64 [H, V]; NaN in columns of values that do not occur.

    Args:
        latents: Codes or floating [N, H], on training data.
        values: integer [N], 0 to n_values - 1; -1 for none.
        n_values: V.

    Raises:
        TypeError: not arrays.
        ValueError: shapes or values that do not fit.

    Examples:
        >>> import numpy as np
        >>> value_f1(np.array([[1.0], [0.0], [2.0]]), np.array([0, 1, 0]), 3).tolist()
        [[1.0, 0.0, nan]]
    """
    codes = as_codes(latents)
    names: dict[str, Any] = {"value": [str(v) for v in range(n_values)]}
    table = contingency(codes, checked_attributes({"value": values}, names, codes.n_rows))
    return np.where(table.positives > 0, table.f1, np.nan)
