import json

import chess
import numpy as np
import pytest
import torch
from fiducial.explaining.latent_blocks import board_of, latents_of_page, latents_shown, where_words_hold
from fiducial.explaining.result import Explained, ExplainedLatent
from fiducial.games.chess import Chess
from fiducial.games.othello import Othello
from fiducial.latent_examples import latent_examples
from fiducial.reporting.latents import is_latents, latents_content, latents_from, merge, write_latents_file
from tiny import tiny_testbed

NASTY = "<script>alert('x')</script>\u202e&"


class Planted:
    """Latent 0 fires where b2 is mine, latent 1 never."""

    name = "planted"
    latent_names = None

    def __init__(self, bed):
        features = bed.transcripts.features
        held = features.unpack(bed.activations.labels)[:, features.index("mine on b2")]
        noise = np.random.default_rng(0).random(len(held))
        self._z = torch.tensor(np.stack([held * (1 + noise), 0 * noise], 1), dtype=torch.float32)
        self.directions = torch.zeros(2, bed.d_in)

    def encode(self, x):
        return self._z[: len(x)]

    def decode(self, latents):
        return latents @ self.directions


@pytest.fixture(scope="module")
def bed():
    return tiny_testbed(n_games=80)


@pytest.fixture(scope="module")
def planted(bed):
    return Planted(bed)


def explained(*latents):
    return Explained("planted", "tiny", latents, (), {}, {})


def latent(number=0, predicate="mine on b2", **more):
    exact = {"precision": (1.0, 0.9, 1.0), "recall": (1.0, 0.9, 1.0), "f1": (1.0, 0.9, 1.0)}
    fields = {"exact": exact, "scores": {"detection": {"value": 0.75, "null": None}}, **more}
    return ExplainedLatent(number, 0.25, predicate, predicate, "predicate", **fields)


@pytest.mark.parametrize("size", [6, 8])
def test_othello_boards_are_read_back_from_their_drawing(size):
    game = Othello(size)
    sample = game.sample(6, seed=1)
    labels = sample.features.unpack(sample.labels)
    for g in range(6):
        tokens = [int(t) for t in sample.tokens[g]]
        for position in (3, 9, 14):
            ply = int(sample.ply[g, position])
            board, marked = board_of(game.render(tokens, ply, format="text"))
            assert len(board) == size * size
            assert set(board) <= set(".xo")
            empty = [labels[g, position, sample.features.index(f"{_name(i, size)} empty")] for i in range(size * size)]
            assert [square == "." for square in board] == empty
            assert [_name(i, size) for i in marked] == [game.tokenizer.vocabulary[tokens[position]]]


def _name(index, size):
    return f"{'abcdefgh'[index % size]}{index // size + 1}"


def test_chess_boards_are_read_back_with_both_ends_of_the_move():
    game = Chess()
    board = chess.Board()
    for i, move in enumerate(["e2e4", "a7a6", "g1f3", "h7h5", "f1c4", "h5h4", "e1g1"], start=1):
        board.push_uci(move)
        squares, marked = board_of(game.render([m.uci() for m in board.move_stack], i, format="text"))
        known = [board.piece_at(square) for square in chess.SQUARES]
        assert squares == "".join("." if piece is None else piece.symbol() for piece in known)
        assert marked == sorted((board.peek().from_square, board.peek().to_square))


@pytest.mark.parametrize("text", ["", "Then, Mary and John", " 1 . .\n 3 . .", " 1 a b c d\n 2 . .", "1\n2"])
def test_other_text_is_no_board(text):
    assert board_of(text) == ("", [])


def test_a_block_has_words_truth_and_boards(bed, planted):
    content = latents_of_page(planted, bed, explained(latent(), latent(1, "a1 empty")))
    first, silent = latents_from(content)
    assert (first["dictionary"], first["testbed"], first["latent"]) == ("planted", "tiny", 0)
    assert first["explanation"] == "mine on b2"
    assert first["precision"] == [1.0, 0.9, 1.0]
    assert first["scorers"] == {"detection": [0.75, None]}
    assert first["matches"][0][0] == "mine on b2"
    assert {example["kind"] for example in first["examples"]} == {"strongest", "ordinary"}
    for example in first["examples"]:
        assert len(example["board"]) == 16
        assert example["holds"] is True
    assert first["histogram"]["words"]
    assert sum(first["histogram"]["without"]) == 0
    assert silent["examples"] == []


