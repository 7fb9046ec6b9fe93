"""The published figures against sae_lens's own evaluation, on the same rows."""

import numpy as np
import pytest
import torch
from fiducial.metrics.recovery import recovery
from fiducial.metrics.recovery_synthsaebench import FIGURES, synthsaebench_scores

from . import planted

COMMON, SIZES, TRUE = planted.world(n_features=20, d=16, rate=0.1)
X = (SIZES @ TRUE).astype(np.float32)
GAMES = COMMON["game_id"]


class Fixed:
    """What sae_lens asks of an SAE, a feature dictionary and a generator, over given rows."""

    def __init__(self, codes, directions):
        self.codes, self.W_dec = torch.from_numpy(codes), torch.from_numpy(directions)

    def eval(self):
        return self

    def encode(self, _):
        return self.codes

    def decode(self, latents):
        return latents @ self.W_dec


class Truth:
    feature_vectors = torch.from_numpy(TRUE.astype(np.float32))

    def sample(self, n):
        assert n == len(SIZES)
        return torch.from_numpy(SIZES.astype(np.float32))

    def __call__(self, sizes):
        return sizes @ self.feature_vectors


@pytest.mark.parametrize("n_latents", [8, 20, 50])
@pytest.mark.parametrize("signed", [False, True])
def test_equal_to_sae_lens_on_the_same_rows(n_latents, signed):
    from sae_lens.synthetic import eval_sae_on_synthetic_data

    rng = np.random.default_rng(n_latents)
    own = rng.integers(0, 20, n_latents)
    directions = (TRUE[own] + 0.2 * rng.normal(size=(n_latents, 16))).astype(np.float32)
    codes = np.where(rng.random((len(X), n_latents)) < 0.8, SIZES[:, own], rng.random((len(X), n_latents)) > 0.97)
    codes[:, 0] = 0
    codes = (codes * (rng.choice([-1, 1], n_latents) if signed else 1)).astype(np.float32)
    theirs = eval_sae_on_synthetic_data(Fixed(codes, directions), Truth(), Truth(), num_samples=len(X)).to_log_dict()
    ours = synthsaebench_scores(
        codes,
        COMMON["labels"],
        game_id=GAMES,
        directions=directions,
        true_directions=TRUE,
        x=X,
        x_hat=codes @ directions,
        n_resamples=50,
    )
    assert tuple(ours) == FIGURES
    assert {name.split("/")[-1] for name in theirs} == set(FIGURES)
    for name, value in theirs.items():
        score = ours[name.split("/")[-1]]
        assert score.value == pytest.approx(value, rel=1e-5, abs=1e-6), name
        assert score.low - 1e-9 <= score.value <= score.high + 1e-9 or score.metric in ("precision", "recall")
        assert score.protocol == "synthsaebench"


def test_offered_as_a_protocol_and_perfect_at_its_ceiling():
    arguments = {"game_id": GAMES, "directions": TRUE, "true_directions": TRUE, "x": X, "x_hat": SIZES @ TRUE}
    scores = recovery(SIZES, COMMON["labels"], protocol="synthsaebench", n_resamples=20, **arguments)
    for name in ("mcc", "uniqueness", "precision", "recall", "f1_score", "accuracy", "shrinkage"):
        assert scores[name].value == pytest.approx(1, abs=1e-6)
    assert scores["explained_variance"].value == pytest.approx(1, abs=1e-6)
    assert scores["dead_latents"].value == 0
    assert scores["true_l0"].value == scores["sae_l0"].value == COMMON["labels"].sum(1).mean()
    by_size = synthsaebench_scores(SIZES, SIZES, n_resamples=20, **arguments)
    assert by_size == scores
    with pytest.raises(ValueError, match="needs x and x_hat"):
        recovery(SIZES, COMMON["labels"], protocol="synthsaebench", **{**arguments, "x": None})
    with pytest.raises(ValueError, match="one axis each"):
        recovery(SIZES, COMMON["labels"], protocol="synthsaebench", owner=np.zeros(20, int), **arguments)
