"""p-annealing against what it anneals on the Othello model, scored against the rules of the game.

    python examples/figures/p_annealing_othello.py --out figures

SAEs of 512 latents are steered to L0 32 on the same activations; seeds are of weights and batches. With the defaults 15
SAEs, about 5 minutes on one free core. See docs/absorption-and-architectures.md.
"""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import fiducial as fd
import pandas as pd
import torch
from _architectures import BATCH, differences
from _figures import Row, arguments, resume, save
from fiducial.models.training import train_sae
from fiducial.references import Candidate
from fiducial.scoring import score_subject
from fiducial.shipping import training_rows
from fiducial.subject import subject
from p_annealing import ARCHS, PAIRS, draw

WORLD = "othello-6x6"
POOL = 200_000
GAMES_SEED = 10_000  # of the games to train on; those that are scored have seed 0
NAME = "p-annealing-othello"


@lru_cache(maxsize=1)
def testbed(n_games: int) -> fd.Testbed:
    """The rows that all SAEs are scored on."""
    return fd.testbed(WORLD, n_games=n_games, seed=0)


@lru_cache(maxsize=1)
def rows(n_games: int, n_rows: int) -> torch.Tensor:
    """Activations of other games, to train on; float32 [n_rows, d]."""
    bed = testbed(n_games)
    return training_rows(bed.model, bed.game, bed.hook, n_rows, GAMES_SEED).float()


def run(
    archs: Sequence[str] = ARCHS,
    l0s: Sequence[float] = (32.0,),
    seeds: Sequence[int] = range(3),
    samples: int = 300_000,
    *,
    n_latents: int = 512,
    n_games: int = 200,
    kept: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """One row an SAE: architecture, L0 aimed at, seed; the L0 it has, coverage, reconstruction, explained variance."""
    cells = [
        {"world": WORLD, "arch": arch, "n_latents": n_latents, "k": k, "seed": seed, "samples": samples}
        for seed in seeds
        for k in l0s
        for arch in archs
    ]

    def measure(cell: Row) -> Row:
        bed = testbed(n_games)
        sae = train_sae(
            cell["arch"],
            rows(n_games, min(POOL, samples)),
            n_latents=n_latents,
            k=cell["k"],
            samples=samples,
            batch_size=BATCH,
            seed=cell["seed"],
            progress=False,
        )
        about = subject(Candidate(cell["arch"], "tested", sae, bed.x), bed, null=False, n_resamples=10)
        found = score_subject(about, ["coverage", "reconstruction", "explained_variance_score"])
        return {"l0": about.codes.l0} | {name.removesuffix("_score"): score.value for name, score in found.items()}

    return resume(cells, measure, kept, say)


def main() -> None:
    options = arguments(__doc__, seeds=3, samples=300_000)
    kept = options.out / f"{NAME}.csv"
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    if options.quick:
        archs = ("standard-unit-norm", "p_anneal")
        frame = run(archs, (16.0,), range(2), 6_000, n_latents=64, n_games=20, kept=kept)
    else:
        frame = run(seeds=range(options.seeds), samples=options.samples, kept=kept, say=say)
    save(draw(frame), frame, options.out, NAME)
    present = [pair for pair in PAIRS if set(pair) <= set(frame["arch"])]
    columns = ["l0", "coverage", "reconstruction", "explained_variance"]
    print(differences(frame, columns, present).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
