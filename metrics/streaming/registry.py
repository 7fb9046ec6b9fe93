"""Every metric by name: how it takes a sample batch by batch, and the accumulators of those asked for.

Three ways: `sums` keeps sums over each game, or one bit a latent; `counts on disk` writes latents and labels to scratch
files and counts there; `bounded sample` keeps whole games up to a number of rows and scores those. The first two equal
the function on whole arrays for any sample, the third for a sample that it can keep whole.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..absorption import PROPERTIES as ABSORPTION
from ..absorption_saebench import PROPERTIES as ABSORPTION_SAEBENCH
from ..approximation import PROPERTIES as APPROXIMATION
from ..approximation_boards import PROPERTIES as BOARDS
from ..catalogue import METRICS
from ..control import PROPERTIES as CONTROL
from ..control_isolation import PROPERTIES as ISOLATION
from ..core_behaviour import PROPERTIES as BEHAVIOUR
from ..interpretability import PROPERTIES as INTERPRETABILITY
from ..llm.autointerp_saebench import PROPERTIES as AUTOINTERP_SAEBENCH
from ..llm.records import PROPERTIES as AUTOINTERP
from ..mdl import PROPERTIES as MDL
from ..meaning import PROPERTIES as MEANING
from ..meta_structure import PROPERTIES as META
from ..occlusion import PROPERTIES as OCCLUSION
from ..ravel import PROPERTIES as RAVEL
from ..ravel_model import PROPERTIES as RAVEL_MODEL
from ..recovery_records import PROPERTIES as RECOVERY
from ..score import Score
from ..scr_records import PROPERTIES as SCR
from ..sparse_probing import PROPERTIES as PROBING
from ..splitting import PROPERTIES as SPLITTING
from ..tpp_records import PROPERTIES as TPP
from ..unlearning_records import PROPERTIES as UNLEARNING
from .accumulator import Accumulator
from .batch import Batch
from .behaviour import StreamedApproximation, StreamedBehaviour, StreamedBoards
from .fidelity import NAMES as FIDELITY
from .fidelity import StreamedFidelity
from .gather import MOST_ROWS, Gathered
from .meta import StreamedMeta
from .passing import Narrowed
from .sampled import SAMPLED, Asked
from .sparsity import NAMES as SPARSITY
from .sparsity import StreamedSparsity

if TYPE_CHECKING:
    from ...games.features import FeatureSet

How = Literal["sums", "counts on disk", "bounded sample"]


@dataclass(frozen=True)
class Way:
    """How a family of metrics takes a sample batch by batch.

    Attributes:
        how: what is kept while the sample passes.
        metrics: names of the family.
    """

    how: How
    metrics: tuple[str, ...]


_OFF_MANIFOLD = ("off_manifold_error",)
WAYS: dict[str, Way] = {
    "coverage": Way("counts on disk", ("coverage",)),
    "reconstruction": Way("counts on disk", ("reconstruction",)),
    "recovery": Way("bounded sample", tuple(RECOVERY)),
    "sparsity": Way("sums", SPARSITY),
    "fidelity": Way("sums", FIDELITY),
    "behaviour": Way("sums", tuple(BEHAVIOUR)),
    "boards": Way("sums", tuple(BOARDS)),
    "approximation": Way("sums", tuple(APPROXIMATION)),
    "meta": Way("sums", tuple(META)),
    "control": Way("bounded sample", tuple(CONTROL)),
    "isolation": Way("bounded sample", tuple(name for name in ISOLATION if name not in _OFF_MANIFOLD)),
    "off_manifold": Way("bounded sample", _OFF_MANIFOLD),
    "interpretability": Way("bounded sample", tuple(INTERPRETABILITY)),
    "meaning": Way("bounded sample", tuple(MEANING)),
    "occlusion": Way("bounded sample", tuple(OCCLUSION)),
    "splitting": Way("bounded sample", tuple(SPLITTING)),
    "probing": Way("bounded sample", tuple(PROBING)),
    "scr": Way("bounded sample", tuple(SCR)),
    "tpp": Way("bounded sample", tuple(TPP)),
    "absorption": Way("bounded sample", (*ABSORPTION, *ABSORPTION_SAEBENCH)),
    "ravel": Way("bounded sample", tuple(RAVEL)),
    "ravel_model": Way("bounded sample", tuple(RAVEL_MODEL)),
    "unlearning": Way("bounded sample", tuple(UNLEARNING)),
    "mdl": Way("bounded sample", tuple(MDL)),
    "autointerp": Way("bounded sample", tuple(AUTOINTERP)),
    "autointerp_saebench": Way("bounded sample", tuple(AUTOINTERP_SAEBENCH)),
}
WAY_OF: dict[str, str] = {name: family for family, way in WAYS.items() for name in way.metrics}


def accumulators(
    names: Iterable[str],
    *,
    n_latents: int,
    features: "FeatureSet | None" = None,
    directions: NDArray[np.floating[Any]] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    targets: bool = False,
    reporting_only: bool = True,
    null: bool = True,
    n_resamples: int = 1000,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
    budget_bytes: int = 1 << 30,
    folder: str | Path | None = None,
) -> list[Accumulator]:
    """What scores the named metrics on a sample that passes batch by batch; hand it to `stream`.

    Metrics of one family share an accumulator, and all that work on a bounded sample keep their rows once.

    Args:
        names: from `fiducial.metrics.METRICS`.
        n_latents: width of the dictionary.
        features: what the labels mean; None for features known by number.
        directions: floating [L, d], what each latent writes; for metrics that read it.
        options: by family (a key of `WAYS`), what its function is told besides the rows, such as `pairs` for `scr`;
            what depends on the rows is a function of the batch (`task` for `ravel`, `exams` for `unlearning`).
        targets: whether batches measure the tokens that were played, for behaviour and boards.
        reporting_only: sparsity and fidelity leave out positions that thresholds are chosen on, as reports do.
        null: whether metrics compute their own shuffled floors.
        n_resamples: of the bootstrap.
        seed: of the bootstrap, of shuffles and of the bounded sample.
        most_rows: positions that a bounded sample keeps at most.
        budget_bytes: memory for all of them together.
        folder: for scratch files; None for the system's own.

    Returns:
        Accumulators whose names together are those asked for.

    Raises:
        KeyError: an unknown metric or family.
        ValueError: no name, or something that a metric needs was not given.
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        raise ValueError(f"no metric named; there are {', '.join(WAY_OF)}")
    if unknown := [name for name in wanted if name not in WAY_OF]:
        raise KeyError(f"no metric named {unknown[0]!r}; there are {', '.join(WAY_OF)}")
    told = dict(options or {})
    if strange := sorted(set(told) - set(WAYS)):
        raise KeyError(f"options name the families {strange}; there are {', '.join(WAYS)}")
    families = [family for family, way in WAYS.items() if any(name in way.metrics for name in wanted)]
    asked = {family: Asked(told.get(family, {}), n_resamples, seed, features, directions, null) for family in families}
    for family in families:
        _check(family, [name for name in wanted if WAY_OF[name] == family], asked[family])
    counting = any(WAYS[family].how == "counts on disk" for family in families)
    sampling = {family == "recovery" for family in families if WAYS[family].how == "bounded sample"}
    part = budget_bytes // max(1, counting + len(sampling))  # recovery keeps its own rows
    sums: dict[str, Callable[[], Accumulator]] = {
        "sparsity": partial(StreamedSparsity, n_latents, reporting_only=reporting_only),
        "fidelity": partial(StreamedFidelity, reporting_only=reporting_only),
        "behaviour": partial(StreamedBehaviour, targets=targets),
        "boards": partial(StreamedBoards, targets=targets),
        "approximation": StreamedApproximation,
        "meta": partial(StreamedMeta, directions),  # type: ignore[arg-type] - checked
    }
    found: dict[str, Accumulator] = {
        family: sums[family](**asked[family].less()) for family in families if WAYS[family].how == "sums"
    }
    counted = [family for family in families if WAYS[family].how == "counts on disk"]
    if counted:
        found |= _counted({family: asked[family] for family in counted}, n_latents, part, folder)
    sampled = {family: asked[family] for family in families if WAYS[family].how == "bounded sample"}
    if recovery := sampled.pop("recovery", None):  # apart, since it finds out by itself whether true sizes come
        from .recovery import StreamedRecovery

        given: dict[str, Any] = {"features": features, "most_rows": most_rows, "budget_bytes": part, **recovery.less()}
        found["recovery"] = StreamedRecovery(n_latents, directions=directions, **given)
    narrowed = [Narrowed(one, [name for name in wanted if WAY_OF[name] == family]) for family, one in found.items()]
    if not sampled:
        return [*narrowed]
    return [*narrowed, _gathered(sampled, [name for name in wanted if WAY_OF[name] in sampled], most_rows, part, seed)]


