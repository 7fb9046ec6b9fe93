"""All metrics by name: the records that stand beside their functions, collected."""

from .approximation import PROPERTIES as APPROXIMATION
from .approximation_boards import PROPERTIES as BOARDS
from .control import PROPERTIES as CONTROL
from .control_isolation import PROPERTIES as ISOLATION
from .core import PROPERTIES as CORE
from .core_behaviour import PROPERTIES as CORE_BEHAVIOUR
from .coverage import PROPERTIES as COVERAGE
from .interpretability import PROPERTIES as INTERPRETABILITY
from .meaning import PROPERTIES as MEANING
from .occlusion import PROPERTIES as OCCLUSION
from .properties import Properties
from .reconstruction import PROPERTIES as RECONSTRUCTION
from .recovery_records import PROPERTIES as RECOVERY
from .recovery_stability import PROPERTIES as STABILITY
from .splitting import PROPERTIES as SPLITTING

AXES: dict[str, Properties] = {
    **APPROXIMATION,
    **CONTROL,
    **ISOLATION,
    **INTERPRETABILITY,
    **MEANING,
    **OCCLUSION,
    **SPLITTING,
}  # at a site of an IOI model
METRICS: dict[str, Properties] = {
    **COVERAGE,
    **RECONSTRUCTION,
    **RECOVERY,
    **CORE,
    **CORE_BEHAVIOUR,
    **BOARDS,
    **AXES,
}
METRICS_BETWEEN: dict[str, Properties] = {**STABILITY}  # of several dictionaries together; no report of one has them
