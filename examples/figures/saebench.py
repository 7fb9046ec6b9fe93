"""SAEBench's figures from your results, and whether the published form of a task and the form with the truth agree.

    fiducial reproduce saebench -t synthsaebench-64 -o results      (a quarter of an hour: it trains its SAEs)
    python examples/figures/saebench.py results figures

`fiducial saebench SAES... -t TESTBED -o results` measures the same of SAEs of yours, with intervals.
"""

import sys

import fiducial as fd
import numpy as np

TASKS = ("probing_{}score", "scr_{}score", "tpp_{}score", "ravel_{}score", "unlearning_{}score")


def main(results: str, out: str) -> None:
    """Draw, then compare the two forms of each task."""
    found = fd.figures.gather(results)
    for path in fd.figures.saebench(found, out):
        print(f"wrote {path}")
    for testbed in found.testbeds("l0", least=8):
        for task in TASKS:
            ours = task.format("k1_" if task.startswith("probing") else "")
            theirs = task.format("saebench_")
            saes = found.on(testbed, ours, theirs)
            if len(saes) < 8:
                continue
            ranks = [np.argsort(np.argsort([sae.scores[name].value for sae in saes])) for name in (ours, theirs)]
            draws = np.random.default_rng(0).integers(0, len(saes), (500, len(saes)))
            low, high = np.nanquantile([np.corrcoef(*(r[d] for r in ranks))[0, 1] for d in draws], (0.025, 0.975))
            rho = np.corrcoef(ranks)[0, 1]
            told = f"{rho:.2f} [{low:.2f}, {high:.2f}] (chance 0)"
            print(f"{testbed}: {theirs} ranks {len(saes)} SAEs as {ours} does: {told}")


if __name__ == "__main__":
    main(*(sys.argv[1:3] if len(sys.argv) > 2 else ("results", "figures")))