def _asks(family: str) -> tuple[str, ...]:
    """Options that a family cannot do without."""
    if family == "recovery":
        return ("true_directions",)
    return SAMPLED[family].asks if family in SAMPLED else ()


def _check(family: str, names: Sequence[str], asked: Asked) -> None:
    """Refuse what lacks something that it cannot do without."""
    who = ", ".join(names)
    directed = family in ("recovery", "meta") or (family in SAMPLED and SAMPLED[family].directed)
    if directed and asked.directions is None:
        raise ValueError(f"{who}: needs what each latent writes; give directions, floating [L, d]")
    missing = [name for name in _asks(family) if name not in asked.options]
    if missing:
        example = f"options={{{family!r}: {{{', '.join(f'{name!r}: ...' for name in missing)}}}}}"
        raise ValueError(f"{who}: needs {', '.join(missing)}, which rows alone do not tell; give {example}")


def _counted(
    families: Mapping[str, Asked], n_latents: int, budget: int, folder: str | Path | None
) -> dict[str, Accumulator]:
    """Accumulators that share one sample on disk; they count one after the other, each with the whole budget."""
    from .sample_spill import SampleSpill

    sample = SampleSpill(n_latents, features=next(iter(families.values())).features, folder=folder)
    found: dict[str, Accumulator] = {}
    for family, asked in families.items():
        given: dict[str, Any] = {"sample": sample, "budget_bytes": budget, **asked.less()}
        if family == "coverage":
            from .coverage import StreamedCoverage

            found[family] = StreamedCoverage(n_latents, null=asked.null, **given)
        else:
            from .reconstruction import StreamedReconstruction

            found[family] = StreamedReconstruction(n_latents, null=asked.null, **given)
    return found


