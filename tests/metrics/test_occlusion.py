"""Occlusion: against scikit-learn and brute force, at its limits, and against mutated versions."""

import importlib

import numpy as np
import pytest
from fiducial.metrics.inputs import as_codes
from fiducial.metrics.occlusion import best_f1, contingency, occlusion
from fiducial.metrics.score import game_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

module = importlib.import_module("fiducial.metrics.occlusion")  # the package has the function under this name
N, VALUES = 600, 6
RNG = np.random.default_rng(0)
ATTRIBUTES = {name: RNG.integers(0, VALUES, N) for name in ("IO", "S", "Pos")}
GAMES = np.arange(N)
TRAIN = GAMES % 2 == 0
SHARES = {"IO": 0.6, "S": 0.3, "Pos": 0.1}


def one_hot(values, n_values=VALUES):
    return (values[:, None] == np.arange(n_values)).astype(np.float32)


def codes_of(*names):
    return np.concatenate([one_hot(ATTRIBUTES[name]) for name in names], 1)


def score(latents, attributes=ATTRIBUTES, **given):
    given = {"variance_shares": SHARES, "train": TRAIN, "n_resamples": 50, **given}
    return occlusion(latents, attributes, GAMES, **given)


def test_perfect_dictionary_finds_everything():
    scores = score(codes_of("IO", "S", "Pos"))
    found, error = scores["found_values_score"], scores["occlusion_error"]
    assert found.value == found.low == found.high == 1
    assert found.groups == {"IO": 1, "S": 1, "Pos": 1}
    assert error.value == error.low == error.high == 0
    assert len(found.features["feature"]) == 3 * VALUES
    assert found.protocol == "held-out"


def test_dead_dictionary_finds_nothing_and_occludes_nothing():
    scores = score(np.zeros((N, 4), np.float32))
    assert scores["found_values_score"].value == 0
    assert scores["occlusion_error"].value == 0


def test_a_missing_attribute_is_occluded():
    scores = score(codes_of("IO", "S"))
    assert scores["found_values_score"].value == pytest.approx(2 / 3)
    assert scores["occlusion_error"].value == 1
    assert scores["occlusion_error"].details["found_less"] == "Pos"
    # The attribute of most variance missing is no occlusion: nothing stronger stands before it.
    assert score(codes_of("S", "Pos"))["occlusion_error"].value == 0
    assert score(codes_of("IO", "Pos"))["occlusion_error"].details["found_less"] == "S"


def test_a_share_of_the_values_counts_as_it_is():
    latents = np.concatenate([codes_of("IO"), one_hot(ATTRIBUTES["Pos"])[:, :2]], 1)
    scores = score(latents, {k: ATTRIBUTES[k] for k in ("IO", "Pos")})
    assert scores["found_values_score"].groups == pytest.approx({"IO": 1, "Pos": 2 / VALUES})
    assert scores["occlusion_error"].value == pytest.approx(1 - 2 / VALUES)


def test_attributes_without_effect_take_no_part():
    effects = {"IO": 0.9, "S": 0.6, "Pos": 0.01}
    scores = score(codes_of("IO", "S"), effects=effects)
    assert scores["found_values_score"].groups["Pos"] == 0  # reported all the same
    assert scores["occlusion_error"].value == 0
    assert scores["occlusion_error"].details["used"] == ["IO", "S"]
    alone = score(codes_of("IO"), effects={"IO": 1, "S": 0, "Pos": 0})["occlusion_error"]
    assert np.isnan(alone.value)
    assert "used are ['IO']" in alone.details["undefined"]


def noisy(seed=3, rate=0.25):
    rng = np.random.default_rng(seed)
    clean = codes_of("IO", "S", "Pos")
    latents = np.where(rng.random(clean.shape) < rate, rng.random(clean.shape) < 0.3, clean)
    return (latents * rng.uniform(0.1, 2, clean.shape)).astype(np.float32)


