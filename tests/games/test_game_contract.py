"""What every world must do; a new one only adds itself to GAMES."""

import numpy as np
import pytest
from extending_examples import example
from fiducial.games import IOI, Chess, Game, Othello
from fiducial.games.features import RUNGS

GAMES = {
    "othello-8x8": Othello(8),
    "othello-6x6": Othello(6),
    "othello-4x4": Othello(4),
    "othello-6x6-full": Othello(6, vocabulary="full"),
    "othello-6x6-transposed": Othello(6, transpose=True),
    "chess": Chess(),
    "chess-24": Chess(positions=24),
    "chess-characters": Chess(tokens="characters"),
    "chess-characters-all": Chess(tokens="characters", positions=60, scored="all"),
    "ioi-tiny": IOI(),
    "ioi": IOI(vocabulary="full", task="plain"),
    "tic-tac-toe": example("tictactoe").TicTacToe(),  # which docs/extending/game.md adds
    "ioi-tiny-ordinal": IOI(task="ordinal", scored=("io", "s1", "s1+1", "s2", "end")),
}

pytestmark = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES, scope="module")


@pytest.fixture(scope="module")
def samples():
    return {}


@pytest.fixture
def sample(samples, game):
    if id(game) not in samples:
        samples[id(game)] = game.sample(40, seed=3)
    return samples[id(game)]


def equal(a, b):
    return all(np.array_equal(getattr(a, key), getattr(b, key)) for key in ("tokens", "labels", "scored", "ply")) and (
        a.features,
        a.game,
        a.version,
    ) == (b.features, b.game, b.version)


def test_meets_the_protocol(game):
    assert isinstance(game, Game)
    assert game.name == game.name.lower()
    assert isinstance(game.version, str)
    assert game.version
    assert game.n_positions > 0


def test_shapes_and_types(game, sample):
    shape = (40, game.n_positions)
    assert sample.tokens.shape == sample.scored.shape == sample.ply.shape == shape
    assert sample.tokens.dtype == sample.ply.dtype == np.int64
    assert sample.scored.dtype == np.bool_
    assert sample.labels.dtype == np.uint8
    assert sample.labels.shape == (*shape, game.features.n_bytes)
    assert sample.bool_labels().shape == (*shape, len(game.features))
    assert (sample.game, sample.version, sample.seed) == (game.name, game.version, 3)
    assert len(sample) == 40
    assert sample.tokens.min() >= 0
    assert sample.tokens.max() < len(game.tokenizer.vocabulary)


def test_same_seed_same_bytes(game, sample):
    again = type(game)(**vars_of(game)).sample(40, seed=3)
    assert equal(sample, again)
    assert again.labels.tobytes() == sample.labels.tobytes()


def vars_of(game):
    return {key: getattr(game, key) for key in game.__dataclass_fields__}


def test_other_seed_other_games(game, sample):
    assert not np.array_equal(sample.tokens, game.sample(40, seed=4).tokens)


def test_labelling_the_tokens_gives_the_labels_of_the_sample(game, sample):
    labelled = game.label(sample.tokens)
    assert equal(sample, labelled)
    assert labelled.seed is None


def in_characters(game):
    """Whether a token is less than a move."""
    return game.name == "chess-characters"


def test_labelling_the_text_gives_the_same(game, sample):
    texts = [game.tokenizer.decode(row) for row in sample.tokens]
    labelled = game.label(texts)
    if in_characters(game):  # the move that was cut off is lost in the text
        whole = sample.ply < sample.ply.max(axis=1, keepdims=True)
        assert whole.mean() > 0.8
        assert np.array_equal(sample.labels[whole], labelled.labels[whole])
        assert np.array_equal(sample.tokens[whole], labelled.tokens[whole])
    else:
        assert equal(sample, labelled)


def test_one_game_at_a_time_equals_the_batch(game, sample):
    for row in range(0, 40, 7):
        assert equal(sample.take(slice(row, row + 1)), game.label(sample.tokens[row : row + 1]))


def test_tokens_round_trip(game, sample):
    tokenizer = game.tokenizer
    for row, ply in zip(sample.tokens, sample.ply, strict=True):
        moves = tokenizer.decode(row)
        assert len(moves) == ply.max()
        encoded, positions = tokenizer.encode(moves), tokenizer.positions(row)
        assert encoded == row[: len(encoded)].tolist()
        assert positions == ply[: len(positions)].tolist()
        assert (row[len(positions) :] == tokenizer.pad_id).all()
    assert len(set(tokenizer.vocabulary)) == len(tokenizer.vocabulary)


def test_ply_counts_moves(game, sample):
    if in_characters(game):
        spaces = sample.tokens == game.tokenizer.vocabulary.index(" ")
        assert np.array_equal(sample.ply, spaces.cumsum(1))
    elif game.name.startswith("ioi"):
        assert (sample.ply == np.arange(game.n_positions)).all()  # words, of which few are scored
    else:
        assert np.array_equal(sample.ply, sample.scored.cumsum(1))


def test_labels_are_zero_where_nothing_is_scored(game, sample):
    assert not sample.labels[~sample.scored].any()


def test_unused_bits_are_zero(game, sample):
    spare = 8 * game.features.n_bytes - len(game.features)
    assert not (sample.labels[..., -1] >> (8 - spare)).any() if spare else True


