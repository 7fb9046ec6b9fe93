"""Sufficiency, faithfulness and necessity by hand, in their limits, and where a site is not causal."""

import numpy as np
import pytest
from fiducial.metrics.approximation import approximation, not_causal, recovered_by_node
from fiducial.metrics.approximation_boards import board_approximation, legal_move_errors
from scipy.special import log_softmax, rel_entr, softmax

RNG = np.random.default_rng(0)
N = 80
CLEAN, MEAN = 4 + RNG.normal(size=N), 1 + RNG.normal(size=N)
FAST = {"n_resamples": 60}


def values(*arrays, **more):
    return {name: score.value for name, score in approximation(*arrays, **FAST, **more).items()}


def test_by_hand():
    rec, err = MEAN + 0.75 * (CLEAN - MEAN), MEAN + 0.2 * (CLEAN - MEAN)
    found = values(CLEAN, rec, MEAN, err)
    assert found == pytest.approx({"sufficiency_score": 0.75, "faithfulness_score": 0.75, "necessity_score": 0.8})
    for score in approximation(CLEAN, rec, MEAN, err, **FAST).values():
        assert score.low <= score.value <= score.high
        assert score.low == pytest.approx(score.value)  # every prompt recovers the same share
        assert score.details["published"]["sufficiency"] == pytest.approx(rec.mean() / CLEAN.mean())
    noisy = approximation(CLEAN, rec + RNG.normal(size=N), MEAN, err, **FAST)["sufficiency_score"]
    assert noisy.low < noisy.value < noisy.high
    assert noisy.normalised() == pytest.approx(noisy.value)


def test_limits():
    perfect, nothing = values(CLEAN, CLEAN, MEAN, MEAN), values(CLEAN, MEAN, MEAN, CLEAN)
    assert set(perfect.values()) == {1.0}
    assert nothing == pytest.approx(dict.fromkeys(perfect, 0.0))


def test_overshoot_and_the_wrong_side_cost():
    drop = CLEAN - MEAN
    over = values(CLEAN, CLEAN + 0.4 * drop, MEAN, MEAN)
    assert over["sufficiency_score"] == pytest.approx(1.4)
    assert over["faithfulness_score"] == pytest.approx(0.6)
    wrong = MEAN - drop  # as far from mean ablation as the clean run, on the other side
    assert values(CLEAN, wrong, MEAN, MEAN)["sufficiency_score"] == pytest.approx(-1)
    assert values(CLEAN, wrong, MEAN, MEAN)["faithfulness_score"] == pytest.approx(-1)
    unsigned = approximation(CLEAN, wrong, MEAN, MEAN, protocol="makelov2024", **FAST)["ld_recovered_score"]
    assert unsigned.value == pytest.approx(1)  # what the published form hides
    assert values(CLEAN, CLEAN, MEAN, MEAN - 0.5 * drop)["necessity_score"] == pytest.approx(0.5)


def test_published_forms():
    rec, err = MEAN + 0.75 * (CLEAN - MEAN), MEAN + 0.2 * (CLEAN - MEAN)
    found = approximation(CLEAN, rec, MEAN, err, protocol="makelov2024", **FAST)
    assert set(found) == {"sufficiency_score", "necessity_score", "ld_recovered_score"}
    assert found["sufficiency_score"].value == pytest.approx(rec.mean() / CLEAN.mean())
    assert found["necessity_score"].value == pytest.approx(0.8)
    assert found["ld_recovered_score"].value == pytest.approx(0.75)
    assert {score.protocol for score in found.values()} == {"makelov2024"}
    with pytest.raises(ValueError, match="no protocol 'makelov'"):
        approximation(CLEAN, rec, MEAN, err, protocol="makelov")


@pytest.mark.parametrize("mean", [CLEAN, CLEAN - 0.04 * CLEAN.mean()])
def test_a_site_that_is_not_causal_is_undefined_not_zero(mean):
    for score in approximation(CLEAN, CLEAN, mean, mean, **FAST).values():
        assert np.isnan(score.value)
        assert "not causal" in score.details["undefined"]
    assert recovered_by_node(CLEAN, {"L1 z@end": (CLEAN, mean)})[0]["reason"].startswith("the site is not causal")
    assert not_causal(0.06, 1.0) is None
    assert not_causal(-0.06, 1.0) is None
    zero = np.zeros(N)  # 0 / 0 is undefined as well, published or not
    assert (
        "undefined"
        in approximation(zero, zero, zero, zero, protocol="makelov2024", **FAST)["ld_recovered_score"].details
    )


def test_nodes_signed_beside_unsigned():
    drop = CLEAN - MEAN
    rows = recovered_by_node(CLEAN, {"a": (MEAN + 1.2 * drop, MEAN), "b": (MEAN - 0.5 * drop, MEAN)})
    assert [row["node"] for row in rows] == ["a", "b"]
    assert [row["recovered"] for row in rows] == pytest.approx([1.2, -0.5])
    assert [row["ld_recovered"] for row in rows] == pytest.approx([1.2, 0.5])
    assert [row["faithfulness"] for row in rows] == pytest.approx([0.8, -0.5])


