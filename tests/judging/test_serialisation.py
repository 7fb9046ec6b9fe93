"""Error rates of judges by serialisation: known rates are found again, and readers show what a text holds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fiducial.explaining.rendering import GameRenderer
from fiducial.games import IOI, Chess, Othello
from fiducial.games.serialise import styles_of
from fiducial.judging import reader_texts
from fiducial.judging.encoder_judge import EncoderJudge, best_threshold, encoder_judge
from fiducial.judging.reader import HIDDEN, ReaderJudge, read_moves
from fiducial.judging.serialisation import (
    JudgeErrors,
    examples_of,
    gathered,
    judge_errors,
    judge_errors_by_style,
    predicates_by_group,
)
from fiducial.metrics.llm.embedders import hashing_encoder
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Answer, Example, Explanation, Question
from fiducial.metrics.llm.per_latent import wilson
from fiducial.metrics.llm.predicate import And, AtLeast, Atom, Compare, Not, Or, evaluate
from fiducial.metrics.llm.predicate_text import to_text

GAMES = {"othello": Othello(6), "chess": Chess(), "characters": Chess(tokens="characters"), "ioi": IOI(scored=("end",))}
N_GAMES = {"othello": 24, "chess": 16, "characters": 40, "ioi": 400}


class World:
    """A game's positions with their facts, and texts of them."""

    def __init__(self, name):
        self.game = GAMES[name]
        sample = self.game.sample(N_GAMES[name], seed=1)
        game, position = np.nonzero(sample.scored)
        known = self.game.features.where(reachable=True, counterpart=False)
        held = sample.features.unpack_columns(sample.labels[game, position], known)
        self.facts = Facts(
            tuple(self.game.features[int(i)].name for i in known),
            np.packbits(held, axis=1, bitorder="little"),
            game,
            position,
            game % 2 == 0,
            {"ply": sample.ply[game, position]},
        )
        self.renderer = lambda style=None, **options: GameRenderer(
            self.game, sample, game, position, style=style, **options
        )


_WORLDS = {}


@pytest.fixture
def world():
    def of(name):
        if name not in _WORLDS:
            _WORLDS[name] = World(name)
        return _WORLDS[name]

    return of


class Scripted:
    """Says yes by a rule over (predicate holds, place of the example among all asked)."""

    name = "scripted"

    def __init__(self, facts, rule):
        self.facts, self.rule, self.n = facts, rule, 0

    def answer(self, questions):
        return [Answer(tuple(self.one(q, e) for e in q.examples)) for q in questions]

    def one(self, question, example):
        self.n += 1
        held = bool(evaluate(question.explanation.predicate, self.facts, np.array(example.rows)).any())
        return self.rule(held, self.n)


SQUARE = {"board": (Atom("mine on c3"), Atom("yours on d4")), "turn": (Atom("black to move"),)}


def test_rates_by_hand(world):
    """10 true and 10 false positions a predicate; of 40 of the board the judge denies all true ones: e+ 1, e- 0."""
    w = world("othello")
    shown = w.renderer("moves")
    always = judge_errors(Scripted(w.facts, lambda held, n: 0.0), w.facts, shown, predicates=SQUARE)
    board = always.of("moves", "board")
    assert (board.n_predicates, board.n_true, board.n_false) == (2, 20, 20)
    assert (board.e_pos, board.e_neg) == (1.0, 0.0)
    assert (board.e_pos_low, board.e_pos_high) == wilson(20, 20)
    assert (board.e_neg_low, board.e_neg_high) == wilson(0, 20)
    assert board.balanced_accuracy == 0.5
    perfect = judge_errors(Scripted(w.facts, lambda held, n: float(held)), w.facts, shown, predicates=SQUARE)
    assert {(r.e_pos, r.e_neg) for r in perfect.rows} == {(0.0, 0.0)}
    # 1/2 exactly is yes, as everywhere
    half = judge_errors(Scripted(w.facts, lambda held, n: 0.5), w.facts, shown, predicates=SQUARE)
    assert {(r.e_pos, r.e_neg) for r in half.rows} == {(0.0, 1.0)}
    assert board.tokens == pytest.approx(board.characters / 4)


def test_known_rates_are_found_again(world):
    w = world("othello")
    generator = np.random.default_rng(0)
    judge = Scripted(w.facts, lambda held, n: float(held ^ (generator.random() < (0.3 if held else 0.1))))
    predicates = {"board": [Atom(f"mine on {s}") for s in ("b2", "c3", "d4", "c4", "d3", "b3", "e4", "c2")]}
    found = judge_errors(judge, w.facts, w.renderer("moves"), predicates=predicates, n_per_predicate=120).rows[0]
    assert found.n_true + found.n_false == 960
    assert found.e_pos == pytest.approx(0.3, abs=0.07)
    assert found.e_neg == pytest.approx(0.1, abs=0.05)
    assert found.e_pos_low < 0.3 < found.e_pos_high
    assert found.e_neg_low < 0.1 < found.e_neg_high


