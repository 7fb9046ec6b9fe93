import math

import pytest
from fiducial.metrics.score import Score
from fiducial.reporting.squares import as_list, board_size, square, square_values, squares_of
from hypothesis import given
from hypothesis import strategies as st


def scored(names, values, groups=None, rare=None):
    table = {"feature": names, "value": values}
    table |= {} if groups is None else {"group": groups}
    table |= {} if rare is None else {"rare": rare}
    return Score("coverage", 0.5, 0.4, 0.6, features=table)


CORNERS = ["a1", "d1", "a4", "d4"]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("mine on c4", (2, 3)),
        ("h8 occupied", (7, 7)),
        ("p16 empty", (15, 15)),
        ("line from a1 to h8", None),
        ("knight on c4 attacks c4", (2, 3)),
        ("at least 4 discs", None),
        ("move a10", (0, 9)),
        ("abc4", None),
        ("c0", None),
    ],
)
def test_the_one_square_of_a_name(name, at):
    assert square(name) == at


def test_a_square_is_the_mean_over_its_features():
    names = [f"{side} on {at}" for side in ("mine", "yours") for at in CORNERS]
    found = square_values(scored(names, [0.2, 0.4, 0.6, 0.8, 0.4, 0.4, 0.4, 0.4], ["board"] * 8))
    assert found["board"] == pytest.approx({(0, 0): 0.3, (3, 0): 0.4, (0, 3): 0.5, (3, 3): 0.6})


def test_rare_features_and_missing_values_leave_a_square_empty():
    names = [f"mine on {at}" for at in CORNERS]
    found = square_values(scored(names, [0.2, None, 0.6, 0.8], ["board"] * 4, [True, False, False, False]))["board"]
    assert math.isnan(found[0, 0])
    assert math.isnan(found[3, 0])
    assert found[0, 3] == 0.6


def test_groups_that_are_no_maps_are_left_out():
    names = [f"mine on {at}" for at in CORNERS[:3]] + [f"{at} empty" for at in CORNERS] + ["check"] * 5
    groups = ["few"] * 3 + ["mostly not"] * 9
    assert square_values(scored(names, [0.5] * 12, groups)) == {}
    assert square_values(Score("scr", 0.5, 0.4, 0.6, features={"task": ["a1"]})) == {}


def test_a_list_counts_files_within_ranks_from_rank_1():
    values = as_list({(0, 0): 0.1, (2, 0): 0.2, (1, 2): math.nan}, 3)
    assert values == [0.1, None, 0.2] + [None] * 6
    with pytest.raises(ValueError, match="size 3 has no file 3"):
        as_list({(3, 0): 1.0}, 3)


@given(
    st.dictionaries(st.tuples(st.integers(0, 7), st.integers(0, 7)), st.floats(0, 1), min_size=1),
)
def test_every_square_comes_back_from_its_place(values):
    listed = as_list(values, 8)
    assert {(i % 8, i // 8): v for i, v in enumerate(listed) if v is not None} == values
    assert sum(v is not None for v in listed) == len(values)
    assert board_size([values]) == 1 + max(max(at) for at in values)


def test_all_metrics_share_one_board_and_squares_beyond_it_are_no_map():
    small = scored([f"mine on {at}" for at in CORNERS], [0.5] * 4, ["board"] * 4)
    large = scored([f"mine on {at}" for at in ("a1", "h1", "a8", "h8")], [0.5] * 4, ["board"] * 4)
    found = squares_of({"coverage": small, "reconstruction": large, "l0": Score("l0", 3.0, 2.0, 4.0)})
    assert {metric: len(by_group["board"]) for metric, by_group in found.items()} == {
        "coverage": 64,
        "reconstruction": 64,
    }
    assert list(squares_of({"coverage": small, "reconstruction": large}, 4)) == ["coverage"]
