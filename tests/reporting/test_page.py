import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import fiducial.reporting as reporting
import pytest
from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.report_css import CSS
from fiducial.reporting.page import checksum, in_html, page, script, style_sheet, write_html
from hypothesis import given, settings
from hypothesis import strategies as st

from .samples import NASTY, some_report

VOID = {"meta", "br", "wbr"}


class Parsed(HTMLParser):
    """Checks that every element is closed in order, and collects tags, attributes, text and scripts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text, self.scripts = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)


def data_of(text):
    (found,) = [data for attributes, data in Parsed(text).scripts if attributes.get("id") == "data"]
    return json.loads(found)


def words_of(text):
    return " ".join(" ".join(Parsed(text).text).split())


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    text = write_html([some_report("a"), some_report("b")], tmp_path / "report.html").read_text(encoding="utf-8")
    parsed = Parsed(text)
    assert text.startswith("<!DOCTYPE html>")
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in style_sheet()
    assert "@import" not in style_sheet()
    assert not re.findall(r"https?://(?!www\.w3\.org/)", script())


def test_the_policy_allows_the_one_script_and_nothing_else():
    text = page([some_report()])
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    data, program = Parsed(text).scripts
    assert data[0] == {"type": "application/json", "id": "data"}
    assert program[0] == {}
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src '{checksum(program[1])}'"
    assert checksum("alert(1)") == "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI="


def test_the_scripts_never_parse_markup():
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
    ):
        assert forbidden not in script()
    assert "</script" not in script().lower()
    assert "<!--" not in script()


def classes(css):
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\{[^{}]*\}", "{}", css)
    return set(re.findall(r"\.([a-zA-Z][\w-]*)", css))


def test_no_style_is_left_over():
    root = Path(reporting.__file__).parents[1]
    page_of = [*root.glob("reporting/web/*.js"), *root.glob("reporting/*.py"), root / "report_html.py"]
    static = [root / name for name in ("report_latents.py", "report_html.py", "report_svg.py")]
    static += [root / "explaining" / name for name in ("page.py", "brief.py")]
    for css, sources in ((style_sheet(), page_of), (CSS, static)):
        text = "".join(path.read_text(encoding="utf-8") for path in sources)
        unused = {name for name in classes(css) if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)}
        assert {name for name in unused if not name.startswith("kind-")} == set()  # made of names of kinds


def test_the_same_reports_give_the_same_page(tmp_path):
    report = some_report()
    assert report.to_html(tmp_path / "one.html").read_text(encoding="utf-8") == page([report]) == page([some_report()])


def test_without_scripts_the_main_scores_stand_there():
    words = words_of(page([some_report("a"), some_report("b", "chess-small")]))
    for said in (
        "need JavaScript",
        "othello-small",
        "chess-small",
        "0.500 [0.470, 0.530] floor 0.200 random ceiling 0.900 probes",
    ):
        assert said in words


def test_the_headline_is_on_the_page():
    words = words_of(page([some_report("mine")]))
    assert "mine finds the known features of othello-small with coverage 0.500 [0.470, 0.530]" in words
    assert "between best floor 0.200 (random) and best ceiling 0.900 (probes)" in words


def test_names_stay_text():
    table = {"feature": [f"{NASTY} on {f}1" for f in "abcd"], "group": [NASTY] * 4, "value": [0.5] * 4}
    bounds = {"floors": {NASTY: 0.1}, "ceilings": {NASTY + "c": 0.9}}
    score = Score("nasty", 0.5, 0.4, 0.6, features=table, groups={NASTY: 0.5}, protocol=NASTY, **bounds)
    key = NASTY.replace("/", "")
    report = Report(NASTY, NASTY, {key: score}, {NASTY: {NASTY: [NASTY]}}, (NASTY,), {NASTY: {key: score}})
    block = {"dictionary": NASTY, "testbed": NASTY, "latent": 1, "explanation": NASTY}
    text = page([report, report], explanations=[block])
    nasty = Parsed(text)
    plain = Parsed(page([some_report("x"), some_report("y")]))
    assert set(nasty.tags) <= set(plain.tags)
    assert len(nasty.scripts) == 2
    assert "alert" in data_of(text)["results"][0]["name"]
    assert text.encode("utf-8")


def test_a_page_that_forgets_to_escape_would_be_caught(monkeypatch):
    monkeypatch.setattr("fiducial.reporting.page.in_html", json.dumps)
    with pytest.raises((AssertionError, ValueError)):
        test_names_stay_text()


@settings(max_examples=60)
@given(
    st.recursive(st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
)
def test_data_in_a_page_are_no_markup_and_can_be_read(value):
    text = in_html({"value": value})
    assert not set("<>&\u2028\u2029") & set(text)
    assert "value" in json.loads(text)
    assert text.encode("utf-8")


def test_extra_stands_on_the_page():
    assert '<div id="extra"><section>more</section></div>' in page([some_report()], extra="<section>more</section>")


def test_a_page_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one report"):
        page([])


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"coverage": Score("coverage", math.nan, math.nan, math.nan)},
        {
            "coverage": Score(
                "coverage", math.inf, -math.inf, math.inf, floors={"a": math.nan}, ceilings={"b": math.inf}
            )
        },
        {"coverage": Score("coverage", 0.5, 0.4, 0.6, ceilings={"a": 0.9}, groups={"g": math.nan, "": 0.1})},
        {"coverage": Score("coverage", 0, 0, 0, floors={"a": 0.0}, ceilings={"b": 0.0}, features={"feature": []})},
        {"coverage": Score("coverage", 0, 0, 0, features={"feature": [f"on {f}1" for f in "abcde"]})},
    ],
)
def test_missing_numbers_make_a_page_all_the_same(scores):
    report = Report("d", "t", scores)
    for reports in ([report], [report, report]):
        text = page(reports)
        assert not re.search(r"\bNaN\b|\bInfinity\b", next(d for a, d in Parsed(text).scripts if a))
        assert len(data_of(text)["results"]) == len(reports)
