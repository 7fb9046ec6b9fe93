"""What `fiducial demo` says in a terminal: in short, then in five steps, each figure with interval, floor and ceiling.

Proxies first, as everybody has them; then the truth beside them; where the two part; what latents stand for; and which
of the metrics that say so can be trusted. Nothing is written beforehand: every sentence is made from the reports.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

from .explaining.brief import few
from .report_compare import ABSENT, Standing, interval_text, marker, number, printable, standing

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from .certify_result import Certificate
    from .explaining.result import Explained
    from .metrics.score import Score
    from .report import Report

PROXY, TRUTH = "explained_variance_score", "coverage"
_TICK, _WIDTH, _DOWN = "│", 16, "▼"
_ASKED = (PROXY, TRUTH, "reconstruction", "mcc_score", "legal_mass_score")


def story(
    reports: Sequence["Report"], explained: Sequence["Explained"], certificates: Sequence["Certificate"], page: Path
) -> list["RenderableType"]:
    """The parts of the story, for `rich.print`.

    Args:
        reports: of any number of dictionaries on any number of testbeds.
        explained: latents in words, one a testbed.
        certificates: of the metrics, as they ship.
        page: where the report page was written.
    """
    from rich.text import Text

    testbeds = list(dict.fromkeys(report.testbed for report in reports))
    chapters: list[RenderableType] = []

    chapters.append(Text(f"\n{in_short(reports)}"))

    def chapter(heading: str, *parts: "RenderableType | str") -> None:
        chapters.append(Text(f"\n{(len(chapters) + 1) // 2}. {heading}", style="bold"))
        texts = [Text(part) if isinstance(part, str) else part for part in parts if part]
        chapters.append(_group(texts))

    chapter("What everybody measures: do the SAEs rebuild what goes in?", proxies(reports))
    chapter(
        "What is known here: how many of the true features did they find?",
        "Coverage: for each known feature the F1 of its best latent, chosen on one half of the games and scored on the "
        "other. The floor is the best control (random dictionaries, an untrained model's SAE, the model's own neurons, "
        "...), the ceiling is fitted with the labels.",
        found(reports),
    )
    chapter("Where the two part", *parting(reports))
    chapter(
        "What single latents fire on",
        "Each latent gets the rule over known facts that fits it best on one half of the games. Precision (how often "
        "it fires where the rule holds) and recall (how often the rule holds where it fires) are of the other half.",
        *(few(one, n=3) for one in explained),
    )
    chapter("Whether the numbers themselves can be trusted", *trust(certificates))
    chapter("Go on", _commands(page, testbeds[0]))
    return chapters


def in_short(reports: Sequence["Report"]) -> str:
    """All of the story in a sentence or two: what the proxy says of all dictionaries, and what the truth says."""
    judged = [report for report in reports if TRUTH in report.scores and PROXY in report.scores]
    if not judged:
        return "In short: these results hold no explained variance beside a coverage."
    variance, coverage = ([report.scores[metric].value for report in judged] for metric in (PROXY, TRUTH))
    marks = [marker(report.scores[TRUTH]) for report in judged]
    return (
        f"In short: explained variance is {_ends(variance)} for all {len(judged)}; {TRUTH}, which asks how much of "
        f"what is known to be there they found, is {_ends(coverage)}. {marks.count('*')} of them find more than the "
        f"best control that deserves no credit, {marks.count(_DOWN)} find less, beyond noise."
    )


def proxies(reports: Sequence["Report"]) -> str:
    """What explained variance and legal moves say of all dictionaries together."""
    known = [report.scores[PROXY] for report in reports if PROXY in report.scores]
    if not known:
        return "No reconstruction was scored."
    floors = [at.floor_value for at in map(standing, known) if at.floor]
    said = (
        f"Explained variance is {_ends([one.value for one in known])} for all {len(known)}; a perfect dictionary has 1"
        + (f", the best control that learned no features {_ends(floors)}." if floors else ".")
    )
    legal = [report.scores["legal_top1_score"] for report in reports if "legal_top1_score" in report.scores]
    if legal:
        ceilings = [at.ceiling_value for at in map(standing, legal) if at.ceiling]
        said += (
            " With the SAE in place the model's first choice is allowed (a legal move) "
            f"{_ends([one.value for one in legal])} of the time (the model alone: {_ends(ceilings)})."
        )
    return said


def found(reports: Sequence["Report"]) -> "Table":
    """Coverage of every dictionary, beside its floor and ceiling; best first within a testbed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column("SAE", overflow="fold")
    made.add_column("explained variance [95 %]", overflow="fold", min_width=20)
    made.add_column(f"{TRUTH} [95 %]", overflow="fold", min_width=21)
    made.add_column(f"{_TICK} is the floor", overflow="fold", min_width=_WIDTH)
    testbeds = list(dict.fromkeys(report.testbed for report in reports))
    for testbed in testbeds:
        here = [report for report in reports if report.testbed == testbed and TRUTH in report.scores]
        if not here:
            continue
        ranked = sorted(here, key=lambda report: -report.scores[TRUTH].value)
        bounds = (Text(_bound(ranked, word), style="dim") for word in ("floor", "ceiling"))
        made.add_row(Text(printable(testbed), style="italic"), "", *bounds)
        for report in ranked:
            score, at = report.scores[TRUTH], standing(report.scores[TRUTH])
            made.add_row(
                Text(printable(report.dictionary), style="bold"),
                _beside(report.scores[PROXY]) if PROXY in report.scores else ABSENT,
                f"{_beside(score)}{marker(score)}",
                Text(_ruler(score.value, at), style="cyan"),
                end_section=report is ranked[-1],
            )
    made.caption = "* better, ▼ worse than the best floor, beyond noise; no mark: within noise. Bars end at the ceiling"
    made.caption_justify = "left"
    return made


