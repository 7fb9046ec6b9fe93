"""Known damages to a dictionary, each with the level that says how much of it.

| damage | what happens | level |
|---|---|---|
| noise | directions turn away from the truth, firings are flipped | length of the noise, in lengths of the direction |
| half | latents are removed | share of the latents |
| dead | latents stay, and never fire | share |
| duplicated | latents stand twice, each writing half | share |
| split | the activity of a latent is divided among two, by the row | share |
| merged | two latents become one | share |
| absorbed | a parent is silent where its child fires, and the child writes both | share of the pairs |
| frozen decoder | the activity stays, the directions are random | 1 |

The latents that a level affects are among those of every higher level, and so are flipped firings: the same seed
throughout gives a ladder in which each rung is the one before it with more of the same damage.
"""

from collections.abc import Sequence

import numpy as np
import torch

from .controls import LinearDictionary, random_dictionary
from .dictionary import Dictionary
from .edited_dictionary import EditedDictionary, LatentEdit, directions_of, random_rows, row_uniforms, same, unit_rows
from .ladder_base import LadderBase

SPLIT_ANGLE = 0.2  # tangent of the angle between a latent and either half of it: their cosines are .98 and .92


def noise(base: LadderBase, level: float, seed: int) -> Dictionary:
    """Directions and firings, both wrong to the same degree.

    direction = norm * unit(u + level * w), with w a random unit vector at a right angle to the unit direction u, so
    that the cosine with the truth is c = 1 / sqrt(1 + level^2) for every latent. A share 1 - c of the firings is lost,
    and as many are put elsewhere, at .5 to 1.5 times the latent's mean: rates and L0 stay, precision and recall are
    about c. A row in which nothing fires stays empty: such rows are all alike in a world without noise, so they would
    all be given the same firings.
    """
    kept = _cosine(level)
    directions = directions_of(base.dictionary)
    units = unit_rows(directions)
    away = random_rows(base.n_latents, directions.shape[1], seed)
    if directions.shape[1] > 1:
        away = unit_rows(away - (away * units).sum(1, keepdim=True) * units)
    turned = unit_rows(units + level * away) * directions.norm(dim=1, keepdim=True)
    lost = 1 - kept
    occupied = float((np.diff(base.codes.indptr) > 0).mean())
    false = (lost * base.rate / (occupied - base.rate).clamp(min=1e-6)).clamp(max=1.0)

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        dice = row_uniforms(x, latents.shape[1], seed)
        false_here = (latents > 0).any(1, keepdim=True) & (dice < false)
        invented = torch.where(false_here, base.mean * (0.5 + dice / false.clamp(min=1e-12)), 0.0)
        return torch.where(latents > 0, torch.where(dice < lost, 0.0, latents), invented)

    return _edited(base, f"noise {level:g}", turned, edit)


def half(base: LadderBase, level: float, seed: int) -> Dictionary:
    """A share of the latents removed."""
    kept = _others(base.n_latents, _chosen("half", base.n_latents, level, seed))
    directions = directions_of(base.dictionary)[kept]
    return _edited(base, f"half {level:.0%}", directions, lambda latents, _: latents[:, kept], source=kept)


def dead(base: LadderBase, level: float, seed: int) -> Dictionary:
    """A share of the latents silent; their directions stay."""
    silent = _chosen("dead", base.n_latents, level, seed)
    return _edited(
        base,
        f"dead {level:.0%}",
        directions_of(base.dictionary),
        lambda latents, _: latents.index_fill(1, silent, 0.0),
    )


def duplicated(base: LadderBase, level: float, seed: int) -> Dictionary:
    """A share of the latents twice, the copies at the end; both carry half of the activity, so that the sum stays."""
    twice = _chosen("duplicated", base.n_latents, level, seed)
    source = torch.cat([torch.arange(base.n_latents), twice])
    share = torch.ones(base.n_latents).index_fill(0, twice, 0.5)[source]
    directions = directions_of(base.dictionary)[source]
    return _edited(base, f"duplicated {level:.0%}", directions, lambda latents, _: latents[:, source] * share, source)


