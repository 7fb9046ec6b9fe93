"""The figures of architectures: they run, they can be taken up again, and their own measures agree with brute force."""

import importlib
import sys
from pathlib import Path

import fiducial
import numpy as np
import pandas as pd
import pytest
from fiducial.games.synthetic import Synthetic
from fiducial.models.dictionary import Codes
from scipy import stats

EXAMPLES = Path(fiducial.__file__).parent / "examples" / "figures"
SCRIPTS = {
    "absorption": ("absorption", {"parents_absorbed", "silenced", "merged", "recovery_corrected", "true_l0"}),
    "p_annealing": ("p-annealing", {"coverage", "reconstruction", "recovery_corrected", "explained_variance"}),
    "p_annealing_othello": ("p-annealing-othello", {"coverage", "reconstruction", "explained_variance"}),
    "published_order": (
        "published-order",
        {"published_f1_score", "published_mcc", "published_uniqueness", "published_explained_variance", "recovery"},
    ),
}
KEYS = {"world", "arch", "n_latents", "k", "seed", "samples", "l0"}


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.mark.parametrize("script", SCRIPTS)
def test_quick(script, example, monkeypatch, tmp_path, capsys):
    module = example(script)
    name, columns = SCRIPTS[script]
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--quick", "--out", str(tmp_path)])
    module.main()
    frame = pd.read_csv(tmp_path / f"{name}.csv")
    assert columns | KEYS <= set(frame.columns)
    assert len(frame) >= 4
    assert frame["seed"].nunique() == 2
    assert "</svg>" in (tmp_path / f"{name}.svg").read_text()
    assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    assert "margin" in capsys.readouterr().out  # differences with their intervals

    def never(*args, **kwargs):
        raise AssertionError("trained again")

    for trainer in ("trained", "train_sae"):
        if hasattr(module, trainer):
            monkeypatch.setattr(module, trainer, never)
    module.main()  # everything is there already
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"{name}.csv"), frame)


@pytest.fixture
def tree():
    rng = np.random.default_rng(0)
    parent = rng.random(4000) < 0.3
    children = parent[:, None] & (rng.random((4000, 2)) < 0.3)
    holds = np.column_stack([parent, children])
    return holds, np.array([-1, 0, 0]), np.arange(4000) < 2000


def test_a_parent_that_gives_way_is_silenced(example, tree):
    parents_latents = example("absorption").parents_latents
    holds, parents, chosen = tree
    alone = holds[:, 0] & ~holds[:, 1:].any(1)
    assert parents_latents(Codes.from_dense(holds * 1.0), holds, parents, chosen) == ({0: 0}, 0.0)
    absorbed = np.column_stack([holds[:, 1:], alone]) * 1.0
    assert parents_latents(Codes.from_dense(absorbed), holds, parents, chosen) == ({0: 2}, 1.0)
    found, gap = parents_latents(Codes.from_dense(np.zeros((4000, 3))), holds, parents, chosen)
    assert found == {}
    assert np.isnan(gap)
    kept = np.random.default_rng(1).random(4000) < 0.5
    half_lost = absorbed.copy()
    half_lost[:, 2] += (holds[:, 0] & ~alone) & kept
    assert 0.4 < parents_latents(Codes.from_dense(half_lost), holds, parents, chosen)[1] < 0.6


def test_best_threshold_is_that_of_brute_force(example):
    best_threshold = example("absorption").best_threshold
    rng = np.random.default_rng(0)
    for _ in range(50):
        activity = rng.integers(0, 6, 30).astype(np.float32)
        y = rng.random(30) < 0.4
        found, threshold = best_threshold(activity, y)
        tried = [2 * (y & (activity >= t)).sum() / max((activity >= t).sum() + y.sum(), 1) for t in range(1, 6)]
        assert found == pytest.approx(max(tried), abs=1e-12)
        if found:
            assert threshold in [t for t, f1 in enumerate(tried, 1) if f1 == pytest.approx(found)]


def test_paired_differences_take_the_worlds_out(example):
    shared = example("_architectures")
    rng = np.random.default_rng(0)
    rows = [
        {"world": "w", "arch": arch, "n_latents": 8, "k": k, "seed": seed, "figure": 10 * seed + k + lead + noise}
        for seed in range(4)
        for k in (2, 3)
        for arch, lead, noise in (("a", 0.5, rng.normal(0, 0.01)), ("b", 0.0, rng.normal(0, 0.01)))
    ]
    frame = pd.DataFrame(rows)
    mean, margin, n = shared.paired_difference(frame, "figure", "a", "b")
    wide = frame.pivot_table(index=["seed", "k"], columns="arch", values="figure")
    by_seed = (wide["a"] - wide["b"]).groupby("seed").mean()
    low, high = stats.t.interval(0.95, 3, by_seed.mean(), by_seed.sem())
    assert (mean, margin, n) == (pytest.approx(by_seed.mean()), pytest.approx((high - low) / 2), 4)
    table = shared.differences(frame, ["figure"], [("a", "b"), ("b", "a")])
    assert table["clear"].all()
    assert table["mean"].tolist() == pytest.approx([mean, -mean])


def test_differences_at_equal_l0(example):
    at_equal_l0 = example("p_annealing").at_equal_l0
    # b lies on the line 2 * L0 + seed; a lies .5 above it, at other L0s, of which one is beyond all of b.
    rows = [
        {"world": "w", "arch": arch, "seed": seed, "l0": l0, "figure": 2 * l0 + seed + lead}
        for seed in range(3)
        for arch, lead, l0s in (("a", 0.5, (1.5, 2.7, 9.0)), ("b", 0.0, (1.0, 2.0, 3.0)))
        for l0 in l0s
    ]
    found = at_equal_l0(pd.DataFrame(rows), ["figure"], [("a", "b"), ("b", "c")])
    assert found[["pair", "seeds", "SAEs"]].to_numpy().tolist() == [["a - b", 3, 6]]
    assert found["mean"].item() == pytest.approx(0.5)
    assert found["margin"].item() == pytest.approx(0.0, abs=1e-9)


def test_stated_true_l0s_are_those_of_the_worlds(example):
    for world, stated in (*example("p_annealing").WORLDS.items(), *example("absorption").WORLDS.items()):
        expected = Synthetic(world).expected_rates.sum()
        assert expected == pytest.approx(stated, abs=0.5)
