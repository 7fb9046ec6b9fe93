"""The figures of Makelov et al. 2024 from your results, and the numbers behind the edits of two latents.

fiducial reproduce makelov2024 -t ioi-tiny -o results      (some minutes: it trains its SAEs)
fiducial score topk standard -t ioi-tiny -o results
python examples/figures/makelov2024.py results figures
"""

import sys

import fiducial as fd


def main(results: str, out: str) -> None:
    """Draw, then tell how often two latents are enough."""
    found = fd.figures.gather(results)
    for path in fd.figures.makelov2024(found, out):
        print(f"wrote {path}")
    for testbed in found.testbeds("edit_success_score"):
        for sae in found.on(testbed, "edit_success_score"):
            for attribute in sae.scores["edit_success_score"].groups:
                print(f"{testbed}, {sae.name}, {attribute}: {sae.group('edit_success_score', attribute)}")


if __name__ == "__main__":
    main(*(sys.argv[1:3] if len(sys.argv) > 2 else ("results", "figures")))
