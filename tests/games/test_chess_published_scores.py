"""Published coverage and reconstruction of functions with 13 classes and a masked one, by a direct reading of both."""

from dataclasses import replace

import numpy as np
import pytest
from fiducial.games.chess_play import play_random
from fiducial.games.chess_published import (
    PUBLISHED_PLIES,
    published_denominators,
    published_features,
    published_function,
    published_labels,
)
from fiducial.games.features import FeatureSet
from fiducial.metrics import coverage, reconstruction

MASKED = "piece, blank and initial masked"
NAMES = ("piece", "piece, blank masked", MASKED, "piece colour", "threat", "check")
GRID = np.float32([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


@pytest.fixture(scope="module")
def world():
    """Labels bool [N, F] of some functions, games [N], train [N], latents that follow labels of a square loosely."""
    rng = np.random.default_rng(0)
    record = play_random(20, 40, rng)
    labels = np.concatenate([published_labels(record, name, PUBLISHED_PLIES) for name in NAMES], axis=-1)
    n_games, n_plies, _ = labels.shape
    labels = labels.reshape(n_games * n_plies, -1)
    games = np.repeat(np.arange(n_games), n_plies)
    train = games < n_games // 2
    often = np.flatnonzero((labels[train].sum(0) > 25) & (labels[train].sum(0) < 200))
    chosen = rng.choice(often, 60, replace=False)
    x = labels[:, chosen] * (1 + rng.random((len(labels), 60)))
    x[~train] += (rng.random((len(labels), 60)) < 0.05)[~train] * 1.5  # wrong on some test boards
    x += (rng.random(x.shape) < 0.2) * 0.15 * rng.random(x.shape)
    return x.astype(np.float32), labels, games, train


def features_of(names):
    return FeatureSet(f for name in names for f in published_features(name))


def columns():
    stops = np.cumsum([len(published_features(name)) for name in NAMES])
    return {name: slice(stop - len(published_features(name)), stop) for name, stop in zip(NAMES, stops, strict=True)}


def f1(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def test_coverage_divides_by_the_classes_that_are_not_masked(world):
    x, labels, games, train = world
    score = coverage(
        x, labels, game_id=games, train=train, features=features_of(NAMES), groups=NAMES, n_resamples=5,
        protocol="karvonen2024-code", denominators=published_denominators(NAMES),
    )  # fmt: skip
    x, labels = x[train], labels[train]
    for name, where in columns().items():
        classes = published_function(name).n_classes
        squares = 64 if published_function(name).on_squares else 1
        by_class = labels[:, where].reshape(-1, squares, classes)
        best = np.zeros((11, squares, classes))
        for latent in x.T:
            for t, limit in enumerate(GRID * latent.max()):
                on = latent > limit
                tp = by_class[on].sum(0)
                value = 2 * tp / np.maximum(on.sum() + by_class.sum(0), 1)
                best[t] = np.maximum(best[t], value)
        declared = squares * (classes - (published_function(name).masked is not None))
        assert score.groups[name] == pytest.approx((best.sum((1, 2)) / declared).max(), abs=1e-6), name


def test_a_perfect_dictionary_reaches_the_share_of_properties_that_occur(world):
    """The published ceiling: the denominator counts every declared property."""
    _, labels, games, train = world
    labels = labels[:, columns()[MASKED]]
    score = coverage(
        labels.astype(np.float32), labels, game_id=games, train=train, features=features_of([MASKED]),
        groups=[MASKED], protocol="karvonen2024-code", denominators=published_denominators([MASKED]), n_resamples=5,
    )  # fmt: skip
    assert score.value == pytest.approx(labels[train].any(0).sum() / 768, abs=1e-6)
    assert score.value < 0.5


def test_reconstruction_counts_squares_as_published(world):
    """Right and wrong class on one square, and the threshold that the per-square F1 picks."""
    x, labels, games, train = world
    score = reconstruction(
        x, labels, game_id=games, train=train, features=features_of(NAMES), groups=NAMES, n_resamples=5,
        protocol="karvonen2024-code",
    )  # fmt: skip
    corrected = 0
    for name, where in columns().items():
        classes = published_function(name).n_classes
        true = labels[~train][:, where]
        series = []
        for limit in (t * x[train].max(0) for t in GRID[:10]):
            on = x[train] > limit
            tp = on.T.astype(np.int64) @ labels[train][:, where]
            count = np.maximum(on.sum(0), 1)[:, None]
            labelled = (tp >= 10) & (np.float32(tp) * (np.float32(1) / np.float32(count)) >= np.float32(0.95))
            said = (x[~train] > limit).astype(int) @ labelled.astype(int) > 0
            right, wrong = said & true, said & ~true
            both = (
                (right.reshape(len(true), -1, classes).sum(-1) == 1)
                & (wrong.reshape(len(true), -1, classes).sum(-1) == 1)
            ).sum()
            tp, fp, fn = right.sum(), wrong.sum(), (true & ~said).sum()
            series.append((f1(tp - both, fp, fn), f1(tp, fp, fn)))
            corrected += both if classes > 1 else 0
        per_square, per_class = max(series, key=lambda pair: pair[0])
        assert score.groups[name] == pytest.approx(per_class, abs=1e-5), name
        assert score.details["per_square"][name] == pytest.approx(per_square, abs=1e-5), name
    assert corrected > 50


def test_a_masked_class_is_never_labelled_and_never_predicted(world):
    x, labels, games, train = world
    score = reconstruction(
        x, labels, game_id=games, train=train, features=features_of(NAMES), groups=[MASKED], n_resamples=5,
        protocol="karvonen2024-code",
    )  # fmt: skip
    table = score.features
    blanks = [i for i, name in enumerate(table["feature"]) if name.endswith("blank")]
    assert len(blanks) == 64
    assert all(table["positives"][i] == table["precision"][i] == table["recall"][i] == 0 for i in blanks)


@pytest.mark.parametrize("variables", [True, False])
def test_squares_without_a_variable_are_noticed(world, variables):
    """Why the classes of a square share a variable: without it the per-square F1 is the per-class one."""
    x, labels, games, train = world
    features = features_of(["piece colour"])
    if not variables:
        features = FeatureSet(replace(f, variable=None) for f in features)
    score = reconstruction(
        x, labels[:, columns()["piece colour"]], game_id=games, train=train, features=features, n_resamples=5,
        groups=["piece colour"], protocol="karvonen2024-code",
    )  # fmt: skip
    t = round(score.details["relative_thresholds"]["piece colour"] * 10)
    per_class = score.details["per_class_by_threshold"]["piece colour"][t]
    assert (score.details["per_square"]["piece colour"] == per_class) == (not variables)
