"""Examples at which a latent is silent, by how hard they are to tell from those at which it fires.

random             any silent window.
same game          silent windows of the games that the positives are from.
nearest board      silent windows whose position differs from that of a positive in the fewest facts. The nearest of
                   every positive are pooled, and drawn from.
neighbour latent   silent windows in which another latent fires that is close to this one; its strongest are pooled.
one literal away   silent windows with a position at which a given predicate fails and would hold if one of its literals
                   were turned round; it holds nowhere in them. The predicate should be the best known description of
                   the latent, not the explanation under test, which is false there by construction. For a predicate of
                   one literal, or an `or`, these are all the windows at which it is false.

Every window is checked to be silent: the latent fires at none of its positions. None is taken twice.

References     Paulo et al. 2024, arXiv 2410.13928 (random, neighbours); repository EleutherAI/delphi.
Differences from published code (delphi v0.1.1; SAEBench)
               1. Random ones are drawn there with replacement, so that a third of them are copies; here without.
               2. Its nearest texts are all those of the single strongest example; here of every positive.
               3. Its list of neighbours' examples is not cut to the number asked for, which tilts the balance.
               4. Similarity of latents in blocks slices the wrong axis there; here no blocks are needed.
               5. SAEBench does not check that random windows are silent; here all are.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .examples import Windows
from .facts import Facts
from .nouns import NEGATIVES, Latent, Negatives
from .predicate import Predicate, evaluate, one_literal_flipped

if TYPE_CHECKING:
    from ...models.dictionary import Codes

NEAREST = 10  # windows pooled for every positive, or for every neighbour
_BLOCK = 1 << 11


def candidates(
    kind: Negatives,
    silent: NDArray[np.int64],
    *,
    windows: Windows,
    facts: Facts,
    positives: tuple[NDArray[np.int64], NDArray[np.int64]],
    n: int,
    generator: np.random.Generator,
    neighbours: Sequence[Latent] | None = None,
    predicate: Predicate | None = None,
    nearest: int = NEAREST,
) -> NDArray[np.int64]:
    """Windows from which negatives of one kind are drawn.

    Args:
        kind: see above.
        silent: int64, windows of the right side of the split at which the latent is silent, rising.
        windows: all windows.
        facts: of their positions.
        positives: windows of the positives, and the row that each stands for.
        n: how many negatives are wanted; the pools of the nearest grow until they hold as many, if there are.
        generator: breaks ties.
        neighbours: latents close to this one, closest first; for `neighbour latent`.
        predicate: for `one literal away`.
        nearest: windows pooled for every positive or neighbour.

    Returns:
        Some of `silent`, rising.

    Raises:
        ValueError: an unknown kind, or one that lacks its neighbours or its predicate.
    """
    if kind not in NEGATIVES:
        raise ValueError(f"negatives must be one of {', '.join(NEGATIVES)}, got {kind!r}")
    if kind == "random":
        return silent
    if kind == "same game":
        return silent[np.isin(windows.game[silent], windows.game[positives[0]])]
    if kind == "nearest board":
        return nearest_boards(facts, positives[1], silent, windows.anchor[silent], n, nearest, generator)
    if kind == "neighbour latent":
        if neighbours is None:
            raise ValueError("negatives at which a neighbour fires need its latents: neighbours=[...]")
        return _where_neighbours_fire(neighbours, silent, windows, n, nearest)
    if predicate is None:
        raise ValueError("negatives one literal away need a predicate: predicate=...")
    holds, near = boundary(predicate, facts)
    fits = windows.touched(np.flatnonzero(near)) & ~windows.touched(np.flatnonzero(holds))
    return silent[fits[silent]]


def boundary(predicate: Predicate, facts: Facts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a predicate holds, and where it fails but would hold with one literal turned round; bool [N] each."""
    holds = evaluate(predicate, facts)
    near = np.zeros(facts.n_rows, np.bool_)
    for flipped in one_literal_flipped(predicate):
        near |= evaluate(flipped, facts)
    return holds, near & ~holds


