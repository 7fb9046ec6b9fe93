"""Kept testbeds are those of `fiducial.testbed`, to the last bit, on the first run and on the next."""

import sys
from pathlib import Path

import fiducial
import numpy as np
import pytest
from fiducial.evaluation import evaluate
from fiducial.models.controls import random_dictionary
from fiducial.testbed_catalogue import testbed
from fiducial.testing.kept_testbed import CODE, KEPT, MODULES, KeptTestbed, kept_scores, kept_testbed, kept_world
from fiducial.testing.store import Store

METRICS = ["coverage", "explained_variance_score", "legal_mass_score"]


def no_difference(a, b):
    """Two reports hold the same numbers; run times aside."""
    assert a.scores == b.scores
    assert a.controls == b.controls
    for metric, score in a.scores.items():
        np.testing.assert_array_equal(score.replicates, b.scores[metric].replicates)
    for name, by_metric in a.controls.items():
        for metric, score in by_metric.items():
            np.testing.assert_array_equal(score.replicates, b.controls[name][metric].replicates)


@pytest.fixture(scope="module")
def othello(tmp_path_factory):
    """Plain, kept for the first time, and kept before; scored each."""
    folder = tmp_path_factory.mktemp("store")
    plain = testbed("othello-6x6", n_games=8, seed=3)
    dictionary = random_dictionary(plain.x, 16, 4, seed=1, name="tested")
    found = [(plain, evaluate(dictionary, plain, METRICS), None)]
    for _ in range(2):
        store = Store(folder)
        bed = kept_testbed("othello-6x6", games=8, seed=3, store=store)
        found.append((bed, evaluate(dictionary, bed, METRICS, seed=0, kept=kept_scores(bed)), store.gain))
    return found


def test_games_and_activations_are_the_same(othello):
    plain = othello[0][0]
    for bed, _, _ in othello[1:]:
        assert isinstance(bed, KeptTestbed)
        for part in ("tokens", "labels", "scored", "ply"):
            np.testing.assert_array_equal(getattr(bed.transcripts, part), getattr(plain.transcripts, part))
        for part in ("activations", "labels", "game_id", "position"):
            mine, theirs = getattr(bed.activations, part), getattr(plain.activations, part)
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype
        assert dict(bed.activations.attributes) == dict(plain.activations.attributes)
        assert bed.features == plain.features
        np.testing.assert_array_equal(bed.train, plain.train)
        np.testing.assert_array_equal(bed.neurons.numpy(), plain.neurons.numpy())
        np.testing.assert_array_equal(bed.twin.x.numpy(), plain.twin.x.numpy())


def test_scores_are_the_same(othello):
    for _, report, _ in othello[1:]:
        no_difference(report, othello[0][1])
        assert report.provenance["testbed"] == othello[0][1].provenance["testbed"]


def test_the_second_run_reads_what_the_first_made(othello):
    first, second = othello[1][2], othello[2][2]
    assert first.made > 5
    assert second.made == 0
    assert second.read > 5
    assert second.spared_s > second.read_s


def test_references_are_read_back_as_they_were_fitted(othello):
    probes = [bed.cache["reference probes"].dictionary for bed, _, _ in othello]
    for one in probes[1:]:
        assert one.latent_names == probes[0].latent_names
        assert one.link == probes[0].link
        np.testing.assert_array_equal(one.weights.numpy(), probes[0].weights.numpy())
        np.testing.assert_array_equal(one.converged.numpy(), probes[0].converged.numpy())


def test_the_model_waits_until_something_asks_it(tmp_path, othello):
    store = Store(tmp_path)
    kept_testbed("othello-6x6", games=8, seed=4, store=store).activations  # noqa: B018 - kept now
    bed = kept_testbed("othello-6x6", games=8, seed=4, store=Store(tmp_path))
    assert len(bed.activations) == len(bed.x)
    assert "model" not in vars(bed)
    assert bed.model.cfg.d_model == bed.d_in


@pytest.fixture
def world(tmp_path):
    def make(seed=0):
        store = Store(tmp_path)
        bed = kept_world("superposition-half", games=10, seed=seed, store=store)
        return bed, store

    return make


def test_another_seed_reads_nothing_of_the_first(world):
    bed, _ = world()
    dictionary = random_dictionary(bed.x, 8, 2, seed=1)
    evaluate(dictionary, bed, ["coverage"], kept=kept_scores(bed))
    again, store = world()
    evaluate(dictionary, again, ["coverage"], kept=kept_scores(again))
    assert (store.gain.made, store.gain.read > 0) == (0, True)
    other, store = world(seed=1)
    evaluate(dictionary, other, ["coverage"], kept=kept_scores(other))
    assert store.gain.read == 0


def test_damaged_scores_are_made_anew(world, tmp_path):
    bed, _ = world()
    dictionary = random_dictionary(bed.x, 8, 2, seed=1)
    first = evaluate(dictionary, bed, ["coverage"], kept=kept_scores(bed))
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text()[:100])
    again, store = world()
    no_difference(evaluate(dictionary, again, ["coverage"], kept=kept_scores(again)), first)
    assert store.gain.made > 0


def test_worlds_by_name_by_fields_and_slips(tmp_path):
    store = Store(tmp_path)
    made = kept_world({"n_features": 12, "width": 16, "p_max": 0.2, "p_min": 0.1}, games=8, seed=0, store=store)
    assert len(made.features) == 12
    assert KEPT in made.cache
    with pytest.raises(KeyError, match="did you mean hierarchical"):
        kept_world("hierarchicl", games=8, seed=0, store=store)
    with pytest.raises(TypeError, match="fiducial_testbeds"):
        kept_world("othello-6x6", games=8, seed=0, store=store)
    with pytest.raises(TypeError, match="got int"):
        kept_world(3, games=8, seed=0, store=store)


def test_nothing_of_a_sealed_world_goes_into_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FIDUCIAL_SECRET", "a secret of nobody's")
    for make in (kept_world, kept_testbed):
        bed = make("sealed:superposition-half", games=8, seed=0, store=Store(tmp_path))
        assert kept_scores(bed) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_all_code_that_scores_depend_on_is_part_of_the_key(othello):
    root = Path(fiducial.__file__).parent
    about = {"suggestions", "metric_homes", "startup"}  # messages and pages
    loaded = [Path(m.__file__) for n, m in list(sys.modules.items()) if n.startswith("fiducial.") and m.__file__]
    needed = {"evaluation", "references", "scoring", "subject", "behaviour"}
    assert needed <= {Path(name).stem for name in MODULES}
    assert all((root / name).is_file() for name in MODULES)
    for path in loaded:
        parts = path.relative_to(root).parts
        if len(parts) == 1 and parts[0].endswith("testbed.py"):
            assert parts[0] in (*MODULES, "sample_testbed.py")
    assert all((root / folder).is_dir() for folder in CODE)
    assert not about & {Path(name).stem for name in MODULES}