def test_examples_tell_where_the_words_hold_and_not_the_best_feature(bed, planted):
    wrong = latents_of_page(planted, bed, explained(latent(predicate="not mine on b2")))
    assert {example["holds"] for example in wrong["latents"][0]["examples"]} == {False}
    assert sum(wrong["latents"][0]["histogram"]["with"]) == 0
    free = latents_of_page(planted, bed, explained(latent(predicate="", exact={})))
    assert {example["holds"] for example in free["latents"][0]["examples"]} == {True}
    assert free["latents"][0]["histogram"]["feature"] == "mine on b2"


def test_words_are_executed_on_all_positions(bed):
    features = bed.transcripts.features
    held = features.unpack(bed.activations.labels)[:, features.index("mine on b2")]
    assert (where_words_hold([latent()], bed)[0] == held).all()
    assert where_words_hold([latent(predicate=""), latent(1, failure="no answer")], bed) == {}


def test_latents_without_words_are_those_that_match_best(bed, planted):
    content = latents_of_page(planted, bed, most=1)
    assert [one["latent"] for one in content["latents"]] == [0]
    assert content["latents"][0]["explanation"] == ""
    assert content["latents"][0]["f1"] is None


def test_latents_that_were_looked_at_make_the_same_blocks(bed, planted):
    shown = latent_examples(planted, bed, best=1, n_top=6, n_spread=3)
    assert latents_shown(shown, planted, bed) == latents_of_page(planted, bed, most=1)


def test_a_file_comes_back_as_it_was_written(tmp_path, bed, planted):
    content = latents_of_page(planted, bed, explained(latent(), latent(1, "a1 empty")), most=1)
    path = write_latents_file(content, tmp_path / "planted.latents.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(content))
    assert latents_from(json.loads(path.read_text())) == latents_from(content)
    first = path.read_bytes()
    assert write_latents_file(content, path).read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_explanations_without_positions_are_read_as_well(tmp_path):
    found = explained(latent(predicate=NASTY), latent(1, failure="no answer", exact={}))
    content = json.loads(found.to_json(tmp_path / "x.explanations.json").read_text())
    first, second = latents_from(content)
    assert first["explanation"] == NASTY
    assert first["examples"] == []
    assert (second["failure"], second["f1"]) == ("no answer", None)


def test_blocks_with_positions_win_over_those_without(bed, planted):
    with_positions = latents_from(latents_of_page(planted, bed, explained(latent())))
    without = [{**block, "examples": []} for block in with_positions]
    other = [{**block, "testbed": "another"} for block in without]
    for order in ([*with_positions, *without, *other], [*without, *other, *with_positions]):
        found = merge(order)
        assert len(found) == 2
        assert [bool(block["examples"]) for block in found] == [True, False]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"latent": "3"}, "latent must be a number"),
        ({"explanation": None}, "explanation of latent 0 must be text"),
        ({"recall": [1.0]}, "must be value, low and high"),
        ({"matches": [["a", 1.0]]}, "must have five parts"),
        ({"matches": ["abcde"]}, "must have five parts"),
        ({"matches": [["a", 1.0, "b", 0.5, 0.5]]}, "a number was expected, got 'b'"),
        ({"precision": [{}, [], "a"]}, "precision of latent 0: a number was expected"),
        ({"rate": "often"}, "rate of latent 0"),
        ({"scorers": {"detection": 0.5}}, "must have value and null"),
        ({"scorers": {"detection": ["high", None]}}, "scorer detection of latent 0"),
        ({"histogram": {"edges": [0, 1, 2], "with": [1], "without": [1, 1]}}, "one edge more"),
        ({"histogram": {"edges": [0, 1], "with": [None], "without": [1]}}, "lacks a number"),
        ({"examples": [{"kind": "strongest"}]}, "lacks a part"),
        ({"examples": [{"kind": "a", "activation": 1.0, "text": "", "board": 5, "marked": []}]}, "must be text, got 5"),
    ],
)
def test_a_wrong_part_is_refused(bed, planted, change, said):
    content = latents_of_page(planted, bed, explained(latent()))
    block = {**content["latents"][0], **change}
    with pytest.raises(ValueError, match=said):
        latents_content([block], dictionary="planted", testbed="tiny")
    with pytest.raises(ValueError, match=r"mine\.json is not a whole file of latents"):
        latents_from({**content, "latents": [block]}, "mine.json")


def test_other_files_and_newer_schemas_are_refused():
    assert not is_latents({"rows": []})
    with pytest.raises(ValueError, match="holds no latents"):
        latents_from({"rows": []})
    with pytest.raises(ValueError, match="schema 1 were expected, got 2"):
        latents_from({"kind": "fiducial latents", "schema": 2})
