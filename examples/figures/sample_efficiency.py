"""How many games it takes until the rank of SAEs is stable, by metric, over all of a zoo and within one sparsity.

    python examples/figures/sample_efficiency.py --out figures [--saes FOLDER]

Trains 21 SAEs of 256 latents on the Othello 6 x 6 model (7 architectures at L0 16, 32 and 64), or takes those below a
folder, encodes each once on 1,000 games, and scores disjoint samples of 25 to 400 games. Left: Kendall's tau of a
sample with all games. Middle: tau between samples that share no game. Right: the smallest difference of two SAEs that a
sample detects. Within one L0 the SAEs are alike and the rank is harder to find. About 15 minutes on one free core.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import fiducial as fd
import torch
from _figures import write_csv
from fiducial.curves.efficiency import Efficiency, sample_efficiency
from fiducial.curves.plot import plot_efficiency, save_figure
from fiducial.models.loading_folders import find_dictionaries
from fiducial.zoo import Plan, train_zoo

WORLD = "othello-6x6"
ARCHS = ("topk", "batchtopk", "matryoshka", "standard", "p_anneal", "gated", "jumprelu")
METRICS = ("coverage", "reconstruction", "explained_variance_score")
NAME = "sample-efficiency"


def zoo_below(folder: Path | None, out: Path, samples: int, archs: Sequence[str] = ARCHS) -> dict[str, Path]:
    """Names and folders of the SAEs at the end of their runs: those of a folder, or a zoo that is trained."""
    if folder is not None:
        return {name: place for name, place in find_dictionaries(folder) if "@" not in name}
    plan = Plan(archs=tuple(archs), n_latents=256, samples=samples, batch_size=512)
    return {animal.name: animal.folder for animal in train_zoo(fd.testbed(WORLD), out / "zoo", plan)}


def run(
    saes: dict[str, Path],
    *,
    n_games: int = 1000,
    sizes: Sequence[int] = (25, 50, 100, 200, 400),
    repeats: int = 6,
    seed: int = 0,
) -> Efficiency:
    """Values of every SAE on all games and on the samples."""
    dictionaries = [fd.load_dictionary(place, name=name) for name, place in saes.items()]
    bed = fd.testbed(WORLD, n_games=n_games, seed=seed)
    return sample_efficiency(bed, dictionaries, METRICS, sizes=sizes, repeats=repeats, seed=seed)


def within_one_l0(found: Efficiency) -> dict[str, tuple[str, ...]]:
    """All dictionaries, and those whose names say L0 32."""
    alike = tuple(name for name in found.dictionaries if "-l0-32-" in name)
    sets = {f"{len(found.dictionaries)} SAEs": found.dictionaries}
    return sets | ({f"{len(alike)} SAEs of L0 32": alike} if len(alike) > 1 else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder for .json, .csv, .svg and .png")
    parser.add_argument("--saes", type=Path, help="folder of SAEs; a zoo is trained otherwise")
    parser.add_argument("--samples", type=int, default=300_000, help="rows each SAE of the zoo sees")
    parser.add_argument("--quick", action="store_true", help="a tiny run that shows nothing, for tests")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        found = run(zoo_below(options.saes, options.out, 6_144, ARCHS[:1]), n_games=40, sizes=(8, 16), repeats=2)
    else:
        found = run(zoo_below(options.saes, options.out, options.samples))
    options.out.mkdir(parents=True, exist_ok=True)
    found.save(options.out / f"{NAME}.json")
    write_csv(found.frame(), options.out / f"{NAME}.csv")
    for suffix in ("svg", "png"):
        save_figure(plot_efficiency(found, among=within_one_l0(found)), options.out / f"{NAME}.{suffix}")
    for title, names in within_one_l0(found).items():
        print(title)
        print(found.frame(names).drop(columns=["samples"]).to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
