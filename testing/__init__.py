"""Assertions about SAEs for test suites: what was missed, and how floor and ceiling stand.

    from fiducial.testing import assert_recovers

    def test_my_sae(fiducial_testbed):
        assert_recovers("path/to/sae", fiducial_testbed, coverage=0.5)

They need no pytest; with it, a plugin adds fixtures, options and a summary (docs/pytest.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assertions import (
        assert_beats_floor,
        assert_better,
        assert_near_ceiling,
        assert_not_worse,
        assert_recovers,
        assert_score,
    )
    from .reports import dictionary_of, scored
    from .store import Store
    from .truth import Truth

__all__ = [
    "Store",
    "Truth",
    "assert_beats_floor",
    "assert_better",
    "assert_near_ceiling",
    "assert_not_worse",
    "assert_recovers",
    "assert_score",
    "dictionary_of",
    "scored",
]

_HOMES = {"Store": ".store", "Truth": ".truth", "dictionary_of": ".reports", "scored": ".reports"}


def __getattr__(name: str) -> Any:
    if name in __all__:  # the libraries behind them take seconds to import
        return getattr(import_module(_HOMES.get(name, ".assertions"), __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
