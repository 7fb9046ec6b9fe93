"""One dictionary on one testbed -> Report: every score with its interval, floors and ceilings."""

import time
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .behaviour import with_replacement
from .metrics import METRICS, core_behaviour, core_fidelity, core_sparsity, coverage, reconstruction
from .metrics.score import Score
from .models.dictionary import Codes, Dictionary, encode_in_batches
from .references import Candidate, References
from .report import Report
from .testbeds import Testbed, testbed

Scores = dict[str, Score]


def check_metrics(names: Sequence[str] | None) -> list[str]:
    """Metric names, checked; all of them for None.

    Raises:
        KeyError: an unknown name; close names are suggested.
        ValueError: an empty list.
    """
    if names is None:
        return list(METRICS)
    if not names:
        raise ValueError(f"no metric named; there are {', '.join(METRICS)}")
    for name in names:
        if name not in METRICS:
            close = get_close_matches(name, METRICS, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(METRICS)}"
            raise KeyError(f"no metric named {name!r}{hint}")
    return list(names)