def split(base: LadderBase, level: float, seed: int) -> Dictionary:
    """A share of the latents divided: the bits of the row say which of the two carries it; directions part slightly."""
    parted = _chosen("split", base.n_latents, level, seed)
    source = torch.cat([torch.arange(base.n_latents), parted])
    plain = directions_of(base.dictionary)
    units, norms = unit_rows(plain[parted]), plain[parted].norm(dim=1, keepdim=True)
    away = random_rows(len(parted), plain.shape[1], seed)
    if plain.shape[1] > 1:
        away = unit_rows(away - (away * units).sum(1, keepdim=True) * units)
    directions = torch.cat([plain, unit_rows(units - SPLIT_ANGLE * away) * norms])
    directions[parted] = unit_rows(units + SPLIT_ANGLE * away) * norms

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        first = row_uniforms(x, base.n_latents, seed)[:, parted] < 0.5
        own = latents[:, parted]
        return torch.cat([latents.index_copy(1, parted, own * first), own * ~first], 1)

    return _edited(base, f"split {level:.0%}", directions, edit, source)


def merged(base: LadderBase, level: float, seed: int) -> Dictionary:
    """A share of the latents married at random: one latent fires where either did and writes along the sum of both.

    Its value is the projection of what both wrote, so that it rebuilds as well as one latent can. Merged latents stand
    at the end, named after both.
    """
    chosen = _chosen("merged", base.n_latents, level, seed)
    first, second = chosen[0::2], chosen[1::2]
    single = _others(base.n_latents, chosen)
    plain = directions_of(base.dictionary)
    joint = unit_rows(unit_rows(plain[first]) + unit_rows(plain[second]))
    joint = torch.where(joint.norm(dim=1, keepdim=True) < 0.5, unit_rows(plain[first]), joint)  # opposite directions
    along_first, along_second = (plain[first] * joint).sum(1), (plain[second] * joint).sum(1)

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        del x
        a, b = latents[:, first], latents[:, second]
        projected = a * along_first + b * along_second
        return torch.cat([latents[:, single], torch.where(projected > 0, projected, torch.maximum(a, b))], 1)

    names = base.dictionary.latent_names
    if names is not None:
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        names = (*(names[i] for i in single.tolist()), *(f"{names[a]} + {names[b]}" for a, b in pairs))
    source = torch.cat([single, torch.full((len(first),), -1)])
    directions = torch.cat([plain[single], joint])
    return EditedDictionary(
        base.dictionary,
        f"{base.dictionary.name}, merged {level:.0%}",
        directions,
        edit,
        source,
        torch.ones(len(source)),
        latent_names=names,
    )


