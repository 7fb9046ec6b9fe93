"""Paulo et al. 2024 (arXiv 2410.13928), again, where the truth is known: do scorers agree, and are they right?

Published: rank correlations between five scorers over 800 explanations of latents of Gemma 2 9B, and medians of three
of them for random explanations, for a random TopK SAE and for trained ones. Here: the same over explanations of latents
of a board-game model, beside the true F1 of each explanation.

Differences from published code
    1. Games to explain and games to ask about differ; there examples are drawn from one list.
    2. Scores are per latent, their rank correlations over latents' explanations; the medians likewise.
    3. The judge executes explanations unless one is given, so that what is wrong is the procedure, not a model.
    4. Surprisal needs a language model and is not measured here; its published figures stand beside nothing.
    5. Their latents are a language model's and have no known truth; ours have, and that is the first column.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.llm.embedders import Encoder
from ..metrics.llm.nouns import Judge
from ..report import write_atomically
from .agreement import PUBLISHED, PUBLISHED_NAMES, Figure, rank_agreement, spearman
from .result import BARE, FOUND, JudgesJudged

if TYPE_CHECKING:
    from rich.console import Group

SCORERS = ("fuzzing", "detection", "simulation", "embedding")
TRUTH = "true F1"
MEDIANS: dict[str, dict[str, tuple[float, float, float]]] = {
    "shuffled explanations": {
        "fuzzing": (0.51, 0.45, 0.57),
        "detection": (0.51, 0.45, 0.58),
        "embedding": (0.51, 0.44, 0.57),
    },
    "random dictionary": {"fuzzing": (0.55, np.nan, np.nan), "detection": (0.54, np.nan, np.nan)},
    "explanations found": {
        "fuzzing": (0.76, 0.67, 0.86),
        "detection": (0.74, 0.63, 0.85),
        "embedding": (0.67, 0.57, 0.80),
    },
}
"""Published median and quartiles (Paulo et al. 2024): random explanations, random TopK SAE, the default pipeline."""


@dataclass(frozen=True)
class Paulo:
    """The comparison on one testbed.

    Attributes:
        name: of the testbed.
        made: everything that was asked.
    """

    name: str
    made: JudgesJudged

    def rows(self, case: str) -> list[Any]:
        """Records of `shuffled explanations`, of a `random dictionary`'s, or `explanations found` for trained SAEs."""
        kind = "random dictionary" if case == "random dictionary" else "trained"
        variant = "shuffled" if case == "shuffled explanations" else FOUND
        return self.made.some(lambda row: row["kind"] == kind and row["variant"] == variant)

    def agreement(self, a: str, b: str, *, found: bool = False, n_resamples: int = 1000) -> Figure:
        """Rank correlation of two scorers, or of one with `true F1`, over explanations of trained and planted latents.

        Args:
            a: a scorer, or `true F1`.
            b: another.
            found: over the explanations that an explainer finds, one a latent, as published; else over all variants.
            n_resamples: of the interval over latents.
        """
        rows = self.made.some(lambda row: row["kind"] in BARE and (row["variant"] == FOUND or not found))
        first, second = (self.made.column("f1" if name == TRUTH else name, rows) for name in (a, b))
        return rank_agreement(first, second, [(row["sae"], row["latent"]) for row in rows], n_resamples=n_resamples)

    def median(self, case: str, name: str) -> tuple[float, float, float]:
        """Median and quartiles of a scorer, or of `true F1`, over latents; NaN without any."""
        values = self.made.column("f1" if name == TRUTH else name, self.rows(case))
        known = values[np.isfinite(values)]
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]).tolist() if len(known) else [np.nan] * 3
        return middle, low, high

    def order(self, *, found: bool = True) -> float:
        """Rank correlation of our six agreements between four scorers with the published ones."""
        ours: list[float] = []
        theirs: list[float] = []
        for i, a in enumerate(SCORERS):
            for b in SCORERS[:i]:
                ours.append(self.agreement(a, b, found=found, n_resamples=1).value)
                theirs.append(published(a, b))
        return spearman(np.array(ours), np.array(theirs))

    def table(self) -> "Group":
        """For terminals, published figures in brackets; see `paulo2024_table`."""
        from .paulo2024_table import table

        return table(self)

    def numbers(self) -> dict[str, Any]:
        """All figures beside the published ones, JSON types."""
        names = (TRUTH, *SCORERS)
        pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
        agreement = [
            {
                "scorers": [b, a],
                "published": _plain(published(a, b)),
                **{
                    key: [_plain(one.value), _plain(one.low), _plain(one.high), one.n]
                    for key, one in (("all", self.agreement(a, b)), ("found", self.agreement(a, b, found=True)))
                },
            }
            for a, b in pairs
        ]
        medians = {
            case: {
                name: {
                    "here": [_plain(v) for v in self.median(case, name)],
                    "published": [_plain(v) for v in MEDIANS[case].get(name, ())],
                }
                for name in names
            }
            for case in MEDIANS
        }
        return {"testbed": self.name, "agreement": agreement, "medians": medians, "about": dict(self.made.about)}

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write all figures."""
        return write_atomically(path, json.dumps(self.numbers(), indent=1, allow_nan=False) + "\n")


def reproduce_paulo2024(
    testbeds: Sequence[str] | None = None,
    *,
    n_games: int = 240,
    n_latents: int = 10,
    judge: Judge | None = None,
    encoder: Encoder | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> list[Paulo]:
    """Agreement of scorers with each other and with the truth, beside the published figures.

    Args:
        testbeds: names; `othello-6x6` by default.
        n_games: of each.
        n_latents: of each dictionary.
        judge: one more judge, such as a language model.
        encoder: for the embedding score; by default words are hashed.
        out: folder where parts are kept, so that an interrupted run goes on.
        seed: of everything that is drawn.
        say: told of each dictionary as it is done.

    Raises:
        KeyError: an unknown testbed.
        ValueError: kept parts of other settings.
    """
    from ..testbed_catalogue import check_testbed, testbed
    from .against_truth import judge_the_judges

    names = [check_testbed(name) for name in testbeds or ("othello-6x6",)]
    return [
        Paulo(
            name,
            judge_the_judges(
                testbed(name, n_games=n_games, seed=seed),
                n_latents=n_latents,
                judge=judge,
                encoder=encoder,
                out=None if out is None else Path(out) / name,
                seed=seed,
                say=say,
            ),
        )
        for name in names
    ]


def published(a: str, b: str) -> float:
    """The published rank correlation of two scorers; NaN where there is none.

    >>> published("detection", "fuzzing")
    0.73
    """
    if a not in PUBLISHED_NAMES or b not in PUBLISHED_NAMES:
        return float("nan")
    found: NDArray[np.float64] = PUBLISHED
    return float(found[PUBLISHED_NAMES.index(a), PUBLISHED_NAMES.index(b)])


def _plain(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
