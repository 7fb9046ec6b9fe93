"""Every Othello feature against the plain reference, on games with passes, wipe-outs and early ends."""

import numpy as np
import pytest
from fiducial.games import Othello, othello_board, othello_labels, othello_relations, othello_whole
from fiducial.games.othello_features import DIRECTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from . import plain_othello as plain

WORLDS = {size: Othello(size) for size in (4, 6, 8)}
FULL = {size: Othello(size, vocabulary="full") for size in (4, 6, 8)}


def interesting(world, n, seed=0):
    """Token rows of `n` games: the shortest ones, some with several passes, and ordinary ones."""
    record = othello_board.play_random(world.geometry, 3000, np.random.default_rng(seed))
    tokens = world.tokenizer.from_squares(record.squares[:, : world.n_positions])
    third = n // 3
    short = np.argsort(record.lengths, kind="stable")[:third]
    passes = np.argsort(-record.passed.sum(0), kind="stable")[:third]
    return tokens[np.concatenate([short, passes, np.arange(n - 2 * third)])]


def disagreements(world, tokens, limit=10):
    """(game, ply, feature) where labels and reference differ."""
    transcripts = world.label(tokens)
    labels, names = transcripts.bool_labels(), np.array(world.features.names)
    found = []
    for game, row in enumerate(tokens):
        moves = [world.tokenizer.vocabulary[i] for i in row if i]
        assert transcripts.scored[game].sum() == len(moves)
        for ply, position in enumerate(plain.play(world.size, moves)):
            expected = plain.features(position, lengths=world.vocabulary == "full")
            # The reference also knows counts that are no threshold of the vocabulary.
            expected &= set(world.features.names)
            differing = set(names[labels[game, ply]]) ^ expected
            found += [(game, ply, name) for name in differing]
        if len(found) >= limit:
            break
    return found


@pytest.mark.parametrize(("size", "n"), [(4, 30), (6, 9), (8, 6)])
def test_every_feature_against_plain_python(size, n):
    assert disagreements(FULL[size], interesting(FULL[size], n)) == []


@pytest.mark.slow
@pytest.mark.parametrize(("size", "n"), [(4, 2000), (6, 300), (8, 150)])
def test_every_feature_against_plain_python_on_many_games(size, n):
    assert disagreements(FULL[size], interesting(FULL[size], n, seed=1)) == []


