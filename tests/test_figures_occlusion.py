"""The figures of occlusion and over-splitting run, resume and draw."""

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
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("script", "rows"), [("occlusion", 4), ("over-splitting", 118)])
def test_by_command_and_again_from_what_was_kept(script, rows, tmp_path, monkeypatch, capsys):
    module = __import__(script.replace("-", "_"))
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--quick", "--out", str(tmp_path)])
    module.main()
    first = capsys.readouterr().out
    assert "1/1 " in first
    frame = pd.read_csv(tmp_path / f"{script}.csv")
    assert len(frame) == rows
    assert "</svg>" in (tmp_path / f"{script}.svg").read_text()
    assert (tmp_path / f"{script}.png").stat().st_size > 1000
    module.main()
    again = capsys.readouterr().out
    assert "1/1 " not in again  # nothing is trained twice
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"{script}.csv"), frame, rtol=1e-4, check_dtype=False)


@pytest.mark.slow
def test_the_site_of_the_tiny_model(tmp_path, monkeypatch, capsys):
    import occlusion_ioi

    monkeypatch.setattr(sys, "argv", ["occlusion_ioi.py", "--quick", "--out", str(tmp_path)])
    occlusion_ioi.main()
    assert "| IO and Pos | 1 |" in capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "occlusion-ioi.csv")
    assert len(frame) == 12
    shares = frame[frame["weakened"] == "IO"].set_index(["alpha", "attribute"])["variance_share"]
    assert shares[0, "IO"] > 0.2
    assert shares[1, "IO"] < 0.05


def test_rows_of_one_training_become_rows_of_its_snapshots():
    import occlusion

    cell = {"kind": "topk", "setting": 2, "ratio": 1.5, "seed": 0}
    wide = pd.DataFrame(
        [{**cell, "steps": 500, "low@300": 0.1, "low@500": 0.7}, {**cell, "steps": 300, "low@300": 0.1}]
    )
    long = occlusion.by_step(wide)
    assert long[["step", "low"]].to_numpy().tolist() == [[300, 0.1], [500, 0.7]]  # the short one tells nothing new
    assert occlusion.counted(long) == "TopK: 1 SAE a point"


def test_crossings_are_by_seed():
    import over_splitting as module

    record = {"seed": 0, "empty": 104.0}
    for i, penalty in enumerate(module.PENALTIES):
        record |= {f"{name}_l0@{penalty}": 1.0 for name in ("pair", "rival", "free")}
        losses = {"pair": 103.0, "rival": 102.5 + 0.1 * i, "free": 90.0}
        record |= {f"{name}@{penalty}": loss for name, loss in losses.items()}
        record |= {f"{name}_gain@{penalty}": 104 - loss for name, loss in losses.items()}
    frame = module.by_penalty(pd.DataFrame([record, {**record, "seed": 1}]))
    assert module.crossings(frame, "rival") == pytest.approx([module.PENALTIES[5]] * 2)
    assert np.isnan(module.crossings(frame, "free")).all()
