import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from fiducial import report_svg
from fiducial.report_html import figure, table
from fiducial.report_svg import escape, shorten, ticks
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(st.characters()))
def test_escaped_text_is_xml_in_elements_and_attributes(text):
    element = ET.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>')
    assert (element.text or "") == report_svg.printable(text) == element.get("b")


def test_a_chart_has_its_numbers_as_a_table_beneath():
    numbers = table(("", "value"), [["topk", "0.500"]])
    text = figure("coverage", "<svg/>", numbers)
    parsed = ET.fromstring(text)
    assert [cell.text for cell in parsed.iter("td")] == ["0.500"]
    assert [cell.get("scope") for cell in parsed.iter("th")] == ["col", "col", "row"]
    assert text.index("<svg/>") < text.index("<table")


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
