"""Every paper's figures are drawn from results of its kinds, say what they show, and repeat to the byte."""

import json
import re

import fiducial as fd
import pytest
from fiducial.figures.drawing import bounded, levels
from fiducial.figures.results import gather
from fiducial.metrics.score import Score

from . import made_results as made


def written(folder, content, name):
    (folder / name).write_text(json.dumps(content))


@pytest.fixture
def everything(tmp_path):
    folder = tmp_path / "results"
    (folder / "saes").mkdir(parents=True)
    for report in [*made.board_reports(tasks=True), made.ioi_report("topk"), made.ioi_report("standard")]:
        report.to_json(folder / "saes" / f"{report.dictionary}@{report.testbed}.json")
    made.explained().to_json(folder / "topk.explanations.json")
    made.judged().to_json(folder / "judges.json")
    for name, content in (("m", made.makelov()), ("k", made.karvonen()), ("p", made.population())):
        written(folder, content, f"{name}.json")
    written(folder, {"something": "else"}, "foreign.json")
    (folder / ".shared").mkdir()
    written(folder / ".shared", {"hidden": 1}, "hidden.json")
    return folder


def texts(path):
    return re.sub(r"<[^>]+>", " ", path.read_text())


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


@pytest.mark.parametrize(
    ("paper", "figures"),
    [
        (
            "karvonen2024",
            {"proxies-othello-6x6", "measures-othello-6x6", "p-annealing-othello-6x6", "table-1", "masks"},
        ),
        (
            "makelov2024",
            {"approximation-ioi-tiny", "edits-ioi-tiny", "axes-ioi-tiny", "f1-ioi-tiny", "occlusion-ioi-tiny"},
        ),
        ("saebench", {"tasks-othello-6x6", "correlations-othello-6x6", "training-othello-6x6"}),
        ("paulo2024", {"agreement-othello-6x6", "distributions-othello-6x6", "examples-othello-6x6", "explained"}),
        ("shift-tpp", {"latents-othello-6x6", "l0-othello-6x6", "effects-othello-6x6"}),
    ],
)
def test_figures_of_a_paper(everything, tmp_path, paper, figures):
    draw = fd.figures.PAPERS[paper]
    paths = draw(everything, tmp_path / "a")
    names = {path.stem.removeprefix(f"{paper}-") for path in paths if path.suffix == ".svg"}
    assert names == figures
    captions = (tmp_path / "a" / f"{paper}.md").read_text()
    for path in paths[:-1]:
        assert f"## {path.stem}\n" in captions
        assert "<text" in path.read_text()  # letters stay letters
        assert "<dc:date>" not in path.read_text()
    assert captions.count("**In the paper.**") == len(paths) - 1
    assert "95 %" in captions
    assert "1 other JSON" in captions
    again = draw(everything, tmp_path / "b", command=f"fd.figures.{draw.__name__}(results, {str(tmp_path / 'a')!r})")
    for one, other in zip(paths, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_what_lacks_is_named_with_its_command(tmp_path):
    fd.figures.karvonen2024(made.board_report(), tmp_path)
    captions = (tmp_path / "karvonen2024.md").read_text()
    assert "- masks of the board: `fiducial reproduce karvonen2024" in captions
    assert "- p-annealing on othello-6x6" in captions
    with pytest.raises(ValueError, match=r"no figure of shift-tpp.*Missing: SCR and TPP.*fiducial saebench"):
        fd.figures.shift_tpp(made.board_report(), tmp_path)
    with pytest.raises(ValueError, match=r"no figure of paulo2024.*fiducial reproduce paulo2024"):
        fd.figures.paulo2024(made.board_report(), tmp_path)


def test_a_panel_without_results_says_so(tmp_path):
    reports = [
        fd.Report(r.dictionary, r.testbed, {k: v for k, v in r.scores.items() if k != "ravel_score"}, r.provenance)
        for r in made.board_reports(tasks=True)
    ]
    fd.figures.saebench(reports, tmp_path)
    drawn = texts(tmp_path / "saebench-tasks-othello-6x6.svg")
    assert "no RAVEL in these results" in drawn
    assert "**Missing here.** RAVEL: `fiducial saebench" in (tmp_path / "saebench.md").read_text()


def test_floors_ceilings_and_values_are_drawn_where_they_are(tmp_path):
    from fiducial.figures.style import grid, styled

    @styled
    def panel():
        _, axes = grid(1, 1)
        ax = axes[0][0]
        ax.plot([1, 2], [0.4, 0.6])
        bounded(ax, [made.score("coverage", 0.4, floor=0.3), made.score("coverage", 0.6, floor=0.3, ceiling=0.75)])
        return ax

    ax = panel()
    levels_drawn = {round(line.get_ydata()[0], 3): line.get_linestyle() for line in ax.lines[1:]}
    assert levels_drawn == {0.3: ":", 0.9: "--"}
    low, high = ax.get_ylim()
    assert low < 0.3
    assert high > 0.9
    assert {note.get_text() for note in ax.texts} == {"random dict.", "probes"}


def test_a_bound_far_away_is_named_at_the_edge():
    from fiducial.figures.style import grid

    _, axes = grid(1, 1)
    near = Score("coverage", 0.95, 0.94, 0.96, floors={"always on": 0.1})
    bounded(axes[0][0], [near])
    assert axes[0][0].get_ylim()[0] > 0.9
    assert [note.get_text() for note in axes[0][0].texts] == ["↓ always on 0.10"]


def test_best_levels_follow_the_direction():
    from fiducial.figures.drawing import strongest

    errors = [Score("absorption_error", 0.5, 0.4, 0.6, floors={"a": 0.9, "b": 0.7, "c": float("nan")})]
    assert strongest(levels(errors, "floors"), "absorption_error") == "b"
    assert strongest(levels(errors, "floors"), "coverage") == "a"


@pytest.mark.parametrize("kind", ["pdf", "png"])
def test_other_formats_repeat_too(tmp_path, kind):
    one = fd.figures.makelov2024(made.ioi_report(), tmp_path / "a", format=kind)
    two = fd.figures.makelov2024(made.ioi_report(), tmp_path / "b", format=kind)
    assert [p.read_bytes() for p in one[:-1]] == [p.read_bytes() for p in two[:-1]]
    with pytest.raises(ValueError, match="svg, pdf, png"):
        fd.figures.makelov2024(made.ioi_report(), tmp_path, format="gif")


def test_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        gather(tmp_path / "none")
    with pytest.raises(ValueError, match="no results in .*fiducial score"):
        gather(tmp_path)
    with pytest.raises(TypeError, match="got int"):
        gather([3])
    written(tmp_path, {"a": 1}, "a.json")
    with pytest.raises(ValueError, match="is other JSON"):
        gather(tmp_path / "a.json")
    written(tmp_path, {"metrics": {}, "schema_version": "9.0"}, "b.json")
    with pytest.raises(ValueError, match=r"report schema 9\.0"):
        gather(tmp_path / "b.json")
