"""Pages of metrics: complete, true of the code that they speak of, and every example on them runs as it says."""

import contextlib
import io
import re

import pytest
from fiducial.cli import main
from fiducial.metric_homes import ALL, HOME_OF, HOMES
from fiducial.metric_page import bounds, certificates, metric_page, reference_names
from fiducial.metric_sections import NEEDED, lines_about, of_module, sections
from fiducial.metric_snippets import array_snippet
from fiducial.metrics import METRICS
from fiducial.page_blocks import Code, Heading, Items, Table, Text, escaped, to_markdown, to_text

FUNCTIONS = sorted({function for home in HOMES for function in home.functions})


def test_every_metric_has_one_home():
    assert [name for home in HOMES for name in home.records] == list(HOME_OF)
    assert set(HOME_OF) == set(ALL)
    assert len({home.key for home in HOMES}) == len(HOMES)


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.key)
def test_the_module_of_a_metric_says_what_a_reader_needs(home):
    parts = of_module(home.modules[0]).parts
    assert [label for label in NEEDED if not parts.get(label)] == []


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_complete_in_both_forms(name):
    page = metric_page(name)
    headings = [block.text for block in page if isinstance(block, Heading)]
    expected = ["What it cannot tell", "How to call it", "How it is computed", "Floors and ceilings"]
    assert headings[0] == name
    assert set(headings) >= {*expected, "Can it be trusted?", "References", "Differences from published code"}
    text, markdown = to_text(page), to_markdown(page)
    squeezed = " ".join(text.split())
    record = ALL[name]
    for said in (record.question, record.limits, record.chance):
        assert " ".join(said.replace("`", "").split()) in squeezed.replace("> ", "")
    assert markdown.startswith(f"# {escaped(name)}\n")
    assert markdown.count("```") % 2 == 0


def test_equations_of_one_metric_among_several_are_picked_out():
    text = of_module("absorption").parts["Equation"]
    marked = [text.splitlines()[n - 1] for n in lines_about(text, "absorption_error")]
    assert len(marked) == 2
    assert marked[0].startswith("absorption_error")
    assert lines_about(text, "no_such_metric") == ()
    assert lines_about("a = 1\n  more\nb = a", "a") == (1, 2)  # what merely uses it is not it


def test_parts_of_a_docstring():
    parts = "Floor   none\nReferences    A.\n              B.\nDifferences from published code\n  1. C"
    found = sections(f"X: is it?\n\nProse.\n\n{parts}")
    assert found.prose == "Prose."
    assert dict(found.parts) == {
        "Floors": "none",
        "References": "A.\nB.",
        "Differences from published code": "1. C",
        "Question": "Is it?",
    }
    assert "Question" not in sections("X, which asks nothing.").parts


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_example_prints_what_the_page_says(function):
    snippet = array_snippet(function)
    assert snippet, f"{function} needs an example in its docstring"
    said = [line[2:] for line in re.sub(r"(?m)^# (?=\S)", "#!", snippet).splitlines() if line.startswith("#!")]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, function, "exec"), {})
    assert printed.getvalue().splitlines() == said


@pytest.mark.parametrize("name", [name for name in ALL if name in METRICS])
def test_floors_and_ceilings_are_those_that_a_testbed_scores(name):
    from fiducial.evaluation import FAITHFUL, bounded_by
    from fiducial.scoring import FAMILIES
    from fiducial.tasks.families import TASKS as FAMILIES_OF_TASKS

    floors, ceilings = reference_names(name)
    known = ("random dictionary", "frozen-decoder SAE", "random-model SAE", "neurons", "PCA")
    assert [one for one in floors if one != "permuted decoder"] == [one for one in known if name in bounded_by(one)]
    known = ("oracle", "identity", "probes", "least squares", "mean codes")
    assert sorted(ceilings) == sorted(one for one in known if name in bounded_by(one))
    asked = (*FAITHFUL, *FAMILIES["recovery"].metrics, *(n for t in FAMILIES_OF_TASKS.values() for n in t.records))
    assert ("permuted decoder" in floors) == (name in asked and "permuted decoder" in METRICS[name].notices)


def test_certificates_of_a_metric_are_on_its_page():
    assert certificates(), "none ship"
    text = to_text(metric_page("coverage"))
    for one in certificates():
        for row in one.rows:
            if row.metric == "coverage":
                assert row.verdict in text
                assert f"-t {row.testbed} -n {one.provenance['games']} -m coverage" in text


def test_what_looks_like_markup_stays_text():
    page = [Heading("a_b", 1), Text("E|x|^2 < <b>, `x*y`, see [this](that.md)"), Table(("", "x"), (("a|b", "*c*"),))]
    markdown = to_markdown([*page, Code("a < b", marked=(1,)), Items(("one", "two"), numbered=True)])
    assert "# a\\_b" in markdown
    assert "E|x|^2 &lt; &lt;b>, `x*y`, see [this](that.md)" in markdown
    assert "| a\\|b | \\*c\\* |" in markdown
    assert '```text hl_lines="1"\na < b\n```' in markdown
    assert "1. one\n2. two" in markdown


def test_the_command_prints_the_page_and_corrects_slips(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["metrics", "mdl_score"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == to_text(metric_page("mdl_score"))
    with pytest.raises(SystemExit) as ended:
        main(["metrics", "coverag"])
    assert ended.value.code == 2
    assert "did you mean coverage" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["metrics"])
    assert capsys.readouterr().out.count("\n") > len(METRICS)


def test_what_was_seen_names_metrics_and_lies_in_its_intervals():
    beds = bounds()["testbeds"]
    assert {"othello-6x6", "chess-small", "ioi-tiny"} <= set(beds)
    for bed, seen in beds.items():
        assert f"-t {bed} -n {seen['games']} -s {seen['seed']}" in seen["command"]
        assert set(seen["metrics"]) <= set(METRICS)
        for rows in seen["metrics"].values():
            assert rows[0][0] == "scored"
            assert {row[0] for row in rows[1:]} <= {"floor", "ceiling"}
            within = [low <= value <= high for _, _, value, low, high in rows if None not in (value, low, high)]
            assert all(within)
    assert "Seen on chess-small" in to_text(metric_page("coverage"))
