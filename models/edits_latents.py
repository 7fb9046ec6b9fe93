"""Edits of what the latents say: scales, copies, additions, removals, thresholds. None adds truth."""

from collections.abc import Callable

import numpy as np
import torch

from .edited_dictionary import EditedDictionary, LatentEdit, directions_of, random_rows, row_uniforms, unit_rows
from .ladder_base import LadderBase

QUIET = 1e-4  # length of what an appended latent writes where it should not change the reconstruction


def edited(
    base: LadderBase,
    edit: LatentEdit,
    *,
    directions: torch.Tensor | None = None,
    source: torch.Tensor | None = None,
    gain: torch.Tensor | None = None,
    offset: torch.Tensor | None = None,
    appended: str = "latent",
) -> EditedDictionary:
    """A dictionary under an edit; what is not given stays as in the base.

    Args:
        base: what is edited.
        edit: of the latents.
        directions: float32 [M, d]; None means those of the sources.
        source: int64 [M], the base latent that each continues, -1 for none; None means all of the base's, in order.
        gain: float32 [M]; None means 1.
        offset: float32 [d], added to everything decoded.
        appended: how a latent without a source is called where the base has names.
    """
    source = torch.arange(base.n_latents) if source is None else source
    directions = directions_of(base.dictionary)[source] if directions is None else directions
    gain = torch.ones(len(source)) if gain is None else gain
    names = base.dictionary.latent_names
    if names is not None:
        names = tuple(names[i] if i >= 0 else f"{appended} {n}" for n, i in enumerate(source.tolist()))
    return EditedDictionary(base.dictionary, base.dictionary.name, directions, edit, source, gain, offset, names)


def rescale_all(base: LadderBase, seed: int) -> EditedDictionary:
    """All latents times one factor, log-uniform in .1 to 10, all directions divided by it."""
    return _rescaled(base, _factors(1, seed).expand(base.n_latents))


def rescale_each(base: LadderBase, seed: int) -> EditedDictionary:
    """Each latent times its own factor, log-uniform in .1 to 10, and its direction divided by it."""
    return _rescaled(base, _factors(base.n_latents, seed))


def norms_into_latents(base: LadderBase, seed: int) -> EditedDictionary:
    """Unit directions; their length goes into the latents."""
    del seed
    norms = directions_of(base.dictionary).norm(dim=1)
    return _rescaled(base, torch.where(norms > 0, norms, 1.0))


def duplicate(base: LadderBase, seed: int) -> EditedDictionary:
    """Half of the latents twice, either carrying half of the activity."""
    twice = _some(base.n_latents, 0.5, seed)
    source = torch.cat([torch.arange(base.n_latents), twice])
    share = torch.ones(base.n_latents).index_fill(0, twice, 0.5)[source]
    return edited(base, lambda latents, _: latents[:, source] * share, source=source)


def split(base: LadderBase, seed: int) -> EditedDictionary:
    """Half of the latents divided among two with the same direction: the bits of the row say which of them fires."""
    parted = _some(base.n_latents, 0.5, seed)

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        first = row_uniforms(x, base.n_latents, seed)[:, parted] < 0.5
        own = latents[:, parted]
        return torch.cat([latents.index_copy(1, parted, own * first), own * ~first], 1)

    return edited(base, edit, source=torch.cat([torch.arange(base.n_latents), parted]))


def append_always_on(base: LadderBase, seed: int) -> EditedDictionary:
    """A sixteenth more latents that always fire at one value; what they write is subtracted again."""
    n, value = _sixteenth(base), float(base.mean[base.rate > 0].mean())
    rows = random_rows(n, base.x.shape[1], seed)
    return _appended(base, rows, lambda x: torch.full((len(x), n), value), "always on", offset=-value * rows.sum(0))


def append_dense_random(base: LadderBase, seed: int) -> EditedDictionary:
    """A sixteenth more latents that read random directions and fire in half of the rows; they write next to nothing."""
    rows, mean = random_rows(_sixteenth(base), base.x.shape[1], seed), base.x.mean(0)
    return _appended(base, rows * QUIET, lambda x: ((x - mean) @ rows.T).relu(), "random")


