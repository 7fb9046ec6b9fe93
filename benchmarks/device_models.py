"""Sections of `device.py` on what torch computes: sparse encoding, probes, least squares, greedy edits."""

from collections.abc import Callable

import numpy as np
import torch
from device_table import Row, Table, products
from fiducial.metrics.concept_probes import fit_probe, fit_probe_l1, standard_of
from fiducial.metrics.concept_probes_torch import fit_probes as fit_concepts
from fiducial.metrics.concept_probes_torch import fit_probes_l1 as fit_concepts_l1
from fiducial.metrics.control_greedy import greedy_edits
from fiducial.metrics.control_greedy_plain import greedy_edits_plain
from fiducial.models.controls import LinearDictionary
from fiducial.models.encoders import LinearEncoder
from fiducial.models.encoding import compact, encode_sparse, encode_tiles
from fiducial.supervised_dicts.least_squares import fit_least_squares
from fiducial.supervised_dicts.probes import fit_probes


def sections_of_models() -> dict[str, Callable[[Table], None]]:
    """By name."""
    return {"encode": encode, "probes": probes, "concepts": concepts, "least squares": least_squares, "greedy": greedy}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal, float32, on the CPU."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def encode(table: Table) -> None:
    """Activations to sparse codes, the dense latents never whole."""
    n, d, n_latents, k = (300, 16, 96, 8) if table.small else (131_072, 512, 16_384, 64)
    reading = random(d, n_latents, seed=1) / d**0.5
    topk = LinearDictionary("topk", reading, reading.T.contiguous(), torch.zeros(d), torch.zeros(d), k)
    there = LinearDictionary(
        "topk",
        *(part.to(table.device) for part in (reading, reading.T.contiguous(), torch.zeros(d), torch.zeros(d))),
        k,
    )
    threshold = torch.full((n_latents,), 2.66).to(table.device)  # about 64 of 16,384 standard normals lie above
    weight = reading.to(table.device)

    def jump(product: torch.Tensor, part: slice) -> torch.Tensor:
        return product.mul_(product > threshold[part])

    jumprelu = LinearEncoder(lambda x: x, weight, jump)
    some = random(257, d, seed=2)
    for width in (n_latents, n_latents // 7 + 1):
        codes = encode_sparse(there, some.to(table.device), elements=257 * width, tiled=True)
        expected = topk.encode(some).numpy()
        _close(table, f"encoding topk in slices of {width}", codes.to_dense(), expected)
        dense = some.double() @ reading.double()
        codes = encode_tiles(jumprelu, some.to(table.device), width)
        _close(table, f"encoding jumprelu in slices of {width}", codes.to_dense(), (dense * (dense > 2.66)).numpy())
    x = random(n, d, seed=3).to(table.device)
    elements = 1 << (12 if table.small else 28)
    bytes_ = 4 * (n * d + d * n_latents) + 8 * n * k
    for name, work in (
        ("topk", lambda: encode_sparse(there, x, elements=elements)),
        ("jumprelu", lambda: [encode_tiles(jumprelu, part, n_latents) for part in x.split(elements // n_latents)]),
        ("topk, dense latents compacted", lambda: [compact(there.encode(p)) for p in x.split(elements // n_latents)]),
    ):
        seconds, spread = table.timed(work, 3)
        what = f"{name}, {n:,} rows of {d} to {n_latents:,} latents, codes on the host"
        note = "compulsory bytes; products"
        table.add(Row("encode", what, seconds, spread, bytes_, 2 * n * d * n_latents, "float32", note))


def _labels(x: torch.Tensor, n_features: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lines = random(x.shape[1], n_features, seed=seed)
    scores = x @ lines / x.shape[1] ** 0.5 + 0.5 * random(len(x), n_features, seed=seed + 1)
    return (scores > torch.from_numpy(rng.uniform(-1, 2, n_features)).float()).numpy()


def probes(table: Table) -> None:
    """A logistic probe for every feature at once."""
    n, d, n_features = (400, 8, 10) if table.small else (100_000, 512, 512)
    rows = 400 if table.small else 4000
    x = random(n, d, seed=4) * torch.linspace(0.3, 3, d)
    y = _labels(x, n_features, 5)
    names = [str(f) for f in range(n_features)]
    few = slice(0, 8)
    exact = {"feature_names": names[few], "l2": 10.0, "tolerance": 1e-5}
    plain = fit_probes(x[:rows], y[:rows, few], **exact)
    mine = fit_probes(x[:rows], y[:rows, few], device=table.device, **exact)
    _close(table, "scores of probes, device and CPU", mine.scores(x[:rows]).numpy(), plain.scores(x[:rows]).numpy())
    there = x.to(table.device)

    def work() -> object:
        return fit_probes(there, y, feature_names=names, l2=10.0)

    operations = products(work)
    seconds, spread = table.timed(work, 2)
    what = f"{n_features} probes on {n:,} rows of {d}"
    table.add(Row("probes", what, seconds, spread, None, operations, "float32", "products; labels come from the host"))


def concepts(table: Table) -> None:
    """Probes of SCR and TPP, float64, solved to the end."""
    n, d, n_probes = (60, 5, 4) if table.small else (2000, 512, 64)
    x = random(n, d, seed=6).double().numpy()
    y = _labels(torch.from_numpy(x).float(), n_probes, 7).T.copy()
    y[:, :2] = [True, False]  # both values
    weights, standard = np.ones(y.shape), standard_of(x)
    few = slice(0, 3)
    for name, mine, plain in (
        (
            "squared",
            fit_concepts(x, y[few], weights[few], 1e-2, standard, device=table.device),
            lambda one: fit_probe(x, one, weights[0], 1e-2, standard),
        ),
        (
            "L1",
            fit_concepts_l1(x, y[few], weights[few], device=table.device),
            lambda one: fit_probe_l1(x, one, weights[0]),
        ),
    ):
        expected = np.stack([plain(one) for one in y[few]])
        _close(table, f"concept probes, {name} penalty, device and one by one", mine, expected, 1e-5)

    def squared() -> object:
        return fit_concepts(x, y, weights, 1e-2, standard, device=table.device)

    def absolute() -> object:
        return fit_concepts_l1(x, y, weights, device=table.device)

    for name, work in (("squared penalty, Newton", squared), ("L1 penalty, proximal", absolute)):
        operations = products(work)
        seconds, spread = table.timed(work, 2)
        what = f"{n_probes} concept probes on {n:,} rows of {d}, {name}"
        table.add(Row("concepts", what, seconds, spread, None, operations, "float64", "products; without solving"))


def least_squares(table: Table) -> None:
    """Directions and read-outs of all features."""
    n, d, n_features = (300, 8, 12) if table.small else (200_000, 512, 1024)
    x = random(n, d, seed=8)
    y = _labels(x, n_features, 9)
    names = [str(f) for f in range(n_features)]
    rows = min(n, 3000)
    few = slice(0, 20)
    plain = fit_least_squares(x[:rows], y[:rows, few], feature_names=names[few])
    mine = fit_least_squares(x[:rows], y[:rows, few], feature_names=names[few], device=table.device)
    _close(table, "directions by least squares, device and CPU", mine.directions.numpy(), plain.directions.numpy())
    there = x.to(table.device)

    def work() -> object:
        return fit_least_squares(there, y, feature_names=names)

    operations = products(work)
    seconds, spread = table.timed(work, 2)
    what = f"{n_features} features on {n:,} rows of {d}, with cuts"
    table.add(Row("least squares", what, seconds, spread, None, operations, "float32", "products; cuts are a sort"))


def greedy(table: Table) -> None:
    """Greedy edits of many activations at once."""
    n, d, n_latents, l0, k = (7, 6, 20, 5, 4) if table.small else (2048, 512, 16_384, 64, 32)
    generator = torch.Generator().manual_seed(10)
    vectors = random(n_latents, d, seed=11)
    vectors /= vectors.norm(dim=1, keepdim=True)
    source, target = (torch.zeros(n, n_latents) for _ in range(2))
    for part in (source, target):
        chosen = torch.rand(n, n_latents, generator=generator).topk(l0, 1).indices
        part.scatter_(1, chosen, torch.rand(n, l0, generator=generator) + 0.1)
    residual = (source - target) @ vectors + 0.1 * random(n, d, seed=12)
    few, kept = slice(0, 5), min(n_latents, 400)
    small = (source[few, :kept], target[few, :kept], vectors[:kept], residual[few])
    plain, mine = greedy_edits_plain(*small, k), greedy_edits(*small, k, device=table.device)
    table.check("greedy edits, device and plain", torch.equal(mine.feature, plain.feature))
    host = greedy_edits(source[:64], target[:64], vectors, residual[:64], k)
    there = tuple(part.to(table.device) for part in (source, target, vectors, residual))
    found = greedy_edits(*there, k)
    table.check("greedy edits of 64 rows, device and numba", torch.equal(found.feature[:64].cpu(), host.feature))

    def work() -> object:
        return greedy_edits(*there, k)

    seconds, spread = table.timed(work, 3)
    operations = products(work)
    what = f"{n:,} activations, {n_latents:,} latents (L0 {l0}), {k} moves"
    table.add(Row("greedy", what, seconds, spread, None, operations, "float64", "products"))


def _close(table: Table, what: str, found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-3) -> None:
    """Equal to rounding; where a latent lies within rounding of a threshold, it may be on either side of it."""
    apart = np.abs(found - expected) > tolerance * (1 + np.abs(expected))
    table.check(f"{what} (to {tolerance:g}, but {apart.mean():.1e})", bool(apart.mean() <= 1e-5))
