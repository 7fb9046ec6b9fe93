"""fiducial: a ground-truth testbed for sparse autoencoders.

    import fiducial as fd

    tb = fd.testbed("othello-small", n_games=500, seed=0)
    sae = fd.load_dictionary("path/to/sae")
    report = fd.evaluate(sae, tb)
    report.to_html("report.html")

Names are resolved when first used, so that importing the package stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import games, metrics
    from .evaluation import evaluate
    from .models.loading import load_dictionary
    from .report import Report
    from .testbed_catalogue import Testbed, testbed, testbeds

__version__ = "0.1.0"

__all__ = ["Report", "Testbed", "evaluate", "games", "load_dictionary", "metrics", "testbed", "testbeds"]

_HOMES = {
    "Report": ".report",
    "Testbed": ".testbed_catalogue",
    "evaluate": ".evaluation",
    "load_dictionary": ".models.loading",
    "testbed": ".testbed_catalogue",
    "testbeds": ".testbed_catalogue",
}


def __getattr__(name: str) -> Any:
    if name in ("games", "metrics"):
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
