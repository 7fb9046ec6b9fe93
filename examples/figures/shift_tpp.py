"""The figures of SCR and TPP from your results, and the number of latents at which each SAE does best.

fiducial saebench -t othello-6x6 --tasks scr,tpp -o results      (about a minute an SAE)
python examples/figures/shift_tpp.py results figures
"""

import sys

import fiducial as fd


def main(results: str, out: str) -> None:
    """Draw, then tell where the sweeps peak."""
    found = fd.figures.gather(results)
    for path in fd.figures.shift_tpp(found, out):
        print(f"wrote {path}")
    for testbed in found.testbeds("tpp_score"):
        for sae in found.on(testbed, "tpp_score"):
            sweep = sae.scores["tpp_score"].details.get("sweep", {})
            if sweep:
                best = max(sweep, key=lambda n: sweep[n])
                print(f"{testbed}, {sae.name}: TPP is highest with {best} latents for all")
                print(f"  with a number chosen for each variable: {sae.scores['tpp_score']}")


if __name__ == "__main__":
    main(*(sys.argv[1:3] if len(sys.argv) > 2 else ("results", "figures")))
