"""Report: everything measured of one dictionary on one testbed, as JSON, tables, data frames and a page."""

import json
import math
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .metrics.score import Score
from .report_compare import NAN, interval_text, number, standing, with_over_floor

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

SCHEMA_VERSION = "1.0"  # major.minor: a reader takes any minor, older or newer, and no newer major
_FRAME_COLUMNS = (
    *("value", "low", "high", "floor", "floor_value", "ceiling", "ceiling_value"),
    *("normalised", "protocol", "version"),
)
_PLAIN = {str, int, bool, type(None)}
_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Report:
    """Scores of one dictionary on one testbed, with all that is needed to judge and repeat them.

    Attributes:
        dictionary: its name.
        testbed: name of the testbed.
        scores: metric key -> score, brought to the types of the file (None or NaN in a column of numbers is NaN, in
            details None), so that a report read back equals the one written but for replicates. The difference of a
            score with replicates from its best floor, paired if that has some too, is kept in the score's
            `details["over_floor"]`.
        provenance: versions, seeds, device, dtype, checkpoint sha256, number of games, vocabulary, as JSON types;
            run times only under its key `times`, so that everything else repeats exactly.
        warnings: what a reader must know before trusting the numbers.
        controls: name of a floor or ceiling -> metric key -> its whole score (the names stand in each score's `floors`
            and `ceilings`).

    Raises:
        ValueError: no or a malformed name, or two scores that cannot be paired.
        TypeError: provenance or details that JSON cannot hold.
    """

    dictionary: str
    testbed: str
    scores: dict[str, Score]
    provenance: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    controls: dict[str, dict[str, Score]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for argument in ("dictionary", "testbed"):
            if not isinstance(getattr(self, argument), str) or not getattr(self, argument):
                raise ValueError(f"Report: {argument} must be a name, got {getattr(self, argument)!r}")
        for scores in (self.scores, *self.controls.values()):
            for key, score in scores.items():
                if not key or "/" in key or not isinstance(score, Score):
                    raise ValueError(
                        f"Report: scores map a metric name without '/' to a Score, got {key!r}: {type(score).__name__}"
                    )
        controls = {name: _as_stored(scores, f"controls[{name!r}]") for name, scores in self.controls.items()}
        paired = {
            key: with_over_floor(score, {name: by_key[key] for name, by_key in controls.items() if key in by_key})
            for key, score in _as_stored(self.scores, "scores").items()
        }
        object.__setattr__(self, "scores", paired)
        object.__setattr__(self, "controls", controls)
        object.__setattr__(self, "provenance", plain(self.provenance, "provenance"))
        object.__setattr__(self, "warnings", tuple(self.warnings))

    def __str__(self) -> str:
        lines = [f"{self.dictionary} on {self.testbed}"]
        for key, score in self.scores.items():
            at = standing(score)
            floor = f"floor {number(at.floor_value)} ({at.floor})" if at.floor else "no floor"
            ceiling = f"ceiling {number(at.ceiling_value)} ({at.ceiling})" if at.ceiling else "no ceiling"
            bounds = f"{floor}, {ceiling}, rescaled {number(at.normalised)}"
            lines.append(f"  {key} {number(score.value)} {interval_text(score.low, score.high)}; {bounds}")
        return "\n".join(lines)

    def score(self, metric: str) -> Score:
        """The score of one metric.

        Raises:
            KeyError: not in the report.
        """
        if metric not in self.scores:
            close = get_close_matches(metric, self.scores, n=3) or list(self.scores)
            raise KeyError(f"no metric {metric!r} in the report on {self.dictionary!r}; it has {', '.join(close)}")
        return self.scores[metric]

    def to_frame(self) -> "pd.DataFrame":
        """One row per metric (the index): value, interval, best floor and ceiling, 0-1 rescaling, protocol."""
        import pandas as pd

        columns: dict[str, list[Any]] = {name: [] for name in _FRAME_COLUMNS}
        for score in self.scores.values():
            known = {**vars(score), **vars(standing(score))}
            for name, column in columns.items():
                column.append(known[name])
        return pd.DataFrame(columns, index=pd.Index(list(self.scores), name="metric"))

    def features_frame(self, metric: str) -> "pd.DataFrame":
        """The per-feature table of one metric, one row per feature; empty if the metric has none.

        Raises:
            KeyError: the metric is not in the report.
        """
        import pandas as pd

        return pd.DataFrame(dict(self.score(metric).features))

    def table(self) -> "RenderableType":
        """A table for rich: each value with interval, best floor, best ceiling and its place between them."""
        from .report_table import report_table

        return report_table(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write one self-contained page about this report; several reports share one with `write_html`."""
        from .reporting.page import write_html

        return write_html([self], path)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write the report, whole or not at all.

        Keys are sorted, floats have their shortest exact form, NaN is null, infinity a string, and `times` stands on
        its own at the top: the same report always gives the same bytes.

        Returns:
            The path.
        """
        provenance = {key: value for key, value in self.provenance.items() if key != "times"}
        top = {
            "kind": "fiducial report",
            "schema_version": SCHEMA_VERSION,
            "dictionary": self.dictionary,
            "testbed": self.testbed,
            "provenance": provenance,
            "warnings": list(self.warnings),
            **_pack(self.scores),
            "controls": {name: _pack(scores) for name, scores in self.controls.items()},
            "control_order": list(self.controls),
        }
        if "times" in self.provenance:
            top["times"] = self.provenance["times"]
        # Long columns stay on one line each; what people read is indented.
        parts = [
            f"{json.dumps(key)}: "
            + json.dumps(value, sort_keys=True, allow_nan=False, indent=None if key in ("features", "controls") else 1)
            for key, value in sorted(plain(top, "report").items())
        ]
        return write_atomically(path, "{\n" + ",\n".join(parts) + "\n}\n")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `to_json` wrote, by this version or another; unknown keys are ignored, replicates are gone.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a report, truncated, or of a newer major schema.
        """
        text = Path(path).read_bytes()
        try:
            top = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not a fiducial report, or truncated: {error}") from error
        if not isinstance(top, dict) or "schema_version" not in top or "metrics" not in top:
            raise ValueError(f"{path}: JSON, but not a fiducial report (no schema_version or no metrics)")
        version = str(top["schema_version"])
        known = int(SCHEMA_VERSION.split(".")[0])
        if not version.split(".")[0].isdecimal():
            raise ValueError(f"{path}: schema_version must look like {SCHEMA_VERSION!r}, got {version!r}")
        if int(version.split(".")[0]) > known:
            raise ValueError(
                f"{path}: written with report schema {version}; this fiducial reads up to {known}.x: upgrade it"
            )
        try:
            provenance = dict(top.get("provenance", {}))
            if "times" in top:
                provenance["times"] = top["times"]
            controls = _ordered(top.get("controls", {}), top.get("control_order", []))
            return cls(
                dictionary=top["dictionary"],
                testbed=top["testbed"],
                scores=_unpack(top),
                provenance=provenance,
                warnings=tuple(_texts(top.get("warnings", ()), "warnings")),
                controls={name: _unpack(block) for name, block in controls.items()},
            )
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
            raise ValueError(f"{path}: a malformed fiducial report ({type(error).__name__}: {error})") from error


def plain(value: Any, where: str) -> Any:
    """The same value in JSON types: NaN becomes None, infinities strings, arrays and tuples lists.

    Raises:
        TypeError: something else, named by where it stands.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, list | tuple):
        if set(map(type, value)) <= _PLAIN:  # a column of names or counts
            return list(value)
        return [item if type(item) is float and math.isfinite(item) else plain(item, where) for item in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    raise TypeError(f"{where} must hold JSON types (text, numbers, lists, dicts), got {type(value).__name__}")


def write_atomically(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file under a temporary name and rename it when whole; missing folders are made.

    What is no ordinary file, such as /dev/stdout or a pipe, is written to and never replaced.

    Raises:
        OSError: it cannot be written; names the path.
    """
    path = Path(path)
    if path.parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir()):
        with path.open("w", encoding="utf-8", newline="\n") as device:
            device.write(text)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # other machines may write here, too
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave an empty file under the new name
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error  # nobody knows the temporary name
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _pack(scores: Mapping[str, Score]) -> dict[str, Any]:
    """Scores as JSON blocks: `metrics` has flat keys such as `coverage`, `coverage/low`, `coverage/groups/board`.

    `order` keeps the order of names, which sorting the keys would lose.
    """
    flat: dict[str, Any] = {}
    order: dict[str, list[str]] = {"metrics": list(scores)}
    for key, score in scores.items():
        flat |= {key: score.value, f"{key}/low": score.low, f"{key}/high": score.high}
        flat |= {f"{key}/metric": score.metric, f"{key}/protocol": score.protocol, f"{key}/version": score.version}
        for part in ("groups", "floors", "ceilings"):
            flat |= {f"{key}/{part}/{name}": value for name, value in getattr(score, part).items()}
            order[f"{key}/{part}"] = list(getattr(score, part))
        for name, (low, high) in score.group_intervals.items():
            flat |= {f"{key}/group_low/{name}": low, f"{key}/group_high/{name}": high}
        order[f"{key}/features"] = list(score.features)
    return {
        "metrics": flat,
        "order": order,
        "features": {key: score.features for key, score in scores.items() if score.features},
        "details": {key: score.details for key, score in scores.items() if score.details},
    }


def _unpack(block: Mapping[str, Any]) -> dict[str, Score]:
    """Inverse of `_pack`; unknown keys are left out."""
    order = block.get("order", {})
    own: dict[str, dict[str, Any]] = {}
    parts: dict[str, dict[str, dict[str, float]]] = {}
    for flat_key, value in block["metrics"].items():
        key, *rest = flat_key.split("/", 2)
        if len(rest) < 2:
            own.setdefault(key, {})[rest[0] if rest else "value"] = value
        else:
            parts.setdefault(key, {}).setdefault(rest[0], {})[rest[1]] = _float(value, flat_key)
    scores: dict[str, Score] = {}
    for key, fields in _ordered(own, order.get("metrics", [])).items():
        named = {
            part: _ordered(parts.get(key, {}).get(part, {}), order.get(f"{key}/{part}", []))
            for part in ("groups", "floors", "ceilings", "group_low", "group_high")
        }
        metric, protocol, version = (
            fields.get("metric", key),
            fields.get("protocol", "held-out"),
            fields.get("version", 1),
        )
        if not isinstance(metric, str) or not isinstance(protocol, str) or not isinstance(version, int):
            raise ValueError(f"{key}: metric and protocol must be text, version a whole number")
        columns = _ordered(block.get("features", {}).get(key, {}), order.get(f"{key}/features", []))
        scores[key] = Score(
            metric=metric,
            value=_float(fields["value"], key),
            low=_float(fields.get("low"), f"{key}/low"),
            high=_float(fields.get("high"), f"{key}/high"),
            groups=named["groups"],
            group_intervals={
                name: (low, named["group_high"].get(name, NAN)) for name, low in named["group_low"].items()
            },
            features={name: _column(column) for name, column in columns.items()},
            floors=named["floors"],
            ceilings=named["ceilings"],
            protocol=protocol,
            version=version,
            details=_details(block.get("details", {}).get(key, {}), key),
        )
    return scores


def _details(details: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Details of a score; what pages and tables reckon with has to be numbers, as `over_floor` and floors of groups.

    Raises:
        TypeError: a part that is no mapping.
        ValueError: something else than a number.
    """
    checked = dict(details)
    over = dict(checked.get("over_floor") or {})
    for name in ("difference", "low", "high"):
        if name in over:
            _float(over[name], f"{key}/over_floor/{name}")
    if "group_floors" in checked:
        floors = dict(checked["group_floors"] or {})
        checked["group_floors"] = {name: _float(value, f"{key}/group_floors/{name}") for name, value in floors.items()}
    return checked


def _as_stored(scores: Mapping[str, Score], where: str) -> dict[str, Score]:
    """The scores as they would come back from a file, with their replicates."""
    stored = _unpack(plain(_pack(scores), where))
    return {key: replace(score, replicates=scores[key].replicates) for key, score in stored.items()}


def _ordered(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """`values` with the given names first, in their order."""
    return {name: values[name] for name in (*(n for n in names if n in values), *(n for n in values if n not in names))}


def _texts(values: Any, key: str) -> list[str]:
    """Sentences of the file.

    Raises:
        ValueError: something else.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key} must be a list of texts, got {str(values)[:60]!r}")
    return list(values)


def _float(value: Any, key: str) -> float:
    """A number of the file; null is NaN."""
    if value is None:
        return NAN
    if isinstance(value, float) and math.isnan(value):
        return NAN  # one object, so that tables with NaN in them equal themselves
    if isinstance(value, str):
        value = _INFINITIES.get(value, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} must be a number or null, got {value!r}")
    if isinstance(value, int):
        float(value)  # one that no float can hold overflows here, and not later in a page
    return value


def _column(values: list[Any]) -> list[Any]:
    """A column of a per-feature table; in a column of numbers null is NaN."""
    kinds = set(map(type, values))
    if kinds <= {float, int, type(None)}:
        return [NAN if v is None or v != v else v for v in values]
    numeric = all(
        v is None
        or (isinstance(v, int | float) and not isinstance(v, bool))
        or (isinstance(v, str) and v in _INFINITIES)
        for v in values
    )
    return [_float(value, "features") for value in values] if numeric else values
