"""The page of a metric: what it asks, how it is computed, between which bounds it lies, whether it can be trusted.

Nothing on it is written by hand: it is read from the module that computes the metric, from the record beside the
function, from the examples in its docstring, which run as tests, and from the certificates that ship.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .certify_result import CHECKS, Certificate, Row
from .metric_homes import ALL, HOME_OF, Home
from .metric_sections import LABELS, lines_about, of_module, paragraphs
from .metric_snippets import array_snippet, testbed_snippet
from .metrics.properties import Properties
from .page_blocks import Block, Code, Heading, Items, Table, Text
from .suggestions import close_names

DATA = Path(__file__).parent / "data"
CERTIFICATES, BOUNDS = DATA / "certificates", DATA / "metric_bounds.json"
_WAY = {
    "up": "higher is better",
    "down": "lower is better",
    "none": "neither way is better: it describes",
}
_CHECKED = {
    "top": "right dictionary on top",
    "order": "ladder in order",
    "range": "range, floor to right",
    "noise": "smallest detectable difference",
    "truth": "ranks trained SAEs as the truth",
    "training": "follows the truth in training",
    "gaming": "gain by gaming",
    "labels": "left without labels",
}


def metric_page(name: str) -> tuple[Block, ...]:
    """The page of a metric.

    Args:
        name: of the catalogue, such as `coverage`, or of `METRICS_BETWEEN`.

    Raises:
        KeyError: no metric of that name; close names are suggested.
    """
    check_name(name)
    home, record = HOME_OF[name], ALL[name]
    return (
        Heading(name, 1),
        Text(f"**{record.question}**"),
        *_glance(name, home, record),
        *_calls(name, home),
        *_computed(name, home),
        *_bounds(name, home, record),
        *_certified(name, home),
        *_sources(name, home),
    )


def check_name(name: str) -> None:
    """Refuse what is no metric.

    Raises:
        KeyError: with names that are close.
    """
    if name not in ALL:
        close = close_names(name, ALL)
        hint = f"did you mean {' or '.join(close)}?" if close else "`fiducial metrics` lists them"
        raise KeyError(f"no metric named {name!r}; {hint}")


def _glance(name: str, home: Home, record: Properties) -> list[Block]:
    rows = [
        ("good", _WAY[record.direction]),
        ("range", _range(record)),
        ("chance scores", record.chance),
        ("reads", ", ".join(f"`{need}`" for need in record.needs)),
        ("asked on", home.testbeds + (", when it is asked for by name" if home.asked else "")),
        ("unchanged by", ", ".join(record.symmetries) or "no change of the input that is known to leave it alone"),
        ("must notice", ", ".join(record.notices) or "no damage in particular"),
        ("certified", _verdicts(name)),
    ]
    if record.claims:
        rows.append(("is used to tell, and was found not to", ", ".join(record.claims)))
    rows.append(("version", str(record.version)))
    return [
        Table(("", ""), tuple(rows)),
        Heading("What it cannot tell"),
        Text(record.limits),
    ]


def _verdicts(name: str) -> str:
    found = [f"`{row.testbed}`: {row.verdict}." for row in _rows(name)]
    return " ".join(found) or "no certificate of it ships, see below"


def _rows(name: str) -> list[Row]:
    return [row for one in certificates() for row in one.rows if row.metric == name]


def _range(record: Properties) -> str:
    low = "no lower bound" if math.isinf(record.low) else f"{record.low:g}"
    high = "no upper bound" if math.isinf(record.high) else f"{record.high:g}"
    return f"{low} to {high}" if not math.isinf(record.low) or not math.isinf(record.high) else "unbounded"


def _computed(name: str, home: Home) -> list[Block]:
    found: list[Block] = [Heading("How it is computed")]
    for place, module in enumerate(home.modules):
        said = of_module(module)
        if place:
            found += [Heading(said.title.rstrip("."), 3)]
        elif "Question" in said.parts and len(home.records) > 1:
            found += [
                Text(f"It is one of {len(home.records)} that are computed together. {_line(said.parts['Question'])}")
            ]
        if said.prose:
            found += _prose(said.prose)
        for label in LABELS:
            if label not in said.parts or label in ("Question", "References", "Floors", "Ceilings"):
                continue
            if label.startswith("Differences"):
                continue
            text = said.parts[label]
            found.append(Heading(label, 3 if not place else 4))
            if label == "Equation":
                marked = lines_about(text, name) if len(home.records) > 1 else ()
                found.append(Code(text, marked=marked))
            else:
                found += _points(text)
    return found


def _prose(text: str) -> list[Block]:
    """Paragraphs as they are; those that are indented or set in columns keep their lines."""
    found: list[Block] = []
    for paragraph in text.split("\n\n"):
        keeps = any(line.startswith("  ") for line in paragraph.splitlines())
        found.append(Code(paragraph) if keeps else Text(_line(paragraph)))
    return found


def _line(text: str) -> str:
    return " ".join(text.split())


def _points(text: str) -> list[Block]:
    lead, items = paragraphs(text)
    return [*([Text(lead)] if lead else []), *([Items(items, numbered=True)] if items else [])]


REFERENCES_SAY = {
    "random dictionary": "random directions, of the same width and L0",
    "frozen-decoder SAE": "an SAE trained with its decoder frozen at random",
    "random-model SAE": "an SAE of a randomly initialised twin of the model",
    "neurons": "the MLP neurons of the block",
    "PCA": "principal components",
    "permuted decoder": "its own latents, each writing another's direction",
    "probes": "linear probes, fitted with the labels",
    "least squares": "directions fitted with the labels by least squares",
    "mean codes": "codes of the attributes' values, fitted with the labels",
    "oracle": "the true dictionary of a synthetic world",
    "identity": "the untouched activation",
}


AXES = ("approximation", "control", "isolation", "interpretability", "meaning", "occlusion", "splitting")


def reference_names(name: str) -> tuple[list[str], list[str]]:
    """Names of the floors and of the ceilings that a testbed scores a metric for, as `evaluate` chooses them.

    Args:
        name: of a metric.
    """
    home, record = HOME_OF[name], ALL[name]
    sparsity = home.key == "core" and "x_hat" not in record.needs
    if record.direction == "none" or home.key == "stability" or sparsity:
        return [], []
    floors, ceilings = ["random dictionary", "frozen-decoder SAE"], ["oracle"]
    faithful = home.key in ("core", "behaviour", "boards")
    if faithful:
        ceilings.append("identity")
    elif home.key in AXES:
        floors += [] if home.key == "approximation" else ["PCA"]
        ceilings.append("mean codes")
    else:
        floors += ["random-model SAE", "neurons", "PCA"]
        ceilings += ["probes", "least squares", *(["mean codes"] if home.asked else [])]
    if "permuted decoder" in record.notices and (faithful or home.asked or home.key == "recovery"):
        floors.append("permuted decoder")
    return floors, ceilings


def _bounds(name: str, home: Home, record: Properties) -> list[Block]:
    found: list[Block] = [Heading("Floors and ceilings")]
    parts = of_module(home.modules[0]).parts
    for label in ("Floors", "Ceilings"):
        if label in parts:
            found += [Text(f"{label} that come with the score: {_line(parts[label])}")]
    floors, ceilings = reference_names(name)
    if floors:
        rows = [
            (side, f"`{reference}`", REFERENCES_SAY[reference])
            for side, names in (("floor", floors), ("ceiling", ceilings))
            for reference in names
        ]
        found += [
            Text("On a testbed these are scored beside it, where the testbed has them:"),
            Table(("", "reference", "what it is"), tuple(rows)),
        ]
    elif len(found) == 1:
        found.append(Text("It has none: no reference dictionary is better or worse by it."))
    seen = bounds().get("testbeds", {})
    tables = [block for bed in seen for block in _seen(name, bed, seen[bed])]
    return found + tables


def _seen(name: str, bed: str, kept: Mapping[str, Any]) -> list[Block]:
    if name not in kept["metrics"]:
        return []
    rows = [(_row[0], f"`{_row[1]}`", _with_interval(*_row[2:])) for _row in kept["metrics"][name]]
    return [
        Text(f"Seen on `{bed}`, {kept['games']} games, seed {kept['seed']} (`{kept['command']}`):"),
        Table(("", "what", "value [95 %]"), tuple(rows)),
    ]


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f} (no interval)" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


@cache
def bounds() -> dict[str, Any]:
    """Floors and ceilings as they were seen on shipped testbeds; empty where the file is not there."""
    return json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}


@cache
def certificates() -> tuple[Certificate, ...]:
    """The certificates that ship."""
    return tuple(Certificate.from_json(path) for path in sorted(CERTIFICATES.glob("*.json")))


def _certified(name: str, home: Home) -> list[Block]:
    found: list[Block] = [Heading("Can it be trusted?")]
    rows = [(one, row) for one in certificates() for row in one.rows if row.metric == name]
    if not rows:
        by_hand = home.guides or {}
        where = next((f"[{title}]({page})" for title, page in by_hand.items() if page.startswith("certif")), "")
        if home.key == "stability":
            said = "It compares dictionaries with each other; no ladder of known quality puts it in order."
        elif where:
            said = f"Its certificate does not ship; what was found is told in {where}."
        else:
            said = "It has not been certified: there is no ladder of known quality for testbeds of this kind."
        return [*found, Text(said), *([Code(f"fiducial certify -m {name}", "sh")] if where else [])]
    heads = ("", *(f"`{one.provenance['testbed']}`" for one, _ in rows))
    mark = {True: "✓ ", False: "✗ ", None: ""}
    table = [("verdict", *(f"**{row.verdict}**" for _, row in rows))]
    table += [
        (f"{check}: {_CHECKED[check]}", *(mark[row.checks()[check]] + row.cell(check) for _, row in rows))
        for check in CHECKS
    ]
    found.append(Table(heads, tuple(table)))
    for one, row in rows:
        about = one.provenance
        found += [
            Text(f"On `{about['testbed']}` (on top should be: {about['base']}): {row.advice()}"),
            Code(f"fiducial certify -t {about['testbed']} -n {about['games']} -m {name}", "sh"),
        ]
    return [*found, Text("How to read the checks: [Which metrics can be trusted](certification.md).")]


def _calls(name: str, home: Home) -> list[Block]:
    found: list[Block] = [Heading("How to call it")]
    if home.example:
        found += [
            Text("On a testbed, from the command line and from Python:"),
            Code(f"fiducial score SAE -t {home.example} -m {name}", "sh"),
            Code(testbed_snippet(name), "python"),
        ]
    snippets = [snippet for function in home.functions if (snippet := array_snippet(function))]
    if snippets:
        found.append(Text("On arrays, with nothing else; the comments say what it prints:"))
        found += [Code(snippet, "python") for snippet in snippets]
    names = ", ".join(f"`fiducial.metrics.{one}`" for one in home.functions)
    return [*found, Text(f"The function{'s' if len(home.functions) > 1 else ''} on arrays: {names}.")]


def _sources(name: str, home: Home) -> list[Block]:
    found: list[Block] = []
    for label in ("References", "Differences from published code"):
        for module in home.modules:
            text = of_module(module).parts.get(label, "")
            if not text:
                continue
            if module == home.modules[0]:
                found.append(Heading(label))
            else:
                found.append(Text(f"Of `{module}`:"))
            found += _points(text)
    siblings = [f"[`{other}`]({other}.md)" for other in home.records if other != name]
    if siblings:
        found += [Heading("Computed with it"), Text(", ".join(siblings) + ".")]
    guides = [f"[{title}]({page})" for title, page in (home.guides or {}).items()]
    if guides:
        found += [Heading("Read on"), Items(tuple(guides))]
    files = ", ".join(f"`metrics/{module.replace('.', '/')}.py`" for module in home.modules)
    return [*found, Text(f"Generated from {files} and the record beside the function.")]