def absorbed(base: LadderBase, level: float, seed: int, pairs: Sequence[tuple[int, int]]) -> Dictionary:
    """Feature absorption (Chanin et al. 2024, arXiv 2409.14507) in a share of the pairs (parent, child).

    Where the child fires, the parent is silent; the child's direction is unit(own + parent's), and through a chain of
    affected pairs it takes up its parent's parents too. Its value is the projection of what it stands for, so that
    reconstruction suffers little, as it does in trained SAEs.

    Raises:
        ValueError: no pairs.
    """
    if not pairs:
        raise ValueError("absorption needs at least one pair (parent, child) of latents, got none")
    affected = [pairs[i] for i in _chosen("absorbed", len(pairs), level, seed).tolist()]
    above: dict[int, set[int]] = {}
    for parent, child in affected:
        above.setdefault(child, set()).add(parent)
    swallowed = sorted((child, up) for child in above for up in _ancestors(child, above))
    child_of, parent_of = torch.tensor(swallowed).T
    children = child_of.unique()
    plain = directions_of(base.dictionary)
    units, norms = unit_rows(plain), plain.norm(dim=1)
    sums = units.index_add(0, child_of, units[parent_of])
    directions = plain.clone()
    directions[children] = unit_rows(sums[children]) * norms[children, None]
    square = directions.square().sum(1).clamp(min=1e-12)
    own = (plain * directions).sum(1)[children] / square[children]
    taken = (plain[parent_of] * directions[child_of]).sum(1) / square[child_of]

    def edit(latents: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        del x
        silent = torch.zeros_like(latents).index_add(1, parent_of, (latents[:, child_of] > 0).float()) > 0
        value = torch.zeros_like(latents).index_add(1, child_of, latents[:, parent_of] * taken)[:, children]
        value = value + latents[:, children] * own
        fires = latents[:, children] > 0
        value = torch.where(fires, torch.where(value > 0, value, latents[:, children]), 0.0)
        return latents.index_copy(1, children, value).masked_fill(silent, 0.0)

    return _edited(base, f"absorbed {level:.0%}", directions, edit)


def frozen_decoder(base: LadderBase, seed: int) -> Dictionary:
    """The base's activity writing along random directions, each with the best length.

    The lengths minimise |x - base.decode(0) - latents @ (length * random)|^2 over lengths >= 0 (projected gradient on
    the normal equations; above 4,096 latents every length by itself). None is 0: a thousandth of the base's is the
    least.
    """
    plain = directions_of(base.dictionary)
    rows = random_rows(base.n_latents, plain.shape[1], seed)
    gram = torch.zeros(base.n_latents, base.n_latents) if base.n_latents <= 4096 else None
    square, target = torch.zeros(base.n_latents), torch.zeros(base.n_latents)
    for start in range(0, len(base.x), 2048):
        part = np.arange(start, min(start + 2048, len(base.x)))
        latents = torch.from_numpy(base.codes.take(part).to_dense())
        base.dictionary.encode(base.x[part])  # a decoder that undoes a scale per row goes by the last rows encoded
        empty = torch.zeros(len(part), base.n_latents, device=base.dictionary.directions.device)
        written = base.x[part] - base.dictionary.decode(empty).detach().cpu().float()
        target += (latents * (written @ rows.T)).sum(0)
        square += latents.square().sum(0)
        if gram is not None:
            gram += latents.T @ latents
    lengths = (target / square.clamp(min=1e-12)).clamp(min=0.0)
    if gram is not None:
        gram = gram * (rows @ rows.T)
        step = 1 / max(1e-12, float(torch.linalg.eigvalsh(gram)[-1]))  # a product of Gram matrices has no negative one
        for _ in range(200):
            lengths = (lengths - step * (gram @ lengths - target)).clamp(min=0.0)
    lengths = torch.maximum(lengths, 1e-3 * plain.norm(dim=1).clamp(min=1e-6))
    return _edited(base, "frozen decoder", rows * lengths[:, None], same)


def random_like(base: LadderBase, factor: float, seed: int) -> LinearDictionary:
    """`random_dictionary` of the base's width, with `factor` times its L0 (rounded, 1 to all latents)."""
    k = min(base.n_latents, max(1, round(factor * base.codes.l0)))
    name = f"{base.dictionary.name}, random" + ("" if factor == 1 else f" {factor:g}x L0")
    return random_dictionary(base.x, base.n_latents, k, seed=seed, name=name)


def _cosine(level: float) -> float:
    if not level >= 0:
        raise ValueError(f"the level of noise must be >= 0, got {level}")
    return float(1 / np.sqrt(1 + level**2))


def _ancestors(child: int, above: dict[int, set[int]]) -> set[int]:
    """Everything that a child takes up through affected pairs; never itself, even where pairs run in a circle."""
    found: set[int] = set()
    ahead = [child]
    while ahead:
        new = above.get(ahead.pop(), set()) - found - {child}
        found |= new
        ahead.extend(sorted(new))
    return found


def n_affected(damage: str, n: int, level: float) -> int:
    """Of n latents (pairs, when absorbed), how many a graded damage of this level affects.

    At least 1 (2 to merge) and, of latents that are lost, at most all but one.

    Raises:
        ValueError: a level outside of (0, 1], or too few latents or pairs.
    """
    fewest, leave = (2 if damage == "merged" else 1), (1 if damage in ("half", "dead") else 0)
    if not 0 < level <= 1:
        raise ValueError(f"the level is a share of the latents or pairs, above 0 and up to 1, got {level}")
    if n < fewest + leave:
        raise ValueError(f"{damage!r} needs at least {fewest + leave} latents or pairs, got {n}")
    count = min(n - leave, max(fewest, round(level * n)))
    return count // 2 * 2 if damage == "merged" else count


def _chosen(damage: str, n: int, level: float, seed: int) -> torch.Tensor:
    """The first of one permutation, so that levels are nested."""
    order = np.random.default_rng(seed).permutation(n)
    return torch.from_numpy(order[: n_affected(damage, n, level)])


def _others(n: int, chosen: torch.Tensor) -> torch.Tensor:
    return torch.ones(n, dtype=torch.bool).index_fill(0, chosen, False).nonzero().flatten()


def _edited(
    base: LadderBase, what: str, directions: torch.Tensor, edit: LatentEdit, source: torch.Tensor | None = None
) -> Dictionary:
    source = torch.arange(base.n_latents) if source is None else source
    names = base.dictionary.latent_names
    kept = None if names is None else tuple(names[i] for i in source.tolist())
    name = f"{base.dictionary.name}, {what}"
    return EditedDictionary(base.dictionary, name, directions, edit, source, torch.ones(len(source)), latent_names=kept)
