"""One self-contained HTML page about any number of reports: style, data and scripts in one file, nothing loaded.

The content security policy forbids every request and every script but the one in the page, by its checksum. Data stand
in the page as JSON that no parser of HTML takes for markup; the scripts bring text to the page as text nodes only.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..report import Report, write_atomically
from ..report_compare import printable
from ..report_svg import escape
from .certificates import certificate_blocks, default_certificates
from .data import page_data
from .overview import overview, sentences

_BREAKS = re.compile(r"[\t\r\n]+")
_FIRST, _LAST = "base", "start"  # the other files of each kind stand between them, by name
_SCRIPTING = """<noscript><p class="notes">The chart, the tables that sort and the page of each SAE need JavaScript,
which is off here. The main scores stand below.</p></noscript>"""


def write_html(
    reports: Sequence[Report],
    path: str | os.PathLike[str],
    *,
    explanations: Sequence[Mapping[str, Any]] = (),
    certificates: Sequence[Any] | None = None,
    extra: str = "",
    sources: Sequence[str] = (),
) -> Path:
    """Write one page about any number of reports, whole or not at all.

    Args:
        reports: at least one.
        path: of the file.
        explanations: blocks about latents, as from `reporting.latents.latents_from`.
        certificates: contents of certificate files that stand beside or in place of the shipped ones; None for the
            shipped ones alone.
        extra: ready-made HTML that stands before the provenance; what is data in it must be escaped.
        sources: name of the file of each report, or none at all.

    Raises:
        ValueError: no reports, or a certificate that is none.
    """
    text = page(reports, explanations=explanations, certificates=certificates, extra=extra, sources=sources)
    return write_atomically(path, text)


def page(
    reports: Sequence[Report],
    *,
    explanations: Sequence[Mapping[str, Any]] = (),
    certificates: Sequence[Any] | None = None,
    extra: str = "",
    sources: Sequence[str] = (),
) -> str:
    """The whole page as text; see `write_html`."""
    blocks = certificate_blocks([*default_certificates(), *(certificates or ())])
    data = page_data(reports, explanations=explanations, certificates=blocks, sources=sources)
    title = escape(f"fiducial: {data['title']}")
    style, program = style_sheet(), script()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{checksum(program)}'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n"
        '<header class="top"><span class="brand">fiducial</span><span id="tools"></span></header>\n'
        f'<main id="main"><h1>{escape(data["title"])}</h1>\n{sentences(data["headline"])}{_SCRIPTING}\n'
        f'<div id="page"></div>\n<div id="extra">{extra}</div>\n'
        f"<noscript>{overview(data)}</noscript></main>\n"
        f'<script type="application/json" id="data">{in_html(data)}</script>\n'
        f"<script>{program}</script>\n</body></html>\n"
    )


def in_html(data: Any) -> str:
    """JSON as it may stand in a script element: no `<`, no line separators, nothing that could not be written."""
    text = json.dumps(_printable(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def checksum(program: str) -> str:
    """The source of an inline script as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()


@cache
def script() -> str:
    """All scripts of the page in one function of their own, so that they share names with nobody else."""
    parts = [f"// {name}\n{text}" for name, text in _files(".js")]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();"


@cache
def style_sheet() -> str:
    """All style sheets, one after another."""
    return "\n".join(text for _, text in _files(".css"))


def _files(ending: str) -> list[tuple[str, str]]:
    """Names and texts of the files of one kind, in the order in which they go."""
    folder = files(str(__package__)) / "web"
    names = [entry.name.removesuffix(ending) for entry in folder.iterdir() if entry.name.endswith(ending)]
    order = sorted(names, key=lambda name: (name != _FIRST, name == _LAST, name))
    return [(name + ending, (folder / (name + ending)).read_text(encoding="utf-8")) for name in order]


def _printable(value: Any) -> Any:
    """The same with texts that every browser can show: no control characters, nothing that turns the reading order."""
    if isinstance(value, str):
        return printable(_BREAKS.sub(" ", value))
    if isinstance(value, Mapping):
        return {printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return value
