"""A bounded sample: whole games by a seeded order, whatever the order and the batches in which they come."""

from dataclasses import replace

import numpy as np
import pytest
from fiducial.metrics.score import Score
from fiducial.metrics.streaming.accumulator import stream
from fiducial.metrics.streaming.gather import Gathered, seeded_places
from hypothesis import given, settings
from hypothesis import strategies as st

from .samples import as_batch, batches, interleaved

RNG = np.random.default_rng(1)
GAMES = np.repeat(RNG.permutation(30) * 11 - 100, RNG.integers(1, 20, 30))
N = len(GAMES)
LATENTS = np.where(RNG.random((N, 6)) < 0.3, RNG.random((N, 6)), 0).astype(np.float32)
LABELS = RNG.random((N, 70)) < 0.5


def measure_of(seen):
    """A measure that keeps what it was handed."""

    def measure(batch):
        seen.append(batch)
        return {"found": Score("found", 1.0, 1.0, 1.0)}

    return measure


def gathered(whole, size, most_rows, seed=0, fields=("codes", "labels", "number")):
    """The batch that the measure was handed, and its score."""
    seen = []
    one = Gathered(measure_of(seen), fields, most_rows, seed, names=("found",))
    score = stream([one], batches(whole, size))["found"]
    return seen[0], score


def plain_choice(games, most_rows, seed):
    """The definition: the longest beginning of the seeded order of games that fits."""
    ids, lengths = np.unique(games, return_counts=True)
    order = np.argsort(seeded_places(ids, seed))
    return set(ids[order][np.cumsum(lengths[order]) <= most_rows].tolist())


@settings(max_examples=60, deadline=None)
@given(most=st.integers(20, N + 5), size=st.integers(1, N), seed=st.integers(0, 50), mixed=st.booleans())
def test_kept_games_are_those_of_the_definition(most, size, seed, mixed):
    order = interleaved(GAMES, seed) if mixed else np.random.default_rng(seed).permutation(N)
    whole = as_batch(LATENTS[order], LABELS[order], game_id=GAMES[order], number=order)
    chosen = plain_choice(GAMES, most, seed)
    if not chosen:
        with pytest.raises(ValueError, match="raise most_rows"):
            gathered(whole, size, most, seed)
        return
    batch, score = gathered(whole, size, most, seed)
    rows = order[np.isin(GAMES[order], list(chosen))]
    np.testing.assert_array_equal(batch.measured["number"], rows)
    np.testing.assert_array_equal(batch.game_id, GAMES[rows])
    np.testing.assert_array_equal(batch.codes.to_dense(), LATENTS[rows])
    np.testing.assert_array_equal(batch.labels.to_dense(), LABELS[rows])
    assert batch.start == 0
    if len(rows) == N:
        assert score.details == {}
    else:
        about = {"rows": len(rows), "of_rows": N, "games": len(chosen), "of_games": 30, "seed": seed}
        assert score.details["sampled"] == about


def test_never_holds_much_more_than_it_may():
    games = np.repeat(np.arange(2000), 10)
    one = Gathered(lambda batch: {}, ("number",), 1000, names=())
    whole = as_batch(game_id=games, number=np.arange(len(games)))
    for batch in batches(whole, 100)():
        one.accumulate(batch)
        assert sum(len(part) for part in one._parts) <= 1350
    assert len(one._size_of) <= 100
    assert len(one._largest) <= 100


def test_bytes_bound_it_too():
    games = np.repeat(np.arange(50), 4)
    whole = as_batch(game_id=games, x=np.zeros((200, 100), np.float32))
    row = 400 + 8 + 1
    for size in (3, 50, 200):
        seen = []
        one = Gathered(measure_of(seen), ("x",), 10**6, names=("found",), most_bytes=41 * row)
        score = stream([one], batches(whole, size))["found"]
        assert score.details["sampled"]["rows"] == 40
        np.testing.assert_array_equal(np.unique(seen[0].game_id), sorted(plain_choice(games, 41, 0)))


def test_other_seeds_choose_other_games():
    chosen = {frozenset(plain_choice(GAMES, 60, seed)) for seed in range(20)}
    assert len(chosen) > 15


def test_places_are_as_likely_anywhere_and_all_different():
    ids = np.arange(-50_000, 50_000)
    places = seeded_places(ids, 3)
    assert len(np.unique(places)) == len(ids)
    counts = np.histogram(places.astype(np.float64), bins=16, range=(0, 2.0**64))[0]
    assert counts.min() > 5900
    assert counts.max() < 6600
    assert abs(np.corrcoef(ids, places.astype(np.float64))[0, 1]) < 0.02


def test_places_stay_what_they_are():
    # splitmix64 of state 0 begins with 0xE220A8397B1DCDAF, in Vigna's reference code too
    assert int(seeded_places(np.array([0]), 0)[0]) != 0xE220A8397B1DCDAF  # the seed is mixed first
    shift = 0xE220A8397B1DCDAF - (1 << 64)
    assert int(seeded_places(np.array([-shift]), 0)[0]) == 0xE220A8397B1DCDAF


def test_fields_that_are_not_asked_for_are_not_kept():
    whole = as_batch(LATENTS, LABELS, game_id=GAMES, number=np.arange(N), other=np.arange(N))
    batch, _ = gathered(whole, 50, 100, fields=("codes", "number"))
    assert batch.labels is None
    assert set(batch.measured) == {"number"}
    with pytest.raises(ValueError, match="must hold x_hat"):
        gathered(whole, 50, 100, fields=("x_hat",))


def test_keeping_the_games_that_came_first_is_noticed(monkeypatch):
    import fiducial.metrics.streaming.gather as gather

    whole = as_batch(game_id=GAMES, number=np.arange(N))
    monkeypatch.setattr(
        gather, "seeded_places", lambda ids, seed: np.cumsum(np.r_[True, np.diff(ids) != 0]).astype("u8")
    )
    batch, _ = gathered(replace(whole), N, 100, fields=("number",))
    assert set(batch.game_id.tolist()) != plain_choice(GAMES, 100, 0)
