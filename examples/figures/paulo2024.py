"""The figures of Paulo et al. 2024 from your results, and which explanations a scorer believes though they are wrong.

fiducial reproduce paulo2024 -t othello-6x6 -o results      (some minutes, offline)
fiducial explain topk -t othello-6x6 -o results
python examples/figures/paulo2024.py results figures
"""

import sys

import fiducial as fd


def main(results: str, out: str) -> None:
    """Draw, then name explanations with a high detection score and a low F1."""
    found = fd.figures.gather(results)
    for path in fd.figures.paulo2024(found, out):
        print(f"wrote {path}")
    for one in found.explained:
        scored = [latent for latent in one.latents if "f1" in latent.exact and "detection" in latent.scores]
        wrong = [
            latent for latent in scored if latent.exact["f1"][0] < 0.5 and latent.scores["detection"]["value"] > 0.8
        ]
        print(
            f"{one.dictionary} on {one.testbed}: detection believes {len(wrong)} of {len(scored)} explanations wrongly"
        )
        for latent in wrong[:5]:
            (f1, low, high), seen = latent.exact["f1"], latent.scores["detection"]
            chance = f"with a shuffled explanation {seen['null']:.2f}" if seen.get("null") is not None else "no null"
            told = f"F1 {f1:.2f} [{low:.2f}, {high:.2f}], detection {seen['value']:.2f}, {chance}"
            print(f"  latent {latent.latent}: {latent.text}; {told}")


if __name__ == "__main__":
    main(*(sys.argv[1:3] if len(sys.argv) > 2 else ("results", "figures")))
