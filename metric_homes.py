"""Where each metric lives: the module that says what it computes, its function on arrays, the testbeds that have it."""

from collections.abc import Mapping
from dataclasses import dataclass

from .metrics.absorption import PROPERTIES as ABSORPTION
from .metrics.absorption_saebench import PROPERTIES as ABSORPTION_SAEBENCH
from .metrics.approximation import PROPERTIES as APPROXIMATION
from .metrics.approximation_boards import PROPERTIES as BOARDS
from .metrics.catalogue import METRICS, METRICS_BETWEEN
from .metrics.control import PROPERTIES as CONTROL
from .metrics.control_isolation import PROPERTIES as ISOLATION
from .metrics.core import PROPERTIES as CORE
from .metrics.core_behaviour import PROPERTIES as BEHAVIOUR
from .metrics.coverage import PROPERTIES as COVERAGE
from .metrics.interpretability import PROPERTIES as INTERPRETABILITY
from .metrics.llm.autointerp_saebench import PROPERTIES as AUTOINTERP_SAEBENCH
from .metrics.llm.records import PROPERTIES as AUTOINTERP
from .metrics.mdl import PROPERTIES as MDL
from .metrics.meaning import PROPERTIES as MEANING
from .metrics.meta_structure import PROPERTIES as META
from .metrics.occlusion import PROPERTIES as OCCLUSION
from .metrics.properties import Properties
from .metrics.ravel import PROPERTIES as RAVEL
from .metrics.ravel_model import PROPERTIES as RAVEL_MODEL
from .metrics.reconstruction import PROPERTIES as RECONSTRUCTION
from .metrics.recovery_records import PROPERTIES as RECOVERY
from .metrics.recovery_stability import PROPERTIES as STABILITY
from .metrics.scr_records import PROPERTIES as SCR
from .metrics.sparse_probing import PROPERTIES as PROBING
from .metrics.splitting import PROPERTIES as SPLITTING
from .metrics.tpp_records import PROPERTIES as TPP
from .metrics.unlearning_records import PROPERTIES as UNLEARNING


@dataclass(frozen=True)
class Home:
    """A family of metrics that one module explains.

    Attributes:
        key: its folder on the site.
        title: its heading in lists.
        records: what its metrics declare, by name.
        modules: files of `fiducial.metrics` that explain it, the first one with the question and the equations.
        functions: that compute it on arrays, as `module.function` of `fiducial.metrics`.
        testbeds: which testbeds can be asked.
        example: a testbed that can.
        asked: whether it is measured only when asked for by name.
        guides: pages of the documentation that go on from here, by title.
    """

    key: str
    title: str
    records: Mapping[str, Properties]
    modules: tuple[str, ...]
    functions: tuple[str, ...]
    testbeds: str
    example: str
    asked: bool = False
    guides: Mapping[str, str] | None = None


_TASKS = {
    "SAEBench's tasks on truth": "saebench-tasks.md",
    "The tasks, certified": "certification-saebench.md",
}
_AXES = {"Three axes on an IOI model": "ioi-three-axes.md"}
_TREES = {"Absorption, p-annealing, and the order of architectures": "absorption-and-architectures.md"}
_OCCLUSION = {"Occlusion and over-splitting": "occlusion-and-over-splitting.md"}
_EXPLAINED = {"Latents in words": "explaining.md", "The judges judged": "judges-judged.md", **_TASKS}
_ANY, _WORLDS, _PROMPTS = "every testbed", "synthetic worlds", "testbeds of IOI prompts"


def _task(
    key: str, title: str, records: Mapping[str, Properties], modules: tuple[str, ...], *functions: str, where: str
) -> Home:
    guides = _EXPLAINED if key.startswith("autointerp") else _TASKS
    return Home(key, title, records, modules, functions, where, "othello-6x6", asked=True, guides=guides)


