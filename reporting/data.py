"""What the page knows, as one JSON-ready mapping: reports, their bounds, groups, squares, features and provenance.

The scripts of the page (reporting/web) read nothing else. Numbers have five significant digits, NaN and infinities are
null, and bounds that several results share stand there once.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..metrics.score import Score
from ..report import Report
from ..report_compare import control_beats, group_values, lower_is_better
from .headline import headline
from .identity import identity
from .metric_records import metric_record
from .squares import squares_of
from .taxonomy import taxonomy

SCHEMA = 1
DIGITS = 5
_BOARD_DIGITS = 3  # a colour tells no more
FEATURES = 12  # best and worst of each metric
_FEW = 4  # places named in a sentence about a control that beats a dictionary
_WORLDS = {
    "othello": "Othello: which discs lie where, which moves are legal",
    "chess": "chess: which pieces stand where, which moves and tactics there are",
    "ioi": "sentences about who gave what to whom (indirect objects)",
    "synthetic": "a generated world whose features are known exactly",
}


def page_data(
    reports: Sequence[Report],
    *,
    explanations: Sequence[Mapping[str, Any]] = (),
    certificates: Sequence[Mapping[str, Any]] = (),
    sources: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        reports: at least one; those on other games of one testbed stand apart.
        explanations: blocks about latents, each with `dictionary`, `testbed` and `latent`.
        certificates: blocks of certificates, as the page's scripts read them.
        sources: name of the file of each report, or none at all.

    Raises:
        ValueError: no reports, or not one source for each.
    """
    if not reports:
        raise ValueError("a page needs at least one report, got none")
    if sources and len(sources) != len(reports):
        raise ValueError(f"sources name the file of each report: {len(reports)} reports, got {len(sources)} sources")
    places = _places(reports)
    by_place: dict[str, list[Report]] = {}
    for report, place in zip(reports, places, strict=True):
        by_place.setdefault(place, []).append(report)
    groups: dict[str, int] = {}
    shared, own = provenance(reports)
    bounds: dict[str, int] = {}
    latents = [dict(block) for block in explanations]
    names = _names(reports, places, sources)
    results = []
    for i, (report, place, facts) in enumerate(zip(reports, places, own, strict=True)):
        text = json.dumps(_bounds(report, groups), allow_nan=False)
        about = identity(report)
        results.append(
            {
                "id": f"r{i}",
                "name": names[i],
                "testbed": place,
                "arch": about.arch,
                "l0": rounded(about.l0),
                "width": about.width,
                "step": about.step,
                "run": about.run,
                "seed": report.provenance.get("seed"),
                "games": _of_testbed(report).get("games"),
                "source": sources[i] if sources else None,
                "bounds": bounds.setdefault(text, len(bounds)),
                **_scores(report, groups, _size(report)),
                "taxonomy": rounded(taxonomy(report.scores)),
                "latents": [
                    j
                    for j, block in enumerate(latents)
                    if (block.get("dictionary"), block.get("testbed")) == (report.dictionary, report.testbed)
                ],
                "warnings": list(report.warnings),
                "beats": control_beats(report, most=_FEW),
                "provenance": facts,
            }
        )
    scores = {key: score for report in reports for key, score in report.scores.items()}
    return {
        "schema": SCHEMA,
        "title": _title(reports, list(by_place)),
        "headline": headline(by_place),
        "metrics": {key: rounded(metric_record(key, score)) for key, score in scores.items()},
        "testbeds": {place: _testbed(of[0]) for place, of in by_place.items()},
        "groups": list(groups),
        "bounds": [json.loads(text) for text in bounds],
        "results": results,
        "latents": latents,
        "certificates": [dict(block) for block in certificates],
        "warnings": [*_versions(by_place), *_warnings(reports, places)],
        "provenance": shared,
    }


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """The same in JSON types, with numbers of so many significant digits; what is not finite is None."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value


def first_rank_on_top(report: Report) -> bool:
    """Whether the world of a report draws its first rank on top: Othello does, chess has it below."""
    return _game(report) == "othello"


def provenance(reports: Sequence[Report]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What is needed to repeat the scores, as dotted keys: what all reports share, and what is particular to each."""
    flat = [dict(_flatten(report.provenance)) for report in reports]
    shared = {key: value for key, value in flat[0].items() if all(other.get(key) == value for other in flat)}
    return shared, [{key: value for key, value in facts.items() if key not in shared} for facts in flat]