@pytest.mark.parametrize("size", WORLDS)
def test_the_reference_knows_every_feature(size):
    """No feature is right only because neither side ever says it: each one that holds somewhere is confirmed there.

    On 8 x 8 the features of single squares are left to the games of the test above.
    """
    world = WORLDS[size]
    transcripts = world.sample(2000, seed=1)
    packed = transcripts.labels
    seen = set()
    for i, feature in enumerate(world.features):
        if not feature.reachable or feature.name in seen or (size == 8 and feature.name in world.squares):
            continue
        holds = packed[..., i // 8] >> (i % 8) & 1
        game, ply = np.unravel_index(int(holds.argmax()), holds.shape)
        assert holds[game, ply], feature.name
        position = plain.play(size, world.tokenizer.decode(transcripts.tokens[game, : ply + 1]))[-1]
        found = plain.features(position)
        assert feature.name in found
        seen |= found


def test_games_with_passes_and_wipe_outs_are_among_those_tried():
    tokens = interesting(WORLDS[8], 9)
    transcripts = WORLDS[8].label(tokens)
    labels = transcripts.bool_labels()
    for name in ("the last move forced a pass", "game over", "no discs of mine", "turn against parity"):
        assert labels[..., WORLDS[8].features.index(name)].any(), name
    assert transcripts.scored.sum(1).min() < 40


def test_full_vocabulary_begins_with_the_planes_of_the_standard_one():
    for size in WORLDS:
        tokens = WORLDS[size].sample(20, seed=2).tokens
        standard, full = WORLDS[size].label(tokens), FULL[size].label(tokens)
        columns = np.array([full.features.index(name) for name in standard.features.names])
        assert np.array_equal(standard.bool_labels(), full.bool_labels()[..., columns])


@pytest.mark.parametrize("size", WORLDS)
def test_labels_do_not_depend_on_how_positions_are_grouped(monkeypatch, size):
    world = WORLDS[size]
    record = othello_board.play_random(world.geometry, 5, np.random.default_rng(size))
    layout = othello_labels.Layout(world.geometry, world.blocks)
    whole = othello_labels.label_record(record, layout, world.n_positions)
    for chunk in (7, 64):
        monkeypatch.setattr(othello_labels, "CHUNK", chunk)
        assert np.array_equal(whole, othello_labels.label_record(record, layout, world.n_positions))


@settings(max_examples=6)
@given(st.sampled_from([4, 6, 8]), st.integers(0, 2**32))
def test_transposed_games_have_transposed_labels(size, seed):
    world = WORLDS[size]
    transcripts = world.sample(3, seed)
    squares = world.tokenizer.to_squares(transcripts.tokens)
    swapped = np.where(squares < 0, -1, squares % size * size + squares // size)
    labels = transcripts.bool_labels()
    other = world.label(swapped, integers="squares").bool_labels()
    names = world.geometry.names
    turned = {d: next(e for e, v in DIRECTIONS.items() if v == DIRECTIONS[d][::-1]) for d in DIRECTIONS}
    for group in ("board", "colour", "legal moves", "stable discs", "frontier discs", "flipped", "lines"):
        for i in world.features.where(group=group):
            feature = world.features[int(i)]
            square = world.square_of(feature)
            name = feature.name.replace(names[square], names[square % size * size + square // size])
            if group == "lines":
                direction = name.rsplit(" ", 1)[1]
                name = name[: -len(direction)] + turned[direction]
            assert np.array_equal(labels[..., i], other[..., world.features.index(name)]), feature.name


@given(st.data())
def test_relations_on_any_board(data):
    """Lines, filled lines and stability on boards that no game reaches, against the plain reference."""
    size = data.draw(st.sampled_from([4, 6, 8]))
    density = data.draw(st.sampled_from(["BW", "BBBW", "BW.", "BBBBBBBBBBBBB."]))
    discs = data.draw(st.lists(st.sampled_from(density), min_size=size**2, max_size=size**2))
    squares = plain.squares(size)
    position = {s: d for s, d in zip(squares, discs, strict=True) if d != "."}
    geometry = WORLDS[size].geometry
    bits = {s: 1 << int(b) for s, b in zip(squares, geometry.bits, strict=True)}

    def pack(chosen):
        return np.array([sum(bits[s] for s in chosen)], dtype=np.uint64)

    own, opp = (pack([s for s, d in position.items() if d == c]) for c in "BW")
    empty = geometry.mask & ~(own | opp)
    for found, colour in zip(othello_relations.stable(own, opp, geometry), "BW", strict=True):
        assert found == pack(plain.stable(position, size, colour))
    out = {d: np.zeros(1, np.uint64) for d in DIRECTIONS}
    moves = othello_relations.lines(own, opp, empty, out)
    free = [s for s in squares if s not in position]
    for d in DIRECTIONS:
        assert out[d] == pack([s for s in free if plain.captured(position, "B", s, d)]), d
        assert othello_relations.towards(own, d) & geometry.mask == pack(
            [s for s in squares if position.get(plain.step(s, d, -1)) == "B"]
        )
    assert moves == pack(plain.moves(position, "B", size))
    assert moves == othello_board.legal_moves(own, opp, geometry.mask)


def test_a_stable_disc_is_never_turned_over():
    """What the definition claims, on games played to the end."""
    world = WORLDS[6]
    record = othello_board.play_random(world.geometry, 200, np.random.default_rng(3))
    black = np.where(record.to_move == othello_board.BLACK, record.own, record.opp)
    firm = othello_relations.stable(record.own.ravel(), record.opp.ravel(), world.geometry)
    firm = (firm[0] | firm[1]).reshape(record.own.shape)
    assert firm.any()
    assert not ((black[1:] ^ black[:-1]) & firm[:-1]).any()


MUTATIONS = {
    "passes ignored": (othello_labels, "WHITE", 2),
    "stable discs swapped": (othello_labels, "stable", lambda own, opp, g: othello_relations.stable(opp, own, g)),
    "frontier of nothing": (othello_labels, "around", lambda boards: boards),
    "lines of the other player": (
        othello_labels, "lines", lambda own, opp, empty, out: othello_relations.lines(opp, own, empty, out),
    ),
    "wrapping around the edge": (othello_relations, "INNER_FILES", np.uint64(0xFFFFFFFFFFFFFFFF)),
    "wedges beside empty squares": (
        othello_whole, "_wedges", lambda moves, theirs, places: (moves & places.ring) != 0,
    ),
    "one phase later": (othello_whole, "phases", lambda geometry: tuple((a + 1, b + 1) for a, b in ((1, 8),) * 4)),
    "rows for columns": (othello_whole, "_column", lambda boards, column, g: othello_whole._row(boards, column, g)),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_labels_are_noticed(monkeypatch, name):
    module, attribute, broken = MUTATIONS[name]
    world = WORLDS[8] if name == "wrapping around the edge" else WORLDS[6]
    tokens = interesting(world, 6, seed=2)
    monkeypatch.setattr(module, attribute, broken)
    assert disagreements(world, tokens, limit=1) != []
