"""Metrics on a bounded sample of rows: what each reads of a batch, and what has to be said besides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..absorption import absorption
from ..control import control
from ..control_isolation import isolation, off_manifold
from ..interpretability import interpretability
from ..mdl import mdl
from ..meaning import meaning
from ..occlusion import occlusion
from ..ravel import ravel
from ..ravel_model import ravel_model
from ..score import Score
from ..scr import scr
from ..sparse_probing import sparse_probing
from ..splitting import splitting
from ..tpp import tpp
from ..unlearning import unlearning, unlearning_published
from .batch import Batch
from .rows import value_of

if TYPE_CHECKING:
    from ...games.features import FeatureSet

Scores = Mapping[str, Score]
CHOICES = ("edited_choice", "patched_choice", "unedited_choice")
MEANING = {"clean": "clean", "kept": "kept", "mean_ablated": "mean", "removed": "removed"}


@dataclass(frozen=True)
class Asked:
    """What a metric is told besides the rows.

    Attributes:
        options: of the metric's family, by argument name; passed on to its function.
        n_resamples: of the bootstrap.
        seed: of the bootstrap and of what a metric draws.
        features: what the labels mean; None for features known by number.
        directions: float [L, d], what each latent writes.
        null: whether metrics compute their own shuffled floors.
    """

    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    n_resamples: int = 1000
    seed: int = 0
    features: "FeatureSet | None" = None
    directions: NDArray[np.floating[Any]] | None = None
    null: bool = True

    def less(self, *names: str) -> dict[str, Any]:
        """Options without some, with the bootstrap's."""
        kept = {name: value for name, value in self.options.items() if name not in names}
        return {"n_resamples": self.n_resamples, "seed": self.seed, **kept}


@dataclass(frozen=True)
class Sampled:
    """How one family of metrics is measured on kept rows.

    Attributes:
        measure: from the kept rows and what was asked to scores by name.
        needs: fields of a batch, or names of what is measured in it.
        asks: options that have to be given.
        columns: from options to further names of what is measured, such as an attribute's.
        directed: whether it reads what latents write.
    """

    measure: Callable[[Batch, Asked], Scores]
    needs: tuple[str, ...]
    asks: tuple[str, ...] = ()
    columns: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda options: ()
    directed: bool = False


def _split(batch: Batch) -> dict[str, Any]:
    return {"game_id": batch.game_id, "train": batch.train}


def _dense_labels(batch: Batch) -> NDArray[np.bool_]:
    assert batch.labels is not None
    return batch.labels.to_dense()


def _probing(batch: Batch, asked: Asked) -> Scores:
    given = {"features": asked.features, "directions": asked.directions, **_split(batch), **asked.less()}
    return sparse_probing(batch.codes, batch.labels, **given)  # type: ignore[arg-type]


def _scr(batch: Batch, asked: Asked) -> Scores:
    given = {"directions": asked.directions, **_split(batch), **asked.less("pairs")}
    return scr(batch.codes, batch.x, _dense_labels(batch), asked.options["pairs"], **given)  # type: ignore[arg-type]


def _tpp(batch: Batch, asked: Asked) -> Scores:
    given = {"directions": asked.directions, **_split(batch), **asked.less("families")}
    return tpp(batch.codes, batch.x, _dense_labels(batch), asked.options["families"], **given)  # type: ignore[arg-type]


def _absorption(batch: Batch, asked: Asked) -> Scores:
    given = {"directions": asked.directions, "x": batch.x, **_split(batch), **asked.less()}
    return absorption(batch.codes, _dense_labels(batch), **given)  # type: ignore[arg-type]


def _ravel(batch: Batch, asked: Asked) -> Scores:
    task = asked.options["task"](batch)
    return ravel(batch.codes, asked.directions, task, x_hat=batch.x_hat, **asked.less("task"))  # type: ignore[arg-type]


def _ravel_model(batch: Batch, asked: Asked) -> Scores:
    to_source, to_base = (value_of(batch, name) for name in ("to_source", "to_base"))
    return ravel_model(to_source, to_base, game_id=batch.game_id, **asked.less())


def _unlearning(batch: Batch, asked: Asked) -> Scores:
    exams = asked.options["exams"](batch)
    given: dict[str, Any] = {
        "x": batch.x,
        "asked": np.arange(len(batch)),
        **_split(batch),
        **asked.less("exams"),
    }
    first: Any = (batch.codes, asked.directions, exams)
    return {**unlearning(*first, **given), **unlearning_published(*first, **given)}


def _mdl(batch: Batch, asked: Asked) -> Scores:
    given = {"directions": asked.directions, "x": batch.x, "x_hat": batch.x_hat, **_split(batch), **asked.less()}
    return mdl(batch.codes, **given)  # type: ignore[arg-type]


def _autointerp(batch: Batch, asked: Asked) -> Scores:
    from ..llm.autointerp import autointerp

    return autointerp(batch.codes, batch.labels, null=asked.null, **_named(batch, asked))  # type: ignore[arg-type]


def _autointerp_saebench(batch: Batch, asked: Asked) -> Scores:
    from ..llm.autointerp_saebench import autointerp_saebench

    return autointerp_saebench(batch.codes, batch.labels, **_named(batch, asked))  # type: ignore[arg-type]


