"""Which SAE a report is about: architecture, sparsity, width and step of training, as far as anything says.

What the provenance states counts first; then the name, as `fiducial zoo` and the shipped SAEs write it
(`topk-l0-32-seed-0`, `othello-6x6-gated-l0-16-seed-0@119`); then what was measured. What nothing says is None, and an
architecture that nothing names is `unknown`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..report import Report

UNKNOWN = "unknown"
CONTROL = "control"
# Longest first, so that "batchtopk" is not read as "topk"; what other libraries write stands beside our names.
_ARCHITECTURES = {
    "standard-unit-norm": ("standard-unit-norm", "standard_unit_norm"),
    "batchtopk": ("batchtopk", "batch_topk", "batch-topk", "batch_top_k"),
    "matryoshka": ("matryoshka_batchtopk", "matryoshkabatchtopk", "matryoshka-batchtopk", "matryoshka"),
    "gated_anneal": ("gated_anneal", "gated-anneal"),
    "jumprelu": ("jumprelu", "jump_relu", "jump-relu"),
    "p_anneal": ("p_anneal", "p-anneal", "panneal", "standard_anneal"),
    "standard": ("standard", "vanilla", "relu"),
    "switch": ("switch",),
    "topk": ("topk", "top_k", "top-k"),
    "gated": ("gated",),
}
_CONTROLS = ("frozen", "random", "permuted", "shuffled", "twin")  # names of dictionaries that deserve no credit
_L0 = re.compile(r"(?:^|[-_/ ])l0[-_ =]?([0-9]+(?:\.[0-9]+)?)(?![0-9.])", re.I)
_WIDTH = re.compile(r"(?:^|[-_/ ])(?:width|w|latents|d_sae)[-_ =]?([0-9]+)(k?)(?![0-9a-z])", re.I)
_STEP = re.compile(r"@([0-9]+)$")


@dataclass(frozen=True)
class Identity:
    """What is known of an SAE.

    Attributes:
        arch: name of its architecture, `control` or `unknown`.
        l0: latents active a row: as measured, else as named; None if nothing says.
        width: number of latents, or None.
        step: of training, for a checkpoint before the end; None for a finished SAE.
        run: its name without the step.
    """

    arch: str
    l0: float | None
    width: int | None
    step: int | None
    run: str


def identity(report: Report) -> Identity:
    """What is known of the SAE that a report is about."""
    about = report.provenance.get("dictionary")
    about = about if isinstance(about, Mapping) else {}
    name = report.dictionary
    step = _STEP.search(name)
    return Identity(
        arch=_stated(about) or architecture(name),
        l0=_measured(report) or _number(_L0.search(name)),
        width=_width(about) or _number_k(_WIDTH.search(name)),
        step=int(step[1]) if step else None,
        run=_STEP.sub("", name),
    )


def architecture(name: str) -> str:
    """The architecture that a name speaks of, `control` or `unknown`.

    >>> architecture("othello-6x6-batchtopk-l0-32-seed-0@119"), architecture("my-sae-7"), architecture("frozen-topk")
    ('batchtopk', 'unknown', 'control')
    """
    text = name.lower()
    if any(re.search(rf"(?:^|[-_/ ]){word}(?![a-z])", text) for word in _CONTROLS):
        return CONTROL
    found = [
        (match.start(), -len(alias), arch)
        for arch, aliases in _ARCHITECTURES.items()
        for alias in aliases
        if (match := re.search(rf"(?<![a-z]){re.escape(alias)}(?![a-z])", text))
    ]
    return min(found)[2] if found else UNKNOWN


def _stated(about: Mapping[str, Any]) -> str | None:
    """The architecture that the provenance states; one of another name than ours keeps it."""
    stated = about.get("architecture") or about.get("arch")
    if not isinstance(stated, str) or not stated:
        return None
    known = architecture(stated)
    return stated if known in (UNKNOWN, CONTROL) else known


def _measured(report: Report) -> float | None:
    score = report.scores.get("l0")
    return score.value if score is not None and math.isfinite(score.value) and score.value > 0 else None


def _width(about: Mapping[str, Any]) -> int | None:
    width = about.get("n_latents")
    return width if isinstance(width, int) and not isinstance(width, bool) and width > 0 else None


def _number(match: re.Match[str] | None) -> float | None:
    return float(match[1]) if match else None


def _number_k(match: re.Match[str] | None) -> int | None:
    return int(match[1]) * (1024 if match[2] else 1) if match else None
