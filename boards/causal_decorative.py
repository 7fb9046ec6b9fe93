"""Causal or decorative: what can be read from the activations, what an SAE represents, and what the model uses.

Question      For every group of features: can a probe read them, does the dictionary have latents for them, and does
              the model's prediction depend on their directions?
Equations     decodable, represented   (F1 - base) / (1 - base), F1 of the probes, or of the dictionary's best latents,
                                       base = 2p / (1 + p) of predicting the feature everywhere; means over the group
              used       E KL(p || p_f) / E KL(p || p_r): p the untouched model, p_f with the feature's own direction
                         taken away, p_r with as much taken away along a random direction; 1 for one like any other
              with company   the same for the difference of means, which holds whatever goes along with the feature
Conventions   A feature's own direction comes from least squares on the choosing games, all squares beside it: what the
              activation changes by when the feature begins to hold and the board stays. For a feature that the squares
              tell linearly (a square's state), it is what the smallest change of the squares that brings it about
              writes. It is taken away once, at reporting positions where the feature holds, at the last move of the
              testbed's block. A second control, `natural`, is the direction between two activations drawn at random, at
              the same size: less foreign to the model than a random one, so the ratio to it is stricter. Decodable and
              represented below 0 mean worse than predicting the feature everywhere. Intervals resample games; base and
              choice of features are held.
References    Kantamneni et al. 2025 (arXiv 2502.16681) on probes as baselines; Makelov, Lange and Nanda 2024
              (arXiv 2405.08366) on features that are decodable and not used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.assets import asset
from ..metrics.coverage import coverage
from ..metrics.score import Score
from ..models.dictionary import Dictionary
from ..models.loading import load_dictionary
from ..references import Candidate, References
from ..supervised_dicts.linear import regress
from ..testbed_catalogue import Testbed
from .edits import Squares
from .runs import edited_logits
from .scores import Estimate, Resampler, as_json, top_tokens, undefined
from .table import as_text

COLUMNS = {
    "decodable": "decodable",
    "represented": "represented",
    "used": "used",
    "natural": "used, to natural",
    "company": "with company",
    "moves": "moves changed",
    "random_moves": "by random",
}


@dataclass(frozen=True)
class CausalDecorative:
    """Decodable, represented and used, group by group.

    Attributes:
        testbed: name.
        dictionary: name of the one that represents.
        groups: estimates by the names in `COLUMNS`, by group.
        n_features: features whose use was measured, by group.
        details: counts.
    """

    testbed: str
    dictionary: str
    groups: Mapping[str, Mapping[str, Estimate]]
    n_features: Mapping[str, int]
    details: Mapping[str, Any]

    def verdict(self, group: str) -> str:
        """In a word or three.

        `used` is above both controls, `weakly used` above the random one only; `used in company` is for the difference
        of means alone; `decorative` can be read and is not used; else `not decodable`.
        """
        row = self.groups[group]
        if row["used"].low > 1:
            return "used" if row["natural"].low > 1 else "weakly used"
        if row["company"].low > 1:
            return "used in company"
        return "decorative" if row["decodable"].low > 0 else "not decodable"

    def table(self) -> str:
        """The groups as text, the most used first."""
        order = sorted(self.groups, key=lambda group: -np.nan_to_num(self.groups[group]["used"].value, nan=-1.0))
        lines = [["group", "n", *COLUMNS.values(), ""]]
        for group in order:
            cells = [str(self.groups[group][key]) for key in COLUMNS]
            lines.append([group, str(self.n_features[group]), *cells, self.verdict(group)])
        title = f"{self.testbed}: decodable by probes, represented by {self.dictionary}, used by the model"
        return f"{title}\n{as_text(lines)}"

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "testbed": self.testbed,
            "dictionary": self.dictionary,
            "groups": {
                group: {**as_json(row), "n_features": self.n_features[group], "verdict": self.verdict(group)}
                for group, row in self.groups.items()
            },
            "details": dict(self.details),
        }

    def plot(self, path: Any) -> None:
        """Write the picture; see causal_decorative_plot.py."""
        from .causal_decorative_plot import plot

        plot(self, path)


def causal_decorative(
    bed: Testbed,
    *,
    dictionary: Dictionary | None = None,
    groups: Sequence[str] | None = None,
    per_group: int = 8,
    n_positions: int = 32,
    n_resamples: int = 1000,
    seed: int = 0,
) -> CausalDecorative:
    """Measure all three for every feature group of a testbed.

    Args:
        bed: a testbed on a game with a board.
        dictionary: of the testbed's hook point; None for the TopK SAE that ships with it, or else the first one.
        groups: of features; None for all that have features often enough.
        per_group: features of a group whose use is measured, at most.
        n_positions: positions a feature, at most.
        n_resamples: of the bootstrap.
        seed: of the features, positions, directions and the bootstrap.

    Raises:
        KeyError: an unknown group.
        ValueError: a testbed without a board, or without a dictionary if none is given.
    """
    if dictionary is None:
        if not bed.spec.dictionaries:
            raise ValueError(f"no dictionary ships with {bed.name}; give one")
        name = "topk" if "topk" in bed.spec.dictionaries else next(iter(bed.spec.dictionaries))
        dictionary = load_dictionary(asset(bed.spec.dictionaries[name]), "sae_lens", name=name)
    candidate = Candidate(dictionary.name, "tested", dictionary, bed.x)
    probes = References(bed, candidate.codes.n_latents, candidate.codes.l0).ceilings()[0]
    read, held = (_covered(bed, c, groups, n_resamples, seed) for c in (probes, candidate))
    features = _chosen(bed, read, per_group, seed)
    used = use_of_features(bed, features, n_positions, n_resamples, seed)
    rows: dict[str, Mapping[str, Estimate]] = {}
    for group, use in used.items():
        rows[group] = {
            "decodable": _above_base(read, group),
            "represented": _above_base(held, group),
            **use,
        }
    counts = {group: len(features[group]) for group in rows}
    details = {"per_group": per_group, "n_positions": n_positions, "seed": seed, "n_games": bed.n_games}
    return CausalDecorative(bed.name, dictionary.name, rows, counts, details)


def _covered(bed: Testbed, candidate: Candidate, groups: Sequence[str] | None, n_resamples: int, seed: int) -> Score:
    return coverage(
        candidate.codes,
        np.asarray(bed.activations.labels),
        game_id=np.asarray(bed.activations.game_id),
        train=bed.train,
        features=bed.features,
        groups=groups,
        null=False,
        n_resamples=n_resamples,
        seed=seed,
    )


def _chosen(bed: Testbed, score: Score, per_group: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Features of every group to measure the use of; rare ones, and those that nearly always hold, are left out."""
    found: dict[str, list[int]] = {}
    table = score.features
    most = 0.98 * score.details["n_test_positions"]
    columns = zip(table["feature"], table["group"], table["rare"], table["positives"], strict=True)
    for name, group, rare, positives in columns:
        if not rare and positives < most:
            found.setdefault(group, []).append(bed.features.index(name))
    generator = np.random.default_rng(seed)
    return {group: np.sort(generator.permutation(indices)[:per_group]) for group, indices in found.items()}


