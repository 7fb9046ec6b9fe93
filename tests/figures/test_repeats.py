"""The same results give the same files, to the byte."""

import fiducial as fd
import pytest

from . import made_results as made


def test_the_same_results_give_the_same_bytes(tmp_path):
    reports = made.board_reports(tasks=True)[::2]
    shown = [fd.figures.shift_tpp(reports, tmp_path / name, command="the same") for name in ("a", "b")]
    for one, other in zip(*shown, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


@pytest.mark.parametrize("kind", ["png", pytest.param("pdf", marks=pytest.mark.slow)])
def test_other_formats_repeat_too(tmp_path, kind):
    one = fd.figures.makelov2024(made.ioi_report(), tmp_path / "a", format=kind)
    two = fd.figures.makelov2024(made.ioi_report(), tmp_path / "b", format=kind)
    assert [p.read_bytes() for p in one[:-1]] == [p.read_bytes() for p in two[:-1]]
    with pytest.raises(ValueError, match="svg, pdf, png"):
        fd.figures.makelov2024(made.ioi_report(), tmp_path, format="gif")
