"""The exams of a sample of latents: what judges are asked about, for every way of asking.

One examiner serves all scorers, so that detection, embedding and surprisal of a latent see the same examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .copies import copied, same_facts
from .examples import fuzz
from .facts import Facts
from .latents import latents_of
from .negatives import neighbours_of
from .nouns import NEGATIVES, SAMPLINGS, Example, Explainer, Latent, Negatives, Sampling, Shown
from .sampling import Sampler
from .simulation import top_and_random, windows

if TYPE_CHECKING:
    from ...models.dictionary import Codes


@dataclass(frozen=True)
class ExamSettings:
    """How latents are shown and asked about.

    Attributes:
        sampling: which active examples explainers are shown.
        n_shown: how many of them, at most.
        n_contrast: silent examples that explainers are shown, of the same kind as in exams.
        negatives: which silent examples judges are asked about.
        n_active: active examples in an exam.
        n_silent: silent ones.
        n_windows: stretches of games to simulate, half of them the strongest.
        fuzzing_window: positions in a stretch with marks, at least 2.
        simulation_window: positions in a stretch to simulate, at least 2.
        copies: `keep` or `drop` positions of exams at which the same facts hold as at one of a choosing game, or that
            is in the exam already, and likewise stretches that are the same from end to end: games begin alike.

    Raises:
        ValueError: an unknown kind, or numbers that ask for nothing.
    """

    sampling: Sampling = "quantile"
    n_shown: int = 40
    n_contrast: int = 0
    negatives: Negatives = "random"
    n_active: int = 50
    n_silent: int = 50
    n_windows: int = 20
    fuzzing_window: int = 4
    simulation_window: int = 8
    copies: Literal["keep", "drop"] = "keep"

    def __post_init__(self) -> None:
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"sampling must be one of {', '.join(SAMPLINGS)}, got {self.sampling!r}")
        if self.negatives not in NEGATIVES:
            raise ValueError(f"negatives must be one of {', '.join(NEGATIVES)}, got {self.negatives!r}")
        least = {"n_shown": 1, "n_contrast": 0, "n_active": 1, "n_silent": 1, "n_windows": 2}
        least |= {"fuzzing_window": 2, "simulation_window": 2}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"{name} must be at least {smallest}, got {getattr(self, name)}")


class Examiner:
    """Draws what is shown to explainers and asked of judges.

    Args:
        facts: of all positions.
        codes: of the whole dictionary there; neighbours are looked for in it.
        latents: the sample, by number.
        settings: see there.
        follow: whether positions of a game follow each other, so that there are stretches of them.
        seed: of all draws.
        sae: name of the dictionary; other dictionaries draw otherwise.
    """

    def __init__(
        self,
        facts: Facts,
        codes: "Codes",
        latents: Mapping[int, Latent],
        settings: ExamSettings | None = None,
        *,
        follow: bool = True,
        seed: int = 0,
        sae: str = "",
    ) -> None:
        self.facts, self.latents, self.settings = facts, latents, settings or ExamSettings()
        self._codes, self._follow, self._seed, self._sae = codes, follow, seed, sae
        self._sampler = Sampler(facts, seed=seed, sae=sae, copies=self.settings.copies)

    @cached_property
    def apart(self) -> str:
        """Why there are no stretches of games; empty if there are."""
        if not self._follow:
            return "positions of this sample do not follow each other"
        return "" if windows(self.facts, 2) else "no reporting game has two positions"

    def shown(self, number: int) -> Shown:
        """What an explainer sees of a latent."""
        s = self.settings
        extra = self._extra.get(number, {}) if s.n_contrast else {}
        kind = s.negatives if s.n_contrast and (extra or s.negatives != "one literal away") else "random"
        return self._sampler.shown(
            self.latents[number],
            sampling=s.sampling,
            n=s.n_shown,
            n_negative=s.n_contrast,
            negatives=kind,
            **extra,
        )

    def positions(self, number: int) -> tuple[Example, ...]:
        """Single positions, active and silent: for detection, embedding, surprisal.

        None where negatives one literal away are asked for and no predicate describes the latent. Where the describing
        predicate is the one under test, those are told apart by construction: they test other explanations.
        """
        s = self.settings
        if s.negatives == "one literal away" and number not in self._extra:
            return ()
        return self._sampler.exam(
            self.latents[number],
            n_active=s.n_active,
            n_silent=s.n_silent,
            negatives=s.negatives,
            **self._extra.get(number, {}),
        )

    def marked(self, number: int) -> tuple[Example, ...]:
        """Stretches with marks, right and wrong ones: for fuzzing.

        Raises:
            ValueError: there are no stretches of games here.
        """
        self._need_stretches()
        s, latent = self.settings, self.latents[number]
        exam = self._wide.exam(latent, n_active=s.n_active, n_silent=s.n_silent)
        return fuzz(exam, latent, seed=self._seed, sae=self._sae)

    def stretches(self, number: int) -> tuple[Example, ...]:
        """Stretches of games, half of them the strongest, half drawn from all others: for simulation.

        Raises:
            ValueError: there are no stretches of games here.
        """
        self._need_stretches()
        return top_and_random(self.latents[number], self._pieces, n=self.settings.n_windows, seed=self._seed)

    def _need_stretches(self) -> None:
        if self.apart:
            raise ValueError(f"stretches of games cannot be shown: {self.apart}")

    def copied(self, number: int) -> float:
        """Share of a latent's active examples at which the same facts hold as at one that the explainer was shown."""
        exam = [one for one in self.positions(number) if one.active]
        return copied(self.shown(number), exam, self._kind)[0] / len(exam) if exam else 0.0

    @cached_property
    def _kind(self) -> NDArray[np.int64]:
        return same_facts(self.facts)

    @cached_property
    def _wide(self) -> Sampler:
        s = self.settings
        return Sampler(self.facts, window=s.fuzzing_window, copies=s.copies, seed=self._seed, sae=self._sae)

    @cached_property
    def _pieces(self) -> list[Any]:
        pieces = windows(self.facts, self.settings.simulation_window)
        if self.settings.copies == "keep":
            return pieces
        seen = {self._facts_along(rows) for rows in windows(self.facts, self.settings.simulation_window, train=True)}
        kept: dict[tuple[int, ...], Any] = {}
        for rows in pieces:
            if (along := self._facts_along(rows)) not in seen:
                kept.setdefault(along, rows)
        return list(kept.values())

    def _facts_along(self, rows: NDArray[np.int64]) -> tuple[int, ...]:
        """What holds at positions that follow each other, as numbers; see `same_facts`."""
        return tuple(self._kind[rows].tolist())

    @cached_property
    def _extra(self) -> dict[int, dict[str, Any]]:
        """What harder negatives need: neighbours of each latent, or its best description, not the one under test."""
        if self.settings.negatives == "neighbour latent":
            close = neighbours_of(self._codes, None, self.latents, rows=self.facts.rows_of(True))
            others = latents_of(self._codes, sorted({other for near in close.values() for other in near}))
            return {number: {"neighbours": [others[other] for other in near]} for number, near in close.items()}
        if self.settings.negatives == "one literal away":
            found = best_predicates(self.facts, self.latents).explain(
                [self._sampler.shown(one) for one in self.latents.values()]
            )
            return {one.latent: {"predicate": one.predicate} for one in found if one.predicate is not None}
        return {}


def best_predicates(facts: Facts, latents: Mapping[int, Latent]) -> Explainer:
    """The default explainer: the best predicate of each latent on all choosing positions."""
    from .predicate_search import PredicateExplainer

    return PredicateExplainer(facts, latents, rows="all")
