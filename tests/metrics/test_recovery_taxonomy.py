"""The taxonomy on dictionaries whose fault is known by construction."""

import numpy as np
import pytest
from fiducial.metrics.inputs import as_label_bits
from fiducial.metrics.recovery import recovery
from fiducial.metrics.recovery_taxonomy import Rules, implications
from hypothesis import given, settings
from hypothesis import strategies as st

from . import planted

PARENTS = ((0, 1), (0, 2), (3, 4))
COMMON, SIZES, TRUE = planted.world(d=48, parents=PARENTS)
KINDS = {"found", "missed", "split", "merged", "absorbed", "duplicated"}


def kinds_of(codes, directions, **rules):
    scores = recovery(codes, directions=directions, rules=Rules(**rules), **COMMON)
    return np.array(planted.kinds(scores)), np.array(scores["matched_latents_score"].details["kinds"])


def test_oracle_is_found_and_nothing_else():
    features, latents = kinds_of(SIZES, TRUE)
    assert set(features) == {"found"}
    assert set(latents) == {"matched"}


@pytest.mark.parametrize("chosen", [[5], [0, 6, 7], list(range(12))])
def test_copies_are_duplicated(chosen):
    codes = np.hstack([SIZES / 2, SIZES[:, chosen] / 2])
    features, latents = kinds_of(codes, np.vstack([TRUE, TRUE[chosen]]))
    assert set(np.flatnonzero(features == "duplicated")) == set(chosen)
    assert (features[features != "duplicated"] == "found").all()
    assert set(latents) == {"matched"}


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_divided_activity_is_split(share):
    first = np.random.default_rng(0).random(len(SIZES)) < share
    codes = SIZES.copy()
    codes[:, 6] *= first
    parts = (SIZES[:, 6] * ~first)[:, None]
    near = TRUE[6] + 0.2 * TRUE[7]
    features, latents = kinds_of(np.hstack([codes, parts]), np.vstack([TRUE, near]))
    assert features[6] == "split"
    assert (np.delete(features, 6) == "found").all()
    assert set(latents) == {"matched"}


@pytest.mark.parametrize("pair", [(6, 7), (0, 1)])
def test_two_features_in_one_latent_are_merged(pair):
    a, b = pair
    codes = np.hstack([np.delete(SIZES, pair, axis=1), SIZES[:, [a]] + SIZES[:, [b]]])
    directions = np.vstack([np.delete(TRUE, pair, axis=0), TRUE[a] + TRUE[b]])
    features, latents = kinds_of(codes, directions)
    assert set(np.flatnonzero(features == "merged")) == set(pair)
    assert (np.delete(features, pair) == "found").all()
    assert set(latents) == {"matched"}


def test_a_parent_that_gives_way_to_its_children_is_absorbed():
    codes, directions = SIZES.copy(), TRUE.copy()
    for child in (1, 2):
        codes[SIZES[:, child] > 0, 0] = 0
        directions[child] += TRUE[0]
    features, latents = kinds_of(codes, directions)
    assert features[0] == "absorbed"
    assert (features[1:] == "found").all()  # the children are detected; they write their parent as well
    assert set(latents) == {"matched"}


def test_a_silent_parent_is_not_absorbed_if_nobody_writes_it():
    codes = SIZES.copy()
    for child in (1, 2):
        codes[SIZES[:, child] > 0, 0] = 0
    features, _ = kinds_of(codes, TRUE)
    assert features[0] != "absorbed"
    everywhere = SIZES.copy()
    directions = TRUE.copy()
    directions[1] += TRUE[0]  # the child writes its parent, but the parent fires as it should
    features, _ = kinds_of(everywhere, directions)
    assert features[0] == "found"


def test_silent_and_random_latents():
    codes = SIZES.copy()
    codes[:, 5] = 0
    features, latents = kinds_of(codes, TRUE)
    assert (features[5], latents[5]) == ("missed", "dead")
    random_codes, random_directions = planted.random_dictionary(SIZES, TRUE, 20, 0)
    features, latents = kinds_of(random_codes, random_directions)
    assert set(features) == {"missed"}
    assert set(latents) <= {"spurious", "dead"}
    features, latents = kinds_of(SIZES[:, ::-1], TRUE)  # permuted: what they write is not what they read
    assert set(features) == {"missed"}
    assert set(latents) == {"spurious"}


def test_thresholds_matter_and_are_checked():
    tilted = TRUE + 0.8 * planted.units(np.random.default_rng(9).normal(size=TRUE.shape))
    assert set(kinds_of(SIZES, tilted)[0]) >= {"missed"}
    assert set(kinds_of(SIZES, tilted, direction=0.6)[0]) == {"found"}
    with pytest.raises(ValueError, match="gain must be 0 to 1, got 2"):
        Rules(gain=2)


def test_implications_by_brute_force():
    labels = COMMON["labels"]
    found = implications(as_label_bits(labels, len(labels)), 0.95)
    for f in range(labels.shape[1]):
        expected = [g for g in range(labels.shape[1]) if g != f and labels[labels[:, f], g].mean() >= 0.95]
        assert found[f].tolist() == expected
    assert (found[1].tolist(), found[2].tolist(), found[4].tolist()) == ([0], [0], [3])
    always = np.hstack([labels, np.ones((len(labels), 1), bool)])
    assert not any(12 in parents for parents in implications(as_label_bits(always, len(always)), 0.95))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.floats(0, 1))
def test_any_dictionary_is_classified_once_and_completely(seed, n_latents, share):
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 12, n_latents)
    codes = np.where(rng.random((len(SIZES), n_latents)) < share, SIZES[:, own], 0.0)
    directions = TRUE[own] + rng.random() * rng.normal(size=(n_latents, TRUE.shape[1])) / 5
    features, latents = kinds_of(codes, directions)
    assert set(features) <= KINDS
    assert len(features) == 12
    assert set(latents) <= {"matched", "spurious", "dead"}
    assert ((codes == 0).all(0) == (latents == "dead")).all()