def test_prompts_of_a_game_are_resampled_together():
    games = np.repeat(np.arange(N // 8), 8)
    rec = CLEAN + np.repeat(RNG.normal(size=N // 8), 8)
    alone = approximation(CLEAN, rec, MEAN, None, n_resamples=400)["sufficiency_score"]
    together = approximation(CLEAN, rec, MEAN, None, game_id=games, n_resamples=400)["sufficiency_score"]
    assert together.value == pytest.approx(alone.value, rel=1e-12)
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert "necessity_score" not in approximation(CLEAN, rec, MEAN, None, **FAST)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="one value a prompt"):
        approximation(CLEAN, CLEAN[:-1], MEAN, MEAN)
    with pytest.raises(ValueError, match="finite"):
        approximation(CLEAN, CLEAN * np.nan, MEAN, MEAN)
    with pytest.raises(TypeError, match="clean must be"):
        approximation([1.0, 2.0], CLEAN, MEAN, MEAN)
    with pytest.raises(ValueError, match="floating"):
        approximation(CLEAN.astype(int), CLEAN, MEAN, MEAN)


# boards

ALLOWED = RNG.random((60, 9)) < 0.4
ALLOWED[:, 0] |= ~ALLOWED.any(1)
GAMES = np.repeat(np.arange(12), 5)
GOOD = 4.0 * ALLOWED + RNG.normal(size=ALLOWED.shape)
BLUNT = 0.3 * ALLOWED + RNG.normal(size=ALLOWED.shape)
HALF = 0.6 * GOOD + 0.4 * BLUNT


def test_legal_move_errors_against_sets():
    found = legal_move_errors(BLUNT, ALLOWED)
    for row, (logits, legal) in enumerate(zip(BLUNT, ALLOWED, strict=True)):
        ranked = sorted(range(9), key=lambda i, row=logits: (-row[i], i))
        top, true = set(ranked[: legal.sum()]), set(np.flatnonzero(legal))
        assert found[row] == len(top - true) + len(true - top)
    assert (legal_move_errors(1.0 * ALLOWED, ALLOWED) == 0).all()
    ties = np.zeros((1, 4))
    assert legal_move_errors(ties, np.array([[False, False, True, True]]))[0] == 4  # lower tokens rank first
    assert (legal_move_errors(BLUNT, np.ones_like(ALLOWED)) == 0).all()


def test_boards_against_independent_sums():
    played = np.array([np.flatnonzero(row)[0] for row in ALLOWED])
    found = board_approximation(GOOD, HALF, BLUNT, BLUNT, ALLOWED, game_id=GAMES, targets=played, **FAST)
    p, q, m = (softmax(part, axis=1) for part in (GOOD, HALF, BLUNT))
    kl = [rel_entr(p, other).sum(1).mean() for other in (q, m)]
    assert found["kl_sufficiency_score"].value == pytest.approx(1 - kl[0] / kl[1])
    ce = [-log_softmax(part, axis=1)[np.arange(60), played].mean() for part in (GOOD, HALF, BLUNT)]
    assert found["ce_sufficiency_score"].value == pytest.approx((ce[2] - ce[1]) / (ce[2] - ce[0]))
    errors = [legal_move_errors(part, ALLOWED).mean() for part in (GOOD, HALF, BLUNT)]
    assert found["legal_move_error"].value == pytest.approx(errors[1])
    assert found["legal_move_error"].floors == {"mean ablation": errors[2]}
    assert found["legal_move_error"].ceilings == {"model": errors[0]}
    expected = (errors[2] - errors[1]) / (errors[2] - errors[0])
    assert found["legal_move_sufficiency_score"].value == pytest.approx(expected)
    for name, score in found.items():
        assert score.low <= score.value <= score.high, name
        if name.endswith("necessity_score"):
            assert score.value == 1.0  # only the mean is left


def test_board_limits():
    perfect = board_approximation(GOOD, GOOD, BLUNT, BLUNT, ALLOWED, game_id=GAMES, **FAST)
    nothing = board_approximation(GOOD, BLUNT, BLUNT, GOOD, ALLOWED, game_id=GAMES, **FAST)
    for name, score in perfect.items():
        if name != "legal_move_error":
            assert score.value == pytest.approx(1), name
            assert nothing[name].value == pytest.approx(0, abs=1e-9), name
    still = board_approximation(GOOD, GOOD, GOOD, GOOD, ALLOWED, game_id=GAMES, **FAST)
    for name, score in still.items():
        assert name == "legal_move_error" or ("not causal" in score.details["undefined"] and np.isnan(score.value))
    assert len(board_approximation(GOOD, GOOD, BLUNT, None, ALLOWED, game_id=GAMES, **FAST)) == 4


def test_boards_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="legal token in every row"):
        board_approximation(GOOD, GOOD, BLUNT, None, ALLOWED & False, game_id=GAMES)
    with pytest.raises(ValueError, match="one shape"):
        board_approximation(GOOD, GOOD[:, :-1], BLUNT, None, ALLOWED, game_id=GAMES)
    with pytest.raises(ValueError, match="0 to 8"):
        board_approximation(GOOD, GOOD, BLUNT, None, ALLOWED, game_id=GAMES, targets=np.full(60, 9))


def test_an_unsigned_or_unguarded_form_would_be_noticed():
    """A broken version of each rule gives another number on the cases above."""
    drop, wrong = CLEAN - MEAN, MEAN - (CLEAN - MEAN)
    assert (
        abs(np.abs(wrong - MEAN).mean() / np.abs(drop).mean() - values(CLEAN, wrong, MEAN, MEAN)["sufficiency_score"])
        > 1
    )
    per_prompt = 1 - np.mean(np.abs(CLEAN[::-1] - CLEAN)) / drop.mean()  # errors that cancel in the mean
    assert values(CLEAN, CLEAN[::-1].copy(), MEAN, MEAN)["faithfulness_score"] == pytest.approx(1)
    assert per_prompt < 0.8
