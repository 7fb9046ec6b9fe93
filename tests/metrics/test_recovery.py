"""Recovery: perfect and random dictionaries, chance, intervals, symmetries, faults that must be noticed."""

import numpy as np
import pytest
from fiducial.metrics.recovery import SHARES, recovery
from fiducial.metrics.recovery_records import PROPERTIES
from fiducial.models.dictionary import Codes
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.stats import pearsonr
from sklearn.metrics import f1_score, precision_score, recall_score

from . import planted

COMMON, SIZES, TRUE = planted.world()
PERFECT = recovery(SIZES, directions=TRUE, **COMMON)
FEATURE_SHARES = [f"{k}_error" for k in ("missed", "split", "merged", "absorbed", "duplicated")] + ["found_score"]
LATENT_SHARES = ["matched_latents_score", "spurious_latents_error", "dead_recovery_error"]


def test_every_score_has_a_record_and_the_oracle_is_at_the_ceiling():
    assert set(PERFECT) == set(PROPERTIES)
    for name, score in PERFECT.items():
        best = 0.0 if name.endswith("_error") else 1.0
        assert score.metric == name
        assert score.value == pytest.approx(best, abs=1e-9)
        assert (score.low, score.high) == pytest.approx((best, best), abs=1e-9)
        assert score.ceilings == {"true dictionary": best}
        assert score.replicates.shape == (60,)


def test_without_sizes_that_score_is_left_out():
    common = {**COMMON, "magnitudes": None}
    assert set(PERFECT) - set(recovery(SIZES, directions=TRUE, **common)) == {"magnitude_correlation_score"}


@pytest.mark.parametrize("seed", range(3))
def test_a_random_dictionary_scores_zero_within_its_interval(seed):
    made = [planted.random_dictionary(SIZES, TRUE, 20, 10 * seed + i) for i in range(6)]
    scores = recovery(made[0][0], directions=made[0][1], nulls=made[1:], **COMMON)
    for name, score in scores.items():
        assert score.details["n_nulls"] == 5
        if name in SHARES:
            assert not score.details["chance_corrected"]
            assert score.value == score.details["raw"]
            assert score.floors["random dictionary"] == pytest.approx(np.mean(score.details["null_values"]))
        else:
            assert score.low <= 0 <= score.high, name
            assert score.value == pytest.approx(0, abs=0.35)
            assert score.details["chance"] == pytest.approx(np.mean(score.details["null_values"]))
    assert scores["missed_error"].value > 0.9


def test_correction_is_the_stated_formula_and_keeps_the_perfect_at_one():
    nulls = [planted.random_dictionary(SIZES, TRUE, 12, i) for i in range(4)]
    half = recovery(SIZES[:, :6], directions=TRUE[:6], nulls=nulls, **COMMON)
    raw = recovery(SIZES[:, :6], directions=TRUE[:6], **COMMON)
    alone = [recovery(codes, directions=d, **COMMON) for codes, d in nulls]
    for name in set(PROPERTIES) - set(SHARES):
        chance = np.mean([s[name].value for s in alone])
        assert half[name].value == pytest.approx((raw[name].value - chance) / (1 - chance))
        assert raw[name].details["chance"] is None
        assert not raw[name].floors
    perfect = recovery(SIZES, directions=TRUE, nulls=nulls, **COMMON)
    assert [s.value for n, s in perfect.items() if n.endswith("_score")] == pytest.approx([1.0] * 13)


def test_matched_values_equal_sklearn_and_scipy():
    rng = np.random.default_rng(3)
    noisy = np.where(rng.random(SIZES.shape) < 0.1, rng.random(SIZES.shape), SIZES * (rng.random(SIZES.shape) > 0.2))
    directions = TRUE + 0.1 * rng.normal(size=TRUE.shape)
    order = rng.permutation(12)
    scores = recovery(noisy[:, order], directions=directions[order], **COMMON)
    table = scores["recovery_score"].features
    assert table["latent"] == np.argsort(order).tolist()
    held = ~COMMON["train"]
    cos = planted.units(TRUE) @ planted.units(directions).T
    for f in range(12):
        on, truth = noisy[held, f] >= table["threshold"][f], COMMON["labels"][held, f]
        assert table["f1"][f] == pytest.approx(f1_score(truth, on))
        assert table["precision"][f] == pytest.approx(precision_score(truth, on))
        assert table["recall"][f] == pytest.approx(recall_score(truth, on))
        assert table["cosine"][f] == pytest.approx(cos[f, f])
        r = pearsonr(noisy[held, f][truth], SIZES[held, f][truth]).statistic
        assert table["magnitude_correlation"][f] == pytest.approx(r, abs=1e-6)
    assert scores["recovery_score"].value == pytest.approx(np.mean(np.array(table["f1"]) * table["cosine"]))
    rows, columns = linear_sum_assignment(cos, maximize=True)
    assert scores["mcc_score"].value == pytest.approx(cos[rows, columns].sum() / 12)
    assert scores["mmcs_true_score"].value == pytest.approx(cos.max(1).mean())
    assert scores["mmcs_latents_score"].value == pytest.approx(cos.max(0).mean())
    assert scores["direction_coverage_score"].value == pytest.approx((cos.max(1) >= 0.8).mean())
    assert scores["uniqueness_score"].value == pytest.approx(len(set(cos.argmax(0))) / 12)


