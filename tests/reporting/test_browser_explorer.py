import csv
import io
import itertools

import pytest
from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.reporting.page import write_html

from .browser import Visit, browser
from .samples import NASTY, many, some_report

pytestmark = pytest.mark.browser
N = 40


@pytest.fixture(scope="module")
def running():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    reports = [*many(N), *many(6, "chess-small")]
    return {
        "many": write_html(reports, folder / "many.html"),
        "one": write_html([some_report("mine")], folder / "one.html"),
        "nasty": write_html(_nasty(), folder / "nasty.html"),
        "formulas": write_html([some_report(name) for name in ("=1+1", "@x", "a;=1+1")], folder / "formulas.html"),
    }


def _nasty():
    score = Score("coverage", 0.5, 0.4, 0.6, groups={NASTY: 0.5, "b": 0.1}, floors={NASTY: 0.1}, ceilings={"c": 0.9})
    reports = [
        Report(
            f"{NASTY}{i}", NASTY, {"coverage": score, "l0": Score("l0", i, i, i)}, {"seed": i, NASTY: NASTY}, (NASTY,)
        )
        for i in (1, 2)
    ]
    return reports


@pytest.fixture
def visit(running, pages, request):
    made = []

    def make(which="many", **options):
        made.append(Visit(running, pages[which], **options))
        return made[-1]

    yield make
    for one in made:
        wrong, requests = one.wrong, one.requests
        one.close()
        assert wrong == []
        assert all(url.startswith(("file:", "blob:")) for url in requests)


def test_every_finished_result_of_the_testbed_is_a_mark_with_words(visit):
    here = visit()
    finished = N - len([i for i in range(N) if i % 5 == 4])
    assert here.count("svg.explorer .point") == finished
    assert here.text(".count").startswith(f"{finished} of {N} results")
    label = here.page.locator(".point").first.get_attribute("aria-label")
    assert "coverage 0." in label
    assert "[" in label
    assert here.count(".point[tabindex='0']") == 1
    assert "best floor 0.200: random" in here.text("svg.explorer .bound.floor")
    assert "best ceiling 0.900: probes" in here.text("svg.explorer .bound.ceiling")


def test_marks_stand_where_their_numbers_are(visit):
    here = visit()
    rows = here.page.evaluate(
        """() => [...document.querySelectorAll('.point')].map(p => {
          const [x, y] = p.getAttribute('transform').match(/[-\\d.]+/g).map(Number);
          const label = p.getAttribute('aria-label');
          return [x, y, Number(label.match(/: coverage ([\\d.]+)/)[1]), Number(label.match(/, l0 ([\\d.]+)/)[1])];
        })"""
    )
    by_value = sorted(rows, key=lambda row: row[2])
    assert all(a[1] >= b[1] - 0.11 for a, b in itertools.pairwise(by_value))  # up is more
    by_l0 = sorted(rows, key=lambda row: row[3])
    assert all(a[0] <= b[0] + 0.6 for a, b in itertools.pairwise(by_l0))
    low, high = by_value[0], by_value[-1]
    for row in by_value:  # and evenly so
        expected = low[1] + (row[2] - low[2]) / (high[2] - low[2]) * (high[1] - low[1])
        assert row[1] == pytest.approx(expected, abs=1.0)


def test_filters_narrow_chart_and_table_alike(visit):
    here = visit()
    here.field("Training").select_option("all")
    assert here.count(".point") == N
    here.field("L0 at least").fill("30")
    here.field("Width").select_option("256")
    expected = [i for i in range(N) if i % 2 == 0 and 8 * 2 ** (i % 4) + i / 50 >= 30]
    assert here.count(".point") == len(expected)
    assert here.count("table.results tbody tr") == len(expected)
    here.field("Search").fill("gated")
    assert here.count(".point") == len([i for i in expected if i % 7 == 1])
    here.page.get_by_role("button", name="Show all").first.click()
    assert here.count(".point") == N
    assert here.field("L0 at least").input_value() == ""


def test_the_legend_hides_and_isolates_architectures(visit):
    here = visit()
    here.field("Training").select_option("all")
    topk = here.page.locator(".legend button[data-arch='topk']")
    of_topk = len([i for i in range(N) if i % 7 == 0])
    topk.focus()
    here.page.keyboard.press("Enter")
    assert topk.get_attribute("aria-pressed") == "false"
    assert here.count(".point") == N - of_topk
    assert here.focused("dataset.arch") == "topk"
    topk.click()
    topk.click(modifiers=["Shift"])
    assert here.count(".point") == of_topk


