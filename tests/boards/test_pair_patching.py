"""Natural pairs of positions patched into each other, and one board with two histories."""

import numpy as np
import pytest
from fiducial.boards.markov_check import markov_check
from fiducial.boards.pair_patching import PAIR_SEED, allowed_at, pair_edits, pair_patching
from fiducial.games.position_pairs import position_pairs
from fiducial.testbed_catalogue import testbed as open_testbed
from tiny import tiny_testbed

BED = {}


def small():
    if "bed" not in BED:
        BED["bed"] = open_testbed("othello-6x6", n_games=40)
    return BED["bed"]


def test_pairs_are_edits_of_one_square_with_the_moves_of_both_boards():
    bed = tiny_testbed()
    transcripts = bed.game.sample(400, 1)
    pairs = position_pairs(bed.game, transcripts, seed=0)
    edits, kept, tokens, position = pair_edits(bed, transcripts, pairs, 30, 0)
    assert 2 <= len(edits) <= 30
    assert ((edits.before != edits.after).sum(1) == 1).all()
    assert (edits.allowed_before != edits.allowed_after).any(1).all()
    for row in range(len(edits)):
        game, at = pairs.base[kept[row]]
        other, there = pairs.source[kept[row]]
        assert edits.position[row] == at == position[row] == there
        assert edits.tokens[row, : at + 1].tolist() == transcripts.tokens[game, : at + 1].tolist()
        assert tokens[row, : at + 1].tolist() == transcripts.tokens[other, : at + 1].tolist()
        assert (edits.tokens[row, at + 1 :] == 0).all()
        assert np.array_equal(edits.allowed_before[row], bed.game.allowed(transcripts.tokens[[game]])[0, at])
        assert np.array_equal(edits.allowed_after[row], bed.game.allowed(transcripts.tokens[[other]])[0, at])


def test_moves_are_asked_for_in_parts_of_many_games():
    bed = tiny_testbed()
    transcripts = bed.game.sample(700, 2)
    generator = np.random.default_rng(0)
    places = np.stack([generator.integers(0, 700, 50), generator.integers(0, 8, 50)], 1)
    whole = bed.game.allowed(transcripts.tokens)[places[:, 0], places[:, 1]]
    assert np.array_equal(allowed_at(bed, transcripts, places), whole)


def test_a_patch_of_the_last_block_is_the_source_and_a_supervised_edit_goes_its_way():
    found = pair_patching(
        small(), n_pairs=40, n_games=1200, n_choosing=30, methods=["supervised"], dictionaries=[], n_resamples=200
    )
    last = found.rows["full patch after block 3"]
    assert last["source"].value == 1  # nothing is read after it
    assert last["error"].value == pytest.approx(found.floor.value)
    assert last["success"].value == pytest.approx(1)
    site = found.rows["full patch after block 1 (the site)"]
    assert site["patch"].value == site["first"].value == 1
    null, edit = found.rows["null"], found.rows["supervised, sized"]
    assert null["success"].value == 0
    assert edit["success"].value > 0.3
    assert edit["source"].value > null["source"].value
    assert edit["isolation"].value > 0.9
    assert "full patch after block 1 (the site)" in found.table()
    assert found.to_dict()["rows"]["null"]["success"]["value"] == 0


def test_the_same_board_gives_the_same_moves_and_another_does_not():
    found = markov_check(small(), n_pairs=60, n_games=1200, n_resamples=200)
    same, other = found.rows["same board"], found.rows["other board"]
    assert same["divergence"].high < 0.2 * other["divergence"].low
    assert same["overlap of the likely moves"].low > 0.9 > other["overlap of the likely moves"].high
    distance = "distance after blocks.1, relative"
    assert same[distance].high < other[distance].value == pytest.approx(1)
    assert same["divergence after patching the source in"].value < (
        other["divergence after patching the source in"].value
    )
    assert "same board" in found.table()
    assert found.to_dict()["n_pairs"] == found.n_pairs


def test_an_untrained_model_is_no_markov_player():
    """Mutation: the check must tell a model that plays by the board from one that does not."""
    found = markov_check(tiny_testbed(), n_pairs=40, n_games=300, n_resamples=100)
    same, other = (row["distance after blocks.1, relative"] for row in found.rows.values())
    assert same.value > 0.5 * other.value


def test_too_few_games_are_said_so():
    with pytest.raises(ValueError, match="ask for more games"):
        pair_patching(small(), n_games=2)
    with pytest.raises(ValueError, match="ask for more games"):
        markov_check(small(), n_games=2)
    assert PAIR_SEED > 100_000
