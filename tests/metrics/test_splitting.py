"""Splitting: planted fragments, scikit-learn, brute force, limits and a mutation."""

import importlib

import numpy as np
import pytest
from fiducial.metrics.inputs import as_codes
from fiducial.metrics.splitting import fragments, overlap, similarity, splitting
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score

module = importlib.import_module("fiducial.metrics.splitting")  # the package has the function under this name
N = 1200
RNG = np.random.default_rng(0)
POS = RNG.integers(0, 2, N)
PIECE = RNG.integers(0, 5, N)  # which fragment takes the row
GAMES = np.arange(N)
TRAIN = GAMES % 2 == 0
ALL = np.ones(N, bool)


def score(latents, values=POS, **given):
    given = {"train": TRAIN, "n_resamples": 50, "names": ("IO first", "S first"), **given}
    return splitting(np.asarray(latents, np.float32), values, GAMES, **given)


def whole():
    return (POS[:, None] == np.arange(2)).astype(float)


def split(n=5):
    """Value 0 in n disjoint parts, value 1 in one latent."""
    parts = [(POS == 0) & (PIECE % n == i) for i in range(n)]
    return np.stack([*parts, POS == 1], 1).astype(float)


def test_one_latent_a_value_is_not_split():
    scores = score(whole())
    assert scores["fragments"].groups == {"IO first": 1, "S first": 1}
    for name, value in (("single_latent_f1_score", 1), ("fragment_union_f1_score", 1), ("splitting_error", 0)):
        assert scores[name].value == scores[name].low == scores[name].high == value
    assert scores["splitting_error"].details["overlap"] == {"IO first": None, "S first": None}


def test_a_value_in_five_parts():
    scores = score(split())
    assert scores["fragments"].groups == {"IO first": 5, "S first": 1}
    assert scores["fragments"].value == 3
    assert scores["fragment_union_f1_score"].value == 1
    assert scores["single_latent_f1_score"].groups["IO first"] == pytest.approx(2 * 0.2 / 1.2, abs=0.08)
    error = scores["splitting_error"]
    assert error.groups["IO first"] == pytest.approx(1 - scores["single_latent_f1_score"].groups["IO first"])
    assert error.groups["S first"] == 0
    assert error.details["overlap"]["IO first"] == 0  # they divide the value between them
    assert error.low <= error.value <= error.high


def test_dead_and_imprecise_latents_are_no_fragments():
    for latents in (np.zeros((N, 3)), np.ones((N, 3)), RNG.random((N, 20)) < 0.3):
        scores = score(latents)
        assert scores["fragments"].value == 0
        assert scores["fragment_union_f1_score"].value == 0
        assert scores["splitting_error"].value == 0
    always = score(np.ones((N, 1)))["single_latent_f1_score"]
    assert always.value == pytest.approx(always.floors["always on"])


def test_rare_latents_are_no_fragments():
    latents = split()
    rare = latents.copy()
    rare[np.cumsum(rare[:, 0]) > 4, 0] = 0  # four rows in 1200
    assert score(rare)["fragments"].groups["IO first"] == 4
    assert score(rare, min_frequency=0.0)["fragments"].groups["IO first"] == 5


def noisy():
    rng = np.random.default_rng(2)
    latents = split() * (rng.random((N, 6)) < 0.8)
    return np.concatenate([np.maximum(latents, rng.random((N, 6)) < 0.01), rng.random((N, 4)) < 0.4], 1)


def test_against_sklearn():
    latents = noisy()
    scores = score(latents)
    table = scores["splitting_error"].features
    precise = fragments(as_codes(latents.astype(np.float32)), POS, TRAIN)
    for value in (0, 1):
        label = value == POS
        f1 = [f1_score(label[TRAIN], latents[TRAIN, i] > 0) for i in range(latents.shape[1])]
        best = int(np.argmax(f1))
        assert table["latent"][value] == best
        assert table["f1"][value] == pytest.approx(f1_score(label[~TRAIN], latents[~TRAIN, best] > 0))
        members = [
            i
            for i in range(latents.shape[1])
            if (latents[TRAIN, i] > 0).mean() > 0.01 and label[TRAIN][latents[TRAIN, i] > 0].mean() > 0.9
        ]
        assert precise.of(value).tolist() == members
        assert table["fragments"][value] == len(members)
        together = (latents[:, members] > 0).any(1)
        assert table["union_f1"][value] == pytest.approx(f1_score(label[~TRAIN], together[~TRAIN]))


