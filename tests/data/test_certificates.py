"""The certificates that ship: readable, about metrics that exist, and what they say is what the code makes of them."""

import json
from pathlib import Path

import fiducial
import pytest
from fiducial.certify_result import CHECKS, Certificate
from fiducial.metrics import METRICS

FOLDER = Path(fiducial.__file__).parent / "data" / "certificates"
FILES = sorted(FOLDER.glob("*.json"))


def test_there_are_some():
    assert {path.stem for path in FILES} >= {"synthsaebench-64", "hierarchical", "othello-6x6"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_certificate_is_whole_and_says_what_the_code_says(path):
    stored = {row["metric"]: row for row in json.loads(path.read_text())["rows"]}
    certificate = Certificate.from_json(path)
    assert certificate.provenance["testbed"] in path.stem
    assert set(stored) <= set(METRICS)
    for row in certificate.rows:
        assert set(row.checks()) == set(CHECKS)
        # Rules may have moved since the file was written; then it has to be made again.
        assert stored[row.metric]["verdict"] == row.verdict
        assert stored[row.metric]["advice"] == row.advice()
