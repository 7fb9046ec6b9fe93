"""One dictionary scored on the published functions in three ways; what the ways are, reproduce_karvonen2024.py says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from .data.activations import split_by_game
from .games.features import FeatureSet
from .metrics import coverage, reconstruction
from .metrics.coverage_karvonen import largest_absolute
from .metrics.score import Score
from .models.capture import model_activations
from .models.dictionary import Codes, Dictionary, encode_in_batches
from .reproduce_labels import DENOMINATORS, FUNCTIONS, PublishedGame, Truth, published_labels, right_labels, world_of
from .supervised_dicts.probes import fit_probes

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

WAYS = ("as published", "corrected", "held-out")
METRICS = ("coverage", "reconstruction")
POSITIONS = ("published", "all")
FEWEST_GAMES = 16
_NO = float("nan")

Number = tuple[float, float, float, float]  # value, low, high, floor
Numbers = dict[tuple[str, str, str], Number]  # by way, metric, function
Labels = tuple[FeatureSet, NDArray[np.uint8]]


@dataclass(frozen=True)
class Sample:
    """Games with both kinds of labels, at the N positions that are scored.

    Attributes:
        tokens: int64 [games, positions].
        scored: bool [games, positions], what is scored as published.
        played: bool [games, positions], False after the end of a game.
        game_id: int64 [N].
        train: bool [N], the first half of the games.
        published: labels as published, packed [N, bytes].
        right: right labels of the same functions; None if none has a right counterpart.
        functions: published names.
        world: `chess` or `othello`.
        seed: of inner splits and the bootstrap.
    """

    tokens: NDArray[np.int64]
    scored: NDArray[np.bool_]
    played: NDArray[np.bool_]
    game_id: NDArray[np.int64]
    train: NDArray[np.bool_]
    published: Labels
    right: Labels | None
    functions: tuple[str, ...]
    world: str
    seed: int


@dataclass(frozen=True)
class Stream:
    """One model's activations: at the scored positions, and wherever the largest ones are looked for.

    Attributes:
        x: float32 [N, d].
        statistics: float32 [M, d], every position of the first quarter of the games, which is half of those to train
            on.
    """

    x: torch.Tensor
    statistics: torch.Tensor


@dataclass(frozen=True)
class Scores:
    """What one dictionary scores.

    Attributes:
        numbers: in every way.
        inside: by metric and function, the held-out value inside the training games, by which one of several may be
            chosen; empty if there is nothing to choose.
    """

    numbers: Numbers
    inside: Mapping[tuple[str, str], float]


def take_sample(
    game: PublishedGame,
    functions: Sequence[str] | None,
    games: Any,
    n_games: int,
    seed: int,
    positions: str = "published",
) -> Sample:
    """Games, sampled or given, with their labels.

    Raises:
        KeyError: an unknown function.
        ValueError: a game that was not in the paper, other positions than `POSITIONS`, or fewer than 16 games.
    """
    if positions not in POSITIONS:
        raise ValueError(f"positions must be one of {', '.join(POSITIONS)}, got {positions!r}")
    game = with_positions(game, positions)
    world = world_of(game)
    chosen = tuple(functions or (f for f in FUNCTIONS[world] if f in game.published_names))
    if unknown := [f for f in chosen if f not in game.published_names]:
        raise KeyError(f"{world} has no published function {unknown[0]!r}; there are {', '.join(game.published_names)}")
    if games is None and n_games < FEWEST_GAMES:
        raise ValueError(f"at least {FEWEST_GAMES} games are needed, half of them to train on, got {n_games}")
    own = game.sample(n_games, seed) if games is None else game.label(games)
    if len(own) < FEWEST_GAMES:
        raise ValueError(f"at least {FEWEST_GAMES} games are needed, half of them to train on, got {len(own)}")
    features, packed, scored = published_labels(game, chosen, own.tokens)
    if (scored & ~own.scored).any():
        raise ValueError(f"{game.name}: some positions that are scored as published have no labels of the vocabulary")
    game_id = np.nonzero(scored)[0]
    return Sample(
        own.tokens,
        scored,
        own.tokens != game.tokenizer.pad_id,
        game_id,
        game_id < len(own) // 2,
        (features, packed),
        right_labels(world, chosen, Truth(own.features, own.labels[scored])),
        chosen,
        world,
        seed,
    )


def with_positions(game: PublishedGame, positions: str) -> PublishedGame:
    """The same world with other positions scored, where it has a choice: Othello always scores all."""
    if is_dataclass(game) and any(field.name == "scored" for field in fields(game)):
        return replace(game, scored=positions)  # type: ignore[type-var]
    return game


def read_stream(model: "TransformerBridge", hook: str, sample: Sample, batch_size: int = 64) -> Stream:
    """Run a model over the games.

    Raises:
        KeyError: an unknown hook point.
        ValueError: tokens that the model cannot take.
    """
    n_statistics = max(1, len(sample.tokens) // 4)
    kept: list[torch.Tensor] = []
    statistics: list[torch.Tensor] = []
    for start in range(0, len(sample.tokens), batch_size):
        batch = slice(start, start + batch_size)
        values = model_activations(model, sample.tokens[batch], hook).float().cpu()
        kept.append(values[torch.from_numpy(sample.scored[batch])])
        counted = sample.played[batch].copy()
        counted[max(0, n_statistics - start) :] = False
        statistics.append(values[torch.from_numpy(counted)])
    return Stream(torch.cat(kept), torch.cat(statistics))


def score_dictionary(dictionary: Dictionary, stream: Stream, sample: Sample, *, choosing: bool) -> Scores:
    """Score in all ways; `choosing` scores inside the training games too.

    Raises:
        ValueError: it reads another width.
    """
    width = dictionary.directions.shape[1]
    if width != stream.x.shape[1]:
        raise ValueError(
            f"dictionary {dictionary.name!r} reads width {width}, the activations have {stream.x.shape[1]}"
        )
    codes = encode_in_batches(dictionary, stream.x)
    maxima = largest_absolute(encode_in_batches(dictionary, stream.statistics))
    numbers = as_published(codes, maxima, sample)
    if sample.right is None:
        return Scores(numbers, {})
    numbers |= corrected(codes, maxima, sample) | held_out(codes, sample)
    inside = {(metric, f): number[0] for (_, metric, f), number in _inside(codes, sample).items()} if choosing else {}
    return Scores(numbers, inside)


def score_probes(stream: Stream, sample: Sample) -> Scores:
    """Linear probes fitted on the training games: of the published labels, and of the right ones for the other ways."""
    codes, maxima = _probes(stream, sample, sample.published)
    numbers = as_published(codes, maxima, sample)
    if sample.right is not None:
        codes, maxima = _probes(stream, sample, sample.right)
        numbers |= corrected(codes, maxima, sample) | held_out(codes, sample)
    return Scores(numbers, {})


def as_published(codes: Codes, maxima: NDArray[np.float32], sample: Sample) -> Numbers:
    """The released protocol on the published labels."""
    features, labels = sample.published
    shared = _shared(sample, features, protocol="karvonen2024-code", maxima=maxima)
    known = {f: d for f, d in DENOMINATORS[sample.world].items() if f in sample.functions}
    scores = coverage(codes, labels, **shared, denominators=known), reconstruction(codes, labels, **shared)
    return _by_function("as published", *scores, bounds=False)


def corrected(codes: Codes, maxima: NDArray[np.float32], sample: Sample) -> Numbers:
    """The released formulas on right labels, without the faults that are plain slips."""
    assert sample.right is not None
    features, labels = sample.right
    shared = _shared(sample, features, protocol="karvonen2024-code", maxima=maxima)
    rebuilt = reconstruction(codes, labels, **shared, vote_overflow=False, float32_precision=False)
    return _by_function("corrected", coverage(codes, labels, **shared), rebuilt, bounds=False)


def held_out(codes: Codes, sample: Sample) -> Numbers:
    """This package's protocol on right labels."""
    assert sample.right is not None
    features, labels = sample.right
    shared = _shared(sample, features, null=False)
    scores = coverage(codes, labels, **shared), reconstruction(codes, labels, **shared)
    return _by_function("held-out", *scores, bounds=True)


