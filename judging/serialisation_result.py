"""Error rates of judges by style and kind of predicate: as table and as file."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.hdf5 import partial_file
from ..metrics.llm.per_latent import wilson

if TYPE_CHECKING:
    from rich.console import Group

SCHEMA = "fiducial judge errors 1"
CHARACTERS_A_TOKEN = 4  # a rule of thumb for English; squares and single letters take more tokens than that


@dataclass(frozen=True)
class JudgeError:
    """Error rates of one judge on one kind of predicate in one style.

    Attributes:
        judge: its name.
        style: how positions were written.
        kind: of predicates, such as a group of features.
        n_predicates: asked about.
        n_true: answers where the predicate holds.
        n_false: answers where it does not.
        e_pos: share of no among the former; NaN without any.
        e_pos_low: lower end of its interval.
        e_pos_high: upper end.
        e_neg: share of yes among the latter.
        e_neg_low: lower end of its interval.
        e_neg_high: upper end.
        unanswered: number of examples by reason.
        characters: mean length of a text.
        tokens: mean number of tokens a text.
    """

    judge: str
    style: str
    kind: str
    n_predicates: int
    n_true: int
    n_false: int
    e_pos: float
    e_pos_low: float
    e_pos_high: float
    e_neg: float
    e_neg_low: float
    e_neg_high: float
    unanswered: Mapping[str, int]
    characters: float
    tokens: float

    @property
    def balanced_accuracy(self) -> float:
        """Of the answers given."""
        return 1 - (self.e_pos + self.e_neg) / 2

    @property
    def share_unanswered(self) -> float:
        """Of all examples."""
        missing = sum(self.unanswered.values())
        return missing / max(1, missing + self.n_true + self.n_false)


@dataclass(frozen=True)
class JudgeErrors:
    """Error rates, one a judge, style and kind of predicate."""

    rows: tuple[JudgeError, ...]

    def of(self, style: str, kind: str, judge: str | None = None) -> JudgeError:
        """One of them.

        Raises:
            KeyError: not measured.
        """
        for row in self.rows:
            if (row.style, row.kind) == (style, kind) and judge in (None, row.judge):
                return row
        raise KeyError(f"no errors of style {style!r} on {kind!r}" + (f" by {judge!r}" if judge else ""))

    def __add__(self, other: "JudgeErrors") -> "JudgeErrors":
        return JudgeErrors(self.rows + other.rows)

    def table(self) -> "Group":
        """For terminals."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        made = Table(box=box.SIMPLE, title="Errors of judges by serialisation [95 % interval]")
        for name in ("judge", "style", "asked about"):
            made.add_column(name, overflow="fold")
        for name in ("answers", "no | true", "yes | false", "unanswered", "tokens"):
            made.add_column(name, justify="right")
        for r in self.rows:
            made.add_row(
                r.judge,
                r.style,
                r.kind,
                str(r.n_true + r.n_false),
                _cell(r.e_pos, r.e_pos_low, r.e_pos_high),
                _cell(r.e_neg, r.e_neg_low, r.e_neg_high),
                f"{r.share_unanswered:.0%}",
                f"{r.tokens:.0f}",
            )
        note = f"Tokens of one position; without a tokenizer, characters / {CHARACTERS_A_TOKEN}."
        return Group(made, Text(note, style="dim"))

    def to_json(self, path: str | Path) -> None:
        """Write everything; `from_json` reads it back."""
        rows = [{k: None if v != v else v for k, v in asdict(row).items()} for row in self.rows]
        with partial_file(path) as partial:
            partial.write_text(json.dumps({"schema": SCHEMA, "rows": rows}, indent=1) + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "JudgeErrors":
        """Read what `to_json` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: something else.
        """
        try:
            found = json.loads(Path(path).read_text())
            if found["schema"] != SCHEMA:
                raise ValueError(f"{path}: {SCHEMA!r} was expected, got {found['schema']!r}")
            rows: list[dict[str, Any]] = found["rows"]
            return cls(tuple(JudgeError(**{k: _known(v) for k, v in r.items()}) for r in rows))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} holds no errors of judges: {error}") from error


def _known(value: Any) -> Any:
    return math.nan if value is None else value


def _cell(share: float, low: float, high: float) -> str:
    return "-" if math.isnan(share) else f"{share:.2f} [{low:.2f}, {high:.2f}]"


def gathered(errors: JudgeErrors, kinds: Mapping[str, Sequence[str]]) -> JudgeErrors:
    """Kinds put together, such as all groups about squares: answers pooled, lengths averaged over examples.

    Args:
        errors: by kind.
        kinds: kinds to put together, by the name of the whole.
    """
    rows: list[JudgeError] = []
    for judge, style in dict.fromkeys((r.judge, r.style) for r in errors.rows):
        for name, parts in kinds.items():
            some = [r for r in errors.rows if (r.judge, r.style) == (judge, style) and r.kind in parts]
            if some:
                rows.append(_pooled(some, name))
    return JudgeErrors(tuple(rows))


def _pooled(some: Sequence[JudgeError], name: str) -> JudgeError:
    n_true, n_false = sum(r.n_true for r in some), sum(r.n_false for r in some)
    missed = sum(round(r.e_pos * r.n_true) for r in some if r.n_true)
    invented = sum(round(r.e_neg * r.n_false) for r in some if r.n_false)
    unanswered: Counter[str] = Counter()
    for row in some:
        unanswered.update(row.unanswered)
    weights = [r.n_true + r.n_false + sum(r.unanswered.values()) for r in some]
    (low, high), (low_n, high_n) = wilson(missed, n_true), wilson(invented, n_false)
    return replace(
        some[0],
        kind=name,
        n_predicates=sum(r.n_predicates for r in some),
        n_true=n_true,
        n_false=n_false,
        e_pos=missed / n_true if n_true else math.nan,
        e_pos_low=low,
        e_pos_high=high,
        e_neg=invented / n_false if n_false else math.nan,
        e_neg_low=low_n,
        e_neg_high=high_n,
        unanswered=dict(unanswered),
        characters=float(np.average([r.characters for r in some], weights=weights)),
        tokens=float(np.average([r.tokens for r in some], weights=weights)),
    )
