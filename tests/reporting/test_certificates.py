import copy

import pytest
from fiducial.certify_result import CHECKS as CERTIFIED
from fiducial.certify_result import Certificate
from fiducial.reporting.certificates import (
    CHECKS,
    certificate_block,
    certificate_blocks,
    default_certificates,
    is_certificate,
)


@pytest.fixture(scope="module")
def content():
    of_world = (one for one in default_certificates() if one["provenance"]["testbed"] == "synthsaebench-64")
    return next(one for one in of_world if any(row["metric"] == "coverage" for row in one["rows"]))


def test_shipped_certificates_become_small_blocks(content):
    blocks = certificate_blocks(default_certificates())
    assert {block["testbed"] for block in blocks} >= {"synthsaebench-64", "hierarchical"}
    block = certificate_block(content)
    assert tuple(CHECKS) == CERTIFIED
    assert len(block["rows"]) == len(content["rows"])
    assert "dictionaries of known damage" in block["about"]
    for row in block["rows"]:
        asked = {check for check, passed in row["checks"].items() if passed is not None}
        assert asked == set(row["why"]), row["metric"]
        assert not any("nan" in why.lower() or "unknown" in why for why in row["why"].values()), row["why"]


def test_rows_say_what_the_certificate_itself_says(tmp_path):
    import json

    for whole in default_certificates():
        path = tmp_path / "certificate.json"
        path.write_text(json.dumps(whole))
        read = Certificate.from_json(path)
        for row in certificate_block(whole)["rows"]:
            own = read.row(row["metric"])
            assert row["checks"] == own.checks()
            assert (row["verdict"], row["advice"]) == (own.verdict, own.advice())


def one(content, metric="coverage", **more):
    row = copy.deepcopy(next(row for row in content["rows"] if row["metric"] == metric))
    return {**content, "rows": [{**row, **more}]}


def test_reasons_name_the_figures(content):
    row = one(content)["rows"][0]
    row |= {
        "rival": "noise 2",
        "margin": 0.1,
        "floor": 0.0,
        "ceiling": 0.5,
        "checks": dict.fromkeys(CHECKS, False),
        "order": {"right": 0.5, "n_pairs": 10, "missed": ["half"], "noticed": [], "blind": []},
        "noise": {**row["noise"], "detectable": 0.1, "n_samples": 5},
        "gaming": {"gain": 0.25, "edit": "lower threshold (x)", "truth_change": 0.0, "n_edits": 40},
        "leak": {"kept": 0.75, "moved": None},
    }
    why = certificate_block({**content, "rows": [row]})["rows"][0]["why"]
    assert why["top"] == "noise 2 scores better than the right dictionary by 20 % of the range."
    assert why["order"] == "50 % of 10 known pairs in order; does not notice half."
    assert "Differences below 0.1 are noise, 20 % of the range" in why["noise"]
    assert why["gaming"] == "lower threshold (x) raises it by 25 % of the range, best of 40 edits."
    assert why["labels"] == "75 % of the credit is left with shuffled labels."


def test_a_later_certificate_of_a_testbed_counts_metric_by_metric(content):
    blocks = certificate_blocks([content, one(content, verdict="as found today")])
    assert len(blocks) == 1
    by_metric = {row["metric"]: row["verdict"] for row in blocks[0]["rows"]}
    assert by_metric["coverage"] == "as found today"
    assert len(by_metric) == len(content["rows"])


@pytest.mark.parametrize("wrong", [{}, [], 3, {"schema": 1, "provenance": {}, "rows": [1]}])
def test_what_is_no_certificate_is_refused(wrong):
    assert not is_certificate(wrong)
    with pytest.raises(ValueError, match=r"mine\.json is not a certificate"):
        certificate_block(wrong, "mine.json")


def test_another_schema_or_half_a_row_is_refused(content):
    with pytest.raises(ValueError, match=r"schema 1 was expected, got 2"):
        certificate_block({**content, "schema": 2})
    row = {k: v for k, v in content["rows"][0].items() if k != "leak"}
    with pytest.raises(ValueError, match=r"not a whole certificate: KeyError 'leak'"):
        certificate_block({**content, "rows": [row]})
