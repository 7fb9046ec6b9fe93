"""All metrics by name: the records that stand beside their functions, collected."""

from .core import PROPERTIES as CORE
from .core_behaviour import PROPERTIES as CORE_BEHAVIOUR
from .coverage import PROPERTIES as COVERAGE
from .properties import Properties
from .reconstruction import PROPERTIES as RECONSTRUCTION

METRICS: dict[str, Properties] = {**COVERAGE, **RECONSTRUCTION, **CORE, **CORE_BEHAVIOUR}