def _gathered(
    families: Mapping[str, Asked], names: Sequence[str], most_rows: int, budget: int, seed: int
) -> Accumulator:
    """One bounded sample for all families, so that rows are kept once."""
    needs = {
        field
        for family, asked in families.items()
        for field in (*SAMPLED[family].needs, *SAMPLED[family].columns(asked.options))
    }

    def measure(batch: Batch) -> dict[str, Score]:
        found: dict[str, Score] = {}
        for family, asked in families.items():
            found |= SAMPLED[family].measure(batch, asked)
        return found

    # kept rows are held once in parts and once joined, and metrics make float64 of them
    return Gathered(measure, needs, most_rows, seed, names=names, most_bytes=budget // 8)


def how(name: str) -> How:
    """How a metric takes a sample.

    Raises:
        KeyError: an unknown metric.
    """
    if name not in WAY_OF:
        raise KeyError(f"no metric named {name!r}; there are {', '.join(WAY_OF)}")
    return WAYS[WAY_OF[name]].how


def table() -> str:
    """The ways of all metrics as a Markdown table, as the page on streaming shows it."""
    lines = ["| family | metrics | how it streams | reads | is told besides |", "|---|---|---|---|---|"]
    for family, way in WAYS.items():
        read = dict.fromkeys(need for name in way.metrics for need in METRICS[name].needs)
        cells = (
            family,
            ", ".join(f"`{name}`" for name in way.metrics),
            way.how,
            ", ".join(read),
            ", ".join(_asks(family)) or "-",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
