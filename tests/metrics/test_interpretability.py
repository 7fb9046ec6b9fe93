"""Explanations of latents: against scikit-learn and brute force, in their limits, and held out."""

from itertools import combinations

import numpy as np
import pytest
import torch
from fiducial.metrics.contingency import best_unions, checked_attributes, contingency, paired, value_f1
from fiducial.metrics.inputs import as_codes
from fiducial.metrics.interpretability import explained_latents, interpretability
from fiducial.metrics.interpretability_causal import keep_explained
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

FAST = {"n_resamples": 40}


def sample(n=300, seed=0):
    """Two names out of eight and a binary attribute; -1 in some rows of `place`."""
    rng = np.random.default_rng(seed)
    attributes = {"IO": rng.integers(0, 8, n), "S": rng.integers(0, 8, n), "Pos": rng.integers(0, 2, n)}
    attributes["place"] = np.where(rng.random(n) < 0.3, -1, rng.integers(0, 3, n))
    values = {"IO": [f"io{i}" for i in range(8)], "S": [f"s{i}" for i in range(8)], "Pos": ["first", "second"]}
    return attributes, {**values, "place": ["park", "shop", "bank"]}


def latents_of(attributes, seed=0, noise=0.0):
    """IO values 0 to 5 alone, 6 and 7 in one, Pos=0, IO=2 where Pos=1, one at random, one dead."""
    io, pos = attributes["IO"], attributes["Pos"]
    rng = np.random.default_rng(seed)
    columns = [io == v for v in range(6)] + [io >= 6, pos == 0, (io == 2) & (pos == 1), rng.random(len(io)) < 0.2]
    columns += [np.zeros(len(io), bool)]
    fires = np.stack(columns, 1) ^ (rng.random((len(io), len(columns))) < noise)
    return fires * rng.uniform(0.5, 2, fires.shape)


def half(n):
    return np.arange(n) % 2 == 0


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 4), n_values=st.integers(1, 4))
def test_table_and_unions_against_scikit_learn_and_brute_force(seed, width, n_values):
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(40, width)) * (rng.random((40, width)) < 0.6)
    value = rng.integers(-1, n_values, 40)
    names = {"a": [str(v) for v in range(n_values)]}
    table = contingency(as_codes(latents), checked_attributes({"a": value}, names, 40))
    for j in range(width):
        for v in range(n_values):
            assert table.f1[j, v] == pytest.approx(f1_score(value == v, latents[:, j] > 0, zero_division=0))
    for most in (1, 2, n_values):
        found = best_unions(table, 0, most, at_most_half=False)
        for j in range(width):
            chosen = set(found.values[j, : found.size[j]].tolist())
            again = f1_score(np.isin(value, list(chosen)), latents[:, j] > 0, zero_division=0)
            assert found.f1[j] == pytest.approx(again)
            order = sorted(range(n_values), key=lambda v, j=j: (-table.f1[j, v], v))
            prefixes = [
                f1_score(np.isin(value, order[:m]), latents[:, j] > 0, zero_division=0) for m in range(1, most + 1)
            ]
            assert found.f1[j] == pytest.approx(max(prefixes))
            if most == n_values:
                subsets = [s for m in range(1, n_values + 1) for s in combinations(range(n_values), m)]
                exact = max(f1_score(np.isin(value, s), latents[:, j] > 0, zero_division=0) for s in subsets)
                assert found.f1[j] <= exact + 1e-12
        np.testing.assert_allclose(found.scored(table, 0), found.f1)


def test_what_is_planted_is_found():
    attributes, values = sample()
    scores = interpretability(
        latents_of(attributes), attributes, values, train=half(300), pairs=[("IO", "Pos"), ("S", "Pos")], **FAST
    )
    table = scores["interpretable_score"].features
    assert table["explanation"][:9] == [
        *(f"IO=io{v}" for v in range(6)),
        "IO=io6 or IO=io7",
        "Pos=first",
        "IO=io2, Pos=second",
    ]
    assert table["value"][:9] == [1.0] * 9
    assert table["single"][8] == "IO=io2"
    assert table["single_value"][8] < 1
    assert table["pair"][8] == "IO=io2, Pos=second"
    assert table["n_values"][6] == 2
    assert table["explanation"][10] is None
    assert table["live"][9:] == [True, False]
    assert scores["interpretable_score"].value == pytest.approx(9 / 10)
    groups = scores["attribute_found_score"].groups
    assert groups == {"IO": 6 / 8, "S": 0.0, "Pos": 0.5, "place": 0.0}
    assert scores["attribute_found_score"].value == pytest.approx(np.mean([6 / 8, 0, 0.5, 0]))
    fires = np.array(table["fires"])
    assert scores["explained_share_score"].value == pytest.approx(fires[:9].sum() / fires.sum())
    np.testing.assert_array_equal(np.flatnonzero(explained_latents(scores["interpretable_score"])), np.arange(9))
    for score in scores.values():
        assert score.floors["shuffled prompts"] < 0.2
        assert score.low <= score.value <= score.high
    with pytest.raises(ValueError, match="interpretable_score"):
        explained_latents(scores["attribute_found_score"])