def _named(batch: Batch, asked: Asked) -> dict[str, Any]:
    assert batch.labels is not None
    names = asked.features.names if asked.features else [f"feature {i}" for i in range(batch.labels.n_features)]
    return {"names": names, "position": batch.position, **_split(batch), **asked.less()}


def _control(batch: Batch, asked: Asked) -> Scores:
    also = ("supervised_choice", "weight_removed", "supervised_weight")
    budgets = asked.options["budgets"]
    return control(
        *(value_of(batch, name) for name in CHOICES),
        game_id=batch.game_id,
        **{name: value_of(batch, name) for name in also},
        choices_by_budget={budget: value_of(batch, choice_at(budget)) for budget in budgets},
        **asked.less("budgets"),
    )


def choice_at(budget: int) -> str:
    """Name under which a batch measures what was chosen after an edit of so many latents."""
    return f"edited_choice_at_{budget}"


def _isolation(batch: Batch, asked: Asked) -> Scores:
    attributes = asked.options["attributes"]
    return isolation(
        {name: value_of(batch, f"before {name}") for name in attributes},
        {name: value_of(batch, f"after {name}") for name in attributes},
        success=value_of(batch, "edited_choice") == value_of(batch, "patched_choice"),
        game_id=batch.game_id,
        **asked.less("attributes"),
    )


def _off_manifold(batch: Batch, asked: Asked) -> Scores:
    edited, natural = value_of(batch, "edited"), value_of(batch, "natural")
    reference = asked.options["reference"]
    return off_manifold(edited, natural, reference, game_id=batch.game_id, **asked.less("reference"))


def _meaning(batch: Batch, asked: Asked) -> Scores:
    differences = {name: value_of(batch, f"{stored}_difference") for name, stored in MEANING.items()}
    choices = {name.removesuffix("_choice"): value_of(batch, name) for name in CHOICES}
    return meaning(differences, choices, game_id=batch.game_id, **asked.less())


def _interpretability(batch: Batch, asked: Asked) -> Scores:
    given = {"null": asked.null, **_split(batch), **asked.less("attributes")}
    return interpretability(batch.codes, _attributes(batch, asked), **given)  # type: ignore[arg-type]


def _occlusion(batch: Batch, asked: Asked) -> Scores:
    return occlusion(
        batch.codes,  # type: ignore[arg-type]
        _attributes(batch, asked),
        batch.game_id,
        train=batch.train,
        **asked.less("attributes"),
    )


def _splitting(batch: Batch, asked: Asked) -> Scores:
    values = value_of(batch, asked.options["attribute"])
    return splitting(batch.codes, values, batch.game_id, train=batch.train, **asked.less("attribute"))  # type: ignore[arg-type]


def _attributes(batch: Batch, asked: Asked) -> dict[str, NDArray[np.integer[Any]]]:
    return {name: value_of(batch, name) for name in asked.options["attributes"]}


_DIFFERENCES = tuple(f"{stored}_difference" for stored in MEANING.values())
SAMPLED: dict[str, Sampled] = {
    "control": Sampled(
        _control,
        (*CHOICES, "supervised_choice", "weight_removed", "supervised_weight"),
        ("budgets",),
        lambda options: tuple(choice_at(budget) for budget in options["budgets"]),
    ),
    "isolation": Sampled(
        _isolation,
        CHOICES[:2],
        ("attributes",),
        lambda options: tuple(f"{when} {name}" for name in options["attributes"] for when in ("before", "after")),
    ),
    "off_manifold": Sampled(_off_manifold, ("edited", "natural"), ("reference",)),
    "interpretability": Sampled(
        _interpretability, ("codes",), ("attributes",), lambda options: tuple(options["attributes"])
    ),
    "meaning": Sampled(_meaning, (*_DIFFERENCES, *CHOICES)),
    "occlusion": Sampled(
        _occlusion, ("codes",), ("attributes", "variance_shares"), lambda options: tuple(options["attributes"])
    ),
    "splitting": Sampled(_splitting, ("codes",), ("attribute",), lambda options: (options["attribute"],)),
    "probing": Sampled(_probing, ("codes", "labels"), directed=True),
    "scr": Sampled(_scr, ("codes", "labels", "x"), ("pairs",), directed=True),
    "tpp": Sampled(_tpp, ("codes", "labels", "x"), ("families",), directed=True),
    "absorption": Sampled(_absorption, ("codes", "labels", "x"), ("trees", "true_directions"), directed=True),
    "ravel": Sampled(_ravel, ("codes", "labels", "x", "x_hat"), ("task",), directed=True),
    "ravel_model": Sampled(_ravel_model, ("to_source", "to_base")),
    "unlearning": Sampled(_unlearning, ("codes", "labels", "x"), ("exams",), directed=True),
    "mdl": Sampled(_mdl, ("codes", "x", "x_hat"), directed=True),
    "autointerp": Sampled(_autointerp, ("codes", "labels", "position")),
    "autointerp_saebench": Sampled(_autointerp_saebench, ("codes", "labels", "position")),
}
