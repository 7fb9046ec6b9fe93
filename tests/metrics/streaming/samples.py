"""Samples in awkward orders and batches, for tests that streamed equals whole."""

import numpy as np
from fiducial.metrics.inputs import as_codes, as_label_bits
from fiducial.metrics.streaming.rows import BehaviourBatch, split_rows

FIELDS = ("position", "x", "x_hat")


def as_batch(latents=None, labels=None, *, game_id, train=None, **arrays):
    """A whole sample as one batch; what is no field of a batch is measured."""
    n = len(game_id)
    return BehaviourBatch(
        0,
        np.asarray(game_id),
        np.zeros(n, bool) if train is None else train,
        codes=None if latents is None else as_codes(latents),
        labels=None if labels is None else as_label_bits(labels, n),
        **{name: arrays.pop(name) for name in FIELDS if name in arrays},
        measured=arrays,
    )


def interleaved(games, seed=0):
    """An order of rows in which games come in turns, each in its own order, and start at odd places."""
    rng = np.random.default_rng(seed)
    when = np.empty(len(games))
    for game in np.unique(games):
        mine = np.flatnonzero(games == game)
        when[mine] = np.sort(rng.random(len(mine)))
    return np.argsort(when, kind="stable")


def batches(whole, size):
    """A callable that starts a pass."""
    return lambda: split_rows(whole, size)


def same(found, expected, rel=None):
    """Scores of the same names with the same numbers, tables and replicates; to the last bit unless `rel` is given."""
    assert set(found) == set(expected)
    for name, one in expected.items():
        other = found[name]
        if rel is None:
            assert repr(other) == repr(one), name  # NaN equals NaN there
        else:
            np.testing.assert_allclose([other.value, other.low, other.high], [one.value, one.low, one.high], rel)
            assert other.floors.keys() == one.floors.keys()
            np.testing.assert_allclose(list(other.floors.values()), list(one.floors.values()), rel)
        assert (other.replicates is None) == (one.replicates is None), name
        if one.replicates is not None:
            np.testing.assert_allclose(other.replicates, one.replicates, rtol=rel or 0, atol=0, err_msg=name)
