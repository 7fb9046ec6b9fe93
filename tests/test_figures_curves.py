"""The figures of training and of sample efficiency run from end to end, and go on where they stopped."""

import sys
from pathlib import Path

import fiducial
import pandas as pd
import pytest

EXAMPLES = Path(fiducial.__file__).parent / "examples" / "figures"


@pytest.fixture(autouse=True)
def examples_first(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


def test_training_curve_by_its_command(tmp_path, monkeypatch, capsys):
    import training_curve

    monkeypatch.setattr(sys, "argv", ["training_curve.py", "--quick", "--out", str(tmp_path)])
    training_curve.main()
    assert "scoring took" in capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "training-curve.csv")
    assert set(frame["run"]) == {"topk", "batchtopk"}
    assert set(frame["metric"]) == {"coverage", "reconstruction"}
    assert frame["rows"].min() == 0
    assert (tmp_path / "training-curve.png").stat().st_size > 1000
    monkeypatch.setattr(training_curve, "train_sae", lambda *a, **k: pytest.fail("it is trained already"))
    training_curve.main()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "training-curve.csv"), frame)


def test_sample_efficiency_by_its_command(tmp_path, monkeypatch, capsys):
    import sample_efficiency

    monkeypatch.setattr(sys, "argv", ["sample_efficiency.py", "--quick", "--out", str(tmp_path)])
    sample_efficiency.main()
    assert "3 SAEs" in capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "sample-efficiency.csv")
    assert set(frame["games"]) == {8, 16}
    assert (tmp_path / "sample-efficiency.png").stat().st_size > 1000