def test_thresholds_come_from_training_games_alone():
    broken = SIZES.copy()
    held = ~COMMON["train"]
    broken[held] = broken[held][:, ::-1]  # on held-out games each latent fires for another feature
    scores = recovery(broken, directions=TRUE, **COMMON)
    assert scores["recovery_f1_score"].value < 0.4
    labels = COMMON["labels"].copy()
    labels[held] = False
    labels[held, :] |= COMMON["labels"][held][:, ::-1]
    again = recovery(broken, directions=TRUE, **{**COMMON, "labels": labels})
    assert again["recovery_f1_score"].value == pytest.approx(1)


@pytest.mark.parametrize("name", ["recovery_score", "mcc_score", "found_score", "direction_coverage_score"])
def test_sign_counts_unless_latents_are_signed(name):
    turned = recovery(SIZES, directions=-TRUE, **COMMON)
    assert turned[name].value < 0.4
    signed = recovery(-SIZES, directions=-TRUE, **COMMON)
    assert signed[name].value == pytest.approx(1)
    assert signed[name].details["signed"]


def test_latents_may_be_permuted_rescaled_and_games_reordered():
    rng = np.random.default_rng(0)
    codes, directions = planted.random_dictionary(SIZES, TRUE, 20, 1)
    base = recovery(codes, directions=directions, **COMMON)
    order, powers = rng.permutation(20), 2.0 ** rng.integers(-3, 4, 20)
    moved = recovery((codes * powers)[:, order], directions=directions[order], **COMMON)
    turn = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    rotated = recovery(codes, directions=directions @ turn, **{**COMMON, "true_directions": TRUE @ turn})
    for name, score in base.items():
        assert moved[name].value == pytest.approx(score.value), name
        assert rotated[name].value == pytest.approx(score.value), name
        if name in FEATURE_SHARES:
            assert (moved[name].low, moved[name].high) == pytest.approx((score.low, score.high))


@pytest.mark.parametrize("n_latents", [1, 5, 40])
def test_shares_sum_to_one(n_latents):
    for codes, directions in (planted.random_dictionary(SIZES, TRUE, n_latents, 4, k=1), (SIZES[:, :1], TRUE[:1])):
        scores = recovery(codes, directions=directions, **COMMON)
        assert sum(scores[name].value for name in FEATURE_SHARES) == pytest.approx(1)
        assert sum(scores[name].value for name in LATENT_SHARES) == pytest.approx(1)
        assert np.allclose(sum(scores[name].replicates for name in FEATURE_SHARES), 1)


def test_more_noise_is_worse():
    values = []
    for level in (0.0, 0.5, 1.0, 2.0, 4.0):
        rng = np.random.default_rng(1)
        noise = planted.units(rng.normal(size=TRUE.shape)) * level
        codes = np.maximum(SIZES + 0.2 * level * rng.normal(size=SIZES.shape), 0)
        scores = recovery(codes, directions=TRUE + noise, **COMMON)
        values.append([scores[n].value for n in ("recovery_score", "mcc_score", "recovery_f1_score")])
    assert (np.diff(np.array(values), axis=0) < 0).all()


def test_dead_half_and_copies_are_noticed_where_promised():
    dead = SIZES.copy()
    dead[:, ::2] = 0
    scores = recovery(dead, directions=TRUE, **COMMON)
    for name in ("recovery_score", "recovery_f1_score", "activation_coverage_score", "uniqueness_score"):
        assert scores[name].value < 0.8
    assert scores["dead_recovery_error"].value == 0.5
    assert scores["mcc_score"].value == pytest.approx(1)  # as its record says: directions only
    copies = recovery(np.hstack([SIZES, SIZES]), directions=np.vstack([TRUE, TRUE]), **COMMON)
    assert copies["uniqueness_score"].value == 0.5
    assert copies["recovery_score"].value == pytest.approx(1)