def nearest_boards(
    facts: Facts,
    rows: NDArray[np.int64],
    windows: NDArray[np.int64],
    anchors: NDArray[np.int64],
    n: int,
    nearest: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Windows whose positions differ from some rows in the fewest facts, pooled over the rows.

    Args:
        facts: compared fact by fact.
        rows: int64 [P], of the positives.
        windows: int64 [C], to choose among.
        anchors: int64 [C], the row that each stands for.
        n: the pool holds this many, if there are.
        nearest: pooled for every row at least.
        generator: breaks ties of distance, one way for all rows.

    Returns:
        int64, some of `windows`, rising.
    """
    total = len(windows)
    if not total or not len(rows) or n < 1:
        return windows[:0]
    tie = generator.permutation(total)
    depth = min(total, nearest)
    while True:
        pool = np.unique(_closest(facts, rows, anchors, tie, depth))
        if len(pool) >= min(n, total):
            return windows[np.sort(pool)]
        depth = min(total, 2 * depth)


def _closest(
    facts: Facts, rows: NDArray[np.int64], anchors: NDArray[np.int64], tie: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """The k closest anchors of every row, as places in `anchors`, int64 [P, k]; block by block."""
    total = len(anchors)
    mine = facts.bits.words[:, rows]
    best = np.empty((len(rows), 0), np.int64)
    for begin in range(0, total, _BLOCK):
        block = np.arange(begin, min(begin + _BLOCK, total))
        distance = np.zeros((len(rows), len(block)), np.uint32)
        for ours, theirs in zip(mine, facts.bits.words[:, anchors[block]], strict=True):
            distance += np.bitwise_count(ours[:, None] ^ theirs[None])
        keys = np.concatenate(
            [best, distance.astype(np.int64) * total + tie[block]], axis=1
        )  # all different: ties fall one way
        best = np.partition(keys, k - 1, axis=1)[:, :k] if keys.shape[1] > k else keys
    place = np.empty(total, np.int64)
    place[tie] = np.arange(total)
    return place[best % total]


def _where_neighbours_fire(
    neighbours: Sequence[Latent], silent: NDArray[np.int64], windows: Windows, n: int, nearest: int
) -> NDArray[np.int64]:
    """Silent windows in which neighbours fire: the strongest of each in turn, until the pool is large enough."""
    ranked: list[NDArray[np.int64]] = []
    for other in neighbours:
        found, strength, _ = windows.strongest(other)
        fits = np.isin(found, silent)
        ranked.append(found[fits][np.argsort(-strength[fits], kind="stable")])
    pool: set[int] = set()
    longest = max((len(found) for found in ranked), default=0)
    for rank in range(longest):
        if rank >= nearest and len(pool) >= n:
            break
        pool |= {int(found[rank]) for found in ranked if rank < len(found)}
    return np.array(sorted(pool), np.int64)


def neighbours(
    codes: "Codes",
    directions: NDArray[np.floating] | None,
    latent: int,
    how: Literal["firing", "decoder"] = "firing",
    *,
    k: int = 10,
    rows: NDArray[np.int64] | None = None,
) -> list[int]:
    """The latents closest to one; see `neighbours_of`."""
    return neighbours_of(codes, directions, [latent], how, k=k, rows=rows)[latent]


def neighbours_of(
    codes: "Codes",
    directions: NDArray[np.floating] | None,
    latents: Iterable[int],
    how: Literal["firing", "decoder"] = "firing",
    *,
    k: int = 10,
    rows: NDArray[np.int64] | None = None,
) -> dict[int, list[int]]:
    """The latents closest to each of some.

    Args:
        codes: of all positions.
        directions: decoder rows [n_latents, d]; needed for `decoder` only.
        latents: whose neighbours.
        how: `firing`, the share of positions at which both fire among those at which either does; `decoder`, the cosine
            of their directions.
        k: how many, at most.
        rows: positions that count, such as those of the choosing games; all by default.

    Returns:
        Their numbers by latent, closest first, the lower number first among equals. Latents that never fire are
        nobody's neighbours; by firing, neither are those that never fire together with this one.

    Raises:
        ValueError: an unknown measure, a latent that does not exist, or no directions to compare.
    """
    if how not in ("firing", "decoder"):
        raise ValueError(f"how must be firing or decoder, got {how!r}")
    asked = list(latents)
    wrong = [latent for latent in asked if not 0 <= latent < codes.n_latents]
    if wrong:
        raise ValueError(f"latents are numbered 0 to {codes.n_latents - 1}, got {wrong[:5]}")
    part = codes if rows is None else codes.take(rows)
    fires = part.values > 0
    at, number = part.rows[fires], part.indices[fires]
    counts = np.bincount(number, minlength=codes.n_latents)
    unit = None if how == "firing" else _unit(directions, codes.n_latents)
    entries = np.argsort(number, kind="stable")
    stops = np.cumsum(counts)
    found: dict[int, list[int]] = {}
    for latent in asked:
        if unit is None:
            mine = np.zeros(part.n_rows, np.bool_)
            mine[at[entries[stops[latent] - counts[latent] : stops[latent]]]] = True
            both = np.bincount(number[mine[at]], minlength=codes.n_latents)
            close, possible = both / np.maximum(counts + counts[latent] - both, 1), both > 0
        else:
            close, possible = unit @ unit[latent], counts > 0
        possible[latent] = False
        order = np.argsort(-close, kind="stable")
        found[latent] = order[possible[order]][:k].tolist()
    return found


def _unit(directions: NDArray[np.floating] | None, n_latents: int) -> NDArray[np.floating]:
    if directions is None or len(directions) != n_latents:
        got = "none" if directions is None else f"{len(directions)} of them"
        raise ValueError(f"cosines of decoder directions need one for each of {n_latents} latents, got {got}")
    return directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
