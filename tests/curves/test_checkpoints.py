"""Scores along training: what is logged is what evaluation says, once, whole, and only for the run it belongs to."""

import json
import shutil

import numpy as np
import pytest
from fiducial.curves import checkpoints as module
from fiducial.curves.checkpoints import ScoreLog, find_checkpoints, score_checkpoints
from fiducial.curves.result import Curve, joined
from fiducial.evaluation import evaluate
from fiducial.models.sae_dictionary import save_sae
from fiducial.models.training import train_sae
from fiducial.testbed_catalogue import testbed as make_testbed

STEPS, BATCH = 30, 100


@pytest.fixture(scope="module")
def bed():
    return make_testbed("toy-sparse", n_games=20)


def train(bed, on_snapshot, stops, seed=0, **options):
    return train_sae(
        "topk",
        bed.world,
        n_latents=24,
        k=2,
        samples=STEPS * BATCH,
        batch_size=BATCH,
        seed=seed,
        progress=False,
        snapshots=stops,
        on_snapshot=on_snapshot,
        **options,
    )


@pytest.fixture(scope="module")
def zoo(bed, tmp_path_factory):
    """Two runs with a checkpoint each, named as the zoo names them."""
    place = tmp_path_factory.mktemp("zoo") / "toy-sparse"
    for seed in range(2):
        run = f"topk-l0-2-seed-{seed}"
        train(bed, lambda step, sae, run=run: save_sae(sae, place / f"{run}@{step}"), (10,), seed)
        train(bed, lambda step, sae: None, (0,), seed, out_dir=place / run)
    return place


def test_a_log_holds_what_evaluation_says(bed, tmp_path):
    seen = {}
    log = ScoreLog(bed, ("coverage",), every=10, at=(5, 1000), batch_size=BATCH, path=tmp_path / "log.jsonl", run="r")

    def look(step, sae):
        log(step, sae)
        seen[step] = sae

    sae = train(bed, look, log.stops(STEPS))
    curve = log.finish(sae)
    assert [point.step for point in curve.of("r")] == [0, 5, 10, 20, 30] == list(log.stops(STEPS))
    for step in (0, 20):
        report = evaluate(seen[step], bed, ["coverage"])
        assert curve.at("r", step * BATCH).scores["coverage"].value == report.scores["coverage"].value
    score = evaluate(sae, bed, ["coverage"]).scores["coverage"]
    assert curve.bounds["r"]["coverage"].floors == score.floors
    assert curve.bounds["r"]["coverage"].ceilings == score.ceilings
    last = curve.of("r")[-1].scores["coverage"]
    assert last.low <= last.value <= last.high
    assert last.low < last.high
    assert log.seconds > 0
    assert Curve.read(tmp_path / "log.jsonl") == curve
    frame = curve.frame()
    assert frame["floor"].iloc[0] == max(score.floors.values())
    assert frame["rows"].tolist() == [0, 500, 1000, 2000, 3000]