def test_what_fails_is_counted_and_in_neither_share(world):
    w = world("othello")
    judge = Scripted(w.facts, lambda held, n: None if n % 4 == 0 else float(held))
    found = judge_errors(judge, w.facts, w.renderer("moves"), predicates=SQUARE)
    assert sum(sum(r.unanswered.values()) for r in found.rows) == 15
    assert all((r.e_pos, r.e_neg) == (0.0, 0.0) for r in found.rows)
    assert found.rows[0].share_unanswered == pytest.approx(10 / 40)
    silent = judge_errors(Scripted(w.facts, lambda held, n: None), w.facts, w.renderer("moves"), predicates=SQUARE)
    assert all(math.isnan(r.e_pos) and math.isnan(r.e_neg) and r.share_unanswered == 1 for r in silent.rows)


def test_positions_are_reporting_ones_half_true_and_drawn_by_predicate(world):
    w = world("othello")
    p, q = Atom("mine on c3"), Atom("yours on d4")
    found = examples_of(p, w.facts, 30, seed=3)
    assert sum(e.active for e in found) == 15
    assert len({e.rows for e in found}) == 30
    for e in found:
        assert not w.facts.train[e.rows[0]]
        assert bool(evaluate(p, w.facts, np.array(e.rows))[0]) == e.active
    assert found == examples_of(p, w.facts, 30, seed=3)
    assert found != examples_of(p, w.facts, 30, seed=4)
    assert {e.rows for e in found} != {e.rows for e in examples_of(q, w.facts, 30, seed=3)}
    assert all(w.facts.train[e.rows[0]] for e in examples_of(p, w.facts, 30, seed=3, train=True))
    assert {e.marked for e in examples_of(p, w.facts, 4, 0, "fuzzing")} == {(0,)}


def test_predicates_vary_and_hidden_ones_are_left_out(world):
    w = world("othello")
    features = w.game.features
    found = predicates_by_group(features, w.facts, n_per_group=3, min_rows=15)
    assert {"board", "colour", "legal moves", "not", "and", "or"} <= set(found)
    for kind, some in found.items():
        assert 1 <= len(some) <= 3
        for p in some:
            n = evaluate(p, w.facts, w.facts.rows_of(False)).sum()
            assert 15 <= n <= (~w.facts.train).sum() - 15, (kind, p)
    hidden = replace(w.facts, hidden=frozenset(f.name for f in features if f.group == "board"))
    assert "board" not in predicates_by_group(features, hidden, n_per_group=3)
    assert "and" not in predicates_by_group(features, w.facts, composed=False)


SHOWN = {
    "othello": {
        "record": {"board", "empty", "occupied", "colour", "last move", "flipped"},
        "grid": {"board", "empty", "occupied", "colour", "last move"},
        "list": {"board", "empty", "occupied", "colour", "last move"},
        "moves": {"last move"},
    },
    "chess": {
        style: {"board", "initial board", "colour", "empty", "occupied", "side to move"}
        for style in ("record", "grid", "list", "fen")
    },
    "ioi": {"sentence": {"place", "object", "first name", "second name", "third name"}},
}


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("perspective", ["mover", "fixed"])
def test_the_reader_never_errs_and_says_what_is_hidden(world, name, perspective):
    w = world(name)
    predicates = predicates_by_group(w.game.features, w.facts, n_per_group=1 + (name == "othello"), min_rows=4)
    renderers = [w.renderer(style, perspective=perspective) for style in styles_of(w.game)]
    found = judge_errors_by_style(
        lambda r: ReaderJudge(w.game, r), w.facts, renderers, predicates=predicates, n_per_predicate=4
    )
    for row in found.rows:
        assert row.e_pos in (0.0,) or math.isnan(row.e_pos), row
        assert row.e_neg in (0.0,) or math.isnan(row.e_neg), row
        assert set(row.unanswered) <= {HIDDEN}
    for style, groups in SHOWN[name].items():
        for group in groups & set(predicates):
            assert found.of(style, group).share_unanswered == 0, (style, group)
    if name != "ioi":
        assert found.of("moves", "board").share_unanswered == 1
        assert found.of("record", "legal moves").share_unanswered == 1


