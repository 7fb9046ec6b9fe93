"""Train an SAE on Othello activations, score it, and ask which features it missed. Public API only.

    python examples/score_an_sae.py [samples] [games]

With the default of 200,000 samples and 200 games it takes a few minutes on two cores.
"""

import sys
from pathlib import Path

import fiducial as fd


def main(samples: int = 200_000, games: int = 200) -> None:
    """Train, score, show, save."""
    testbed = fd.testbed("othello-6x6", n_games=games, seed=0)
    training = fd.testbed("othello-6x6", n_games=max(50, samples // 60), seed=99)  # other games
    sae = fd.train_sae("topk", training.activations, n_latents=512, k=24, samples=samples, name="my topk")

    report = fd.evaluate(sae, testbed, metrics=["coverage", "reconstruction", "explained_variance_score"])
    print(report)

    table = report.features_frame("coverage")
    board = table[table["group"] == "board"].sort_values("value")
    print("\nsquares it sees least:")
    print(board[["feature", "value", "floor", "positives"]].head(5).to_string(index=False))

    out = Path("my-topk.html")
    report.to_html(out)
    print(f"\nwrote {out}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
