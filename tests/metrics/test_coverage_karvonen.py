"""Published coverage against a brute-force reading of the equations."""

import numpy as np
import pytest
from fiducial.metrics import coverage, coverage_karvonen

from . import worlds

PROTOCOLS = ("karvonen2024", "karvonen2024-text", "karvonen2024-code")


def f1_exact(on, label):
    tp, total = int((on & label).sum()), int(on.sum() + label.sum())
    return 2 * tp / total if total else 0.0


def f1_code(on, label):
    """The formula with its small constants, in float32."""
    eps = np.float32(1e-8)
    tp = np.float32((on & label).sum())
    precision = tp / (tp + np.float32((on & ~label).sum()) + eps)
    recall = tp / (tp + np.float32((~on & label).sum()) + eps)
    return float(2 * precision * recall / (precision + recall + eps))


def table(x, y, maxima, protocol):
    """F1 of every threshold, latent and feature: [T, L, F]."""
    is_code = protocol.endswith("code")
    grid = np.float32([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])[: 11 if is_code else 10]
    f1 = f1_code if is_code else f1_exact
    return np.array(
        [
            [[f1(x[:, i] > t * maxima[i], label) if maxima[i] > 0 else 0.0 for label in y.T] for i in range(x.shape[1])]
            for t in grid
        ]
    )


def expected(x, y, maxima, protocol, groups, denominators):
    f1 = table(x, y, maxima, protocol).max(1)  # [T, F]
    values = []
    for members, denominator in zip(groups, denominators, strict=True):
        if protocol == "karvonen2024":
            values.append(f1.max(0)[members].sum() / denominator)
        else:
            values.append((f1[:, members].sum(1) / denominator).max())
    return values


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_equations(protocol, seed):
    x, y, games, _ = worlds.sample(n_games=6, n_positions=12, n_latents=14, seed=seed)
    score = coverage(x, y, game_id=games, features=worlds.features(), protocol=protocol, n_resamples=10)
    values = expected(x, y, x.max(0), protocol, [np.arange(8), np.arange(8, 12)], [8, 4])
    assert list(score.groups.values()) == pytest.approx(values, abs=1e-9)
    assert score.value == pytest.approx(np.mean(values), abs=1e-9)
    assert score.protocol == protocol


def test_code_takes_maxima_of_another_sample_and_its_denominators():
    x, y, games, train = worlds.sample(n_games=6, n_positions=12, n_latents=14)
    maxima = x[train].max(0) * np.float32(0.7)  # activations may pass the maximum, so t = 1.0 is not empty
    maxima[4] = 0  # dead in the statistics sample: never used
    score = coverage(
        x,
        y,
        game_id=games,
        features=worlds.features(),
        protocol="karvonen2024-code",
        maxima=maxima,
        denominators={"board": 5},
        n_resamples=10,
    )
    values = expected(x, y, maxima, "karvonen2024-code", [np.arange(8), np.arange(8, 12)], [5, 4])
    assert list(score.groups.values()) == pytest.approx(values, abs=1e-9)
    assert 4 not in score.features["latent"]
    assert score.details["alive_latents"] == 12
    assert (
        score.details["features_above"]["0.5"]
        == (table(x, y, maxima, "karvonen2024-code").max((0, 1)) > np.float32(0.5)).sum()
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_train_rows_are_the_ones_used(protocol):
    x, y, games, train = worlds.sample()
    part = coverage(x, y, game_id=games, train=train, protocol=protocol, n_resamples=10)
    alone = coverage(x[train], y[train], game_id=games[train], protocol=protocol, n_resamples=10)
    assert part.value == alone.value
    assert (part.low, part.high) == (alone.low, alone.high)


def test_protocols_are_ordered_and_bounded():
    x, y, games, _ = worlds.sample()
    paper, text, code = (coverage(x, y, game_id=games, protocol=p, n_resamples=10).value for p in PROTOCOLS)
    assert paper >= text
    assert code == pytest.approx(text, abs=1e-6)  # t = 1.0 is empty with in-sample maxima
    for protocol in PROTOCOLS:
        perfect = coverage(y.astype(float), y, game_id=games, protocol=protocol, n_resamples=10)
        dead = coverage(np.zeros((len(y), 2)), y, game_id=games, protocol=protocol, n_resamples=10)
        assert (perfect.value, dead.value) == (pytest.approx(1.0, abs=1e-6), 0.0)
        assert dead.features["latent"] == [None] * 12


def test_unreachable_features_stay_in_published_denominators():
    x, y, games, _ = worlds.sample()
    y = y.copy()
    y[:, 11] = False
    few = worlds.features(reachable=11)
    score = coverage(x, y, game_id=games, features=few, protocol="karvonen2024", n_resamples=10)
    assert len(score.features["feature"]) == 12
    assert score.groups["edge"] == pytest.approx(sum(score.features["value"][8:]) / 4)


def test_negative_latents_count_for_the_maximum_and_never_fire():
    x, y, games, _ = worlds.sample()
    signed = x.copy()
    signed[3, 0] = -50.0
    assert coverage_karvonen.largest_absolute(_codes(signed))[0] == 50
    score = coverage(signed, y, game_id=games, protocol="karvonen2024-code", n_resamples=10)
    largest = np.abs(signed).max(0)
    assert score.value == pytest.approx(expected(signed, y, largest, "karvonen2024-code", [np.arange(12)], [12])[0])


def _codes(x):
    from fiducial.models.dictionary import Codes

    return Codes.from_dense(x)


def test_chunks_of_latents_do_not_change_anything():
    from fiducial.metrics.counts import sort_codes
    from fiducial.metrics.inputs import as_label_bits

    x, y, _, _ = worlds.sample()
    arguments = sort_codes(_codes(x)), as_label_bits(y, len(y)), x.max(0), coverage_karvonen.PAPER_GRID
    whole = coverage_karvonen.best_by_threshold(*arguments)
    parts = coverage_karvonen.best_by_threshold(*arguments, chunk=7)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


@pytest.mark.parametrize("broken", [False, True])
def test_a_loose_comparison_is_noticed(monkeypatch, broken):
    _, _, games, _ = worlds.sample(n_games=6, n_positions=12)
    if broken:
        real = coverage_karvonen.counts_at
        monkeypatch.setattr(coverage_karvonen, "counts_at", lambda *a, strict: real(*a, strict=False))
    x = np.random.default_rng(0).choice(np.float32([0.45, 0.5, 0.55]), (72, 1))  # 0.5 lies exactly at t * max
    y, maxima = x >= 0.5, np.ones(1, np.float32)
    score = coverage(x, y, game_id=games, protocol="karvonen2024-code", maxima=maxima, n_resamples=10)
    value = expected(x, y, maxima, "karvonen2024-code", [np.arange(1)], [1])[0]
    assert (score.value == pytest.approx(value, abs=1e-9)) == (not broken)
