"""Every paper's figures are drawn from results of its kinds, and say what they show."""

import re

import fiducial as fd
import pytest
from fiducial.figures.drawing import bounded, levels
from fiducial.metrics.score import Score

from . import made_results as made


def texts(path):
    return re.sub(r"<[^>]+>", " ", path.read_text())


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
        bounded(ax, [made.score("coverage", value, floor=0.3, ceiling=0.75) for value in (0.4, 0.6)])
        return ax

    ax = panel()
    levels_drawn = {round(line.get_ydata()[0], 3): line.get_linestyle() for line in ax.lines[1:]}
    assert levels_drawn == {0.3: ":", 0.75: "--"}
    low, high = ax.get_ylim()
    assert low < 0.3
    assert high > 0.75
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


def test_an_sae_without_one_of_two_scores_lends_its_colour_to_no_other():
    from fiducial.figures.ablations import _ablated
    from fiducial.figures.results import gather
    from fiducial.figures.style import look
    from matplotlib.colors import to_hex

    first, *rest = made.board_reports(tasks=True)
    bare = fd.Report(
        first.dictionary, first.testbed, {k: v for k, v in first.scores.items() if k != "scr_score"}, first.provenance
    )
    saes = gather([bare, *rest]).saes
    saes = [sae for sae in saes if sae.arch != saes[0].arch or not sae.has("scr_score")]
    fig = _ablated("othello-6x6", saes).figure
    values = {sae.scores["scr_score"].value: look(sae.arch)[1] for sae in saes if sae.has("scr_score")}
    drawn = {float(bar[0].get_ydata()[0]): to_hex(bar[0].get_color()) for bar in fig.axes[0].containers}
    assert drawn
    assert all(values[value] == colour for value, colour in drawn.items())


def test_a_checkpoint_of_step_0_stands_at_the_beginning():
    from dataclasses import replace

    from fiducial.figures.benchmark import _at
    from fiducial.figures.results import gather

    (sae,) = gather(made.board_report()).saes
    assert [_at(replace(sae, step=step), 400) for step in (0, 7, None)] == [1, 7, 400]


def test_a_matrix_with_little_room_has_some_of_every_architecture():
    from dataclasses import replace

    from fiducial.figures.ablations import spread_out
    from fiducial.figures.results import gather

    (sae,) = gather(made.board_report()).saes
    archs, sizes = ("standard", "topk", "matryoshka"), [(64, 4.0), (64, 8.0), (64, 16.0), (128, 4.0), (128, 8.0)]
    saes = [replace(sae, arch=arch, width=width, l0=l0) for arch in archs for width, l0 in sizes]
    kept = spread_out([*saes, replace(sae, arch="gated")], 8)
    assert [one.arch for one in kept] == ["standard"] * 2 + ["gated"] + ["topk"] * 2 + ["matryoshka"] * 3
    assert [(one.width, one.l0) for one in kept if one.arch == "topk"] == [sizes[0], sizes[-1]]
    assert len(spread_out(saes, 40)) == len(saes)
