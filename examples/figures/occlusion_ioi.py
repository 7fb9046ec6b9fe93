"""Occlusion at a real site: take the strong attributes out of activations, and see whether the weak one is found.

The published intervention (Makelov, Lange, Nanda, arXiv 2405.08366): a - alpha u_IO(p), with u from a supervised
dictionary. Here on the shipped `ioi-tiny`, after block 0 at the repeated subject's name, where Pos and IO carry most of
the variance and S little: TopK SAEs are trained on activations from which a share alpha of IO, or of IO and Pos, is
taken.

    python examples/figures/occlusion_ioi.py --out figures
"""

import math
from typing import Any

import numpy as np
import pandas as pd
import torch
from _figures import COLOURS, Row, arguments, figure, line, save, styled, told
from fiducial.data.assets import asset
from fiducial.games.ioi import IOI
from fiducial.metrics.occlusion import occlusion
from fiducial.models.dictionary import encode_in_batches
from fiducial.models.nodes import Node, read_nodes
from fiducial.models.small_saes import train_small_saes
from fiducial.models.toy_occlusion import weakened
from fiducial.models.transformers import load_transformer
from fiducial.supervised_dicts.mean import fit_mean
from fiducial.supervised_dicts.quality import preserved_variance
from matplotlib.figure import Figure

NODE = Node("blocks.0.hook_out", "s2")
ATTRIBUTES = ("IO", "S", "Pos")
WEAKENED = {"IO": ("IO",), "IO and Pos": ("IO", "Pos")}
ALPHAS = (0.0, 0.5, 0.75, 1.0)
MODEL = "ioi-tiny/model"


def run(
    *,
    seeds: int,
    n: int,
    steps: int = 3000,
    n_latents: int = 512,
    alphas: tuple[float, ...] = ALPHAS,
    say: Any = lambda line: None,
) -> pd.DataFrame:
    """Found share and variance share of every attribute, a row an SAE and attribute."""
    model, _ = load_transformer(asset(MODEL))
    game = IOI()
    fit, test = game.prompts(n, 0, pairs="train"), game.prompts(n // 2, 1, pairs="train")
    x, fresh = (read_nodes(model, p.tokens, p.positions, [NODE])[NODE].float() for p in (fit, test))
    dictionary = fit_mean(x, fit.attributes, fit.values, which=ATTRIBUTES)
    rows: list[Row] = []
    for name, taken in WEAKENED.items():
        for alpha in alphas:
            left, scored = x, fresh
            for attribute in taken:
                block = dictionary.directions[dictionary.attribute_of == dictionary.attribute_names.index(attribute)]
                left = weakened(left, block, fit.attributes[attribute], alpha)
                scored = weakened(scored, block, test.attributes[attribute], alpha)
            refitted = fit_mean(left, fit.attributes, fit.values, which=ATTRIBUTES)
            shares = preserved_variance(refitted, scored, test.attributes)
            saes = train_small_saes(
                left, k=3, n_latents=n_latents, steps=steps, seeds=range(seeds), mean_norm=math.sqrt(x.shape[1])
            )
            for sae in saes:
                games = np.arange(len(scored))
                found = occlusion(
                    encode_in_batches(sae, scored),
                    {a: np.asarray(test.attributes[a]) for a in ATTRIBUTES},
                    games,
                    train=games % 2 == 0,
                    variance_shares=shares,
                    n_resamples=2,
                )["found_values_score"].groups
                for a in ATTRIBUTES:
                    row = {"weakened": name, "alpha": alpha, "seed": sae.seed, "attribute": a}
                    rows.append({**row, "found": found[a], "variance_share": shares[a]})
            say(f"{name} weakened by {alpha:g}")
    return pd.DataFrame(rows)


@styled
def draw(frame: pd.DataFrame) -> Figure:
    """Found share above, variance share below."""
    fig, axes = figure(2, 2, size=(3.6, 2.5))
    for column, name in enumerate(WEAKENED):
        part = frame[frame["weakened"] == name]
        for colour, attribute in zip(COLOURS, ATTRIBUTES, strict=False):
            of = part[part["attribute"] == attribute]
            line(axes[0, column], of, "alpha", "found", label=attribute, colour=colour)
            line(axes[1, column], of, "alpha", "variance_share", label=attribute, colour=colour)
        axes[0, column].set(title=f"{name} weakened: values found (F1 > .5)", ylim=(-0.04, 1.04))
        axes[1, column].set(title="share of the variance", xlabel="share of it taken away, alpha", ylim=(-0.04, 1.04))
        axes[0, column].legend()
    fig.suptitle(f"ioi-tiny, {NODE}; {frame['seed'].nunique()} TopK SAEs a point; bands: 95 % t intervals", fontsize=8)
    return fig


def table(frame: pd.DataFrame) -> str:
    """The figures, in Markdown."""
    lines = ["| weakened | alpha | " + " | ".join(f"{a}: found (variance)" for a in ATTRIBUTES) + " |"]
    lines.append("|---" * (2 + len(ATTRIBUTES)) + "|")
    for (name, alpha), part in frame.groupby(["weakened", "alpha"]):
        by = {a: part[part["attribute"] == a] for a in ATTRIBUTES}
        cells = [f"{told(by[a]['found'], 2)} ({by[a]['variance_share'].mean():.2f})" for a in ATTRIBUTES]
        lines.append(f"| {name} | {alpha:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train, draw, tell."""
    asked = arguments(__doc__, seeds=3, samples=20_000)
    sizes: Row = {}
    if asked.quick:
        asked.seeds, asked.samples = 1, 4000
        sizes = {"steps": 20, "n_latents": 32, "alphas": (0.0, 1.0)}
    torch.set_num_threads(1)
    frame = run(seeds=asked.seeds, n=asked.samples, say=print, **sizes)
    save(draw(frame), frame, asked.out, "occlusion-ioi")
    print(table(frame))


if __name__ == "__main__":
    main()
