"""Encoder and dictionary apart: what is broken is what gets the blame."""

import numpy as np
import pytest
import torch
from fiducial.metrics.recovery_factors import CELLS, MEASURES, recovery_factors
from fiducial.models.controls import LinearDictionary

from . import planted

COMMON, SIZES, TRUE = planted.world(n_features=16, d=24, rate=0.08)
X = torch.from_numpy(SIZES @ TRUE).float()
GIVEN = {name: COMMON[name] for name in ("labels", "game_id", "train", "true_directions", "n_resamples")}


def linear(reading, directions):
    """Latents relu(x @ reading.T - a little), so that overlaps do not fire."""
    zero = torch.zeros(24)
    read, write = (torch.from_numpy(np.ascontiguousarray(m)).float() for m in (reading, directions))
    return LinearDictionary("made", read.T.contiguous(), write, zero, zero, k=2)


EXACT = np.linalg.pinv(TRUE).T  # reads each feature without its neighbours


@pytest.mark.parametrize(
    ("reading", "directions", "to_blame"),
    [
        (EXACT, TRUE, "nobody"),
        (EXACT[::-1], TRUE, "encoder"),
        (EXACT, TRUE + 0.3 * np.random.default_rng(8).normal(size=TRUE.shape), "dictionary"),
    ],
)
def test_the_broken_half_gets_the_blame(reading, directions, to_blame):
    factors = recovery_factors(linear(reading, directions), X, **GIVEN)
    assert tuple(factors.scores) == CELLS
    assert factors.scores[CELLS[3]]["recovery_score"] > 0.95
    for measure in MEASURES:
        values = [factors.scores[cell][measure] for cell in CELLS]
        assert factors.encoder[measure] + factors.dictionary[measure] == pytest.approx(values[3] - values[0])
    encoder, dictionary = factors.encoder["recovery_score"], factors.dictionary["recovery_score"]
    if to_blame == "nobody":
        assert abs(encoder) < 0.15
        assert abs(dictionary) < 0.05
    elif to_blame == "encoder":
        assert encoder > dictionary + 0.2
    else:
        assert dictionary > encoder + 0.2
    assert "lost by the encoder" in str(factors)


def test_cells_are_what_they_say():
    made = linear(EXACT, 2.0 * TRUE)
    factors = recovery_factors(made, X, **GIVEN)
    first, third = (factors.scores[cell] for cell in (CELLS[0], CELLS[2]))
    assert first["recovery_score"] == pytest.approx(third["recovery_score"], abs=1e-6)
    held = torch.from_numpy(np.flatnonzero(~COMMON["train"]))
    x, written = X[held], made.decode(made.encode(X[held]))
    expected = 1 - float((x - written).square().sum() / (x - x.mean(0)).square().sum())
    assert first["explained_variance"] == pytest.approx(expected, abs=1e-5)
