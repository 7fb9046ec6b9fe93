"""Automated interpretability on testbeds: can a dictionary's latents be named in the words of the world's own facts?

Facts are all features that can hold, without published counterparts; in games the ply can be compared too. Explanations
are predicates over them, and a judge executes them, so that no language model is asked. Positions of a game follow each
other, and have fuzzing and simulation; prompts and rows of made-up worlds do not.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.llm.autointerp import autointerp
from ..metrics.llm.autointerp_saebench import autointerp_saebench
from ..metrics.llm.facts import Facts
from ..metrics.llm.truth_counts import facts_from
from ..metrics.score import Score
from ..model_testbed import Testbed
from ..subject import Subject
from ..testbed_catalogue import AnyTestbed

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
    facts = facts_of(about)
    return metric(
        about.codes,
        facts.labels,
        names=facts.names,
        game_id=facts.game_id,
        position=facts.position if follow_each_other(about.bed) else None,
        train=facts.train,
        counters=facts.counters,
        n_latents=N_LATENTS,
        n_resamples=about.n_resamples,
        seed=about.seed,
        **options,
    )


def follow_each_other(bed: AnyTestbed) -> bool:
    """Whether positions of a game are stages of one thing: in games, not in prompts or worlds of independent rows."""
    return isinstance(bed, Testbed) and not bed.spec.position


def facts_of(about: Subject) -> Facts:
    """What can be said of every position of a testbed; kept with it."""
    return about.kept(("tasks", "facts"), lambda: _facts(about))


def _facts(about: Subject) -> Facts:
    known = about.features.where(counterpart=False, reachable=True)
    names = [about.features[int(f)].name for f in known]
    position = np.asarray(about.bed.activations.position).astype(np.int64)
    counters: dict[str, NDArray[np.int64]] = {}
    if isinstance(about.bed, Testbed) and follow_each_other(about.bed):
        counters["ply"] = about.bed.transcripts.ply[np.asarray(about.game_id), position]
    labels = about.features.unpack_columns(about.labels, known)
    return facts_from(labels, names, about.game_id, position, about.train, counters)