def _flatten(value: Any, key: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flatten(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        yield key, ", ".join(map(str, value))
    else:
        yield key, str(value)


def _title(reports: Sequence[Report], places: Sequence[str]) -> str:
    who = reports[0].dictionary if len(reports) == 1 else f"{len(reports)} results"
    return f"{who} on {', '.join(places) if len(places) < 5 else f'{len(places)} testbeds'}"


def _of_testbed(report: Report) -> Mapping[str, Any]:
    about = report.provenance.get("testbed")
    return about if isinstance(about, Mapping) else {}


def _places(reports: Sequence[Report]) -> list[str]:
    """Name of the testbed of each report, with the sample where a testbed has several: their floors differ."""
    samples = [(_of_testbed(r).get("games"), _of_testbed(r).get("seed", r.provenance.get("seed"))) for r in reports]
    several: dict[str, set[str]] = {}
    for report, sample in zip(reports, samples, strict=True):
        several.setdefault(report.testbed, set()).add(repr(sample))
    return [
        f"{report.testbed}, {games} games, seed {seed}" if len(several[report.testbed]) > 1 else report.testbed
        for report, (games, seed) in zip(reports, samples, strict=True)
    ]


def _names(reports: Sequence[Report], places: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Name of each dictionary; one that several results of a testbed share stands with what tells them apart."""
    keys = [(report.dictionary, place) for report, place in zip(reports, places, strict=True)]
    counts = Counter(keys)
    told = sources or [f"result {i + 1}" for i in range(len(reports))]
    return [f"{key[0]} ({source})" if counts[key] > 1 else key[0] for key, source in zip(keys, told, strict=True)]


def _versions(by_place: Mapping[str, Sequence[Report]]) -> list[str]:
    """What is not comparable on one testbed: metrics that were scored in several versions."""
    said: list[str] = []
    for place, reports in by_place.items():
        found: dict[str, set[int]] = {}
        for report in reports:
            for key, score in report.scores.items():
                found.setdefault(key, set()).add(score.version)
        said += [
            f"{place}: {key} stands here in versions {', '.join(map(str, sorted(versions)))} of its definition, whose "
            "numbers do not compare; score again what is older."
            for key, versions in found.items()
            if len(versions) > 1
        ]
    return said


def _game(report: Report) -> str | None:
    """`othello`, `chess`, `ioi`, `synthetic` or None: by the world that the provenance states, else by the name."""
    about = _of_testbed(report)
    named = str(about.get("game") or report.provenance.get("game") or report.testbed).lower()
    known = next((game for game in ("othello", "chess", "ioi") if game in named), None)
    synthetic = about.get("hook") == "the world itself" or "synth" in named or "hierarchical" in named
    return known or ("synthetic" if synthetic else None)


def _size(report: Report) -> int | None:
    """Squares along a side of the board, or None for a world without one."""
    game = _game(report)
    if game == "othello":
        named = f"{_of_testbed(report).get('game', '')} {report.testbed}"
        return 6 if "6x6" in named else 8
    return 8 if game == "chess" else None


def _testbed(report: Report) -> dict[str, Any]:
    game = _game(report)
    facts = _of_testbed(report)
    about = [_WORLDS[game]] if game else []
    if facts.get("hook") and game != "synthetic":
        about.append(f"read at {facts['hook']}")
    if facts.get("games"):
        about.append(f"{facts['games']} games, one half chooses, the other reports")
    return {
        "about": "; ".join(about),
        "game": game,
        "size": _size(report),
        "first_rank_on_top": first_rank_on_top(report),
    }


def _bounds(report: Report, groups: dict[str, int]) -> dict[str, Any]:
    """Floors and ceilings of every metric: value and interval, and the value of each group."""
    found: dict[str, Any] = {}
    for key, score in report.scores.items():
        block: dict[str, Any] = {}
        for role, values in (("floor", score.floors), ("ceiling", score.ceilings)):
            listed: dict[str, Any] = {}
            by_group: dict[str, Any] = {}
            for name, value in values.items():
                control = report.controls.get(name, {}).get(key)
                listed[name] = [value, *((control.low, control.high) if control else (None, None))]
                known = group_values(score, name, control)
                if at := {_index(groups, group): v for group, v in known.items() if group in score.groups}:
                    by_group[name] = at
            if listed:
                block[f"{role}s"] = listed
            if by_group:
                block[f"group_{role}s"] = by_group
        if block:
            found[key] = block
    return rounded(found)


def _index(names: dict[str, int], name: str) -> int:
    return names.setdefault(name, len(names))


def _scores(report: Report, groups: dict[str, int], size: int | None) -> dict[str, Any]:
    """Values, differences from the best floor, groups, squares and features, by metric."""
    values: dict[str, Any] = {}
    over: dict[str, Any] = {}
    by_group: dict[str, Any] = {}
    squares: dict[str, Any] = {}
    features: dict[str, Any] = {}
    for key, score in report.scores.items():
        values[key] = [score.value, score.low, score.high]
        if difference := score.details.get("over_floor"):
            over[key] = [difference.get(name) for name in ("difference", "low", "high", "floor", "paired")]
        if score.groups:
            nothing = (math.nan, math.nan)
            by_group[key] = [
                [_index(groups, group), value, *score.group_intervals.get(group, nothing)]
                for group, value in score.groups.items()
            ]
        if table := _features(score, groups):
            features[key] = table
    if size:
        for key, boards in squares_of(report.scores, size).items():
            squares[key] = {_index(groups, group): rounded(board, _BOARD_DIGITS) for group, board in boards.items()}
    scores = {"metrics": values, "over": over, "groups": by_group, "features": features}
    return {**rounded(scores), "squares": rounded(squares)}


def _features(score: Score, groups: dict[str, int]) -> dict[str, Any]:
    """The best and the worst features of a metric, and how many were too rare to count."""
    table = score.features
    if "feature" not in table or "value" not in table:
        return {}
    n = len(table["feature"])
    empty: list[Any] = [None] * n
    rare = [bool(x) for x in table.get("rare", empty)]
    known = [
        [str(name), _index(groups, str(group)), float(value), floor]
        for name, group, value, floor, is_rare in zip(
            table["feature"],
            table.get("group", ["features"] * n),
            table["value"],
            table.get("floor", empty),
            rare,
            strict=True,
        )
        if not is_rare and isinstance(value, int | float) and math.isfinite(value)
    ]
    ordered = sorted(known, key=lambda row: (row[2] if lower_is_better(score) else -row[2], row[0]))
    top, bottom = ordered[:FEATURES], ordered[FEATURES:][-FEATURES:]
    unreachable = score.details.get("n_unreachable", 0)
    return {
        "best": top,
        "worst": bottom[::-1],
        "rare": sum(rare),
        "unreachable": unreachable if isinstance(unreachable, int) else 0,
        "scored": len(known),
    }


def _warnings(reports: Sequence[Report], places: Sequence[str]) -> list[str]:
    """Every warning once, with where it was given."""
    found: dict[str, dict[str, int]] = {}
    for report, place in zip(reports, places, strict=True):
        for warning in report.warnings:
            at = found.setdefault(warning, {})
            at[place] = at.get(place, 0) + 1
    return [f"{', '.join(where)}: {warning}" for warning, where in found.items()]