def append_dead(base: LadderBase, seed: int) -> EditedDictionary:
    """A quarter more latents that never fire."""
    rows = random_rows(max(1, base.n_latents // 4), base.x.shape[1], seed)
    return _appended(base, rows, lambda x: torch.zeros(len(x), len(rows)), "dead")


def append_components(base: LadderBase, seed: int) -> EditedDictionary:
    """The largest principal components, a quarter of the dimensions, in signed halves, writing what error they can."""
    del seed
    centred = (base.x - base.x.mean(0)).double()
    vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1).T[: max(1, base.x.shape[1] // 4)]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return _basis(base, (vectors * largest.sign()).float(), "component")


def append_coordinates(base: LadderBase, seed: int) -> EditedDictionary:
    """All raw coordinates, in signed halves, writing what error they can."""
    del seed
    return _basis(base, torch.eye(base.x.shape[1]), "coordinate")


def drop_rarest(base: LadderBase, seed: int) -> EditedDictionary:
    """Without the quarter of the latents that fire least often."""
    del seed
    return _kept(base, torch.argsort(base.rate, stable=True)[max(1, round(0.25 * base.n_latents)) :])


def drop_densest(base: LadderBase, seed: int) -> EditedDictionary:
    """Without the tenth of the latents that fire most often."""
    del seed
    order = torch.argsort(base.rate, descending=True, stable=True)
    return _kept(base, order[max(1, round(0.1 * base.n_latents)) :])


def raise_threshold(base: LadderBase, seed: int) -> EditedDictionary:
    """Each latent silent where it is below the first quartile of its own firings; what equals the quartile stays."""
    del seed
    codes = base.codes
    order = np.lexsort((np.abs(codes.values), codes.indices))
    counts = np.bincount(codes.indices, minlength=codes.n_latents)
    start = np.cumsum(counts) - counts
    lowest = np.zeros(codes.n_latents, np.float32)
    alive = counts > 0
    lowest[alive] = np.abs(codes.values)[order[(start + counts // 4)[alive]]]
    # between two firings, not on one: the last bit of a latent may depend on the batch
    threshold = torch.from_numpy(lowest) * (1 - 1e-5)
    return edited(base, lambda latents, _: torch.where(latents.abs() > threshold, latents, 0.0))


def lower_threshold(base: LadderBase, seed: int) -> EditedDictionary:
    """Each latent also fires, at a twentieth of its mean, where the row points most along its direction.

    A silent latent's pre-activation is unknown here; the projection on its direction stands in for it, with the
    threshold at which twice the latent's rate would be above it.
    """
    rows = np.random.default_rng(seed).permutation(len(base.x))[:4096]
    if len(rows) < 2:
        raise ValueError("a lower threshold needs at least 2 rows to be found on, got 1")
    units, mean = unit_rows(directions_of(base.dictionary)), base.x.mean(0)
    projections = ((base.x[rows] - mean) @ units.T).sort(0, descending=True).values  # [rows, L]
    above = (2 * base.rate * len(rows)).round().long().clamp(1, len(rows) - 1)[None]
    # halfway between two rows, so that no row of the sample stands on the edge
    threshold = (projections.gather(0, above - 1) + projections.gather(0, above))[0] / 2

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        fires = (latents == 0) & ((x - mean) @ units.T > threshold)
        return torch.where(fires, 0.05 * base.mean, latents)

    return edited(base, edit)


def binarise(base: LadderBase, seed: int) -> EditedDictionary:
    """Each latent at its mean wherever it fires: on or off, nothing between."""
    del seed
    return edited(base, lambda latents, _: latents.sign() * base.mean)


def _factors(n: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(10 ** np.random.default_rng(seed).uniform(-1, 1, n)).float()


def _rescaled(base: LadderBase, factors: torch.Tensor) -> EditedDictionary:
    directions = directions_of(base.dictionary) / factors[:, None]
    return edited(base, lambda latents, _: latents * factors, directions=directions, gain=1 / factors)


def _some(n: int, share: float, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).permutation(n)[: max(1, round(share * n))])


def _sixteenth(base: LadderBase) -> int:
    return max(1, base.n_latents // 16)


def _kept(base: LadderBase, kept: torch.Tensor) -> EditedDictionary:
    if len(kept) == 0:
        raise ValueError(f"{base.dictionary.name!r} has {base.n_latents} latents; nothing would be left")
    kept = kept.sort().values
    return edited(base, lambda latents, _: latents[:, kept], source=kept)


def _appended(
    base: LadderBase,
    rows: torch.Tensor,
    values: Callable[[torch.Tensor], torch.Tensor],
    what: str,
    offset: torch.Tensor | None = None,
) -> EditedDictionary:
    """Append latents whose values are a function of the activations [N, d] and which write `rows`."""
    return edited(
        base,
        lambda latents, x: torch.cat([latents, values(x)], 1),
        directions=torch.cat([directions_of(base.dictionary), rows]),
        source=torch.cat([torch.arange(base.n_latents), torch.full((len(rows),), -1)]),
        offset=offset,
        appended=what,
    )


def _basis(base: LadderBase, basis: torch.Tensor, what: str) -> EditedDictionary:
    """Append coordinates along orthonormal rows; each writes its least-squares share of the base's error, >= QUIET."""
    mean = base.x.mean(0)
    read = (base.x - mean) @ basis.T
    missed = rebuilding_error(base) @ basis.T
    weights = ((read * missed).sum(0) / read.square().sum(0).clamp(min=1e-12)).clamp(min=QUIET)
    both, rows = torch.cat([basis, -basis]), basis * weights[:, None]
    return _appended(base, torch.cat([rows, -rows]), lambda x: ((x - mean) @ both.T).relu(), what)


def rebuilding_error(base: LadderBase) -> torch.Tensor:
    """What the base leaves out of its sample, x - decode(encode(x)), float32 [N, d]."""
    parts = [
        part - base.dictionary.decode(base.dictionary.encode(part)).detach().cpu().float()
        for part in base.x.split(4096)
    ]
    return torch.cat(parts)
