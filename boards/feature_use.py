"""How much a model's predictions move when a feature is changed in its activations, against other changes as large.

Equation      E KL(p || p_f) / E KL(p || p_r): p the untouched model, p_f with the feature changed, p_r with a change
              of equal size in another direction; 1 for a change like any other
Changes       own       what the activation changes by when the feature changes and the board stays: least squares, all
                        squares beside it. For what the squares tell linearly (their own states, say), what the
                        smallest change of squares that brings it about writes
              company   the difference of the two means, which holds whatever goes along with the feature
Conventions   A value of a variable is exchanged for another of its values, drawn as often as each occurs; a feature
              that stands alone is taken away. Directions come from the choosing games; changes are made once, at
              reporting positions where the feature holds, at the last move, after the testbed's block. Two controls of
              equal size: a random direction, and the one between two activations drawn at random, which is less foreign
              to the model. Divergences in nats; intervals resample games, features are held.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..supervised_dicts.linear import regress
from ..testbed_catalogue import Testbed
from .edits import Squares
from .last_move import LastMove
from .scores import Estimate, Resampler, top_tokens

TOLD = 1e-3  # share of a feature's variance that squares leave, below which they tell it
OFTEN = 20  # positions in which another value must occur to be exchanged for


@dataclass(frozen=True)
class Changes:
    """What is to be changed, where: one entry a row.

    Attributes:
        row: int64 [n], position of the testbed.
        feature: int64 [n], that holds there.
        other: int64 [n], what it is exchanged for; -1 to take it away.
    """

    row: NDArray[np.int64]
    feature: NDArray[np.int64]
    other: NDArray[np.int64]


def use_of_features(
    bed: Testbed, features: Mapping[str, NDArray[np.int64]], n_positions: int, n_resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """How much the model's predictions move when features are changed.

    Args:
        bed: the testbed.
        features: indices, by group.
        n_positions: positions a feature, at most.
        n_resamples: of the bootstrap.
        seed: of the positions, values, controls and the bootstrap.

    Returns:
        By group: `used` and `natural`, own over random and over natural; `company` and `natural company`, the same of
        the difference of means; `moves` and `random_moves`, share of the likely moves that own and random change.
    """
    wanted = np.concatenate(list(features.values()))
    group_of = {int(feature): i for i, part in enumerate(features.values()) for feature in part}
    changes = draw_changes(bed, wanted, n_positions, seed)
    own, company = feature_changes(bed, changes)
    games = np.asarray(bed.activations.game_id)[changes.row].astype(np.int64)
    unique, which = np.unique(games, return_inverse=True)
    position = np.asarray(bed.activations.position)[changes.row].astype(np.int64)
    tokens = bed.transcripts.tokens[unique]
    run = LastMove(bed.model, tokens, position, bed.spec.layer, game=which.reshape(-1))
    counts = np.maximum(bed.game.allowed(tokens).sum(2)[which, position], 1)
    different, moves = _effects(run, _conditions(bed, own, company, seed), counts)
    group = np.array([group_of[f] for f in changes.feature.tolist()])
    found: dict[str, dict[str, Estimate]] = {}
    for number, name in enumerate(features):
        mine = group == number
        if len(np.unique(games[mine])) < 2:
            continue
        resampler = Resampler(games[mine], n_resamples, seed)
        kl = {condition: values[mine] for condition, values in different.items()}
        found[name] = {
            "used": resampler.ratio(kl["own"], kl["random"]),
            "natural": resampler.ratio(kl["own"], kl["natural"]),
            "company": resampler.ratio(kl["company"], kl["random company"]),
            "natural company": resampler.ratio(kl["company"], kl["natural company"]),
            "moves": resampler.mean(moves["own"][mine]),
            "random_moves": resampler.mean(moves["random"][mine]),
        }
    return found


def draw_changes(bed: Testbed, wanted: NDArray[np.int64], n_positions: int, seed: int) -> Changes:
    """Reporting positions where each feature holds, and what it is exchanged for.

    Args:
        bed: the testbed.
        wanted: int64 [F], indices of features.
        n_positions: a feature, at most.
        seed: of the positions and the values. What is drawn for a feature does not depend on the others.
    """
    labels = np.asarray(bed.activations.labels)
    reporting = np.flatnonzero(~bed.train)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for feature in wanted.tolist():
        generator = np.random.default_rng([seed, feature])
        holds = bed.features.unpack_columns(labels[reporting], np.array([feature]))[:, 0]
        rows = generator.permutation(reporting[holds])[:n_positions]
        columns = columns_of(bed, feature)
        other = np.full(len(rows), -1)
        if len(columns):
            often = bed.features.unpack_columns(labels[bed.train], columns).sum(0).astype(np.float64)
            often[(columns == feature) | (often < OFTEN)] = 0
            if often.sum():
                other = generator.choice(columns, len(rows), p=often / often.sum())
        parts.append((rows, np.full(len(rows), feature), other))
    row, kind, other = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
    return Changes(row, kind, other)


def columns_of(bed: Testbed, feature: int) -> NDArray[np.int64]:
    """All values of a feature's variable, int64 [C]; empty for one that stands alone."""
    variable = bed.features[feature].variable
    return np.array([] if variable is None else bed.features.variables[variable], np.int64)