def test_in_sample_by_name():
    scores = score(noisy(), protocol="makelov2024", train=None)
    latents = noisy()
    best = max(f1_score(POS == 0, latents[:, i] > 0) for i in range(latents.shape[1]))
    assert scores["single_latent_f1_score"].groups["IO first"] == pytest.approx(best)
    assert scores["splitting_error"].protocol == "makelov2024"


def test_symmetries():
    latents = noisy()
    order = np.random.default_rng(0).permutation(latents.shape[1])
    wanted = score(latents)
    changed = {
        "permuted": latents[:, order],
        "rescaled": latents * np.linspace(0.1, 9, latents.shape[1]),
        "dead": np.concatenate([latents, np.zeros((N, 2))], 1),
        "duplicated": np.concatenate([latents, latents[:, :3]], 1),
    }
    for what, other in changed.items():
        for name, found in score(other).items():
            if (what, name) != ("duplicated", "fragments"):
                assert found.value == pytest.approx(wanted[name].value), (what, name)


def test_rows_without_a_value_count_against_precision():
    values = POS.copy()
    values[::5] = -1
    latents = np.stack([values == 0, values == 1], 1).astype(float)
    assert score(latents, values)["fragments"].value == 1
    latents[::5, 0] = 1
    found = score(latents, values)
    assert found["fragments"].groups == {"IO first": 0, "S first": 1}


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(2, 5), st.integers(0, 2**16))
def test_overlap_against_sklearn(n, width, seed):
    fires = np.random.default_rng(seed).random((n, width)) < 0.4
    pairs = [
        jaccard_score(fires[:, i], fires[:, j], zero_division=0) for i in range(width) for j in range(i + 1, width)
    ]
    # sklearn calls two empty columns 0 too
    assert overlap(fires) == pytest.approx(np.mean(pairs))


def test_similarity_of_two_dictionaries():
    rng = np.random.default_rng(4)
    piece = rng.integers(0, 8, 2000)
    first = piece[:, None] == np.arange(8)
    again = similarity(first, first[:, rng.permutation(8)])
    assert again["similarity"] == again["excess"] == 1
    other = rng.integers(0, 8, 2000)[:, None] == np.arange(8)
    assert similarity(first, other)["excess"] == pytest.approx(0, abs=0.03)
    half = np.where(rng.random(2000) < 0.5, piece, rng.integers(0, 8, 2000))[:, None] == np.arange(8)
    assert 0.2 < similarity(first, half)["excess"] < 0.5
    with pytest.raises(ValueError, match="same rows"):
        similarity(first, first[:10])


def test_a_broken_version_is_noticed(monkeypatch):
    """A union that takes all latents instead of the precise ones."""
    latents = noisy()
    honest = score(latents)["fragment_union_f1_score"].value

    def everything(codes, values, rows, **limits):
        n = codes.n_latents
        return module.Fragments(np.repeat([0, 1], n), np.tile(np.arange(n), 2), np.ones(2 * n), np.ones(2 * n))

    monkeypatch.setattr(module, "fragments", everything)
    assert score(latents)["fragment_union_f1_score"].value < honest - 0.1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"names": ("one",)}, "names must have one entry"),
        ({"min_precision": 0.3}, "min_precision"),
        ({"min_frequency": 1.0}, "min_frequency"),
        ({"train": None}, "train must say"),
        ({"min_positives": 10_000}, "no value has"),
    ],
)
def test_errors_say_what_came(given, says):
    with pytest.raises(ValueError, match=says):
        score(whole(), **given)