@pytest.mark.parametrize(("name", "n"), [("othello", 2), ("chess", 1), ("characters", 1)])
def test_moves_hold_everything(world, name, n):
    """Made again by the rules, the moves in a text give every label of the position."""
    w = world(name)
    predicates = predicates_by_group(w.game.features, w.facts, n_per_group=n, min_rows=4)
    renderer = w.renderer("moves", numbered=True)
    found = judge_errors(
        ReaderJudge(w.game, renderer, replays=True),
        w.facts,
        renderer,
        predicates=predicates,
        n_per_predicate=4 if name == "othello" else 2,
    )
    assert len(found.rows) > 20
    assert all((r.e_pos, r.e_neg, r.share_unanswered) == (0.0, 0.0, 0.0) for r in found.rows)


def questions_about(p, examples, mode):
    return [Question(0, Explanation(0, to_text(p), p), tuple(examples), mode)]


def test_readers_of_windows_marks_and_simulations(world):
    w = world("othello")
    rows = tuple(range(4, 8))  # of the first game
    held = evaluate(Atom("mine on c3"), w.facts, np.array(rows))
    p = Atom("mine on c3")
    assert held.any()
    assert not held.all()
    window = Example(rows, (0.0,) * 4, True)
    replaying = ReaderJudge(w.game, w.renderer(), replays=True)
    every = ReaderJudge(w.game, w.renderer("grid"))  # a board for every position
    last = ReaderJudge(w.game, w.renderer())  # only the last board is seen
    for judge in (replaying, every):
        assert judge.answer(questions_about(p, [window], "detection"))[0].values == (1.0,)
        assert judge.answer(questions_about(p, [window], "simulation"))[0].values == tuple(10.0 * held)
        for place in range(4):
            marked = replace(window, marked=(place,))
            assert judge.answer(questions_about(p, [marked], "fuzzing"))[0].values == (float(held[place]),)
        both = replace(window, marked=(int(np.flatnonzero(held)[0]), int(np.flatnonzero(~held)[0])))
        assert judge.answer(questions_about(p, [both], "fuzzing"))[0].values == (0.0,)
    assert last.answer(questions_about(p, [window], "simulation"))[0].values == (None, None, None, 10.0 * held[-1])
    on = Example((rows[int(np.flatnonzero(held)[0])],), (0.0,), True, squares=("c3",))
    assert replaying.answer(questions_about(p, [on], "fuzzing"))[0].values == (1.0,)
    off = replace(on, squares=("c3", "d4"))
    assert replaying.answer(questions_about(p, [off], "fuzzing"))[0].values == (0.0,)
    free = Question(0, Explanation(0, "something"), (window,), "detection")
    assert last.answer([free])[0] == Answer((None,), "no predicate: something")


def test_three_valued_logic(world):
    w = world("othello")
    moves = ReaderJudge(w.game, w.renderer("moves"))
    row = 5
    ply = int(w.facts.counters["ply"][row])
    example = Example((row,), (0.0,), True)
    hidden, late, early = Atom("mine on c3"), Compare("ply", ">=", ply), Compare("ply", "<=", ply - 1)
    for p, expected in (
        (hidden, None),
        (Not(hidden), None),
        (late, 1.0),
        (Or((hidden, late)), 1.0),
        (Or((hidden, early)), None),
        (And((hidden, early)), 0.0),
        (And((hidden, late)), None),
        (AtLeast(2, (late, late, hidden)), 1.0),
        (AtLeast(2, (late, early, hidden)), None),
        (AtLeast(2, (early, early, hidden)), 0.0),
    ):
        answer = moves.answer(questions_about(p, [example], "detection"))[0]
        assert answer.values == (expected,), p
        assert answer.failure == (HIDDEN if expected is None else "")


def test_the_line_of_moves_reads_back():
    line = read_moves("Moves so far: 1.e4 [e5] [<<2.Nf3>>]\nBlack to move")
    assert (line.moves, line.window, line.marked) == (("e4", "e5", "Nf3"), (2, 3), (3,))
    start = read_moves("Moves so far: [<<none>>] [1.e4]")
    assert (start.moves, start.window, start.marked) == (("e4",), (0, 1), (0,))
    assert read_moves("Moves so far: d5 e3").window == (2,)
    assert read_moves("8/8 w - -") is None


