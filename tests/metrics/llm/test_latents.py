"""Which latents are looked at: sparse columns against dense ones, limits by hand, every dropped latent counted."""

import numpy as np
import pytest
from fiducial.metrics.llm.latents import eligible, latents_of, pick
from fiducial.models.dictionary import Codes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from .small_facts import facts_of

VALUES = arrays.arrays(np.float32, (12, 5), elements=st.sampled_from([-1.0, 0.0, 0.0, 0.25, 0.5, 1.0, 2.0]))


@given(VALUES, st.sampled_from([0.0, 0.25, 0.5]), st.booleans())
def test_columns_are_those_of_the_dense_latents(dense, above, half):
    rows = np.arange(6) if half else None
    found = latents_of(Codes.from_dense(dense), above=above, rows=rows)
    for number, latent in found.items():
        column = dense[:, number]
        least = above * max(column[:6].max() if half else column.max(), 0)
        assert np.array_equal(latent.dense(), np.where((column > 0) & (column > least), column, 0))
        assert (np.diff(latent.rows) > 0).all()
        assert (latent.number, latent.n_rows) == (number, 12)


def test_numbers_come_back_in_the_order_asked_for():
    codes = Codes.from_dense(np.eye(4, dtype=np.float32))
    found = latents_of(codes, [3, 0])
    assert list(found) == [3, 0]
    assert found[3].rows.tolist() == [3]
    with pytest.raises(ValueError, match=r"0 to 3, got \[4\]"):
        latents_of(codes, [1, 4])
    with pytest.raises(ValueError, match="share of the maximum"):
        latents_of(codes, above=1.0)


def by_hand():
    """Ten games of 4 positions, even ones choose, and latents that each fail for a reason of their own."""
    game, place = np.arange(40) // 4, np.arange(40) % 4
    train = game % 2 == 0
    dense = np.zeros((40, 7), np.float32)
    dense[place < 2, 0] = 1  # 10 positions on each side, in all games: eligible
    dense[train & (place < 2), 1] = 1  # only in choosing games
    dense[~train & (place < 2), 2] = 1  # only in reporting games
    dense[(game < 2), 3] = 1  # 4 positions on each side, all of one game
    dense[:, 4] = 1  # everywhere
    dense[place == 0, 5] = -1  # negative values do not fire
    dense[train & (place < 3) & (game < 4) | ~train & (place < 2), 6] = 1  # 6 choosing positions, of two games
    return facts_of(np.zeros((40, 3)), 4), Codes.from_dense(dense)


def test_every_latent_that_is_left_out_is_counted_by_its_first_reason():
    facts, codes = by_hand()
    found = eligible(codes, facts, min_active=5, min_games=3)
    assert found.numbers.tolist() == [0]
    assert {reason: n for reason, n in found.dropped.items() if n} == {
        "never fires": 1,  # 5
        "fires at fewer than 5 positions of choosing games": 2,  # 2 and 3
        "fires in fewer than 3 choosing games": 1,  # 6
        "silent at fewer than 5 positions of choosing games": 1,  # 4
        "fires at fewer than 5 positions of reporting games": 1,  # 1
    }
    assert found.n_dropped + len(found.numbers) == codes.n_latents
    assert found.rates.tolist() == [0.5, 0, 0.5, 0.2, 1, 0, 0.5]
    assert found.summary().startswith("1 of 7 latents are eligible; 1: never fires; 2: ")


def test_limits_are_exact():
    facts, codes = by_hand()
    assert 3 in eligible(codes, facts, min_active=4, min_games=1).numbers  # 4 positions of 1 game on each side
    assert 3 not in eligible(codes, facts, min_active=5, min_games=1).numbers
    assert 3 not in eligible(codes, facts, min_active=4, min_games=2).numbers
    assert 4 in eligible(codes, facts, min_active=4, min_games=1, min_silent=0).numbers


def test_a_smaller_sample_is_part_of_a_larger_one():
    facts, _ = by_hand()
    codes = Codes.from_dense((np.arange(40)[:, None] % 4 < 2).repeat(30, 1).astype(np.float32))
    few, many = (pick(codes, facts, n, 0, min_active=5) for n in (5, 12))
    assert len(few) == 5
    assert set(few) < set(many)
    assert many == sorted(many)
    assert pick(codes, facts, 99, 0, min_active=5) == list(range(30))
    assert few != pick(codes, facts, 5, 1, min_active=5)
    assert few != pick(codes, facts, 5, 0, min_active=5, sae="other")
    assert few == pick(codes, facts, 5, 0, among=eligible(codes, facts, min_active=5))
    assert pick(codes, facts, 0, 0) == []


def test_wrong_arguments_are_refused():
    facts, codes = by_hand()
    with pytest.raises(ValueError, match="hold 39 positions but the facts 40"):
        eligible(codes.take(np.arange(39)), facts)
    with pytest.raises(ValueError, match="at least 1"):
        eligible(codes, facts, min_games=0)
    with pytest.raises(ValueError, match="number of latents"):
        pick(codes, facts, -1, 0)


def test_a_dictionary_of_dead_latents_has_none_to_look_at():
    facts, _ = by_hand()
    codes = Codes.from_dense(np.zeros((40, 3), np.float32))
    assert eligible(codes, facts).dropped["never fires"] == 3
    assert pick(codes, facts, 5, 0) == []
    assert [len(latent.rows) for latent in latents_of(codes).values()] == [0, 0, 0]
