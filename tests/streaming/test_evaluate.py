from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.data.activations import LabelledActivations, split_by_game
from fiducial.evaluation import evaluate
from fiducial.metrics import core_fidelity, core_sparsity, coverage, reconstruction
from fiducial.metrics.streaming import spill
from fiducial.models.controls import pca_dictionary, random_dictionary
from fiducial.models.dictionary import Codes
from fiducial.report import Report
from fiducial.streaming import evaluate as evaluate_module
from fiducial.streaming import source
from fiducial.streaming.controls import controls_of, kept_training_rows, training_moments
from fiducial.streaming.evaluate import evaluate_file, scratch_bytes
from fiducial.streaming.memory import PeakMemory, resident
from fiducial.streaming.sample import open_sample, split_of
from tiny import tiny_testbed

from .samples import (
    FEATURES,
    LATENTS,
    WIDTH,
    Dictionary,
    activation_file,
    codes_file,
    columns,
    dense_file,
    dense_latents,
)

N = 2000


def whole(latents, x_hat=None, seed=0, n_resamples=50):
    """What functions on whole arrays say of the sample."""
    x, labels, games, _ = columns(N)
    train = split_by_game(games, seed=seed)
    codes = Codes.from_dense(latents)
    asked = {"game_id": games, "train": train, "features": FEATURES, "seed": seed, "n_resamples": n_resamples}
    drawn = {"seed": seed, "n_resamples": n_resamples}
    test = np.flatnonzero(~train)
    scores = {
        "coverage": coverage(codes, labels, **asked),
        "reconstruction": reconstruction(codes, labels, **asked),
        **core_sparsity(codes.take(test), games[test], **drawn),
    }
    return scores if x_hat is None else {**scores, **core_fidelity(x[test], x_hat[test], games[test], **drawn)}


def assert_same(found, expected, rel=0.0):
    """Scores equal in everything, the per-feature table and replicates too; floats to `rel`."""
    assert list(found) == list(expected)
    as_read = Report("a", "b", expected).scores  # details in JSON types
    for name, score in expected.items():
        mine, theirs = found[name], as_read[name]
        if rel == 0.0:
            plain = {key: value for key, value in mine.details.items() if key != "over_floor"}
            assert plain == {key: value for key, value in theirs.details.items() if key != "over_floor"}, name
            bare = {"details": {}, "floors": {}, "ceilings": {}}
            assert replace(mine, **bare) == replace(theirs, **bare), name
            np.testing.assert_array_equal(mine.replicates, score.replicates)
        np.testing.assert_allclose([mine.value, mine.low, mine.high], [score.value, score.low, score.high], rtol=rel)
        for floor, value in {**score.floors, **score.ceilings}.items():
            assert {**mine.floors, **mine.ceilings}[floor] == pytest.approx(value, rel=rel or 1e-15), (name, floor)


@pytest.mark.parametrize("make", [codes_file, dense_file])
@pytest.mark.parametrize("rows", [64, 333, 8192])
def test_stored_latents_score_as_whole_arrays_do(tmp_path, make, rows, monkeypatch):
    monkeypatch.setattr(source, "rows_within", lambda budget, sample: rows)
    path = make(tmp_path / "sample.h5", n=N)
    report = evaluate_file(None, path, n_resamples=50, seed=1, folder=tmp_path, progress=False)
    expected = whole(dense_latents(N), seed=1)
    if make is dense_file:  # it says nothing of groups
        assert {name: s.value for name, s in report.scores.items() if name in ("l0", "dead_latents_error")} == {
            name: expected[name].value for name in ("l0", "dead_latents_error")
        }
    else:
        assert_same(report.scores, expected)
    assert [file.name for file in tmp_path.iterdir()] == ["sample.h5"]
    assert report.provenance["sample"]["positions"] == N
    assert not report.controls


