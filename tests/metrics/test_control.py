"""Success, weight, size and isolation of edits: by hand, in limits, and on a linear model whose truth is known."""

import numpy as np
import pytest
import torch
from fiducial.metrics.contingency import value_f1
from fiducial.metrics.control import control, mean_over_seeds, minimal_edit, paired_difference
from fiducial.metrics.control_aware import aware_edits, weight_removed
from fiducial.metrics.control_greedy import greedy_edits
from fiducial.metrics.control_isolation import isolation, nearest_distance, off_manifold
from scipy.spatial.distance import cdist

FAST = {"n_resamples": 60}
PATCHED = np.array([5, 6, 7, 8, 9, 5])
UNTOUCHED = np.array([1, 2, 3, 8, 4, 1])  # agrees at one of six


def test_success_by_hand():
    edited, supervised = np.array([5, 6, 3, 8, 4, 1]), np.array([5, 6, 7, 8, 9, 1])
    scores = control(edited, PATCHED, UNTOUCHED, supervised_choice=supervised, **FAST)
    success = scores["edit_success_score"]
    assert success.value == pytest.approx(3 / 6)
    assert success.floors == {"no edit": pytest.approx(1 / 6)}
    assert success.ceilings == {"full patch": 1.0, "supervised edit": pytest.approx(5 / 6)}
    assert success.details["success_where_patch_changes"] == pytest.approx(2 / 5)
    assert success.details["calm_where_it_does_not"] == 1.0
    assert scores["edit_success_normalised_score"].value == pytest.approx((3 - 1) / (5 - 1))
    plain = control(edited, PATCHED, UNTOUCHED, **FAST)["edit_success_normalised_score"]
    assert plain.value == pytest.approx((3 - 1) / (6 - 1))  # the full patch stands in
    for score in scores.values():
        assert score.low <= score.value <= score.high


def test_limits():
    none, full = (control(one, PATCHED, UNTOUCHED, **FAST) for one in (UNTOUCHED, PATCHED))
    assert none["edit_success_normalised_score"].value == 0
    assert none["edit_success_score"].value == none["edit_success_score"].floors["no edit"]
    assert full["edit_success_score"].value == full["edit_success_normalised_score"].value == 1
    same = control(PATCHED, PATCHED, PATCHED, **FAST)["edit_success_normalised_score"]
    assert np.isnan(same.value)
    assert "nothing to gain" in same.details["undefined"]


def test_a_reference_below_no_edit_says_nothing():
    """Else the worst edit would score highest."""
    nothing, worse = np.full(6, -1), np.array([0, 2, 3, 0, 4, 1])
    score = control(nothing, PATCHED, UNTOUCHED, supervised_choice=worse, **FAST)["edit_success_normalised_score"]
    assert np.isnan(score.value)
    assert "nothing to gain" in score.details["undefined"]


def test_rows_that_cannot_be_scored_are_left_out_and_counted():
    scorable = np.array([True, True, True, True, False, False])
    edited = np.array([5, 6, 3, 8, 0, 0])
    score = control(edited, PATCHED, UNTOUCHED, scorable=scorable, **FAST)["edit_success_score"]
    assert score.value == pytest.approx(3 / 4)
    assert score.details["n_not_scorable"] == 2
    with pytest.raises(ValueError, match="at least 2 scorable"):
        control(edited, PATCHED, UNTOUCHED, scorable=np.zeros(6, bool))


def test_weights():
    weight, lightest = np.array([0.2, 0.4, 0.6, 0.8, 1.0, 0.0]), np.full(6, 0.2)
    scores = control(PATCHED, PATCHED, UNTOUCHED, weight_removed=weight, supervised_weight=lightest, **FAST)
    assert scores["weight_removed_error"].value == pytest.approx(0.5)
    assert scores["weight_rescaled_error"].value == pytest.approx((0.5 - 0.2) / 0.8)
    everything = control(PATCHED, PATCHED, UNTOUCHED, weight_removed=np.ones(6), supervised_weight=lightest, **FAST)
    assert everything["weight_rescaled_error"].value == pytest.approx(1)
    like = control(PATCHED, PATCHED, UNTOUCHED, weight_removed=lightest, supervised_weight=lightest, **FAST)
    assert like["weight_rescaled_error"].value == 0


