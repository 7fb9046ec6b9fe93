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
    from . import figures, games, metrics
    from .certification import certify
    from .certify_measure import Newcomer
    from .evaluation import evaluate
    from .models.loading import load_dictionary
    from .models.loading_folders import find_dictionaries
    from .models.loading_gpt import load_model
    from .models.training import train_sae
    from .models.training_recipes import register_architecture
    from .report import Report
    from .scoring import register_metric
    from .testbed_catalogue import Testbed, testbed, testbeds

__version__ = "0.1.0"

__all__ = [
    "Newcomer",
    "Report",
    "Testbed",
    "certify",
    "evaluate",
    "figures",
    "find_dictionaries",
    "games",
    "load_dictionary",
    "load_model",
    "metrics",
    "register_architecture",
    "register_metric",
    "testbed",
    "testbeds",
    "train_sae",
]

_HOMES = {
    "Newcomer": ".certify_measure",
    "Report": ".report",
    "Testbed": ".testbed_catalogue",
    "certify": ".certification",
    "evaluate": ".evaluation",
    "find_dictionaries": ".models.loading_folders",
    "load_dictionary": ".models.loading",
    "load_model": ".models.loading_gpt",
    "register_architecture": ".models.training_recipes",
    "register_metric": ".scoring",
    "testbed": ".testbed_catalogue",
    "testbeds": ".testbed_catalogue",
    "train_sae": ".models.training",
}


def __getattr__(name: str) -> Any:
    if name in ("figures", "games", "metrics"):
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
