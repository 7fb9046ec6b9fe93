"""Explanations as rich tables: no score without its interval, its null and what the truth says."""

import re
from collections import Counter
from collections.abc import Mapping
from math import isnan, nan
from typing import TYPE_CHECKING

from ..metrics.llm.plan import Plan
from ..report_compare import ABSENT, interval_text, number, printable
from .natural import NATURAL_F1
from .result import Explained, ExplainedLatent, Summary

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_NUMBERS = re.compile(r"^\d+ of \d+ examples failed, most often: ")  # they differ from latent to latent
_SHOWN = 10  # latents in the table; all are in the file and on the page
_WIDTH = 64


def table(found: Explained, n: int = _SHOWN) -> "Group":
    """Scorers over all latents, then the latents whose explanations are truest.

    Args:
        found: what was explained.
        n: latents in the second table.
    """
    from rich.console import Group
    from rich.text import Text

    lines = [Text(printable(line)) for line in said(found)]
    return Group(_scorers(found), _latents(found, n), *lines)


def said(found: Explained) -> list[str]:
    """What has to be known of the run, in sentences."""
    n = len(found.latents)
    failed = sum(bool(one.failure) for one in found.latents)
    lines = [
        f"{n} latent{'s' * (n != 1)} explained by {found.settings['explainer']}, judged by {found.settings['judge']}; "
        f"{found.settings['sampling']} examples, {found.settings['negatives']} negatives"
        + (f"; {failed} without an explanation" if failed else "")
    ]
    executed = sum(bool(one.exact) for one in found.latents)
    if executed < n:
        lines.append(f"{executed} of {n} explanations could be executed; precision and recall are theirs alone")
    if found.dropped:
        rest = "; ".join(f"{count} {reason}" for reason, count in found.dropped.items())
        lines.append(f"not explained: {rest}")
    copies = [float(one.meta["copied"]) for one in found.latents if "copied" in one.meta]
    if copies and max(copies) > 0:
        lines.append(
            f"{100 * sum(copies) / len(copies):.2g} % of the active examples repeat a position that the explainer saw: "
            "games begin alike"
        )
    for one in found.summaries:
        if one.failed and one.scorer != NATURAL_F1:  # that is made of detection, which says it
            reasons: Counter[str] = Counter()
            for reason, count in one.failed.items():
                reasons[_NUMBERS.sub("too many answers failed, most often: ", reason)] += count
            why = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            lines.append(f"{one.scorer} has no value for {sum(one.failed.values())} of {n} latents: {why}")
        if left := one.details.get("not_asked"):
            lines.append(f"{one.scorer} was asked of {n - left} of {n} latents")
        if answers := one.details.get("answers_failed"):
            why = "; ".join(f"{count} {reason}" for reason, count in sorted(answers.items(), key=lambda kv: -kv[1])[:3])
            lines.append(f"{one.scorer}: answers that are not scored: {why}")
    if n < 2:
        lines.append("a single explanation cannot be shuffled, and has no interval over latents: explain two or more")
    for name, reason in found.settings.get("not asked", {}).items():
        lines.append(f"{name} was not asked: {reason}")
    return lines


def _scorers(found: Explained) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(printable(f"Explanations of {found.dictionary} on {found.testbed}"), style="bold")
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("scorer", no_wrap=True)
    for heading in (
        "mean [95 %]",
        "median (quartiles)",
        "shuffled",
        "judge wrong (no, yes)",
        "precision",
        "rank truth",
    ):
        made.add_column(heading, justify="right", min_width=6)  # in a narrow terminal cells take more lines
    made.add_column("failed", justify="right", min_width=6)
    made.add_row(*_executed(found))
    for one in found.summaries:
        made.add_row(*_scorer(one))
    return made


def executed(found: Explained) -> tuple[float, tuple[float, float, float], float, int]:
    """The exact F1 over latents, which the scorers are held against: mean, quartiles, mean precision, latents without.

    NaN where nothing could be executed.
    """
    import numpy as np

    def known(name: str) -> list[float]:
        values = (one.exact[name][0] for one in found.latents if name in one.exact)
        return [value for value in values if not isnan(value)]

    f1, precision = known("f1"), known("precision")
    low, middle, high = np.quantile(f1, [0.25, 0.5, 0.75]).tolist() if f1 else [nan] * 3
    mean = float(np.mean(f1)) if f1 else nan
    return mean, (low, middle, high), float(np.mean(precision)) if precision else nan, len(found.latents) - len(f1)


def _executed(found: Explained) -> list[str]:
    mean, (low, middle, high), precision, without = executed(found)
    spread = ABSENT if isnan(mean) else f"{number(middle)} ({number(low)}, {number(high)})"
    return ["executed F1", number(mean), spread, ABSENT, ABSENT, number(precision), ABSENT, str(without)]


def over_latents(one: Summary) -> str:
    """The interval of a mean; there is none of one latent."""
    return interval_text(one.low, one.high) if one.n > 1 else ABSENT


def _scorer(one: Summary) -> list[str]:
    errors = one.details.get("judge_errors")
    wrong = f"{number(errors['e_pos'][0])}, {number(errors['e_neg'][0])}" if errors else ABSENT
    low, high = one.quartiles
    return [
        one.scorer,
        f"{number(one.mean)} {over_latents(one)}",
        f"{number(one.median)} ({number(low)}, {number(high)})",
        number(one.null),
        wrong,
        number(one.details["natural_precision"]) if "natural_precision" in one.details else ABSENT,
        number(one.truth),
        str(sum(one.failed.values())),
    ]


def _latents(found: Explained, n: int) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("latent", justify="right")
    made.add_column("fires when", overflow="fold", min_width=18, max_width=_WIDTH)
    made.add_column("precision [95 %]", justify="right", min_width=9)
    made.add_column("recall [95 %]", justify="right", min_width=9)
    made.add_column("fires", justify="right", no_wrap=True)
    for one in found.best(n):
        made.add_row(
            str(one.latent),
            Text(printable(one.text or f"- ({one.failure})")),  # brackets in it are no markup
            _with_interval(one, "precision"),
            _with_interval(one, "recall"),
            f"{100 * one.rate:.2g} %",
        )
    if len(found.latents) > n:
        made.caption = f"the {n} truest of {len(found.latents)}; all are in the files"
    return made


def _with_interval(one: ExplainedLatent, name: str) -> str:
    if name not in one.exact or isnan(one.exact[name][0]):
        return ABSENT
    value, low, high = one.exact[name]
    return f"{number(value)} {interval_text(low, high)}"


def plan_table(plans: Mapping[str, Plan], model: str, endpoint: str) -> "Table":
    """Requests, tokens and price by what they are for, and in all."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(printable(f"Plan: {model} at {endpoint}"), style="bold")
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("for")
    for heading in (
        "requests",
        "in the cache",
        "to send",
        "input tokens",
        "output tokens, at most",
        "USD, at most about",
    ):
        made.add_column(heading, justify="right", no_wrap=True)
    for name, one in plans.items():
        made.add_row(name, *_counts(one))
    if plans:
        total = None
        for one in plans.values():
            total = one if total is None else total + one
        assert total is not None
        made.add_section()
        made.add_row("all", *_counts(total))
        made.caption = f"tokens by {total.counted_by}; explanations still to come are reckoned at ordinary length"
    return made


def _counts(one: Plan) -> list[str]:
    usd = "no prices" if one.usd is None else f"{one.usd:,.2f}"
    tokens = (one.requests, one.cached, one.to_send, one.prompt_tokens, one.completion_tokens)
    return [*(f"{count:,}" for count in tokens), usd]
