"""Scores of floors and ceilings that workers share: made once, exactly kept, divided, never taken for others."""

import errno
import json
import multiprocessing
import time

import numpy as np
import pytest
from fiducial.evaluation import evaluate
from fiducial.metrics import METRICS
from fiducial.metrics.properties import Properties
from fiducial.metrics.score import Score
from fiducial.models.controls import random_dictionary
from fiducial.references import Candidate, Later, References
from fiducial.sweeps.shared import SharedScores
from fiducial.testbed_catalogue import testbed as make_testbed

from .toy_scores import divides

ASKED = ("coverage", "l0", "reconstruction")


def made_of(calls=None):
    def make(names):
        if calls is not None:
            calls.append(tuple(names))
        return {
            name: Score(
                name,
                1 / 3 + i,
                float("nan"),
                float("inf"),
                groups={"b": 0.1, "a": float("nan")},
                floors={"always on": 0.2},
                version=METRICS[name].version,
                details={"n": [1, 2.5, None]},
                replicates=np.random.default_rng(i).normal(size=7),
            )
            for i, name in enumerate(names)
            if name != "l0"  # cannot be asked of everyone
        }

    return make


def test_what_was_made_is_read_back_to_the_last_bit(tmp_path):
    calls = []
    first = SharedScores(tmp_path, {"a": 1}).scores("random (4, L0 2)", ASKED, 0, made_of(calls))
    again = SharedScores(tmp_path, {"a": 1}).scores("random (4, L0 2)", ASKED, 0, made_of(calls))
    assert calls == [ASKED]  # l0 gave nothing, which is remembered
    assert list(first) == list(again) == ["coverage", "reconstruction"]
    for name, score in first.items():
        assert again[name].replicates.tobytes() == score.replicates.tobytes()
        assert repr(again[name].groups) == repr(dict(score.groups))
        assert (again[name].value, again[name].high, again[name].details) == (score.value, score.high, score.details)
        assert np.isnan(again[name].low)


def test_what_is_missing_is_made_and_what_is_not_ones_own_is_left_alone(tmp_path, monkeypatch):
    calls = []
    kept = SharedScores(tmp_path, {"a": 1})
    kept.scores("PCA", ["coverage"], 0, made_of(calls))
    SharedScores(tmp_path, {"a": 1}).scores("PCA", ASKED, 0, made_of(calls))  # more metrics
    assert calls == [("coverage",), ("l0", "reconstruction")]
    SharedScores(tmp_path, {"a": 1}).scores("PCA", ["coverage"], 1, made_of(calls))  # another seed
    SharedScores(tmp_path, {"a": 2}).scores("PCA", ["coverage"], 0, made_of(calls))  # another testbed
    SharedScores(tmp_path, {"a": 1}).scores("PCA (2)", ["coverage"], 0, made_of(calls))
    assert calls[2:] == [("coverage",)] * 3
    old = METRICS["coverage"]
    newer = Properties(**{**vars(old), "version": old.version + 1})
    monkeypatch.setitem(METRICS, "coverage", newer)  # type: ignore[index]
    SharedScores(tmp_path, {"a": 1}).scores("PCA", ASKED, 0, made_of(calls))
    assert calls[5:] == [("coverage",)]


def test_a_disk_without_locks_and_metrics_that_may_be_asked_by_now(tmp_path, monkeypatch):
    import fcntl

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    calls = []
    kept = SharedScores(tmp_path, {})
    assert list(kept.order(["PCA", "probes"])) == ["PCA", "probes"]
    assert set(kept.scores("PCA", ASKED, 0, made_of(calls))) == {"coverage", "reconstruction"}
    old = METRICS["l0"]  # gave nothing, but another version of it may
    monkeypatch.setitem(METRICS, "l0", Properties(**{**vars(old), "version": old.version + 1}))  # type: ignore[index]
    SharedScores(tmp_path, {}).scores("PCA", ASKED, 0, made_of(calls))
    assert calls == [ASKED, ("l0",)]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema_version": "1.0", "metrics": {}}'])
def test_damaged_files_are_made_anew(tmp_path, damage):
    calls = []
    SharedScores(tmp_path, {}).scores("PCA", ASKED, 0, made_of(calls))
    (file,) = tmp_path.rglob("PCA*.json")
    whole = file.read_bytes()
    file.write_bytes(damage)
    SharedScores(tmp_path, {}).scores("PCA", ASKED, 0, made_of(calls))
    assert len(calls) == 2
    assert file.read_bytes() == whole
    content = json.loads(whole)
    content["provenance"]["replicates"]["coverage"] = "no base64!"
    file.write_text(json.dumps(content))
    SharedScores(tmp_path, {}).scores("PCA", ASKED, 0, made_of(calls))
    assert len(calls) == 3


def test_two_workers_divide_the_work_and_nothing_is_made_twice(tmp_path):
    context = multiprocessing.get_context("spawn")
    start, queue = context.Event(), context.Queue()
    workers = [context.Process(target=divides, args=(tmp_path, start, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    time.sleep(3)
    start.set()
    shares = dict(queue.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert sorted(name for mine in shares.values() for name in mine) == [f"floor {i}" for i in range(8)]
    assert all(shares.values())


def test_reports_are_the_same_with_and_without_and_nothing_is_fitted_again(tmp_path):
    """A second process would find scores of every floor and ceiling, and fit none of them."""

    def report(kept):
        bed = make_testbed("synthsaebench-64", n_games=8)
        made = random_dictionary(bed.x[:200], 32, 4, seed=5, name="tested")
        return bed, evaluate(made, bed, ["coverage", "explained_variance_score", "l0"], kept=kept)

    _, alone = report(None)
    _, first = report(SharedScores(tmp_path / "shared", {}))
    bed, second = report(SharedScores(tmp_path / "shared", {}))
    written = [json.loads(one.to_json(tmp_path / "one.json").read_text()) for one in (alone, first, second)]
    for one in written:
        del one["times"]
    assert written[0] == written[1] == written[2]
    assert written[0]["metrics"]["coverage"] == alone.scores["coverage"].value
    bounds = [one for one in bed.cache.values() if isinstance(one, Candidate)]
    assert len(bounds) >= 4
    assert not any("_made" in vars(one) for one in bounds)
    fitted = References(bed, 32, 4).ceilings()[0]
    assert isinstance(fitted, Later)
    assert fitted.dictionary.directions.shape[1] == bed.d_in
    assert len(fitted.x) == len(bed.x)