HOMES: tuple[Home, ...] = (
    Home("coverage", "Coverage", COVERAGE, ("coverage",), ("coverage.coverage",), _ANY, "othello-6x6"),
    Home(
        "reconstruction",
        "Reconstruction",
        RECONSTRUCTION,
        ("reconstruction",),
        ("reconstruction.reconstruction",),
        _ANY,
        "othello-6x6",
    ),
    Home(
        "recovery",
        "Recovery of a known dictionary",
        RECOVERY,
        ("recovery", "recovery_taxonomy", "recovery_matching"),
        ("recovery.recovery",),
        _WORLDS,
        "synthsaebench-64",
        guides={"L0, width and hedging": "true-l0-and-width.md", **_TREES},
    ),
    Home(
        "core",
        "Core: sparsity and fidelity",
        CORE,
        ("core",),
        ("core.core_fidelity", "core.core_sparsity"),
        _ANY,
        "othello-6x6",
        guides={"L0, width and hedging": "true-l0-and-width.md"},
    ),
    Home(
        "behaviour",
        "Core: behaviour of the model",
        BEHAVIOUR,
        ("core_behaviour",),
        ("core_behaviour.core_behaviour",),
        _ANY,
        "othello-6x6",
    ),
    Home(
        "boards",
        "Approximation on boards",
        BOARDS,
        ("approximation_boards",),
        ("approximation_boards.board_approximation",),
        "games with legal moves",
        "othello-6x6",
        guides={"Board control": "board-control.md"},
    ),
    Home(
        "approximation",
        "Approximation",
        APPROXIMATION,
        ("approximation",),
        ("approximation.approximation",),
        _PROMPTS,
        "ioi-tiny",
        guides=_AXES,
    ),
    Home("control", "Control", CONTROL, ("control",), ("control.control",), _PROMPTS, "ioi-tiny", guides=_AXES),
    Home(
        "isolation",
        "Isolation of edits",
        ISOLATION,
        ("control_isolation",),
        ("control_isolation.isolation",),
        _PROMPTS,
        "ioi-tiny",
        guides=_AXES,
    ),
    Home(
        "interpretability",
        "Interpretability",
        INTERPRETABILITY,
        ("interpretability",),
        ("interpretability.interpretability",),
        _PROMPTS,
        "ioi-tiny",
        guides=_AXES,
    ),
    Home(
        "meaning", "Meaning and cause", MEANING, ("meaning",), ("meaning.meaning",), _PROMPTS, "ioi-tiny", guides=_AXES
    ),
    Home(
        "occlusion",
        "Occlusion",
        OCCLUSION,
        ("occlusion",),
        ("occlusion.occlusion",),
        _PROMPTS,
        "ioi-tiny",
        guides=_OCCLUSION,
    ),
    Home(
        "splitting",
        "Over-splitting",
        SPLITTING,
        ("splitting",),
        ("splitting.splitting",),
        _PROMPTS,
        "ioi-tiny",
        guides=_OCCLUSION,
    ),
    _task("probing", "Sparse probing", PROBING, ("sparse_probing",), "sparse_probing.sparse_probing", where=_ANY),
    _task("scr", "Spurious correlation removal", SCR, ("scr",), "scr.scr", where="testbeds with pairs of concepts"),
    _task("tpp", "Targeted probe perturbation", TPP, ("tpp",), "tpp.tpp", where="testbeds with families of classes"),
    _task(
        "absorption",
        "Absorption",
        ABSORPTION,
        ("absorption", "absorption_trees", "absorption_published"),
        "absorption.absorption",
        where="testbeds whose features imply one another",
    ),
    _task(
        "absorption-saebench",
        "Absorption as SAEBench has it",
        ABSORPTION_SAEBENCH,
        ("absorption_saebench", "absorption_published"),
        "absorption_saebench.first_letter_absorption",
        where="testbeds whose features imply one another",
    ),
    _task("ravel", "RAVEL", RAVEL, ("ravel",), "ravel.ravel", where="testbeds with attributes"),
    _task(
        "ravel-model",
        "RAVEL through the model",
        RAVEL_MODEL,
        ("ravel_model",),
        "ravel_model.ravel_model",
        where="testbeds with attributes and a model",
    ),
    _task("unlearning", "Unlearning", UNLEARNING, ("unlearning",), "unlearning.unlearning", where=_ANY),
    _task("mdl", "Description length", MDL, ("mdl",), "mdl.mdl", where=_ANY),
    _task("meta", "Meta-structure", META, ("meta_structure",), "meta_structure.meta_structure", where=_ANY),
    _task("autointerp", "Latents explained", AUTOINTERP, ("llm.autointerp",), "llm.autointerp.autointerp", where=_ANY),
    _task(
        "autointerp-saebench",
        "Latents explained, as SAEBench asks",
        AUTOINTERP_SAEBENCH,
        ("llm.autointerp_saebench",),
        "llm.autointerp_saebench.autointerp_saebench",
        where=_ANY,
    ),
    Home(
        "stability",
        "Stability over seeds",
        STABILITY,
        ("recovery_stability",),
        ("recovery_stability.pairwise_mcc", "recovery_stability.subspace_overlap"),
        "several dictionaries together",
        "",
        guides={"SAE similarity": "sae-similarity.md"},
    ),
)
ALL: dict[str, Properties] = {**METRICS, **METRICS_BETWEEN}
HOME_OF: dict[str, Home] = {name: home for home in HOMES for name in home.records}