def _above_base(score: Score, group: str) -> Estimate:
    """(F1 - base) / (1 - base) of a group; the base is held in the interval."""
    if group not in score.groups:
        return undefined(0)
    base = score.details["group_floors"][group]
    low, high = score.group_intervals[group]
    value, low, high = ((v - base) / max(1 - base, 1e-9) for v in (score.groups[group], low, high))
    return Estimate(value, low, high, np.empty(0))


def use_of_features(
    bed: Testbed, features: Mapping[str, NDArray[np.int64]], n_positions: int, n_resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """How much the model's predictions move when features' directions are erased.

    Args:
        bed: the testbed.
        features: indices, by group.
        n_positions: positions a feature, at most.
        n_resamples: of the bootstrap.
        seed: of the positions, directions and the bootstrap.

    Returns:
        By group, the columns from `used` on.
    """
    wanted = np.concatenate(list(features.values()))
    group = np.repeat(np.arange(len(features)), [len(part) for part in features.values()])
    own, means = feature_directions(bed, wanted)
    rows, feature = _positions(bed, wanted, n_positions, seed)
    x = bed.x[torch.from_numpy(rows)]
    which = torch.from_numpy(feature)
    changes = {"own": -own[which], "company": -means[which]}
    generator = np.random.default_rng([seed, 1])
    noise = torch.from_numpy(generator.normal(size=x.shape).astype(np.float32))
    chosen = np.flatnonzero(bed.train)
    ends = [bed.x[torch.from_numpy(generator.choice(chosen, len(rows)))] for _ in range(2)]
    size = changes["own"].norm(dim=1, keepdim=True)
    changes["random"] = _to_size(noise, size)
    changes["natural"] = _to_size(ends[0] - ends[1], size)
    changes["random company"] = _to_size(noise, changes["company"].norm(dim=1, keepdim=True))

    games = np.asarray(bed.activations.game_id)[rows].astype(np.int64)
    tokens = bed.transcripts.tokens[games]
    position = np.asarray(bed.activations.position)[rows].astype(np.int64)
    different, moves = _effects(bed, tokens, position, x, changes, _n_allowed(bed, games, position))
    found: dict[str, dict[str, Estimate]] = {}
    for number, name in enumerate(features):
        mine = group[feature] == number
        if len(np.unique(games[mine])) < 2:
            continue
        resampler = Resampler(games[mine], n_resamples, seed)
        kl = {condition: values[mine] for condition, values in different.items()}
        found[name] = {
            "used": resampler.ratio(kl["own"], kl["random"]),
            "natural": resampler.ratio(kl["own"], kl["natural"]),
            "company": resampler.ratio(kl["company"], kl["random company"]),
            "moves": resampler.mean(moves["own"][mine]),
            "random_moves": resampler.mean(moves["random"][mine]),
        }
    return found


def feature_directions(bed: Testbed, wanted: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions of features, fitted on the choosing games.

    Args:
        bed: the testbed.
        wanted: int64 [F], indices of features.

    Returns:
        Own directions and differences of means, float32 [F, d] each, as in the module's conventions.
    """
    labels = np.asarray(bed.activations.labels)[bed.train]
    truth = torch.from_numpy(bed.features.unpack_columns(labels, wanted)).float()
    x = bed.x[torch.from_numpy(bed.train)]
    counts = truth.sum(0)[:, None]
    present = truth.T @ x / counts.clamp(min=1)
    absent = (1 - truth).T @ x / (len(x) - counts).clamp(min=1)
    squares = Squares.of(bed.features).one_hot(labels, bed.features).reshape(len(labels), -1)
    board = torch.from_numpy(squares).float()
    both = torch.cat([x, truth], 1)
    offset, coefficients = regress(board, both)
    left = both - offset - board @ coefficients
    x_left, truth_left = left[:, : x.shape[1]], left[:, x.shape[1] :]
    spread = truth_left.square().sum(0)[:, None]
    own = truth_left.T @ x_left / spread.clamp(min=1e-9)
    writes, tells = coefficients[:, : x.shape[1]], coefficients[:, x.shape[1] :]
    told = spread[:, 0] < 1e-3 * (truth - truth.mean(0)).square().sum(0)
    smallest = tells / tells.square().sum(0).clamp(min=1e-9)  # of the changes of squares that raise a feature by 1
    own[told] = (smallest.T @ writes)[told]
    return own, present - absent


def _to_size(rows: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12) * size


def _positions(
    bed: Testbed, wanted: NDArray[np.int64], n_positions: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Reporting positions where features hold, and which feature each is for."""
    labels = np.asarray(bed.activations.labels)
    reporting = np.flatnonzero(~bed.train)
    holds = bed.features.unpack_columns(labels[reporting], wanted)
    rows: list[NDArray[np.int64]] = []
    for i in range(len(wanted)):
        found = reporting[holds[:, i]]
        rows.append(np.random.default_rng([seed, int(wanted[i])]).permutation(found)[:n_positions])
    return np.concatenate(rows), np.repeat(np.arange(len(wanted)), [len(part) for part in rows])


def _n_allowed(bed: Testbed, games: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of legal moves at positions, at least 1."""
    unique, which = np.unique(games, return_inverse=True)
    counts = bed.game.allowed(bed.transcripts.tokens[unique]).sum(2)
    return np.maximum(counts[which, position], 1)


def _effects(
    bed: Testbed,
    tokens: NDArray[np.int64],
    position: NDArray[np.int64],
    x: torch.Tensor,
    changes: Mapping[str, torch.Tensor],
    counts: NDArray[np.int64],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Divergence from the untouched model, nats, and share of the likely moves that changed, by condition."""
    clean = edited_logits(bed.model, tokens, position, {}).double().log_softmax(1)
    likely = top_tokens(clean.numpy(), counts)
    different: dict[str, NDArray[np.float64]] = {}
    moves: dict[str, NDArray[np.float64]] = {}
    for name, change in changes.items():
        put = {bed.hook: lambda _, at, new=x + change: new[at]}
        after = edited_logits(bed.model, tokens, position, put).double().log_softmax(1)
        different[name] = (clean.exp() * (clean - after)).sum(1).numpy()
        moves[name] = 1 - (top_tokens(after.numpy(), counts) & likely).sum(1) / counts
    return different, moves
