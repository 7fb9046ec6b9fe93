"""Which metrics of SAEBench agree with the truth, and which of its findings hold. See docs/saebench-directions.md.

    python examples/figures/saebench_directions.py --out figures

Trains a population of SAEs on a world and on a board, or takes one with `--zoo`, scores it by every metric and writes
NAME.json, NAME.csv (one row an SAE), NAME-truth.csv (one row a metric), NAME.svg and NAME.png for each, and tables in
Markdown. It goes on where it stopped. With the defaults about half an hour on one free core.
"""

import argparse
from pathlib import Path

import fiducial as fd
import pandas as pd
import torch
from _figures import write_csv
from fiducial.reproduce_saebench import reproduce_saebench
from fiducial.reproduce_saebench_plot import shown
from fiducial.reproduce_saebench_population import PopulationPlan
from fiducial.reproduce_saebench_result import told

TESTBEDS = "synthsaebench-64,othello-6x6"
QUICK = PopulationPlan(
    archs=("topk", "matryoshka"), l0s=(2.0, 3.0), widths=(12, 24), samples=4_000, batch_size=100, checkpoints=0
)


def verdicts(found):
    """The published directions on all testbeds as one table in Markdown; what was asked on none is left out."""
    rows = {}
    for i, made in enumerate(found):
        for one in made.directions:
            rows.setdefault((one.claim, one.statement, one.metric), [None] * len(found))[i] = one
    lines = [
        "| | statement | of |" + "".join(f" {made.name} | |" for made in found),
        "|---" * (3 + 2 * len(found)) + "|",
    ]
    before = ""
    for (claim, statement, metric), mine in rows.items():
        if any(one is not None and one.verdict != "not asked" for one in mine):
            cells = ["- | - |" if one is None or one.verdict == "not asked" else cell(one) for one in mine]
            lines.append(f"| {claim} | {'' if claim == before else statement} | `{metric}` | {' '.join(cells)}")
            before = claim
    return "\n".join(lines)


def cell(one):
    """A difference with its interval and number of pairs, and the verdict."""
    return f"{told((one.difference, one.low, one.high))}, n {one.n} | {one.verdict} |"


def agreement(found):
    """Rank correlation with the truth of the metrics that are drawn, on all testbeds, as one table in Markdown."""
    names = list(dict.fromkeys(name for made in found for group in shown(made) for name in group if name != "truth"))
    lines = [
        "| metric |" + "".join(f" {made.name}: all SAEs | at equal L0 and width | ahead |" for made in found),
        "|---" * (1 + 3 * len(found)) + "|",
    ]
    for name in names:
        cells = []
        for made in found:
            itself = name == made.about["truth_metric"] or name not in made.metrics
            cells += ["-" if itself else told(matrix.of(name, "truth")) for matrix in (made.matrix, made.within)]
            cells.append(f"{made.beaten[name]:.0%}" if name in made.beaten else "-")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def every_agreement(made):
    """Rank correlation with the truth of every metric: one row each."""
    rows = [
        {"metric": name, "rho": all_[0], "low": all_[1], "high": all_[2]}
        | {"rho_equal": equal[0], "low_equal": equal[1], "high_equal": equal[2], "ahead": made.beaten.get(name)}
        for name in made.metrics
        for all_, equal in [(made.matrix.of(name, "truth"), made.within.of(name, "truth"))]
    ]
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder for .json, .csv, .svg and .png")
    parser.add_argument("--testbeds", default=TESTBEDS, help=f"comma-separated (default {TESTBEDS})")
    parser.add_argument("--zoo", type=Path, help="folder with SAEs of `fiducial zoo`; else they are trained")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each SAE (default 1)")
    parser.add_argument("--samples", type=int, default=200_000, help="rows each SAE sees (default 200,000)")
    parser.add_argument("--games", type=int, default=100, help="games, or blocks of 100 rows (default 100)")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows nothing, for tests")
    options = parser.parse_args()
    torch.set_num_threads(1)  # small products are not faster on more
    options.out.mkdir(parents=True, exist_ok=True)
    plan = QUICK if options.quick else PopulationPlan(seeds=tuple(range(options.seeds)), samples=options.samples)
    found = []
    for name in ["hierarchy-toy"] if options.quick else options.testbeds.split(","):
        made = reproduce_saebench(
            fd.testbed(name, n_games=12 if options.quick else options.games),
            options.zoo,
            metrics=["coverage", "recovery_score", "mcc_score"] if options.quick else None,
            plan=plan,
            n_resamples=20 if options.quick else 200,
            out=options.out / "saebench-saes",
            say=print,
        )
        stem = options.out / f"saebench-{name}"
        made.to_json(stem.with_suffix(".json"))
        write_csv(made.to_frame(), stem.with_suffix(".csv"))
        write_csv(every_agreement(made), stem.with_name(f"{stem.name}-truth.csv"))
        for suffix in (".svg", ".png"):
            made.plot(stem.with_suffix(suffix))
        print(made.name, made.verdicts())
        found.append(made)
    print(f"\n{agreement(found)}\n\n{verdicts(found)}\n")


if __name__ == "__main__":
    main()
