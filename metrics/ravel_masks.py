# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Which latents carry an attribute: ranked by the F1 of their firing, or learned as a mask (MDBM).

A mask says of every attribute which latents are taken from the source. What a dictionary with a linear decoder does to
linear read-outs is linear in the mask, so that nothing is decoded or encoded again:

    scores(patched base) = scores(base) + sum over latents i of the mask (f_i(source) - f_i(base)) (W_i . weights)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .inputs import as_codes
from .ravel_pairs import Pairs, RavelTask, ReadOuts

if TYPE_CHECKING:
    from ..models.dictionary import Codes

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # latents of an attribute
MIN_POSITIVES = 5  # choosing rows that a value needs for latents to be ranked by it


@dataclass(frozen=True)
class Exchange:
    """What exchanging latents does to the read-outs of pairs.

    Attributes:
        start: float32 [P, C], scores of the bases before anything is exchanged.
        difference: float32 [P, L], latents of the source less those of the base, in units of what they write.
        effects: float32 [L, C], what one unit of a latent adds to every score.
    """

    start: NDArray[np.float32]
    difference: csr_array
    effects: NDArray[np.float32]

    def after(self, masks: NDArray[np.bool_], attribute: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores once the latents of each pair's mask are exchanged, float32 [P, C].

        Args:
            masks: bool [A, L], latents of every attribute.
            attribute: int64 [P], whose mask each pair takes.
        """
        table = self.difference
        pair = np.repeat(np.arange(len(self.start)), np.diff(table.indptr))
        taken = np.where(masks[attribute[pair], table.indices], table.data, np.float32(0))
        return self.start + csr_array((taken, table.indices, table.indptr), shape=table.shape) @ self.effects


@dataclass(frozen=True)
class Outcome:
    """What became of every pair.

    Attributes:
        cause: float64 [P], 1 where the read-out says the value of the source.
        isolation: float64 [P], share of the other attributes that stay; 0 where none has to.
        isolated: bool [P], whether some other attribute has to stay.
    """

    cause: NDArray[np.float64]
    isolation: NDArray[np.float64]
    isolated: NDArray[np.bool_]


def outcome(read_outs: ReadOuts, pairs: Pairs, scores: NDArray[np.float32]) -> Outcome:
    """What read-outs say of the pairs with these scores, float32 [P, C]."""
    said = read_outs.said(scores)
    rows = np.arange(len(pairs))
    stays = ((said == pairs.before) & pairs.kept).sum(1)
    there = pairs.kept.sum(1)
    return Outcome(
        (said[rows, pairs.attribute] == pairs.wanted).astype(np.float64), stays / np.maximum(there, 1), there > 0
    )


def by_attribute(outcome: Outcome, pairs: Pairs, n_attributes: int) -> NDArray[np.float64]:
    """Mean of cause and isolation of every attribute, float64 [A]; NaN where there are no pairs."""

    def mean(values: NDArray[np.float64], counted: NDArray[np.float64]) -> NDArray[np.float64]:
        top = np.bincount(pairs.attribute, weights=values * counted, minlength=n_attributes)
        bottom = np.bincount(pairs.attribute, weights=counted, minlength=n_attributes)
        return np.where(bottom > 0, top / np.maximum(bottom, 1), np.nan)

    both = np.stack(
        [mean(outcome.cause, np.ones(len(pairs))), mean(outcome.isolation, outcome.isolated.astype(np.float64))]
    )
    return np.where(np.isnan(both[1]), both[0], both.mean(0))


def unit_codes(latents: Any, directions: NDArray[np.floating[Any]]) -> tuple["Codes", NDArray[np.float32]]:
    """Latents and directions with the length of each direction moved into its latent.

    Raises:
        TypeError: latents that are neither codes nor an array.
        ValueError: shapes that do not fit.
    """
    from ..models.dictionary import Codes

    codes = as_codes(latents)
    rows = np.asarray(directions, np.float32)
    if rows.ndim != 2 or len(rows) != codes.n_latents:
        raise ValueError(f"directions must be [{codes.n_latents}, d], got {list(rows.shape)}")
    norms = np.linalg.norm(rows, axis=1)
    folded = Codes(codes.indptr, codes.indices, codes.values * norms[codes.indices], codes.n_latents)
    return folded, rows / np.maximum(norms, np.float32(1e-30))[:, None]


def exchange(
    task: RavelTask, pairs: Pairs, codes: "Codes", directions: NDArray[np.float32], x: NDArray[np.float32]
) -> Exchange:
    """The exchange of some pairs.

    Args:
        task: where.
        pairs: of the task.
        codes: of all rows; folded as `unit_codes` does.
        directions: float32 [L, d], unit rows.
        x: float32 [N, d], what is changed: activations to keep the error, reconstructions to drop it.
    """
    base, source = (_sparse(codes.take(rows)) for rows in (pairs.base, pairs.source))
    return Exchange(task.read_outs.scores(x[pairs.base]), csr_array(source - base), directions @ task.read_outs.weights)


def _sparse(codes: "Codes") -> csr_array:
    return csr_array((codes.values, codes.indices, codes.indptr), shape=(codes.n_rows, codes.n_latents))


def f1_ranks(task: RavelTask, codes: "Codes") -> NDArray[np.int64]:
    """Place of every latent in the order of an attribute, int64 [A, L]: 0 for the one that tells a value best.

    A latent counts by the F1 of its firing with the value that it tells best, on the choosing rows, as far as that is
    beyond the F1 of firing always: (F1 - always) / (1 - always). Equal latents stand in order of their number.
    """
    rows = np.flatnonzero(task.train)
    taken = codes.take(rows)
    fires = _sparse(taken)
    fires = csr_array((np.float32(1) * (fires.data > 0), fires.indices, fires.indptr), shape=fires.shape)
    fired = np.asarray(fires.sum(0), np.float64).ravel()
    best = np.full((len(task.names), codes.n_latents), -np.inf)
    for attribute, n_values in enumerate(task.read_outs.n_values):
        held = task.values[rows, attribute, None] == np.arange(n_values)
        often = held.sum(0)
        held = held[:, (often >= MIN_POSITIVES) & (often < len(rows))]
        if not held.shape[1]:
            continue
        positives = held.sum(0).astype(np.float64)
        both = np.asarray(fires.T @ held.astype(np.float32), np.float64)
        f1 = 2 * both / np.maximum(fired[:, None] + positives, 1)
        always = 2 * positives / (len(rows) + positives)
        best[attribute] = ((f1 - always) / (1 - always)).max(1)
    best[:, fired == 0] = -np.inf
    order = np.argsort(-best, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(codes.n_latents)[None], axis=1)
    return ranks


def greedy_masks(
    task: RavelTask, ranks: NDArray[np.int64], change: Exchange, sizes: Sequence[int] = SIZES
) -> tuple[NDArray[np.bool_], dict[int, list[float]]]:
    """The first latents of every attribute's order, as many as serve the choosing pairs best; the fewest of equals.

    Args:
        task: the task.
        ranks: int64 [A, L].
        change: exchange of the choosing pairs.
        sizes: numbers of latents to try.

    Returns:
        bool [A, L]; and, by size, the mean of cause and isolation of every attribute on the choosing pairs.
    """
    n_attributes, n_latents = ranks.shape
    tried = sorted({min(size, n_latents) for size in sizes})
    found = np.stack(
        [
            by_attribute(
                outcome(task.read_outs, task.choosing, change.after(ranks < size, task.choosing.attribute)),
                task.choosing,
                n_attributes,
            )
            for size in tried
        ]
    )
    best = np.array(tried)[np.nan_to_num(found, nan=-1.0).argmax(0)]
    return ranks < best[:, None], {size: found[i].tolist() for i, size in enumerate(tried)}


def random_masks(masks: NDArray[np.bool_], alive: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Masks of the same sizes, of latents drawn among those that fire, bool [A, L]."""
    generator = np.random.default_rng(seed)
    places = np.flatnonzero(alive)
    drawn = np.zeros_like(masks)
    for mask, size in zip(drawn, masks.sum(1), strict=True):
        mask[generator.permutation(places)[:size]] = True
    return drawn


def mdbm_masks(
    task: RavelTask,
    change: Exchange,
    *,
    steps: int = 200,
    batch_size: int = 8,
    lr: float = 1e-3,
    first_temperature: float = 1.0,
    last_temperature: float = 1e-4,
    seed: int = 0,
) -> NDArray[np.bool_]:
    """A mask of every attribute, learned with all others by descending the cross-entropy of the read-outs.

    One number a latent and attribute, 0 at first; the share that is exchanged is its sigmoid at a temperature that
    falls geometrically. A pair asks for the value of the source in its attribute and, as much, for the values of the
    base in those that have to stay. What is above 0 at the end is in the mask.

    Args:
        task: the task.
        change: exchange of the choosing pairs.
        steps: of Adam; attributes take their steps together.
        batch_size: pairs of every attribute a step.
        lr: step size.
        first_temperature: at the first step.
        last_temperature: at the last step.
        seed: of the order of pairs.

    Returns:
        bool [A, L].
    """
    from scipy.special import expit

    pairs = task.choosing
    batches = _batches(pairs.attribute, steps, batch_size, seed)
    asked = pairs.attribute[batches[0, :, 0]]
    targets, shares = _goals(task.read_outs, pairs)
    spread = _spread(task.read_outs)
    logits = np.zeros((len(asked), len(change.effects)), np.float32)
    first, second = np.zeros(logits.shape), np.zeros(logits.shape)
    backwards = np.ascontiguousarray(change.effects.T)
    for step, temperature in enumerate(np.geomspace(first_temperature, last_temperature, steps).tolist()):
        rows = batches[step].ravel()
        taken = change.difference[rows].toarray()
        # Far beyond 0 or 1 shares would be denormal numbers, which are slow.
        share = expit(np.clip(logits / np.float32(temperature), -30, 30))
        exchanged = (taken.reshape(len(asked), -1, taken.shape[1]) * share[:, None]).reshape(taken.shape)
        scores = change.start[rows] + exchanged @ change.effects
        pull = (_softmax(scores, task.read_outs, spread) - targets[rows]) * shares[rows]
        slope = ((pull @ backwards) * taken).reshape(len(asked), -1, taken.shape[1]).sum(1)
        gradient = slope * share * (1 - share) / np.float32(temperature * batch_size)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        unbiased = second / (1 - 0.999 ** (step + 1))
        logits -= (lr / (1 - 0.9 ** (step + 1)) * first / (np.sqrt(unbiased) + 1e-8)).astype(np.float32)
    masks = np.zeros((len(task.names), logits.shape[1]), np.bool_)
    masks[asked] = logits > 0
    return masks


def _goals(readers: ReadOuts, pairs: Pairs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What every score should say, 1 for the wanted value of an attribute, and its weight; float32 [P, C] each."""
    rows = np.arange(len(pairs))
    wanted = pairs.before.copy()
    wanted[rows, pairs.attribute] = pairs.wanted
    weight = pairs.kept / np.maximum(pairs.kept.sum(1, keepdims=True), 1)
    weight[rows, pairs.attribute] = 1
    targets = np.zeros((len(pairs), len(readers.biases)), np.float32)
    row, attribute = np.nonzero(weight)
    targets[row, readers.starts[attribute] + wanted[row, attribute]] = 1
    return targets, weight.astype(np.float32)[:, _spread(readers)]


def _spread(readers: ReadOuts) -> NDArray[np.int64]:
    """Attribute of every column, int64 [C]."""
    return np.repeat(np.arange(len(readers.n_values)), readers.n_values)


def _softmax(scores: NDArray[np.float32], readers: ReadOuts, spread: NDArray[np.int64]) -> NDArray[np.float32]:
    """Probabilities within every attribute, float32 [N, C]."""
    below = scores - np.maximum.reduceat(scores, readers.starts, axis=1)[:, spread]
    raised = np.exp(np.maximum(below, -60))
    return (raised / np.add.reduceat(raised, readers.starts, axis=1)[:, spread]).astype(np.float32, copy=False)


def _batches(attribute: NDArray[np.int64], steps: int, batch_size: int, seed: int) -> NDArray[np.int64]:
    """Pairs of every step, int64 [steps, attributes, batch_size]: all pairs of an attribute before any comes again."""
    generator = np.random.default_rng(seed)
    found: list[NDArray[np.int64]] = []
    for one in np.unique(attribute):
        group = np.flatnonzero(attribute == one)
        rounds = -(-steps * batch_size // len(group))
        order = np.concatenate([generator.permutation(group) for _ in range(rounds)])
        found.append(order[: steps * batch_size].reshape(steps, batch_size))
    return np.stack(found, 1)
