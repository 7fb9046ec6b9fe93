"""Several testbeds at once: the same reports as one after the other, errors said, nobody left behind."""

import multiprocessing
from dataclasses import replace

import pytest
from fiducial.shipped_scores import score_all_shipped


def without_times(report):
    return replace(report, provenance={key: value for key, value in report.provenance.items() if key != "times"})


def test_what_goes_wrong_in_a_worker_is_said_and_nobody_is_left_behind():
    with pytest.raises(ValueError, match="at least 8 games"):
        score_all_shipped(["ioi-tiny", "othello-6x6"], n_games=3, workers=2, progress=False)
    assert not multiprocessing.active_children()


def test_unknown_names_are_refused_before_any_work():
    with pytest.raises(KeyError, match="othello-7x7"):
        score_all_shipped(["ioi-tiny", "othello-7x7"], n_games=8, workers=2, progress=False)


@pytest.mark.slow
def test_the_same_reports_as_one_after_the_other():
    names = ["ioi-tiny", "othello-6x6"]
    apart = score_all_shipped(names, n_games=16, workers=2, progress=False)
    together = score_all_shipped(names, n_games=16, workers=1, progress=False)
    for one, other, name in zip(apart, together, names, strict=True):
        assert one.explained.latents == other.explained.latents
        assert one.explained.testbed == name
        assert [report.dictionary for report in one.reports] == [report.dictionary for report in other.reports]
        for report, same in zip(one.reports, other.reports, strict=True):
            assert report.testbed == name
            assert without_times(report) == without_times(same)
