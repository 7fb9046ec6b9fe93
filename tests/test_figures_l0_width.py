"""The figures of L0, width and reconstruction run, resume and measure what they say."""

import sys
from pathlib import Path

import fiducial
import numpy as np
import pandas as pd
import pytest
import torch

EXAMPLES = Path(fiducial.__file__).parent / "examples" / "figures"


@pytest.fixture(autouse=True)
def examples_first(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


def tiny_world():
    from fiducial.games.synthetic_config import SyntheticConfig

    return SyntheticConfig(name="tiny", n_features=6, width=8, p_max=0.3)


def test_true_l0_by_its_command(tmp_path, monkeypatch, capsys):
    import true_l0

    monkeypatch.setattr(sys, "argv", ["true_l0.py", "--quick", "--out", str(tmp_path)])
    true_l0.main()
    assert "1/2 " in capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "true-l0.csv")
    assert {"seed", "k", "arch", "l0", "mse", "true_mse", "recovery", "decoder_cosine"} <= set(frame.columns)
    assert len(frame) == 2
    assert "</svg>" in (tmp_path / "true-l0.svg").read_text()
    assert (tmp_path / "true-l0.png").stat().st_size > 1000


def test_hedging_quickly(tmp_path):
    import hedging
    from _figures import save

    wanted = {"seeds": 1, "samples": 2560, "archs": ("topk",), "widths": (6,), "n_rows": 2000}
    frame = hedging.run((0.8,), kept=tmp_path / "rows.csv", **wanted)
    assert {"partner_cosine", "merged", "found", "predicted_cosine", "recovery_corrected"} <= set(frame.columns)
    again = hedging.run((0.8,), kept=tmp_path / "rows.csv", say=pytest.fail, **wanted)  # nothing is trained
    assert float(again["mse"][0]) == pytest.approx(float(frame["mse"][0]), rel=1e-5)
    paths = save(hedging.draw(frame), frame, tmp_path, "hedging")
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in save(hedging.draw(frame), frame, tmp_path, "hedging")] == first
    assert "| topk | 0.8 | 6 |" in hedging.table(frame)


def test_dissociation_quickly(tmp_path):
    import dissociation
    from _figures import save

    wanted = {"seeds": 1, "samples": 2560, "archs": ("topk", "random", "PCA"), "l0s": (2,), "n_rows": 2000}
    frame = dissociation.run(tiny_world().changed(n_features=16), **wanted)
    assert {"explained_variance", "recovery_corrected", "published_f1_score", "published_mcc"} <= set(frame.columns)
    save(dissociation.draw(frame), frame, tmp_path, "dissociation")
    assert (tmp_path / "dissociation.svg").exists()


def test_truth_with_a_budget_is_the_best_choice_of_that_many_sizes():
    from _figures import half, sample_of
    from true_l0 import true_mse

    config = tiny_world()  # 6 features in 8 dimensions are orthogonal, so the error is what is left out
    sample = sample_of(config, 0, 1000)
    sizes = np.sort(sample.magnitudes.toarray()[~half(sample)], axis=1)[:, ::-1]
    for k in (1, 2, 3):
        left = sizes[:, k:]
        assert true_mse(config, 0, 1000, k, "topk") <= (left**2).sum(1).mean() * 1.02
        assert true_mse(config, 0, 1000, k, "topk") >= (left**2).sum(1).mean() * 0.7  # the best constant takes some off
        assert true_mse(config, 0, 1000, k, "batchtopk") <= true_mse(config, 0, 1000, k, "topk")
    assert true_mse(config, 0, 1000, 6, "topk") == pytest.approx(0, abs=1e-6)


def test_decoder_cosine_of_known_rows():
    from true_l0 import decoder_cosine

    assert decoder_cosine(3 * torch.eye(4)) == pytest.approx(0, abs=1e-6)
    assert decoder_cosine(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(1)
    assert decoder_cosine(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])) == pytest.approx(2 / 3 * 0.5**0.5)


