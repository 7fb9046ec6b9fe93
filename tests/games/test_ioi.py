import os
import subprocess
import sys

import numpy as np
import pytest
from fiducial.games.ioi import IOI
from fiducial.games.ioi_prompts import Prompts
from fiducial.games.ioi_templates import FIXED_WORDS
from fiducial.games.ioi_words import NAMES, OBJECTS, PLACES
from hypothesis import given, settings
from hypothesis import strategies as st

from .plain_ioi import attributes_of, read

TINY, FULL = IOI(), IOI(vocabulary="full")


def same(a, b):
    return (
        np.array_equal(a.tokens, b.tokens)
        and np.array_equal(a.target, b.target)
        and np.array_equal(a.other, b.other)
        and all(np.array_equal(a.attributes[name], b.attributes[name]) for name in a.attributes)
        and all(np.array_equal(a.positions[name], b.positions[name]) for name in a.positions)
    )


def test_the_tiny_vocabulary_has_237_words_and_the_full_one_enough():
    assert len(TINY.tokenizer.vocabulary) == 237
    assert (len(TINY.words.names), len(TINY.words.objects), len(TINY.words.places)) == (120, 40, 40)
    assert len(FIXED_WORDS) == 35
    assert len(NAMES) >= 200
    assert len(OBJECTS) >= 100
    assert len(PLACES) >= 60
    everything = (*FIXED_WORDS, *NAMES, *OBJECTS, *PLACES)
    assert len(set(everything)) == len(everything)
    assert all(word.isascii() for word in everything)


@pytest.mark.parametrize("game", [TINY, FULL], ids=["tiny", "full"])
@pytest.mark.parametrize("abc", [False, True])
def test_prompts_say_what_a_plain_reader_reads(game, abc):
    prompts = game.prompts(300, seed=1, abc=abc)
    vocabulary = game.tokenizer.vocabulary
    for row in range(len(prompts)):
        words = [vocabulary[token] for token in prompts.tokens[row]]
        assert words[0] == "<start>"
        seen = read(words[1:])
        assert attributes_of(prompts, row) == {name: seen[name] for name in prompts.attributes}
        if not abc:
            assert {name: int(column[row]) for name, column in prompts.positions.items()} == seen["positions"]
            assert vocabulary[prompts.target[row]] == seen["answer"]
            assert vocabulary[prompts.other[row]] == seen["other"]
        else:
            assert seen["third name"] not in (seen["first name"], seen["second name"])


def test_layout_of_the_templates():
    for template, (third, place, thing) in {1: (16, None, None), 2: (14, 12, 17), 3: (12, 10, 17)}.items():
        prompts = TINY.prompts(20, seed=0, templates=[template])
        assert prompts.tokens.shape == (20, 19)
        assert (prompts.positions["s2"] == third).all()
        assert (prompts.positions["end"] == 18).all()
        assert (np.sort(np.stack([prompts.positions["io"], prompts.positions["s1"]]), 0) == [[3], [5]]).all()
        if place is None:
            assert (prompts.attributes["place"] == -1).all()
            assert (prompts.attributes["object"] == -1).all()
        else:
            assert np.array_equal(prompts.tokens[:, place], TINY.words.place_ids[prompts.attributes["place"]])
            assert np.array_equal(prompts.tokens[:, thing], TINY.words.object_ids[prompts.attributes["object"]])


def test_choices_are_uniform_and_independent():
    n = 40_000
    a = TINY.prompts(n, seed=3).attributes
    for name, size in {"IO": 120, "S": 120, "Pos": 2, "template": 3, "task": 2}.items():
        counts = np.bincount(a[name], minlength=size)
        assert counts.shape == (size,)
        assert ((counts - n / size) ** 2 / (n / size)).sum() < size + 6 * np.sqrt(2 * size)  # chi square
    for one, two in [
        ("IO", "S"),
        ("IO", "Pos"),
        ("S", "task"),
        ("Pos", "template"),
        ("object", "place"),
        ("Pos", "task"),
    ]:
        both = (a[one] >= 0) & (a[two] >= 0)
        assert abs(np.corrcoef(a[one][both], a[two][both])[0, 1]) < 0.03, (one, two)
    assert (a["IO"] != a["S"]).all()


def test_same_seed_same_prompts_and_a_narrower_choice_leaves_the_rest():
    base = TINY.prompts(50, seed=4)
    assert same(base, TINY.prompts(50, seed=4))
    assert not same(base, TINY.prompts(50, seed=5))
    assert not same(base, TINY.prompts(50, seed=[4, 1]))
    plain = TINY.prompts(50, seed=4, task="plain")
    for name in ("IO", "S", "Pos", "template", "object", "place"):
        assert np.array_equal(plain.attributes[name], base.attributes[name])
    assert not plain.attributes["task"].any()


