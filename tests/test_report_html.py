import itertools
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import fiducial.report_svg as report_svg
import pytest
from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.report_html import first_rank_on_top, page, square_values, write_html
from fiducial.report_svg import Bar, bar_chart, board, escape, shorten, square, ticks
from hypothesis import example, given, settings
from hypothesis import strategies as st

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "wbr"}
NASTY = "<script>alert('x')</script>\"&<b>"


class Parsed(HTMLParser):
    """Checks that every element is closed in order, and collects tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def squares_table(size, templates, groups):
    names = [
        (template.format(f"{chr(ord('a') + file)}{rank + 1}"), group)
        for template, group in zip(templates, groups, strict=True)
        for rank in range(size)
        for file in range(size)
    ]
    return {
        "feature": [name for name, _ in names],
        "group": [group for _, group in names],
        "value": [(i % 97) / 97 for i in range(len(names))],
        "rare": [False] * len(names),
    }


def some_report(name="topk", testbed="othello-small", control="random dictionary", size=8, **more):
    table = squares_table(size, ["mine on {}", "yours on {}", "legal move at {}"], ["board", "board", "legal moves"])
    groups = {"groups": {"board": 0.6, "legal moves": 0.4}, "group_intervals": {"board": (0.5, 0.7)}}
    score = Score("coverage", 0.5, 0.45, 0.55, features=table, **groups)
    floor = Score("coverage", 0.2, 0.15, 0.25, groups={"board": 0.1, "legal moves": 0.45}, features=table)
    ceiling = Score("coverage", 0.9, 0.85, 0.95, groups={"board": 0.9, "legal moves": 0.9}, features=table)
    return Report(
        name,
        testbed,
        {
            "coverage": score.beside(floors={control: 0.2}, ceilings={"probes": 0.9}),
            "mse_error": Score("mse_error", 3.0, 2.9, 3.1, floors={control: 9.0}, ceilings={"probes": 1.0}),
            "l0": Score("l0", 31.0, 30.0, 32.0),
        },
        {"seed": 0, "checkpoint": f"sha of {name}"},
        ("mind the gap",),
        {control: {"coverage": floor}, "probes": {"coverage": ceiling}},
        **more,
    )


def svgs(text):
    return [ET.fromstring(part) for part in re.findall(r"<svg.*?</svg>", text, re.S)]


# the page


def test_page_is_whole_static_and_self_contained(tmp_path):
    text = write_html([some_report("a"), some_report("b")], tmp_path / "report.html").read_text(encoding="utf-8")
    parsed = Parsed(text)
    assert text.startswith("<!DOCTYPE html>")
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name in ("src", "href") or name.startswith("on")]
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text
    assert "width=device-width" in text


def test_one_report_writes_the_same_page(tmp_path):
    report = some_report()
    assert report.to_html(tmp_path / "one.html").read_text(encoding="utf-8") == page([report])
    assert page([report]) == page([some_report()])


def test_identifiers_are_unique_and_every_picture_is_described():
    text = page([some_report("a"), some_report("b"), some_report("a", "chess-small")])
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert svgs(text)
    for svg in svgs(text):
        title, description = svg[0], svg[1]
        assert (title.tag, description.tag) == (SVG + "title", SVG + "desc")
        assert svg.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
        assert title.text
        assert description.text
    assert text.count("<figure>") == text.count("<summary>Table</summary>") > 0


def test_page_says_what_must_be_known():
    words = " ".join(" ".join(Parsed(page([some_report("a"), some_report("b")])).text).split())
    for said in (
        "How to read this page",
        "othello-small: mind the gap",
        "the control 'random dictionary' beats 'a' at coverage; noise unknown: legal moves (0.450 against 0.400)",
        "lower is better",
        "coverage by group",
        "coverage by square",
        "shared by all",
        "sha of a",
        "sha of b",
    ):
        assert said in words
    assert words.count("othello-small: mind the gap") == 1


def test_only_the_first_metric_shows_its_groups_and_boards_at_once():
    report = some_report()
    coverage = report.scores["coverage"]
    both = Report("d", "t", {"first": coverage, "second": coverage}, controls={})
    folds = re.findall(r"<details( open)?><summary><h3>(.*?)</h3>", page([both]))
    assert folds == [
        (" open", "first by group"),
        ("", "second by group"),
        (" open", "first by square"),
        ("", "second by square"),
    ]


def test_every_value_stands_in_a_table():
    text = page([some_report()])
    for cell in ("<td>0.500</td><td>[0.450, 0.550]</td>", "0.429", "0.200 <small>random dictionary</small>", "0.750"):
        assert cell in text


def test_each_testbed_has_its_section():
    text = page([some_report("a", "othello-small"), some_report("a", "chess-small"), some_report("b", "chess-small")])
    assert [re.sub("<.*?>", "", h) for h in re.findall("<h2>.*?</h2>", text)][-3:] == [
        "othello-small",
        "chess-small",
        "Provenance",
    ]


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
        {"coverage": Score("coverage", 0.5, 0.5, 0.5, floors={"a": 0.5})},
        {"coverage": Score("coverage", 0.5, 0.4, 0.6, ceilings={"a": 0.9}, groups={"g": math.nan, "": 0.1})},
        {"coverage": Score("coverage", 0, 0, 0, floors={"a": 0.0}, ceilings={"b": 0.0}, features={"feature": []})},
        {"coverage": Score("coverage", 0, 0, 0, features={"feature": [f"on {f}1" for f in "abcde"]})},
    ],
)
def test_missing_numbers_make_a_page_all_the_same(scores):
    text = page([Report("d", "t", scores)])
    Parsed(text)
    drawn = "".join(ET.tostring(svg, encoding="unicode") for svg in svgs(text))
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<(ns0:)?(title|text|desc).*?</", "", drawn))


@settings(max_examples=12, deadline=None)
@given(st.text(min_size=1, max_size=30))
@example(NASTY)
@example("]]>--><!-- &amp; &#x3C;b&#x3E; {{x}} é 漢字 ☃ \x00\x0b\ud800\uffff")
@example("</style></title></svg>")
def test_names_stay_text(name):
    text = page([some_report(name, name, f"c{name}", size=4)])
    svgs(text)
    nasty, plain = Parsed(text), Parsed(page([some_report("x", "x", "cx", size=4)]))
    # names may change the order of rows and what is found equal, never the elements
    assert sorted(nasty.tags) == sorted(plain.tags)
    assert {key for key, _ in nasty.attributes} == {key for key, _ in plain.attributes}


def test_every_kind_of_text_is_escaped():
    table = {"feature": [f"{NASTY} on {f}1" for f in "abcd"], "group": [NASTY] * 4, "value": [0.5] * 4}
    bounds = {"floors": {NASTY: 0.1}, "ceilings": {NASTY + "c": 0.9}}
    score = Score(NASTY, 0.5, 0.4, 0.6, features=table, groups={NASTY: 0.5}, protocol=NASTY, **bounds)
    report = Report(
        NASTY,
        NASTY,
        {NASTY.replace("/", ""): score},
        {NASTY: {NASTY: [NASTY]}},
        (NASTY,),
        {NASTY: {NASTY.replace("/", ""): score}},
    )
    text = page([report, report])
    assert "<script" not in text
    assert "<b>" not in text.replace("<b>*</b>", "").replace("<b>▼</b>", "")
    Parsed(text)
    svgs(text)


@given(st.text(st.characters()))
def test_escaped_text_is_xml_in_elements_and_attributes(text):
    element = ET.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>')
    assert (element.text or "") == report_svg.printable(text) == element.get("b")


def test_a_page_that_forgets_to_escape_would_be_caught(monkeypatch):
    monkeypatch.setattr("fiducial.report_html.escape", str)
    with pytest.raises(AssertionError):
        test_every_kind_of_text_is_escaped()


# bars


def drawn_chart(bars):
    return ET.fromstring(bar_chart(bars, title="coverage", description="words", identifier="x"))


def groups_of(svg):
    return svg.findall(f"{SVG}g")


def axis(svg):
    """Position of a value, from the two outermost ticks alone."""
    labels = [t for t in svg.findall(f"{SVG}text") if t.get("class") == "tick"]
    (x0, v0), (x1, v1) = ((float(t.get("x")), float(t.text)) for t in (labels[0], labels[-1]))
    return lambda value: x0 + (value - v0) / (v1 - v0) * (x1 - x0)


@pytest.mark.parametrize(("floor", "ceiling", "value"), [(0.2, 0.9, 0.6), (9.0, 1.0, 3.0)])
def test_bar_runs_from_floor_to_value_between_bounds(floor, ceiling, value):
    low, high = value - 0.05, value + 0.05
    svg = drawn_chart([Bar("topk", "dictionary", value, low, high, floor, ceiling, 0.57, "*")])
    x, (line,) = axis(svg), groups_of(svg)
    rectangles = {r.get("class"): r for r in line.findall(f"{SVG}rect")}

    def ends(rectangle):
        left = float(rectangle.get("x"))
        return [left, left + float(rectangle.get("width"))]

    assert ends(rectangles["span"]) == pytest.approx(sorted([x(floor), x(ceiling)]), abs=0.11)
    assert ends(rectangles["bar"]) == pytest.approx(sorted([x(floor), x(value)]), abs=0.11)
    paths = {
        p.get("class"): [float(n) for n in re.findall(r"[MH]([\d.]+)", p.get("d"))] for p in line.iter(f"{SVG}path")
    }
    assert paths["whisker"][:2] == pytest.approx([x(low), x(high)], abs=0.11)
    assert paths["at-floor"] == pytest.approx([x(floor)], abs=0.11)
    assert paths["at-ceiling"] == pytest.approx([x(ceiling)], abs=0.11)
    assert [t.text for t in line.findall(f"{SVG}text")] == ["topk", f"{value:.3f}* (0.57)"]
    assert line.find(f"{SVG}title").text == f"topk: {value:.3f}* (0.57) [{low:.3f}, {high:.3f}]"


@pytest.mark.parametrize(("floor", "ceiling", "value"), [(0.2, 0.9, 0.1), (9.0, 1.0, 10.0)])
def test_a_value_on_the_wrong_side_of_its_floor_is_drawn_hollow(floor, ceiling, value):
    (line,) = groups_of(drawn_chart([Bar("topk", "dictionary", value, value, value, floor, ceiling)]))
    assert [r.get("class") for r in line.findall(f"{SVG}rect")] == ["span", "below"]


def test_a_metric_without_floor_starts_at_zero():
    svg = drawn_chart([Bar("topk", "dictionary", 31.0, 30.0, 32.0)])
    rectangle = groups_of(svg)[0].find(f"{SVG}rect[@class='bar']")
    assert float(rectangle.get("x")) == pytest.approx(axis(svg)(0), abs=0.11)


def test_roles_differ_in_shape_and_far_controls_become_arrows():
    bars = [
        Bar("probes", "ceiling", 0.9),
        Bar("topk", "dictionary", 0.6, floor=0.5, ceiling=0.9),
        Bar("near", "floor", 0.5),
        Bar("far", "floor", -80.0),
    ]
    ceiling, _, near, far = groups_of(drawn_chart(bars))
    assert ceiling.find(f"{SVG}path[@class='dot']").get("d").count("l") == 3
    assert near.find(f"{SVG}circle") is not None
    assert far.find(f"{SVG}circle") is None
    assert far.find(f"{SVG}path[@class='dot']").get("d").startswith(f"M{report_svg._PAD:.1f} ")


numbers = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0])


@settings(deadline=None)
@given(st.lists(st.builds(Bar, st.text(), st.sampled_from(["dictionary", "floor", "ceiling"]), *[numbers] * 6)))
def test_any_numbers_are_drawn_inside_the_picture(bars):
    svg = drawn_chart(bars)
    for element in svg.iter():
        for attribute in ("x", "cx", "width"):
            if (value := element.get(attribute)) is not None:
                assert 0 <= float(value) <= report_svg.WIDTH
        assert "nan" not in element.get("d", "")
        assert "inf" not in element.get("d", "")


@given(st.lists(st.floats(-1e20, 1e20), min_size=1), st.integers(2, 8))
def test_ticks_span_the_values_in_even_steps(values, n):
    found = ticks(values, n)
    slack = 1e-6 * (found[-1] - found[0])
    assert found[0] - slack <= min(values)
    assert max(values) <= found[-1] + slack
    assert 2 <= len(found) <= n + 3
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert min(steps) > 0
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


def test_ticks_of_nothing():
    assert ticks([]) == ticks([math.nan, math.inf]) == ticks([0.0]) == ticks([0.0, 1.0])
    assert (ticks([0.0, 1.0])[0], ticks([0.0, 1.0])[-1]) == (0.0, 1.0)


@given(st.text(), st.integers(3, 40))
def test_shortened_text_fits_and_keeps_both_ends(text, width):
    short = shorten(text, width)
    assert len(short) <= max(width, 1)
    if short != text:
        head, tail = short.split("…")[0], short.rsplit("…", 1)[1]
        assert text.startswith(head)
        assert text.endswith(tail)
    elif text.isascii():
        assert len(text) <= width


# boards


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("mine on c4", (2, 3)),
        ("legal move at d3", (3, 2)),
        ("empty a1", (0, 0)),
        ("white knight on h8", (7, 7)),
        ("disc on j10", (9, 9)),
        ("line from c4 to c7", None),
        ("mobility at least 3", None),
        ("must pass", None),
        ("layer4 on", None),
        ("c0", None),
        ("", None),
    ],
)
def test_square_of_a_name(name, at):
    assert square(name) == at


def test_square_values_are_means_that_leave_out_what_is_rare():
    table = {
        "feature": ["mine on a1", "yours on a1", "mine on b1", "yours on b1", "mine on a2", "mine on b2", "must pass"],
        "group": ["board"] * 6 + ["pass"],
        "value": [0.2, 0.6, 0.9, 0.1, math.nan, 0.7, 1.0],
        "rare": [False, False, False, True, False, True, False],
    }
    found = square_values(Score("coverage", 0, 0, 0, features=table))
    assert list(found) == ["board"]
    assert found["board"][0, 0] == pytest.approx(0.4)
    assert found["board"][1, 0] == pytest.approx(0.9)
    assert math.isnan(found["board"][0, 1])
    assert math.isnan(found["board"][1, 1])


def test_groups_that_are_no_map_are_left_out():
    few = {"feature": ["on a1", "on b1", "on c1"], "group": ["corner"] * 3, "value": [1.0] * 3}
    mixed = {"feature": [f"on {f}1" for f in "abcd"] + ["x"] * 4, "group": ["g"] * 8, "value": [1.0] * 8}
    bare = {"feature": [3, 4, 5, 6], "value": [1.0] * 4}
    for table in (few, mixed, bare, {}):
        assert square_values(Score("coverage", 0, 0, 0, features=table)) == {}


def cells(svg):
    """Square name -> (column and row as drawn, opacity or None)."""
    found = {}
    for rectangle in svg.findall(f"{SVG}rect"):
        name = rectangle.find(f"{SVG}title").text.split(":")[0]
        at = tuple((int(rectangle.get(axis)) - report_svg._MARGIN) // report_svg._CELL for axis in "xy")
        opacity = rectangle.get("fill-opacity")
        found[name] = at, None if opacity is None else float(opacity)
    return found


@pytest.mark.parametrize(
    ("testbed", "provenance", "top"),
    [
        ("othello-small", {}, True),
        ("chess-small", {}, False),
        ("mine", {"testbed": {"game": "othello-8x8"}}, True),
        ("othello-to-chess", {"testbed": {"game": "chess"}}, False),
        ("mine", {"game": "chess-characters"}, False),
    ],
)
def test_boards_stand_as_their_world_draws_them(testbed, provenance, top):
    table = squares_table(8, ["white knight on {}", "black king on {}"], ["board"] * 2)
    report = Report("d", testbed, {"coverage": Score("coverage", 0.5, 0.4, 0.6, features=table)}, provenance)
    assert first_rank_on_top(report) == top
    drawn = next(cells(svg) for svg in svgs(page([report])) if svg.get("class") == "board")
    assert drawn["a1"][0] == ((0, 0) if top else (0, 7))
    assert drawn["h8"][0] == ((7, 7) if top else (7, 0))


@pytest.mark.parametrize("size", [4, 6, 8])
def test_heat_map_puts_every_square_in_its_place(size):
    values = {(f, r): (f + 10 * r) / 100 for f in range(size) for r in range(size) if (f, r) != (1, 2)}
    words = {"title": "t", "description": "d", "identifier": "i"}
    othello, chess = (
        cells(ET.fromstring(board(values, size=size, first_rank_on_top=top, **words))) for top in (True, False)
    )
    assert len(othello) == len(chess) == size * size
    assert othello["a1"][0] == (0, 0)
    assert othello["c4"][0] == (2, 3)
    assert chess["a1"][0] == (0, size - 1)
    assert chess["c4"][0] == (2, size - 4)
    for (file, rank), value in values.items():
        assert othello["abcdefgh"[file] + str(rank + 1)][1] == chess["abcdefgh"[file] + str(rank + 1)][1] == value
    assert othello["b3"][1] is None


def test_heat_is_clipped_to_its_limits():
    words = {"title": "t", "description": "d", "identifier": "i", "size": 2, "first_rank_on_top": True}
    svg = ET.fromstring(board({(0, 0): -5.0, (1, 0): 5.0, (0, 1): 1.0}, limits=(0.0, 2.0), **words))
    assert [cells(svg)[name][1] for name in ("a1", "b1", "a2", "b2")] == [0.0, 1.0, 0.5, None]


@pytest.mark.parametrize(("size", "testbed", "row"), [(8, "othello-small", 0), (6, "othello-6x6", 0), (8, "chess", 7)])
def test_page_has_one_board_per_dictionary_and_group(size, testbed, row):
    reports = [some_report("a", testbed, size=size), some_report("b", testbed, size=size)]
    drawn = [svg for svg in svgs(page(reports)) if svg.get("class") == "board"]
    assert [svg[0].text for svg in drawn] == [
        f"coverage of {group} by square: {name}"
        for group in ("board", "legal moves")
        for name in ("probes", "a", "b", "random dictionary")
    ]
    assert all(len(cells(svg)) == size * size and cells(svg)["a1"][0] == (0, row) for svg in drawn)
    table = reports[0].scores["coverage"].features
    value = dict(zip(table["feature"], table["value"], strict=True))
    legal = cells(drawn[-1])
    board_cells = cells(drawn[0])
    for name, (_, opacity) in legal.items():
        assert opacity == pytest.approx(value[f"legal move at {name}"], abs=0.006)
        mean = (value[f"mine on {name}"] + value[f"yours on {name}"]) / 2
        assert board_cells[name][1] == pytest.approx(mean, abs=0.006)


def test_a_board_drawn_upside_down_would_be_caught(monkeypatch):
    right = report_svg.board
    monkeypatch.setitem(
        test_heat_map_puts_every_square_in_its_place.__globals__,
        "board",
        lambda *a, first_rank_on_top, **k: right(*a, first_rank_on_top=not first_rank_on_top, **k),
    )
    with pytest.raises(AssertionError):
        test_heat_map_puts_every_square_in_its_place(8)
