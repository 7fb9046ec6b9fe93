"""Single latents as one self-contained, static HTML page: their best features, a histogram and positions on boards.

Like the report page it has no script and loads nothing; every text is escaped.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .latent_examples import Example, LatentExamples, latent_examples
from .report import write_atomically
from .report_compare import number
from .report_css import CSS
from .report_html import POLICY, figure, table
from .report_svg import Histogram, escape, histogram, shorten

if TYPE_CHECKING:
    from .models.dictionary import Dictionary
    from .testbed_catalogue import Testbed

_REFERENCES = re.compile(r'(\bid="|\bhref="#|url\(#)')
_TOKENS, _CHARACTERS = 5, 24  # of a game before the position shown
_STYLE = """
nav ul{columns:4 240px;padding-left:1.2rem}a{color:var(--bar)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--bar);outline-offset:2px}
.facts-and-chart{display:grid;gap:12px 24px;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.facts-and-chart>div{min-width:0}.facts-and-chart th,.facts-and-chart td{padding:.25rem .35rem}
.positions{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(100%,180px),1fr));padding:0;margin:0}
.positions li{list-style:none;font-size:.8rem;line-height:1.35;min-width:0;overflow-wrap:anywhere}
.positions b{font-weight:600}.positions code{font-size:.78rem}.yes{color:var(--ceiling)}.no{color:var(--floor)}
h2 small{font-size:.9rem}.said{text-align:left;min-width:14rem}
"""
_HOW_TO_READ = """
<p>Features and thresholds were chosen on one half of the games; every number and every position on this page is of the
other half. A latent predicts a feature where its activation reaches the threshold. <b>F1</b> counts those predictions;
<b>everywhere</b> is the F1 of predicting the feature at every position, which deserves no credit. Features stand in the
order of how far F1 rises above it (on the games that chose).</p>
<p><b>Strongest</b> positions are the highest activations, one a game at most and no two alike. They alone mislead: the
<b>ordinary</b> positions below them stand 10, 35, 60 and 85&nbsp;% down the list of all positions at which the latent
fires. Under each board: activation, game and ply, the last tokens, and whether the best feature holds
(<span class="yes">✓</span>) or not (<span class="no">✗</span>).</p>
"""


def write_latents(
    dictionary: "Dictionary",
    bed: "Testbed",
    path: str | os.PathLike[str],
    latents: Sequence[int] | None = None,
    **options: Any,
) -> Path:
    """Write the page of some latents of a dictionary; arguments and errors as of `latents_page`."""
    return write_atomically(path, latents_page(dictionary, bed, latents, **options))


def latents_page(dictionary: "Dictionary", bed: "Testbed", latents: Sequence[int] | None = None, **options: Any) -> str:
    """The page as text.

    Args:
        dictionary: reads activations of the testbed's hook point.
        bed: where; its world draws the boards.
        latents: numbers, in the order shown; None takes the `best` (12 by default).
        options: of `latent_examples`: `best`, `groups`, `n_matches`, `n_top`, `n_spread`, `n_bins`, `min_positives`.

    Raises:
        TypeError: something that is not a dictionary.
        ValueError: a dictionary of another width than the testbed, or latents that it does not have.
    """
    return examples_page(latent_examples(dictionary, bed, latents, **options), dictionary, bed)


def examples_page(shown: Sequence[LatentExamples], dictionary: "Dictionary", bed: "Testbed") -> str:
    """The page of latents that were looked at already (`latent_examples`), of a dictionary on a testbed."""
    title = f"Latents of {dictionary.name} on {bed.name}"
    names = dictionary.latent_names
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(shown)} of {dictionary.directions.shape[0]} latents at {escape(bed.hook)}; {bed.n_games} games of "
        f"seed {bed.seed}, {shown[0].n_positions} positions of the held-out half.</p>",
        f"<details open><summary>How to read this page</summary>{_HOW_TO_READ}</details>",
        _contents(shown),
        *(latent_section(one, bed, names[one.latent] if names else None) for one in shown),
    ]
    return whole_page(title, body)


def whole_page(title: str, body: Sequence[str]) -> str:
    """A page of latents: its parts under a title, in the style of all pages; nothing is loaded."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{CSS}{_STYLE}</style></head>\n<body><main>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


def _contents(shown: Sequence[LatentExamples]) -> str:
    items = [
        f'<li><a href="#latent-{one.latent}">{one.latent}</a> '
        + (f"{escape(one.matches[0].feature)} <small>{number(one.matches[0].f1)}</small>" if one.matches else "-")
        + "</li>"
        for one in shown
    ]
    return f'<nav aria-label="Latents"><ul>{"".join(items)}</ul></nav>'


