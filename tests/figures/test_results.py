"""Results of every kind are read, put together, and refused with a reason."""

import json

import fiducial as fd
import pytest
from fiducial.figures.results import gather

from . import made_results as made


def written(folder, content, name):
    (folder / name).write_text(json.dumps(content))


def test_results_are_told_apart(everything):
    found = gather(everything)
    assert len(found.saes) == 12 + 2 + 12
    assert [len(part) for part in (found.explained, found.judged, found.makelov, found.karvonen)] == [1, 1, 1, 1]
    assert found.other == {"other JSON": 1}
    sae = next(sae for sae in found.saes if sae.name == "p_anneal-l0-8-seed-0")
    assert (sae.arch, sae.l0, sae.width, sae.seed, sae.step, sae.games) == ("p_anneal", 8.0, 64, 0, None, 20)
    board = sae.group("coverage", "board")
    assert board.floors == {"always on": 0.2, "random dictionary (64, L0 8)": 0.15}
    assert board.ceilings == {"probes": 0.95}
    assert (board.low, board.high) == pytest.approx((board.value - 0.02, board.value + 0.02))


def test_a_report_read_for_figures_is_the_report(tmp_path):
    report = made.board_report(tasks=True)
    path = report.to_json(tmp_path / "a.json")
    (light,) = gather(path).saes
    (whole,) = gather(report).saes
    for name, one in whole.scores.items():
        other = light.scores[name]
        assert (one.value, one.low, one.high) == (other.value, other.low, other.high)
        assert one.groups == other.groups
        assert one.group_intervals == other.group_intervals
        assert list(one.floors.items()) == list(other.floors.items())
        assert one.ceilings == other.ceilings
    assert light.scores["tpp_score"].features == whole.scores["tpp_score"].features
    assert light.controls["probes"]["coverage"].groups == whole.controls["probes"]["coverage"].groups


def test_scores_of_one_dictionary_in_two_files_are_put_together(tmp_path):
    whole = made.board_report(tasks=True)
    for half, keys in (("a", ("l0", "coverage")), ("b", ("tpp_score", "reconstruction"))):
        scores = {key: whole.scores[key] for key in keys}
        fd.Report(whole.dictionary, whole.testbed, scores, whole.provenance).to_json(tmp_path / f"{half}.json")
    (sae,) = gather(tmp_path).saes
    assert set(sae.scores) == {"l0", "coverage", "tpp_score", "reconstruction"}
    other = made.board_report(seed=1)
    other.to_json(tmp_path / "c.json")
    assert len(gather(tmp_path).saes) == 2  # another seed is another result


def test_names_of_hostile_results_stay_names(tmp_path):
    shift = {"testbed": "../../out/$x_$y$", "dictionary": "topk$\\frac{$"}
    for i, report in enumerate(made.board_reports(tasks=True)):
        content = json.loads(report.to_json(tmp_path / "in" / f"{i}.json").read_text())
        shift["dictionary"] = f"{report.dictionary} $\\frac{{$ {i}"
        written(tmp_path / "in", content | shift, f"{i}.json")
    paths = fd.figures.shift_tpp(tmp_path / "in", tmp_path / "deep" / "er" / "figures")
    assert {path.parent for path in paths} == {tmp_path / "deep" / "er" / "figures"}
    assert all(path.is_file() for path in paths)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deep", "in"]


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        gather(tmp_path / "none")
    with pytest.raises(ValueError, match=r"no results in .*fiducial score"):
        gather(tmp_path)
    with pytest.raises(TypeError, match="got int"):
        gather([3])
    written(tmp_path, {"a": 1}, "a.json")
    with pytest.raises(ValueError, match=r"is other JSON"):
        gather(tmp_path / "a.json")
    written(tmp_path, {"metrics": {}, "schema_version": "9.0"}, "b.json")
    with pytest.raises(ValueError, match=r"report schema 9\.0"):
        gather(tmp_path / "b.json")
    content = json.loads(made.board_report().to_json(tmp_path / "good.json").read_text())
    written(tmp_path, content | {"provenance": {"dictionary": {"n_latents": [1]}}}, "c.json")
    with pytest.raises(ValueError, match=r"c\.json"):
        gather(tmp_path / "c.json")
    assert gather(tmp_path).other  # among others in a folder it is counted, and the good one is drawn