def test_a_dictionary_scores_as_whole_arrays_do(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "rows_within", lambda budget, sample: 333)
    path, dictionary = activation_file(tmp_path / "sample.h5", n=N), Dictionary()
    report = evaluate_file(dictionary, path, n_resamples=50, folder=tmp_path, controls=False, progress=False)
    latents = torch.cat([dictionary.encode(part) for part in torch.from_numpy(columns(N)[0]).split(333)])
    assert_same(report.scores, whole(latents.numpy(), dictionary.decode(latents).numpy()), rel=1e-9)
    assert [file.name for file in tmp_path.iterdir()] == ["sample.h5"]


def test_references_stand_beside_as_in_reports_on_testbeds(tmp_path):
    bed = tiny_testbed(30)
    bed.activations.save(tmp_path / "sample.h5")
    bed.__dict__["activations"] = LabelledActivations.open(tmp_path / "sample.h5").load()  # as rounded in the file
    dictionary = random_dictionary(bed.x, 24, 4, seed=5, name="mine")
    names = ["coverage", "l0", "mse_error"]
    streamed = evaluate_file(dictionary, tmp_path / "sample.h5", names, seed=bed.seed, folder=tmp_path, progress=False)
    expected = evaluate(dictionary, bed, names, seed=bed.seed)
    assert streamed.provenance["references_fitted_on"] == {
        "rows": int(bed.train.sum()),
        "of_rows": int(bed.train.sum()),
    }
    assert list(streamed.scores) == names
    common = set(streamed.controls) & set(expected.controls)
    assert common == {"random dictionary (24, L0 4)", "PCA", "probes", "least squares", "identity", "permuted decoder"}
    for name, score in streamed.scores.items():
        theirs = expected.scores[name]
        missing = {"neurons"} & {*theirs.floors}  # they read another activation
        assert set(score.floors) == set(theirs.floors) - missing
        assert set(score.ceilings) == set(theirs.ceilings)
        for bound, value in {**score.floors, **score.ceilings}.items():
            assert value == pytest.approx({**theirs.floors, **theirs.ceilings}[bound], abs=2e-3), (name, bound)


def test_references_are_scored_once_for_dictionaries_alike(tmp_path, monkeypatch):
    path, scored, plain = activation_file(tmp_path / "sample.h5"), [], evaluate_module.stream
    monkeypatch.setattr(evaluate_module, "stream", lambda *a: scored.append(1) or plain(*a))
    asked = {"metrics": ["mse_error"], "n_resamples": 10, "folder": tmp_path, "progress": False}
    known = {}
    first, second = (evaluate_file(Dictionary(name=name), path, **asked, known=known) for name in ("a", "b"))
    alone = evaluate_file(Dictionary(name="b"), path, **asked)
    assert len(scored) == 4 + 2 + 4  # itself, random, identity, permuted; itself, permuted
    assert second.scores == alone.scores == first.scores
    assert second.controls == alone.controls


def test_training_rows_are_whole_games_all_where_they_fit(tmp_path):
    sample = open_sample(activation_file(tmp_path / "sample.h5", n=N))
    split = split_of(sample)
    x, labels, games, _ = columns(N)
    train = split.train_rows(games)
    everything = kept_training_rows(sample, split, most_rows=N)
    np.testing.assert_array_equal(everything.x, x[train])
    np.testing.assert_array_equal(everything.labels, np.delete(labels[train], 4, 1))  # that cannot occur
    assert everything.names == tuple(f"f{i}" for i in range(11) if i != 4)
    some = kept_training_rows(sample, split, most_rows=200, seed=1)
    kept = {tuple(row) for row in some.x.tolist()}
    inside = np.array([tuple(row) in kept for row in x.tolist()])
    assert 187 <= len(some.x) <= 200
    assert inside.sum() == len(some.x)
    assert not set(games[inside]) & set(games[~inside])
    assert not set(games[inside]) & set(games[~train])
    assert len(kept_training_rows(sample, split, most_rows=1).x) == 13  # never none