def latent_section(one: LatentExamples, bed: "Testbed", name: str | None = None, note: str = "") -> str:
    """One latent as HTML.

    Args:
        one: what is shown of it.
        bed: its world draws the boards.
        name: of a supervised latent.
        note: ready-made HTML under the heading.
    """
    share = one.n_firing / one.n_positions
    heading = f"Latent {one.latent}" + (f" <small>{escape(name)}</small>" if name else "")
    parts = [f'<section id="latent-{one.latent}"><h2>{heading}</h2>{note}']
    if not one.n_firing:
        return f"{parts[0]}<p>It fires at none of the {one.n_positions} held-out positions.</p></section>"
    parts.append(
        f"<p>Fires at {one.n_firing} of {one.n_positions} held-out positions ({100 * share:.2g} %); largest activation "
        f"{number(one.maximum)}.</p>"
    )
    parts.append(f'<div class="facts-and-chart"><div><h3>Best features</h3>{_matches(one)}</div>')
    parts.append(f"<div><h3>Activations above 0</h3>{_histogram(one)}</div></div>")
    for title, examples, kind in (("Strongest", one.top, "top"), ("Ordinary", one.spread, "spread")):
        if examples:
            boards = [_board(e, one, bed, f"l{one.latent}-{kind}{i}") for i, e in enumerate(examples)]
            parts.append(f'<h3>{title} positions</h3><ul class="positions">{"".join(boards)}</ul>')
    return "".join([*parts, "</section>"])


def _matches(one: LatentExamples) -> str:
    if not one.matches:
        return "<p>None: no feature that this latent ever meets is common enough to count.</p>"
    headings = ("feature", "F1", "precision", "recall", "every&shy;where", "thresh&shy;old", "holds at")
    rows = [
        [
            f"{escape(m.feature)} <small>{escape(m.group)}</small>",
            *(number(x) for x in (m.f1, m.precision, m.recall, m.floor, m.threshold)),
            str(m.positives),
        ]
        for m in one.matches
    ]
    return table(headings, rows)


def _histogram(one: LatentExamples) -> str:
    best = one.matches[0] if one.matches else None
    where = f"{best.feature} holds" if best else "a feature holds"
    without, with_ = one.counts.tolist()
    drawn = histogram(
        Histogram(one.edges.tolist(), without, with_, best.threshold if best else None),
        title=f"Activations of latent {one.latent}",
        description=f"{sum(with_)} positions at which {where}, {sum(without)} others; numbers in the table",
        identifier=f"h{one.latent}",
    )
    edges = [number(edge) for edge in one.edges.tolist()]
    rows = [
        [f"{low} to {high}", str(b), str(a)]
        for low, high, a, b in zip(edges[:-1], edges[1:], without, with_, strict=True)
    ]
    key = f'<span class="swatch bar"></span>{escape(where)} <span class="swatch other"></span>it does not'
    return figure(f"<small>{key}</small>", drawn, table(["activation", "holds", "does not"], rows))


def _board(example: Example, one: LatentExamples, bed: "Testbed", identifier: str) -> str:
    """One position with its caption."""
    tokens = [int(token) for token in bed.transcripts.tokens[example.game]]
    drawn = unique_identifiers(bed.game.render(tokens, example.ply, format="svg"), identifier)
    before, last = last_tokens(bed.game.tokenizer.vocabulary, tokens[: example.position + 1])
    shown = f"{escape(before)}<b>{escape(shorten(last, 40))}</b>"
    caption = f"<b>{number(example.activation)}</b> game {example.game}, ply {example.ply}<br><code>{shown}</code>"
    if example.holds is not None:
        sign = '<span class="yes">✓' if example.holds else '<span class="no">✗ not:'
        caption += f"<br>{sign} {escape(one.matches[0].feature)}</span>"
    return f"<li>{drawn}{caption}</li>"


def last_tokens(vocabulary: Sequence[str], tokens: Sequence[int]) -> tuple[str, str]:
    """The end of a game as text: what stands before the last token (with an ellipsis where it is cut), and that."""
    letters = max(map(len, vocabulary[2:]), default=1) == 1
    shown = [vocabulary[token] for token in tokens[-(_CHARACTERS if letters else _TOKENS) :]]
    before = ("" if letters else " ").join(shown[:-1])
    cut = "…" if len(tokens) > len(shown) else ""
    return f"{cut}{before}{'' if letters else ' '}", "␣" if shown[-1] == " " else shown[-1]


def unique_identifiers(svg: str, prefix: str) -> str:
    """An SVG whose identifiers begin with a prefix, so that several can stand on one page."""
    return _REFERENCES.sub(lambda found: f"{found[0]}{prefix}-", svg)
