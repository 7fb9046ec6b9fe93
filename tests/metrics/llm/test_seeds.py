"""What is drawn depends on what it is drawn for, not on what holds the numbers; seeds are told apart."""

import numpy as np
import pytest
from fiducial.metrics.llm.seeds import generator_of, stable_hash


def test_known_keys_stay_what_they_are():
    """Another hash would redraw every exam; sha256 of `str:topk`, 0x1f, `int:3`, its first 8 bytes."""
    assert stable_hash("topk", 3) == 0x801C686249EC15A1


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16])
def test_a_number_is_the_same_whatever_holds_it(kind):
    assert stable_hash("latent", kind(3)) == stable_hash("latent", 3)
    assert stable_hash(np.str_("latent"), 3) == stable_hash("latent", 3)


def test_parts_are_told_apart():
    keys = [("a", 1), ("a", "1"), ("a1",), ("a", 1, 0), (1, "a"), ("a", 0, 1), ("a", -1)]
    assert len({stable_hash(*key) for key in keys}) == len(keys)


def test_seeds_and_purposes_are_told_apart():
    """Numpy takes seed [0] for [0, 0]; a key always follows the seed here, so 0, 1 and 2^32 differ."""
    drawn = {
        tuple(generator_of(seed, *key).integers(2**62, size=4).tolist())
        for seed in (0, 1, 2**32, 2**32 + 1)
        for key in ((), (0,), (0, 0), ("x",), ("x", 0))
    }
    assert len(drawn) == 20
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        generator_of(-1)


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError):
        stable_hash("share", 0.5)
