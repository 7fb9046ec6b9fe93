"""Judged judges for terminals."""

import math
from typing import TYPE_CHECKING, Any

from .agreement import PUBLISHED, PUBLISHED_NAMES, Figure

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from .result import JudgesJudged


def table(made: "JudgesJudged") -> "Group":
    """Agreement with the truth, corruptions, negatives, samplings, noise, and the scorers among themselves."""
    from rich.console import Group
    from rich.text import Text

    about = made.about
    note = (
        f"{about['testbed']}: {len(made.records)} explanations of "
        f"{sum(one['latents'] for one in about['dictionaries'])} latents. Truth: F1 of the explanation, executed at "
        "every reporting position. Intervals: 95 %, bootstrap over latents."
    )
    parts = (_agreement, _ladder, _negatives, _samplings, _kinds, _noise, _robustness, _between)
    return Group(Text(note, style="dim"), *(part(made) for part in parts))


def _agreement(made: "JudgesJudged") -> "Table":
    shown = _table("Does a score rank explanations as the truth does?", "scorer")
    for name in (
        "all: rho",
        "found ones: rho",
        "one latent's: rho",
        "AUROC for F1 >= .8",
        "rest: rho with rate",
    ):
        shown.add_column(name, justify="right")
    rest = made.prevalence()
    for name, row in made.agreement().items():
        shown.add_row(name, *(str(row[key]) for key in ("all", "found", "within", "good")), str(rest[name]))
    return shown


def _ladder(made: "JudgesJudged") -> "Table":
    names = [name for name in made.scorers if " | " not in name]
    shown = _table("What each scorer says of explanations of known truth (means)", "explanation")
    for name in ("n", "F1", "precision", "recall", *names):
        shown.add_column(name, justify="right")
    for row in made.ladder():
        truth = [_two(row[name]) for name in ("f1", "precision", "recall")]
        shown.add_row(row["variant"], str(row["n"]), *truth, *(_two(row["scores"][name].value) for name in names))
    return shown


def _negatives(made: "JudgesJudged") -> "Table":
    shown = _table("Which negatives mislead? Detection of explanations whose true F1 is at most .5", "negatives")
    for name in ("rho with the truth", "mean score", "share scored >= .8", "n"):
        shown.add_column(name, justify="right")
    for row in made.negatives():
        cells = (str(row["agreement"]), _two(row["believed"]), _two(row["overrated"]), str(row["n"]))
        shown.add_row(row["negatives"], *cells)
    return shown


def _samplings(made: "JudgesJudged") -> "Table":
    shown = _table("Which sampling misleads? What an explainer finds from 20 examples", "examples")
    for name in ("true F1", "precision", "recall", "detection"):
        shown.add_column(name, justify="right")
    for row in made.samplings():
        more = (" + 20 silent" if row["contrast"] else "") + (", exam's games too" if row["leak"] else "")
        shown.add_row(row["sampling"] + more, *(str(row[name]) for name in ("f1", "precision", "recall", "detection")))
    return shown


def _kinds(made: "JudgesJudged") -> "Table":
    names = [name for name in made.scorers if " | " not in name]
    shown = _table("Trained against random (means)", "dictionary", "explanation")
    for name in ("true F1", *names):
        shown.add_column(name, justify="right")
    for row in made.kinds():
        cells = [_two(row["scores"][name].value) for name in names]
        shown.add_row(row["kind"], row["variant"], _two(row["f1"].value), *cells)
    return shown


def _noise(made: "JudgesJudged") -> "Table":
    shown = _table("Noise of the exam's draw, and judges that err", "scorer")
    for name in ("reseed SD", "SD between latents", "discriminability", "seen - expected"):
        shown.add_column(name, justify="right")
    errors = {f"detection | errs {row['error']:g}": row for row in made.judge_errors()}
    for name, row in made.noise().items():
        off = f"{errors[name]['off']:+.3f} (SD {errors[name]['sd']:.3f})" if name in errors else "-"
        cells = (f"{row['reseed_sd']:.3f}", f"{row['between_sd']:.3f}", _two(row["discriminability"]))
        shown.add_row(name, *cells, off)
    return shown


def _robustness(made: "JudgesJudged") -> "Table":
    shown = _table("Prompts and failures: detection of the best explanations of trained SAEs", "what", "setting")
    for name in ("mean", "latents scored", "answers failed"):
        shown.add_column(name, justify="right")
    rows = [row for row in made.robustness if row["kind"] == "trained"]
    for what, setting in dict.fromkeys((row["what"], row["setting"]) for row in rows):
        mine = [row for row in rows if (row["what"], row["setting"]) == (what, setting)]
        scored = sum(row["scored"] for row in mine)
        total = sum(row["detection"] * row["scored"] for row in mine if row["detection"] is not None)
        cells = (f"{scored} of {sum(row['latents'] for row in mine)}", str(sum(row["failed"] for row in mine)))
        shown.add_row(what, setting, f"{total / scored:.3f}" if scored else "-", *cells)
    return shown


def _between(made: "JudgesJudged") -> "Table":
    names, rho = made.between_scorers()
    shown = _table("Scorers among themselves: rho; in brackets what was published for latents of a language model", "")
    for name in names:
        shown.add_column(name, justify="right")
    for i, name in enumerate(names):
        shown.add_row(name, *(_beside(rho[i, j], name, other) for j, other in enumerate(names)))
    return shown


def _beside(rho: float, a: str, b: str) -> str:
    if a in PUBLISHED_NAMES and b in PUBLISHED_NAMES and a != b:
        return f"{_two(rho)} ({PUBLISHED[PUBLISHED_NAMES.index(a), PUBLISHED_NAMES.index(b)]:.2f})"
    return _two(rho)


def _table(title: str, *columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in columns:
        made.add_column(name)
    return made


def _two(value: Any) -> str:
    value = value.value if isinstance(value, Figure) else value
    return "-" if value is None or math.isnan(value) else f"{value:.2f}"