def test_smallest_edits():
    by_budget = {1: np.array([5, 2, 3, 8, 4, 1]), 2: np.array([1, 6, 3, 0, 4, 1]), 4: np.array([5, 6, 7, 8, 4, 1])}
    assert minimal_edit(by_budget, PATCHED, UNTOUCHED).tolist() == [1, 2, 4, 0, -1, -1]
    score = control(PATCHED, PATCHED, UNTOUCHED, choices_by_budget=by_budget, **FAST)["minimal_edit_error"]
    assert score.value == pytest.approx((1 + 2 + 4 + 5 + 5) / 5)
    assert score.details["never"] == pytest.approx(2 / 5)
    assert score.details["share_by_budget"] == {"1": 0.2, "2": 0.4, "4": 0.6}
    nothing = control(PATCHED, PATCHED, PATCHED, choices_by_budget=by_budget, **FAST)["minimal_edit_error"]
    assert "changes no prompt" in nothing.details["undefined"]
    with pytest.raises(ValueError, match="at least 1 latent"):
        minimal_edit({0: PATCHED}, PATCHED, UNTOUCHED)


def test_seeds_and_pairs():
    rng = np.random.default_rng(0)
    patched, untouched = rng.integers(0, 9, 300), np.full(300, 10)
    edits = [np.where(rng.random(300) < share, patched, untouched) for share in (0.7, 0.8, 0.9)]
    scores = [control(edit, patched, untouched, n_resamples=300)["edit_success_score"] for edit in edits]
    mean, low, high = mean_over_seeds(scores, n_resamples=300)
    assert mean == pytest.approx(np.mean([score.value for score in scores]))
    assert high - low > 1.5 * (scores[1].high - scores[1].low)  # seeds vary more than prompts
    assert mean_over_seeds(scores[:1], n_resamples=300)[1:] == pytest.approx((scores[0].low, scores[0].high))
    apart = paired_difference(scores[2], scores[0])
    assert apart[0] == pytest.approx(scores[2].value - scores[0].value)
    assert apart[1] < apart[0] < apart[2]
    with pytest.raises(ValueError, match="n_resamples"):
        mean_over_seeds(scores)
    with pytest.raises(ValueError, match="defined"):
        mean_over_seeds([])


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match=r"integers \[6\]"):
        control(PATCHED[:-1], PATCHED, UNTOUCHED)
    with pytest.raises(ValueError, match="integers"):
        control(PATCHED * 1.0, PATCHED, UNTOUCHED)
    with pytest.raises(ValueError, match="finite"):
        control(PATCHED, PATCHED, UNTOUCHED, weight_removed=np.full(6, np.nan))


# isolation


def test_isolation_by_hand():
    before = {"S": np.array([0, 1, 2, -1]), "Pos": np.array([0, 0, 1, 1])}
    after = {"S": np.array([0, 1, 1, 3]), "Pos": np.array([0, 1, 1, 1])}
    scores = isolation(before, after, patched=before, success=np.array([True, True, False, False]), **FAST)
    score = scores["isolation_score"]
    assert score.value == pytest.approx((2 / 3 + 3 / 4) / 2)  # the cell without a value does not count
    assert score.groups == pytest.approx({"S": 2 / 3, "Pos": 3 / 4})
    assert score.floors["another prompt"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert score.ceilings == {"no edit": 1.0, "full patch": pytest.approx(1.0)}
    assert scores["disentangle_score"].value == pytest.approx((score.value + 0.5) / 2)
    assert isolation(before, before, **FAST)["isolation_score"].value == pytest.approx(1)
    with pytest.raises(KeyError, match="S, Pos"):
        isolation(before, {"S": before["S"]})
    with pytest.raises(ValueError, match="nothing to keep"):
        isolation({"S": np.full(4, -1)}, {"S": np.zeros(4, int)})


def test_off_manifold_distances():
    rng = np.random.default_rng(0)
    reference, points = rng.normal(size=(200, 5)), rng.normal(size=(50, 5))
    np.testing.assert_allclose(nearest_distance(points, reference), cdist(points, reference).min(1))
    np.testing.assert_allclose(nearest_distance(points, reference, 300), cdist(points, reference).min(1))
    assert nearest_distance(reference[:5], reference).tolist() == [0] * 5
    assert off_manifold(points, points, reference, **FAST)["off_manifold_error"].value == 1
    far = off_manifold(points + 10, points, reference, **FAST)["off_manifold_error"]
    assert far.value > 5
    assert far.low <= far.value <= far.high
    with pytest.raises(ValueError, match=r"reference \[M, d\]"):
        off_manifold(points, points, reference[:, :-1])


# a linear model: x = u[IO] + v[Pos] + noise, and the answer is IO where Pos is 0, IO + 10 where it is 1


def linear_world(n=400, seed=0):
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(24, 24)))[0][:12] * 3
    io, pos = rng.integers(0, 10, n), rng.integers(0, 2, n)
    new = (io + rng.integers(1, 10, n)) % 10
    noise = 0.1 * rng.normal(size=(n, 24))

    def activation(io):
        return directions[io] + directions[10 + pos] + noise

    def choice(x):
        scores = np.asarray(x) @ directions.T
        return scores[:, :10].argmax(1) + 10 * scores[:, 10:].argmax(1)

    def codes(io):
        return np.concatenate([np.eye(10)[io], np.eye(2)[pos]], 1)

    return activation(io), activation(new), codes(io), codes(new), directions, choice, io, new, pos


