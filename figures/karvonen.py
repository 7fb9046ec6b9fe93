"""Karvonen et al. 2024 (arXiv 2408.00113): proxies against board-state measures, p-annealing, table 1, masks.

The paper measures progress in dictionary learning on SAEs of a chess and an Othello model: coverage (is there a latent
for each property of the board) and reconstruction of the board, beside the usual loss recovered and L0.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..metrics.score import Score
from .drawing import (
    CEILING,
    SHORT,
    against_l0,
    arrow,
    beside,
    bounded,
    empty,
    levels,
    point,
    sparsity_axis,
    strongest,
    width_handles,
)
from .karvonen_bars import masks, table1
from .naming import SAE
from .results import gather, names_of
from .style import (
    FAINT,
    GREY,
    SEQUENTIAL,
    Drawn,
    Gallery,
    grid,
    legend,
    look,
    ordered,
    styled,
)

SOURCE = (
    "Karvonen et al.: Measuring Progress in Dictionary Learning for Language Model Interpretability with Board Game "
    "Models (2024, arXiv 2408.00113)"
)
MEASURES = ("coverage", "reconstruction")
PROXIES = {"ce_recovered_zero_score": "loss recovered", "explained_variance_score": "explained variance"}
BOARD = "board"
SCORE = "fiducial score SAES... -t othello-6x6 -n 200 -o results"


def karvonen2024(results: Any, out: str | Path, *, format: str = "svg", command: str = "") -> list[Path]:
    """Draw the counterparts of the paper's figures from results at hand.

    Args:
        results: files, folders, reports, or what `gather` made of them.
        out: folder for the figures and `karvonen2024.md`, which says what they show.
        format: svg, pdf or png.
        command: that asked for it, for the captions.

    Returns:
        The files written.

    Raises:
        ValueError: nothing that could be drawn; says which command makes it.
    """
    found = gather(results)
    gallery = Gallery("karvonen2024", SOURCE)
    boards = found.testbeds(*MEASURES)
    boards = [
        name
        for name in boards
        if all(any(BOARD in sae.scores[m].groups for sae in found.on(name, *MEASURES)) for m in MEASURES)
    ]
    for testbed in boards:
        saes = found.on(testbed, *MEASURES)
        proxied = [sae for sae in saes if sae.has("l0") and any(sae.has(name) for name in PROXIES)]
        if len(proxied) >= 3:
            gallery.add(_proxies(testbed, proxied))
        else:
            gallery.lacks(
                f"proxies on {testbed}: {len(proxied)} dictionaries, 3 are needed",
                SCORE.replace("othello-6x6", testbed),
            )
        gallery.add(_measures(testbed, saes))
        annealed = [sae for sae in saes if sae.arch in ("p_anneal", "gated_anneal")]
        if annealed and any(sae.arch in ("standard", "gated") for sae in saes):
            gallery.add(_annealing(testbed, saes))
        else:
            gallery.lacks(
                f"p-annealing on {testbed}: dictionaries of p_anneal and standard",
                f"fiducial zoo -t {testbed} --arch standard,p_anneal -o zoo; fiducial score zoo/{testbed}/* -t "
                f"{testbed} -o results",
            )
    if boards:
        gallery.add(table1(found, boards))
    else:
        gallery.lacks("coverage and reconstruction of a board", SCORE)
    if found.karvonen:
        gallery.add(masks(found.karvonen))
    else:
        gallery.lacks("masks of the board", "fiducial reproduce karvonen2024 -t chess-small -n 200 -o results")
    return gallery.write(out, format, command or f"fd.figures.karvonen2024(results, {str(out)!r})", found.told())


@styled
def _proxies(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """L0 against proxies, coloured by coverage and by reconstruction."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    rows = [name for name in PROXIES if any(sae.has(name) for sae in saes)]
    fig, axes = grid(len(rows), 2, size=(3.3, 2.35), extra=0.35)
    for column, measure in enumerate(MEASURES):
        values = [(score.value if (score := sae.group(measure, BOARD)) else sae.scores[measure].value) for sae in saes]
        norm, colours = Normalize(min(values), max(values)), mpl.colormaps[SEQUENTIAL]
        for row, proxy in enumerate(rows):
            ax = axes[row][column]
            drawn = [(sae, value) for sae, value in zip(saes, values, strict=True) if sae.has(proxy)]
            for sae, value in drawn:
                point(ax, sae.l0, sae.scores[proxy], sae.arch, colour=colours(norm(value)), size=5.5)
            at_l0 = "L0, latents active a position" if row == len(rows) - 1 else ""
            sparsity_axis(ax, [sae for sae, _ in drawn], at_l0)
            scores = [sae.scores[proxy] for sae, _ in drawn]
            bounded(ax, scores, names=column == 1, l0s=[sae.l0 for sae, _ in drawn])
            _towards_one(ax, scores)
            ax.set_ylabel(f"{PROXIES[proxy]} ↑" if column == 0 else "")
        scale = ScalarMappable(norm, colours)
        bar = fig.colorbar(scale, ax=list(axes[:, column]), location="top", shrink=0.75, aspect=28)
        bar.set_label(f"colour: {measure} of the board", fontsize=8)
        bar.outline.set_linewidth(0)
    legend(fig, [sae.arch for sae in saes], coloured=False)
    best = {m: max(saes, key=lambda s, m=m: one.value if (one := s.group(m, BOARD)) else -1.0) for m in MEASURES}
    told = "; ".join(
        f"best {m} of the board {_told(s.group(m, BOARD))} by {s.name} (L0 {s.l0:.3g})" for m, s in best.items()
    )
    return Drawn(
        f"karvonen2024-proxies-{testbed}",
        fig,
        f"L0 against {' and '.join(PROXIES[name] for name in rows)} of {names_of(saes)}, on {testbed}. A shape is an "
        f"architecture, a colour the coverage (left) or reconstruction (right) of the group `{BOARD}`; {told}. The "
        "upright axes are stretched towards 1, the ceiling, which lies at infinity. Bars are 95 % intervals over "
        "games, "
        "mostly shorter than the marks; dotted is the best floor of each L0.",
        "The paper plots L0 against loss recovered for SAEs of ChessGPT and OthelloGPT, coloured by coverage and by "
        "reconstruction, with one marker an architecture: SAEs that lie alike by the proxies differ in both measures. "
        "There the measures are chosen and scored on the same games, and have no intervals, floors or ceilings; here "
        "they are held out. Ours also shows the explained variance.",
    )


