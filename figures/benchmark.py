"""SAEBench (Karvonen et al. 2025): eight metrics against L0, how they rank SAEs together, and what training does.

The paper trains over 200 SAEs of eight architectures on two language models. Here the SAEs are of worlds whose truth
is known, so that one of the panels is the truth, and every task has a form that uses it beside the published one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..curves.result import Curve
from ..metrics.score import Score
from ..reporting.identity import architecture
from .benchmark_matrix import correlations
from .drawing import against_l0, arrow, bounded, empty, sparsity_axis, width_handles
from .naming import SAE
from .results import gather, names_of
from .style import Drawn, Gallery, below, grid, legend, look, styled

SOURCE = "Karvonen et al.: SAEBench (2025, arXiv 2503.09532)"
FEWEST = 4  # SAEs on a testbed; fewer are no curve


@dataclass(frozen=True)
class Panel:
    """One of the eight.

    Attributes:
        title: of the panel.
        metrics: the first of them that most of the dictionaries have is drawn.
        command: that measures it.
    """

    title: str
    metrics: tuple[str, ...]
    command: str


_TASKS = "fiducial saebench SAES... -t {testbed} -o results"
_CORE = "fiducial score SAES... -t {testbed} -o results"
TRUTH = Panel("truth", ("recovery_score", "mcc_score", "coverage"), _CORE)
PANELS: tuple[Panel, ...] = (
    Panel("loss recovered", ("ce_recovered_zero_score", "explained_variance_score"), _CORE),
    TRUTH,
    Panel("sparse probing, 1 latent", ("probing_k1_score",), _TASKS),
    Panel("SCR", ("scr_score",), _TASKS),
    Panel("TPP", ("tpp_score",), _TASKS),
    Panel("absorption", ("absorption_error",), _TASKS),
    Panel("RAVEL", ("ravel_score",), _TASKS),
    Panel("unlearning", ("unlearning_score",), _TASKS),
)
PUBLISHED: tuple[Panel, ...] = (
    Panel("explained variance", ("explained_variance_legacy_score", "explained_variance_score"), _CORE),
    Panel("autointerp", ("autointerp_saebench_score", "autointerp_score", "meta_structure_saebench_error"), _TASKS),
    Panel("sparse probing, 1 latent", ("probing_saebench_score",), _TASKS),
    Panel("SCR", ("scr_saebench_score",), _TASKS),
    Panel("TPP", ("tpp_saebench_score",), _TASKS),
    Panel("absorption, full", ("absorption_full_saebench_error",), _TASKS),
    Panel("RAVEL", ("ravel_saebench_score",), _TASKS),
    Panel("unlearning", ("unlearning_saebench_score",), _TASKS),
)
NAMES = {
    "l0": "L0",
    "recovery_score": "recovery of the true dictionary", "mcc_score": "MCC with the true dictionary",
    "coverage": "coverage of the labels", "explained_variance_score": "explained variance",
    "meta_structure_saebench_error": "meta-structure",
}  # fmt: skip


def saebench(results: Any, out: str | Path, *, format: str = "svg", command: str = "") -> list[Path]:
    """Draw the counterparts of the paper's figures from results at hand.

    Args:
        results: files, folders, reports, or what `gather` made of them.
        out: folder for the figures and `saebench.md`, which says what they show.
        format: svg, pdf or png.
        command: that asked for it, for the captions.

    Returns:
        The files written.

    Raises:
        ValueError: nothing that could be drawn; says which command makes it.
    """
    found = gather(results)
    gallery = Gallery("saebench", SOURCE)
    for testbed in found.testbeds("l0", least=1) or []:
        saes = [sae for sae in found.on(testbed) if not math.isnan(sae.l0)]
        for name, panels in (("tasks", PANELS), ("published", PUBLISHED)):
            there = [panel for panel in panels if _chosen(panel, saes) is not None]
            if len(saes) < FEWEST or len(there) < 3:
                if name == "tasks":
                    lacking = (
                        f"{len(there)} of 8 panels on {testbed}"
                        if len(saes) >= FEWEST
                        else f"{len(saes)} SAEs on {testbed}, {FEWEST} are needed"
                    )
                    gallery.lacks(f"metrics against L0: {lacking}", _TASKS.format(testbed=testbed))
                continue
            gallery.add(_eight(testbed, saes, panels, name))
        if (drawn := correlations(testbed, [sae for sae in saes if len(sae.scores) > 1])) is not None:
            gallery.add(drawn)
    for testbed in dict.fromkeys(sae.testbed for sae in found.saes if sae.step is not None):
        gallery.add(_training(testbed, found.on(testbed, checkpoints=True)))
    for number, curve in enumerate(found.curves):
        gallery.add(_curve(curve, number))
    if not found.curves and not any(sae.step is not None for sae in found.saes):
        gallery.lacks(
            "scores along training",
            "fiducial zoo -t othello-6x6 --checkpoints 4 -o zoo; fiducial curve zoo/othello-6x6 -t othello-6x6 -o "
            "results",
        )
    if not gallery.drawn and not gallery.missing:
        gallery.lacks("scores of SAEs with their L0", _TASKS.format(testbed="othello-6x6"))
    return gallery.write(out, format, command or f"fd.figures.saebench(results, {str(out)!r})", found.told())


def _chosen(panel: Panel, saes: Sequence[SAE]) -> str | None:
    """The metric of a panel that most dictionaries have; the first of equals."""
    counts = {metric: sum(sae.has(metric) for sae in saes) for metric in panel.metrics}
    best = max(counts.values(), default=0)
    return next((metric for metric in panel.metrics if counts[metric] == best and best > 1), None)


@styled
def _eight(testbed: str, saes: Sequence[SAE], panels: Sequence[Panel], name: str) -> Drawn:
    """Eight metrics against L0."""
    fig, axes = grid(2, 4, size=(2.6, 2.2), extra=0.4)
    missing: list[tuple[str, str]] = []
    used: list[SAE] = []
    widths = sorted({sae.width for sae in saes if sae.width})
    bare = False
    for ax, panel in zip(axes.ravel(), panels, strict=True):
        metric = _chosen(panel, saes)
        if metric is None:
            how = panel.command.format(testbed=testbed)
            empty(ax, f"no {panel.title} in these results", how)
            missing.append((panel.title, how))
            continue
        drawn = [sae for sae in saes if sae.has(metric)]
        used += [sae for sae in drawn if sae not in used]
        scores = [sae.scores[metric] for sae in drawn]
        bare = bare or any(math.isnan(score.low) for score in scores)
        against_l0(ax, drawn, scores, widths=widths)
        sparsity_axis(ax, saes, "L0")
        bounded(ax, scores, also=("random dictionary",), l0s=[sae.l0 for sae in drawn])
        title = (
            NAMES.get(metric, panel.title)
            if panel.title in ("truth", "autointerp", "loss recovered") and metric in NAMES
            else panel.title
        )
        ax.set_title(title, loc="left")
        ax.set_ylabel(
            f"{metric.replace('_', ' ').replace(' saebench', '').replace(' legacy', '')} {arrow(metric)}", fontsize=7
        )
    legend(fig, [sae.arch for sae in used], more=width_handles(widths))
    form = "in the forms that use the truth" if name == "tasks" else "in the published forms"
    return Drawn(
        f"saebench-{name}-{testbed}",
        fig,
        f"Metrics {form}, against L0, of {names_of(used)}, on {testbed}. An arrow says which way is better. "
        + (
            "Bars are 95 % intervals over games of one training each; scores of `fiducial reproduce saebench` come "
            "without. "
            if bare
            else "Bars are 95 % intervals over games, of one training each. "
        )
        + "Dotted are the best floor and the random dictionary, dashed the best ceiling; those out of sight are "
        "named at "
        "the edge with an arrow.",
        "The paper has eight metrics (loss recovered, autointerp, absorption, SCR, TPP, sparse probing, RAVEL, "
        "unlearning) against L0 for eight architectures, on Pythia-160M and Gemma-2-2B and up to 65k latents. There "
        "every metric is in its published "
        "form, without intervals, floors or ceilings, and nothing is known of the truth. Autointerp needs explanations "
        "and is drawn only where they were scored.",
        tuple(missing),
    )


@styled
def _training(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """Scores of checkpoints against the step, one line an SAE at the middle L0."""
    runs: dict[tuple[str, int, float, int | None], list[SAE]] = {}
    for sae in saes:
        stem = sae.name.partition("@")[0]
        aimed = sae.name.partition("l0-")[2].partition("-")[0]
        if sae.step is not None or any(other.name.startswith(stem + "@") for other in saes):
            runs.setdefault((sae.arch, sae.width, float(aimed) if aimed else sae.l0, sae.seed), []).append(sae)
    runs = {key: members for key, members in runs.items() if sum(sae.step is not None for sae in members) > 1}
    aims = sorted({key[2] for key in runs})
    middle = aims[len(aims) // 2] if aims else math.nan
    chosen = {key: members for key, members in runs.items() if key[2] == middle}
    wanted = [
        metric
        for metric in (
            "explained_variance_score",
            "ce_recovered_zero_score",
            "coverage",
            "reconstruction",
            "absorption_error",
            "tpp_score",
            "recovery_score",
            "l0",
        )
        if sum(sae.has(metric) for members in chosen.values() for sae in members) > 2 * len(chosen)
    ][:4]
    fig, axes = grid(1, max(2, len(wanted)), size=(2.6, 2.35), extra=0.4)
    last = max((sae.step for members in runs.values() for sae in members if sae.step is not None), default=1)
    end = last * 4
    for ax, metric in zip(axes[0], wanted, strict=False):
        scores: list[Score] = []
        for (arch, _, _, _), members in sorted(chosen.items(), key=lambda one: str(one[0])):
            mine = sorted((sae for sae in members if sae.has(metric)), key=lambda sae: _at(sae, end))
            x = [_at(sae, end) for sae in mine]
            found = [sae.scores[metric] for sae in mine]
            scores += found
            _, colour, marker = look(arch)
            ax.plot(
                x,
                [score.value for score in found],
                color=colour,
                marker=marker,
                markersize=4,
                linewidth=1.1,
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
            if not any(math.isnan(score.low) for score in found):
                ax.fill_between(
                    x, [s.low for s in found], [s.high for s in found], color=colour, alpha=0.15, linewidth=0
                )
        ax.set_xscale("log")
        steps = sorted({sae.step for members in chosen.values() for sae in members if sae.step is not None})
        ax.set_xticks([*steps, end], [*map(str, steps), "end"])
        ax.minorticks_off()
        ax.set_xlabel("step of the training")
        ax.set_ylabel(
            f"{NAMES.get(metric, metric.removesuffix('_score').replace('_', ' '))} "
            f"{arrow(metric) if metric != 'l0' else ''}"
        )
        bounded(ax, scores)
    for ax in axes[0][len(wanted) :]:
        ax.set_visible(False)
    legend(fig, [key[0] for key in chosen])
    members = [sae for group in chosen.values() for sae in group]
    return Drawn(
        f"saebench-training-{testbed}",
        fig,
        f"Scores of checkpoints along training of {len(chosen)} SAEs with an L0 of {middle:g} aimed at, {len(members)} "
        f"results on {testbed}; the end of the training stands at the right edge. Bands are 95 % intervals over games "
        "where the results have them. Early in training the L0 of penalised architectures is far from the one aimed "
        "at.",
        "The paper follows metrics along 500M tokens of training: absorption grows. "
        "There two architectures on one model; the trainings here are short.",
    )


def _at(sae: SAE, end: int) -> int:
    """Where a checkpoint stands along a logarithmic axis of steps; a finished SAE stands at its end."""
    return end if sae.step is None else max(sae.step, 1)


@styled
def _curve(curve: Curve, number: int) -> Drawn:
    """A curve of scores along training, as `fiducial curve` writes it."""
    fig, axes = grid(1, len(curve.metrics) + 1, size=(2.75, 2.35), extra=0.5)
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    for ax, metric in zip(axes[0], [*curve.metrics, "l0"], strict=True):
        scores: list[Score] = []
        for place, run in enumerate(curve.runs):
            arch = str(curve.runs[run].get("arch") or architecture(run))
            _, colour, marker = look(arch)
            points = curve.of(run)
            x = [max(point.rows, 1) for point in points]
            bounds: Mapping[str, Any] = curve.bounds.get(run, {})
            if metric == "l0":
                y = [point.l0 for point in points]
            else:
                known = bounds.get(metric)
                found = [
                    Score(
                        metric,
                        one.value,
                        one.low,
                        one.high,
                        floors=known.floors if known else {},
                        ceilings=known.ceilings if known else {},
                    )
                    for one in (point.scores[metric] for point in points)
                ]
                scores += found
                y = [score.value for score in found]
                ax.fill_between(
                    x, [s.low for s in found], [s.high for s in found], color=colour, alpha=0.15, linewidth=0
                )
            style = ("-", "--", ":", "-.")[place % 4]
            ax.plot(x, y, color=colour, marker=marker, markersize=3.5, linewidth=1.1, linestyle=style)
            if metric == "l0":
                handles.append(Line2D([], [], color=colour, marker=marker, markersize=4, linestyle=style, label=run))
        ax.set_xscale("log")
        ax.set_xlabel("activations seen")
        ax.set_ylabel("L0" if metric == "l0" else f"{metric.replace('_', ' ')} {arrow(metric)}")
        bounded(ax, scores)
    below(fig, handles[:16])
    return Drawn(
        f"saebench-curve-{curve.about['testbed']}" + (f"-{number + 1}" if number else ""),
        fig,
        f"Scores along training of {len(curve.runs)} runs on {curve.about['testbed']}, {curve.about['games']} games, "
        f"{len(curve.points)} points; bands are 95 % intervals over games, of one training each. Floors are dotted, "
        "ceilings dashed, those of each run's last point.",
        "The paper follows metrics along 500M tokens of training; there no intervals, floors or ceilings.",
    )