def edited(codes, target_codes, directions, x, x_t, k):
    edits = greedy_edits(codes, target_codes, directions, x - x_t, k)
    return x + edits.delta(k).numpy(), edits


def test_a_perfect_dictionary_controls_with_two_latents_and_leaves_the_rest():
    x, x_t, codes, codes_t, directions, choice, io, new, pos = linear_world()
    patched, untouched = choice(x_t), choice(x)
    np.testing.assert_array_equal(patched, new + 10 * pos)
    by_budget = {k: choice(edited(codes, codes_t, directions, x, x_t, k)[0]) for k in (1, 2, 4)}
    scores = control(by_budget[2], patched, untouched, choices_by_budget=by_budget, **FAST)
    assert scores["edit_success_score"].value == 1.0
    assert scores["edit_success_score"].floors["no edit"] == 0.0
    assert 1.0 <= scores["minimal_edit_error"].value <= 2.0
    moved, edits = edited(codes, codes_t, directions, x, x_t, 2)
    np.testing.assert_array_equal(edits.removed(2)[:, :10], np.eye(10, dtype=bool)[io])
    weight = weight_removed(codes, directions, None, edits.removed(2))
    np.testing.assert_allclose(weight, 0.5)  # two orthogonal directions of one length
    kept = isolation({"Pos": choice(x) // 10}, {"Pos": choice(moved) // 10}, **FAST)
    assert kept["isolation_score"].value == 1.0
    aware = aware_edits(codes, codes_t, directions, value_f1(codes, io, 10), io, new, 1)
    np.testing.assert_array_equal(choice(x + aware.delta.numpy()), patched)


def test_damaged_dictionaries_control_less():
    x, x_t, codes, codes_t, directions, choice, *_ = linear_world()
    patched, untouched = choice(x_t), choice(x)
    rng = np.random.default_rng(1)

    def success(codes, codes_t, directions, k=2):
        choices = choice(edited(codes, codes_t, directions, x, x_t, k)[0])
        return control(choices, patched, untouched, **FAST)["edit_success_score"].value

    whole = success(codes, codes_t, directions)
    order = rng.permutation(12)
    assert success(codes, codes_t, directions[order]) < whole - 0.3  # permuted decoder
    assert success(codes, codes_t, 0 * directions) == 0  # writes nothing
    assert success(0 * codes, 0 * codes, directions) == 0  # dead
    half = np.arange(12) % 2 == 0
    assert success(codes * half, codes_t * half, directions) < whole - 0.2
    shuffled = rng.permutation(12)
    assert (
        success(codes[:, shuffled], codes_t[:, shuffled], directions[shuffled]) == whole
    )  # order of latents is nothing
    assert success(codes * 2, codes_t * 2, directions / 2) == whole  # nor is their scale


def test_tensors_are_accepted():
    scores = control(torch.tensor(PATCHED), torch.tensor(PATCHED), torch.tensor(UNTOUCHED), **FAST)
    assert scores["edit_success_score"].value == 1