def test_discs_of_the_wrong_player_are_noticed(world, monkeypatch):
    """Mutation: X and O change places in what is read."""
    w = world("othello")
    right = reader_texts._othello_board
    swapped = str.maketrans("XO", "OX")
    monkeypatch.setattr(
        reader_texts, "_othello_board", lambda *a: {k: v.translate(swapped) for k, v in right(*a).items()}
    )
    shown = w.renderer("grid")
    found = judge_errors(ReaderJudge(w.game, shown), w.facts, shown, predicates=SQUARE, n_per_predicate=40)
    assert found.of("grid", "board").balanced_accuracy < 0.6


def test_kinds_are_pooled_by_their_answers(world):
    w = world("othello")
    judge = Scripted(w.facts, lambda held, n: float(held or n % 2))
    found = judge_errors(judge, w.facts, w.renderer("moves"), predicates=SQUARE)
    (whole,) = gathered(found, {"all": ("board", "turn")}).rows
    board, turn = found.rows
    assert whole.n_false == board.n_false + turn.n_false == 30
    assert whole.e_neg == pytest.approx((board.e_neg * 20 + turn.e_neg * 10) / 30)
    assert whole.tokens == pytest.approx((board.tokens * 40 + turn.tokens * 20) / 60)
    assert gathered(found, {"none": ("other",)}).rows == ()


def test_file_and_table(world, tmp_path):
    w = world("othello")
    judge = Scripted(w.facts, lambda held, n: None if held else 0.0)
    found = judge_errors(judge, w.facts, w.renderer("moves"), predicates=SQUARE)
    found.to_json(tmp_path / "errors.json")
    again = JudgeErrors.from_json(tmp_path / "errors.json")
    assert math.isnan(again.rows[0].e_pos)
    assert str(again) == str(found)
    assert len(found.table().renderables[0].rows) == 2
    with pytest.raises(KeyError, match="no errors of style 'grid'"):
        found.of("grid", "board")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(ValueError, match="holds no errors of judges"):
        JudgeErrors.from_json(tmp_path / "other.json")


def test_refusals(world):
    w = world("othello")
    judge, shown = Scripted(w.facts, lambda held, n: 1.0), w.renderer("moves")
    for options, message in (
        ({"predicates": {}}, "no predicates"),
        ({"predicates": SQUARE, "n_per_predicate": 1}, "n_per_predicate=1"),
        ({"predicates": SQUARE, "mode": "simulation"}, "neither right nor wrong"),
    ):
        with pytest.raises(ValueError, match=message):
            judge_errors(judge, w.facts, shown, **options)


def test_an_encoder_as_judge(world):
    """By facts, a single fact is its own nearest neighbour: no error. On boards, an encoder of words sees nothing."""
    w = world("othello")
    encoder = hashing_encoder()
    by_facts = encoder_judge(encoder, w.facts, None, predicates=SQUARE)
    assert by_facts.name == "hashing (1024) on facts"
    found = judge_errors(by_facts, w.facts, w.renderer("list"), predicates=SQUARE)
    assert all((r.e_pos, r.e_neg) == (0.0, 0.0) for r in found.rows)
    on_boards = encoder_judge(encoder, w.facts, w.renderer("grid"), predicates=SQUARE)
    seen = judge_errors(on_boards, w.facts, w.renderer("grid"), predicates=SQUARE)
    assert gathered(seen, {"all": tuple(SQUARE)}).rows[0].balanced_accuracy < 0.8
    question = questions_about(Atom("mine on c3"), [Example((1, 2), (0.0, 0.0), True, marked=(0,))], "fuzzing")
    assert by_facts.answer(question)[0].failure == "an encoder sees no marks"
    (simulated,) = by_facts.answer([replace(question[0], mode="simulation")])
    assert len(simulated.values) == 2
    assert all(0 <= v <= 10 for v in simulated.values)
    with pytest.raises(ValueError, match="no threshold to choose"):
        encoder_judge(encoder, w.facts, None, predicates={"never": (Compare("ply", ">=", 99),)})


def test_threshold_and_hidden_facts():
    assert best_threshold(np.array([0.2, 0.1, 0.3, 0.0]), np.array([True, False, True, False])) == pytest.approx(0.15)
    inverted = best_threshold(np.array([0.0, 1.0]), np.array([True, False]))
    assert inverted == -1.0  # always yes is as good as always no, and better than the threshold between
    labels = np.array([[1], [2]], np.uint8)
    zeros = np.zeros(2, np.int64)
    facts = Facts(("a lamp", "a ring"), labels, np.arange(2), zeros, np.array([True, False]), {}, frozenset({"a lamp"}))
    judge = EncoderJudge(hashing_encoder(), None, facts)
    examples = [Example((row,), (0.0,), True) for row in (0, 1)]
    assert judge.cosines("a ring", examples) == pytest.approx([-1.0, 1.0])
