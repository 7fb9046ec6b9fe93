"""What is posed on a bounded sample of a file: as on a testbed, whole games, and a reason where it cannot be."""

import itertools

import numpy as np
import pytest
from fiducial.data.activations import LabelledActivations
from fiducial.games.features import Feature, FeatureSet
from fiducial.metrics import METRICS
from fiducial.models.controls import random_dictionary
from fiducial.references import Candidate
from fiducial.scoring import FAMILIES, score_subject
from fiducial.streaming.bounded import FROM_STORED, POSED, bounded, kept_games, posed_scores
from fiducial.streaming.evaluate import evaluate_file
from fiducial.streaming.meanings import variance_share
from fiducial.streaming.offers import askable, offered, streamed
from fiducial.streaming.sample import open_sample, split_of
from fiducial.subject import subject
from tiny import tiny_testbed

from .samples import ABOUT, Dictionary, activation_file, codes_file, columns, dense_file

FAST = {"n_resamples": 20, "seed": 0}
MODEL = ("behaviour", "board", "unlearning")


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    made = tiny_testbed(60)
    path = tmp_path_factory.mktemp("bed") / "sample.h5"
    made.activations.save(path)
    made.__dict__["activations"] = LabelledActivations.open(path).load()  # as rounded in the file
    return made, path


def values(scores):
    return {name: (score.value, score.low, score.high, score.floors, score.ceilings) for name, score in scores.items()}


@pytest.mark.parametrize("family", ["scr", "tpp", "absorption", "mdl", "meta"])
def test_a_task_says_of_a_file_what_it_says_of_the_testbed(bed, family):
    testbed, path = bed
    dictionary = random_dictionary(testbed.x, 24, 4, seed=5, name="mine")
    sample = open_sample(path)
    kept = bounded(sample, split_of(sample, seed=testbed.seed), budget=10**9, seed=testbed.seed)
    assert not kept.about
    names = list(POSED[family].metrics)
    found, l0 = posed_scores(kept, dictionary, names, name="mine", null=False, **FAST)
    candidate = Candidate("mine", "tested", dictionary, testbed.x)
    expected = score_subject(subject(candidate, testbed, null=False, **FAST), names)
    np.testing.assert_equal(values(found), values(expected))
    assert l0 == candidate.codes.l0


def test_a_report_has_what_is_posed_beside_what_is_streamed(bed, tmp_path):
    testbed, path = bed
    dictionary = random_dictionary(testbed.x, 24, 4, seed=5, name="mine")
    names = ["tpp_score", "mse_error", "found_values_score", "l0"]
    known = {}
    report = evaluate_file(dictionary, path, names, folder=tmp_path, progress=False, known=known, **FAST)
    assert list(report.scores) == names
    assert {"PCA", "permuted decoder", "probes"} <= set(report.controls)
    assert list(report.controls["random dictionary (24, L0 4)"]) == ["tpp_score", "mse_error", "found_values_score"]
    assert report.scores["tpp_score"].floors["PCA"] == report.controls["PCA"]["tpp_score"].value
    alone = evaluate_file(dictionary, path, names[:1], folder=tmp_path, progress=False, controls=False, **FAST)
    assert alone.scores["tpp_score"].value == report.scores["tpp_score"].value
    held = len(known)
    again = evaluate_file(dictionary, path, names, folder=tmp_path, progress=False, known=known, **FAST)
    assert len(known) == held
    assert again.scores == report.scores


@pytest.mark.parametrize("make", [codes_file, dense_file])
def test_stored_latents_are_probed_and_put_into_words(tmp_path, make):
    path = make(tmp_path / "sample.h5", n=2000)
    report = evaluate_file(None, path, ["probing", "autointerp"], folder=tmp_path, progress=False, **FAST)
    assert 0.5 < report.scores["probing_k1_score"].value <= 1
    assert np.isfinite(report.scores["detection_score"].value)
    with pytest.raises(ValueError, match=r"scr_score.*it needs activations.*offers coverage"):
        evaluate_file(None, path, ["scr_score"])


def test_kept_games_are_a_beginning_of_one_order_whatever_the_size(tmp_path):
    sample = open_sample(activation_file(tmp_path / "sample.h5", n=2000))
    split = split_of(sample)
    kept = [kept_games(split, size, 3) for size in (100, 400, 1999, 2000)]
    for less, more in itertools.pairwise(kept):
        assert (more | ~less).all()
    assert kept[-1].all()
    assert [int(split.n_rows[one].sum()) <= size for one, size in zip(kept, (100, 400, 1999, 2000), strict=True)]
    assert (kept_games(split, 400, 3) != kept_games(split, 400, 4)).any()


