"""Coverage and reconstruction of batches equal those of whole arrays; recovery does on whole games that are kept."""

from dataclasses import replace

import numpy as np
import pytest
from fiducial.metrics import coverage, reconstruction
from fiducial.metrics import grouping as grouping_module
from fiducial.metrics.grouping import resampled_sums
from fiducial.metrics.recovery import recovery
from fiducial.metrics.score import compact_game_weights, game_weights
from fiducial.metrics.streaming.accumulator import stream
from fiducial.metrics.streaming.coverage import StreamedCoverage, counts_by_game_spilled
from fiducial.metrics.streaming.pairs import BestLatents
from fiducial.metrics.streaming.reconstruction import StreamedReconstruction
from fiducial.metrics.streaming.recovery import StreamedRecovery
from fiducial.metrics.streaming.rows import take
from fiducial.metrics.streaming.sample_spill import SampleSpill
from hypothesis import given, settings
from hypothesis import strategies as st

from .. import planted, worlds
from .samples import as_batch, batches, interleaved, same

WHOLE = {"coverage": coverage, "reconstruction": reconstruction}
STREAMED = {"coverage": StreamedCoverage, "reconstruction": StreamedReconstruction}
FEATURES = {"all": worlds.features(), "some unreachable": worlds.features(9), "none": None}


def sample(order, seed=0):
    """Games of unequal length, with strange ids; `mixed` parts every game, `interleaved` keeps its own order."""
    x, y, games, train = worlds.sample(n_positions=30, seed=seed)
    x[:, 12:22] *= y[:, :10] if seed else 1
    games = games * 7 - 31
    rows = np.flatnonzero(np.random.default_rng(seed).random(len(games)) < 0.9)
    if order == "interleaved":
        rows = rows[interleaved(games[rows])]
    if order == "mixed":
        rows = np.random.default_rng(1).permutation(rows)
    return x[rows], y[rows], games[rows], train[rows]


