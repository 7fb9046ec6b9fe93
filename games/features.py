"""Named features whose truth is known exactly, and their bit-packed labels."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

RUNGS = {0: "token", 1: "square", 2: "relation", 3: "tactic or strategy"}


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One yes-or-no property of a position.

    Attributes:
        name: readable and unique in its world, such as `mine on c4`.
        group: features scored together; scores average inside a group, then over groups.
        rung: how abstract it is; a key of `RUNGS`.
        definition: exactly when it holds, in one sentence.
        variable: the categorical variable that it is one value of, such as `state of c4`; None if it stands alone.
        parents: names of the features that hold whenever this one does.
        reachable: whether it can hold in any position that is scored.
        counterpart: True for a published definition kept for comparison only, which is never scored by default.
    """

    name: str
    group: str
    rung: int
    definition: str
    variable: str | None = None
    parents: tuple[str, ...] = ()
    reachable: bool = True
    counterpart: bool = False


class FeatureSet(Sequence[Feature]):
    """An ordered, immutable set of features with unique names.

    Labels over the set are booleans [..., F], or packed uint8 [..., ceil(F / 8)] with feature f in bit f % 8 (from the
    lowest) of byte f // 8; unused bits of the last byte are 0. A part of a set may leave parents behind.

    Args:
        features: in order.

    Raises:
        ValueError: a name twice, an unknown rung, or an empty set.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        self._features = tuple(features)
        if not self._features:
            raise ValueError("a FeatureSet needs at least one feature")
        self._index = {feature.name: i for i, feature in enumerate(self._features)}
        if len(self._index) != len(self._features):
            counts = Counter(feature.name for feature in self._features)
            raise ValueError(f"feature names must be unique, repeated: {[n for n, c in counts.items() if c > 1][:5]}")
        for feature in self._features:
            if feature.rung not in RUNGS:
                raise ValueError(f"feature {feature.name!r}: rung must be one of {sorted(RUNGS)}, got {feature.rung}")

    def __len__(self) -> int:
        return len(self._features)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._features)

    @overload
    def __getitem__(self, index: int) -> Feature: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Feature, ...]: ...
    def __getitem__(self, index: int | slice) -> Feature | tuple[Feature, ...]:
        return self._features[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureSet) and self._features == other._features

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)

    def __repr__(self) -> str:
        return f"FeatureSet({len(self)} features in {len(self.groups)} groups)"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names, in order."""
        return tuple(feature.name for feature in self._features)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Group names, in order of first appearance."""
        return tuple(dict.fromkeys(feature.group for feature in self._features))

    @cached_property
    def variables(self) -> dict[str, tuple[int, ...]]:
        """Feature indices of every categorical variable."""
        found: dict[str, list[int]] = {}
        for i, feature in enumerate(self._features):
            if feature.variable is not None:
                found.setdefault(feature.variable, []).append(i)
        return {name: tuple(indices) for name, indices in found.items()}

    @property
    def n_bytes(self) -> int:
        """Bytes of one packed label row."""
        return (len(self) + 7) // 8

    @cached_property
    def digest(self) -> str:
        """sha256 of everything said about the features, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def index(self, name: str) -> int:  # type: ignore[override] - looked up by name
        """Position of a feature.

        Raises:
            KeyError: unknown name; close names are suggested.
        """
        if name not in self._index:
            close = get_close_matches(name, self.names, n=3)
            hint = f"; did you mean {', '.join(map(repr, close))}?" if close else ""
            raise KeyError(f"no feature named {name!r} among {len(self)}{hint}")
        return self._index[name]

    def where(
        self,
        *,
        group: str | Iterable[str] | None = None,
        rung: int | Iterable[int] | None = None,
        reachable: bool | None = None,
        counterpart: bool | None = None,
    ) -> NDArray[np.int64]:
        """Indices of the features that meet every given condition, int64 [n] in order.

        Raises:
            KeyError: an unknown group.
        """
        groups = None if group is None else {group} if isinstance(group, str) else set(group)
        if groups and (unknown := groups - set(self.groups)):
            close = get_close_matches(min(unknown), self.groups, n=3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"groups are {', '.join(self.groups)}"
            raise KeyError(f"no feature group {min(unknown)!r}; {hint}")
        rungs = None if rung is None else {rung} if isinstance(rung, int) else set(rung)
        return np.array(
            [
                i
                for i, f in enumerate(self._features)
                if (groups is None or f.group in groups)
                and (rungs is None or f.rung in rungs)
                and (reachable is None or f.reachable == reachable)
                and (counterpart is None or f.counterpart == counterpart)
            ],
            dtype=np.int64,
        )

    def select(self, **conditions: Any) -> "FeatureSet":
        """The features that meet the conditions of `where`, as a set of their own.

        Raises:
            KeyError: an unknown group.
            ValueError: nothing is left.
        """
        found = self.where(**conditions)
        if not len(found):
            asked = ", ".join(f"{key} {value!r}" for key, value in conditions.items() if value is not None)
            raise ValueError(f"no feature has {asked}; rungs are {sorted({f.rung for f in self._features})}")
        return self.take(found)

    def take(self, indices: Iterable[int]) -> "FeatureSet":
        """The features at `indices`, in that order."""
        return FeatureSet(self._features[int(i)] for i in indices)

    def pack(self, labels: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Boolean labels [..., F] to packed ones [..., n_bytes].

        Raises:
            ValueError: another last axis, or not boolean.
        """
        if labels.dtype != np.bool_ or labels.shape[-1:] != (len(self),):
            raise ValueError(f"labels must be bool [..., {len(self)}], got {labels.dtype} {list(labels.shape)}")
        return np.packbits(labels, axis=-1, bitorder="little")

    def unpack(self, packed: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Packed labels [..., n_bytes] to boolean ones [..., F].

        Raises:
            ValueError: another last axis, or not uint8.
        """
        if packed.dtype != np.uint8 or packed.shape[-1:] != (self.n_bytes,):
            raise ValueError(f"packed labels must be uint8 [..., {self.n_bytes}], got {packed.dtype} {packed.shape}")
        return np.unpackbits(packed, axis=-1, count=len(self), bitorder="little").view(np.bool_)

    def unpack_columns(self, packed: NDArray[np.uint8], indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Some features of packed labels [..., n_bytes], bool [..., len(indices)], without unpacking the rest."""
        return ((packed[..., indices // 8] >> (indices % 8).astype(np.uint8)) & 1).view(np.bool_)

    def to_json(self) -> str:
        """All features as JSON, compact; `from_json` reads it back."""
        return json.dumps([asdict(feature) for feature in self._features], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FeatureSet":
        """Inverse of `to_json`."""
        rows: list[dict[str, Any]] = json.loads(text)
        for row in rows:
            row["parents"] = tuple(row["parents"])
        return cls(Feature(**row) for row in rows)
