"""Pairs of inputs whose activations are patched from one into the other, and what the output should then prefer.

One form for prompts and boards: every row names the tokens that become right (`towards`) and those that cease to be
(`away`), and the score of some logits is the mean log-probability of the first minus that of the second. For a prompt
whose answer changes this is the difference of two logits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.transcripts import Counterfactuals, Game, Transcripts

if TYPE_CHECKING:
    from ..games.ioi_prompts import Prompts
    from ..games.position_pairs import PositionPairs

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PatchPairs:
    """Base and source, a row each.

    Attributes:
        base: int64 [N, P], tokens of the inputs to patch.
        base_positions: semantic position -> int64 [N].
        source: int64 [N, P'], tokens of the inputs whose activations are patched in.
        source_positions: the same names -> int64 [N].
        towards: int64 [N, K], tokens that become right, -1 where a row has fewer.
        away: int64 [N, K'], tokens that cease to be right, -1 where a row has fewer.
        at: semantic position of the logits.
        what: what differs, for people, such as "IO".
    """

    base: Ints
    base_positions: Mapping[str, Ints]
    source: Ints
    source_positions: Mapping[str, Ints]
    towards: Ints
    away: Ints
    at: str
    what: str

    def __post_init__(self) -> None:
        n = len(self.base)
        sizes = {"source": len(self.source), "towards": len(self.towards), "away": len(self.away)}
        sizes |= {f"base_positions[{name!r}]": len(column) for name, column in self.base_positions.items()}
        sizes |= {f"source_positions[{name!r}]": len(column) for name, column in self.source_positions.items()}
        for name, size in sizes.items():
            if size != n:
                raise ValueError(f"pairs: {name} must have {n} rows like base, got {size}")
        if set(self.base_positions) != set(self.source_positions) or self.at not in self.base_positions:
            raise ValueError(
                f"pairs: base and source must have the same positions, {self.at!r} among them; got "
                f"{sorted(self.base_positions)} and {sorted(self.source_positions)}"
            )
        nothing = (self.towards < 0).all(1) & (self.away < 0).all(1)
        if nothing.any():
            raise ValueError(f"pairs: nothing should change in row {int(np.flatnonzero(nothing)[0])}")

    def __len__(self) -> int:
        return len(self.base)

    def take(self, rows: Ints | NDArray[np.bool_] | slice) -> "PatchPairs":
        """Some of the pairs."""
        return PatchPairs(
            self.base[rows],
            {name: column[rows] for name, column in self.base_positions.items()},
            self.source[rows],
            {name: column[rows] for name, column in self.source_positions.items()},
            self.towards[rows],
            self.away[rows],
            self.at,
            self.what,
        )

    def score(self, logits: torch.Tensor, rows: slice = slice(None)) -> torch.Tensor:
        """Mean log-probability of `towards` minus that of `away`, nats; a row without one of them has only the other.

        Args:
            logits: float [B, d_vocab] of the rows.
            rows: which rows they are.

        Returns:
            Float [B].
        """
        logs = logits.log_softmax(-1)
        return _mean_at(logs, self.towards[rows]) - _mean_at(logs, self.away[rows])


def pairs_of_prompts(base: "Prompts", source: "Prompts", what: str) -> PatchPairs:
    """Prompts and their counterfactuals.

    Where the answer changes, towards is the new one and away the old one; where it stays (another S in a plain prompt),
    towards is what the old answer is set against.

    Raises:
        ValueError: different numbers of prompts.
    """
    if len(base) != len(source):
        raise ValueError(f"base and source must have one row a pair, got {len(base)} and {len(source)}")
    towards = np.where(source.target != base.target, source.target, base.other)
    return PatchPairs(
        base.tokens,
        base.positions,
        source.tokens,
        source.positions,
        towards[:, None],
        base.target[:, None],
        "end",
        what,
    )


def pairs_of_counterfactuals(pairs: Counterfactuals, what: str = "square") -> PatchPairs:
    """A game's counterfactual positions; the one semantic position is "move", the last move's token.

    The source game agrees with the edited board in the changed variable only, so a patch of everything moves in more
    than is asked for, and nothing is known of how far the score should rise.
    """
    return PatchPairs(
        pairs.base,
        {"move": pairs.base_position},
        pairs.source,
        {"move": pairs.source_position},
        _listed(pairs.allowed_after & ~pairs.allowed_before),
        _listed(pairs.allowed_before & ~pairs.allowed_after),
        "move",
        what,
    )


def pairs_of_positions(game: Game, transcripts: Transcripts, pairs: "PositionPairs") -> PatchPairs:
    """Real positions whose boards differ in one square; pairs that allow the same moves are left out.

    Raises:
        ValueError: all pairs allow the same moves.
    """
    games = np.unique(np.concatenate([pairs.base[:, 0], pairs.source[:, 0]]))
    allowed = game.allowed(transcripts.tokens[games])
    base, source = (allowed[np.searchsorted(games, side[:, 0]), side[:, 1]] for side in (pairs.base, pairs.source))
    kept = np.flatnonzero((base != source).any(1) & base.any(1) & source.any(1))
    if not len(kept):
        raise ValueError(f"all {len(pairs)} pairs of positions allow the same moves; nothing to patch")
    return PatchPairs(
        transcripts.tokens[pairs.base[kept, 0]],
        {"move": pairs.base[kept, 1]},
        transcripts.tokens[pairs.source[kept, 0]],
        {"move": pairs.source[kept, 1]},
        _listed((source & ~base)[kept]),
        _listed((base & ~source)[kept]),
        "move",
        "square",
    )


def _listed(chosen: NDArray[np.bool_]) -> Ints:
    """Column indices of every row, padded with -1; at least one column."""
    width = max(1, int(chosen.sum(1).max(initial=0)))
    order = np.argsort(~chosen, axis=1, kind="stable")[:, :width]
    return np.where(np.take_along_axis(chosen, order, axis=1), order, -1)


def _mean_at(logs: torch.Tensor, tokens: Ints) -> torch.Tensor:
    index = torch.from_numpy(tokens).to(logs.device)
    present = index >= 0
    found = logs.gather(1, index.clamp(min=0)).masked_fill(~present, 0)
    return found.sum(1) / present.sum(1).clamp(min=1)