def test_a_constant_size_leaves_the_correlation_undefined():
    scores = recovery(SIZES, directions=TRUE, **{**COMMON, "magnitudes": COMMON["labels"] * 2.0})
    score = scores["magnitude_correlation_score"]
    assert np.isnan(score.value)
    assert "constant" in score.details["undefined"]


def test_rare_features_are_in_the_table_and_out_of_the_averages():
    labels = COMMON["labels"].copy()
    labels[:, 3] = False
    sizes = np.where(labels, SIZES, 0)
    scores = recovery(sizes, directions=TRUE, **{**COMMON, "labels": labels, "magnitudes": sizes})
    table = scores["recovery_score"].features
    assert [i for i, rare in enumerate(table["rare"]) if rare] == [3]
    assert scores["recovery_score"].value == pytest.approx(1)
    assert scores["recovery_score"].details["n_rare"] == 1
    with pytest.raises(ValueError, match="no feature has 10 positives"):
        recovery(sizes, directions=TRUE, **{**COMMON, "labels": np.zeros_like(labels)})


def test_inputs_in_every_form_agree():
    base = recovery(SIZES, directions=TRUE, **COMMON)
    packed = np.packbits(COMMON["labels"], axis=1, bitorder="little")
    common = {**COMMON, "labels": packed, "magnitudes": csr_array(SIZES), "owner": np.arange(12)}
    again = recovery(Codes.from_dense(SIZES.astype(np.float32)), directions=TRUE.astype(np.float32), **common)
    for name, score in base.items():
        assert again[name].value == pytest.approx(score.value, abs=1e-6)


def test_same_seed_same_scores():
    codes, directions = planted.random_dictionary(SIZES, TRUE, 20, 1)
    nulls = [planted.random_dictionary(SIZES, TRUE, 20, i) for i in (2, 3)]
    first, second = (recovery(codes, directions=directions, nulls=nulls, **COMMON) for _ in range(2))
    other = recovery(codes, directions=directions, nulls=nulls, **{**COMMON, "seed": 1})
    for name, score in first.items():
        assert second[name] == score
        np.testing.assert_array_equal(second[name].replicates, score.replicates)
        assert other[name].value == score.value
    assert other["mcc_score"].low != first["mcc_score"].low


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"directions": TRUE[:, :5]}, r"directions must be floating \[12, 32\]"),
        ({"directions": TRUE * np.nan}, "NaN"),
        ({"true_directions": TRUE * 0}, "true direction of feature 0 is 0"),
        ({"owner": np.arange(3)}, "owner must be 12"),
        ({"train": None}, "train must say"),
        ({"magnitudes": SIZES[:, :3]}, "magnitudes must be"),
        ({"protocol": "best"}, "no protocol 'best'"),
        ({"covered": 2.0}, "covered must be 0 to 1"),
        ({"train": np.arange(2000) % 2 == 0}, "both sides of train"),
    ],
)
def test_errors_teach(change, match):
    with pytest.raises(ValueError, match=match):
        recovery(SIZES, **{"directions": TRUE, **COMMON, **change})


BREAKS = {
    "many latents to one feature": ("assign", lambda weights: weights.argmax(0)),
    "sign ignored": ("as_units", lambda codes, directions, truth: _as_units(codes, np.abs(directions), truth)),
    "threshold ignored": ("fitted_thresholds", lambda pairs, units, features: np.full(len(units), 1e-30, np.float32)),
    "labels of the wrong rows": ("counts_by_game", lambda codes, bits, *rest: _counts(codes, _rolled(bits), *rest)),
}


def _as_units(*arguments):
    from fiducial.metrics.recovery_matching import as_units

    return as_units(*arguments)


def _counts(*arguments):
    from fiducial.metrics.counts import counts_by_game

    return counts_by_game(*arguments)


def _rolled(bits):
    return type(bits)(np.roll(bits.words, 1, axis=1), bits.n_features)


@pytest.mark.parametrize("broken", BREAKS)
def test_broken_versions_are_noticed(broken, monkeypatch):
    rng = np.random.default_rng(2)
    weak = np.where(rng.random(SIZES.shape) < 0.1, 0.5 * rng.random(SIZES.shape), SIZES)  # noise below every true size
    codes = np.hstack([weak[:, 2:], weak[:, :1] + weak[:, 1:2]])
    directions = np.vstack([TRUE[2:], TRUE[:1] + TRUE[1:2]])
    right = recovery(codes, directions=directions, **COMMON)["recovery_score"].value
    monkeypatch.setattr(f"fiducial.metrics.recovery_measure.{BREAKS[broken][0]}", BREAKS[broken][1])
    assert abs(recovery(codes, directions=directions, **COMMON)["recovery_score"].value - right) > 0.01
