"""The view of one SAE and the certification matrix in a real browser: what is drawn, said, reached and escaped."""

import shutil

import pytest
from fiducial.metrics.score import Score
from fiducial.report import Report
from fiducial.reporting.latents import latents_content, latents_from
from fiducial.reporting.page import write_html
from fiducial.reporting.taxonomy import TAXONOMY

pytestmark = pytest.mark.browser
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NASTY = "<img src=x onerror='document.title=1'>\"&<b>bold</b>"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SHARES = dict(zip(TAXONOMY, [0.4, 0.3, 0.1, 0.1, 0.1, 0.0, 0.5, 0.25, 0.25], strict=True))


def squares(size):
    names = [f"mine on {'abcdefgh'[i % size]}{i // size + 1}" for i in range(size * size)]
    values = [i / (size * size) for i in range(size * size)]
    return {
        "feature": [*names, NASTY],
        "group": [*["board"] * len(names), "odd"],
        "value": [*values, 0.5],
        "rare": [i == 1 for i in range(len(names) + 1)],
    }


def report(name, testbed, size):
    table = squares(size) if size else {}
    groups = {"groups": {"board": 0.6, "odd": 0.2}, "group_intervals": {"board": (0.55, 0.65), "odd": (0.1, 0.3)}}
    controls = {
        "random": {"coverage": Score("coverage", 0.3, 0.25, 0.35, groups={"board": 0.2, "odd": 0.4})},
        "probes": {"coverage": Score("coverage", 0.9, 0.85, 0.95, groups={"board": 0.9, "odd": 0.8})},
    }
    coverage = Score("coverage", 0.6, 0.55, 0.65, features=table, **groups)
    scores = {
        "coverage": coverage.beside(floors={"random": 0.3, "always on": 0.1}, ceilings={"probes": 0.9}),
        "mse_error": Score("mse_error", 12.0, 11.0, 13.0, floors={"random": 10.0}, ceilings={"perfect": 0.0}),
        "l0": Score("l0", 31.0, 30.0, 32.0),
    }
    if not size:
        scores |= {TAXONOMY[kind]: Score(TAXONOMY[kind], x, x / 2, min(2 * x, 1)) for kind, x in SHARES.items()}
    about = {"testbed": {"name": testbed, "game": testbed, "games": 100}, "dictionary": {"n_latents": 64}}
    return Report(name, testbed, scores, about, ("mind the gap",), controls)


def latent(number, f1, board="", drawn="", explanation="", **more):
    example = {"activation": 3.5, "game": 1, "ply": 4, "holds": True, "text": "e2e4", "marked": [0]}
    histogram = {"edges": [0.0, 1.0, 2.0], "with": [3, 9], "without": [4, 0], "feature": None, "words": True}
    block = {
        "latent": number,
        "rate": 0.1,
        "explanation": explanation or f"words of {number}",
        "predicate": "",
        "explainer": "llm",
        "failure": "",
        "precision": [0.5, 0.4, 0.6],
        "recall": [0.8, 0.7, 0.9],
        "f1": [f1, f1 - 0.05, f1 + 0.05],
        "scorers": {"detection": [0.95, 0.5]},
        "matches": [[NASTY, 0.5, 0.2, 0.5, 0.6]],
        "histogram": {**histogram, "threshold": None},
        "examples": [{**example, "kind": kind, "board": board, "drawn": drawn} for kind in ("strongest", "ordinary")],
    }
    return {**block, **more}


