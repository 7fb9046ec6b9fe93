"""What a comparison of SAEs found: one record a pair and way of matching, as table, file and picture."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.hdf5 import partial_file
from ..metrics.llm.similarity import LabelSimilarity

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA = "fiducial similarity 1"
COLUMNS = ("overlap within prevalence", "cosine within prevalence", "same concept")  # the rest is in the file


@dataclass(frozen=True)
class PairCompared:
    """Two dictionaries under one matching.

    Attributes:
        a: name of the first.
        b: of the second.
        differs: what differs between them, such as `seed`.
        how: latents were matched by.
        n_matched: pairs found.
        n_compared: of them, pairs whose labels were compared.
        directions: mean similarity that was matched on, over the larger number of latents.
        labels: likeness of labels by what was compared, chance taken off.
        tells: AUROC with which a likeness tells pairs of the same true concept from others, among pairs whose first
            latent has a concept.
    """

    a: str
    b: str
    differs: str
    how: str
    n_matched: int
    n_compared: int
    directions: float
    labels: Mapping[str, LabelSimilarity]
    tells: Mapping[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """For a log."""
        overlap = self.labels["overlap"]
        return (
            f"{self.a} - {self.b} by {self.how}: {self.n_matched} pairs, similarity {self.directions:.2f}, overlap "
            f"{overlap.observed:.2f} (null {overlap.null:.2f}), same concept {self.labels['same concept'].observed:.2f}"
        )


@dataclass(frozen=True)
class SaesCompared:
    """All pairs.

    Attributes:
        pairs: in the order in which they were asked.
        about: dictionaries, settings; JSON types.
    """

    pairs: tuple[PairCompared, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def of(self, a: str, b: str, how: str) -> PairCompared:
        """One pair.

        Raises:
            KeyError: not compared so.
        """
        for one in self.pairs:
            if {one.a, one.b} == {a, b} and one.how == how:
                return one
        raise KeyError(f"{a!r} and {b!r} were not compared by {how!r}")

    def table(self) -> "Group":
        """For terminals."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        made = Table(box=box.SIMPLE, title="Likeness of SAEs: score [95 % interval]")
        for name in ("a", "b", "differs in", "matched by", "pairs", "similarity", "IoU (null)"):
            made.add_column(name, overflow="fold")
        shown = [name for name in COLUMNS if any(name in one.labels for one in self.pairs)]
        for name in shown:
            made.add_column(name, justify="right")
        for one in self.pairs:
            cells = [_seen(one.labels.get("overlap")), *(_cell(one.labels.get(name)) for name in shown)]
            made.add_row(one.a, one.b, one.differs, one.how, str(one.n_matched), f"{one.directions:.2f}", *cells)
        note = (
            "Score: (observed - null) / (1 - null). Within prevalence: labels change places among labels that hold "
            "about as often. Similarity: mean over the larger number of latents."
        )
        return Group(made, Text(note, style="dim"))

    def rows(self) -> list[dict[str, Any]]:
        """Flat records, one a pair and matching."""
        found: list[dict[str, Any]] = []
        for one in self.pairs:
            row: dict[str, Any] = {
                k: getattr(one, k) for k in ("a", "b", "differs", "how", "n_matched", "n_compared", "directions")
            }
            for name, value in one.labels.items():
                row |= {f"{name} {k}": v for k, v in value.as_dict().items()}
            found.append(row | {f"tells {k}": v for k, v in one.tells.items()})
        return found

    def to_json(self, path: str | Path) -> None:
        """Write everything; `from_json` reads it back."""
        pairs = [
            {**vars(one), "labels": {k: v.as_dict() for k, v in one.labels.items()}, "tells": dict(one.tells)}
            for one in self.pairs
        ]
        text = json.dumps(_plain({"schema": SCHEMA, "pairs": pairs, "about": dict(self.about)}), indent=1)
        with partial_file(path) as partial:
            partial.write_text(text + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "SaesCompared":
        """Read what `to_json` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: something else.
        """
        try:
            found = json.loads(Path(path).read_text())
            if found["schema"] != SCHEMA:
                raise ValueError(f"{path}: {SCHEMA!r} was expected, got {found['schema']!r}")
            pairs = tuple(
                PairCompared(
                    **{
                        **one,
                        "directions": _nan(one["directions"]),
                        "labels": {
                            k: LabelSimilarity(**{n: _nan(x) for n, x in v.items()}) for k, v in one["labels"].items()
                        },
                        "tells": {k: _nan(v) for k, v in one["tells"].items()},
                    }
                )
                for one in found["pairs"]
            )
            return cls(pairs, found["about"])
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no comparison of SAEs: {error}") from error

    def plot(self, path: str | Path, *, how: str | None = None) -> None:
        """Draw the scores of every pair; see `similar_plot.plot`."""
        from .similar_plot import plot

        plot(self, path, how=how)


def _cell(one: LabelSimilarity | None) -> str:
    if one is None or math.isnan(one.score):
        return "-"
    return f"{one.score:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _seen(one: LabelSimilarity | None) -> str:
    return "-" if one is None or math.isnan(one.observed) else f"{one.observed:.2f} ({one.null:.2f})"


def _nan(value: Any) -> Any:
    return math.nan if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
