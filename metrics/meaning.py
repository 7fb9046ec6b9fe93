"""Meaning and cause: do the latents that stand for attributes also do what their meaning says?

Question      Latents were explained on other prompts, by their F1 with attribute values. Do edits chosen by these
              explanations steer the model, and does the model compute through the explained latents?
Equations     e, p choice of the model with the edit by meaning and with the full patch; D logit difference, the site
              untouched (clean), mean ablated (MA), set to the mean and what the explained latents write beyond their
              own mean (kept), and with that taken away (removed)
  aware_edit_success_score     share of scorable prompts with e = p
  explained_sufficiency_score  (D_kept - D_MA) / (D_clean - D_MA)
  explained_necessity_score    1 - |D_removed - D_MA| / |D_clean - D_MA|
Conventions   As in `control` and `approximation`: the floor of success is the agreement without an edit, and nothing is
              said of a site that is not causal. Prompts that need a value never seen where latents were ranked are not
              scorable; they are counted.
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366 (interpretation-aware edits; causal evaluation of
              interpretations, F1 threshold .6).
Differences from published code
              1. Kept means the mean and what the explained latents write. There what the others write is subtracted
                 from the activation, so that the error of the dictionary stays in and flatters it.
              2. Latents are taken away down to their mean, as in mean ablation. There to 0, so that the offset of an
                 SAE, which is not the mean activation, counts as if its latents had carried the answer.
              3. Latents are ranked where every value occurs; there not, see `control_aware`.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from .approximation import approximation
from .control import control
from .properties import Properties
from .score import Score, stamped

_CAUSAL = ("clean_difference", "kept_difference", "mean_difference", "removed_difference", "game_id")
PROPERTIES: dict[str, Properties] = {
    "aware_edit_success_score": Properties(
        question="Do edits of the latents that stand for the old and the new value steer the model?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="the agreement without an edit, shown as a floor",
        needs=("edited_choice", "patched_choice", "unedited_choice", "game_id"),
        symmetries=("game order",),
        notices=(),
        limits="Asks for few latents a value: a dictionary that divides a value among many may know it and still fail.",
    ),
    "explained_sufficiency_score": Properties(
        question="Does the model still work on what the explained latents write alone?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for the mean activation, 1 for the activation itself",
        needs=_CAUSAL,
        symmetries=("game order",),
        notices=(),
        limits="A few explained latents may carry one attribute and leave out the rest.",
    ),
    "explained_necessity_score": Properties(
        question="Does the model fail without what the explained latents write?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for a dictionary without explained latents, 1 if nothing else carries the answer",
        needs=_CAUSAL,
        symmetries=("game order",),
        notices=(),
        limits="What the unexplained latents or the error carry as well keeps it low.",
    ),
}


def meaning(
    differences: Mapping[str, NDArray[np.floating]],
    choices: Mapping[str, NDArray[np.integer]],
    *,
    scorable: NDArray[np.bool_] | None = None,
    game_id: NDArray[np.integer] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Edits by meaning, and the explained latents kept or removed.

    Args:
        differences: `clean`, `kept`, `mean_ablated` and `removed`: logit differences, floating [N].
        choices: `edited` (by meaning), `patched` and `unedited`, and perhaps `supervised`: argmax, integer [N].
        scorable: bool [N], rows whose values were ranked; None means all.
        game_id: integer [N], what to resample; None means every prompt is its own game.
        n_resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        The three scores; success is undefined, with the reason, where fewer than two prompts are scorable.

    Raises:
        KeyError: a missing array.
        TypeError: not arrays.
        ValueError: arrays that do not fit, NaN or infinity.

    Examples:
        >>> import numpy as np
        >>> one, none = np.ones(4), np.zeros(4, int)
        >>> differences = {"clean": 4 * one, "kept": 4 * one, "mean_ablated": one, "removed": one}
        >>> choices = {"edited": np.array([1, 1, 1, 0]), "patched": np.array([1, 1, 1, 1]), "unedited": none}
        >>> scores = meaning(differences, choices, n_resamples=20)  # three edits of four do what the patch does
        >>> scores["aware_edit_success_score"].value, scores["explained_sufficiency_score"].value
        (0.75, 1.0)
    """
    causal = approximation(
        differences["clean"],
        differences["kept"],
        differences["mean_ablated"],
        differences["removed"],
        game_id=game_id,
        n_resamples=n_resamples,
        seed=seed,
    )
    found = {f"explained_{name}": causal[name] for name in ("sufficiency_score", "necessity_score")}
    if scorable is not None and np.count_nonzero(scorable) < 2:
        nan = float("nan")
        reason = "no edit is scorable: the values wanted never occur where latents are ranked"
        success = Score("", nan, nan, nan, details={"undefined": reason})
    else:
        success = control(
            choices["edited"],
            choices["patched"],
            choices["unedited"],
            supervised_choice=choices.get("supervised"),
            scorable=scorable,
            game_id=game_id,
            n_resamples=n_resamples,
            seed=seed,
        )["edit_success_score"]
    found["aware_edit_success_score"] = success
    return stamped({name: replace(score, metric=name) for name, score in found.items()}, PROPERTIES)