def test_axes_groups_and_testbeds_can_be_chosen(visit):
    here = visit()
    y = here.field("Up the side (y)")
    assert y.locator("optgroup").count() >= 2
    before = here.text("svg.explorer .bound.ceiling")
    here.field("Feature group").select_option(label="legal moves")
    assert here.text("svg.explorer .bound.floor") == "best floor 0.150: random"
    y.select_option("mse_error")
    assert not here.field("Feature group").is_visible()
    assert here.text("svg.explorer .bound.ceiling") != before
    assert "lower is better" in here.text(".axis-note")
    here.field("Testbed").select_option("chess-small")
    assert here.count(".point") == 5
    here.field("Along (x)").select_option("@width")
    assert "width (latents), 5 results" in here.page.locator("svg.explorer").get_attribute("aria-label")
    here.field("Testbed").select_option("")
    assert here.text("table.results thead").split()[:2] == ["SAE", "testbed"]
    assert here.count(".bound") == 0


def test_a_far_floor_does_not_flatten_the_chart(visit):
    here = visit()
    here.field("Up the side (y)").select_option("explained_variance_score")
    assert here.text(".bound.floor").startswith("\u2193 best floor")
    boxes = [here.page.locator(".point").nth(i).bounding_box()["y"] for i in range(here.count(".point"))]
    assert max(boxes) - min(boxes) > 150


def test_keys_go_from_mark_to_mark_and_open_one(visit):
    here = visit()
    here.page.locator(".point[tabindex='0']").focus()
    first = here.focused("dataset.id")
    assert here.page.locator(".tip").is_visible()
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("ArrowUp")
    second = here.focused("dataset.id")
    assert second != first
    assert here.count(".point[tabindex='0']") == 1
    here.page.keyboard.press("Enter")
    here.page.wait_for_selector("#one h2")
    assert here.page.evaluate("location.hash") == f"#sae={second}"
    assert here.focused("tagName") == "H2"
    assert not here.page.locator("#overview").is_visible()
    here.page.keyboard.press("Escape")
    here.page.wait_for_selector("#overview", state="visible")
    assert here.focused("dataset.id") == second


def test_pointing_tells_and_clicking_opens(visit):
    here = visit()
    here.page.locator("svg.explorer").scroll_into_view_if_needed()
    box = here.page.locator(".point").nth(3).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    here.page.mouse.move(x, y)
    tip = here.text(".tip")
    assert "best floor" in tip
    assert "best ceiling" in tip
    here.page.mouse.click(x, y)
    here.page.wait_for_selector("#one h2")
    here.page.get_by_role("button", name="All results").click()
    here.page.wait_for_selector("#overview", state="visible")


def test_the_table_sorts_and_its_rows_open(visit):
    here = visit()
    column = "table.results tbody tr td:nth-child(5)"

    def values():
        return [
            float(text.split("*")[0].split("\u25bc")[0].split()[0])
            for text in here.page.locator(column).all_inner_texts()
        ]

    assert values() == sorted(values(), reverse=True)
    heading = here.page.locator("table.results thead button").nth(4)
    heading.click()
    assert values() == sorted(values())
    assert here.page.locator("th[aria-sort='ascending']").count() == 1
    link = here.page.locator("table.results a").nth(2)
    name = link.inner_text()
    link.click()
    here.page.wait_for_selector("#one h2")
    assert name in here.text("#one h2")
    here.page.go_back()
    here.page.wait_for_selector("#overview", state="visible")
    assert here.focused("textContent") == name


def test_two_stand_side_by_side(visit):
    here = visit()
    boxes = here.page.locator("table.results input[type=checkbox]")
    boxes.nth(0).check()
    assert here.page.locator("#table .tools button").first.is_disabled()
    boxes.nth(1).check()
    here.page.get_by_role("button", name="Set the 2 side by side").click()
    here.page.wait_for_selector("table.beside")
    assert here.count(".two > section") == 2
    assert here.count("table.beside tbody tr") >= 3


def test_saved_tables_hold_every_number(visit):
    here = visit()
    with here.page.expect_download() as waiting:
        here.page.get_by_role("button", name="Save CSV").click()
    text = waiting.value.path().read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len({row["name"] for row in rows}) == here.count(".point")
    row = next(row for row in rows if row["metric"] == "coverage")
    assert (row["best_floor"], row["floor"], row["best_ceiling"], row["ceiling"]) == ("random", "0.2", "probes", "0.9")
    with here.page.expect_download() as waiting:
        here.page.get_by_role("button", name="Save SVG").click()
    assert "var(--" not in waiting.value.path().read_text(encoding="utf-8").split("style=")[2]