def feature_changes(bed: Testbed, changes: Changes) -> tuple[torch.Tensor, torch.Tensor]:
    """What is added to the activation of every row, float32 [n, d] each: own, and with company."""
    involved: set[int] = set(changes.feature.tolist())
    for feature in list(involved):
        involved |= set(columns_of(bed, feature).tolist())
    columns = np.array(sorted(involved), np.int64)
    at = {feature: i for i, feature in enumerate(columns.tolist())}
    fits = _Fits.of(bed, columns)
    pairs, which = np.unique(np.stack([changes.feature, changes.other], 1), axis=0, return_inverse=True)
    own, company = torch.empty(2, len(pairs), bed.d_in)
    solved: dict[str, torch.Tensor] = {}
    for i, (old, new) in enumerate(pairs.tolist()):
        if new < 0:
            own[i] = -fits.alone(at[old])
            company[i] = fits.absent[at[old]] - fits.present[at[old]]
            continue
        company[i] = fits.present[at[new]] - fits.present[at[old]]
        if fits.told[at[old]] and fits.told[at[new]]:
            own[i] = fits.exchanged(at[old], at[new])
            continue
        variable = bed.features[old].variable
        assert variable is not None  # it has another value
        members = [at[f] for f in columns_of(bed, old).tolist()]
        if variable not in solved:
            solved[variable] = fits.jointly(members)
        own[i] = solved[variable][members.index(at[new])] - solved[variable][members.index(at[old])]
    index = torch.from_numpy(which.reshape(-1))
    return own[index], company[index]


@dataclass(frozen=True)
class _Fits:
    """Least squares of activations and features on all squares.

    Attributes:
        present: float [F, d], mean activation where a feature holds.
        absent: float [F, d], and where it does not.
        x_left: float [N, d], what the squares do not explain.
        truth_left: float [N, F], the same of the features.
        writes: float [S * C, d], coefficients of the activation.
        tells: float [S * C, F], of the features.
        told: bool [F], whether the squares tell a feature.
    """

    present: torch.Tensor
    absent: torch.Tensor
    x_left: torch.Tensor
    truth_left: torch.Tensor
    writes: torch.Tensor
    tells: torch.Tensor
    told: torch.Tensor

    @classmethod
    def of(cls, bed: Testbed, columns: NDArray[np.int64]) -> "_Fits":
        labels = np.asarray(bed.activations.labels)[bed.train]
        truth = torch.from_numpy(bed.features.unpack_columns(labels, columns)).float()
        x = bed.x[torch.from_numpy(bed.train)]
        counts = truth.sum(0)[:, None]
        squares = Squares.of(bed.features).one_hot(labels, bed.features).reshape(len(labels), -1)
        board = torch.from_numpy(squares).float()
        both = torch.cat([x, truth], 1)
        offset, coefficients = regress(board, both)
        left = both - offset - board @ coefficients
        width = x.shape[1]
        spread = (truth - truth.mean(0)).square().sum(0)
        return cls(
            present=truth.T @ x / counts.clamp(min=1),
            absent=(1 - truth).T @ x / (len(x) - counts).clamp(min=1),
            x_left=left[:, :width],
            truth_left=left[:, width:],
            writes=coefficients[:, :width],
            tells=coefficients[:, width:],
            told=left[:, width:].square().sum(0) < TOLD * spread,
        )

    def alone(self, i: int) -> torch.Tensor:
        """What a feature writes when it begins to hold, float [d]."""
        if self.told[i]:
            return self._smallest([i], [1.0])
        mine = self.truth_left[:, i]
        return mine @ self.x_left / mine.square().sum().clamp(min=1e-9)

    def exchanged(self, old: int, new: int) -> torch.Tensor:
        """What exchanging two told features writes, float [d]."""
        return self._smallest([old, new], [-1.0, 1.0])

    def jointly(self, members: list[int]) -> torch.Tensor:
        """What each value of a variable writes beside the others and the squares, float [C, d]."""
        return regress(self.truth_left[:, members], self.x_left)[1]

    def _smallest(self, features: list[int], amounts: list[float]) -> torch.Tensor:
        """What the smallest change of squares writes that raises the features by these amounts."""
        tells = self.tells[:, features].double()
        change = torch.linalg.pinv(tells.T, rtol=1e-6) @ torch.tensor(amounts, dtype=torch.float64)
        return change.float() @ self.writes


def _conditions(
    bed: Testbed, own: torch.Tensor, company: torch.Tensor, seed: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every change with its controls of equal size."""
    generator = np.random.default_rng([seed, 1])
    noise = torch.from_numpy(generator.normal(size=own.shape).astype(np.float32))
    chosen = np.flatnonzero(bed.train)
    first, second = (bed.x[torch.from_numpy(generator.choice(chosen, len(own)))] for _ in range(2))
    for name, change, suffix in (("own", own, ""), ("company", company, " company")):
        size = change.norm(dim=1, keepdim=True)
        yield name, change
        yield f"random{suffix}", _to_size(noise, size)
        yield f"natural{suffix}", _to_size(first - second, size)


def _to_size(rows: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12) * size


def _effects(
    run: LastMove, conditions: Iterator[tuple[str, torch.Tensor]], counts: NDArray[np.int64]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Divergence from the untouched model, nats, and share of the likely moves that changed, by condition."""
    from tqdm.auto import tqdm

    clean = run.clean.double().log_softmax(1)
    likely = top_tokens(run.clean.numpy(), counts)
    different: dict[str, NDArray[Any]] = {}
    moves: dict[str, NDArray[Any]] = {}
    for name, change in tqdm(conditions, desc="changes", total=6, disable=None, leave=False):
        logits = run.with_x(run.x + change)
        after = logits.double().log_softmax(1)
        different[name] = (clean.exp() * (clean - after)).sum(1).numpy()
        if name in ("own", "random"):
            moves[name] = 1 - (top_tokens(logits.numpy(), counts) & likely).sum(1) / counts
    return different, moves