def test_choices_are_scored_where_they_were_not_made():
    attributes, values = sample(n=80, seed=0)
    latents = (np.random.default_rng(1).random((80, 200)) < 0.1) * 1.0  # nothing but chance
    held_out = interpretability(latents, attributes, values, train=half(80), threshold=0.3, **FAST)
    published = interpretability(latents, attributes, values, threshold=0.3, protocol="makelov2024", **FAST)
    assert held_out["interpretable_score"].value < 0.15 < 0.5 < published["interpretable_score"].value
    table = held_out["interpretable_score"].features
    assert np.mean(table["train_value"]) > np.mean(table["value"]) + 0.1
    assert published["interpretable_score"].protocol == "makelov2024"
    shown = published["interpretable_score"].features
    assert shown["train_value"] == pytest.approx(shown["value"])
    # what choosing is worth is in the floor
    assert (
        abs(published["interpretable_score"].floors["shuffled prompts"] - published["interpretable_score"].value) < 0.3
    )


def test_scored_f1_is_that_of_scikit_learn_on_the_other_half():
    attributes, values = sample(n=400, seed=5)
    latents = latents_of(attributes, seed=5, noise=0.05)
    train = half(400)
    table = interpretability(latents, attributes, values, train=train, **FAST)
    values_table = table["attribute_found_score"].features
    labels = [(name, v) for name in attributes for v in range(len(values[name]))]
    for row, (name, v) in enumerate(labels):
        latent = values_table["latent"][row]
        truth = attributes[name] == v
        chosen = [f1_score(truth[train], latents[train, j] > 0, zero_division=0) for j in range(latents.shape[1])]
        assert chosen[latent] == pytest.approx(max(chosen))
        assert values_table["value"][row] == pytest.approx(f1_score(truth[~train], latents[~train, latent] > 0))
        assert values_table["positives"][row] == truth[~train].sum()


def test_dead_duplicated_and_rescaled_latents():
    attributes, values = sample()
    latents = latents_of(attributes, noise=0.03)
    arguments = {"train": half(300), "null": False, **FAST}
    base = interpretability(latents, attributes, values, **arguments)
    more = interpretability(np.concatenate([latents, 0 * latents], 1), attributes, values, **arguments)
    scaled = interpretability(latents * np.arange(1, 12), attributes, values, **arguments)
    twice = interpretability(np.concatenate([latents, latents], 1), attributes, values, **arguments)
    for name, score in base.items():
        for other in (more, scaled, twice):
            assert other[name].value == pytest.approx(score.value)
            assert (other[name].low, other[name].high) == pytest.approx((score.low, score.high))
    dead = interpretability(0 * latents, attributes, values, **arguments)
    assert "no latent fires" in dead["interpretable_score"].details["undefined"]
    assert dead["attribute_found_score"].value == 0
    assert dead["attribute_found_score"].features["latent"] == [None] * 21


def test_games_stay_together_and_rare_values_do_not_count():
    attributes, values = sample()
    latents = latents_of(attributes)
    games = np.arange(300) // 6
    found = interpretability(latents, attributes, values, game_id=games, train=games < 25, **FAST)
    assert found["interpretable_score"].value > 0.7
    with pytest.raises(ValueError, match="both sides"):
        interpretability(latents, attributes, values, game_id=games, train=half(300), **FAST)
    rare = interpretability(latents, attributes, values, train=half(300), min_positives=50, **FAST)
    assert set(rare["attribute_found_score"].groups) == {"Pos"}
    assert rare["attribute_found_score"].details["n_rare"] == 19
    none = interpretability(latents, attributes, values, train=half(300), min_positives=200, **FAST)
    assert np.isnan(none["attribute_found_score"].value)


