"""Features: names, selection, packing, files."""

import json

import numpy as np
import pytest
from fiducial.games.features import Feature, FeatureSet
from hypothesis import given
from hypothesis import strategies as st


def feature(name="a", **changes):
    return Feature(**{"name": name, "group": "g", "rung": 1, "definition": "It holds.", **changes})


def feature_set(n):
    return FeatureSet(feature(f"f{i}", group=f"g{i % 3}", rung=i % 4) for i in range(n))


@given(st.integers(1, 70), st.integers(0, 2**32), st.sampled_from([(), (1,), (3,), (2, 4), (0,)]))
def test_pack_and_unpack_are_inverse(n, seed, shape):
    features = feature_set(n)
    labels = np.random.default_rng(seed).random((*shape, n)) < 0.5
    packed = features.pack(labels)
    assert packed.dtype == np.uint8
    assert packed.shape == (*shape, features.n_bytes)
    assert features.n_bytes == -(-n // 8)
    assert np.array_equal(features.unpack(packed), labels)
    columns = np.random.default_rng(seed).permutation(n)[: max(1, n // 2)]
    assert np.array_equal(features.unpack_columns(packed, columns), labels[..., columns])


def test_bit_order_is_lowest_first():
    features = feature_set(10)
    for i in range(10):
        labels = np.zeros(10, dtype=bool)
        labels[i] = True
        packed = features.pack(labels)
        assert packed[i // 8] == 1 << (i % 8)
        assert packed.sum() == packed[i // 8]


def test_order_of_bits_matters(monkeypatch):
    """Mutation: another bit order no longer unpacks to what was packed."""
    features, right = feature_set(10), np.packbits
    monkeypatch.setattr(np, "packbits", lambda labels, axis, bitorder: right(labels, axis=axis, bitorder="big"))
    with pytest.raises(AssertionError):
        test_bit_order_is_lowest_first()
    labels = np.arange(10) < 3
    assert not np.array_equal(features.unpack(features.pack(labels)), labels)


def test_selection():
    features = feature_set(12)
    assert features.groups == ("g0", "g1", "g2")
    assert features.where(group="g1").tolist() == [1, 4, 7, 10]
    assert features.where(group=["g0", "g1"], rung=0).tolist() == [0, 4]
    assert features.where(rung=[1, 2], group="g0").tolist() == [6, 9]
    assert features.where(reachable=False).tolist() == []
    assert features.select(group="g2").names == ("f2", "f5", "f8", "f11")
    assert features.take([3, 1]).names == ("f3", "f1")
    assert features[2].name == "f2"
    assert [f.name for f in features[1:3]] == ["f1", "f2"]
    assert len(features) == len(list(features)) == 12
    assert "12 features in 3 groups" in repr(features)


def test_counterparts_and_unreachable_features_can_be_left_out():
    features = FeatureSet([feature("a"), feature("b", counterpart=True), feature("c", reachable=False)])
    assert features.where(counterpart=False, reachable=True).tolist() == [0]


def test_variables():
    features = FeatureSet([feature("a", variable="v"), feature("b"), feature("c", variable="v")])
    assert features.variables == {"v": (0, 2)}


def test_json_round_trip():
    features = FeatureSet([feature("a", parents=("b",), variable="v"), feature("b", reachable=False, counterpart=True)])
    again = FeatureSet.from_json(features.to_json())
    assert again == features
    assert hash(again) == hash(features)
    assert again.digest == features.digest
    assert again[0].parents == ("b",)
    assert json.loads(features.to_json())[0]["name"] == "a"
    changed = FeatureSet([feature("a", parents=("b",), variable="w"), features[1]])
    assert changed != features
    assert changed.digest != features.digest
    assert features != "features"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], r"at least one feature"),
        ([feature("a"), feature("a")], r"must be unique, repeated: \['a'\]"),
        ([feature("a", rung=4)], r"'a': rung must be one of \[0, 1, 2, 3\], got 4"),
    ],
)
def test_bad_sets(features, message):
    with pytest.raises(ValueError, match=message):
        FeatureSet(features)


def test_unknown_names_are_met_with_suggestions():
    features = feature_set(5)
    assert features.index("f3") == 3
    with pytest.raises(KeyError, match=r"no feature named 'f33' among 5; did you mean 'f3'"):
        features.index("f33")
    with pytest.raises(KeyError, match=r"no feature group 'g9'; groups are"):
        features.where(group="g9")
    with pytest.raises(ValueError, match=r"no feature has"):
        features.select(group="g0", rung=1, reachable=False)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((2, 6), bool), r"labels must be bool \[..., 5\], got bool \[2, 6\]"),
        (np.zeros((2, 5), np.uint8), r"got uint8 \[2, 5\]"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        feature_set(5).pack(labels)


@pytest.mark.parametrize("packed", [np.zeros((2, 2), np.uint8), np.zeros((2, 1), np.int64)])
def test_bad_packed_labels(packed):
    with pytest.raises(ValueError, match=r"packed labels must be uint8 \[..., 1\]"):
        feature_set(5).unpack(packed)