CHESS = "RNBQKBNRPPPPPPPP................................pppppppprnbqkbnr"
OTHELLO = "." * 14 + "xo" + "." * 4 + "ox" + "." * 14


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    reports = [
        report("six", "othello-6x6", 6),
        report("knight", "chess-small", 8),
        report("known", "synthsaebench-64", 0),
    ]
    six = [latent(i, 0.9 - i / 20, OTHELLO) for i in range(8)] + [latent(99, 0.1, OTHELLO, explanation=NASTY)]
    blocks = [
        *latents_from(latents_content(six, dictionary="six", testbed="othello-6x6")),
        *latents_from(latents_content([latent(1, 0.9, CHESS)], dictionary="knight", testbed="chess-small")),
        *latents_from(
            latents_content([latent(2, 0.9, "", f"When Mary {NASTY}")], dictionary="known", testbed="synthsaebench-64")
        ),
    ]
    return write_html(reports, tmp_path_factory.mktemp("page") / "report.html", explanations=blocks)


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("NO BROWSER: this test did not run; install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: this test did not run")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, path):
    opened = []

    def of(where="", width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"file://{path}{where}")
        opened.append((context, errors))
        return page

    yield of
    for context, errors in opened:
        assert errors == []
        context.close()


def test_scores_are_said_in_words_with_floor_and_ceiling(visit):
    page = visit("#sae=r0")
    card = page.locator(".said-card", has_text="coverage").first
    text = card.inner_text()
    assert "0.600" in text
    assert "[0.550, 0.650]" in text
    assert "detects it with an F1 of 0.600" in text
    assert "random (0.300)" in text
    assert "probes (0.900)" in text
    drawn = card.locator("svg.large-bar")
    assert drawn.locator(".b-dot.is-floor").count() == 2
    assert drawn.locator(".b-dot.is-ceiling").count() == 1
    span, bar = (drawn.locator(name).bounding_box() for name in (".b-span", ".b-bar"))
    assert bar["x"] == pytest.approx(span["x"], abs=1.5)  # both begin at the floor
    assert bar["width"] / span["width"] == pytest.approx(0.5, abs=0.02)  # (0.6 - 0.3) / (0.9 - 0.3)


def test_a_value_on_the_wrong_side_of_its_floor_is_hollow(visit):
    page = visit("#sae=r0")
    assert page.locator(".said-card", has_text="mse_error").locator(".b-below").count() == 1
    row = page.locator("table.groups tbody tr", has_text="odd")
    assert row.locator(".b-below").count() == 1
    assert "0.400 random" in row.inner_text().replace("\n", " ")
    assert page.locator("table.groups tbody tr", has_text="board").locator(".b-bar").count() == 1


@pytest.mark.parametrize(("where", "size", "top"), [("#sae=r0", 6, "a1"), ("#sae=r1", 8, "a8")])
def test_boards_stand_as_their_game_is_drawn_and_answer_to_keys(visit, where, size, top):
    page = visit(where)
    board = page.locator("svg.heatmap").first
    assert board.locator(".square").count() == size * size
    assert board.locator(".cross").count() == 1  # b1 is rare
    readout = page.locator(".readout").first
    before = readout.inner_text()
    assert f"mean over {size * size - 1} squares" in before
    board.locator('.square[tabindex="0"]').focus()
    assert readout.inner_text().startswith(f"{top}:")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    below = f"b{2 if top == 'a1' else size - 1}"
    assert readout.inner_text().startswith(f"{below}:")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # the edge holds
    assert readout.inner_text().startswith(f"a{below[1]}:")
    page.locator("svg.heatmap").first.locator('[aria-label^="b1:"]').hover()
    assert readout.inner_text() == "b1: no value, or too rarely true to score"


def test_the_higher_value_has_the_stronger_colour_in_both_themes(visit):
    for scheme in ("light", "dark"):
        page = visit("#sae=r0", scheme=scheme)
        shades = page.evaluate(
            """() => ["a2", "f6"].map((name) => getComputedStyle(
            document.querySelector(`.heatmap [aria-label^="${name}"] .heat`)).fill)"""
        )
        lightness = [float(shade.removeprefix("oklab(").split()[0]) for shade in shades]
        assert abs(lightness[1] - lightness[0]) > 0.3, shades
        assert (lightness[1] < lightness[0]) == (scheme == "light")


