import json
import re

import pytest
from fiducial.cli import main
from fiducial.figures.results import gather
from fiducial.report import Report
from fiducial.reporting.read import json_files, latents_in, read

from .samples import many, some_report


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code or 0


@pytest.fixture
def folder(tmp_path):
    for i, report in enumerate(many(5)):
        report.to_json(tmp_path / "results" / f"part{i % 2}" / f"{i}.json")
    return tmp_path / "results"


def ids_of(path):
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(data)


def test_a_folder_becomes_a_page(folder, tmp_path, capsys):
    (folder / "foreign.json").write_text('{"some": "other program"}')
    (folder / "no.json").write_text("{")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.json").write_text("{}")
    again = (folder / "part0" / "0.json").read_bytes()
    (folder / "copy.json").write_bytes(again)
    assert run("report", folder, "-o", tmp_path / "page.html", "-q") == 0
    said = capsys.readouterr().out
    assert "5 result(s) on 1 testbed(s)" in said
    assert "1 JSON file(s) of other programs passed over" in said
    assert "1 file(s) that are no whole JSON passed over" in said
    assert str(folder / "no.json") in said
    assert "1 result(s) that are there twice shown once" in said
    data = ids_of(tmp_path / "page.html")
    assert sorted(one["source"] for one in data["results"]) == sorted(
        ["copy.json", "part0/2.json", "part0/4.json", "part1/1.json", "part1/3.json"]
    )
    assert len(data["certificates"]) >= 1


def test_folders_and_dead_links_that_are_called_json_are_no_files(folder):
    (folder / "part0" / "more.json").mkdir()
    (folder / "dead.json").symlink_to(folder / "nothing.json")
    assert len(read(json_files([folder])).reports) == 5
    assert len(gather(folder).saes) == 5


def test_one_file_becomes_a_page(tmp_path):
    path = some_report().to_json(tmp_path / "one.json")
    assert run("report", path, "-o", tmp_path / "page.html") == 0
    assert [one["source"] for one in ids_of(tmp_path / "page.html")["results"]] == ["one.json"]


def test_files_that_are_named_twice_are_read_once(folder):
    files = json_files([folder, folder / "part0", folder / "part0" / "0.json"])
    assert len(files) == 5


def refused(capsys, *arguments):
    assert run("report", *arguments, "-q") == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_slips_are_refused_in_a_line(folder, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no JSON file in" in refused(capsys, empty)
    assert "did you mean" in refused(capsys, tmp_path / "result")
    assert "is a folder" in refused(capsys, folder, "-o", empty)
    (empty / "x.json").write_text("[1, 2]")
    assert "at least one result file" in refused(capsys, empty)
    assert not (tmp_path / "report.html").exists()


def test_a_truncated_result_is_refused_and_no_page_is_left(folder, tmp_path, capsys):
    path = folder / "part0" / "0.json"
    path.write_bytes(path.read_bytes()[:-100])
    assert "truncated" in refused(capsys, folder, "-o", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_order_does_not_depend_on_the_order_of_files(folder):
    found = read(json_files([folder]))
    assert found.sources == sorted(found.sources)
    assert all(isinstance(report, Report) for report in found.reports)


def test_damaged_latents_do_not_stop_a_page(tmp_path):
    (tmp_path / "a@t.latents.json").write_text('{"kind": "fiducial latents", "schema": 1}')
    (tmp_path / "b@t.latents.json").write_text("{")
    assert latents_in(tmp_path) == []
