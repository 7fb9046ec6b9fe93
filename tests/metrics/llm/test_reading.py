"""What was answered is read, or it is said why not."""

import math

import pytest
from fiducial.metrics.llm.nouns import Reply
from fiducial.metrics.llm.predicate import And, Atom, Not
from fiducial.metrics.llm.reading import (
    read_answer,
    read_explanation,
    read_list,
    read_predicate,
    read_probabilities,
    read_ratings,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD = [
    "[1, 0, 1]",
    "[1,0,1]\n",
    "1,0,1",
    "1, 0, 1.",
    "1 0 1",
    "```json\n[1, 0, 1]\n```",
    '{"answers": [true, false, true]}',
    "[True, False, True]",
    '["1", "0", "1"]',
    "The second lacks it, so my answer is [1, 0, 1], I think.",
    "Text [1] has it. Text [2] has not. So: [1, 0, 1]",
    "[1, 0, 1] and once more [1,0,1]",
    "[yes, no, yes]",
    "`[1.0, 0.0, 1.0]`",
    "[1, 0, 1,]",
]
BAD = {
    "": "no list",
    "I do not know.": "no list",
    "<html><body>Bad gateway</body></html>": "no list",
    "[]": "no list",
    "[a, b, c]": "no list",
    "[1, 0": "no list",
    "[NaN, 0, 1]": "no list",
    "[1, 0]": "wrong length: 2 numbers instead of 3",
    "[1, 0, 1, 0]": "wrong length: 4",
    "[1, 0, 1] or [1, 1, 1]": "lists disagree",
    "[1, 2, 1]": "bad value: 2",
    "[1, -1, 1]": "bad value: -1",
}


@pytest.mark.parametrize("text", GOOD)
def test_forms_of_a_list(text: str) -> None:
    assert read_list(text, 3) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("text", list(BAD))
def test_what_is_no_list_says_why(text: str) -> None:
    read = read_list(text, 3)
    assert isinstance(read, str)
    assert read.startswith(BAD[text])


def test_numbers_up_to_ten() -> None:
    assert read_list("[0, 3.5, 10]", 3, high=10.0) == [0.0, 3.5, 10.0]
    assert str(read_list("[0, 3, 11]", 3, high=10.0)).startswith("bad value")
    assert str(read_list("[true, false, true]", 3, high=10.0)).startswith("no list")  # how strongly is `true`?


@given(st.lists(st.integers(0, 1), min_size=1, max_size=12), st.sampled_from(["{}", "Answer: {}.", "```\n{}\n```"]))
def test_every_list_comes_back(values: list[int], frame: str) -> None:
    assert read_list(frame.format(values), len(values)) == [float(v) for v in values]


@given(st.text(max_size=60), st.integers(1, 5))
def test_any_text_gives_numbers_of_the_length_asked_for_or_a_reason(text: str, n: int) -> None:
    read = read_list(text, n)
    assert isinstance(read, str) or (len(read) == n and all(0 <= v <= 1 for v in read))


def entry(token: str, **likeliest: float) -> tuple[str, dict[str, float]]:
    names = {"one": "1", "zero": "0", "spaced": " 1"}
    return token, {names.get(name, name): math.log(p) for name, p in likeliest.items()}


def test_probabilities_of_yes() -> None:
    logprobs = [
        entry("["),
        entry("1", one=0.6, zero=0.2, spaced=0.1),  # (.6 + .1) / (.6 + .1 + .2) = 7/9
        entry(","),
        entry("0", zero=0.5, maybe=0.4),  # 0 / .5
        entry("]"),
    ]
    assert read_probabilities(logprobs, 2) == pytest.approx([7 / 9, 0.0])


def test_digits_in_prose_are_no_answers() -> None:
    logprobs = [entry("1", one=1.0), entry(" text fits: "), entry("["), entry("0", zero=0.9, one=0.1), entry("]")]
    assert read_probabilities(logprobs, 1) == pytest.approx([0.1])


def test_tokens_of_two_digits_are_not_split() -> None:
    logprobs = [entry("["), entry("1,0", one=0.5), entry("]")]
    assert str(read_probabilities(logprobs, 2)).startswith("wrong length: 0 tokens")


def test_an_endpoint_without_probabilities_is_read_by_its_text() -> None:
    assert read_answer(Reply("[1, 0]"), 2, logprobs=True) == [1.0, 0.0]


def test_replies_that_never_came_or_were_cut() -> None:
    assert read_answer(Reply(None, "429 too many requests"), 2) == "429 too many requests"
    assert str(read_answer(Reply("[1, ", finish_reason="length"), 2)).startswith("cut off")
    assert read_answer(Reply("[1, 0] because", finish_reason="length"), 2) == [1.0, 0.0]  # the list was complete


def test_the_last_answer_line_counts() -> None:
    said = "I shall write EXPLANATION: at the end.\nEXPLANATION: first idea\n\n**EXPLANATION:** mine on c4"
    assert read_explanation(Reply(said)) == ("mine on c4", "")
    assert read_explanation(Reply('Explanation:\n"a cup"')) == ("a cup", "")
    for text, why in {
        "a cup": "no answer line",
        "EXPLANATION: ...": "no answer line",
        "EXPLANATION:": "no answer",
    }.items():
        found, reason = read_explanation(Reply(text))
        assert found == ""
        assert reason.startswith(why)
    assert read_explanation(Reply("EXPLANATION: mine on", finish_reason="length"))[1].startswith("cut off")


def test_predicates() -> None:
    names = ("mine on c4", "yours on d3")
    assert read_predicate(Reply("PREDICATE: mine on c4 and not yours on d3."), names) == (
        And((Atom("mine on c4"), Not(Atom("yours on d3")))),
        "",
    )
    assert read_predicate(Reply("PREDICATE: NONE"), names)[1].startswith("no predicate: the model")
    assert read_predicate(Reply("PREDICATE: mine on z9"), names)[1].startswith("no predicate: ")
    assert read_predicate(Reply("mine on c4"), names)[1].startswith("no answer line")


def test_ratings() -> None:
    assert read_ratings(Reply('```json\n{"fog": 4, "Rain": 0.5}\n```'), ["fog", "rain"], 4) == {"fog": 4.0, "rain": 0.5}
    assert str(read_ratings(Reply('{"fog": 4}'), ["fog", "rain"], 4)).startswith("no ratings: 'rain'")
    assert str(read_ratings(Reply('{"fog": 5}'), ["fog"], 4)).startswith("bad value")
    assert str(read_ratings(Reply('{"fog": true}'), ["fog"], 4)).startswith("bad value")
    assert str(read_ratings(Reply("fog 4"), ["fog"], 4)).startswith("no ratings")
    assert str(read_ratings(Reply('{"fog": ', finish_reason="length"), ["fog"], 4)).startswith("cut off")


def test_long_nonsense_is_read_in_no_time() -> None:
    for text in ("a" + " " * 20_000 + "\x00", "1, " * 5_000 + "?", "[" * 20_000, "{" * 20_000, ">" * 20_000 + "x"):
        assert isinstance(read_list(text, 3), str)
        assert isinstance(read_ratings(Reply(text), ["fog"], 4), str)
        assert read_explanation(Reply(text))[1]
