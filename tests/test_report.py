import functools
import json
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import fiducial.report_compare as report_compare
import numpy as np
import pytest
from fiducial.data.hdf5 import partial_file
from fiducial.metrics.score import Score
from fiducial.report import SCHEMA_VERSION, Report
from fiducial.report_compare import (
    comparison,
    control_beats,
    group_standing,
    interval_text,
    marker,
    number,
    printable,
    standing,
)
from fiducial.report_table import bar, compare
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

FEATURES = {
    "feature": ["mine on c4", "empty d3", "must pass"],
    "group": ["board", "empty", "pass"],
    "value": [0.5, float("nan"), 0.25],
    "threshold": [0.1, float("inf"), -1.0],
    "latent": [3, None, 17],
    "rare": [False, True, False],
}


def scored(metric="coverage", value=0.5, spread=0.02, shift=0.0, **more):
    noise = np.random.default_rng(7).normal(0, spread, 200)
    own = np.random.default_rng(0 if math.isnan(value) else int(value * 1e6) % 1000).normal(0, spread / 20, 200)
    return Score(metric, value, value - 2 * spread, value + 2 * spread, replicates=value + shift + noise + own, **more)


def full_report(name="topk-1024"):
    floor = scored(value=0.2, groups={"board": 0.2, "empty": 0.7}, group_intervals={"board": (0.1, 0.3)})
    ceiling = scored(value=0.9, groups={"board": 0.8, "empty": 1.0})
    coverage = scored(
        groups={"empty": 0.4, "board": 0.6},
        group_intervals={"empty": (0.3, 0.5), "board": (0.55, 0.65)},
        features=FEATURES,
        floors={"always on": 0.1, "random dictionary": 0.2},
        ceilings={"probes": 0.9},
        version=3,
        details={"n_games": 12, "chosen": ["c4", None], "nested": {"a": 1.5}},
    )
    error = scored("mse_error", 4.0, floors={"mean": 10.0, "PCA": 8.0}, ceilings={"probes": 0.0}, protocol="saebench")
    return Report(
        dictionary=name,
        testbed="othello-small",
        scores={"mse_error": error, "coverage": coverage, "l0": scored("l0", 32.0)},
        provenance={"versions": {"torch": "2.13"}, "seed": 0, "groups": ("board", "empty"), "times": {"encode": 1.25}},
        warnings=("the model is small",),
        controls={"random dictionary": {"coverage": floor}, "probes": {"coverage": ceiling}},
    )


def rendered(renderable, width=100):
    console = Console(width=width, record=True, file=open(os.devnull, "w"), color_system=None)  # noqa: SIM115
    with console.file:
        console.print(renderable)
        return console.export_text()


# JSON


def test_round_trip(tmp_path):
    report = full_report()
    again = Report.from_json(report.to_json(tmp_path / "r.json"))
    assert again == report
    assert list(again.scores) == ["mse_error", "coverage", "l0"]
    assert list(again.scores["coverage"].groups) == ["empty", "board"]
    assert list(again.controls) == ["random dictionary", "probes"]
    table = again.scores["coverage"].features
    assert math.isnan(table["value"][1])
    assert table["threshold"][1] == math.inf
    assert table["rare"] == [False, True, False]
    assert list(table) == list(FEATURES)
    assert again.scores["coverage"].replicates is None
    assert marker(again.scores["coverage"]) == marker(report.scores["coverage"]) == "*"


def test_same_report_same_bytes(tmp_path):
    first, second = full_report(), full_report()
    second.provenance["times"]["encode"] = 99.0
    one, two = (r.to_json(tmp_path / f"{i}.json") for i, r in enumerate((first, second)))
    tops = [json.loads(path.read_text()) for path in (one, two)]
    assert tops[0].pop("times") != tops[1].pop("times")
    assert tops[0] == tops[1]
    assert one.read_bytes() == first.to_json(tmp_path / "again.json").read_bytes()
    assert Report.from_json(one).to_json(tmp_path / "third.json").read_bytes() == one.read_bytes()


