"""Table 1 of Karvonen et al. 2024 as bars, and what the masks of the board are worth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.score import Score
from .drawing import halo
from .naming import SAE
from .results import Results
from .style import GREY, Drawn, below, grid, styled

PUBLISHED: dict[str, dict[str, tuple[float, float]]] = {  # table 1: coverage, reconstruction
    "chess": {"random model": (0.11, 0.01), "best SAE": (0.48, 0.85), "probes": (0.98, 0.98)},
    "othello": {"random model": (0.27, 0.08), "best SAE": (0.52, 0.95), "probes": (0.99, 0.99)},
}
ROWS = ("random model", "best SAE", "probes")
FILL = {"random model": "#bdbdbd", "best SAE": "#0072b2", "probes": "#e69f00"}
HATCH = {"random model": "///", "best SAE": "", "probes": "..."}
MASKS = {
    "chess": {"piece": "nothing\nmasked", "piece, blank masked": "blank\nmasked",
              "piece, blank and initial masked": "blank and\nstart masked"},
    "othello": {"mine/yours": "nothing\nmasked", "mine/yours, blank masked": "blank\nmasked"},
}  # fmt: skip


@styled
def table1(found: Results, testbeds: Sequence[str]) -> Drawn:
    """Coverage and reconstruction of the board: SAE of a random model, best SAE, probes."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    measures = ("coverage", "reconstruction")
    fig, axes = grid(1, 2, size=(max(2.6, 1.1 + 1.15 * len(testbeds)), 2.5), extra=0.4)
    told: list[str] = []
    for column, (ax, measure) in enumerate(zip(axes[0], measures, strict=True)):
        for place, testbed in enumerate(testbeds):
            saes = found.on(testbed, measure)
            scored = [(sae, score) for sae in saes if (score := sae.group(measure, "board")) is not None]
            best, score = max(scored, key=lambda one: one[1].value)
            bars = {
                "random model": _bound(scored, "random-model SAE", "floors"),
                "best SAE": (score.value, score.low, score.high),
                "probes": _bound(scored, "", "ceilings"),
            }
            told.append(
                f"{testbed} {measure}: {best.name}, {score.value:.3f} [{score.low:.3f}, {score.high:.3f}] of "
                f"{len(scored)}"
            )
            for number, row in enumerate(ROWS):
                x = place + (number - 1) * 0.27
                value, low, high = bars[row]
                if math.isnan(value):
                    ax.text(x, 0.01, "none", ha="center", va="bottom", fontsize=6, rotation=90, color=GREY)
                    continue
                ax.bar(x, value, 0.25, color=FILL[row], hatch=HATCH[row], edgecolor="white", linewidth=0.4)
                if not math.isnan(low):
                    ax.errorbar(
                        x,
                        value,
                        yerr=[[max(0, value - low)], [max(0, high - value)]],
                        fmt="none",
                        ecolor="black",
                        elinewidth=0.9,
                    )
                paper = PUBLISHED[_game(testbed)][row][column] if _game(testbed) else math.nan
                top = max(value, high if not math.isnan(high) else value)
                top = paper if top - 0.02 < paper < top + 0.1 else top
                halo(
                    ax.text(x, top + 0.02, f"{value:.2f}".lstrip("0"), ha="center", va="bottom", fontsize=6.5, zorder=5)
                )
                ax.plot([x - 0.12, x + 0.12], [paper, paper], color="black", linewidth=1.1, linestyle=(0, (1.5, 1)))
        ax.set_xticks(range(len(testbeds)), testbeds)
        ax.set_ylim(0, 1.08)
        ax.set_ylabel(f"{measure} of the board ↑")
        ax.tick_params(axis="x", length=0)
    handles: list[Any] = [
        Patch(facecolor=FILL["random model"], hatch="///", edgecolor="white", label="SAE of a random model (floor)"),
        Patch(facecolor=FILL["best SAE"], label="best SAE at hand"),
        Patch(
            facecolor=FILL["probes"],
            hatch="...",
            edgecolor="white",
            label="probes or least squares, the better (ceiling)",
        ),
        Line2D(
            [], [], color="black", linestyle=(0, (1.5, 1)), linewidth=1.1, label="published, same game, other model"
        ),
    ]
    below(fig, handles)
    return Drawn(
        "karvonen2024-table-1",
        fig,
        "Coverage and reconstruction of the group `board`, on held-out games. The best SAE is a maximum over those at "
        f"hand, taken for each measure on its own, and so a little flattered: {'; '.join(told)}. Bars of intervals are "
        "95 % over games.",
        "Table 1 has these rows for ChessGPT and OthelloGPT, as maxima over more than 500 SAEs a game: coverage .48 "
        "and reconstruction .85 on chess, .52 and .95 on Othello, .11/.01 and .27/.08 for SAEs of a random model, "
        ".98/.98 and .99/.99 for probes. The published protocols choose and score on the same games, divide Othello's "
        "coverage by properties that cannot occur, and use larger models, so levels cannot be compared, only the "
        "order.",
    )


