"""Coverage and reconstruction against training, scored while the SAEs train, between their floors and ceilings.

    python examples/figures/training_curve.py --out figures

Seven architectures of 1,024 latents are trained on the Othello 6 x 6 model to L0 32; every one is scored at 14 steps,
more often early, on 100 games that none is trained on. The last panel is their L0 on the way: where it is far from 32,
scores are of another sparsity. About 15 minutes on one free core; an interrupted run goes on where it stopped.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import fiducial as fd
import torch
from _figures import write_csv
from fiducial.curves.checkpoints import SNAPSHOT_ROWS, ScoreLog
from fiducial.curves.plot import plot_curve, save_figure
from fiducial.curves.result import Curve, joined
from fiducial.models.training import train_sae
from fiducial.shipping import training_data

WORLD = "othello-6x6"
ARCHS = ("topk", "batchtopk", "matryoshka", "standard", "p_anneal", "gated", "jumprelu")
METRICS = ("coverage", "reconstruction")
BATCH = 1024
NAME = "training-curve"


def stops(steps: int, n: int = 14) -> tuple[int, ...]:
    """Steps that are evenly spaced in their logarithm."""
    return tuple(sorted({max(1, round(steps ** ((i + 1) / n))) for i in range(n)}))


def run(
    archs: Sequence[str] = ARCHS,
    *,
    samples: int = 600_000,
    n_latents: int = 1024,
    k: int = 32,
    n_games: int = 100,
    kept: Path,
) -> tuple[Curve, dict[str, float]]:
    """The curves of all architectures, and the share of the CPU time that scoring took of each."""
    bed = fd.testbed(WORLD, n_games=n_games, seed=0)
    kept.mkdir(parents=True, exist_ok=True)
    data = None
    curves, shares = [], {}
    for arch in archs:
        made = {"arch": arch, "n_latents": n_latents, "k": k, "samples": samples}
        path = kept / f"{arch}.jsonl"
        log = ScoreLog(bed, METRICS, at=stops(samples // BATCH), batch_size=BATCH, path=path, run=arch, made=made)
        if arch not in log.curve.bounds:  # else it is done
            data = training_data(bed, samples) if data is None else data
            started = time.process_time()
            sae = train_sae(
                arch,
                data,
                n_latents=n_latents,
                k=k,
                samples=samples,
                batch_size=BATCH,
                lead=0.5 if arch == "jumprelu" else None,
                snapshots=log.stops(samples // BATCH),
                on_snapshot=log,
                snapshot_rows=SNAPSHOT_ROWS,
            )
            shares[arch] = log.seconds / (time.process_time() - started)
            log.finish(sae)
        curves.append(log.curve)
    return joined(curves), shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder for .jsonl, .csv, .svg and .png")
    parser.add_argument("--samples", type=int, default=600_000, help="rows each SAE sees (default 600,000)")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows nothing, for tests")
    options = parser.parse_args()
    torch.set_num_threads(1)  # small products are not faster on more
    kept = options.out / NAME
    if options.quick:
        found, shares = run(ARCHS[:2], samples=20_480, n_latents=64, k=8, n_games=20, kept=kept)
    else:
        found, shares = run(samples=options.samples, kept=kept)
    found.save(options.out / f"{NAME}.jsonl")
    write_csv(found.frame(), options.out / f"{NAME}.csv")
    for suffix in ("svg", "png"):
        save_figure(plot_curve(found), options.out / f"{NAME}.{suffix}")
    frame = found.frame()
    print(frame[frame["rows"] == frame["rows"].max()].to_string(index=False, float_format="%.3f"))
    for arch, share in shares.items():
        print(f"{arch}: scoring took {share:.1%} of the CPU time of training and scoring")


if __name__ == "__main__":
    main()
