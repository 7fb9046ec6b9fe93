"""The outcome of a certification: a row of figures for each metric, what passes and what fails, and advice."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .certify_lenses import Correlation, Gaming, Leak, Noise, Order
from .data.hdf5 import partial_file

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

SCHEMA = 1
NOT_OF_A_DIAGNOSIS = ("truth", "training", "labels")
CHECKS = ("top", "order", "range", "noise", "truth", "training", "gaming", "labels")
LIMITS = {
    "top": 0.02,  # of the range, by which another dictionary may be better
    "order": 0.9,  # of the known pairs in order
    "noise": 0.1,  # of the range, the smallest detectable difference
    "gaming": 0.05,  # of the range, gained by a random edit
    "labels": 0.5,  # of the range, left without labels to choose by
    "labels moved": 1e-9,  # change of a metric that reads no labels
}


@dataclass(frozen=True)
class Row:
    """What was found of one metric on one testbed. Scores are the metric's own; lower is better for an error.

    Attributes:
        metric: its name.
        testbed: where.
        role: "quality" for a metric that says it notices a random dictionary, or is used as if it did; "diagnosis" for
            one that looks for one kind of damage; "description" for one without a good direction; "not asked" for a
            diagnosis of a damage that this world cannot have, and for a metric without a score of any dictionary of
            the ladder.
        direction: "up", "down" or "none".
        limits: what it declares that it cannot tell.
        ceiling: score of the right dictionary.
        floor: score of a random dictionary of the same L0; of the worst damage that it looks for, for a diagnosis.
        floor_name: which dictionary that is.
        rival: the dictionary that is better than the right one by most; empty if none is.
        margin: by how much, beyond the paired bootstrap.
        order: of the ladder.
        noise: over fresh samples; None without two trained SAEs.
        truth: rank correlation with the true recovery over trained SAEs; None where the truth is not known.
        training: the same along training, mean over runs.
        gaming: what random edits gain; None where the truth is not known.
        leak: what is left without labels.
    """

    metric: str
    testbed: str
    role: str
    direction: str
    limits: str
    ceiling: float
    floor: float
    floor_name: str
    rival: str
    margin: float
    order: Order
    noise: Noise | None
    truth: Correlation | None
    training: Correlation | None
    gaming: Gaming | None
    leak: Leak

    @property
    def span(self) -> float:
        """Distance from floor to ceiling, above 0 where the ceiling is better."""
        return (self.floor - self.ceiling) if self.direction == "down" else (self.ceiling - self.floor)

    @property
    def detectable(self) -> float:
        """Smallest detectable difference as a share of the range; NaN without noise or range."""
        return self.noise.detectable / self.span if self.noise is not None and self.span > 0 else float("nan")

    def checks(self) -> dict[str, bool | None]:
        """Whether each of `CHECKS` passes; None where it was not asked."""
        if self.role == "not asked":
            return dict.fromkeys(CHECKS)
        if self.role == "description":
            return dict.fromkeys(CHECKS) | {"labels": self._labels()}
        found = {
            "top": bool(self.span > 0 and self.margin <= LIMITS["top"] * self.span),
            "order": bool(not self.order.missed and not self.order.right < LIMITS["order"]),
            "range": bool(self.span > 0 and (self.noise is None or self.span > self.noise.detectable)),
            "noise": None if self.noise is None else bool(self.detectable <= LIMITS["noise"]),
            "truth": None if self.truth is None else bool(self.truth.low > 0),
            "training": None if self.training is None else bool(self.training.low > 0),
            "gaming": self._gaming(),
            "labels": self._labels(),
        }
        # One kind of damage need not rank dictionaries by their whole quality, nor rise along training.
        return found if self.role == "quality" else {**found, "truth": None, "training": None}

    def _gaming(self) -> bool | None:
        if self.gaming is None:
            return None
        by_noise = self.detectable if np.isfinite(self.detectable) else 0.0
        return bool(self.gaming.gain <= max(LIMITS["gaming"], by_noise))

    def _labels(self) -> bool | None:
        if np.isfinite(self.leak.moved):
            return bool(self.leak.moved <= LIMITS["labels moved"] * max(1.0, abs(self.ceiling)))
        if self.role != "quality" or not np.isfinite(self.leak.kept):
            return None  # without labels a diagnosis finds nothing, and what is not found has no damage
        return bool(self.leak.kept <= LIMITS["labels"])

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that fail."""
        return tuple(name for name, passed in self.checks().items() if passed is False)

    @property
    def verdict(self) -> str:
        """`trusted` if all is asked and passes; else what was not asked, or what fails."""
        if self.failed:
            return f"fails {', '.join(self.failed)}"
        if self.role in ("not asked", "description"):
            return {"not asked": "not asked here", "description": "not a score"}[self.role]
        diagnosis = " as a diagnosis" if self.role == "diagnosis" else ""
        passed = self.checks()
        needed = [name for name in CHECKS if self.role == "quality" or name not in NOT_OF_A_DIAGNOSIS]
        missing = [name for name in needed if passed[name] is None and not self._excused(name)]
        return f"passes{diagnosis}; not asked: {', '.join(missing)}" if missing else f"trusted{diagnosis}"

    def _excused(self, check: str) -> bool:
        """Checks that make no sense for this metric: the truth by itself, labels where none are chosen by."""
        return (check == "truth" and self.truth is None and self.training is not None) or (
            check == "labels" and np.isnan(self.leak.kept) and np.isnan(self.leak.moved)
        )

    def cell(self, check: str) -> str:
        """The figure behind a check, for people."""
        nothing = "-"
        if check == "labels":
            if np.isfinite(self.leak.moved):
                return "reads none" if self._labels() else f"moved by {self.leak.moved:.2g}"
            return f"{self.leak.kept:.2f} left" if self.role == "quality" and np.isfinite(self.leak.kept) else nothing
        if self.role in ("description", "not asked"):
            return nothing
        if check == "top":
            return f"{self.rival} +{self.margin / abs(self.span):.0%}" if self.rival and self.span else "yes"
        if check == "order":
            missed = f", misses {', '.join(self.order.missed)}" if self.order.missed else ""
            return f"{self.order.right:.2f}{missed}"
        if check == "range":
            return f"{self.floor:.3f} to {self.ceiling:.3f}"
        if check == "noise":
            if self.noise is None:
                return nothing
            return f"{self.detectable:.1%}" if np.isfinite(self.detectable) else "no range"
        if check in ("truth", "training"):
            found: Correlation | None = getattr(self, check)
            return nothing if found is None else f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
        if self.gaming is None:
            return nothing
        if np.isnan(self.gaming.gain):
            return "no range"
        return f"+{self.gaming.gain:.0%} {self.gaming.edit.split(' (')[0]}" if self.gaming.edit else "none"

    def advice(self) -> str:
        """What the metric can and cannot tell, in a line."""
        if self.role in ("description", "not asked"):
            return self.limits
        said = [self.limits]
        if self.role == "quality" and self.order.blind:
            said.append(f"Blind to: {', '.join(self.order.blind)}.")
        if self.noise is not None and self.noise.detectable > 1e-9:
            said.append(f"Differences below {self.noise.detectable:.3g} are noise at this sample size.")
        if self.role == "quality" and self.truth is not None and np.isfinite(self.truth.value):
            said.append(
                "Ranks trained SAEs as the truth does."
                if self.truth.low > 0
                else "Ranks trained SAEs against the truth."
                if self.truth.high < 0
                else "Not shown to rank trained SAEs by the truth."
            )
        if self._gaming() is False and self.gaming is not None:
            said.append(f"Gamed by: {self.gaming.edit}.")
        return " ".join(said)


