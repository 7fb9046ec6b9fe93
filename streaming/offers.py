"""Which metrics a file can be asked, and what is said of those that it cannot."""

from collections.abc import Sequence

from ..metrics import METRICS
from ..sample_testbed import SampleTestbed
from ..scoring import FAMILIES, FAMILY_OF, check_metrics
from ..testbed_specs import SPECS
from .bounded import FROM_STORED, POSED
from .sample import Sample

FROM_LATENTS = ("coverage", "reconstruction", *FAMILIES["codes"].metrics)
FROM_ACTIVATIONS = (*FROM_LATENTS, *FAMILIES["fidelity"].metrics)


def streamed(sample: Sample) -> tuple[str, ...]:
    """Metrics that are computed over the whole file, in their order; the default ones."""
    return FROM_ACTIVATIONS if sample.d_in else FROM_LATENTS


def offered(sample: Sample) -> tuple[str, ...]:
    """All metrics that a file can be asked, in the order of the catalogue."""
    families = POSED if sample.d_in else FROM_STORED
    posed = {name for one in families.values() if one.offered(_words(sample)) for name in one.metrics}
    return tuple(name for name in METRICS if name in streamed(sample) or name in posed)


def askable(metrics: Sequence[str] | None, sample: Sample) -> list[str]:
    """Metric names, checked; of a family, such as `ravel` or `tasks`, those that the file can be asked.

    Raises:
        KeyError: an unknown metric.
        ValueError: one that needs more than the file holds; says what, and what to do instead.
    """
    if metrics is None:
        return list(streamed(sample))
    here = offered(sample)
    found: list[str] = []
    refused: list[str] = []
    for name in [metrics] if isinstance(metrics, str) else metrics or check_metrics(metrics):
        several = check_metrics([name])
        mine = [one for one in several if one in here]
        found += mine
        refused += [] if mine else several
    if refused:
        why = "; ".join(dict.fromkeys(why_not(name, sample) for name in refused))
        raise ValueError(
            f"{', '.join(refused)} cannot be scored from {sample.path.name}: {why}. A file of "
            f"{'activations' if sample.d_in else 'latents'} offers {', '.join(_in_short(here, sample))}"
        )
    return list(dict.fromkeys(found))


def _in_short(names: Sequence[str], sample: Sample) -> list[str]:
    """The names, with those of a task by the name of the task."""
    return list(dict.fromkeys(n if n in streamed(sample) or FAMILY_OF[n] == "axes" else FAMILY_OF[n] for n in names))


def why_not(metric: str, sample: Sample) -> str:
    """What a file lacks for a metric, and where it can be had."""
    for one in POSED.values():
        if metric in one.metrics:
            if not one.offered(_words(sample)):
                return one.lacks
            return "it needs activations, and a dictionary to encode them; this file holds latents only"
    if metric in FAMILIES["fidelity"].metrics:
        return "it needs activations, and a dictionary to rebuild them; this file holds latents only"
    if FAMILY_OF[metric] == "recovery":
        return f"it needs the true directions of a synthetic world; {_on_testbed('synthsaebench-64')}"
    made_by = str(sample.facts.get("model"))
    known = made_by if made_by in SPECS else ""
    return (
        "it asks the model that made the activations, which a file does not hold; "
        f"{_on_testbed(known, sample) if known else _on_testbed('', sample)}"
    )


def _on_testbed(name: str, sample: Sample | None = None) -> str:
    if not name:
        return "score on a testbed with the model: fiducial score SAE -t MODEL --game GAME --layer LAYER"
    seed = "" if sample is None else f" --seed {sample.facts.get('seed', 0)}"
    return f"score on the testbed: fiducial score SAE -t {name}{seed}"


def _words(sample: Sample) -> "SampleTestbed":
    """A testbed without rows: whether a task can be posed depends on the vocabulary."""
    import numpy as np
    import torch

    from ..sample_testbed import SampleRows

    none = np.zeros(0, np.int64)
    rows = SampleRows(np.zeros((0, sample.features.n_bytes), np.uint8), none, none)
    return SampleTestbed(sample.path.name, sample.features, rows, torch.zeros(0, 0), np.zeros(0, np.bool_))