def test_moments_are_those_of_whole_arrays(tmp_path):
    sample = open_sample(activation_file(tmp_path / "sample.h5", n=N))
    split = split_of(sample)
    x = torch.from_numpy(columns(N)[0][split.train_rows(columns(N)[2])])
    mean, scatter = training_moments(sample, split)
    torch.testing.assert_close(mean, x.double().mean(0))
    torch.testing.assert_close(scatter, x.double().T.cov() * (len(x) - 1))
    made = {one.name: one for one in controls_of(sample, split, n_latents=LATENTS, l0=4.2, progress=False)[0]}
    torch.testing.assert_close(made["PCA"].make().directions, pca_dictionary(x).directions, atol=1e-5, rtol=0)


def test_what_a_file_cannot_be_asked_is_refused(tmp_path):
    codes = codes_file(tmp_path / "codes.h5")
    with pytest.raises(
        ValueError, match=r"mse_error cannot be scored from codes\.h5: it needs activations.*offers coverage"
    ):
        evaluate_file(None, codes, ["coverage", "mse_error"])
    with pytest.raises(KeyError, match="coverag"):
        evaluate_file(None, codes, ["coverag"])
    with pytest.raises(ValueError, match="holds latents already"):
        evaluate_file(Dictionary(), codes)
    with pytest.raises(ValueError, match="width"):
        evaluate_file(Dictionary(width=WIDTH + 1), activation_file(tmp_path / "a.h5"))
    with pytest.raises(ValueError, match=r"memory 1MB is too little.*give at least"):
        evaluate_file(None, codes, memory="1MB")
    with pytest.raises(FileNotFoundError, match="scratch files need a folder"):
        evaluate_file(None, codes, folder=tmp_path / "none", memory="8GB")


def test_a_disk_that_is_too_small_is_noticed_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_module, "SCRATCH_ENTRY", 10**15)
    monkeypatch.setattr(evaluate_module, "stream", None)
    for dictionary, make in ((None, codes_file), (Dictionary(), activation_file)):
        with pytest.raises(ValueError, match="of scratch files are needed"):
            evaluate_file(dictionary, make(tmp_path / "sample.h5"), folder=tmp_path, memory="8GB")


def test_the_estimate_of_scratch_files_is_enough(tmp_path, monkeypatch):
    largest, written = [0], spill.Column.write

    def write(self, start, values):
        written(self, start, values)
        largest[0] = max(largest[0], sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()))

    monkeypatch.setattr(spill.Column, "write", write)
    path = codes_file(tmp_path / "sample.h5", n=N)
    evaluate_file(None, path, folder=tmp_path, n_resamples=10, progress=False)
    used = largest[0] - path.stat().st_size
    assert 0 < used <= scratch_bytes(N, Codes.from_dense(dense_latents(N)).l0, len(FEATURES))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_no_scratch_files(tmp_path, monkeypatch, error):
    path = codes_file(tmp_path / "sample.h5")
    plain, seen = evaluate_module.batches_of, []

    def failing(*arguments, **options):
        start = plain(*arguments, **options, batch_rows=100)

        def batches():
            for i, batch in enumerate(start()):
                yield batch
                if i == 3:
                    seen.append(len(list(tmp_path.rglob("*"))))
                    raise error

        return batches

    monkeypatch.setattr(evaluate_module, "batches_of", failing)
    with pytest.raises(error):
        evaluate_file(None, path, folder=tmp_path, progress=False)
    assert seen[0] > 2  # there were some
    assert [file.name for file in tmp_path.iterdir()] == ["sample.h5"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_sample(tmp_path):
    peaks = []
    for n in (50_000, 50_000, 400_000):  # the first compiles
        path = codes_file(tmp_path / "sample.h5", n=n, size=10_000)
        held = resident()["anonymous"]
        with PeakMemory() as peak:
            evaluate_file(None, path, folder=tmp_path, memory=held + 400_000_000, progress=False)
        peaks.append(peak.anonymous - held)
    assert peaks[2] < peaks[1] + 150_000_000
