"""All metrics by name: the records that stand beside their functions, collected."""

from .absorption import PROPERTIES as ABSORPTION
from .absorption_saebench import PROPERTIES as ABSORPTION_SAEBENCH
from .approximation import PROPERTIES as APPROXIMATION
from .approximation_boards import PROPERTIES as BOARDS
from .control import PROPERTIES as CONTROL
from .control_isolation import PROPERTIES as ISOLATION
from .core import PROPERTIES as CORE
from .core_behaviour import PROPERTIES as CORE_BEHAVIOUR
from .coverage import PROPERTIES as COVERAGE
from .interpretability import PROPERTIES as INTERPRETABILITY
from .llm.autointerp_saebench import PROPERTIES as AUTOINTERP_SAEBENCH
from .llm.records import PROPERTIES as AUTOINTERP
from .mdl import PROPERTIES as MDL
from .meaning import PROPERTIES as MEANING
from .meta_structure import PROPERTIES as META
from .occlusion import PROPERTIES as OCCLUSION
from .properties import Properties
from .ravel import PROPERTIES as RAVEL
from .ravel_model import PROPERTIES as RAVEL_MODEL
from .reconstruction import PROPERTIES as RECONSTRUCTION
from .recovery_records import PROPERTIES as RECOVERY
from .recovery_stability import PROPERTIES as STABILITY
from .scr_records import PROPERTIES as SCR
from .sparse_probing import PROPERTIES as PROBING
from .splitting import PROPERTIES as SPLITTING
from .tpp_records import PROPERTIES as TPP
from .unlearning_records import PROPERTIES as UNLEARNING

AXES: dict[str, Properties] = {
    **APPROXIMATION,
    **CONTROL,
    **ISOLATION,
    **INTERPRETABILITY,
    **MEANING,
    **OCCLUSION,
    **SPLITTING,
}  # at a site of an IOI model
TASKS: dict[str, Properties] = {
    **PROBING,
    **SCR,
    **TPP,
    **ABSORPTION,
    **ABSORPTION_SAEBENCH,
    **RAVEL,
    **RAVEL_MODEL,
    **UNLEARNING,
    **MDL,
    **META,
    **AUTOINTERP,
    **AUTOINTERP_SAEBENCH,
}  # SAEBench's, posed where the truth is known; measured when they are asked for
METRICS: dict[str, Properties] = {
    **COVERAGE,
    **RECONSTRUCTION,
    **RECOVERY,
    **CORE,
    **CORE_BEHAVIOUR,
    **BOARDS,
    **AXES,
    **TASKS,
}
METRICS_BETWEEN: dict[str, Properties] = {**STABILITY}  # of several dictionaries together; no report of one has them
