"""Editing a square of the board inside a model: how far does each method get it to play on the edited board?

Success of every method on the same edits, from 0 (no edit) to 1 (the model's own error on boards that were played),
with 95 % intervals over games: at the testbed's block, and from that block on. Beside it, what is decodable,
represented and used by feature group, as `fiducial causes` draws it.

    python examples/figures/board_control.py --out figures
"""

import re
from pathlib import Path
from typing import Any

import fiducial as fd
import numpy as np
import pandas as pd
from _figures import COLOURS, Row, arguments, figure, save, styled, write_csv
from fiducial.boards.causal_decorative import causal_decorative
from fiducial.boards.control import board_control
from matplotlib.figure import Figure

CELLS = (
    ("othello-6x6", "one", 1000, 200),
    ("othello-6x6", "from", 1000, 200),
    ("othello-small", "one", 1000, 200),
    ("othello-small", "from", 1000, 200),
    ("chess-small", "one", 500, 120),
)  # testbed, protocol, edits that report, games that directions are fitted on
QUICK = (("othello-6x6", "one", 20, 16), ("othello-6x6", "from", 20, 16))
CAUSES = ("othello-6x6", "othello-small")
PARTS = ("error", "success", "isolation", "size")
ORDER = {"supervised": 0, "unsupervised": 1, "floor": 2}
LABELS = {"supervised": "fitted with labels", "unsupervised": "SAE", "floor": "floors"}


def rows_of(found: dict[str, Any]) -> list[Row]:
    """A row a method of a board control, as `BoardControl.to_dict` gives it."""
    shared = {key: found[key] for key in ("testbed", "protocol", "n_edits")}
    shared["floor"] = found["floor"]["value"]
    shared["room"] = found["room"]["value"]
    rows: list[Row] = []
    for row in found["rows"]:
        parts = {f"{part}{end}": row[part][key] for part in PARTS for end, key in ENDS}
        rows.append({**shared, "method": row["name"], "role": row["role"], "setting": row["setting"], **parts})
    return rows


ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def run(cells: tuple[tuple[str, str, int, int], ...], kept: Path, **settings: Any) -> pd.DataFrame:
    """All cells; those in the csv are taken from it."""
    frame = pd.read_csv(kept, keep_default_na=False) if kept.exists() else pd.DataFrame()
    for number, (name, protocol, n_edits, n_games) in enumerate(cells, 1):
        known = (
            frame.columns.size
            and ((frame["testbed"] == name) & (frame["protocol"] == protocol) & (frame["n_edits"] == n_edits)).any()
        )
        if known:
            continue
        bed = fd.testbed(name, n_games=n_games)
        made = board_control(bed, n_edits=n_edits, layers=protocol, **settings)  # type: ignore[arg-type] - one of two
        frame = pd.concat([frame, pd.DataFrame(rows_of(made.to_dict()))], ignore_index=True)
        write_csv(frame, kept)
        print(f"{number}/{len(cells)} {name}, {protocol}")
    return pd.read_csv(kept, keep_default_na=False)


@styled
def draw(frame: pd.DataFrame) -> Figure:
    """A panel a testbed: a bar a method, the edit at one block; a ring for the edit from that block on."""
    names = list(dict.fromkeys(frame["testbed"]))
    fig, grid = figure(len(names), size=(4.4, 6.4))
    for ax, name in zip(grid[0], names, strict=True):
        here = frame[frame["testbed"] == name]
        one, later = (here[here["protocol"] == protocol].set_index("method") for protocol in ("one", "from"))
        one = one[one.index != "null"]
        one = one.sort_values(["role", "success"], key=lambda c: c.map(ORDER) if c.name == "role" else -c)
        at = np.arange(len(one))
        colours = [COLOURS[ORDER[role]] for role in one["role"]]
        bars = np.array([one["success"] - one["success_low"], one["success_high"] - one["success"]])
        ax.barh(at, one["success"], color=colours, height=0.7, alpha=0.75)
        ax.errorbar(one["success"], at, xerr=bars, fmt="none", ecolor="#333333", elinewidth=0.9)
        shown = [
            (place, later.loc[method]) for place, method in zip(at, one.index, strict=True) if method in later.index
        ]
        if shown:
            values = np.array([row["success"] for _, row in shown], float)
            ends = np.array([[row["success_low"], row["success_high"]] for _, row in shown], float).T
            ax.errorbar(
                values, [place + 0.2 for place, _ in shown], xerr=np.abs(ends - values), fmt="o", markersize=4,
                markerfacecolor="white", color="#333333", elinewidth=0.7,
            )  # fmt: skip
        ax.axvline(0, color="#333333", linewidth=0.9)
        ax.axvline(1, color="#333333", linewidth=0.9, linestyle="--")
        ax.set_yticks(at, [re.sub(r", \d+ dimensions a square", "", label) for label in one.index], fontsize=7)
        ax.invert_yaxis()
        ax.set_xlim(min(-0.1, float(one["success_low"].min()) - 0.05), 1.1)
        ax.set_xlabel("success: 0 no edit, 1 boards as played")
        null = float(here.loc[here["method"] == "null", "error"].iloc[0])
        floor = float(here["floor"].iloc[0])
        ax.set_title(f"{name}\nerror: {null:.2f} unedited, {floor:.2f} on boards as played", fontsize=8)
    for role, number in ORDER.items():
        grid[0][0].bar([0], [0], color=COLOURS[number], alpha=0.75, label=LABELS[role])
    grid[0][0].plot([], [], "o", markerfacecolor="white", color="#333333", markersize=4, label="from that block on")
    fig.legend(loc="outside lower center", ncols=4)
    return fig


def table(frame: pd.DataFrame) -> str:
    """The figures, in Markdown."""
    lines = ["| testbed | blocks | method | setting | error | success | isolation | size |", "|---" * 8 + "|"]
    for _, row in frame.iterrows():
        cells = [f"{row['error']:.2f}", *(told(row, part) for part in ("success", "isolation")), f"{row['size']:.2f}"]
        lines.append("| " + " | ".join([row["testbed"], row["protocol"], row["method"], row["setting"], *cells]) + " |")
    return "\n".join(lines)


def told(row: Any, part: str) -> str:
    """A value with its interval."""
    return f"{row[part]:.2f} [{row[f'{part}_low']:.2f}, {row[f'{part}_high']:.2f}]"


def main() -> None:
    """Edit, draw, tell."""
    asked = arguments(__doc__, seeds=1, samples=0)
    kept = asked.out / "board-control.rows.csv"
    if asked.quick:
        few = {"methods": ["supervised", "random direction"], "das_steps": 0, "n_choosing": 10, "n_resamples": 50}
        frame = run(QUICK, kept, dictionaries=[], **few)
    else:
        frame = run(CELLS, kept)
        for name in CAUSES:
            if not (asked.out / f"causal-{name}.svg").exists():
                found = causal_decorative(fd.testbed(name, n_games=200))
                for ending in ("svg", "png"):
                    found.plot(asked.out / f"causal-{name}.{ending}")
                (asked.out / f"causal-{name}.txt").write_text(found.table() + "\n")
    save(draw(frame), frame, asked.out, "board-control")
    print(table(frame))


if __name__ == "__main__":
    main()
