"""Prompts say what they must and nothing else."""

import re
from dataclasses import replace

import pytest
from fiducial.metrics.llm import prompts_toy as toy
from fiducial.metrics.llm.nouns import Example, Explanation, Question, Shown
from fiducial.metrics.llm.prompts import (
    DETECTION,
    explanation_messages,
    question_messages,
    rating_messages,
    strength,
    translation_messages,
)
from fiducial.metrics.llm.reading import read_list
from hypothesis import given
from hypothesis import strategies as st

WEAK = Example((11,), (0.013,), True, 9, "quantile")
STRONG = Example((22, 23), (0.0, 7.77), True, 0, "quantile", marked=(1,))
SILENT = Example((33,), (0.0,), False, -1, "nearest board")


class Texts:
    """Says its rows and marks, and nothing else."""

    style = "stub"
    legend = "Rows are numbers.\n"

    def example(self, example: Example) -> str:
        return " ".join(f"<<row{r}>>" if i in example.marked else f"row{r}" for i, r in enumerate(example.rows))

    def lines(self, example: Example) -> list[str]:
        return [f"line{r}" for r in example.rows]


def texts_of(messages: tuple[tuple[str, str], ...]) -> str:
    return messages[-1][1]


@given(st.floats(0, 100), st.floats(0.01, 100))
def test_strengths(value: float, maximum: float) -> None:
    told = strength(value, maximum)
    assert 0 <= told <= 10
    assert (told == 0) == (value <= maximum * 1e-9 / 10) or value < 1e-9 * maximum
    assert told == 10 or told - 1 < 10 * value / maximum + 1e-6
    assert value > maximum or told >= 10 * value / maximum - 1e-6


def test_what_an_explainer_sees() -> None:
    shown = Shown(4, 7.77, (STRONG, WEAK), (SILENT,))
    messages = explanation_messages(shown, Texts())
    assert [role for role, _ in messages] == ["system", "user", "assistant", "user"]
    assert messages[0][1].endswith("Rows are numbers.")
    assert texts_of(messages).split("\n\n") == [
        "## Active",
        "### Text 1 (strength 10)\nrow22 row23\nPlace by place:\nline22: 0\nline23: 10",
        "### Text 2 (strength 1)\nrow11",  # .013 of 7.77 is not nothing
        "## Silent",
        "### Text 1\nrow33",
        "What makes the unit active? End with the line EXPLANATION: ...",
    ]
    without = explanation_messages(shown, Texts(), show_strengths=False)
    assert "strength" not in " ".join(text for _, text in without).lower()
    assert "row22 <<row23>>" in texts_of(without)
    assert "## Silent" not in " ".join(text for _, text in explanation_messages(replace(shown, negatives=()), Texts()))
    formal = explanation_messages(shown, Texts(), grammar="THE LANGUAGE")
    assert "THE LANGUAGE" in formal[0][1]
    with pytest.raises(ValueError, match="latent 4 has no example"):
        explanation_messages(Shown(4, 0.0, ()), Texts())


@pytest.mark.parametrize("mode", ["detection", "fuzzing"])
def test_questions_do_not_give_their_answers_away(mode: str) -> None:
    """Which examples are active, how strongly, from where: none of it may change a prompt."""
    said = Explanation(4, "mine on c4\n### Text 9\nfake")
    examples = (WEAK, STRONG, SILENT)
    blank = tuple(Example(e.rows, (0.0,) * len(e.rows), False, marked=e.marked) for e in examples)
    asked = question_messages(Question(4, said, examples, mode), Texts())  # type: ignore[arg-type]
    assert asked == question_messages(Question(8, replace(said, latent=8), blank, mode), Texts())  # type: ignore[arg-type]
    assert texts_of(asked).startswith("Explanation: mine on c4 ### Text 9 fake\n\n### Text 1\nrow11\n\n### Text 2\n")
    assert ("<<row23>>" in texts_of(asked)) == (mode == "fuzzing")
    assert texts_of(asked).endswith("A JSON list, length 3, numbers 0 or 1.")


def test_simulation_asks_about_every_position() -> None:
    asked = question_messages(Question(4, Explanation(4, "odd rows"), (STRONG,), "simulation"), Texts())
    assert "### Text 1\nrow22 row23\n\n### Places\n1. line22\n2. line23\n\n" in texts_of(asked)
    assert texts_of(asked).endswith("length 2, numbers 0 to 10.")
    with pytest.raises(ValueError, match="one for simulation; got 2"):
        question_messages(Question(4, Explanation(4, "odd"), (STRONG, WEAK), "simulation"), Texts())
    with pytest.raises(ValueError, match="got 0"):
        question_messages(Question(4, Explanation(4, "odd"), (), "detection"), Texts())


@pytest.mark.parametrize("turns", [toy.DETECTING, toy.FUZZING, toy.SIMULATING], ids=["detect", "fuzz", "simulate"])
def test_worked_turns_follow_their_own_rules(turns: toy.Turns) -> None:
    shares: list[float] = []
    lengths: list[int] = []
    for (asker, question), (answerer, answer) in zip(turns[::2], turns[1::2], strict=True):
        assert (asker, answerer) == ("user", "assistant")
        n = int(re.findall(r"length (\d+)", question)[0])
        values = read_list(answer, n, high=10.0 if turns is toy.SIMULATING else 1.0)
        assert isinstance(values, list)
        blocks = re.findall(r"^### Text (\d+)$", question, re.MULTILINE)
        places = re.findall(r"^\d+\. ", question, re.MULTILINE)
        assert len(places or blocks) == n
        shares.append(sum(v > 0 for v in values) / n)
        lengths.append(n)
    assert len(set(shares)) == len(shares)  # no share of positives is suggested
    assert len(set(lengths)) > 1
    assert max(shares) - min(shares) >= 0.5


def test_detection_turns_hold_none_and_all() -> None:
    assert {"[0, 0, 0]", "[1, 1, 1]"} <= {text for _, text in toy.DETECTING}


def test_fixed_parts_come_first_so_that_prefixes_can_be_kept() -> None:
    first, second = (
        question_messages(Question(4, Explanation(4, text), (WEAK,), "detection"), Texts()) for text in ("a", "b")
    )
    assert first[:-1] == second[:-1]
    assert first[0][1].startswith(DETECTION)


def test_toys_give_no_testbed_away() -> None:
    everything = " ".join(
        text for turns in (toy.DETECTING, toy.FUZZING, toy.RATING, toy.TRANSLATING) for _, text in turns
    )
    for word in ("mine", "disc", "pawn", "knight", "square", "board", "ply", "castling", "name"):
        assert not re.search(rf"\b{word}", everything, re.IGNORECASE)


def test_translation_and_rating() -> None:
    asked = translation_messages("my disc\non c4", ["mine on c4"], "THE LANGUAGE")
    assert asked[0][1].endswith("THE LANGUAGE")
    assert "Facts:\nmine on c4\n\nSentence: my disc on c4\n" in texts_of(asked)
    rated = texts_of(rating_messages(["fog", "rain"], (STRONG,), 7.77, Texts(), ["e4"]))
    assert rated.startswith("### Text 1 (strength 10)\nrow22 <<row23>>\n\nOutputs that it makes likelier: e4\n\n")
    assert "Concepts:\nfog\nrain\n\n" in rated
