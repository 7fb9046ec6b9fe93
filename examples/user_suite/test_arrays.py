"""Latents and labels made elsewhere: no testbed, no model, any framework."""

import numpy as np
import pytest
from fiducial.testing import Truth, assert_recovers


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    labels = rng.random((2_000, 6)) < 0.3
    return Truth(labels, np.repeat(np.arange(100), 20), names=["red", "green", "blue", "big", "small", "round"])


def test_noisy_copies_are_found(truth):
    latents = truth.labels + np.abs(np.random.default_rng(1).normal(scale=0.2, size=truth.labels.shape))
    assert_recovers(latents, truth, coverage=0.95, features=["red", "round"])
