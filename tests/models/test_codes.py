"""Codes: sparse rows say exactly what the dense latents say."""

import numpy as np
import pytest
import torch
from fiducial.models.controls import identity_dictionary
from fiducial.models.dictionary import Codes, encode_in_batches
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

VALUES = st.sampled_from([0.0, 0.0, 0.0, 1.0, 0.5, -2.0, 1e-30, 3e38])


def dense_latents(min_rows=0):
    return st.tuples(st.integers(min_rows, 7), st.integers(1, 6)).flatmap(
        lambda shape: hnp.arrays(np.float32, shape, elements=VALUES)
    )


@given(dense_latents())
def test_dense_to_codes_and_back(dense):
    codes = Codes.from_dense(dense)
    assert np.array_equal(codes.to_dense(), dense)
    assert (codes.values != 0).all()
    assert codes.n_rows == len(dense)
    assert (codes.indptr.dtype, codes.indices.dtype, codes.values.dtype) == (np.int64, np.int32, np.float32)
    for row in range(len(dense)):
        mine = codes.indices[codes.indptr[row] : codes.indptr[row + 1]]
        assert mine.tolist() == [i for i in range(dense.shape[1]) if dense[row, i] != 0]
    assert codes.l0 == pytest.approx(np.count_nonzero(dense) / max(1, len(dense)))
    assert codes.maxima.tolist() == [max([0.0, *column]) for column in dense.T.tolist()]


@given(dense_latents(min_rows=1), st.data())
def test_take_is_indexing(dense, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(dense) - 1), max_size=10)), np.int64)
    assert np.array_equal(Codes.from_dense(dense).take(rows).to_dense(), dense[rows])


@given(dense_latents(), st.lists(st.integers(0, 7), max_size=3))
def test_concatenate_undoes_splitting(dense, cuts):
    parts = np.split(dense, sorted(min(cut, len(dense)) for cut in cuts))
    whole, stacked = Codes.from_dense(dense), Codes.concatenate([Codes.from_dense(part) for part in parts])
    assert np.array_equal(stacked.indptr, whole.indptr)
    assert np.array_equal(stacked.indices, whole.indices)
    assert np.array_equal(stacked.values, whole.values)


@settings(max_examples=20, deadline=None)
@given(dense_latents(min_rows=1), st.integers(1, 8))
def test_encoding_in_batches_is_encoding_at_once(x, batch_size):
    x = np.clip(x, -100, 100)
    made = identity_dictionary(x.shape[1])
    for given_as in (torch.from_numpy(x), list(torch.from_numpy(x).split(batch_size))):
        codes = encode_in_batches(made, given_as, batch_size)
        assert np.array_equal(codes.to_dense(), made.encode(torch.from_numpy(x)).numpy())


def test_a_swapped_axis_would_be_noticed():
    """Mutation check: the round trip above is false for a `to_dense` that writes columns as rows."""
    dense = np.array([[0, 1, 0], [2, 0, 0], [0, 0, 0]], np.float32)
    codes = Codes.from_dense(dense)
    wrong = np.zeros_like(dense)
    wrong[codes.indices, codes.rows] = codes.values
    assert not np.array_equal(wrong, dense)


def test_bad_latents_are_refused():
    with pytest.raises(ValueError, match=r"latents must be floating \[N, n_latents\], got int64 \[2, 2\]"):
        Codes.from_dense(np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match=r"got float64 \[2\]"):
        Codes.from_dense(np.zeros(2))
    with pytest.raises(ValueError, match="latents hold nan at row 1, latent 0"):
        Codes.from_dense(np.array([[0.0], [np.nan]]))
    with pytest.raises(ValueError, match=r"must share one width, got \[2, 3\]"):
        Codes.concatenate([Codes.from_dense(np.zeros((1, width))) for width in (2, 3)])
    with pytest.raises(ValueError, match=r"must share one width, got \[\]"):
        Codes.concatenate([])