def test_the_sorted_column_stays_when_others_come_and_go(visit):
    here = visit()

    def sorted_by():
        return here.text("th[aria-sort] button")

    assert sorted_by() == "coverage"
    here.field("Testbed").select_option("")  # which brings a column of testbeds
    assert sorted_by() == "coverage"
    here.page.locator("table.results thead button", has_text="width").click()
    here.field("Testbed").select_option("othello-small")
    assert sorted_by() == "width"


def test_between_testbeds_nothing_is_called_better(visit):
    here = visit(hash_=f"#sae=r0,r{N}")
    assert "different testbeds" in here.text("#one")
    assert set(here.page.locator("table.beside tbody td:last-child").all_inner_texts()) == {"\u2013"}
    same = visit(hash_="#sae=r0,r1")
    assert set(same.page.locator("table.beside tbody td:last-child").all_inner_texts()) != {"\u2013"}


def test_a_verdict_of_another_testbed_says_so(visit):
    here = visit()  # no certificate is of othello-small
    assert "(on " in here.text(".axis-note .chip")
    here = visit("one")
    assert "elsewhere" in here.text(".badge")


def test_names_in_a_saved_table_are_no_formulas(visit):
    here = visit("formulas")
    with here.page.expect_download() as waiting:
        here.page.get_by_role("button", name="Save CSV").click()
    text = waiting.value.path().read_text(encoding="utf-8")
    names = {row["name"] for row in csv.DictReader(io.StringIO(text))}
    assert names == {"'=1+1", "'@x", "a;=1+1"}
    assert '"a;=1+1"' in text


def test_an_unknown_link_says_so(visit):
    here = visit(hash_="#sae=r999")
    assert "no such result" in here.text("#one h2")
    here.page.keyboard.press("Escape")
    here.page.wait_for_selector("#overview", state="visible")


def test_one_result_is_shown_at_once(visit):
    here = visit("one")
    assert here.count("svg.explorer") == 0
    assert "mine" in here.text("#alone h2")
    assert here.count("#trust") == 1


@pytest.mark.parametrize(("hash_", "scheme"), [("", "light"), ("#sae=r0", "dark"), ("#sae=r0,r1", "light")])
def test_a_narrow_window_needs_no_scrolling_sideways(visit, hash_, scheme):
    here = visit(width=360, hash_=hash_, scheme=scheme)
    assert here.sideways() == 0


def test_the_theme_can_be_set_by_hand(visit):
    here = visit(scheme="light")
    back = "getComputedStyle(document.body).backgroundColor"
    light = here.page.evaluate(back)
    here.page.get_by_role("button", name="Theme").click()
    assert here.page.evaluate(back) == light
    here.page.get_by_role("button", name="Theme").click()
    assert here.page.evaluate(back) != light


def test_names_with_markup_stay_text(visit):
    for hash_ in ("", "#sae=r0", "#sae=r0,r1"):
        here = visit("nasty", hash_=hash_)
        assert here.count("script") == 2
        assert "<script>alert('x')</script>" in here.text("h1" if not hash_ else "#one h2")
        assert here.page.evaluate("document.querySelectorAll('style').length") == 1


def test_without_scripts_there_is_a_table(visit):
    here = visit(scripts=False)
    assert "need JavaScript" in here.text("main")
    assert here.count("main table") == 2


def test_where_all_have_about_the_same_l0_the_proxy_lies_along_the_bottom(running, tmp_path):
    def page(l0s):
        reports = [some_report(f"sae{i}", l0=l0, value=0.3 + 0.1 * i) for i, l0 in enumerate(l0s)]
        for i, report in enumerate(reports):
            value = 0.9 + 0.01 * i
            report.scores["explained_variance_score"] = Score("explained_variance_score", value, value, value)
        return write_html(reports, tmp_path / "page.html")

    for l0s, along in (([31.0, 32.0], "explained_variance_score"), ([8.0, 32.0], "l0")):
        here = Visit(running, page(l0s))
        assert here.field("Along (x)").input_value() == along
        assert here.count("svg.explorer .point") == 2
        assert here.wrong == []
        here.close()
