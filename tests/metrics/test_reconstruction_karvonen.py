"""Published reconstruction against a brute-force reading of the equations and of the released faults."""

import numpy as np
import pytest
from fiducial.metrics import reconstruction
from fiducial.metrics.grouping import vocabulary
from fiducial.metrics.predictions import high_precision, released_high_precision
from fiducial.metrics.reconstruction_karvonen import heard, one_right_one_wrong

from . import worlds

GROUPS = (np.arange(8), np.arange(8, 12))
GRID = np.float32([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def labelled(x, y, limits, least, float32):
    """Which latent is labelled for which feature at which threshold: bool [T, L, F]."""
    out = np.zeros((len(limits), x.shape[1], y.shape[1]), bool)
    for t, limit in enumerate(limits):
        for i in range(x.shape[1]):
            on = x[:, i] > limit[i]
            for f in range(y.shape[1]):
                tp, count = int((on & y[:, f]).sum()), int(on.sum())
                if tp < least:
                    continue
                if float32:
                    out[t, i, f] = np.float32(tp) * (np.float32(1) / np.float32(count)) >= np.float32(0.95)
                else:
                    out[t, i, f] = 20 * tp >= 19 * count
    return out


def limits_of(maxima, n):
    limits = GRID[:n, None] * maxima
    limits[:, maxima <= 0] = np.inf
    return limits


def f1(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def paper(x, y, train):
    limits = limits_of(x.max(0), 10)
    labels = labelled(x[train], y[train], limits, 1, False)
    values = []
    for members in GROUPS:
        boards = []
        for board, true in zip(x[~train], y[~train][:, members], strict=True):
            best = 0.0
            for t in range(10):
                guess = labels[t][board > limits[t]].any(0)[members]
                best = max(best, f1((guess & true).sum(), (guess & ~true).sum(), (~guess & true).sum()))
            boards.append(best)
        values.append(np.mean(boards))
    return values


def released(x, y, train, maxima, overflow, float32):
    """Per-class value, per-square value and mixed mode of each group."""
    limits = limits_of(maxima, 11)
    labels = labelled(x[train], y[train], limits, 10, float32)

    def said(votes):
        wrapped = (votes + 128) % 256 - 128 if overflow else votes
        return wrapped > 0

    def both_f1(guess, true):
        """Per class, and per square (pairs of columns)."""
        tp, fp, fn = (guess & true).sum(), (guess & ~true).sum(), (~guess & true).sum()
        squares = 0
        for g, t in zip(guess.reshape(-1, 2), true.reshape(-1, 2), strict=True):
            squares += (g & t).sum() == 1 and (g & ~t).sum() == 1
        return f1(tp, fp, fn), f1(tp - squares, fp, fn)

    out = []
    for members in GROUPS:
        true = y[~train][:, members]
        series = []
        for t in range(11):
            votes = (x[~train] > limits[t]).astype(int) @ labels[t].astype(int)
            series.append(both_f1(said(votes)[:, members], true))
        best = int(np.argmax([square for _, square in series[:10]]))
        mixed = np.zeros(true.shape, int)
        for n, board in enumerate(x[~train]):
            for i in range(x.shape[1]):
                passed = [t for t in range(11) if board[i] > limits[t, i] and labels[t, i, members].any()]
                if passed:
                    mixed[n] += labels[passed[-1], i, members]
        out.append((*series[best], *both_f1(said(mixed), true)))
    return out


@pytest.mark.parametrize("seed", [0, 1])
def test_paper_equals_the_equations(seed):
    x, y, games, train = worlds.sample(n_games=10, n_positions=20, seed=seed)
    y = y.copy()
    y[np.flatnonzero(~train)[:5]] = False  # boards without positives count 0
    score = reconstruction(
        x, y, game_id=games, train=train, features=worlds.features(), protocol="karvonen2024", n_resamples=10
    )
    values = paper(x, y, train)
    assert min(values) > 0.2
    assert list(score.groups.values()) == pytest.approx(values, abs=1e-12)
    assert score.low <= score.value <= score.high


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("own_maxima", [False, True])
def test_code_equals_the_released_procedure(seed, own_maxima):
    x, y, games, train = worlds.sample(n_games=12, n_positions=30, seed=seed)
    sharp = np.where(y[:, :8], 2.0 + x[:, :8], 0.0)  # good latents on training games that err on test games:
    partner = y[:, [1, 0, 3, 2, 5, 4, 7, 6]] & (np.random.default_rng(seed).random((len(x), 8)) < 0.3)
    sharp[~train] = np.maximum(sharp, 3.0 * partner)[~train]  # they take the other value of their square for their own
    x[:, :8] = sharp
    maxima = x[train].max(0)
    if own_maxima:
        maxima = maxima * np.float32(0.8)
        maxima[3] = 0
    score = reconstruction(
        x,
        y,
        game_id=games,
        train=train,
        features=worlds.features(),
        protocol="karvonen2024-code",
        maxima=maxima if own_maxima else None,
        n_resamples=10,
    )
    values = released(x, y, train, maxima, True, True)
    for group, (per_class, per_square, last, last_square) in zip(("board", "edge"), values, strict=True):
        assert score.groups[group] == pytest.approx(per_class, abs=1e-6)
        assert score.details["per_square"][group] == pytest.approx(per_square, abs=1e-6)
        assert score.details["last"][group]["per_class"] == pytest.approx(last, abs=1e-6)
        assert score.details["last"][group]["per_square"] == pytest.approx(last_square, abs=1e-6)
    assert values[0][0] != values[0][1]  # the square correction is exercised


@pytest.mark.parametrize(("votes", "reads"), [(0, 0), (1, 1), (127, 1), (128, 0), (255, 0), (256, 0), (257, 1)])
def test_votes_overflow_as_released(votes, reads):
    assert heard(np.array([votes], np.int32), True)[0] == bool(reads)
    assert heard(np.array([votes], np.int32), False)[0] == (votes > 0)


@pytest.mark.parametrize("votes", [0, 1, 127, 128, 255, 256, 257])
@pytest.mark.parametrize("overflow", [True, False])
def test_overflow_reaches_the_score(votes, overflow):
    y = np.tile([True, False], 60)[:, None]
    games = np.repeat(np.arange(6), 20)
    x = np.tile(y.astype(np.float32), (1, max(votes, 1))) * (votes > 0)
    train = games < 3
    score = reconstruction(
        x,
        y,
        game_id=games,
        train=train,
        protocol="karvonen2024-code",
        vote_overflow=overflow,
        n_resamples=5,
    )
    expected = votes in (1, 127, 257) if overflow else votes > 0
    assert score.value == pytest.approx(float(expected), abs=1e-6)
    assert score.details["last"]["all"]["per_class"] == pytest.approx(float(expected), abs=1e-6)
    default = reconstruction(x, y, game_id=games, train=train, n_resamples=5, null=False)
    assert default.value == (votes > 0)


def test_float32_precision_refuses_exactly_95_percent_where_the_release_does():
    on = 20 * np.arange(1, 3001)
    refused = on[~released_high_precision(on * 19 // 20, on)]
    assert len(refused) == 73
    assert refused[:3].tolist() == [460, 920, 1840]
    assert high_precision(on * 19 // 20, on, 10).all()
    tp, on = np.meshgrid(np.arange(1, 700), np.arange(1, 700))
    lenient = released_high_precision(tp, on) & ~high_precision(tp, on, 10) & (tp <= on)
    assert not lenient.any()


def test_float32_precision_reaches_the_score():
    games = np.repeat(np.arange(4), 230)
    x = np.ones((920, 1), np.float32)
    y = np.ones((920, 1), bool)
    y[np.arange(460, 483)] = False
    train = games >= 2  # 460 on, 437 true
    common = {"game_id": games, "train": train, "protocol": "karvonen2024-code", "n_resamples": 5}
    assert reconstruction(x, y, **common).value == 0.0
    assert reconstruction(x, y, float32_precision=False, **common).value == 1.0


def test_square_correction_needs_exactly_one_of_each():
    words = vocabulary(12, worlds.features(), None)
    said = np.zeros((4, 12), bool)
    true = np.zeros((4, 12), bool)
    said[0, :2], true[0, 0] = True, True  # one right, one wrong: counts
    said[1, :2], true[1, :2] = True, True  # two right
    said[2, 0], true[2, 1] = True, True  # one wrong
    said[3, 8:12], true[3, [8, 10]] = True, True  # two squares of the other group
    assert one_right_one_wrong(said, true, words).tolist() == [[1, 0], [0, 0], [0, 0], [0, 2]]


def test_features_without_variables_are_never_corrected():
    x, y, games, train = worlds.sample()
    score = reconstruction(x, y, game_id=games, train=train, protocol="karvonen2024-code", n_resamples=5)
    assert score.details["per_square"]["all"] == pytest.approx(score.value)


@pytest.mark.parametrize("protocol", ["karvonen2024", "karvonen2024-code"])
def test_limits(protocol):
    _, y, games, train = worlds.sample(n_positions=40)
    y[:, 11] |= ~y.any(1)  # no empty board
    common = {"game_id": games, "train": train, "protocol": protocol, "n_resamples": 5}
    perfect = reconstruction(y.astype(float), y, **common)
    assert perfect.value == pytest.approx(1.0, abs=1e-6)
    dead = reconstruction(np.zeros((len(y), 2)), y, **common)
    assert (dead.value, dead.low, dead.high) == (0, 0, 0)
    assert 0 < perfect.floors["always on"] < 1


@pytest.mark.parametrize("broken", [False, True])
def test_choosing_by_class_is_noticed(monkeypatch, broken):
    import fiducial.metrics.reconstruction_karvonen as module

    x, y, games, train = worlds.sample(n_games=12, n_positions=30)
    if broken:
        monkeypatch.setattr(module, "released_high_precision", lambda tp, on: tp >= 10)
    score = reconstruction(
        x, y, game_id=games, train=train, features=worlds.features(), protocol="karvonen2024-code", n_resamples=5
    )
    values = [v[0] for v in released(x, y, train, x[train].max(0), True, True)]
    assert (list(score.groups.values()) == pytest.approx(values, abs=1e-6)) == (not broken)