def test_next_moves_are_the_games_of_the_seed(game, sample):
    tokens, allowed = game.next_moves(40, 3)
    assert np.array_equal(tokens, sample.tokens)
    assert np.array_equal(allowed, game.allowed(tokens))
    assert allowed.shape == (*tokens.shape, len(game.tokenizer.vocabulary))
    assert not allowed[..., game.tokenizer.pad_id].any()
    following = np.take_along_axis(allowed[:, :-1], tokens[:, 1:, None], -1)[..., 0]
    assert following[sample.scored[:, 1:]].all()
    assert np.array_equal(game.next_moves(40, [3, 1])[0], game.next_moves(40, [3, 1])[0])
    assert not np.array_equal(game.next_moves(40, [3, 1])[0], game.next_moves(40, [3, 2])[0])


def test_features_are_well_formed(game):
    features = game.features
    assert len(set(features.names)) == len(features)
    known = set(features.names)
    for feature in features:
        assert feature.rung in RUNGS
        assert feature.definition.endswith(".")
        assert len(feature.definition) > 10
        assert set(feature.parents) <= known - {feature.name}, feature.name
        assert not feature.counterpart
    assert {f.rung for f in features} == set(RUNGS)


def test_features_survive_json(game):
    assert type(game.features).from_json(game.features.to_json()) == game.features


def test_parents_are_implied(game):
    features, labels = game.features, label_bits(game)
    for i, feature in enumerate(features):
        for parent in feature.parents:
            assert not (labels[i] & ~labels[features.index(parent)]).any(), (feature.name, parent)


def test_values_of_a_variable_exclude_each_other(game):
    labels = label_bits(game)
    for name, indices in game.features.variables.items():
        seen = np.zeros_like(labels[0])
        for i in indices:
            assert not (seen & labels[i]).any(), (name, game.features[i].name)
            seen |= labels[i]


def test_unreachable_features_never_hold_and_reachable_ones_do(game):
    """2,000 games show every reachable feature of Othello; a feature that none shows is misjudged or too rare to score.

    Chess knows many that random games seldom or never show, such as a white pawn on a7 or a third repetition; the full
    vocabulary of IOI more names than a few hundred prompts hold.
    """
    ever = label_bits(game).any(1)
    assert [f.name for f, e in zip(game.features, ever, strict=True) if e and not f.reachable] == []
    shown = np.mean([e for f, e in zip(game.features, ever, strict=True) if f.reachable])
    least = {"chess": 0.55, "chess-characters": 0.4, "ioi-tiny": 0.9, "ioi": 0.6}
    assert shown == 1 if game.name not in least else shown > least[game.name]


def test_renders_every_ply_of_a_game(game, sample):
    moves = game.tokenizer.decode(sample.tokens[0])
    for ply in (0, 1, len(moves) // 2, len(moves)):
        text, svg = game.render(moves, ply), game.render(moves, ply, format="svg")
        assert text
        assert svg.startswith("<svg")
        assert "<title>" in svg
        assert game.render(sample.tokens[0].tolist(), ply) == text


def test_counterfactuals_are_games_with_the_said_labels(game):
    if in_characters(game):
        with pytest.raises(ValueError, match='made for tokens="moves", got tokens="characters"'):
            game.counterfactuals(3, seed=5)
        return
    pairs = game.counterfactuals(30, seed=5)
    base, source = game.label(pairs.base).bool_labels(), game.label(pairs.source).bool_labels()
    rows = np.arange(30)
    assert not base[rows, pairs.base_position, pairs.feature].any()
    assert source[rows, pairs.source_position, pairs.feature].all()
    assert np.array_equal(game.allowed(pairs.base)[rows, pairs.base_position], pairs.allowed_before)
    assert (pairs.allowed_before != pairs.allowed_after).any(1).all()
    assert pairs.allowed_after.any(1).all()
    again, other = game.counterfactuals(30, seed=5), game.counterfactuals(30, seed=6)
    assert np.array_equal(again.base, pairs.base)
    assert np.array_equal(again.allowed_after, pairs.allowed_after)
    assert not np.array_equal(other.base, pairs.base)


@pytest.mark.parametrize("n", [0, -3])
def test_refuses_to_sample_nothing(game, n):
    with pytest.raises(ValueError, match=r"at least 1, got"):
        game.sample(n, seed=0)
    with pytest.raises(ValueError, match=r"at least 1, got"):
        game.next_moves(n, seed=0)
    with pytest.raises(ValueError, match=r"at least 1, got"):
        game.counterfactuals(n, seed=0)


_LABELS = {}


def label_bits(game):
    """Labels of the scored positions of 2,000 games (chess: 500), a row a feature, eight positions a byte."""
    if id(game) not in _LABELS:
        _LABELS.clear()  # one world at a time in memory
        transcripts = game.sample(2000 if game.name.startswith("othello") else 500, seed=1)
        rows = transcripts.labels[transcripts.scored]
        parts = [np.packbits(game.features.unpack(rows[i : i + 4096]), axis=0).T for i in range(0, len(rows), 4096)]
        _LABELS[id(game)] = np.concatenate(parts, axis=1)
    return _LABELS[id(game)]
