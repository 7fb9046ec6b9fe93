"""Automated interpretability on testbeds: can a dictionary's latents be named in the words of the world's own facts?

Facts are all features that can hold, without published counterparts; in games the ply can be compared too. Explanations
are predicates over them, and a judge executes them, so that no language model is asked. Positions of a game follow each
other, and have fuzzing and simulation; prompts and rows of made-up worlds do not.
"""

from collections.abc import Callable
from typing import Any

from ..metrics.llm.autointerp import autointerp
from ..metrics.llm.autointerp_saebench import autointerp_saebench
from ..metrics.score import Score
from ..subject import Subject
from ..testbed_catalogue import AnyTestbed
from .facts import facts_of, shows_games

N_LATENTS = 64


def offered(bed: AnyTestbed) -> bool:
    """Whether it can be asked: on every testbed."""
    del bed
    return True


def measure(about: Subject) -> dict[str, Score]:
    """Detection, fuzzing, simulation and executed F1 of a sample of latents, and SAEBench's form.

    Args:
        about: the dictionary with the truth around it.
    """
    found = _asked(about, autointerp, null=about.null)
    return {**found, **_asked(about, autointerp_saebench)}


def published(about: Subject) -> dict[str, Score]:
    """The published figures under SAEBench's names."""
    return _asked(about, autointerp_saebench, protocol="saebench")


def _asked(about: Subject, metric: Callable[..., dict[str, Score]], **options: Any) -> dict[str, Score]:
    facts = facts_of(about.bed, about.labels)
    return metric(
        about.codes,
        facts.labels,
        names=facts.names,
        game_id=facts.game_id,
        position=facts.position if shows_games(about.bed) else None,
        train=facts.train,
        counters=facts.counters,
        n_latents=N_LATENTS,
        n_resamples=about.n_resamples,
        seed=about.seed,
        **options,
    )
