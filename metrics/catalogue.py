"""All metrics by name: the records that stand beside their functions, collected."""

from .core import PROPERTIES as CORE
from .core_behaviour import PROPERTIES as CORE_BEHAVIOUR
from .coverage import PROPERTIES as COVERAGE
from .properties import Properties
from .reconstruction import PROPERTIES as RECONSTRUCTION
from .recovery_records import PROPERTIES as RECOVERY
from .recovery_stability import PROPERTIES as STABILITY

METRICS: dict[str, Properties] = {**COVERAGE, **RECONSTRUCTION, **RECOVERY, **CORE, **CORE_BEHAVIOUR}
METRICS_BETWEEN: dict[str, Properties] = {**STABILITY}  # of several dictionaries together; no report of one has them
