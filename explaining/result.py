"""What came of explaining a dictionary: per latent the words, the truth about them and every scorer's opinion."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..metrics.llm.nouns import Explanation
from ..metrics.llm.predicate_text import to_text
from ..report import plain, write_atomically

SCHEMA = "fiducial explanations 1"


@dataclass(frozen=True)
class ExplainedLatent:
    """One latent.

    Attributes:
        latent: its number.
        rate: share of the reporting positions at which it fires.
        text: the explanation; empty if there is none.
        predicate: the same in the language of predicates, empty for words that nobody has translated.
        source: who explained.
        failure: why there is no explanation; empty if there is one.
        exact: what executing the predicate on all reporting positions gives: `precision`, `recall`, `f1`, `iou`, each
            as value, low, high of the 95 % interval over games; empty without a predicate.
        scores: by scorer, what it says: `value` and what stands beside it.
        meta: of the explanation.
    """

    latent: int
    rate: float
    text: str
    predicate: str
    source: str
    failure: str = ""
    exact: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, explanation: Explanation, rate: float, **more: Any) -> "ExplainedLatent":
        """From an explanation and what was found out about it."""
        return cls(
            explanation.latent,
            rate,
            explanation.text,
            "" if explanation.predicate is None else to_text(explanation.predicate),
            explanation.source,
            explanation.failure,
            meta=dict(explanation.meta),
            **more,
        )

    def sentence(self) -> str:
        """For people: what it fires on, and how far that is true."""
        if self.failure:
            return f"no explanation: {self.failure}"
        known = [f"{name} {_number(self.exact[name][0])}" for name in ("precision", "recall") if name in self.exact]
        return f"fires when: {self.text}" + (f"; {', '.join(known)}" if known else "")


@dataclass(frozen=True)
class Summary:
    """One scorer over all latents.

    Attributes:
        scorer: its name.
        mean: over latents with a value.
        low: lower end of the 95 % interval of the mean, bootstrap over latents.
        high: upper end.
        median: over latents.
        quartiles: 25 % and 75 %.
        null: mean with shuffled explanations; NaN if that was not asked.
        truth: Spearman correlation with the exact F1 of the explanations over latents; NaN below five latents.
        n: latents with a value.
        failed: latents without, by reason.
        details: the judge's error rates, mean natural precision, failed answers by reason, latents that were not asked
            about to save time.
    """

    scorer: str
    mean: float
    low: float
    high: float
    median: float
    quartiles: tuple[float, float]
    null: float
    truth: float
    n: int
    failed: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Explained:
    """A dictionary's latents in words.

    Attributes:
        dictionary: its name.
        testbed: where.
        latents: in the order of their numbers.
        summaries: one a scorer.
        dropped: latents that were not explained, counted by reason.
        settings: how it was asked.
        provenance: versions, seeds, checksums.
        usage: requests, tokens and price that were spent, beside the plan; empty offline.
    """

    dictionary: str
    testbed: str
    latents: tuple[ExplainedLatent, ...]
    summaries: tuple[Summary, ...]
    dropped: Mapping[str, int]
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)

    def best(self, n: int | None = None) -> list[ExplainedLatent]:
        """Latents by the exact F1 of their explanation, best first; those without one last."""

        def key(one: ExplainedLatent) -> tuple[float, int]:
            f1 = one.exact["f1"][0] if "f1" in one.exact else -1.0
            return (-f1 if not math.isnan(f1) else 1.0, one.latent)

        return sorted(self.latents, key=key)[:n]

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write everything; `from_json` reads it back."""
        content = {"schema": SCHEMA, **plain(asdict(self), "explanations")}
        return write_atomically(path, json.dumps(content, indent=1, allow_nan=True) + "\n")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Explained":
        """Read what `to_json` wrote.

        Raises:
            ValueError: another kind of file, or one that is cut off.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} holds no whole JSON: {error}") from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"{path} holds no explanations: its schema is not {SCHEMA!r}")
        content.pop("schema")
        content["latents"] = tuple(latent_from(one) for one in content["latents"])
        content["summaries"] = tuple(
            Summary(**{**_floats(one, ("mean", "low", "high", "median", "null", "truth")), "quartiles": _pair(one)})
            for one in content["summaries"]
        )
        return cls(**content)


def latent_from(content: Mapping[str, Any]) -> ExplainedLatent:
    """One latent of a file."""
    exact = {name: tuple(_nan(v) for v in values) for name, values in content["exact"].items()}
    return ExplainedLatent(**{**content, "exact": exact})  # type: ignore[arg-type]


def _floats(content: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {**content, **{name: _nan(content[name]) for name in names}}


def _pair(content: Mapping[str, Any]) -> tuple[float, float]:
    low, high = content["quartiles"]
    return _nan(low), _nan(high)


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"