def test_looking_does_not_change_the_run(bed):
    log = ScoreLog(bed, every=10, batch_size=BATCH)
    watched = train(bed, log, log.stops(STEPS), snapshot_rows=100)
    alone = train(bed, lambda step, sae: None, (0,))
    for one, other in zip(watched.sae.parameters(), alone.sae.parameters(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_what_is_logged_is_not_scored_again(bed, tmp_path, monkeypatch):
    path = tmp_path / "log.jsonl"
    first = ScoreLog(bed, every=10, batch_size=BATCH, path=path, run="r")

    def killed(step, sae):
        if step == 20:
            raise KeyboardInterrupt
        first(step, sae)

    with pytest.raises(KeyboardInterrupt):
        train(bed, killed, first.stops(STEPS))
    assert [point.step for point in Curve.read(path).of("r")] == [0, 10]
    taken = []
    real = module.scored
    monkeypatch.setattr(module, "scored", lambda *a: taken.append(a[-1]) or real(*a))
    again = ScoreLog(bed, every=10, batch_size=BATCH, path=path, run="r")
    again.finish(train(bed, again, again.stops(STEPS)))
    assert taken == [20, 30]
    whole = ScoreLog(bed, every=10, batch_size=BATCH, run="r")
    whole.finish(train(bed, whole, whole.stops(STEPS)))
    assert again.curve == whole.curve
    assert not list(tmp_path.glob(".*"))  # nothing half-written


def test_a_log_of_another_run_or_sample_is_refused(bed, tmp_path):
    path = tmp_path / "log.jsonl"
    ScoreLog(bed, path=path, run="r", made={"k": 2}).curve.save(path)
    with pytest.raises(ValueError, match=r"another run named r: it differs in k \(2 and 3\)"):
        ScoreLog(bed, path=path, run="r", made={"k": 3})
    with pytest.raises(ValueError, match=r"scored otherwise.*seed \(0 and 1\)"):
        ScoreLog(bed, path=path, run="r", made={"k": 2}, seed=1)
    path.write_text("{}\n")
    with pytest.raises(ValueError, match="is not a curve"):
        ScoreLog(bed, path=path)
    path.write_text("")
    with pytest.raises(ValueError, match="it is empty"):
        ScoreLog(bed, path=path)
    path.write_text('{"fiducial_curve": 99}\n')
    with pytest.raises(ValueError, match="format 99"):
        ScoreLog(bed, path=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": -1}, "every must be at least 0"), ({"batch_size": 0}, "batch_size at least 1")],
)
def test_wrong_numbers_are_refused(bed, options, message):
    with pytest.raises(ValueError, match=message):
        ScoreLog(bed, **options)


def test_metrics_that_cannot_be_asked_are_refused(bed):
    with pytest.raises(KeyError, match="did you mean"):
        ScoreLog(bed, ("coverag",))
    with pytest.raises(ValueError, match="cannot be asked legal_move_error"):
        ScoreLog(bed, ("coverage", "legal_move_error"))


def test_checkpoints_are_found_by_run_in_order(zoo):
    found = find_checkpoints(zoo)
    assert [(one.run, one.step, one.rows) for one in found] == [
        (f"topk-l0-2-seed-{seed}", step, step * BATCH) for seed in range(2) for step in (10, STEPS)
    ]


def test_checkpoints_as_sae_lens_names_them(zoo, tmp_path):
    for name in ("run/1000", "run/final_3000"):
        shutil.copytree(zoo / "topk-l0-2-seed-0", tmp_path / name)
    assert [(one.run, one.rows) for one in find_checkpoints(tmp_path)] == [("run", 1000), ("run", 3000)]
    assert {one.run for one in find_checkpoints(tmp_path / "run")} == {"run"}


def test_a_checkpoint_that_does_not_say_when_is_refused(zoo, tmp_path):
    shutil.copytree(zoo / "topk-l0-2-seed-0", tmp_path / "mine")
    file = tmp_path / "mine" / "cfg.json"
    config = json.loads(file.read_text())
    config["metadata"].pop("fiducial")
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="does not say how many rows"):
        find_checkpoints(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        find_checkpoints(tmp_path / "nowhere")


def test_stored_checkpoints_score_as_the_log_did(bed, zoo, tmp_path):
    said = []
    curve = score_checkpoints(bed, find_checkpoints(zoo), path=tmp_path / "c.jsonl", progress=False, say=said.append)
    assert len(said) == 2
    assert "coverage" in said[0]
    assert "1,000 -> 3,000 rows" in said[0]
    log = ScoreLog(bed, at=(10,), batch_size=BATCH, run="topk-l0-2-seed-0")
    sae = train(bed, log, log.stops(STEPS))
    log.finish(sae)
    for rows in (1000, 3000):
        assert curve.at("topk-l0-2-seed-0", rows).scores == log.curve.at("topk-l0-2-seed-0", rows).scores
    assert curve.bounds["topk-l0-2-seed-0"] == log.curve.bounds["topk-l0-2-seed-0"]


def test_scored_checkpoints_are_kept(bed, zoo, tmp_path, monkeypatch):
    found = find_checkpoints(zoo)
    path = tmp_path / "c.jsonl"
    first = score_checkpoints(bed, found[:3], path=path, progress=False)
    taken = []
    real, bounds = module.scored, module.bounds_of
    monkeypatch.setattr(module, "scored", lambda *a: taken.append(a[3:5]) or real(*a))
    monkeypatch.setattr(module, "bounds_of", lambda sae, *a: taken.append(sae.name) or bounds(sae, *a))
    assert score_checkpoints(bed, found[:3], path=path, progress=False) == first
    assert taken == []
    # The second run has got further: its end is scored and bounds it, and nothing else is done again.
    score_checkpoints(bed, found, path=path, progress=False)
    assert taken == [("topk-l0-2-seed-1", 3000), "topk-l0-2-seed-1"]


def test_a_checkpoint_that_was_trained_anew_is_scored_anew(bed, zoo, tmp_path):
    """With the settings that a curve knows, but on other data: the file says nothing of it."""
    found, path = find_checkpoints(zoo), tmp_path / "c.jsonl"
    first = score_checkpoints(bed, found[:2], path=path, progress=False)
    run, place = found[0].run, tmp_path / "zoo"
    shutil.copytree(zoo / f"{run}@10", place / f"{run}@10")
    train(make_testbed("toy-sparse", n_games=20, seed=1), lambda step, sae: None, (0,), 0, out_dir=place / run, lr=0.01)
    config = place / run / "cfg.json"
    config.write_text(config.read_text().replace("0.01", str(first.runs[run]["lr"])))
    again = score_checkpoints(bed, find_checkpoints(place), path=path, progress=False)
    assert again.at(run, 1000) == first.at(run, 1000)
    assert again.at(run, 3000).scores != first.at(run, 3000).scores
    assert len(again.of(run)) == 2


def test_a_folder_of_another_run_is_not_taken_for_the_same(bed, zoo, tmp_path):
    path = tmp_path / "c.jsonl"
    score_checkpoints(bed, find_checkpoints(zoo)[:1], path=path, progress=False)
    shutil.copytree(zoo / "topk-l0-2-seed-1", tmp_path / "zoo" / "topk-l0-2-seed-0")
    with pytest.raises(ValueError, match=r"another run named topk-l0-2-seed-0: it differs in seed \(0 and 1\)"):
        score_checkpoints(bed, find_checkpoints(tmp_path / "zoo"), path=path, progress=False)


def test_no_checkpoints_are_refused(bed):
    with pytest.raises(ValueError, match="no checkpoints"):
        score_checkpoints(bed, [])


def test_curves_join_if_they_were_scored_alike(bed):
    one, other = (ScoreLog(bed, run=run).curve for run in "ab")
    assert set(joined([one, other]).runs) == {"a", "b"}
    with pytest.raises(ValueError, match="same name: a"):
        joined([one, one])
    with pytest.raises(ValueError, match=r"seed \(0 and 3\)"):
        joined([one, ScoreLog(bed, run="c", seed=3).curve])
    with pytest.raises(ValueError, match="no curve"):
        joined([])