def test_a_large_sample_says_how_much_was_kept(tmp_path):
    path = activation_file(tmp_path / "sample.h5", n=2000)
    sample = open_sample(path)
    split = split_of(sample)
    kept = bounded(sample, split, budget=10**9, most_rows=700)
    x, _, games, position = columns(2000)
    inside = np.isin(games, np.unique(kept.bed.activations.game_id))
    assert kept.about == {"rows": int(inside.sum()), "of_rows": 2000, "games": 53, "of_games": 154, "seed": 0}
    np.testing.assert_array_equal(kept.bed.x.numpy(), x[inside])
    np.testing.assert_array_equal(kept.bed.activations.position, position[inside])
    np.testing.assert_array_equal(kept.bed.train, split.train_rows(games[inside]))
    found, _ = posed_scores(kept, Dictionary(), ["mdl_bits"], name="mine", **FAST)
    assert found["mdl_bits"].details["sampled"] == kept.about
    with pytest.raises(ValueError, match=r"of sample\.h5 0 fit into 3 positions.*more memory"):
        bounded(sample, split, budget=10**9, most_rows=3)


def test_every_metric_is_offered_or_refused_with_a_reason(tmp_path, bed):
    words = FeatureSet(
        [
            Feature(name=n, group="g", rung=0, definition="d", variable="v", parents=("up",) if n != "up" else ())
            for n in ("up", "left", "right")
        ]
    )
    x, labels, games, position = columns(300)
    path = tmp_path / "all.h5"
    LabelledActivations(x, words.pack(labels[:, :3]), games, position, words, {**ABOUT, "model": "chess-small"}).save(
        path
    )
    sample = open_sample(path)
    needing = {name for family in MODEL for name in FAMILIES[family].metrics} | {"ravel_model_score"}
    posed = {name for one in POSED.values() for name in one.metrics}
    for name in METRICS:
        if name in offered(sample):
            assert askable([name], sample) == [name]
            assert name in posed or name in streamed(sample)
            continue
        reason = "true directions" if name in FAMILIES["recovery"].metrics else "-t chess-small --seed 3"
        with pytest.raises(ValueError, match=reason):
            askable([name], sample)
        assert name in needing or name in FAMILIES["recovery"].metrics or name in FAMILIES["axes"].metrics
    assert set(askable(["tasks"], sample)) == {n for one in POSED.values() for n in one.metrics} - {
        n for family in ("interpretability", "occlusion", "splitting") for n in POSED[family].metrics
    }
    assert "ravel_model_score" not in askable(["ravel"], sample)
    plain = open_sample(activation_file(tmp_path / "plain.h5"))
    with pytest.raises(ValueError, match="no variable of its vocabulary has values"):
        askable(["tpp_score"], plain)
    with pytest.raises(KeyError, match="did you mean tpp_score"):
        askable(["tpp_scor"], plain)
    stored = open_sample(codes_file(tmp_path / "codes.h5"))
    assert {n for one in FROM_STORED.values() for n in one.metrics if one.offered(bed[0])} >= set(
        offered(stored)
    ) - set(streamed(stored))


def test_the_share_of_an_attribute_is_the_variance_of_its_means():
    values = np.array([0, 0, 1, 1])
    assert variance_share(np.array([[0.0], [0.0], [2.0], [2.0]]), values) == 1.0
    assert variance_share(np.array([[0.0], [2.0], [0.0], [2.0]]), values) == 0.0
    assert variance_share(np.array([[0.0, 0], [0, 2.0], [2.0, 0], [2.0, 2.0]]), values) == pytest.approx(0.5)
    assert np.isnan(variance_share(np.ones((4, 2)), values))


@pytest.mark.slow
def test_ravel_of_a_file_is_that_of_the_testbed_but_for_the_model(bed):
    testbed, path = bed
    dictionary = random_dictionary(testbed.x, 24, 4, seed=5, name="mine")
    sample = open_sample(path)
    kept = bounded(sample, split_of(sample, seed=testbed.seed), budget=10**9, seed=testbed.seed)
    found, _ = posed_scores(kept, dictionary, ["ravel_score"], name="mine", null=False, **FAST)
    candidate = Candidate("mine", "tested", dictionary, testbed.x)
    about = subject(candidate, testbed, null=False, **FAST)
    np.testing.assert_equal(values(found), values(score_subject(about, ["ravel_score"])))
    assert "ravel_score" in offered(sample)
    assert "ravel_model_score" not in offered(sample)
