"""Whatever results are at hand, read for the figures: reports, explanations, judged judges, curves, reproductions."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..curves.result import Curve
from ..explaining.result import SCHEMA as EXPLANATIONS
from ..explaining.result import Explained
from ..judging.result import SCHEMA as JUDGES
from ..judging.result import JudgesJudged
from ..metrics import METRICS
from ..metrics.core import PROPERTIES as CORE
from ..metrics.core_behaviour import PROPERTIES as CORE_BEHAVIOUR
from ..metrics.score import Score
from ..report import Report
from .naming import SAE, described
from .reading import key_of, read_report

_PART = {"records", "sampling", "reseeds", "robustness", "about", "settings"}  # of a dictionary, as judging keeps it
NAN = math.nan


@dataclass(frozen=True)
class Results:
    """What was found.

    Attributes:
        saes: one a dictionary, testbed, seed and number of games; scores of several files are put together.
        explained: explanations of dictionaries.
        judged: judged judges, by testbed.
        curves: scores along training.
        karvonen: contents of `fiducial reproduce karvonen2024`.
        makelov: contents of `fiducial reproduce makelov2024`.
        other: files that are none of these, counted by what they are.
        files: files that were read.
    """

    saes: tuple[SAE, ...] = ()
    explained: tuple[Explained, ...] = ()
    judged: tuple[JudgesJudged, ...] = ()
    curves: tuple[Curve, ...] = ()
    karvonen: tuple[Mapping[str, Any], ...] = ()
    makelov: tuple[Mapping[str, Any], ...] = ()
    other: Mapping[str, int] | None = None
    files: int = 0

    def told(self) -> str:
        """What there is, in a line."""
        parts = [
            f"{len(getattr(self, name))} {words}"
            for name, words in (
                ("saes", "scored dictionaries"),
                ("explained", "sets of explanations"),
                ("judged", "sets of judged judges"),
                ("curves", "training curves"),
                ("karvonen", "reproductions of karvonen2024"),
                ("makelov", "reproductions of makelov2024"),
            )
            if getattr(self, name)
        ]
        left = ", ".join(f"{n} {kind}" for kind, n in (self.other or {}).items())
        return (", ".join(parts) or "nothing to draw") + (f"; left aside: {left}" if left else "")

    def testbeds(self, *metrics: str, least: int = 1) -> list[str]:
        """Testbeds with at least so many dictionaries that have all of the metrics, in order of first appearance."""
        names = dict.fromkeys(sae.testbed for sae in self.saes)
        return [name for name in names if len(self.on(name, *metrics)) >= least]

    def on(self, testbed: str, *metrics: str, checkpoints: bool = False) -> list[SAE]:
        """Dictionaries of a testbed that have all of the metrics; trained ones only, or checkpoints with them."""
        return [
            sae
            for sae in self.saes
            if sae.testbed == testbed and sae.has(*metrics) and not sae.twin and (checkpoints or sae.step is None)
        ]


Given = "str | Path | Report | Explained | JudgesJudged | Curve | Results"


def gather(results: Any, *, say: Callable[[str], None] = lambda line: None) -> Results:
    """Read results of any kind that the figures know.

    Args:
        results: files, folders (searched for .json and .jsonl, except in hidden folders), `Report`, `Explained`,
            `JudgesJudged`, `Curve` objects, or several of them in a sequence.
        say: told now and then how far it is.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: nothing among them that a figure could draw, or a file that is named itself and cannot be read.
        TypeError: an object of another kind.
    """
    if isinstance(results, Results):
        return results
    given = [results] if isinstance(results, str | Path) or not isinstance(results, Iterable) else list(results)
    found = _Found()
    for one in given:
        if isinstance(one, str | Path):
            _read(Path(one), found, say)
        elif not found.take(one):
            raise TypeError(
                "figures are drawn from paths, reports, explanations, judged judges or curves, got "
                f"{type(one).__name__}"
            )
    made = found.results()
    if not any((made.saes, made.explained, made.judged, made.curves, made.karvonen, made.makelov)):
        read = f"{made.files} JSON files" + (f" ({made.told().partition(': ')[2]})" if made.other else "")
        raise ValueError(
            f"no results in {', '.join(map(str, given)) or 'an empty list'}: {read} were read, none of them a report; "
            "`fiducial score SAE -t othello-6x6 -o results` makes one"
        )
    return made


class _Found:
    """What has been read so far."""

    def __init__(self) -> None:
        self.saes: list[tuple[tuple[Any, ...], SAE]] = []
        self.kept: dict[str, list[Any]] = {
            name: [] for name in ("explained", "judged", "curves", "karvonen", "makelov")
        }
        self.parts: dict[Path, list[Mapping[str, Any]]] = {}
        self.other: dict[str, int] = {}
        self.files = 0

    def take(self, one: Any, source: str = "") -> bool:
        """Keep an object; False if it is of no known kind."""
        if isinstance(one, Report):
            sae = described(one.dictionary, one.testbed, one.scores, one.controls, one.provenance, source)
            self.saes.append((key_of(sae, one.provenance), sae))
            return True
        for name, kind in (("explained", Explained), ("judged", JudgesJudged), ("curves", Curve)):
            if isinstance(one, kind):
                self.kept[name].append(one)
                return True
        return False

    def left(self, kind: str) -> None:
        self.other[kind] = self.other.get(kind, 0) + 1

    def results(self) -> Results:
        for folder, parts in sorted(self.parts.items()):
            settings = {"testbed": folder.name, **parts[0]["settings"]}
            self.kept["judged"].append(JudgesJudged.of(parts, settings))
        together: dict[tuple[Any, ...], SAE] = {}
        for key, sae in self.saes:
            if (before := together.get(key)) is None:
                together[key] = sae
                continue
            controls = {
                name: {**sae.controls.get(name, {}), **before.controls.get(name, {})}
                for name in {**before.controls, **sae.controls}
            }
            scores = {**sae.scores, **before.scores}
            l0 = before.l0 if "l0" in before.scores or "l0" not in sae.scores else sae.l0
            together[key] = replace(before, scores=scores, controls=controls, l0=l0)
        saes = tuple(sorted(together.values(), key=lambda sae: (sae.testbed, sae.arch, sae.width, sae.l0, sae.name)))
        kept: dict[str, Any] = {name: tuple(values) for name, values in self.kept.items()}
        return Results(saes=saes, other=dict(sorted(self.other.items())), files=self.files, **kept)


def _read(path: Path, found: _Found, say: Callable[[str], None]) -> None:
    if path.is_file():
        found.files += 1
        _read_file(path, found, strict=True)
        return
    if not path.is_dir():
        raise FileNotFoundError(
            f"no file or folder {path}; figures are drawn from results of `fiducial score -o {path}`"
        )
    files = sorted(
        file
        for suffix in ("json", "jsonl")
        for file in path.rglob(f"*.{suffix}")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    for number, file in enumerate(files, 1):
        found.files += 1
        _read_file(file, found, strict=False)
        if number % 50 == 0:
            say(f"{number} of {len(files)} files read")


def _read_file(path: Path, found: _Found, *, strict: bool) -> None:
    """Find out what a file is, and keep it.

    Raises:
        ValueError: `strict`, and it is nothing that figures are drawn from.
    """
    try:
        if path.suffix == ".jsonl":
            found.take(Curve.read(path))
            return
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if strict:
            raise ValueError(f"{path} is no result that figures are drawn from: {error}") from None
        found.left("files that are no whole JSON" if path.suffix == ".json" else "logs")
        return
    kind = _kind(content)
    try:
        if kind == "report":
            found.saes.append(read_report(content, path.name))
        elif kind == "explained":
            found.take(Explained.from_json(path))
        elif kind == "judged":
            found.take(JudgesJudged.from_json(path))
        elif kind == "part":
            found.parts.setdefault(path.parent, []).append(content)
        elif kind in ("karvonen", "makelov"):
            found.kept[kind].append(content)
        elif kind == "population":
            found.saes.extend(_population(content, path.name))
        elif strict:
            raise ValueError(f"{path} is {kind}, which no figure is drawn from")
        else:
            found.left(kind)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if strict:
            raise ValueError(f"{path} is no whole result: {type(error).__name__}: {error}") from error
        found.left(f"files that cannot be read ({str(error).partition(': ')[2][:60]})")


def _kind(content: Any) -> str:
    if not isinstance(content, dict):
        return "other JSON"
    keys = set(content)
    if "metrics" in keys and "schema_version" in keys:
        return "report"
    if content.get("schema") == EXPLANATIONS:
        return "explained"
    if content.get("schema") == JUDGES:
        return "judged"
    if keys >= _PART:
        return "part"
    if keys >= {"cells", "world", "n_dictionaries"}:
        return "karvonen"
    if keys >= {"rows", "task", "refused"}:
        return "makelov"
    if keys >= {"saes", "matrix", "directions"}:
        return "population"
    if "eval_type_id" in keys:
        return "files in SAEBench's format"
    return "certificates" if {"metrics", "lenses"} <= keys else "other JSON"


def _population(content: Mapping[str, Any], source: str) -> Iterable[tuple[tuple[Any, ...], SAE]]:
    """SAEs of `fiducial reproduce saebench`: scores without intervals, a random and a right dictionary beside them."""
    about = content.get("about", {})
    right = about.get("right", "")
    references: Mapping[str, Mapping[str, float]] = content.get("references", {})

    def bounds(metric: str, *, ceiling: bool) -> dict[str, float]:
        record = METRICS.get(metric)
        if record is None or record.direction == "none":
            return {}
        if ceiling and metric in {**CORE, **CORE_BEHAVIOUR}:  # the right dictionary rebuilds less than it explains
            return {"perfect": record.high} if record.high == 1 else {}
        return {
            name: scores[metric]
            for name, scores in references.items()
            if (name == right) == ceiling and scores.get(metric) is not None
        }

    for one in content["saes"]:
        scores = {
            metric: Score(
                metric, value, NAN, NAN, floors=bounds(metric, ceiling=False), ceilings=bounds(metric, ceiling=True)
            )
            for metric, value in one["scores"].items()
            if value is not None
        }
        sae = SAE(
            one["name"], content["name"], one["arch"], one["scores"].get("l0") or one["l0_wanted"], one["width"],
            one["seed"], one["step"], int(about.get("games") or 0), scores, {}, source, bool(one["twin"]),
        )  # fmt: skip
        yield ((sae.testbed, source, sae.name, sae.twin), sae)


def names_of(saes: Sequence[SAE]) -> str:
    """How many dictionaries, of how many architectures and widths, on how many games, in words."""
    archs = len({sae.arch for sae in saes})
    widths = sorted({sae.width for sae in saes if sae.width})
    games = sorted({sae.games for sae in saes if sae.games})
    text = f"{len(saes)} dictionaries of {archs} architecture{'s' if archs != 1 else ''}"
    if widths:
        text += f", {' and '.join(map(str, widths))} latents wide"
    return text + (f", scored on {' or '.join(map(str, games))} games" if games else "")
