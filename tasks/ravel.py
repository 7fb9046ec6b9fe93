"""RAVEL on testbeds: exchange one square, one attribute of a prompt or one feature, and keep all others."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..metrics.ablated_probes import decodes_linearly
from ..metrics.ravel import PROPERTIES, chosen_masks, edit_ceiling, ravel
from ..metrics.ravel_pairs import RavelTask
from ..metrics.ravel_skyline import das_ceiling
from ..metrics.score import Score
from ..subject import Subject
from ..synthetic_testbed import SyntheticTestbed
from ..testbed_catalogue import AnyTestbed, Testbed
from .ravel_boards import board_attributes, board_task
from .ravel_ioi import ioi_attributes, ioi_task
from .ravel_model import through_the_model
from .ravel_worlds import world_attributes, world_task

PUBLISHED = ("disentanglement_score", "cause_score", "isolation_score")
BENT = "the decoder is not linear in its latents, so that no exchange of some of them adds up"
FEW = "fewer than two attributes take two values often enough on both sides; take more games"


def offered(bed: AnyTestbed) -> bool:
    """Whether the task can be asked: on every testbed."""
    return True


def posed(about: Subject) -> tuple[RavelTask, NDArray[np.float32]] | None:
    """The task of a testbed and the shifts of an edit by meaning, kept with the testbed; None without attributes."""
    return about.kept(("tasks", "ravel", about.seed), lambda: _posed(about))


def _posed(about: Subject) -> tuple[RavelTask, NDArray[np.float32]] | None:
    world = isinstance(about.bed, SyntheticTestbed)
    prompts = not world and bool(about.bed.spec.position)  # type: ignore[union-attr] - a world has no spec
    attributes = world_attributes(about) if world else ioi_attributes(about) if prompts else board_attributes(about)
    if len(attributes) < 2:  # one to change and one to keep
        return None
    return world_task(about) if world else ioi_task(about) if prompts else board_task(about)


def measure(about: Subject, *, skyline: bool = True) -> dict[str, Score]:
    """Scores of the family by name; `ravel_model_score` where a model plays.

    Args:
        about: the dictionary with the truth around it.
        skyline: fit a subspace to every attribute (MDAS) and show it as a ceiling; some seconds, once a testbed.
    """
    if not _linear(about):
        return _undefined(tuple(PROPERTIES), BENT)
    made = posed(about)
    if made is None:
        return _undefined(tuple(PROPERTIES), FEW)
    task, shifts = made
    if not len(task.asked):
        return ravel(about.codes, about.directions, task, x_hat=_rebuilt(about))
    masks, by_size = chosen_masks(about.codes, about.directions, task)
    ceilings = {"edit by meaning": edit_ceiling(task, shifts)}
    if skyline:
        key = ("tasks", "ravel", "skyline", about.seed)
        ceilings["learned subspaces"] = about.kept(key, lambda: das_ceiling(task, seed=about.seed))
    scores = ravel(
        about.codes,
        about.directions,
        task,
        x_hat=_rebuilt(about),
        masks=masks,
        ceilings=ceilings,
        n_resamples=about.n_resamples,
        seed=about.seed,
    )
    first = scores["ravel_score"]
    scores["ravel_score"] = replace(first, details={**first.details, "choosing_by_size": by_size})
    return scores | through_the_model(about, task, masks) if isinstance(about.bed, Testbed) else scores


def _rebuilt(about: Subject) -> NDArray[np.float32]:
    return about.candidate.reconstruction.detach().cpu().float().numpy()


def _linear(about: Subject) -> bool:
    """Whether what latents write adds up, which the exchange takes for granted; on a sample."""
    dictionary = about.candidate.dictionary
    sample = torch.from_numpy(about.codes.take(np.arange(min(256, about.codes.n_rows))).to_dense())
    return decodes_linearly(dictionary.decode, sample, dictionary.directions)


def _undefined(names: Sequence[str], why: str, protocol: str = "held-out") -> dict[str, Score]:
    nan = float("nan")
    return {name: Score(name, nan, nan, nan, details={"undefined": why}, protocol=protocol) for name in names}


def published(about: Subject) -> dict[str, Score]:
    """The published figures under their names."""
    if not _linear(about):
        return _undefined(PUBLISHED, BENT, "saebench")
    made = posed(about)
    if made is None:
        return _undefined(PUBLISHED, FEW, "saebench")
    task, _ = made
    return ravel(
        about.codes,
        about.directions,
        task,
        x_hat=_rebuilt(about),
        n_resamples=about.n_resamples,
        seed=about.seed,
        protocol="saebench",
    )
