"""The scores of explained latents from the arrays of the property tests."""

import numpy as np
from fiducial.metrics.llm.autointerp import autointerp
from fiducial.metrics.llm.autointerp_saebench import autointerp_saebench
from fiducial.metrics.llm.exams import ExamSettings


def autointerp_scores(arrays, n_resamples):
    """All catalogue names of the family; positions follow each other as the rows of a game do."""
    games = arrays["game_id"]
    position = np.zeros(len(games), np.int64)
    for game in np.unique(games):
        position[games == game] = np.arange((games == game).sum())
    common = {
        "names": [f"fact {f}" for f in range(arrays["labels"].shape[1])],
        "game_id": games,
        "position": position,
        "train": arrays["train"],
        "n_resamples": n_resamples,
    }
    return {
        **autointerp(arrays["latents"], arrays["labels"], exam=ExamSettings(n_active=20, n_silent=20), **common),
        **autointerp_saebench(arrays["latents"], arrays["labels"], **common),
    }
