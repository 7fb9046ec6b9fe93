"""The figure of board control runs, resumes and draws."""

import sys
from pathlib import Path

import fiducial
import pandas as pd
import pytest
import torch


@pytest.fixture(autouse=True)
def examples_first(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(fiducial.__file__).parent / "examples" / "figures"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_by_command_and_again_from_what_was_kept(tmp_path, monkeypatch, capsys):
    import board_control

    monkeypatch.setattr(sys, "argv", ["board_control.py", "--quick", "--out", str(tmp_path)])
    board_control.main()
    first = capsys.readouterr().out
    assert "2/2 othello-6x6, from" in first
    frame = pd.read_csv(tmp_path / "board-control.csv", keep_default_na=False)
    assert set(frame["protocol"]) == {"one", "from"}
    assert set(frame["method"]) == {"null", "supervised", "supervised, sized", "random direction"}
    assert "</svg>" in (tmp_path / "board-control.svg").read_text()
    assert (tmp_path / "board-control.png").stat().st_size > 1000
    board_control.main()
    assert "2/2 " not in capsys.readouterr().out  # nothing is measured twice
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "board-control.csv", keep_default_na=False), frame)


def test_the_figures_that_are_shown_are_those_of_the_table():
    docs = Path(fiducial.__file__).parent / "docs"
    frame = pd.read_csv(docs / "figures" / "board-control.csv")
    told = (docs / "board-control.md").read_text()
    for method, label in [("probe direction", "probe direction, size chosen"), ("supervised", "supervised as fitted")]:
        cells: list[str] = []
        for testbed in ("othello-6x6", "othello-small", "chess-small"):
            row = frame[(frame["testbed"] == testbed) & (frame["protocol"] == "one") & (frame["method"] == method)]
            value, low, high, isolation = (
                f"{float(row[name].iloc[0]):.2f}".replace("0.", ".", 1)
                for name in ("success", "success_low", "success_high", "isolation")
            )
            cells += [f"{value} [{low}, {high}]", isolation]
        assert f"| {label} | {' | '.join(cells)} |" in told
