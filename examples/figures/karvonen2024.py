"""The figures of Karvonen et al. 2024 from your results, and one more: do proxies rank SAEs as the board does?

    fiducial demo -o results
    python examples/figures/karvonen2024.py results figures

The first command takes two to three minutes; folders of `fiducial score` and `fiducial sweep` do as well.
"""

import sys

import fiducial as fd
import numpy as np


def ranks(values: list[float]) -> np.ndarray:
    """Ranks from 0, of equal values in their order."""
    return np.argsort(np.argsort(values))


def main(results: str, out: str) -> None:
    """Draw, then compare the order of SAEs by a proxy with their order by a measure."""
    found = fd.figures.gather(results)
    for path in fd.figures.karvonen2024(found, out):
        print(f"wrote {path}")
    proxies, measures = ("explained_variance_score", "ce_recovered_zero_score"), ("coverage", "reconstruction")
    for testbed in found.testbeds(*proxies, *measures, least=4):
        saes = found.on(testbed, *proxies, *measures)
        best = max(saes, key=lambda sae: sae.scores["coverage"].value)
        print(f"{testbed}, {len(saes)} SAEs; best coverage by {best.name}: {best.scores['coverage']}")
        for proxy in proxies:
            for measure in measures:
                pairs = [ranks([sae.scores[name].value for sae in saes]) for name in (proxy, measure)]
                rho = np.corrcoef(pairs)[0, 1]
                draws = np.random.default_rng(0).integers(0, len(saes), (500, len(saes)))
                low, high = np.nanquantile(
                    [np.corrcoef(*(pair[d] for pair in pairs))[0, 1] for d in draws], (0.025, 0.975)
                )
                told = f"{rho:.2f} [{low:.2f}, {high:.2f}] (chance 0, same order 1)"
                print(f"  rank correlation of {proxy} with {measure}: {told}")


if __name__ == "__main__":
    main(*(sys.argv[1:3] if len(sys.argv) > 2 else ("results", "figures")))
