import json
import math
from dataclasses import replace

import pytest
from fiducial.metrics.catalogue import METRICS
from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.reporting.data import FEATURES, first_rank_on_top, page_data, provenance, rounded
from fiducial.reporting.headline import headline
from fiducial.reporting.identity import architecture, identity
from fiducial.reporting.metric_records import OTHER, family, metric_record

from .samples import many, some_report


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("topk", "topk"),
        ("batchtopk-l0-16-seed-0", "batchtopk"),
        ("othello-6x6-p_anneal-l0-64-seed-0@119", "p_anneal"),
        ("standard", "standard"),
        ("standard-unit-norm-l0-8", "standard-unit-norm"),
        ("standard_anneal", "p_anneal"),
        ("matryoshka_batchtopk", "matryoshka"),
        ("gated_anneal-l0-4", "gated_anneal"),
        ("JumpReLU width 4096", "jumprelu"),
        ("frozen-topk", "control"),
        ("random dictionary (256, L0 4)", "control"),
        ("twin-topk", "control"),
        ("my-sae-7", "unknown"),
        ("tropical-12", "unknown"),
        ("stopkeeper", "unknown"),
        ("aggregated", "unknown"),
    ],
)
def test_architecture_by_name(name, arch):
    assert architecture(name) == arch


def test_what_is_stated_counts_before_the_name_and_what_is_measured_before_what_was_aimed_at():
    about = {"dictionary": {"name": "x", "architecture": "JumpReLU", "n_latents": 333}}
    found = identity(some_report("topk-l0-16-seed-0@119", l0=14.5, provenance=about))
    assert (found.arch, found.l0, found.width, found.step, found.run) == (
        "jumprelu",
        14.5,
        333,
        119,
        "topk-l0-16-seed-0",
    )
    stated = identity(Report("x", "t", {}, {"dictionary": {"architecture": "my own"}}))
    assert (stated.arch, stated.l0, stated.width, stated.step) == ("my own", None, None, None)
    named = identity(Report("gated-l0-2.5-width-16k", "t", {}))
    assert (named.arch, named.l0, named.width) == ("gated", 2.5, 16384)


def test_data_are_json_without_gaps():
    data = page_data(many(6), sources=[f"{i}.json" for i in range(6)])
    assert len(json.dumps(data, allow_nan=False)) > 1000
    assert [one["id"] for one in data["results"]] == [f"r{i}" for i in range(6)]
    assert data["results"][2]["source"] == "2.json"
    assert data["results"][4]["step"] == 40
    one = data["results"][0]
    assert one["metrics"]["explained_variance_score"][1:] == [None, None]
    assert one["l0"] == 8.0
    assert one["width"] == 256
    assert one["games"] == 100
    assert data["metrics"]["mse_error"]["direction"] == "down"
    assert data["metrics"]["coverage"]["question"] == METRICS["coverage"].question


def test_bounds_stand_there_once_and_groups_by_number():
    data = page_data([some_report("a"), some_report("b"), some_report("c", l0=64.0)])
    assert len(data["bounds"]) == 1
    assert {one["bounds"] for one in data["results"]} == {0}
    coverage = data["bounds"][0]["coverage"]
    assert coverage["floors"] == {"random": [0.2, 0.15, 0.25], "PCA": [0.1, None, None]}
    board = data["groups"].index("board")
    assert coverage["group_floors"]["random"][str(board)] == 0.1
    assert [board, 0.6, 0.55, 0.65] in data["results"][0]["groups"]["coverage"]
    assert data["results"][0]["over"]["coverage"] == [0.3, 0.25, 0.35, "random", None]


def test_squares_and_features_leave_out_what_is_rare():
    data = page_data([some_report(size=8)])
    (one,) = data["results"]
    board = one["squares"]["coverage"][str(data["groups"].index("legal moves"))]
    assert len(board) == 64
    table = some_report(size=8).scores["coverage"].features
    value = dict(zip(table["feature"], table["value"], strict=True))
    assert board[3 + 8 * 2] == pytest.approx(value["legal move at d3"], abs=1e-3)
    features = one["features"]["coverage"]
    assert len(features["best"]) == len(features["worst"]) == FEATURES
    assert features["rare"] == 1
    assert features["best"][0][2] >= features["best"][-1][2] >= features["worst"][-1][2] >= features["worst"][0][2]
    assert features["best"][0][3] == 0.1
    assert "mine on f1" not in {row[0] for row in features["best"] + features["worst"]}  # the rare one


def test_features_of_an_error_are_best_when_low():
    table = {"feature": ["a", "b", "c"], "value": [3.0, 1.0, 2.0]}
    data = page_data([Report("d", "t", {"x_error": Score("x_error", 2.0, 1.0, 3.0, features=table)})])
    assert [row[0] for row in data["results"][0]["features"]["x_error"]["best"]] == ["b", "c", "a"]


def test_samples_of_one_testbed_stand_apart():
    other = {"testbed": {"name": "othello-small", "game": "othello", "games": 500, "seed": 1}}
    data = page_data([some_report("a"), some_report("a", provenance=other), some_report("a", "chess-small")])
    assert list(data["testbeds"]) == [
        "othello-small, 100 games, seed 0",
        "othello-small, 500 games, seed 1",
        "chess-small",
    ]


