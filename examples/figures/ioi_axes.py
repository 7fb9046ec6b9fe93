"""Task SAEs against supervised codes on an IOI model: sufficiency, necessity and edits of few latents.

    python examples/figures/ioi_axes.py --out figures

The comparison of Makelov, Lange and Nanda 2024 (arXiv 2405.08366) at a place of a small model that qualifies for it.
TopK with the known number of attributes, L1 SAEs, both with a decoder frozen as it was drawn, and what the paper does
not ask: L1 SAEs about as sparse as TopK, as they are and with each latent's size mended. Several seeds, looked at after
more and more steps, so that what is not learnt yet is told apart from what is never learnt. About an hour on one core;
an interrupted run goes on where it stopped.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fiducial as fd
import numpy as np
import pandas as pd
import torch
from _figures import COLOURS, figure, save, styled
from fiducial.games.ioi import IOI
from fiducial.metrics.contingency import value_f1
from fiducial.metrics.control import mean_over_seeds
from fiducial.metrics.score import Score
from fiducial.metrics.splitting import fragments
from fiducial.models.dictionary import Codes
from fiducial.models.nodes import CrossSection, Node
from fiducial.models.small_saes import SmallSAE, train_small_saes
from fiducial.sites.bench import AxesBench
from fiducial.sites.edits import latents_of
from fiducial.sites.three_axes import three_axes
from matplotlib.figure import Figure

BUDGETS = (2, 4)
RESAMPLES = 200
RESCALED = ", rescaled"
SUPERVISED = "supervised"


@dataclass(frozen=True)
class Kind:
    """How one kind of SAE is trained, and how far.

    Attributes:
        settings: arguments of `train_small_saes`.
        reach: for every entry of `STEPS` how many seeds are trained that far.
        mended: look at it a second time, with each latent's size mended by `rescaled`.
    """

    settings: dict[str, Any]
    reach: tuple[int, ...] = (5, 5, 1, 0)
    mended: bool = False


KINDS = {
    "TopK 3": Kind({"kind": "topk", "k": 3}, reach=(5, 5, 2, 1)),
    "L1 3": Kind({"kind": "l1", "l1": 3.0}, reach=(5, 5, 2, 0), mended=True),  # in the end as sparse as TopK 3
    "L1 2": Kind({"kind": "l1", "l1": 2.0}, reach=(5, 5, 2, 0)),
    "L1 .5": Kind({"kind": "l1", "l1": 0.5}, reach=(5, 5, 3, 1)),
    "TopK 3, frozen": Kind({"kind": "topk", "k": 3, "frozen_decoder": True}),
    "L1 .5, frozen": Kind({"kind": "l1", "l1": 0.5, "frozen_decoder": True}),
}
STEPS = (1_000, 3_000, 10_000, 30_000)
DRAWN = {
    "TopK 3": (COLOURS[0], "-"),
    "L1 3": (COLOURS[1], "-"),
    f"L1 3{RESCALED}": (COLOURS[1], "--"),
    "L1 2": (COLOURS[2], "-"),
    "L1 .5": (COLOURS[3], "-"),
    "TopK 3, frozen": (COLOURS[0], ":"),
    "L1 .5, frozen": (COLOURS[3], ":"),
}
PANELS = ("success 2", "necessity", "sufficiency")
TITLES = ("edits of 2 latents, agreement with the patch", "necessity", "sufficiency")


def bench_of(testbed: str, *, n_fit: int = 20_000, n_choose: int = 6_000, n_report: int = 1_500) -> AxesBench:
    """The place that a shipped IOI testbed reads, with prompts as in the published comparison."""
    bed = fd.testbed(testbed, n_games=8)
    assert isinstance(bed.game, IOI)
    node = Node(bed.hook, bed.spec.position)
    sizes = {"n_fit": n_fit, "n_choose": n_choose, "n_report": n_report}
    return AxesBench(bed.model, bed.game, CrossSection(node.name, (node,)), bed.spec.attributes, **sizes)


def rescaled(sae: SmallSAE, x: torch.Tensor) -> SmallSAE:
    """The same latents firing on the same rows, each with the size that serves reconstruction best on average.

    The penalty of L1 shrinks latents. One factor a latent undoes as much of that as a factor can: the least-squares
    solution of x - b = sum_j g_j f_j u_j over rows x.
    """
    with torch.no_grad():
        latents, rest = sae.encode(x).double(), (x - sae.bias).double()
        directions = sae.directions.double()
        gram = (latents.T @ latents) * (directions @ directions.T)
        gram.diagonal().add_(1e-6 * gram.diagonal().mean())  # a dead latent's factor is 0
        gain = torch.linalg.solve(gram, (latents * (rest @ directions.T)).sum(0)).clamp_min(0).float()
    return replace(sae, name=sae.name + RESCALED, encoder=sae.encoder * gain, encoder_bias=sae.encoder_bias * gain)


def measured(dictionary: Any, bench: AxesBench, node: Node) -> dict[str, Any]:
    """One line of the file of finished runs: scores with their replicates, and what the latents look like."""
    axes = three_axes(dictionary, bench, budgets=BUDGETS, meaning=False, n_resamples=RESAMPLES)
    scores: dict[str, Score] = {}
    for attribute, found in axes.by_attribute.items():
        scores |= {
            f"{attribute} {name}": found[f"{name}_score"] for name in ("sufficiency", "faithfulness", "necessity")
        }
        for k in BUDGETS:
            scores[f"{attribute} success {k}"] = axes.success[k][attribute]
            scores[f"{attribute} aware {k}"] = axes.aware[k][attribute]
            scores[f"{attribute} weight {k}"] = axes.weight[k][attribute]
    floors = {a: axes.success[BUDGETS[0]][a].floors["no edit"] for a in axes.by_attribute}
    line: dict[str, Any] = {"floors": floors, "scores": {name: _kept(score) for name, score in scores.items()}}
    return line if dictionary == SUPERVISED else line | looks(dictionary, bench, node)


def looks(sae: SmallSAE, bench: AxesBench, node: Node) -> dict[str, float]:
    """L0, live latents, explained variance, names with a latent of their own, latents for one order of the names."""
    x, prompts = bench.choose_x[node], bench.choose
    latents = latents_of(sae, prompts, x)
    error = (x - sae.decode(latents)).square().sum() / (x - x.mean(0)).square().sum()
    codes = Codes.from_dense(latents)
    parts = fragments(codes, prompts.attributes["Pos"], np.ones(len(prompts), np.bool_))
    found = {
        name: float((np.nan_to_num(value_f1(codes, prompts.attributes[name], n)).max(0) >= 0.5).mean())
        for name, n in ((name, len(prompts.values[name])) for name in ("IO", "S"))
    }
    return {
        "loss": sae.loss,
        "L0": codes.l0,
        "alive": float((latents > 0).any(0).sum()),
        "R2": 1 - float(error),
        "IO names": found["IO"],
        "S names": found["S"],
        "Pos latents": float(len(parts.latent)),
    }


def _kept(score: Score) -> list[Any]:
    replicates = [] if score.replicates is None else [round(float(v), 4) for v in score.replicates]
    return [score.value, replicates]


def steps_of(kind: Kind, seed: int, steps: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers of steps after which this SAE is looked at."""
    return steps[: sum(seed < seeds for seeds in kind.reach)]


