"""A metric, an architecture and a reference from elsewhere, each by the script that its page tells."""

import fiducial as fd
import numpy as np
import pytest
import torch
from extending_examples import EntryPoint, example, restored
from fiducial.metrics import METRICS, Score
from fiducial.models import architectures
from fiducial.models.training_recipes import ARCHITECTURES
from fiducial.scoring import FAMILIES, FAMILY_OF

metric = example("metric")


def arrays(noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.random((1200, 5)) < 0.3
    latents = np.where(rng.random((1200, 5)) < noise, ~labels, labels) * rng.uniform(1, 2, (1200, 5))
    games = np.repeat(np.arange(40), 30)
    return latents, labels, {"game_id": games, "train": games < 20, "n_resamples": 100}


def test_purity_at_its_limits():
    latents, labels, how = arrays(noise=0.0)
    assert metric.purity(latents, labels, **how).value == pytest.approx(1)
    assert metric.purity(np.zeros_like(latents), labels, **how).value == 0
    chance = np.random.default_rng(1).random(latents.shape) < 0.3
    assert metric.purity(chance * 1.0, labels, **how).value < 0.1
    score = metric.purity(*arrays(noise=0.2)[:2], **how)
    assert 0.2 < score.low < score.value < score.high < 0.9


def test_purity_by_hand():
    """One latent, one feature: it fires in 3 of 4 reporting rows, twice where the feature holds, which is in 2 of 4."""
    labels = np.array([[1], [1], [0], [0]] * 2, bool)
    latents = np.array([[1], [1], [0], [0], [1], [1], [1], [0]], float)
    found = metric.purity(latents, labels, game_id=np.array([0, 0, 1, 1, 2, 2, 3, 3]), train=np.arange(8) < 4)
    assert found.value == pytest.approx((2 / 3 - 1 / 2) / (1 - 1 / 2))


def test_purity_keeps_the_symmetries_that_it_declares():
    latents, labels, how = arrays()
    base = metric.purity(latents, labels, **how)
    changed = {
        "latent permutation": latents[:, [3, 0, 4, 1, 2]],
        "positive rescaling": latents * np.array([2.0, 4.0, 0.5, 1.0, 8.0]),
    }
    assert set(metric.RECORD.symmetries) == set(changed)
    for other in changed.values():
        again = metric.purity(other, labels, **how)
        assert (again.value, again.low, again.high) == pytest.approx((base.value, base.low, base.high))


def test_purity_is_certified_and_then_stands_beside_floors_and_ceilings():
    with restored(METRICS, FAMILIES, FAMILY_OF):
        report, certificate = metric.main(n_games=16)
        score = report.score("purity_score")
    assert "passes" in certificate
    assert score.low <= score.value <= score.high
    assert score.ceilings["oracle"] > 0.95
    assert max(score.floors.values()) < score.ceilings["oracle"]
    assert "purity_score" not in METRICS


def test_a_metric_is_held_to_its_record():
    with restored(METRICS, FAMILIES, FAMILY_OF):
        with pytest.raises(ValueError, match="already"):
            fd.register_metric("coverage", metric.RECORD, metric.measure)
        with pytest.raises(ValueError, match="end in _error where lower"):
            fd.register_metric("purity_error", metric.RECORD, metric.measure)
        with pytest.raises(TypeError, match="Properties and a function"):
            fd.register_metric("purity_score", {}, metric.measure)
        fd.register_metric("other_score", metric.RECORD, lambda about: Score("wrong name", 0, 0, 0))
        bed = fd.testbed("hierarchy-toy", n_games=8)
        with pytest.raises(TypeError, match="'other_score' must give a Score of that name"):
            fd.evaluate(bed.oracle, bed, ["other_score"])


@pytest.fixture(scope="module")
def shrunk(tmp_path_factory):
    with restored(ARCHITECTURES):
        example("architecture").register()
        folder = tmp_path_factory.mktemp("sae") / "shrink"
        bed = fd.testbed("hierarchy-toy", n_games=8)
        trained = fd.train_sae(
            "shrink", bed.world, n_latents=24, k=2, samples=40_000, batch_size=256, out_dir=folder, progress=False
        )
        yield bed, trained, folder


def test_a_new_architecture_is_trained_and_read_back(shrunk):
    bed, trained, folder = shrunk
    loaded = fd.load_dictionary(folder)
    latents = loaded.encode(bed.x[:500])
    assert torch.allclose(latents, trained.encode(bed.x[:500]), atol=1e-5)
    assert (latents < 0).any()
    assert (latents == 0).any()
    assert torch.allclose(loaded.directions.norm(dim=1), torch.ones(24), atol=1e-4)
    assert '"architecture": "shrink"' in (folder / "cfg.json").read_text()


def test_a_new_architecture_has_a_name_of_its_own(shrunk):
    recipe = ARCHITECTURES["shrink"]
    with pytest.raises(ValueError, match="already"):
        fd.register_architecture("topk", recipe)
    with pytest.raises(TypeError, match="takes a Recipe"):
        fd.register_architecture("mine", "topk")
    with pytest.raises(KeyError, match="did you mean shrink"):
        fd.train_sae("shrnk", torch.zeros(10, 4), progress=False)


def test_packages_bring_architectures_by_entry_points(monkeypatch):
    asked = []
    points = [EntryPoint("mine", lambda: asked.append("mine"), value="somewhere:register")]
    monkeypatch.setattr(architectures, "entry_points", lambda group: points)
    monkeypatch.setattr(architectures, "_registered", set(architectures._registered))
    architectures.load_packages()
    architectures.load_packages()
    assert asked == ["mine"]
    points.append(EntryPoint("bad", ImportError("no x"), value="bad:register"))
    with pytest.raises(ValueError, match="'bad', which is bad:register, fails: no x"):
        architectures.load_packages()


def test_a_reference_stands_among_the_ceilings():
    report = example("reference").main(n_games=16)
    score = report.score("coverage")
    assert {"discriminants", "probes", "least squares"} <= set(score.ceilings)
    assert score.ceilings["discriminants"] > 0
    assert "coverage" in report.controls["discriminants"]


def test_references_are_checked_and_kept_apart():
    bed = fd.testbed("hierarchy-toy", n_games=8)
    fit = example("reference").fit
    labels = torch.from_numpy(bed.features.unpack(bed.activations.labels))
    good = fit(bed.x, labels, bed.features.names)
    none = fit(bed.x, torch.zeros_like(labels), bed.features.names)  # nothing to learn: never fires
    with_it = fd.evaluate(bed.oracle, bed, ["coverage"], ceilings=[good]).score("coverage")
    without = fd.evaluate(bed.oracle, bed, ["coverage"], ceilings=[none]).score("coverage")
    assert with_it.ceilings["discriminants"] > 0.5
    assert without.ceilings["discriminants"] == 0  # not the score of the other of that name
    assert fd.evaluate(bed.oracle, bed, ["coverage"], floors=[none]).score("coverage").floors["discriminants"] == 0
    with pytest.raises(ValueError, match="'discriminants' is taken"):
        fd.evaluate(bed.oracle, bed, ["coverage"], floors=[none], ceilings=[good])
    with pytest.raises(TypeError, match="floors and ceilings are dictionaries"):
        fd.evaluate(bed.oracle, bed, ["coverage"], ceilings=["probes"])