def _towards_one(ax: Any, scores: Sequence[Score]) -> None:
    """Stretch an upright axis towards 1, where shares recovered crowd; left as it is if one lies above."""
    values = [value for score in scores for value in (score.value, score.high) if value == value]
    if not values or max(values) >= 1:
        return
    import numpy as np

    low, top = ax.get_ylim()[0], 1 - (1 - max(values)) / 1.6

    def forward(y: Any) -> Any:
        return -np.log10(np.maximum(1 - np.asarray(y, float), 1e-6))

    def backward(z: Any) -> Any:
        return 1 - 10.0 ** -np.asarray(z, float)

    ax.set_yscale("function", functions=(forward, backward))
    ticks = [t for t in (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999) if low <= t <= top]
    while len(ticks) > 7:
        ticks = ticks[::2]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_ylim(low, top)
    for note in ax.texts:  # names of bounds keep the height of their lines
        place = getattr(note, "bound_at", None)
        if place is not None:
            share = (forward(place) - forward(low)) / (forward(top) - forward(low))
            if place >= top:
                note.set_text(f"↑ {note.get_text().removeprefix('↑ ')}")
            note.set_position((1.015, float(np.clip(share, 0, 1))))


@styled
def _measures(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """Coverage against reconstruction, of the board and of all groups."""
    from matplotlib.lines import Line2D

    fig, axes = grid(1, 2, size=(3.5, 3.0), extra=0.5)
    widths = sorted({sae.width for sae in saes if sae.width})
    for ax, group in zip(axes[0], (BOARD, None), strict=True):
        pairs = [(sae, *(_of(sae, measure, group) for measure in MEASURES)) for sae in saes]
        drawn = [(sae, x, y) for sae, x, y in pairs if x is not None and y is not None]
        for sae, x, y in drawn:
            point(ax, x, y, sae.arch, filled=not widths or sae.width in (0, widths[-1]))
        xs, ys = [x for _, x, _ in drawn], [y for _, _, y in drawn]
        _room(ax, xs, ys)
        _controls(ax, xs, ys)
        ax.set_xlabel(f"coverage, {'the board' if group else 'mean over groups'} →")
        ax.set_ylabel(f"reconstruction, {'the board' if group else 'mean over groups'} ↑")
    more: list[Any] = [
        Line2D([], [], linestyle="none", marker="x", color=GREY, markersize=4.5, label="floor"),
        Line2D([], [], linestyle="none", marker=CEILING, color="black", markersize=6.5, label="ceiling"),
    ]
    if len(widths) > 1:
        label = f"open: {', '.join(map(str, widths[:-1]))} latents, filled: {widths[-1]}"
        hollow = {"markerfacecolor": "white", "markeredgecolor": GREY, "markersize": 4.5}
        more.append(Line2D([], [], linestyle="none", marker="o", label=label, **hollow))
    legend(fig, [sae.arch for sae in saes], more=more)
    return Drawn(
        f"karvonen2024-measures-{testbed}",
        fig,
        f"Coverage against reconstruction of {names_of(saes)}, on {testbed}: left of the group `{BOARD}`, right the "
        "mean over all feature groups. Bars are 95 % intervals over games, mostly shorter than the marks. Crosses are "
        "floors, asterisks ceilings (supervised), each at its own two values; dotted lines are the best floor of each "
        "axis, dashed lines the best ceiling. What lies between the dotted and the dashed lines in both directions "
        "knows "
        "more than what deserves no credit.",
        "The paper compares coverage and reconstruction of the same SAEs across architectures. There the two maxima "
        "come from different SAEs and nothing is drawn of neurons; its table has a random model and probes.",
    )


def _of(sae: SAE, measure: str, group: str | None) -> Score | None:
    return sae.scores[measure] if group is None else sae.group(measure, group)


def _controls(ax: Any, xs: Sequence[Score], ys: Sequence[Score]) -> None:
    """Floors as crosses, ceilings as asterisks, where both measures are known of them, with their names."""
    names: list[tuple[str, float, float]] = []
    for kind, marker, colour, size in (("floors", "x", GREY, 4.5), ("ceilings", CEILING, "black", 6.5)):
        x, y = levels(xs, kind), levels(ys, kind)
        for name in x:
            if name in y:
                at = (max(x[name]), max(y[name]))
                style: dict[str, Any] = {"color": colour, "markersize": size, "markeredgewidth": 1.0}
                ax.plot(*at, marker=marker, linestyle="none", zorder=2.5, **style)
                names.append((SHORT.get(name, name), *at))
    beside(ax, names, [(x.value, y.value) for x, y in zip(xs, ys, strict=True)])


def _room(ax: Any, xs: Sequence[Score], ys: Sequence[Score]) -> None:
    """Limits that hold everything, and the lines of the best floor and the best ceiling."""
    for scores, line, limits in ((xs, ax.axvline, ax.set_xlim), (ys, ax.axhline, ax.set_ylim)):
        values = [v for score in scores for v in (score.value, score.low, score.high) if v == v]
        for kind, style in (("floors", ":"), ("ceilings", "--")):
            there = levels(scores, kind)
            values += [v for pair in there.values() for v in pair]
            if (name := strongest(there, "coverage")) is not None:
                line(there[name][1], color=FAINT, linestyle=style, linewidth=0.9, zorder=0.5)
        low, high = min(values), max(values)
        pad = 0.06 * (high - low)
        limits(low - pad, high + 1.5 * pad)


@styled
def _annealing(testbed: str, saes: Sequence[SAE]) -> Drawn:
    """P-annealed SAEs against those with a plain L1 penalty, at several L0s."""
    kept = [sae for sae in saes if sae.arch in ("standard", "p_anneal", "gated", "gated_anneal") and sae.l0 == sae.l0]
    widths = sorted({sae.width for sae in kept if sae.width})
    panels: list[tuple[str, str, str | None]] = [
        ("coverage of the board", "coverage", BOARD),
        ("reconstruction of the board", "reconstruction", BOARD),
        ("loss recovered", "ce_recovered_zero_score", None),
    ]
    fig, axes = grid(1, 3, size=(2.75, 2.4), extra=0.35)
    missing: list[tuple[str, str]] = []
    for ax, (title, metric, group) in zip(axes[0], panels, strict=True):
        pairs = [(sae, score) for sae in kept if sae.has(metric) and (score := _of(sae, metric, group)) is not None]
        if not pairs:
            how = SCORE.replace("othello-6x6", testbed)
            empty(ax, f"no {title} in these results", how)
            missing.append((title, how))
            continue
        against_l0(ax, [sae for sae, _ in pairs], [score for _, score in pairs], widths=widths)
        sparsity_axis(ax, [sae for sae, _ in pairs])
        also = ("random dictionary", "random-model SAE")
        bounded(ax, [score for _, score in pairs], also=also, l0s=[sae.l0 for sae, _ in pairs])
        ax.set_ylabel(f"{title} {arrow(metric)}")
    legend(fig, [sae.arch for sae in kept], more=width_handles(widths))
    names = " and ".join(look(arch)[0] for arch in ordered(sae.arch for sae in kept))
    return Drawn(
        f"karvonen2024-p-annealing-{testbed}",
        fig,
        f"{names} against L0, {names_of(kept)}, on {testbed}. Bars are 95 % intervals over games of one training each; "
        "two seeds differ by more. Floors are dotted, the best ceiling is dashed.",
        "The paper's p-annealing (an Lp penalty whose p falls from 1 to .2) brings Standard SAEs to where Gated ones "
        "are in coverage and reconstruction. There one SAE a setting and no "
        "intervals; here the SAEs are small and trained for minutes.",
        tuple(missing),
    )


def _told(score: Score | None) -> str:
    if score is None:
        return "unknown"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
