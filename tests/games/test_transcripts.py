"""Transcripts hold together."""

from dataclasses import replace

import numpy as np
import pytest
from fiducial.games import WORLDS, Othello, world

SAMPLE = Othello(4).sample(6, seed=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scored", np.zeros((6, 10), bool)),
        ("ply", np.zeros((5, 11), np.int64)),
        ("labels", np.zeros((6, 11, 3), np.uint8)),
    ],
)
def test_shapes_are_checked(field, value):
    with pytest.raises(ValueError, match=rf"transcripts: {field} must be \[6, 11.*\], got"):
        replace(SAMPLE, **{field: value})


def test_take():
    part = SAMPLE.take(np.array([4, 1]))
    assert len(part) == 2
    assert np.array_equal(part.tokens, SAMPLE.tokens[[4, 1]])
    assert np.array_equal(part.labels, SAMPLE.labels[[4, 1]])
    assert part.features is SAMPLE.features
    assert len(SAMPLE.take(slice(0, 3))) == 3


def test_bool_labels():
    assert np.array_equal(SAMPLE.features.pack(SAMPLE.bool_labels()), SAMPLE.labels)


def test_worlds_by_name():
    for name in WORLDS:
        assert world(name).name.split("-")[0] == name.split("-")[0]
    assert world("othello-6x6") == Othello(6)
    assert world("othello-gpt") == Othello(8, transpose=True)
    with pytest.raises(KeyError, match=r"no game named 'othelo'; did you mean .*othello"):
        world("othelo")
