"""The main figures of the papers this project carries on from, drawn from results at hand.

    import fiducial as fd

    fd.figures.karvonen2024("results", "figures")

Every function reads files, folders or objects of results, writes its figures and one file of captions, and returns
their paths. matplotlib is needed only when something is drawn.
"""

from .ablations import shift_tpp
from .benchmark import saebench
from .karvonen import karvonen2024
from .makelov import makelov2024
from .paulo import paulo2024
from .results import Results, gather

PAPERS = {
    "karvonen2024": karvonen2024,
    "makelov2024": makelov2024,
    "saebench": saebench,
    "paulo2024": paulo2024,
    "shift-tpp": shift_tpp,
}
"""By the name that the command line knows."""

__all__ = ["PAPERS", "Results", "gather", "karvonen2024", "makelov2024", "paulo2024", "saebench", "shift_tpp"]