def test_no_order_comes_from_hashes():
    code = (
        "import hashlib; from fiducial.games.ioi import IOI; game = IOI(vocabulary='full'); "
        "p = game.prompts(64, 7, abc=True); s = game.sample(8, 1); "
        "q = game.counterfactuals_of(game.prompts(64, 7), 'IO', 3); "
        "rows = p.tokens.tobytes() + q.tokens.tobytes() + s.labels.tobytes(); "
        "print(hashlib.sha256(rows).hexdigest(), s.features.digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "123")
    }
    assert len(found) == 1


def test_a_tenth_of_the_ordered_pairs_is_held_out_and_never_trained_on():
    held = TINY.held_out
    assert held.sum() == round(0.1 * 120 * 119)
    assert not held.diagonal().any()
    assert not np.array_equal(held, held.T)
    train, test = TINY.prompts(30_000, seed=0, pairs="train"), TINY.prompts(5000, seed=0, pairs="held-out")
    assert not held[train.attributes["IO"], train.attributes["S"]].any()
    assert held[test.attributes["IO"], test.attributes["S"]].all()
    drawn = TINY.prompts(5000, seed=0).attributes
    assert held[drawn["IO"], drawn["S"]].mean() == pytest.approx(0.1, abs=0.02)
    assert np.array_equal(IOI(vocabulary="tiny", task="plain").held_out, held)
    assert not np.array_equal(IOI(split_seed=1).held_out, held)
    assert IOI(pairs="held-out").prompts(10, 0).tokens.tolist() == TINY.prompts(10, 0, pairs="held-out").tokens.tolist()


def test_patterns_templates_and_names_can_be_chosen():
    prompts = FULL.prompts(200, seed=0, patterns=("ABB",), templates=(2, 3), names="base")
    assert not prompts.attributes["Pos"].any()
    assert set(prompts.attributes["template"]) == {1, 2}
    assert set(prompts.attributes["IO"]) <= set(FULL.name_pools["base"])
    few = TINY.prompts(50, seed=0, names=("Alice", "Brian", "Clara")).attributes
    assert set(few["IO"]) == set(few["S"]) == {0, 1, 2}
    assert np.array_equal(few["IO"], TINY.prompts(50, seed=0, names=np.array([0, 1, 2])).attributes["IO"])


def test_features_hold_from_the_word_that_decides_them():
    game = IOI(scored=("io", "s1", "s1+1", "s2", "end"))
    prompts = game.prompts(300, seed=2)
    transcripts = game.transcripts(prompts)
    labels, features = transcripts.bool_labels(), game.features
    assert (transcripts.scored.sum(1) == 5).all()
    for row in range(300):
        seen = read([game.tokenizer.vocabulary[token] for token in prompts.tokens[row]][1:])
        first, third = 3, seen["positions"]["s2"]
        for token in np.flatnonzero(transcripts.scored[row]):
            holding = {features[i].name for i in np.flatnonzero(labels[row, token])}
            expected = set()
            if token >= first:
                expected.add(f"first name is {seen['first name']}")
            if token >= 5:
                expected.add(f"second name is {seen['second name']}")
            if token >= 6:
                expected.add(f"template {seen['template']}")
            place = {"1": 99, "2": 12, "3": 10}[seen["template"]]
            if token >= place:
                expected.add(f"place is {seen['place']}")
            if seen["object"] and token >= 17:
                expected.add(f"object is {seen['object']}")
            if token >= third:
                order = "first" if seen["Pos"] == "IO first" else "second"
                expected |= {f"IO is {seen['IO']}", f"S is {seen['S']}", f"third name is {seen['third name']}"}
                expected |= {f"IO stands {order}", "a name stands twice"}
            if token == 18:
                expected |= {f"task is {seen['task']}", f"answer is {seen['answer']}"}
            assert holding == expected
    assert not labels[~transcripts.scored].any()


def test_what_may_follow_is_what_some_prompt_goes_on_with():
    game = IOI(task="mixed")
    tokens, allowed = game.next_moves(4000, 0)
    counted = {}
    for row in tokens:
        for position in range(18):
            counted.setdefault((position, *row[: position + 1].tolist()), set()).add(int(row[position + 1]))
    for row in range(0, 200, 7):
        for position in (0, 1, 2, 3, 4, 5, 6, 10, 17):
            seen = counted[(position, *tokens[row, : position + 1].tolist())]
            assert seen <= set(np.flatnonzero(allowed[row, position]))
    sizes = allowed.sum(-1)
    assert sizes[:, :6].tolist() == [[1, 1, 120, 1, 119, 3]] * len(tokens)
    assert (sizes[:, 17] == 2).all()
    assert (sizes[:, 18] == 1).all()
    rows, third = np.arange(len(tokens)), game.parse(tokens).positions["s2"]
    assert (sizes[rows, third - 1] == 2).all()
    assert np.array_equal(allowed[:, 18].argmax(1), game.parse(tokens).target)