def run(bench: AxesBench, kept: Path, *, seeds: int, steps: tuple[int, ...], say: Callable[[str], None]) -> list[Any]:
    """All lines, those of the file and new ones; each is written as soon as it is known. Seeds one after another."""
    (node,) = bench.section.nodes
    about = {"site": bench.section.name, "prompts": [bench.n_fit, bench.n_choose, bench.n_report]}
    known = {json.dumps(line["cell"]): line for line in _lines(kept)}
    lines: list[Any] = []

    def line_of(cell: dict[str, Any], dictionary: Any) -> None:
        cell = about | cell
        key = json.dumps(cell)
        if key not in known:
            known[key] = {"cell": cell, **measured(dictionary, bench, node)}
            with kept.open("a") as file:
                file.write(json.dumps(known[key]) + "\n")
            say(", ".join(f"{name} {value}" for name, value in cell.items() if name not in about))
        lines.append(known[key])

    line_of({"dictionary": SUPERVISED, "seed": 0, "steps": 0}, SUPERVISED)
    for seed in range(seeds):
        for name, kind in KINDS.items():
            wanted = steps_of(kind, seed, steps)
            names = [name, name + RESCALED] if kind.mended else [name]
            cells = [{"dictionary": one, "seed": seed, "steps": n} for n in wanted for one in names]
            trained: list[Any] = [None] * len(wanted)
            if not all(json.dumps(about | cell) in known for cell in cells):
                x = bench.fit_x[node]
                trained = train_small_saes(
                    x,
                    n_latents=512,
                    seeds=[seed],
                    steps=wanted[-1],
                    snapshots=wanted[:-1],
                    mean_norm=x.shape[1] ** 0.5,
                    **kind.settings,
                )
            for i, cell in enumerate(cells):
                sae = trained[i // len(names)]
                mended = sae is not None and cell["dictionary"].endswith(RESCALED)
                line_of(cell, rescaled(sae, bench.fit_x[node]) if mended else sae)
    return lines


def _lines(path: Path) -> Iterator[Any]:
    """What an earlier run wrote; a last line that was cut off is not taken."""
    if path.exists():
        for text in path.read_text().splitlines():
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def summary(lines: list[Any]) -> pd.DataFrame:
    """One row a dictionary, number of steps and figure: mean over seeds, 95 % interval over seeds and prompts."""
    grouped: dict[tuple[str, int], list[Any]] = {}
    for line in lines:
        grouped.setdefault((line["cell"]["dictionary"], line["cell"]["steps"]), []).append(line)
    rows: list[dict[str, Any]] = []
    for (name, steps), part in grouped.items():
        common = {"dictionary": name, "steps": steps, "seeds": len(part)}
        for figure_name in (one for one in part[0]["scores"] if all(one in line["scores"] for line in part)):
            scores = [_score(figure_name, *line["scores"][figure_name]) for line in part]
            value, low, high = mean_over_seeds(scores, n_resamples=RESAMPLES)
            rows.append(common | {"figure": figure_name, "value": value, "low": low, "high": high})
        for attribute, floor in part[0]["floors"].items():
            rows.append(common | {"figure": f"{attribute} no edit", "value": floor, "low": floor, "high": floor})
        if name != SUPERVISED:
            for plain in ("loss", "L0", "alive", "R2", "IO names", "S names", "Pos latents"):
                values = [line[plain] for line in part]
                found = {"value": np.mean(values), "low": min(values), "high": max(values)}  # here the range of seeds
                rows.append(common | {"figure": plain} | found)
    return pd.DataFrame(rows)


def _score(name: str, value: float, replicates: list[float]) -> Score:
    nan = float("nan")
    return Score(name, value, nan, nan, replicates=np.asarray(replicates))


@styled
def draw(frame: pd.DataFrame) -> Figure:
    """Three figures for each attribute, against steps of training."""
    attributes = list(dict.fromkeys(f.split()[0] for f in frame["figure"] if f.endswith("necessity")))
    fig, axes = figure(len(PANELS), len(attributes), size=(3.5, 2.7))
    for row, attribute in zip(axes, attributes, strict=True):
        for ax, panel, title in zip(row, PANELS, TITLES, strict=True):
            part = frame[frame["figure"] == f"{attribute} {panel}"]
            for name, (colour, dash) in DRAWN.items():
                own = part[part["dictionary"] == name].sort_values("steps")
                if own.empty:
                    continue
                ax.plot(own["steps"], own["value"], dash, color=colour, marker="o", markersize=3, label=name)
                ax.fill_between(own["steps"], own["low"], own["high"], color=colour, alpha=0.13, linewidth=0)
            known = part[part["dictionary"] == SUPERVISED]["value"]
            ax.axhline(known.iloc[0], color="black", linewidth=1, label="supervised")
            if panel.startswith("success"):
                floor = frame[frame["figure"] == f"{attribute} no edit"]["value"].iloc[0]
                ax.axhline(floor, color="grey", linestyle=(0, (1, 2)), linewidth=1, label="no edit")
            ax.set(xscale="log", title=f"{attribute}: {title}", ylim=(-0.1, 1.15))
    for ax in axes[-1]:
        ax.set_xlabel("steps of training")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    fig.suptitle(f"{counted(frame)}; bands are 95 % intervals over seeds and prompts", fontsize=8)
    return fig


def counted(frame: pd.DataFrame) -> str:
    """How many SAEs a point stands for."""
    own = frame[frame["dictionary"] != SUPERVISED].groupby("steps")["seeds"].agg(["min", "max"])
    parts = {(int(low), int(high)): [] for low, high in own.to_numpy()}
    for steps, (low, high) in zip(own.index, own.to_numpy(), strict=True):
        parts[int(low), int(high)].append(f"{steps:,}")
    return "; ".join(
        f"{low if low == high else f'{low} to {high}'} SAE{'s' * (high > 1)} a point at {', '.join(at)} steps"
        for (low, high), at in parts.items()
    )


def table(frame: pd.DataFrame) -> str:
    """The figures, in Markdown; brackets are intervals, what has none is a mean over seeds."""
    attributes = list(dict.fromkeys(f.split()[0] for f in frame["figure"] if f.endswith("necessity")))
    whole, short = ("necessity", "success 2"), ("success 4", "sufficiency")
    columns = [f"{attribute} {what}" for attribute in attributes for what in (*whole, *short)]
    titles = [column.replace("success", "edit") for column in columns]
    lines = ["| dictionary | steps | SAEs | L0 | R2 | " + " | ".join(titles) + " | names IO, S | Pos latents |"]
    lines.append("|---" * (len(columns) + 7) + "|")
    order = {name: i for i, name in enumerate([SUPERVISED, *DRAWN])}
    groups = sorted(frame.groupby(["dictionary", "steps"]), key=lambda one: (order[one[0][0]], one[0][1]))
    for (name, steps), part in groups:
        own = part.set_index("figure")
        value = own["value"]
        cells = [
            _two(value[c]) + (f" [{_two(own['low'][c])}, {_two(own['high'][c])}]" if c.endswith(whole) else "")
            for c in columns
        ]
        if name == SUPERVISED:
            lines.append(f"| {name} | - | - | 3 | - | " + " | ".join(cells) + " | - | - |")
            continue
        looks_like = f"{_two(value['IO names'])}, {_two(value['S names'])} | {value['Pos latents']:.0f}"
        head = f"| {name} | {steps:,} | {own['seeds'].iloc[0]} | {value['L0']:.1f} | {_two(value['R2'])} | "
        lines.append(head + " | ".join(cells) + f" | {looks_like} |")
    return "\n".join(lines)


def _two(value: float) -> str:
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def main() -> None:
    """Train, draw, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder for .csv, .svg and .png")
    parser.add_argument("--testbed", default="ioi-tiny", help="a shipped IOI model (default ioi-tiny)")
    parser.add_argument("--seeds", type=int, default=5, help="SAEs of each kind (default 5)")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows nothing, for tests")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # small products are not faster on more
    sizes = {"n_fit": 1_000, "n_choose": 400, "n_report": 60} if asked.quick else {}
    name = f"{asked.testbed.replace('ioi-tiny', 'ioi')}-axes"
    asked.out.mkdir(parents=True, exist_ok=True)
    lines = run(
        bench_of(asked.testbed, **sizes),
        asked.out / f"{name}.runs.jsonl",
        seeds=1 if asked.quick else asked.seeds,
        steps=(2, 4, 6, 8) if asked.quick else STEPS,
        say=print,
    )
    frame = summary(lines)
    save(draw(frame), frame, asked.out, name)
    print(table(frame))


if __name__ == "__main__":
    main()