@pytest.mark.parametrize("metric", WHOLE)
@pytest.mark.parametrize("order", ["in order", "interleaved", "mixed"])
@pytest.mark.parametrize("features", FEATURES)
def test_equal_to_the_whole(metric, order, features, tmp_path):
    x, y, games, train = sample(order, seed=1)
    given = {"features": FEATURES[features], "n_resamples": 30, "seed": 3}
    expected = WHOLE[metric](x, y, game_id=games, train=train, **given)
    assert expected.value > 0.1
    whole = as_batch(x, y, game_id=games, train=train)
    for size, budget in [(1000, 1 << 28), (37, 3000)]:
        made = STREAMED[metric](30, budget_bytes=budget, folder=tmp_path, **given)
        same(stream([made], batches(whole, size)), {metric: expected})
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("metric", WHOLE)
@given(seed=st.integers(0, 10**6), n=st.integers(4, 500), n_features=st.sampled_from([1, 63, 64, 65]))
@settings(max_examples=15, deadline=None)
def test_whatever_the_sample_both_say_the_same(metric, seed, n, n_features):
    """Signed, tied and half-precision values, constant labels, one game on a side, batches of one row and of none."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(n, 5)) + rng.choice([0, 2], 5), int(rng.integers(0, 4))).astype(np.float16)
    x[rng.random((n, 5)) > rng.random(5)] = 0
    x[:, 0] = rng.choice([0, 1])  # never, or always alike
    y = (x[:, rng.integers(0, 5, n_features)] > 0.5) ^ (rng.random((n, n_features)) < 0.05)
    y[:, 0] |= rng.random() < 0.3
    y[:, -1] &= rng.random() < 0.7
    games = rng.permutation(10**6)[: max(2, n // 9)][rng.integers(0, max(2, n // 9), n)] - 500_000
    known = np.unique(games)
    train = np.isin(games, rng.permutation(known)[: rng.choice([1, max(1, len(known) // 2)])])
    asked = {"min_positives": int(rng.choice([1, 5])), "null": bool(rng.random() < 0.7), "n_resamples": 5, "seed": 2}
    whole = as_batch(x.astype(np.float32), y, game_id=games, train=train)
    size, budget = int(rng.choice([1, 7, n] if n < 100 else [33, n])), int(rng.choice([1, 30_000, 1 << 24]))

    def said(compute):
        try:
            return compute()
        except ValueError:
            return None

    def passes():
        yield from batches(whole, size)()
        yield replace(take(whole, np.arange(0)), start=n)

    expected = said(lambda: {metric: WHOLE[metric](x, y, game_id=games, train=train, **asked)})
    found = said(lambda: stream([STREAMED[metric](5, budget_bytes=budget, **asked)], passes))
    assert (found is None) == (expected is None)
    if expected is not None:
        same(found, expected)


@pytest.mark.parametrize("metric", WHOLE)
def test_without_the_shuffled_floor_and_with_groups(metric):
    x, y, games, train = sample("in order")
    given = {"features": worlds.features(), "groups": ["edge"], "null": False, "n_resamples": 10, "min_positives": 5}
    expected = WHOLE[metric](x, y, game_id=games, train=train, **given)
    assert "shuffled games" not in expected.floors
    found = stream([STREAMED[metric](30, **given)], batches(as_batch(x, y, game_id=games, train=train), 100))
    same(found, {metric: expected})


def test_they_share_a_sample(tmp_path):
    x, y, games, train = sample("in order")
    shared = SampleSpill(30, folder=tmp_path)
    both = [made(30, sample=shared, n_resamples=10) for made in STREAMED.values()]
    with both[0]:
        for batch in batches(as_batch(x, y, game_id=games, train=train), 50)():
            for one in both:
                one.accumulate(batch)
        both[0].end_pass()
        first = both[0].compute()
    assert list(tmp_path.iterdir())  # the other one still needs it
    both[1].end_pass()
    found = {**first, **both[1].compute()}
    both[1].close()
    both[1].close()
    assert not list(tmp_path.iterdir())
    same(found, {name: of(x, y, game_id=games, train=train, n_resamples=10) for name, of in WHOLE.items()})
    with pytest.raises(ValueError, match="reconstruction is closed"):
        both[1].compute()


@pytest.mark.parametrize("metric", WHOLE)
def test_a_missing_pass_and_a_late_batch_are_said(metric, tmp_path):
    x, y, games, train = sample("in order")
    batch = as_batch(x, y, game_id=games, train=train)
    with STREAMED[metric](30, folder=tmp_path) as one:
        one.accumulate(batch)
        with pytest.raises(ValueError, match="call end_pass first"):
            one.compute()
        one.end_pass()
        with pytest.raises(ValueError, match="the pass is over"):
            one.accumulate(batch)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("metric", WHOLE)
def test_a_batch_that_comes_twice_is_refused(metric, tmp_path):
    x, y, games, train = sample("in order")
    first, second, *_ = batches(as_batch(x, y, game_id=games, train=train), 100)()
    with STREAMED[metric](30, folder=tmp_path) as one:
        one.accumulate(first)
        one.accumulate(second)
        with pytest.raises(ValueError, match=f"{metric}: the batch starts at row 100, expected row 200"):
            one.accumulate(second)
        assert one.sample.n_rows == 200


@pytest.mark.parametrize("metric", WHOLE)
def test_files_go_after_an_error(metric, tmp_path):
    x, y, games, train = sample("in order")

    def torn():
        yield next(batches(as_batch(x, y, game_id=games, train=train), 10)())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream([STREAMED[metric](30, folder=tmp_path)], torn)
    assert not list(tmp_path.iterdir())


def test_too_little_is_refused_as_on_the_whole():
    x, y, games, train = sample("in order")
    few = train & (games == games[0]) | ~train
    rows = np.flatnonzero(few)
    whole = as_batch(x[rows], y[rows], game_id=games[rows], train=train[rows])
    with pytest.raises(ValueError, match="at least 2 games"):
        stream([StreamedReconstruction(30)], batches(whole, 50))
    with pytest.raises(ValueError, match="no feature has enough positives"):
        stream([StreamedCoverage(30, min_positives=10**6)], batches(whole, 50))


def test_counts_of_long_games_fit_their_type():
    n = 700
    sample = SampleSpill(1).open()
    ones = np.ones((n, 1), bool)
    games = np.arange(n) // 350  # more positions than a byte counts
    sample.take(as_batch(ones.astype(np.float32), ones, game_id=games, train=games == 0))
    best = BestLatents(*(np.array([v]) for v in (0, 1, np.float32(0.5), 1.0, 0.5)))
    found = counts_by_game_spilled(sample, best, np.array([False, True]))
    assert found.on.dtype == np.uint16
    assert (found.on.item(), found.tp.item(), found.positives.item()) == (350, 350, 350)
    sample.close()


def test_resampling_in_blocks_is_resampling(monkeypatch):
    counts = np.random.default_rng(0).integers(0, 60, (300, 4, 3))
    expected = resampled_sums(counts, 200, 5)
    np.testing.assert_array_equal(compact_game_weights(300, 200, 5), game_weights(300, 200, 5))
    monkeypatch.setattr(grouping_module, "SMALL", 1 << 12)
    for dtype in (np.int64, np.uint8):
        np.testing.assert_array_equal(resampled_sums(counts.astype(dtype), 200, 5), expected)
    np.testing.assert_array_equal(resampled_sums(counts[:, 0, 0], 200, 5), expected[:, 0, 0])
    with pytest.raises(ValueError, match="at least 2 games"):
        compact_game_weights(1, 10, 0)


def test_weights_are_drawn_in_parts():
    n = (1 << 21) // 3  # three resamples a part
    np.testing.assert_array_equal(compact_game_weights(n, 7, 1), game_weights(n, 7, 1))
    game_weights.cache_clear()
    compact_game_weights.cache_clear()


def test_recovery_keeps_whole_games():
    common, sizes, true = planted.world()
    labels, games, train = (common[name] for name in ("labels", "game_id", "train"))
    null = planted.random_dictionary(sizes, true, 12, 3)
    told = {name: value for name, value in common.items() if name not in ("labels", "game_id", "train", "magnitudes")}
    told.pop("true_directions", None)
    whole = as_batch(sizes, labels, game_id=games, train=train, x=sizes, magnitudes=common["magnitudes"])
    given = {"true_directions": common.get("true_directions", true), **told}

    def encode(x):
        return np.asarray(null[0])[: len(x)]

    made = StreamedRecovery(12, directions=true, nulls=[(encode, null[1])], **given)
    assert made.needs == {"codes", "labels", "x"}
    same(
        stream([made], batches(whole, 70)),
        recovery(sizes, directions=true, nulls=[null], **{"true_directions": true, **common}),
    )
    smaller = stream([StreamedRecovery(12, directions=true, most_rows=len(games) // 2, **given)], batches(whole, 70))
    about = smaller["recovery_score"].details["sampled"]
    assert about["rows"] <= len(games) // 2
    assert about["of_rows"] == len(games)
    bare = as_batch(sizes, labels, game_id=games, train=train)
    found = stream([StreamedRecovery(12, directions=true, **given)], batches(bare, 70))
    assert "magnitude_correlation_score" not in found
    with pytest.raises(ValueError, match="one for each of 13 latents, got 12"):
        StreamedRecovery(13, directions=true, **given)