def test_json_is_flat_strict_and_keeps_times_apart(tmp_path):
    text = full_report().to_json(tmp_path / "r.json").read_text()

    def refuse(constant):
        raise AssertionError(constant)

    top = json.loads(text, parse_constant=refuse)
    assert top["schema_version"] == SCHEMA_VERSION
    assert top["times"] == {"encode": 1.25}
    assert "times" not in top["provenance"]
    assert top["metrics"]["coverage"] == 0.5
    assert top["metrics"]["coverage/floors/random dictionary"] == 0.2
    assert top["metrics"]["coverage/group_low/board"] == 0.55
    assert not any(isinstance(value, dict | list) for value in top["metrics"].values())
    assert top["features"]["coverage"]["value"] == [0.5, None, 0.25]
    assert top["features"]["coverage"]["threshold"] == [0.1, "Infinity", -1.0]
    assert list(top) == sorted(top)


def test_nan_becomes_null_and_comes_back(tmp_path):
    report = Report("d", "t", {"coverage": Score("coverage", math.nan, math.nan, math.inf)}, {"x": math.nan})
    path = report.to_json(tmp_path / "r.json")
    assert json.loads(path.read_text())["metrics"]["coverage"] is None
    score = Report.from_json(path).scores["coverage"]
    assert math.isnan(score.value)
    assert math.isnan(score.low)
    assert score.high == math.inf
    assert report.provenance == {"x": None}


@settings(max_examples=25, deadline=None)
@given(
    name=st.text(min_size=1),
    parts=st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=4),
    value=st.floats(allow_nan=False),
)
@example(name="<script>alert(1)</script>", parts={"a/b/c": 0.5, "": 1.0, "[bold]": -0.0}, value=5e-324)
@example(name="\ud800 \u202e \x1b[31m", parts={"\x00": 1e308}, value=math.inf)
def test_any_name_and_number_survives(tmp_path_factory, name, parts, value):
    score = Score("coverage", value, value, value, groups=parts, floors=parts, ceilings=parts)
    report = Report(name, name, {"coverage": score}, {"note": name}, (name,), {name: {"coverage": score}})
    again = Report.from_json(report.to_json(tmp_path_factory.mktemp("json") / "r.json"))
    assert again == report
    assert rendered(report.table()) == rendered(again.table())


def test_loads_across_versions(tmp_path):
    path = full_report().to_json(tmp_path / "r.json")
    top = json.loads(path.read_text())
    top |= {"schema_version": "1.99", "invented_later": {"x": 1}}
    top["metrics"] |= {"coverage/new_part/board": 3.0, "coverage/new_number": 1.0}
    path.write_text(json.dumps(top))
    assert Report.from_json(path) == full_report()

    least = {"schema_version": "1.0", "dictionary": "d", "testbed": "t", "metrics": {"coverage": 0.5}}
    path.write_text(json.dumps(least))
    score = Report.from_json(path).scores["coverage"]
    assert (score.metric, score.value, score.protocol, score.version) == ("coverage", 0.5, "held-out", 1)
    assert math.isnan(score.low)


def test_newer_major_schema_is_refused(tmp_path):
    path = tmp_path / "new.json"
    path.write_text('{"schema_version": "2.0", "metrics": {}}')
    with pytest.raises(ValueError, match=r"new\.json: written with report schema 2\.0.*reads up to 1\.x"):
        Report.from_json(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "null", '{"a": 1}', '{"schema_version": "1.0"}', "\x89HDF\r\n", "[" * 100_000, '{"metrics": {}}'],
)
def test_foreign_files_are_refused(tmp_path, text):
    path = tmp_path / "foreign.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"foreign\.json.*not a fiducial report"):
        Report.from_json(path)