def _inside(codes: Codes, sample: Sample) -> Numbers:
    """The held-out protocol inside the training games."""
    assert sample.right is not None
    features, labels = sample.right
    rows = np.flatnonzero(sample.train)
    train = split_by_game(sample.game_id[rows], 0.5, sample.seed)
    shared: dict[str, Any] = {"game_id": sample.game_id[rows], "train": train, "features": features, "null": False}
    shared |= {"min_positives": 1, "n_resamples": 2, "seed": sample.seed}
    part = codes.take(rows)
    scores = coverage(part, labels[rows], **shared), reconstruction(part, labels[rows], **shared)
    return _by_function("held-out", *scores, bounds=False)


def _shared(sample: Sample, features: FeatureSet, **more: Any) -> dict[str, Any]:
    about = {"game_id": sample.game_id, "train": sample.train, "features": features, "groups": features.groups}
    return {**about, "seed": sample.seed, **more}


def _by_function(way: str, covered: Score, rebuilt: Score, *, bounds: bool) -> Numbers:
    """The values of every function that holds anywhere: one that never does is not present, and does not score 0."""
    found: Numbers = {}
    for metric, score in zip(METRICS, (covered, rebuilt), strict=True):
        floors: Mapping[str, float] = score.details.get("group_floors") or _always_on(score)
        present = {g for g, n in zip(score.features["group"], score.features["positives"], strict=True) if n}
        for function, value in score.groups.items():
            if function not in present:
                continue
            low, high = score.group_intervals[function] if bounds else (_NO, _NO)
            found[way, metric, function] = (value, low, high, floors[function])
    return found


def _always_on(score: Score) -> dict[str, float]:
    """Pooled F1 of predicting every feature of a group on every board."""
    groups, positives = np.array(score.features["group"]), np.array(score.features["positives"])
    boards = score.details["n_test_positions"]
    sums = {group: (int(positives[groups == group].sum()), int((groups == group).sum())) for group in score.groups}
    return {group: 2 * p / max(boards * n + p, 1) for group, (p, n) in sums.items()}


def _probes(stream: Stream, sample: Sample, labels: Labels) -> tuple[Codes, NDArray[np.float32]]:
    """Latents of probes, and their largest values."""
    distinct = distinct_labels(labels[0].unpack(labels[1][sample.train]))
    names = [str(i) for i in range(distinct.shape[1])]
    fitted = fit_probes(stream.x[torch.from_numpy(sample.train)], distinct, feature_names=names, seed=sample.seed)
    return encode_in_batches(fitted, stream.x), largest_absolute(encode_in_batches(fitted, stream.statistics))


def distinct_labels(labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Different columns that vary, in order: several functions share classes, and masked ones never hold.

    Raises:
        ValueError: no column varies.
    """
    packed = np.ascontiguousarray(np.packbits(labels, axis=0).T)
    first: dict[bytes, int] = {}
    for i, column in enumerate(packed):
        first.setdefault(column.tobytes(), i)
    kept = labels[:, np.array(sorted(first.values()))]
    varies = kept.any(0) & ~kept.all(0)
    if not varies.any():
        raise ValueError("no label varies over the training games; use more games")
    return kept[:, varies]