def parting(reports: Sequence["Report"]) -> list[str]:
    """Dictionaries that a floor beats, and the pair that proxy and truth put in opposite order most clearly."""
    judged = [report for report in reports if TRUTH in report.scores]
    beaten = [report for report in judged if marker(report.scores[TRUTH]) == _DOWN]
    said = [
        f"{len(beaten)} of {len(judged)} SAEs find less of the truth than the best control does, beyond noise"
        + (f": {_listed(beaten)}." if beaten else ".")
    ]
    pairs = [
        (a, b)
        for a, b in permutations(judged, 2)
        if a.testbed == b.testbed and _above(a, b, PROXY) and _above(b, a, TRUTH)
    ]
    if not pairs:
        said.append("No two SAEs are put in opposite order by explained variance and coverage, beyond noise.")
        return said
    a, b = max(pairs, key=lambda pair: pair[1].scores[TRUTH].value - pair[0].scores[TRUTH].value)
    said.append(
        f"Pairs of SAEs that explained variance and coverage put in opposite order, beyond noise: {len(pairs)}. On "
        f"{a.testbed}, {a.dictionary} explains more variance than {b.dictionary} "
        f"({_beside(a.scores[PROXY])} against {_beside(b.scores[PROXY])}) and finds less "
        f"({_beside(a.scores[TRUTH])} against {_beside(b.scores[TRUTH])})."
    )
    return said


def trust(certificates: Sequence["Certificate"]) -> "list[RenderableType]":
    """What the certificates that ship say of the metrics above and some others."""
    from rich import box
    from rich.table import Table

    shown = [one for one in certificates if any(row.metric in _ASKED for row in one.rows)]
    if not shown:
        return ["no certificates ship; `fiducial certify` makes them"]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column("metric", no_wrap=True)
    for one in shown:
        made.add_column(f"on {one.provenance['testbed']}", overflow="fold")
    for metric in _ASKED:
        rows = [next((row for row in one.rows if row.metric == metric), None) for one in shown]
        made.add_row(metric, *(ABSENT if row is None else row.verdict for row in rows))
    made.caption = (
        "truth: does it rank trained SAEs as the truth does? gaming: can it be raised without raising the truth? "
        f"{ABSENT}: not certified there. All metrics and checks: the report page, or `fiducial certify`"
    )
    made.caption_justify = "left"
    return [made]


def shipped_certificates() -> list["Certificate"]:
    """The certificates that ship with the package, in the order of their names."""
    from .certify_result import Certificate

    folder = Path(__file__).parent / "data" / "certificates"
    return [Certificate.from_json(path) for path in sorted(folder.glob("*.json"))]


def _commands(page: Path, testbed: str) -> "Table":
    from rich.table import Table

    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    made.add_row(f"open {page}", "every score, group, board and latent")
    made.add_row(f"fiducial score YOUR_SAE -t {testbed}", "a sae_lens or dictionary_learning folder, or safetensors")
    made.add_row("fiducial score-arrays YOUR.npz", "latents and labels made elsewhere")
    made.add_row("fiducial metrics coverage", "all about one metric")
    return made


def _ruler(value: float, at: Standing) -> str:
    """A bar from 0 to the ceiling (or 1) with a tick at the floor."""
    top = at.ceiling_value if at.ceiling else 1.0

    def cells(share: float) -> int:
        return max(0, min(_WIDTH, round(share / top * _WIDTH))) if top > 0 else 0

    drawn = list(("█" * cells(value)).ljust(_WIDTH, "·"))
    if at.floor:
        drawn[min(cells(at.floor_value), _WIDTH - 1)] = _TICK
    return "".join(drawn)


def _above(a: "Report", b: "Report", metric: str) -> bool:
    """Whether `a` scores higher, with intervals that do not overlap."""
    return metric in a.scores and metric in b.scores and a.scores[metric].low > b.scores[metric].high


def _beside(score: "Score") -> str:
    return f"{number(score.value)} {interval_text(score.low, score.high)}"


def _bound(reports: Sequence["Report"], word: str) -> str:
    """Best floor or ceiling of the dictionaries of a testbed, with its name."""
    standings = [standing(report.scores[TRUTH]) for report in reports]
    named = [(getattr(at, word), getattr(at, f"{word}_value")) for at in standings if getattr(at, word)]
    if not named:
        return f"no {word}"
    names = dict.fromkeys(printable(name) for name, _ in named)
    return f"{word} {_ends([value for _, value in named])}, {_and(list(names))}"


def _ends(values: Sequence[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def _listed(reports: Sequence["Report"]) -> str:
    by_testbed: Mapping[str, list[str]] = {report.testbed: [] for report in reports}
    for report in reports:
        by_testbed[report.testbed].append(report.dictionary)
    parts = [f"{_and(names)} on {testbed}" for testbed, names in by_testbed.items()]
    return "; ".join(parts)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _group(parts: Sequence["RenderableType"]) -> "RenderableType":
    from rich.console import Group

    return Group(*parts)
