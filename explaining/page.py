"""Explanations as one self-contained, static HTML page: scorers, latents with the truth beside the words, boards.

Like the report page it has no script and loads nothing. Every text is escaped: what a language model says stays text.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..latent_examples import latent_examples
from ..model_testbed import Testbed
from ..report import write_atomically
from ..report_compare import interval_text, number
from ..report_html import table
from ..report_latents import latent_section, whole_page
from ..report_svg import escape
from .result import Explained, ExplainedLatent
from .table import executed, over_latents, said

if TYPE_CHECKING:
    from ..models.dictionary import Dictionary
    from ..testbed_catalogue import AnyTestbed

# Words stand to the left in these tables, and so do their headings.
_STYLE = "<style>.explained th:first-child, .explained.words th:nth-child(2) { text-align: left; }</style>"
_HOW_TO_READ = """
<p>Explanations come from one half of the games; everything said of them is of the other half. <b>Executed</b>: the
explanation as a predicate over known facts, run on every position there, so that precision and recall are what they
are, at the share of positions at which the latent really fires. A judge sees some positions only, half of them active
ones: it can score an explanation high that is wrong three times in four. <b>Shuffled</b> is what the explanation of
another latent scores on the same examples. <b>Natural F1</b>: what detection's answers say of the F1 at the share of
positions at which the latent really fires; with few examples it is rough. <b>Judge wrong</b>: how often the judge said
no where the explanation holds, and yes where it does not. <b>Rank truth</b>: Spearman correlation of the scorer with
the executed F1 over latents.</p>
"""


def write_page(
    found: Explained,
    path: str | os.PathLike[str],
    dictionary: "Dictionary | None" = None,
    bed: "AnyTestbed | None" = None,
    *,
    boards: int = 24,
) -> Path:
    """Write the page.

    Args:
        found: what was explained.
        path: of the file.
        dictionary: whose latents are shown with their positions; none are without it.
        bed: where; its world draws the boards. A synthetic world has none to draw.
        boards: latents that are drawn, those with the truest explanations.
    """
    return write_atomically(path, page(found, dictionary, bed, boards=boards))


def page(
    found: Explained,
    dictionary: "Dictionary | None" = None,
    bed: "AnyTestbed | None" = None,
    *,
    boards: int = 24,
) -> str:
    """The page as text; see `write_page`."""
    title = f"Explanations of {found.dictionary} on {found.testbed}"
    drawn = boards if dictionary is not None and isinstance(bed, Testbed) else 0
    body = [
        _STYLE,
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}.</p>" for line in said(found)),
        f"<details open><summary>How to read this page</summary>{_HOW_TO_READ}</details>",
        "<h2>Scorers</h2>",
        _scorers(found),
        "<h2>Latents</h2>",
        _latents(found, drawn),
    ]
    if drawn and dictionary is not None and isinstance(bed, Testbed):
        best = found.best(drawn)
        by_number = {one.latent: one for one in best}
        shown = latent_examples(dictionary, bed, [one.latent for one in best], n_top=4, n_spread=2)
        body += [latent_section(one, bed, note=_note(by_number[one.latent])) for one in shown]
    return whole_page(title, body)


def _scorers(found: Explained) -> str:
    headings = ("scorer", "mean", "95 % over latents", "median", "quartiles", "shuffled", "judge wrong", "rank truth")
    rows: list[list[str]] = []
    for one in found.summaries:
        errors = one.details.get("judge_errors")
        wrong = f"{number(errors['e_pos'][0])}, {number(errors['e_neg'][0])}" if errors else "-"
        rows.append(
            [
                escape(one.scorer),
                number(one.mean),
                escape(over_latents(one)),
                number(one.median),
                f"{number(one.quartiles[0])} to {number(one.quartiles[1])}",
                number(one.null),
                wrong,
                number(one.truth),
            ]
        )
    mean, (low, middle, high), _, _ = executed(found)
    spread = f"{number(low)} to {number(high)}"
    rows.insert(0, ["executed F1", number(mean), "-", number(middle), spread, "-", "-", "-"])
    return f'<div class="overview explained">{table(headings, rows)}</div>'


def _latents(found: Explained, linked: int) -> str:
    scorers = [one.scorer for one in found.summaries]
    headings = ("latent", "fires when", "precision", "recall", "F1", "fires", *scorers)
    rows: list[list[str]] = []
    for i, one in enumerate(found.best()):
        words = escape(one.text) if one.text else f"<small>{escape(one.failure)}</small>"
        rows.append(
            [
                f'<a href="#latent-{one.latent}">{one.latent}</a>' if i < linked else str(one.latent),
                f'<div class="said">{words}</div>',
                *(_exact(one, name) for name in ("precision", "recall", "f1")),
                f"{100 * one.rate:.2g}&nbsp;%",
                *(number(_value(one.scores[name]["value"])) for name in scorers),
            ]
        )
    return f'<div class="overview explained words">{table(headings, rows)}</div>'


def _exact(one: ExplainedLatent, name: str) -> str:
    if name not in one.exact:
        return "-"
    value, low, high = one.exact[name]
    return f"{number(value)} <small>{escape(interval_text(low, high))}</small>"


def _note(one: ExplainedLatent) -> str:
    """What the latent is said to fire on, in a panel."""
    if one.failure:
        return f'<div class="notes"><p>No explanation: {escape(one.failure)}.</p></div>'
    lines = [f"<p>Fires when: <b>{escape(one.text)}</b> <small>({escape(one.source)})</small></p>"]
    if one.predicate and one.predicate != one.text:
        lines.append(f"<p>Executed as: {escape(one.predicate)}</p>")
    if one.exact:
        facts = "; ".join(f"{name} {_exact(one, name)}" for name in ("precision", "recall", "f1"))
        lines.append(f"<p>{facts}</p>")
    else:
        lines.append("<p>It could not be executed, so that precision and recall are not known.</p>")
    scores = "; ".join(
        f"{escape(name)} {number(_value(score['value']))} <small>(shuffled {number(_value(score.get('null')))})</small>"
        for name, score in one.scores.items()
    )
    return f'<div class="notes">{"".join(lines)}<p>{scores}</p></div>'


def _value(value: float | None) -> float:
    return float("nan") if value is None else float(value)