@pytest.mark.parametrize(
    ("testbed", "facts", "game", "size", "top"),
    [
        ("othello-small", {}, "othello", 8, True),
        ("othello-6x6", {}, "othello", 6, True),
        ("chess-small", {}, "chess", 8, False),
        ("mine", {"testbed": {"game": "othello-8x8"}}, "othello", 8, True),
        ("othello-to-chess", {"testbed": {"game": "chess-characters"}}, "chess", 8, False),
        ("ioi-tiny", {}, "ioi", None, False),
        ("synthsaebench-64", {}, "synthetic", None, False),
        ("w", {"testbed": {"hook": "the world itself"}}, "synthetic", None, False),
        ("mine", {}, None, None, False),
    ],
)
def test_worlds_by_what_is_stated(testbed, facts, game, size, top):
    report = Report("d", testbed, {}, facts)
    about = page_data([report])["testbeds"][testbed]
    assert (about["game"], about["size"], about["first_rank_on_top"]) == (game, size, top)
    assert first_rank_on_top(report) == top


def test_latents_go_to_their_dictionary():
    blocks = [{"dictionary": "a", "testbed": t, "latent": i} for i, t in enumerate(["othello-small", "other"] * 2)]
    data = page_data([some_report("a"), some_report("b")], explanations=blocks)
    assert [one["latents"] for one in data["results"]] == [[0, 2], []]


def test_every_metric_has_a_family_and_an_unknown_one_goes_by_its_name():
    assert {name for name in METRICS if family(name) == OTHER} == set()
    own = metric_record("mine_error", Score("mine_error", 0.5, 0.4, 0.6, version=3))
    assert (own["direction"], own["family"], own["version"]) == ("down", OTHER, 3)


def test_numbers_have_five_digits_and_nothing_is_infinite():
    assert rounded({"a": (0.123456789, math.nan), "b": [math.inf, 1234567.0, 3, "x", None]}) == {
        "a": [0.12346, None],
        "b": [None, 1234600.0, 3, "x", None],
    }


def test_provenance_is_said_once():
    shared, own = provenance([some_report("a"), some_report("b")])
    assert shared["testbed.hook"] == "blocks.1.hook_out"
    assert own == [
        {"dictionary.name": "a", "dictionary.sha256": "sha of a"},
        {"dictionary.name": "b", "dictionary.sha256": "sha of b"},
    ]


def test_warnings_are_said_once():
    assert page_data([some_report("a"), some_report("b")])["warnings"] == ["othello-small: mind the gap"]


def test_results_of_one_name_are_told_apart_by_their_files():
    one, two, other = some_report("a"), some_report("a", value=0.6), some_report("a", "chess-small")
    data = page_data([one, two, other], sources=["x/a.json", "y/a.json", "z/a.json"])
    assert [result["name"] for result in data["results"]] == ["a (x/a.json)", "a (y/a.json)", "a"]
    assert [result["name"] for result in page_data([one, two])["results"]] == ["a (result 1)", "a (result 2)"]


def test_versions_of_a_metric_on_one_testbed_are_a_warning():
    new, old = some_report("new"), some_report("old")
    old.scores["coverage"] = replace(old.scores["coverage"], version=7)
    (said,) = (text for text in page_data([new, old])["warnings"] if "versions" in text)
    assert "coverage stands here in versions 1, 7" in said
    elsewhere = replace(old, testbed="chess-small")
    assert not [text for text in page_data([new, elsewhere])["warnings"] if "versions" in text]


def test_sources_must_fit():
    with pytest.raises(ValueError, match="2 reports, got 1 sources"):
        page_data([some_report(), some_report()], sources=["a.json"])


def test_the_headline_names_the_best_and_its_bounds():
    reports = [some_report("a", value=0.3), some_report("b", value=0.6), some_report("c", value=0.1)]
    first, best = headline({"othello-small": reports})
    assert first.startswith("How much of a known truth")
    assert "b leads with coverage 0.600 [0.570, 0.630]" in best
    assert "floor 0.200 (random)" in best
    assert "2 of 3 beat their best floor beyond noise" in best
    (alone, verdict) = headline({"t": [some_report("c", value=0.1)]})
    assert "worse than its best floor 0.200" in alone
    assert "worse than its best floor beyond noise" in verdict


def test_a_report_without_bounds_has_a_headline_too():
    assert "nothing here has a floor" in headline({"t": [Report("d", "t", {})]})[0]
    assert len(headline({f"t{i}": [some_report("d", f"t{i}")] for i in range(9)})) == 7


def test_the_headline_says_how_many_cannot_be_told_from_the_first():
    def said(*values):
        return " ".join(headline({"tb": [some_report(f"sae{i}", "tb", value=value) for i, value in enumerate(values)]}))

    assert "overlap" not in said(0.5, 0.7)  # intervals of 0.03 on either side
    assert "The interval of 1 other overlaps its own." in said(0.5, 0.65, 0.7)
    assert "The intervals of 2 others overlap its own." in said(0.66, 0.65, 0.7)