def test_hedged_directions_are_noticed_and_clean_ones_are_not():
    from hedging import cosines, partner_cosine

    true = np.eye(6, 8)
    clean = cosines(true[:3], np.ones(3, bool), true)
    assert clean["partner_cosine"] == clean["mixed_latents"] == clean["other_cosine"] == 0
    hedged = cosines(true[:3] + 0.75 * true[3:], np.array([True, True, False]), true)
    assert hedged["own_cosine"] == pytest.approx(0.8)
    assert hedged["partner_cosine"] == pytest.approx(0.6)
    assert hedged["mixed_latents"] == 1
    assert hedged["other_cosine"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(partner_cosine(true[:3], np.zeros(3, bool), true))
    assert partner_cosine(true[:3] - 0.75 * true[3:], np.array([True, True, False]), true) == pytest.approx(-0.6)
    mixed_with_another = cosines(true[:3] + 0.75 * true[[1, 2, 0]], np.ones(3, bool), true)
    assert mixed_with_another["partner_cosine"] == 0
    assert mixed_with_another["other_cosine"] == pytest.approx(0.6 / 4)


def test_least_squares_prediction_of_hedging():
    from hedging import predicted, wanted_l0, world

    assert predicted(world(0.0), 0, 20_000) == pytest.approx(0, abs=0.02)
    assert 0.2 < predicted(world(0.8), 0, 20_000) < 0.5
    assert wanted_l0(world(0.8), 24, "standard") == pytest.approx(24 * 0.18)
    assert wanted_l0(world(0.8), 24, "topk") == 5


def test_rank_correlation_is_that_of_scipy_with_an_interval_around_it():
    from dissociation import rank_correlation
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"arch": np.repeat(list("abcdef"), 5), "x": rng.random(30)})
    frame["y"] = frame["x"] + rng.normal(0, 0.3, 30)
    rho, low, high = rank_correlation(frame, "x", "y")
    assert rho == pytest.approx(spearmanr(frame["x"], frame["y"]).statistic)
    assert low < rho < high
    assert rank_correlation(frame.assign(y=frame["x"]), "x", "y") == pytest.approx((1, 1, 1))


def test_intervals_over_seeds():
    from _figures import mean_interval, told
    from scipy.stats import ttest_1samp

    values = [0.1, 0.4, 0.3, 0.35]
    mean, margin = mean_interval(values)
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean - margin, mean + margin) == pytest.approx((low, high))
    assert mean_interval([2.0]) == (2.0, 0.0)
    assert told([0.5, 0.5]) == "0.500 ± 0.000"


def test_resume_keeps_rows_that_are_not_asked_for(tmp_path):
    from _figures import resume

    kept = tmp_path / "rows.csv"
    resume([{"k": 1, "arch": "a"}, {"k": 2, "arch": "a"}], lambda cell: {"value": cell["k"] * 1.5}, kept)
    frame = resume([{"k": 2, "arch": "a"}, {"k": 3, "arch": "a"}], lambda cell: {"value": -1.0}, kept)
    assert frame["value"].tolist() == [3.0, -1.0]
    assert sorted(pd.read_csv(kept)["k"]) == [1, 2, 3]


def test_a_killed_run_loses_no_row(tmp_path):
    """Rows known from before stay in the file while the missing ones are measured."""
    from _figures import resume

    kept = tmp_path / "rows.csv"
    cells = [{"k": k} for k in range(4)]
    resume(cells[2:], lambda cell: {"square": cell["k"] ** 2}, kept)

    def killed(cell):
        if cell["k"] == 1:
            raise KeyboardInterrupt
        return {"square": cell["k"] ** 2}

    with pytest.raises(KeyboardInterrupt):
        resume(cells, killed, kept)
    assert sorted(pd.read_csv(kept)["k"]) == [0, 2, 3]