def test_held_out_f1_against_sklearn():
    latents = noisy()
    features = score(latents)["found_values_score"].features
    fires = latents > 0
    for name, latent, f1 in zip(features["feature"], features["latent"], features["f1"], strict=True):
        attribute, value = name.split("=")
        label = ATTRIBUTES[attribute] == int(value)
        on_train = [f1_score(label[TRAIN], fires[TRAIN, i], zero_division=0) for i in range(fires.shape[1])]
        assert latent == int(np.argmax(on_train))
        assert f1 == pytest.approx(f1_score(label[~TRAIN], fires[~TRAIN, latent], zero_division=0))


def test_replicates_are_those_of_resampled_rows():
    latents, games = noisy(rate=0.6), np.repeat(np.arange(N // 4), 4)
    train = games % 2 == 0
    given = {"variance_shares": SHARES, "train": train, "n_resamples": 20, "seed": 5}
    result = occlusion(latents, ATTRIBUTES, games, **given)["found_values_score"]
    weights = game_weights(N // 8, 20, 5)[:, np.unique(games[~train], return_inverse=True)[1]]
    above = {name: np.zeros(20) for name in ATTRIBUTES}
    columns = (result.features[c] for c in ("feature", "latent"))
    for name, latent in zip(*columns, strict=True):
        attribute, value = name.split("=")
        label, fires = (ATTRIBUTES[attribute] == int(value))[~train], (latents[:, latent] > 0)[~train]
        f1 = 2 * (weights * (label & fires)).sum(1) / (weights * (label.astype(int) + fires)).sum(1)
        above[attribute] += (f1 > 0.5) / VALUES
    centred = [(above[name] - above[name].mean() + share).clip(0, 1) for name, share in result.groups.items()]
    np.testing.assert_allclose(result.replicates, np.mean(centred, 0), atol=1e-12)
    assert result.low <= result.value <= result.high


def test_choosing_in_sample_flatters_and_is_asked_for_by_name():
    latents = (np.random.default_rng(1).random((N, 3000)) < 0.15).astype(np.float32)  # chance, much to choose from
    given = {"threshold": 0.2, "n_resamples": 2}
    in_sample = score(latents, protocol="makelov2024", train=None, **given)["found_values_score"]
    held_out = score(latents, **given)["found_values_score"]
    assert in_sample.protocol == "makelov2024"
    assert in_sample.value > held_out.value + 0.3
    np.testing.assert_allclose(
        [f for name, f in zip(*(in_sample.features[c] for c in ("feature", "f1")), strict=True) if name[:3] == "IO="],
        best_f1(latents, ATTRIBUTES["IO"]),
    )


def test_symmetries():
    latents = noisy()
    order = np.random.default_rng(0).permutation(latents.shape[1])
    changed = {
        "permuted": latents[:, order],
        "rescaled": latents * np.linspace(0.1, 9, latents.shape[1], dtype=np.float32),
        "duplicated": np.concatenate([latents, latents[:, :3]], 1),
        "dead": np.concatenate([latents, np.zeros((N, 2), np.float32)], 1),
    }
    wanted = score(latents)
    for what, other in changed.items():
        for name, found in score(other).items():
            assert found.value == pytest.approx(wanted[name].value), (what, name)


def test_rows_without_a_value_and_rare_values():
    values = ATTRIBUTES["IO"].copy()
    values[:100] = -1
    values[values == 5] = np.where(np.arange((values == 5).sum()) < 6, 5, 4)  # three rows a side at most
    latents = one_hot(values)
    found = score(latents, {"IO": values, "S": ATTRIBUTES["S"]})["found_values_score"]
    assert found.details["left_out_values"] == {"IO": 1, "S": 0}
    assert found.groups["IO"] == 1
    fires = latents.copy()
    fires[:100, 0] = 1  # firing where there is no value costs precision
    lower = score(fires, {"IO": values, "S": ATTRIBUTES["S"]})["found_values_score"]
    assert lower.features["f1"][0] < found.features["f1"][0]


def test_a_latent_that_always_fires_finds_nothing():
    binary = {"Pos": np.arange(N) // 2 % 2, "IO": ATTRIBUTES["IO"]}
    always = np.ones((N, 1), np.float32)
    assert score(always, binary)["found_values_score"].groups["Pos"] == 0
    published = score(always, binary, protocol="makelov2024", train=None)["found_values_score"]
    assert published.groups == {"Pos": 1, "IO": 0}
    right = (binary["Pos"][:, None] == np.arange(2)).astype(np.float32)
    assert score(right, binary)["found_values_score"].groups["Pos"] == 1


def test_rank_correlations():
    latents = np.concatenate([codes_of("IO"), one_hot(ATTRIBUTES["S"])[:, :3]], 1)
    effects = {"IO": 0.2, "S": 0.9, "Pos": 0.5}
    details = score(latents, effects=effects)["occlusion_error"].details
    assert details["variance_correlation"] == pytest.approx(1)
    wanted = spearmanr([1, 0.5, 0], [0.2, 0.9, 0.5]).statistic
    assert details["effect_correlation"] == pytest.approx(wanted)
    assert score(np.zeros((N, 1), np.float32))["occlusion_error"].details["variance_correlation"] is None


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**16))
def test_contingency_against_counting(n, width, n_values, seed):
    rng = np.random.default_rng(seed)
    latents = rng.integers(-1, 2, (n, width)).astype(np.float32)
    values, rows = rng.integers(-1, n_values, n), rng.random(n) < 0.7
    table = contingency(as_codes(latents), values, rows, n_values)
    for latent in range(width):
        for value in [*range(n_values), -1]:
            wanted = sum(rows[i] and latents[i, latent] > 0 and values[i] == value for i in range(n))
            assert table[latent, value] == wanted


def test_a_broken_version_is_noticed(monkeypatch):
    """Choosing and scoring on the same rows, unasked: the tests above would see it."""
    latents = (np.random.default_rng(1).random((N, 3000)) < 0.15).astype(np.float32)
    honest = score(latents, threshold=0.2, n_resamples=2)["found_values_score"].value
    monkeypatch.setattr(module, "split_rows", lambda train, games, protocol: (~train, ~train))
    assert score(latents, threshold=0.2, n_resamples=2)["found_values_score"].value > honest + 0.3


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"variance_shares": {"IO": 1.0}}, KeyError, "no variance share for"),
        ({"effects": {"IO": 1.0}}, KeyError, "no effect for"),
        ({"train": None}, ValueError, "train must say"),
        ({"protocol": "paper"}, ValueError, "'fiducial' or 'makelov2024'"),
        ({"threshold": 1.0}, ValueError, "threshold"),
        ({"min_positives": 1000}, ValueError, "no value has 1000 rows"),
        ({"attributes": {}}, ValueError, "at least one attribute"),
        ({"attributes": {"IO": np.zeros(N)}}, TypeError, "must be integers"),
        ({"attributes": {"IO": np.full(N, -1)}}, ValueError, "-1 for none"),
        ({"attributes": {"IO": np.zeros(3, int)}}, ValueError, str(N)),
    ],
)
def test_errors_say_what_came(given, error, says):
    with pytest.raises(error, match=says):
        score(codes_of("IO"), **given)


@pytest.mark.parametrize("seed", [113, 118])
def test_an_interval_holds_its_value_where_hardly_any_resample_differs(seed):
    rng = np.random.default_rng(seed)
    v = np.arange(400) % 2
    latents = one_hot(v, 2) * [1, 0]
    latents[(rng.random(400) < rng.uniform(0.5, 0.62)) & (v == 1), 1] = 1  # the second value lies just below the limit
    found = occlusion(
        latents,
        {"a": v, "b": v},
        np.arange(400),
        variance_shares={"a": 0.5, "b": 0.1},
        train=np.arange(400) // 2 % 2 == 0,
        n_resamples=1000,
    )["found_values_score"]
    assert np.quantile(found.replicates, 0.975) < found.value == 0.5  # centred: nearly all lie a little lower
    assert found.low < found.high == found.value
    low, high = found.group_intervals["a"]
    assert low <= found.groups["a"] <= high