def test_names_anywhere_have_several_values_a_row():
    attributes, values = sample(seed=2)
    io, s = attributes["IO"], (attributes["IO"] + 1 + attributes["S"] % 7) % 8
    latents = np.stack([((io == v) | (s == v)) * 1.0 for v in range(8)], 1)
    names = {"name": np.stack([io, s], 1)}
    scores = interpretability(latents, names, {"name": values["IO"]}, train=half(300), **FAST)
    assert scores["attribute_found_score"].value == 1.0
    assert scores["interpretable_score"].features["explanation"][3] == "name=io3"
    assert scores["interpretable_score"].low == 1.0
    with pytest.raises(ValueError, match="twice in a row"):
        interpretability(latents, {"name": np.stack([io, io], 1)}, train=half(300))
    with pytest.raises(ValueError, match="one value a row"):
        interpretability(latents, {**names, "Pos": attributes["Pos"]}, pairs=[("name", "Pos")], train=half(300))


def test_bad_arguments_are_refused():
    attributes, values = sample()
    latents = latents_of(attributes)
    with pytest.raises(ValueError, match="train must say"):
        interpretability(latents, attributes, values)
    with pytest.raises(ValueError, match="no protocol"):
        interpretability(latents, attributes, values, protocol="paper")
    with pytest.raises(KeyError, match="'Poss'"):
        interpretability(latents, attributes, values, train=half(300), pairs=[("IO", "Poss")])
    with pytest.raises(KeyError, match="no names for attribute 'S'"):
        interpretability(latents, attributes, {"IO": values["IO"]}, train=half(300))
    with pytest.raises(ValueError, match="to 1, got 0 to 7"):
        interpretability(latents, {"IO": attributes["IO"]}, {"IO": ["a", "b"]}, train=half(300))
    with pytest.raises(ValueError, match="threshold"):
        interpretability(latents, attributes, values, train=half(300), threshold=0)
    with pytest.raises(TypeError, match="integers"):
        interpretability(latents, {"IO": attributes["IO"] * 1.0}, train=half(300))
    with pytest.raises(ValueError, match="at least one attribute"):
        interpretability(latents, {}, train=half(300))


def test_f1_of_values_that_never_occur_is_unknown():
    f1 = value_f1(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([0, -1]), 2)
    np.testing.assert_array_equal(f1, [[1.0, np.nan], [0.0, np.nan]])


def test_pairs_are_pairs_of_values():
    attributes, values = sample()
    io, _, pos, place = checked_attributes(attributes, values, 300)
    both = paired(io, pos)
    assert both.label(5) == "IO=io2, Pos=second"
    np.testing.assert_array_equal(both.columns[:, 0], 2 * attributes["IO"] + attributes["Pos"])
    assert (paired(io, place).columns[:, 0] >= 0).tolist() == (attributes["place"] >= 0).tolist()


def test_keep_and_remove():
    rng = np.random.default_rng(0)
    x, latents, directions = rng.normal(size=(20, 6)), rng.random((20, 9)), rng.normal(size=(9, 6))
    explained, offset = np.arange(9) < 4, rng.normal(size=6)
    made = keep_explained(x, latents, directions, explained, offset)
    error = x - offset - latents @ directions
    np.testing.assert_allclose(made["keep"], offset + latents[:, :4] @ directions[:4] + error)
    np.testing.assert_allclose(made["keep_clean"], offset + latents[:, :4] @ directions[:4])
    np.testing.assert_allclose(made["remove"], offset + latents[:, 4:] @ directions[4:] + error)
    everything = keep_explained(torch.tensor(x), latents, directions, np.ones(9, bool))
    torch.testing.assert_close(everything["keep"], torch.tensor(x))
    with pytest.raises(ValueError, match="explained must be bool"):
        keep_explained(x, latents, directions, np.ones(8, bool))
    with pytest.raises(ValueError, match=r"directions \[H, d\]"):
        keep_explained(x, latents[:, 1:], directions, explained)


def test_a_table_that_counts_zeros_as_firing_would_be_noticed():
    attributes, values = sample()
    latents = latents_of(attributes)
    right = interpretability(latents, attributes, values, train=half(300), **FAST)
    broken = interpretability(latents + 1e-3, attributes, values, train=half(300), **FAST)
    assert right["interpretable_score"].value > 0.7
    assert broken["interpretable_score"].value == 0  # a latent that always fires stands for nothing
    assert broken["attribute_found_score"].value == 0
    published = interpretability(latents + 1e-3, attributes, values, protocol="makelov2024", **FAST)
    assert published["interpretable_score"].value == 1  # but is a union of both values, as published
    shifted = {name: np.roll(value, 1) for name, value in attributes.items()}  # labels of the row before
    off = interpretability(latents, shifted, values, train=half(300), **FAST)
    assert off["attribute_found_score"].value < 0.1
