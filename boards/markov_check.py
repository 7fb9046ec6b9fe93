"""One board, two histories: does the model do the same on it?

Question      Is what the model computes at the last move a matter of the board alone, or of how it came about?
Conventions   Pairs have the same board, player to move and rights after equally many different moves. The floor pairs
              each base with the source of another pair after equally many moves. Intervals resample the games of the
              bases. A model that knew nothing but the board would score 0 divergence and 0 distance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.position_pairs import PositionPairs, same_board_pairs
from ..testbed_catalogue import Testbed
from .pair_patching import PAIR_SEED, allowed_at, cut_after
from .runs import block_hook, edited_logits, read_at
from .scores import Estimate, Resampler, as_json, top_tokens
from .table import as_text


@dataclass(frozen=True)
class MarkovCheck:
    """Positions with one board and two histories, beside positions with two boards.

    Attributes:
        testbed: name.
        n_pairs: with one board.
        rows: estimates by name, of "same board" and its floor "other board": pairs of the same plies.
    """

    testbed: str
    n_pairs: int
    rows: Mapping[Literal["same board", "other board"], Mapping[str, Estimate]]

    def table(self) -> str:
        """The rows as text."""
        names = list(self.rows["same board"])
        lines = [["measure", *self.rows]]
        lines += [[name, *(str(row[name]) for row in self.rows.values())] for name in names]
        return f"{self.testbed}: {self.n_pairs} pairs with the same board by other moves\n{as_text(lines)}"

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        rows = {name: as_json(row) for name, row in self.rows.items()}
        return {"testbed": self.testbed, "n_pairs": self.n_pairs, "rows": rows}


def markov_check(
    bed: Testbed, *, n_pairs: int = 1000, n_games: int = 2000, n_resamples: int = 1000, seed: int = 0
) -> MarkovCheck:
    """Does the model do the same on the same board, whatever the moves that led to it?

    Measured between the two positions of a pair: the divergence of the next move's distributions (nats, averaged over
    both directions), whether the most probable moves are equal, the overlap of the |L| most probable moves, the
    distance of the activations after each block relative to that of pairs with other boards, and the divergence from
    the base when the source's activation at the testbed's block is patched into it. The floor pairs each base with the
    source of another pair after equally many moves.

    Args:
        bed: a testbed on a game with a board.
        n_pairs: at most.
        n_games: searched for pairs.
        n_resamples: of the bootstrap.
        seed: of the games and pairs.

    Raises:
        ValueError: a game without a board, or fewer than 2 pairs.
    """
    transcripts = bed.game.sample(n_games, PAIR_SEED + seed)
    pairs = same_board_pairs(bed.game, transcripts, n=n_pairs, seed=seed)
    if len(pairs) < 2:
        raise ValueError(f"found {len(pairs)} pairs of positions with one board in {n_games} games; ask for more games")
    pad = bed.game.tokenizer.pad_id
    base, source = ((cut_after(transcripts.tokens[p[:, 0]], p[:, 1], pad), p[:, 1]) for p in (pairs.base, pairs.source))
    counts = allowed_at(bed, transcripts, pairs.base).sum(1)
    other = _same_ply(pairs, seed)
    hooks = [block_hook(block) for block in range(bed.config.n_layers)]
    ours, theirs = (read_at(bed.model, *part, hooks) for part in (base, source))
    logits, their_logits = (edited_logits(bed.model, *part, {}) for part in (base, source))
    resampler = Resampler(pairs.base[:, 0], n_resamples, seed)
    ready = counts > 0
    rows: dict[Literal["same board", "other board"], Mapping[str, Estimate]] = {}
    for name, picked in (("same board", np.arange(len(pairs))), ("other board", other)):
        usable = (picked >= 0) & ready & (counts[picked] > 0)
        take = torch.from_numpy(np.maximum(picked, 0))
        there = their_logits[take]
        changes = {bed.hook: lambda _, at, new=theirs[bed.hook][take]: new[at]}
        patched = edited_logits(bed.model, *base, changes)
        row = {
            "divergence": _divergence(logits, there),
            "same first choice": (logits.argmax(1) == there.argmax(1)).double().numpy(),
            "overlap of the likely moves": _overlap(logits.numpy(), there.numpy(), counts),
            "divergence after patching the source in": _divergence(logits, patched),
        }
        estimates = {key: resampler.mean(np.where(usable, value, np.nan)) for key, value in row.items()}
        for hook in hooks:
            near = (ours[hook] - theirs[hook][take]).norm(dim=1).numpy()
            far = (ours[hook] - theirs[hook][torch.from_numpy(np.maximum(other, 0))]).norm(dim=1).numpy()
            both = usable & (other >= 0)
            estimates[f"distance after {hook.removesuffix('.hook_out')}, relative"] = resampler.ratio(
                np.where(both, near, 0.0), np.where(both, far, 0.0)
            )
        rows[name] = estimates  # type: ignore[index] - one of the two names
    return MarkovCheck(bed.name, len(pairs), rows)


def _same_ply(pairs: PositionPairs, seed: int) -> NDArray[np.int64]:
    """For every pair another one after equally many moves, -1 if there is none; int64 [n]."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    order = order[np.argsort(pairs.ply[order], kind="stable")]
    found = np.full(len(pairs), -1, np.int64)
    for group in np.split(order, np.flatnonzero(np.diff(pairs.ply[order])) + 1):
        if len(group) > 1:
            found[group] = np.roll(group, 1)
    return found


def _divergence(first: torch.Tensor, second: torch.Tensor) -> NDArray[np.float64]:
    """Mean of the divergences in both directions, nats, float64 [n]."""
    p, q = first.double().log_softmax(1), second.double().log_softmax(1)
    return (0.5 * ((p.exp() - q.exp()) * (p - q)).sum(1)).numpy()


def _overlap(first: NDArray[np.floating], second: NDArray[np.floating], counts: NDArray[np.integer]) -> NDArray[Any]:
    """Share of the most probable tokens that two rows have in common, float64 [n]; `counts` says how many."""
    both = top_tokens(first, counts) & top_tokens(second, counts)
    return both.sum(1) / np.maximum(counts, 1)