def test_binary_and_missing_files(tmp_path):
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00\x01" * 50)
    with pytest.raises(ValueError, match=r"binary\.json"):
        Report.from_json(path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        Report.from_json(tmp_path / "nowhere.json")


def test_truncation_anywhere_is_refused(tmp_path):
    whole = full_report().to_json(tmp_path / "r.json").read_bytes()
    path = tmp_path / "cut.json"
    for end in (*range(0, len(whole) - 2, 97), len(whole) - 3):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"cut\.json: not a fiducial report, or truncated"):
            Report.from_json(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dictionary": 3}, "dictionary must be a name"),
        ({"metrics": {"coverage": "high"}}, "coverage must be a number"),
        ({"metrics": {"coverage": True}}, "coverage must be a number"),
        ({"metrics": {"coverage/low": 1}}, "KeyError: 'value'"),
        ({"metrics": {"coverage": 1, "coverage/version": "<b>"}}, "version a whole number"),
        ({"metrics": [1]}, "malformed"),
        ({"controls": [1]}, "malformed"),
        ({"provenance": 3}, "malformed"),
        ({"schema_version": "new"}, "schema_version must look like"),
        ({"metrics": {"coverage": 10**400}}, "OverflowError"),
        ({"details": {"coverage": {"over_floor": "yes"}}}, "malformed"),
        ({"details": {"coverage": {"over_floor": {"low": "a", "high": 1}}}}, "over_floor/low must be a number"),
        ({"details": {"coverage": {"group_floors": [1]}}}, "malformed"),
        ({"details": {"coverage": {"group_floors": {"board": "high"}}}}, "group_floors/board must be a number"),
        ({"details": {"coverage": 3}}, "malformed"),
        ({"warnings": [{"a": 1}]}, "warnings must be a list of texts"),
        ({"warnings": "beware"}, "warnings must be a list of texts"),
        ({"provenance": functools.reduce(lambda inner, _: {"a": inner}, range(900), {})}, "RecursionError"),
    ],
)
def test_malformed_reports_are_refused(tmp_path, change, message):
    path = full_report().to_json(tmp_path / "r.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=rf"r\.json.*{message}"):
        Report.from_json(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    report = full_report()
    path = report.to_json(tmp_path / "deep" / "r.json")
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        full_report("another").to_json(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        text = reader.submit(pipe.read_text)
        full_report().to_json(pipe)
        assert json.loads(text.result(timeout=20))["kind"] == "fiducial report"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    with pytest.raises(FileExistsError, match="no ordinary file"), partial_file(pipe):
        raise AssertionError("not reached")


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"folder'?$") as failure:
        full_report().to_json(tmp_path / "folder")
    assert ".tmp" not in str(failure.value)


def test_bad_reports_are_refused_at_the_door():
    score = scored()
    with pytest.raises(ValueError, match="dictionary must be a name, got ''"):
        Report("", "t", {"coverage": score})
    with pytest.raises(ValueError, match="testbed must be a name, got None"):
        Report("d", None, {"coverage": score})
    with pytest.raises(ValueError, match="without '/' to a Score, got 'a/b'"):
        Report("d", "t", {"a/b": score})
    with pytest.raises(ValueError, match="got 'coverage': float"):
        Report("d", "t", {"coverage": 0.5})
    with pytest.raises(TypeError, match=r"provenance\['model'\].*got object"):
        Report("d", "t", {}, {"model": object()})
    with pytest.raises(TypeError, match=r"scores\['details'\]\['coverage'\]\['set'\] must hold JSON types.*got set"):
        Report("d", "t", {"coverage": replace(score, details={"set": {1, 2}})})
    with pytest.raises(ValueError, match="coverage/floors/a must be a number or null, got 'high'"):
        Report("d", "t", {"coverage": replace(score, floors={"a": "high"})})


def test_provenance_takes_numpy_values():
    report = Report("d", "t", {}, {"seed": np.int64(3), "sizes": np.arange(2), "ok": np.bool_(True)})
    assert report.provenance == {"seed": 3, "sizes": [0, 1], "ok": True}


# where a score stands


def test_frame_holds_best_bounds_and_rescaling():
    frame = full_report().to_frame()
    assert list(frame.index) == ["mse_error", "coverage", "l0"]
    coverage, error = frame.loc["coverage"], frame.loc["mse_error"]
    assert (coverage.floor, coverage.floor_value) == ("random dictionary", 0.2)
    assert (coverage.ceiling, coverage.ceiling_value) == ("probes", 0.9)
    assert coverage.normalised == pytest.approx((0.5 - 0.2) / (0.9 - 0.2))
    assert (error.floor, error.floor_value) == ("PCA", 8.0)  # the strongest floor of an error is the smallest
    assert error.normalised == pytest.approx(0.5)
    assert error.protocol == "saebench"
    assert math.isnan(frame.loc["l0"].normalised)
    assert Report("d", "t", {}).to_frame().empty


def test_features_frame():
    frame = full_report().features_frame("coverage")
    assert list(frame.feature) == FEATURES["feature"]
    assert full_report().features_frame("l0").empty
    with pytest.raises(KeyError, match=r"no metric 'coverge'.*it has coverage"):
        full_report().features_frame("coverge")


@given(
    value=st.floats(-1e3, 1e3),
    floors=st.dictionaries(st.sampled_from("abc"), st.floats(-1e3, 1e3) | st.just(math.nan), max_size=3),
    ceilings=st.dictionaries(st.sampled_from("xyz"), st.floats(-1e3, 1e3), max_size=3),
)
def test_an_error_stands_where_its_negative_does(value, floors, ceilings):
    up = standing(Score("some_score", value, value, value, floors=floors, ceilings=ceilings))
    negative = [{name: -number for name, number in bounds.items()} for bounds in (floors, ceilings)]
    down = standing(Score("some_error", -value, -value, -value, floors=negative[0], ceilings=negative[1]))
    assert (up.floor, up.ceiling) == (down.floor, down.ceiling)
    assert up.normalised == pytest.approx(down.normalised, nan_ok=True)
    known = [number for number in floors.values() if not math.isnan(number)]
    if known:
        assert up.floor_value == max(known)
    if not known or not ceilings or max(ceilings.values()) <= max(known):
        assert math.isnan(up.normalised)


def test_limits_of_the_rescaling():
    bounds = {"floors": {"chance": 0.2}, "ceilings": {"probes": 0.8}}
    for value, expected in ((0.2, 0.0), (0.8, 1.0), (0.5, 0.5), (0.0, -1 / 3)):
        assert standing(Score("coverage", value, value, value, **bounds)).normalised == pytest.approx(expected)


def test_bounds_closer_than_the_interval_leave_no_room_to_stand_in():
    bounds = {"floors": {"always on": 0.50}, "ceilings": {"probes": 0.51}}
    assert math.isnan(standing(Score("coverage", 0.3, 0.28, 0.32, **bounds)).normalised)
    assert standing(Score("coverage", 0.505, 0.502, 0.508, **bounds)).normalised == pytest.approx(0.5)


def paired(metric, value, floor_value, own_noise=0.001):
    """A report whose score and floor share most of their noise."""
    shared = np.random.default_rng(0).normal(0, 0.1, 300)
    own = np.random.default_rng(1).normal(0, own_noise, 300)
    score = Score(metric, value, value - 0.2, value + 0.2, floors={"random": floor_value}, replicates=value + shared)
    floor = Score(metric, floor_value, floor_value - 0.2, floor_value + 0.2, replicates=floor_value + shared + own)
    return Report("d", "t", {metric: score}, controls={"random": {metric: floor}})


@pytest.mark.parametrize(
    ("metric", "value", "floor", "mark"),
    [
        ("coverage", 0.55, 0.5, "*"),  # far within each interval, yet the paired difference is clear
        ("coverage", 0.45, 0.5, "▼"),
        ("coverage", 0.5, 0.5, ""),
        ("mse_error", 0.45, 0.5, "*"),
        ("mse_error", 0.55, 0.5, "▼"),
    ],
)
def test_marker_follows_the_paired_difference(metric, value, floor, mark, tmp_path):
    report = paired(metric, value, floor)
    assert marker(report.scores[metric]) == mark
    found = report.scores[metric].details["over_floor"]
    difference = report.scores[metric].replicates - report.controls["random"][metric].replicates
    assert found["floor"] == "random"
    assert found["difference"] == pytest.approx(value - floor)
    assert [found["low"], found["high"]] == pytest.approx(np.percentile(difference, [2.5, 97.5]))
    assert marker(Report.from_json(report.to_json(tmp_path / "r.json")).scores[metric]) == mark


def test_a_marker_blind_to_direction_would_be_caught(monkeypatch):
    monkeypatch.setattr(report_compare, "lower_is_better", lambda score: False)
    with pytest.raises(AssertionError):
        assert marker(paired("mse_error", 0.45, 0.5).scores["mse_error"]) == "*"


def test_no_marker_without_replicates_or_with_nan():
    report = paired("coverage", 0.55, 0.5)
    bare = replace(report.scores["coverage"], replicates=None, details={})
    assert marker(replace(report, scores={"coverage": bare}).scores["coverage"]) == ""
    broken = replace(bare, replicates=np.full(300, math.nan))
    assert marker(replace(report, scores={"coverage": broken}).scores["coverage"]) == ""


@pytest.mark.parametrize(("floor", "mark"), [(0.2, "*"), (0.5, ""), (0.8, "▼")])
def test_a_floor_that_is_a_single_number_counts_as_exact(floor, mark):
    score = scored(value=0.5, floors={"always on": floor})
    stored = Report("d", "t", {"coverage": score}).scores["coverage"]
    assert marker(stored) == mark
    assert stored.details["over_floor"]["paired"] is False
    assert stored.details["over_floor"]["low"] == pytest.approx(np.percentile(score.replicates, 2.5) - floor)


def test_unpairable_replicates_are_refused():
    report = paired("coverage", 0.55, 0.5)
    short = replace(report.scores["coverage"], replicates=np.zeros(10))
    with pytest.raises(ValueError, match=r"coverage.*\(10,\).*'random'.*\(300,\).*same games"):
        replace(report, scores={"coverage": short})


# controls that win


def test_control_beats_in_words():
    (sentence,) = control_beats(full_report())
    assert sentence == (
        "On othello-small, the control 'random dictionary' beats 'topk-1024' at coverage; "
        "beyond noise: empty (0.700 against 0.400)."
    )
    assert sentence in " ".join(rendered(full_report().table(), 300).split())


def test_a_group_whose_floor_is_not_known_beats_nothing():
    details = {"group_floors": {"board": math.nan, "legal": 0.2}}
    score = Score("coverage", 0.5, 0.4, 0.6, groups={"board": 0.4, "legal": 0.6}, details=details)
    report = Report("sae", "tb", {"coverage": score.beside(floors={"always on": 0.1})})
    assert control_beats(report) == []
    assert math.isnan(report.scores["coverage"].details["group_floors"]["board"])


def test_floors_that_a_metric_brings_along_count_in_every_group():
    details = {"group_floors": {"lines": 0.7, "board": 0.1}}
    groups = {"groups": {"lines": 0.6, "board": 0.5}, "group_intervals": {"lines": (0.5, 0.65)}}
    score = Score("coverage", 0.55, 0.5, 0.6, floors={"always on": 0.4, "PCA": 0.3}, details=details, **groups)
    (sentence,) = control_beats(Report("d", "t", {"coverage": score}))
    assert "'always on' beats 'd' at coverage; beyond noise: lines (0.700 against 0.600)." in sentence
    at = group_standing(score, "board", {}, "coverage")
    assert (at.floor, at.floor_value, at.ceiling) == ("always on", 0.1, None)


def test_control_beats_tells_noise_and_direction():
    def report(metric, value, floor, width):
        score = Score(metric, value, value - width, value + width, floors={"random": floor})
        control = Score(metric, floor, floor - width, floor + width)
        return Report("d", "t", {metric: score}, controls={"random": {metric: control}})

    assert control_beats(report("coverage", 0.6, 0.5, 0.01)) == []
    assert "beyond noise: overall (0.500 against 0.400)." in control_beats(report("coverage", 0.4, 0.5, 0.01))[0]
    assert "within noise" in control_beats(report("coverage", 0.4, 0.5, 0.2))[0]
    assert control_beats(report("mse_error", 0.4, 0.5, 0.01)) == []
    assert "beyond noise" in control_beats(report("mse_error", 0.6, 0.5, 0.01))[0]
    assert control_beats(report("coverage", 0.5, 0.5, 0.01)) == []
    assert control_beats([report("coverage", math.nan, 0.5, 0.01)]) == []


def test_control_beats_names_a_few_places_and_counts_the_rest():
    groups = {f"g{i}": 0.1 * i for i in range(5)}
    wide = dict.fromkeys(groups, (0.0, 1.0))
    score = Score("coverage", 0.5, 0.4, 0.6, groups=groups, group_intervals=wide, floors={"random": 0.5})
    control = Score("coverage", 0.5, 0.5, 0.5, groups={name: value + 0.05 for name, value in groups.items()})
    report = Report("d", "t", {"coverage": score}, controls={"random": {"coverage": control}})
    (short,), (long,) = control_beats(report, most=2), control_beats(report)
    assert short.endswith("; within noise: g0 (0.050 against 0.000), g1 (0.150 against 0.100), and 3 more.")
    assert [name for name in groups if name in long] == list(groups)


def test_a_control_does_not_beat_itself_and_metrics_without_floors_are_not_compared():
    itself = full_report("random dictionary")
    assert control_beats(itself) == []
    only_described = Report("d", "t", {"l0": scored("l0", 3.0)}, controls={"random": {"l0": scored("l0", 9.0)}})
    assert control_beats(only_described) == []


# comparison and tables


def reports_of(*values):
    floor = {"floors": {"random": 0.2, "always on": 0.1}, "ceilings": {"probes": 0.9}}
    controls = {
        "random": {"coverage": scored(value=0.2), "l0": scored("l0", 7.0)},
        "probes": {"coverage": scored(value=0.9), "l0": scored("l0", 3.0)},
    }
    return [
        Report(f"d{i}", "t", {"coverage": scored(value=v, **floor), "l0": scored("l0", 10.0 * i)}, controls=controls)
        for i, v in enumerate(values)
    ]


def test_comparison_is_ceilings_dictionaries_floors_best_first():
    metrics, rows = comparison(reports_of(0.3, 0.6, math.nan, 0.4))
    assert metrics == ["coverage", "l0"]
    assert [row.name for row in rows] == ["probes", "d1", "d3", "d0", "d2", "random", "always on"]
    assert [row.role for row in rows] == ["ceiling"] + ["dictionary"] * 4 + ["floor"] * 2
    by_name = {row.name: row for row in rows}
    assert by_name["probes"].scores["l0"].value == 3.0  # a ceiling keeps its role where the metric has no bounds
    assert by_name["random"].scores["l0"].value == 7.0
    assert math.isnan(by_name["always on"].scores["coverage"].low)
    _, by_l0 = comparison(reports_of(0.3, 0.6), sort_by="l0")
    assert [row.name for row in by_l0 if row.role == "dictionary"] == ["d1", "d0"]


def test_controls_that_differ_between_reports_are_shown_at_their_best():
    def report(name, metric, floor):
        score = Score(metric, 0.5, 0.4, 0.6, floors={"permuted": floor})
        return Report(name, "t", {metric: score})

    _, rows = comparison([report("a", "coverage", 0.1), report("b", "coverage", 0.3), report("c", "coverage", 0.2)])
    assert (rows[-1].name, rows[-1].scores["coverage"].value) == ("permuted (best of 3)", 0.3)
    _, rows = comparison([report("a", "mse_error", 3.0), report("b", "mse_error", 2.0)])
    assert (rows[-1].name, rows[-1].scores["mse_error"].value) == ("permuted (best of 2)", 2.0)


def test_comparison_refuses_what_cannot_be_compared():
    with pytest.raises(ValueError, match="on one testbed, got no reports"):
        compare([])
    elsewhere = replace(reports_of(0.3)[0], testbed="chess")
    with pytest.raises(ValueError, match=r"on one testbed, got \['chess', 't'\]"):
        compare([*reports_of(0.3), elsewhere])
    with pytest.raises(KeyError, match=r"no metric 'x'.*coverage, l0"):
        compare(reports_of(0.3), metrics=["coverage", "x"])
    with pytest.raises(KeyError, match="no metric 'x' to sort by"):
        compare(reports_of(0.3), sort_by="x")


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_tables_show_every_number_beside_its_bounds(width):
    report = full_report()
    text = rendered(report.table(), width)
    if width >= 80:
        for shown in ("0.500*", "[0.460, 0.540]", "0.200", "0.900", "0.429", "mse_error", "no floor", "saebench"):
            assert shown in text
        assert "Warning: the model is small" in text
    text = rendered(compare([report, full_report("other")]), width)
    for shown in ("0.500", "4.000", "32.0", "0.900", "8.000"):
        assert shown in text


def test_narrow_comparison_is_split_into_several_tables():
    wide, narrow = (rendered(compare([full_report()]), width) for width in (200, 60))
    assert len(re.findall("^ ?dictionary ", wide, re.M)) == 1
    assert len(re.findall("^ ?dictionary ", narrow, re.M)) == 2


def test_markup_and_escape_codes_in_names_stay_text():
    report = full_report("[bold red]x[/] \x1b[31my")
    for text in (rendered(report.table(), 200), rendered(compare([report]), 200)):
        assert "[bold red]x[/] �[31my" in text
        assert "\x1b" not in text


def test_str_has_interval_and_bounds():
    text = str(full_report())
    assert "coverage 0.500 [0.460, 0.540]; floor 0.200 (random dictionary), ceiling 0.900 (probes)" in text
    assert "no floor, no ceiling" in text


@given(st.floats(), st.integers(2, 30))
def test_bar_is_as_wide_as_asked(fraction, width):
    drawn = bar(fraction, width)
    assert len(drawn) == (0 if math.isnan(fraction) else width)
    if 0 <= fraction <= 1:
        assert drawn.count("█") == math.floor(round(fraction * width * 8) / 8)
    assert ("◂" in drawn) == (fraction < 0)
    assert ("▸" in drawn) == (fraction > 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (0, "0.000"), (12.34, "12.3"), (1234.5, "1,234"), (2e7, "2.00e+07"), (1e-5, "1.0e-05")],
)
def test_numbers_as_people_read_them(value, text):
    assert number(value) == text
    assert interval_text(value, math.nan) == "no interval"
    assert number(-value) == (f"-{text}" if value else "0.000")


@given(st.text(st.characters()))
def test_printable_keeps_length_and_ordinary_text(text):
    cleaned = printable(text)
    assert len(cleaned) == len(text)
    cleaned.encode("utf-8")
    assert all(a == b or b == "�" for a, b in zip(text, cleaned, strict=True))
    assert printable("<b> é 漢字 a/b & ☃") == "<b> é 漢字 a/b & ☃"
