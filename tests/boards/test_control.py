"""Editing boards inside a model: edits, runs, judging, and the whole on a model that ships."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fiducial.boards.control import board_control, choose_setting, run_method
from fiducial.boards.das import das_names
from fiducial.boards.edits import Squares, board_edits
from fiducial.boards.fit import Inputs, Prepared, check_methods, latent_names, prepare
from fiducial.boards.methods import SQUARE_METHODS, Method
from fiducial.boards.runs import block_hook, edited_logits, read_at
from fiducial.boards.scores import Resampler, judge, success, top_tokens
from fiducial.data.assets import asset
from fiducial.games import Othello
from fiducial.models.capture import model_activations, run_with_replacement
from fiducial.models.controls import random_dictionary
from fiducial.models.loading import load_dictionary
from fiducial.testbed_catalogue import testbed as open_testbed
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_testbed

BED = {}


def small():
    """One testbed for the file: whatever it fits stays in its cache."""
    if "bed" not in BED:
        BED["bed"] = open_testbed("othello-6x6", n_games=40)
    return BED["bed"]


def plain_judge(logits, before, after):
    """One row, with sets and loops."""
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    legal, was = set(np.flatnonzero(after)), set(np.flatnonzero(before))
    top = set(order[: len(legal)])
    either = legal ^ was
    gained = float("nan")
    if legal - was and was - legal:
        gained = float(min(either, key=lambda i: (-logits[i], i)) in legal)
    return {
        "error": len(top - legal) + len(legal - top),
        "legal": float(order[0] in legal),
        "gained": gained,
        "kept": len(top & legal & was) / len(legal & was) if legal & was else float("nan"),
        "changed": sum((i in top) == (i in legal) for i in either) / len(either) if either else float("nan"),
    }


@given(st.integers(0, 10_000))
def test_judging_agrees_with_sets(seed):
    generator = np.random.default_rng(seed)
    logits = generator.integers(0, 6, (5, 7)).astype(float)  # with ties
    before, after = generator.random((2, 5, 7)) < 0.5
    after[:, 0] |= ~after.any(1)
    found = judge(logits, before, after)
    for row in range(5):
        for name, value in plain_judge(logits[row], before[row], after[row]).items():
            assert getattr(found, name)[row] == pytest.approx(value, nan_ok=True), name


def test_judging_refuses_what_it_cannot_judge():
    moves = np.ones((2, 3), np.bool_)
    with pytest.raises(ValueError, match="row 1 has no legal move"):
        judge(np.zeros((2, 3)), moves, moves & np.array([[True], [False]]))
    with pytest.raises(ValueError, match="share one shape"):
        judge(np.zeros((2, 4)), moves, moves)


def test_top_tokens_are_as_many_as_asked_and_decide_ties_by_number():
    top = top_tokens(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]]), np.array([1, 2]))
    assert top.tolist() == [[True, False, False], [False, True, True]]


def test_success_is_0_without_an_edit_and_1_at_the_floor():
    generator = np.random.default_rng(0)
    null, floor = generator.random(50) + 2, generator.random(50)
    resampler = Resampler(np.arange(50), 200)
    assert success(resampler, null, null, floor).value == 0
    at_floor = success(resampler, floor, null, floor)
    assert (at_floor.value, at_floor.low, at_floor.high) == (1, 1, 1)
    assert success(resampler, null + 1, null, floor).high < 0  # a harmful edit
    assert np.isnan(resampler.ratio(null, 0 * null).value)


def test_games_are_resampled_together():
    values = np.repeat([0.0, 1.0], 50)
    alone, together = Resampler(np.arange(100)).mean(values), Resampler(np.repeat([0, 1], 50)).mean(values)
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_edits_change_the_squares_that_they_name():
    game = Othello(6)
    raw = game.square_edits(40, 3)
    edits = board_edits(game, 40, 3)
    changed = edits.before != edits.after
    assert (changed.sum(1) == 1).all()
    assert (edits.squares.features[np.arange(len(edits.squares)), edits.before][changed] == raw.removed).all()
    assert (edits.squares.features[np.arange(len(edits.squares)), edits.after][changed] == raw.added).all()
    dense = torch.zeros(40, len(edits.squares) * 3)
    dense[torch.arange(40), torch.from_numpy(edits.put[:, 0])] += 1
    dense[torch.arange(40), torch.from_numpy(edits.taken[:, 0])] -= 1
    assert torch.equal(edits.change, dense)
    assert set(edits.kind) == {"flip", "place", "remove"}
    same = (edits.tokens[:, None] == edits.tokens).all(2)
    assert np.array_equal(same, edits.game_id[:, None] == edits.game_id)


def test_counterfactuals_serve_where_a_game_has_no_square_edits(monkeypatch):
    monkeypatch.delattr(Othello, "square_edits")
    edits = board_edits(Othello(6), 20, 1)
    assert ((edits.before != edits.after).sum(1) == 1).all()
    assert (edits.allowed_before != edits.allowed_after).any(1).all()
    with pytest.raises(ValueError, match="knows no kinds"):
        board_edits(Othello(6), 20, 1, kinds=["flip"])


def test_squares_know_their_features():
    features = Othello(6).features
    squares = Squares.of(features)
    assert (len(squares), squares.n_states) == (36, 3)
    square, state = squares.place(np.array([features.index("yours on b2"), features.index("a1 empty")]))
    assert [squares.names[i] for i in square] == ["state of b2", "state of a1"]
    assert squares.features[square, state].tolist() == [features.index("yours on b2"), features.index("a1 empty")]
    with pytest.raises(ValueError, match="no state of a square"):
        squares.place(np.array([features.index("black to move")]))
    with pytest.raises(ValueError, match="no board here"):
        Squares.of(features.select(group="turn"))


def test_runs_read_and_change_one_position_of_every_row():
    bed = tiny_testbed()
    tokens = bed.transcripts.tokens[:30]
    position = np.random.default_rng(0).integers(0, 8, 30)  # in no order
    rows = np.arange(30)
    hook = block_hook(0)
    clean = edited_logits(bed.model, tokens, position, {}, batch_size=7)
    whole = run_with_replacement(bed.model, tokens, hook, lambda x: x)
    torch.testing.assert_close(clean, whole[rows, position], rtol=1e-4, atol=1e-5)
    x = read_at(bed.model, tokens, position, [hook], batch_size=7)[hook]
    torch.testing.assert_close(x, model_activations(bed.model, tokens, hook)[rows, position], rtol=1e-4, atol=1e-5)

    same = edited_logits(bed.model, tokens, position, {hook: lambda _, at: x[at]}, batch_size=7)
    torch.testing.assert_close(same, clean, rtol=1e-4, atol=1e-5)
    new = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    changed = edited_logits(bed.model, tokens, position, {hook: lambda _, at: new[at]}, batch_size=7)

    def put(value):
        value = value.clone()
        value[rows, position] = new
        return value

    torch.testing.assert_close(
        changed, run_with_replacement(bed.model, tokens, hook, put)[rows, position], rtol=1e-4, atol=1e-5
    )
    assert (changed - clean).abs().max() > 0.01
    with pytest.raises(ValueError, match="must give"):
        edited_logits(bed.model, tokens, position, {hook: lambda _, at: new[at, :3]})


def test_runs_are_differentiable():
    bed = tiny_testbed()
    tokens, position = bed.transcripts.tokens[:4], np.array([3, 5, 2, 7])
    x = read_at(bed.model, tokens, position, [bed.hook])[bed.hook].requires_grad_(True)
    at = torch.zeros(4, 16)
    at[2, 5] = 1e-2

    def total(values, gradient=False):
        return edited_logits(bed.model, tokens, position, {bed.hook: lambda _, r: values[r]}, gradient=gradient)[:, 3]

    total(x, gradient=True).sum().backward()
    slope = float((total(x.detach() + at).double() - total(x.detach() - at).double()).sum()) / 2e-2
    assert float(x.grad[2, 5]) == pytest.approx(slope, rel=0.02, abs=1e-4)


def test_supervised_edits_move_the_board_of_a_model_and_nothing_moves_it_back():
    bed = small()
    found = board_control(
        bed,
        n_edits=80,
        n_choosing=40,
        methods=["supervised", "random direction", "topk, greedy", "random dictionary, greedy"],
        dictionaries=[load_dictionary(asset("othello-6x6/topk"), "sae_lens", name="topk")],
        das_steps=0,
        n_resamples=300,
    )
    null, sized = found.row("null").estimates, found.row("supervised, sized").estimates
    assert found.good_enough
    assert "plays well enough" in found.verdict
    assert null["success"].value == 0
    assert (null["isolation"].value, null["size"].value) == (1, 0)
    assert sized["ratio"].low > 1.5
    assert sized["success"].low > 0.5 > found.row("random direction").estimates["success"].high
    assert sized["isolation"].value > 0.9
    assert sized["read"].value > 0.7 > 0.3 > null["read"].value
    assert sized["success"].value > found.row("topk, greedy").estimates["success"].value
    assert found.row("topk, greedy").estimates["success"].value > (
        found.row("random dictionary, greedy").estimates["success"].value
    )
    assert found.row("supervised").setting == ""
    assert found.row("supervised, sized").setting.startswith("x ")
    assert 0 < found.row("supervised").estimates["weight"].value < 0.5
    assert found.details["probe_accuracy"] > 0.8 > found.details["probe_accuracy_floor"]
    assert sum(found.details["kinds"].values()) == 80
    table = found.table(kinds=True)
    assert table.splitlines()[1].split()[-3:] == ["flip", "place", "remove"]
    assert "Nanda et al. 2023" in table
    assert all(len(line) < 150 for line in found.table().splitlines()[1:-5])
    assert "1st gained" in found.table(everything=True).splitlines()[1]
    assert "1st gained" not in table
    assert found.to_dict()["rows"][0]["name"] == "null"
    with pytest.raises(KeyError, match="there are"):
        found.row("supervised sized")


def test_judging_by_the_old_moves_would_be_noticed():
    """Mutation: were edits judged by the board that was played, editing would look harmful."""
    bed = small()
    edits = board_edits(bed.game, 80, 9)
    clean = edited_logits(bed.model, edits.tokens, edits.position, {}).numpy()
    right = judge(clean, edits.allowed_before, edits.allowed_after).error.mean()
    wrong = judge(clean, edits.allowed_after, edits.allowed_before).error.mean()
    assert wrong < 0.5 * right


def test_all_later_layers_can_be_edited():
    bed = tiny_testbed()
    bed.spec = replace(bed.spec, layer=0)
    found = board_control(bed, n_edits=20, n_choosing=10, layers="from", n_resamples=50)
    assert found.blocks == (0, 1)
    assert found.rows[0].name == "null"
    assert found.row("null").estimates["isolation"].value == 1
    assert not found.good_enough  # a model that was never trained
    assert "does not play well enough" in found.verdict


def test_the_setting_is_the_best_on_the_choosing_edits():
    bed = tiny_testbed()
    inputs = Inputs.of(bed, board_edits(bed.game, 30, 4), [1])
    direction = torch.randn(16, generator=torch.Generator().manual_seed(1))
    method = Method("m", lambda view, s: s[0] * direction.expand_as(view.x), ((0.0,), (3.0,), (30.0,)), ("x",))
    ready = Prepared((1,), {1: [method]}, None, None, {})
    setting, tried = choose_setting(inputs, ready, 0)
    assert tried[method.say(setting)] == min(tried.values())
    assert len(set(tried.values())) > 1
    logits, arrived = run_method(inputs, ready, 0, (3.0,))
    torch.testing.assert_close(arrived[1], inputs.x[1] + 3 * direction)
    assert logits.shape == (30, 13)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"layers": "all"}, "layers must be"),
        ({"n_edits": 1}, "at least 2 edits"),
        ({"kinds": ["flop"]}, "did you mean 'flip'"),
        ({"methods": ["telepathy"], "das_steps": 0}, "begins no method"),
    ],
)
def test_what_cannot_be_done_is_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        board_control(tiny_testbed(), **{"n_edits": 10, "n_choosing": 5, **bad})


@pytest.mark.parametrize("layers", [(1,), (0, 1)])
def test_names_of_methods_are_known_before_anything_is_fitted(layers):
    bed = tiny_testbed()
    inputs = Inputs.of(bed, board_edits(bed.game, 64, 4), layers)
    topk = random_dictionary(bed.x, 32, 4, seed=1, name="mine")
    ready = prepare(bed, inputs, dictionaries=[topk], das_steps=1)
    names = [method.name for method in ready.methods[layers[0]]]
    latent = [*latent_names(bed, [topk]), *das_names(2)] if len(layers) == 1 else []
    assert names == [*SQUARE_METHODS, *latent]
    few = prepare(bed, inputs, dictionaries=[topk], das_steps=1, methods=["supervised"])
    assert [method.name for method in few.methods[layers[0]]] == ["null", "supervised", "supervised, sized"]
    with pytest.raises(ValueError, match="did you mean 'probe flip'"):
        check_methods(bed, ["probe flap"], [topk], 1, len(layers))
    with pytest.raises(ValueError, match="no method is asked for"):
        check_methods(bed, [], [topk], 1, len(layers))