def _bound(scored: Sequence[tuple[SAE, Score]], name: str, kind: str) -> tuple[float, float, float]:
    """The best value of a floor or ceiling with its interval; NaN where there is none."""
    best = (math.nan, math.nan, math.nan)
    for sae, score in scored:
        for full, value in getattr(score, kind).items():
            if not full.startswith(name) or not (math.isnan(best[0]) or value > best[0]):
                continue
            control = next((by[m] for m in ("coverage", "reconstruction") if m == score.metric
                            and m in (by := sae.controls.get(full, {}))), None)  # fmt: skip
            low, high = control.group_intervals.get("board", (math.nan, math.nan)) if control else (math.nan, math.nan)
            best = (value, low, high)
    return best


def _game(testbed: str) -> str:
    return next((game for game in PUBLISHED if game in testbed), "")


@styled
def masks(reproductions: Sequence[Mapping[str, Any]]) -> Drawn:
    """What counting blank squares and the start position does to the published measures."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    measures = ("coverage", "reconstruction")
    fig, axes = grid(len(reproductions), 2, size=(3.3, 2.2), extra=0.35)
    rows = {"random": "random model", "trained": "best SAE", "probe": "probes"}
    for line, made in enumerate(reproductions):
        names = MASKS["chess" if "piece" in {c["function"] for c in made["cells"]} else "othello"]
        for ax, measure in zip(axes[line], measures, strict=True):
            for place, function in enumerate(names):
                for number, (row, label) in enumerate(rows.items()):
                    cell = _cell(made, function, row, measure, "as published")
                    if cell is None:
                        continue
                    x = place + (number - 1) * 0.27
                    ax.bar(
                        x, cell["value"], 0.25, color=FILL[label], hatch=HATCH[label], edgecolor="white", linewidth=0.4
                    )
                    told = f"{cell['value']:.2f}".lstrip("0")
                    halo(ax.text(x, 0.015, told, ha="center", va="bottom", fontsize=6.3, zorder=5))
                    held = _cell(made, function, row, measure, "held-out")
                    if held is not None and held["value"] is not None:
                        low, high = (held[end] if held[end] is not None else held["value"] for end in ("low", "high"))
                        ax.errorbar(
                            x, held["value"], yerr=[[max(0, held["value"] - low)], [max(0, high - held["value"])]],
                            fmt="o", color="black", markersize=2.5, elinewidth=0.9, markerfacecolor="white",
                            markeredgewidth=0.8,
                        )  # fmt: skip
                    if cell["floor"] is not None:
                        ax.plot(
                            [x - 0.12, x + 0.12], [cell["floor"]] * 2, color="#d55e00", linestyle=":", linewidth=1.2
                        )
            ax.set_xticks(range(len(names)), list(names.values()))
            ax.tick_params(axis="x", length=0)
            ax.set_ylim(0, 1.1)
            ax.set_ylabel(f"{measure} ↑")
            ax.set_title(f"{made['name']}, {made['n_games']} games", loc="left")
    handles: list[Any] = [
        Patch(facecolor=FILL[name], hatch=HATCH[name], edgecolor="white", label=label)
        for name, label in (
            ("random model", "SAE of a random model"),
            ("best SAE", "best SAE"),
            ("probes", "linear probes"),
        )
    ]
    handles += [
        Line2D(
            [], [], marker="o", color="black", markerfacecolor="white", markersize=3, label="the same, held out, 95 %"
        ),
        Line2D([], [], color="#d55e00", linestyle=":", label="floor: always on"),
    ]
    below(fig, handles)
    return Drawn(
        "karvonen2024-masks",
        fig,
        "The published measures with more and more of the board masked (bars), the held-out ones of the same functions "
        "with 95 % intervals over games (circles; of properties that occur often enough only), and what an always-on "
        "latent scores (dotted). From "
        + "; ".join(
            f"{made['name']}: {made['n_dictionaries'].get('trained', 0)} SAEs, "
            f"{made['n_dictionaries'].get('random', 0)} of a "
            "random model"
            for made in reproductions
        )
        + ".",
        "The paper masks the start position and the blank squares in its chess board state. Its released results show "
        "why: the reconstruction by SAEs of a random model falls from .482 (nothing masked) and .444 (blank) to .005, "
        "that of trained SAEs stays at .79 to .84.",
    )


def _cell(made: Mapping[str, Any], function: str, row: str, measure: str, way: str) -> Mapping[str, Any] | None:
    for cell in made["cells"]:
        if (cell["function"], cell["row"], cell["metric"], cell["way"]) == (function, row, measure, way):
            return cell if cell["value"] is not None else None
    return None
