"""The demo's story is made from the reports: orders, floors and doubts change with the numbers."""

from pathlib import Path

import pytest
from fiducial.demo_story import _ruler, found, in_short, parting, proxies, shipped_certificates, story, trust
from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.report_compare import standing
from rich.console import Console


def report(name, variance, coverage, *, testbed="othello-6x6", beaten=None):
    """A report of two scores with narrow intervals; `beaten` says whether the difference from the floor is noise."""
    floor = 0.4
    over = (
        {} if beaten is None else {"over_floor": {"floor": "neurons", "low": -0.2, "high": -0.1, "difference": -0.15}}
    )
    scores = {
        "explained_variance_score": Score(
            "explained_variance_score", variance, variance - 0.01, variance + 0.01, floors={"random": 0.3}
        ),
        "coverage": Score(
            "coverage",
            coverage,
            coverage - 0.01,
            coverage + 0.01,
            floors={"neurons": floor},
            ceilings={"probes": 0.8},
            details=over,
        ),
    }
    return Report(name, testbed, scores)


def printed(parts):
    console = Console(width=100)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return captured.get()


def test_pairs_in_opposite_order_are_found_and_named():
    said = " ".join(parting([report("a", 0.9, 0.5), report("b", 0.8, 0.6), report("c", 0.7, 0.3)]))
    assert "opposite order, beyond noise: 1" in said
    assert "a explains more variance than b (0.900 [0.890, 0.910] against 0.800 [0.790, 0.810])" in said
    assert "finds less (0.500 [0.490, 0.510] against 0.600 [0.590, 0.610])" in said


def test_overlapping_intervals_and_other_testbeds_are_no_pairs():
    same = [report("a", 0.805, 0.5), report("b", 0.8, 0.6)]
    apart = [report("a", 0.9, 0.5), report("b", 0.8, 0.6, testbed="othello-small")]
    for reports in (same, apart):
        assert "No two SAEs are put in opposite order" in " ".join(parting(reports))


def test_sentences_count_what_a_control_beats():
    said = parting([report("a", 0.9, 0.2, beaten=True), report("b", 0.8, 0.6)])[0]
    assert said.startswith(
        "1 of 2 SAEs find less of the truth than the best control does, beyond noise: a on othello-6x6"
    )


def test_proxies_state_the_range_and_the_best_control():
    said = proxies([report("a", 0.9, 0.5), report("b", 0.8, 0.6)])
    assert "0.800 to 0.900 for all 2" in said
    assert "0.300" in said


def test_the_table_puts_the_best_first_beside_floor_and_ceiling():
    text = printed([found([report("low", 0.9, 0.3), report("high", 0.8, 0.6)])])
    assert text.index("high") < text.index("low")
    assert "floor 0.400, neurons" in text
    assert "ceiling 0.800, probes" in text


@pytest.mark.parametrize(("value", "full", "floor_at"), [(0.0, 0, 8), (0.4, 8, 8), (0.8, 15, 8), (2.0, 15, 8)])
def test_the_ruler_runs_from_zero_to_the_ceiling(value, full, floor_at):
    drawn = _ruler(value, standing(report("a", 0.9, 0.5).scores["coverage"]))
    assert len(drawn) == 16
    assert drawn[floor_at] == "│"
    assert drawn.count("█") == full


def test_trust_says_what_the_certificates_say():
    certificates = shipped_certificates()
    text = printed(trust(certificates))
    row = next(one for one in certificates if one.provenance["testbed"] == "hierarchical").row("mcc_score")
    assert row.verdict in text
    assert "fiducial certify" in printed(trust([]))


def test_the_whole_story_in_order_and_without_markup_in_names():
    reports = [report("[red]a", 0.9, 0.5), report("b", 0.8, 0.6)]
    text = printed(story(reports, [], shipped_certificates(), Path("somewhere/report.html")))
    headings = [text.index(f"\n{number}. ") for number in range(1, 7)]
    assert headings == sorted(headings)
    assert "[red]a" in text
    assert "open somewhere/report.html" in text


def test_in_short_counts_who_is_above_and_below_the_best_control():
    reports = [report("a", 0.9, 0.2, beaten=True), report("b", 0.8, 0.6)]
    said = in_short(reports)
    assert "explained variance is 0.800 to 0.900 for all 2" in said
    assert "is 0.200 to 0.600" in said
    assert "0 of them find more" in said
    assert "1 find less" in said
    assert "no explained variance" in in_short([Report("d", "t", {})])


def test_bounds_of_coverage_do_not_stand_below_explained_variance():
    text = printed([found([report("a", 0.9, 0.5)])]).splitlines()
    at = next(line for line in text if "explained" in line).index("explained")
    line = next(line for line in text if "floor 0.400" in line)
    assert line[at : at + len("explained")].strip() == ""