def test_take_and_rows_that_do_not_fit():
    prompts = TINY.prompts(20, seed=0)
    part = prompts.take(np.array([3, 5]))
    assert len(part) == 2
    assert np.array_equal(part.tokens, prompts.tokens[[3, 5]])
    assert np.array_equal(part.attributes["IO"], prompts.attributes["IO"][[3, 5]])
    with pytest.raises(ValueError, match=r"target must be \[2\] like the rows of tokens, got \[20\]"):
        Prompts(part.tokens, part.positions, part.attributes, part.values, prompts.target, part.other)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 17), task=st.sampled_from(["plain", "ordinal", "mixed"]))
def test_prompts_are_read_back(seed, n, task):
    prompts = TINY.prompts(n, seed, task=task)
    assert same(TINY.parse(prompts.tokens), prompts)
    texts = [" ".join(TINY.tokenizer.decode(row)).replace(" ,", ",") for row in prompts.tokens.tolist()]
    assert same(TINY.parse(texts), prompts)


SENTENCE = "Then, Alice and Brian met again near the park before Brian kindly gave away that lamp to"
WORDS = SENTENCE.replace(",", " ,").split()


@pytest.mark.parametrize(
    ("place", "word", "message"),
    [
        (2, "lamp", "game 1, ply 3: 'lamp' is no name"),
        (4, "Alice", "game 1, ply 5: 'Alice' stands twice"),
        (11, "Clara", "game 1, ply 12: 'Clara' repeats neither"),
        (9, "lamp", "game 1, ply 10: 'lamp' is no place"),
        (16, "park", "game 1, ply 17: 'park' is no object"),
        (5, "wrote", "game 1, ply 6: 'wrote' begins no template"),
        (12, "hard", "game 1, ply 13: 'hard' is not the word"),
        (17, "first", "game 1, ply 18: 'first' is no last word"),
        (16, "spaceship", "game 1, ply 17: 'spaceship' is none of the 235 words"),
    ],
)
def test_what_is_no_prompt_is_refused_with_its_place(place, word, message):
    wrong = [*WORDS[:place], word, *WORDS[place + 1 :]]
    with pytest.raises(ValueError, match=message):
        TINY.label([WORDS, wrong])


def test_other_input_is_refused():
    with pytest.raises(ValueError, match="18 words after the start, got 17"):
        TINY.label([WORDS[:-1]])
    with pytest.raises(ValueError, match="got one text"):
        TINY.label(SENTENCE)
    with pytest.raises(ValueError, match=r"integers \[prompts, 19\]"):
        TINY.label(np.zeros((2, 5), np.int64))
    with pytest.raises(ValueError, match="no last word of this world"):
        IOI(task="plain").label([[*WORDS[:-1], "to_the"]])
    with pytest.raises(ValueError, match="vocabulary must be one of"):
        IOI(vocabulary="huge")
    with pytest.raises(ValueError, match="task must be one of"):
        IOI(task="both")
    with pytest.raises(ValueError, match="scored must be some of"):
        IOI(scored=("s3",))
    with pytest.raises(ValueError, match="pairs must be one of"):
        TINY.prompts(3, 0, pairs="test")
    with pytest.raises(ValueError, match="templates must be some of 1, 2, 3"):
        TINY.prompts(3, 0, templates=[0])
    with pytest.raises(ValueError, match="'Zebra' is none of the 120 names"):
        TINY.prompts(3, 0, names=["Alice", "Zebra"])
    with pytest.raises(ValueError, match="leave no pair"):
        TINY.prompts(3, 0, names=["Alice"])
    with pytest.raises(ValueError, match="ply must be from 0 to 18"):
        TINY.render(WORDS, 19)
    with pytest.raises(ValueError, match="format must be"):
        TINY.render(WORDS, 1, format="png")


def test_render_shows_what_is_known_when_it_is_known():
    assert TINY.render(WORDS, 3) == "Then, Alice"
    assert TINY.render(WORDS, 12).endswith("before Brian\n[IO Alice, S Brian, Pos IO first]")
    assert "answer Alice" in TINY.render(WORDS, 18)
    assert "answer first" in TINY.render([*WORDS[:-1], "to_the"], 18)