@dataclass(frozen=True)
class Certificate:
    """Rows of a certification, with where they come from.

    Attributes:
        rows: one a metric and testbed.
        provenance: versions, seed, testbed, base, rungs, trained SAEs and edits.
    """

    rows: tuple[Row, ...]
    provenance: Mapping[str, Any]

    def row(self, metric: str) -> Row:
        """The row of a metric.

        Raises:
            KeyError: it was not certified.
        """
        for row in self.rows:
            if row.metric == metric:
                return row
        raise KeyError(f"{metric!r} was not certified; there are {', '.join(row.metric for row in self.rows)}")

    def __str__(self) -> str:
        return "\n".join(f"{row.metric} on {row.testbed}: {row.verdict}" for row in self.rows)

    def to_frame(self) -> "pd.DataFrame":
        """One row a metric and testbed: every check as a boolean, the verdict and the advice."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"metric": r.metric, "testbed": r.testbed, **r.checks(), "verdict": r.verdict, "advice": r.advice()}
                for r in self.rows
            ]
        )

    def table(self) -> "Table":
        """The matrix, for a terminal: green passes, red fails."""
        from rich.table import Table

        about = self.provenance
        table = Table(title=f"metrics on {about['testbed']}; on top should be: {about['base']}", title_justify="left")
        table.add_column("metric", no_wrap=True)
        for check in CHECKS:
            table.add_column(check)
        table.add_column("verdict")
        for row in self.rows:
            passed = row.checks()
            cells = [_coloured(row.cell(check), passed[check]) for check in CHECKS]
            table.add_row(row.metric, *cells, row.verdict)
        return table

    def to_json(self, path: str | Path) -> None:
        """Write everything; `from_json` reads it back."""
        rows = [
            {**asdict(row), "checks": row.checks(), "verdict": row.verdict, "advice": row.advice()} for row in self.rows
        ]
        found = {"schema": SCHEMA, "provenance": dict(self.provenance), "rows": [_without_nan(row) for row in rows]}
        text = json.dumps(found, indent=1, allow_nan=False)
        with partial_file(path) as partial:
            partial.write_text(text + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> "Certificate":
        """Read what `to_json` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a certificate, or of another schema.
        """
        try:
            found = json.loads(Path(path).read_text())
            if found["schema"] != SCHEMA:
                raise ValueError(f"{path}: a certificate of schema {SCHEMA} was expected, got {found['schema']}")
            return cls(tuple(_row(one) for one in found["rows"]), found["provenance"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a certificate: {error}") from error


def _row(found: Mapping[str, Any]) -> Row:
    parts: dict[str, Any] = {key: found[key] for key in Row.__dataclass_fields__}
    for key in ("ceiling", "floor", "margin"):
        parts[key] = float("nan") if parts[key] is None else parts[key]
    order = _with_nan(parts["order"])
    for key in ("missed", "noticed", "blind"):
        order[key] = tuple(order[key])
    parts["order"], parts["leak"] = Order(**order), Leak(**_with_nan(parts["leak"]))
    for key, kind in (("noise", Noise), ("truth", Correlation), ("training", Correlation), ("gaming", Gaming)):
        parts[key] = None if parts[key] is None else kind(**_with_nan(parts[key]))
    return Row(**parts)


def _without_nan(value: Any) -> Any:
    """The same with null for every NaN, which JSON has not."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _with_nan(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in found.items()}


def _coloured(text: str, passed: bool | None) -> str:
    return text if passed is None else f"[{'green' if passed else 'red'}]{text}[/]"
