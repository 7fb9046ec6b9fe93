"""Spurious correlation removal: the formula by hand, the planted truth, the limits."""

import sys  # the package has functions under the names of these modules

import numpy as np
import pytest
from fiducial.metrics import scr_measure
from fiducial.metrics.ablated_probes import removal
from fiducial.metrics.concept_latents import by_effect, latent_facts
from fiducial.metrics.concept_rows import CellMeans
from fiducial.metrics.scr import PROPERTIES, prepare_scr, scr, scr_from
from fiducial.metrics.scr_measure import attributed, detects, judged_right
from fiducial.metrics.scr_pairs import Pair, Rules
from fiducial.metrics.scr_score import Outcome, published_scores, scr_of, units_of, value_of
from fiducial.models.dictionary import Codes

from .planted_concepts import SAME, permuted_decoder, planted

PAIRS = [(0, 1), (2, 3)]
FAST = Rules((0.9, 1.0), (1, 2, 5), 2)


# By hand. T and S along the two axes, -1 where absent, +1 where present. Latent 0 is 2 where S holds and writes S,
# latent 1 is 2 where T holds and writes T, latent 2 is dead. One row in each cell (neither, S, T, both) validates, and
# one reports. The biased probe reads T + 2 S; those of the concepts read T and S.
CELL = np.tile(np.arange(4), 2)
BITS = np.stack([CELL // 2 == 1, CELL % 2 == 1])
X = np.where(BITS, 1.0, -1.0).T
LATENTS = np.stack([2.0 * BITS[1], 2.0 * BITS[0], 0.0 * CELL], axis=1)
DIRECTIONS = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def by_hand(biased=(1.0, 2.0)):
    probes = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    wrong = np.broadcast_to(np.array([*biased, 0.0]), (1, 2, 1, 3))
    half = [CellMeans(CELL[:4], np.array([0, 0, 1, 1]), 4, 2)] * 2
    return Pair(
        (0, 1),
        np.arange(8),
        BITS,
        np.arange(8) >= 4,
        tuple(np.flatnonzero(c == CELL) for c in range(4)),
        probes,
        wrong,
        np.broadcast_to(X @ np.array(biased), (1, 2, 1, 8)),
        np.stack([X[:, 0], X[:, 1]])[None],
        *half,
        1e-3,
    )


RULES = Rules((1.0,), (1, 2), 1)


def outcome(resting=None, latents=LATENTS):
    pair, codes = by_hand(), Codes.from_dense(latents)
    facts = latent_facts(codes, pair.choosing)
    ranking = attributed(pair, facts, DIRECTIONS, (None, None))
    out = removal(codes, DIRECTIONS, pair.rows)
    return Outcome("T / S", pair, judged_right(pair, out, ranking, RULES.sizes, facts.resting if resting else None))


def test_effects_by_hand():
    pair, codes = by_hand(), Codes.from_dense(LATENTS)
    facts = latent_facts(codes, pair.choosing)
    np.testing.assert_allclose(facts.contrast(scr_measure.HELD[0]), [0, 2, 0])  # 2 where T holds, 0 elsewhere
    np.testing.assert_allclose(facts.contrast(scr_measure.HELD[1]), [2, 0, 0])
    np.testing.assert_allclose(facts.resting, [1, 1, 0])
    (of_t, of_s) = attributed(pair, facts, DIRECTIONS, (None, None))[0]
    assert of_t.tolist() == [1]
    assert of_s.tolist() == [0]
    assert detects(facts, 1)[:2].tolist() == [1.0, 0.5]  # latent 1 is right in one cell of two that it fires in


def test_zero_ablation_by_hand_moves_the_cut():
    # Biased: T + 2 S = -3, 1, -1, 3: T is judged right in 2 of 4 cells, S in all. Oracle: 1.
    # Without latent 0 S reads -1 everywhere: T - 2 = -3, -3, -1, -1: never positive, right in 2 of 4. SCR = 0.
    unit = units_of(outcome(), RULES)[0]
    np.testing.assert_allclose(unit.values, [0.5, 0.5, 1.0])
    assert unit.score == 0


def test_means_by_hand_keep_the_cut():
    # With latent 0 at its mean S reads 0 everywhere: T + 0 = -1, -1, 1, 1: right everywhere. SCR = (1 - .5) / .5.
    made = outcome(resting=True)
    unit = units_of(made, RULES)[0]
    np.testing.assert_allclose(unit.values, [1.0, 0.5, 1.0])
    score = scr_of("scr_score", [made], RULES, 0, 50)
    assert score.value == 1.0  # S judged starts at 1: no headroom, left out
    assert score.features["judged"] == ["T"]
    assert score.details["no_headroom"] == ["T / S, S judged, rho 1: 0.000"]
    assert value_of([made]) == 1.0


def test_published_headline_by_hand():
    # dir1 judges T, dir2 judges S. A_biased is .5 for T and 1 for S, so the headline is dir1; dir2 has no headroom: 0.
    made = published_scores([outcome()], Rules((1.0,), (1, 2), 1), 0, 20)
    assert made["scr_dir1_threshold_1"].value == 0
    assert made["scr_dir2_threshold_1"].value == 0
    assert made["scr_metric_threshold_1"].features["judged"] == ["T"]
    assert {score.protocol for score in made.values()} == {"saebench"}


def test_published_headline_averages_a_tie():
    pair, right = by_hand((1.0, 1.0)), np.zeros((1, 2, 1, 1, 8), bool)
    # T + S = -2, 0, 0, 2: a logit of 0 is a no, so each concept is judged right in 3 of 4. After ablation: 1 and .5.
    right[0, 0], right[0, 1] = True, np.tile([True, False], 4)
    made = published_scores([Outcome("tie", pair, right)], Rules((1.0,), (1,), 1), 0, 20)
    assert made["scr_dir1_threshold_1"].value == pytest.approx((1 - 0.75) / 0.25)
    assert made["scr_dir2_threshold_1"].value == pytest.approx((0.5 - 0.75) / 0.25)
    assert made["scr_metric_threshold_1"].value == pytest.approx(0.0)


def test_fewer_latents_than_asked_is_all_of_them():
    assert outcome().right[:, :, 0].tolist() == outcome().right[:, :, 1].tolist()


def test_order_of_effects():
    assert by_effect(np.array([0.0, 3.0, -5.0, 4.0])).tolist() == [3, 1]
    assert by_effect(np.array([0.0, 3.0, -5.0, 4.0]), signed=True).tolist() == [3, 1, 2]
    assert by_effect(np.array([1.0, 3.0]), np.array([True, False])).tolist() == [0]


def measured(arrays, **settings):
    return scr(**arrays, pairs=PAIRS, n_resamples=20, rules=FAST, **settings)


@pytest.fixture(scope="module")
def perfect():
    return measured(planted())


def test_perfect_latents_mend_the_probe(perfect):
    assert set(perfect) == set(PROPERTIES)
    assert 0.9 < perfect["scr_score"].value < 1.1
    assert 0.9 < perfect["scr_labels_score"].value < 1.1
    assert perfect["scr_score"].details["zero_ablation"] < perfect["scr_score"].value - 0.2
    assert perfect["scr_saebench_score"].value < 0.6  # all of the evidence gone, and the cut with it
    assert perfect["scr_saebench_score"].protocol == "saebench"
    for score in perfect.values():
        assert score.low <= score.value <= score.high
    assert set(perfect["scr_score"].ceilings) == {"direction projected out", "concept erased"}
    assert all(0.85 < one < 1.1 for one in perfect["scr_score"].ceilings.values())
    assert perfect["scr_score"].floors["random latents"] < 0.6
    columns = perfect["scr_score"].features
    assert len({len(column) for column in columns.values()}) == 1


def test_activations_without_noise_are_scored():
    labels = np.random.default_rng(0).random((600, 2)) < 0.5
    games = np.repeat(np.arange(20), 30)
    shared = {"directions": np.eye(2), "game_id": games, "train": games < 10, "n_resamples": 5}
    found = scr(labels * 1.0, labels * 1.0, labels, [(0, 1)], **shared)["scr_score"]
    assert found.value == pytest.approx(1.0)
    assert np.isfinite(list(found.ceilings.values())).all()


def test_a_permuted_decoder_mends_nothing(perfect):
    got = measured(permuted_decoder(planted()))
    for name in ("scr_score", "scr_labels_score"):
        assert got[name].value < 0.5 * perfect[name].value


def test_dead_latents_mend_nothing():
    arrays = planted()
    got = measured({**arrays, "latents": arrays["latents"] * 0})
    assert got["scr_score"].value == 0
    assert got["scr_saebench_score"].value == 0


@pytest.mark.parametrize("change", SAME)
def test_what_changes_nothing(change, perfect):
    for name, score in measured(change(planted())).items():
        assert score.value == pytest.approx(perfect[name].value, rel=1e-9), name


def test_taking_out_the_target_instead_is_noticed(perfect, monkeypatch):
    right = scr_measure.judged_right

    def swapped(pair, out, rankings, sizes, resting):
        return right(pair, out, [one[::-1] for one in rankings], sizes, resting)

    monkeypatch.setattr(sys.modules["fiducial.metrics.scr"], "judged_right", swapped)
    assert measured(planted())["scr_score"].value < perfect["scr_score"].value - 0.5


def test_a_judge_restricts(perfect):
    arrays = planted()
    prepared = prepare_scr(
        *(arrays[name] for name in ("x", "labels")), PAIRS,
        game_id=arrays["game_id"], train=arrays["train"], rules=FAST, n_resamples=20,
    )  # fmt: skip
    own = scr_from(prepared, arrays["latents"], arrays["directions"], judge=lambda c: np.arange(10) == c)
    assert 0.9 < own["scr_score"].value < 1.1
    none = scr_from(prepared, arrays["latents"], arrays["directions"], judge=lambda c: np.zeros(10, bool))
    assert none["scr_score"].value == 0
    assert none["scr_score"].details["judged"]
    with pytest.raises(ValueError, match=r"judge must give bool \[10\]"):
        scr_from(prepared, arrays["latents"], arrays["directions"], judge=lambda c: np.ones(3, bool))


def test_a_slow_decoder_says_the_same(perfect):
    import torch

    directions = torch.from_numpy(planted()["directions"]).float()
    got = measured(planted(), decode=lambda f: f @ directions)
    assert got["scr_score"].value == pytest.approx(perfect["scr_score"].value, abs=0.02)


def test_published_names():
    got = measured(planted(), protocol="saebench")
    kinds, sizes = ("dir1", "dir2", "metric"), (2, 5, 10, 20, 50, 100, 500)
    assert set(got) == {f"scr_{kind}_threshold_{n}" for kind in kinds for n in sizes}
    assert got["scr_metric_threshold_20"].value == measured(planted())["scr_saebench_score"].value


def test_what_cannot_be_asked_is_nan_with_a_reason():
    arrays = planted()
    rare = arrays["labels"].copy()
    rare[:, 0] = False
    got = scr(**{**arrays, "labels": rare}, pairs=[(0, 1)], n_resamples=20)
    assert all(np.isnan(score.value) and "rows enough" in score.details["undefined"] for score in got.values())
    assert "0 rows to fit" in next(iter(got["scr_score"].details["refused"].values()))
    noise = {**arrays, "x": np.random.default_rng(0).normal(size=arrays["x"].shape)}
    nothing = scr(**noise, pairs=[(0, 1)], n_resamples=20, rules=FAST)["scr_score"]
    assert np.isnan(nothing.value)
    assert "biased probe" in nothing.details["undefined"]


def test_wrong_arguments_are_named():
    arrays = planted()
    with pytest.raises(ValueError, match="two different concepts"):
        scr(**arrays, pairs=[(0, 0)])
    with pytest.raises(ValueError, match="protocol must be"):
        scr(**arrays, pairs=[(0, 1)], rules=FAST, protocol="other")
    with pytest.raises(ValueError, match="labels must be bool"):
        scr(**{**arrays, "labels": arrays["labels"].astype(float)}, pairs=[(0, 1)])
    with pytest.raises(ValueError, match="names must be one"):
        scr(**arrays, pairs=[(0, 1)], names=["one"])
