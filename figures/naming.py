"""What a result says of its SAE: architecture, L0, width, seed of the training and step of a checkpoint."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..metrics.score import Score
from ..reporting.identity import architecture

_L0 = re.compile(r"\bl0-(\d+(?:\.\d+)?)")
_SEED = re.compile(r"\bseed-(\d+)")
_STEP = re.compile(r"@(\d+)$")
_CONTROL_L0 = re.compile(r"L0 (\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class SAE:
    """Scores of one dictionary on one testbed, with what is known of it.

    Attributes:
        name: as the result has it.
        testbed: name of the testbed.
        arch: key of the architecture; `unknown` if neither the result nor the name says it, `control` for a floor.
        l0: latents active a position; NaN if unknown.
        width: latents; 0 if unknown.
        seed: of the training; None if the name does not say.
        step: of a checkpoint; None at the end of the training.
        games: that it was scored on; 0 if unknown.
        scores: by metric.
        controls: scores of floors and ceilings, by name and metric.
        source: name of the file.
        twin: trained on a model with random weights.
    """

    name: str
    testbed: str
    arch: str
    l0: float
    width: int
    seed: int | None
    step: int | None
    games: int
    scores: Mapping[str, Score]
    controls: Mapping[str, Mapping[str, Score]]
    source: str = ""
    twin: bool = False

    def has(self, *metrics: str) -> bool:
        """Whether all of these metrics were measured and have a value."""
        return all(name in self.scores and not math.isnan(self.scores[name].value) for name in metrics)

    def group(self, metric: str, group: str) -> Score | None:
        """One feature group of a metric as a score, with the same group of its floors and ceilings; None if absent."""
        whole = self.scores.get(metric)
        if whole is None or group not in whole.groups:
            return None
        low, high = whole.group_intervals.get(group, (math.nan, math.nan))
        first = next(iter(whole.floors), None)  # the floor that comes with the metric has its groups in the details

        def of(names: Mapping[str, float]) -> dict[str, float]:
            found: dict[str, float] = {}
            for name in names:
                control = self.controls.get(name, {}).get(metric)
                groups = control.groups if control else whole.details.get("group_floors", {}) if name == first else {}
                if group in groups and groups[group] is not None:
                    found[name] = float(groups[group])
            return found

        return Score(whole.metric, whole.groups[group], low, high, floors=of(whole.floors), ceilings=of(whole.ceilings))


def described(
    name: str,
    testbed: str,
    scores: Mapping[str, Score],
    controls: Mapping[str, Mapping[str, Score]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    source: str = "",
) -> SAE:
    """A record of a result: what its provenance states, else what its scores or its name tell.

    Args:
        name: of the dictionary.
        testbed: of the testbed.
        scores: by metric.
        controls: scores of floors and ceilings.
        provenance: of the report.
        source: name of its file.
    """
    about = dict((provenance or {}).get("dictionary") or {})
    place = dict((provenance or {}).get("testbed") or {})
    step = about.get("step", _first(_STEP, name))
    return SAE(
        name=name,
        testbed=testbed,
        arch=str(about.get("arch") or about.get("architecture") or architecture(name)),
        l0=_l0(name, scores, controls or {}),
        width=int(about.get("n_latents") or 0),
        seed=None if (seed := _first(_SEED, name)) is None else int(seed),
        step=None if step is None else int(step),
        games=int(place.get("games") or place.get("n_games") or 0),
        scores=scores,
        controls=controls or {},
        source=source,
    )


def _l0(name: str, scores: Mapping[str, Score], controls: Mapping[str, Mapping[str, Score]]) -> float:
    """The measured L0; else that of the random dictionary made to match; else the one in the name."""
    if "l0" in scores:
        return scores["l0"].value
    known = [control for control in controls if control.startswith("random dictionary")]
    known += [floor for score in scores.values() for floor in score.floors if floor.startswith("random dictionary")]
    for control in known:
        if (found := _first(_CONTROL_L0, control)) is not None:
            return found
    aimed = _first(_L0, name)
    return math.nan if aimed is None else aimed


def _first(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return None if found is None else float(found.group(1))