def test_shares_of_the_taxonomy_fill_the_bar(visit):
    page = visit("#sae=r2")
    for i, n in enumerate((5, 3)):  # a share of 0 has no segment
        stack = page.locator(".stack").nth(i)
        widths = [one.bounding_box()["width"] for one in stack.locator(".segment").all()]
        assert len(widths) == n
        assert sum(widths) == pytest.approx(stack.bounding_box()["width"], rel=0.01)
    assert page.locator(".stack").first.get_attribute("aria-label").startswith("found 40 %, missed 30 %")
    assert "20\N{EN DASH}80 %" in page.locator(".taxonomy").first.inner_text()
    assert visit("#sae=r0").locator(".stack").count() == 0


def test_latents_show_boards_truth_and_opinion(visit):
    page = visit("#sae=r0")
    assert page.locator(".latent").count() == 6
    first = page.locator(".latent").first
    assert "words of 0" in first.inner_text()
    assert first.locator("svg.position .disc").count() == 2 * 4
    assert first.locator("svg.position").first.locator(".disc.black").count() == 2
    assert "0.900 [0.850, 0.950]" in first.locator("svg.strip").text_content()
    assert "0.950 (0.500)" in first.locator("svg.strip").text_content()
    assert "the words hold" in first.inner_text()
    truth, dot = (first.locator(name).bounding_box() for name in ("path.truth", "circle.opinion"))
    assert dot["x"] > truth["x"]  # the scorer praises more than is true
    page.get_by_role("button", name="Show 3 more").click()
    assert page.locator(".latent").count() == 9
    assert page.evaluate("document.activeElement.textContent").startswith("Latent 6 ")
    page.get_by_role("combobox", name="Order", exact=True).select_option("falsest words first")
    assert page.locator(".latent h4").first.inner_text().startswith("Latent 99")
    page.get_by_role("searchbox").last.fill("words of 3")
    assert page.locator(".latent").count() == 1


def test_chess_stands_with_white_below_and_a_world_without_board_is_text(visit):
    page = visit("#sae=r1")
    pieces = page.locator("svg.position").first.locator(".piece")
    assert pieces.count() == 32
    white = page.locator("svg.position").first.locator(".piece.white").first.bounding_box()
    black = page.locator("svg.position").first.locator(".piece.black").first.bounding_box()
    assert white["y"] > black["y"]
    assert white["height"] > 10
    assert visit("#sae=r2").locator("pre.drawn").first.inner_text().startswith("When Mary <img")


def test_markup_in_words_and_names_stays_text(visit):
    page = visit("#sae=r0")
    title = page.title()
    page.get_by_role("combobox", name="Order", exact=True).select_option("falsest words first")
    assert NASTY in page.locator(".latent q").first.inner_text()
    assert page.locator("#page img, main b b").count() == 0
    assert page.get_by_text(NASTY).count() > 1
    assert page.title() == title


@pytest.mark.parametrize("where", ["#sae=r0", "#sae=r1", "#sae=r2", ""])
def test_nothing_is_wider_than_a_narrow_window(visit, where):
    page = visit(where, width=360)
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_matrix_gives_a_reason_for_every_sign(visit):
    page = visit()
    matrix = page.locator("table.matrix")
    row = matrix.locator("tbody tr", has_text="coverage").first
    button = row.locator("button.check.is-false").first
    button.scroll_into_view_if_needed()
    button.press("Enter")
    why = matrix.locator("tr.why")
    assert why.count() == 1
    assert "fails" in why.inner_text()
    assert "hierarchical" in why.inner_text()
    assert button.get_attribute("aria-expanded") == "true"
    row.locator("button.badge").click()
    assert why.count() == 1
    assert "Reads activity only" in why.inner_text()
    row.locator("button.badge").click()
    assert why.count() == 0
    rows = matrix.locator("tbody tr").count()
    page.get_by_label("only metrics scored on this page").uncheck()
    assert matrix.locator("tbody tr").count() > rows
    page.get_by_label("Certified on").select_option("synthsaebench-64")
    assert matrix.locator("small").count() == 0


def test_parts_are_reached_by_buttons(visit):
    page = visit("#sae=r0")
    page.get_by_role("button", name="What to try next").click()
    assert page.evaluate("document.activeElement.textContent") == "What to try next"
    said = page.locator(".advice").inner_text()
    assert "100 games" in said
    assert "failed a part of its own certification" in said
