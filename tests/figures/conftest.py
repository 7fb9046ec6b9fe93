"""Results of every kind in a folder, made up."""

import json

import pytest

from . import made_results as made


@pytest.fixture
def everything(tmp_path):
    folder = tmp_path / "results"
    (folder / "saes" / ".shared").mkdir(parents=True)
    for report in [*made.board_reports(tasks=True), made.ioi_report("topk"), made.ioi_report("standard")]:
        report.to_json(folder / "saes" / f"{report.dictionary}@{report.testbed}.json")
    made.explained().to_json(folder / "topk.explanations.json")
    made.judged().to_json(folder / "judges.json")
    (folder / "saes" / ".shared" / "hidden.json").write_text("{}")
    contents = {"m": made.makelov(), "k": made.karvonen(), "p": made.population(), "foreign": {"something": "else"}}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder
