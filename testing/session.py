"""What the tests of one process have in common: testbeds that are made once, a store, defaults, and the scores made.

Nothing heavy is imported here: the plugin makes a session in every run of pytest, whether it is used or not.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .store import Store

if TYPE_CHECKING:
    from ..report import Report
    from ..synthetic_testbed import SyntheticTestbed
    from ..testbed_catalogue import AnyTestbed

GAMES = 200  # of a testbed, unless asked otherwise: enough for intervals of a hundredth or two
WORLD = "independent"  # the world of `synthetic_world`: 48 features in 64 dimensions


@dataclass(frozen=True)
class Record:
    """One score that a test asked for, for the summary at the end.

    Attributes:
        dictionary: name of the dictionary.
        testbed: name of the testbed.
        metric: name of the metric.
        value: the score.
        low: lower end of its 95 % interval.
        high: upper end.
        floor: name of the best floor, or None.
        floor_value: its value.
        ceiling: name of the best ceiling, or None.
        ceiling_value: its value.
        place: 0 at the floor, 1 at the ceiling; NaN where there is no room between them.
    """

    dictionary: str
    testbed: str
    metric: str
    value: float
    low: float
    high: float
    floor: str | None
    floor_value: float
    ceiling: str | None
    ceiling_value: float
    place: float

    def plain(self) -> dict[str, Any]:
        """As plain types, to be sent from worker to controller."""
        return asdict(self)


@dataclass(eq=False)
class Session:
    """The tests of one process.

    Attributes:
        games: games of a testbed unless asked otherwise; of a synthetic world blocks of a hundred rows.
        seed: of games and bootstrap.
        store: what outlives the process; made when first needed.
        folder: of that store; None for none.
        reports: folder in which whole reports are left for a page; None for none.
        beds: testbeds by all that was asked of them, each with what was asked, so that no other object gets its id.
        records: scores that the running test asked for.
    """

    games: int = GAMES
    seed: int = 0
    folder: Path | None = None
    reports: Path | None = None
    beds: dict[Any, Any] = field(default_factory=dict[Any, Any])
    records: list[Record] = field(default_factory=list[Record])
    _store: Store | None = None

    @property
    def store(self) -> Store:
        """Where captures, references and their scores are kept."""
        if self._store is None:
            self._store = Store(self.folder)
        return self._store

    @property
    def used_store(self) -> Store | None:
        """The store, if anything asked for it."""
        return self._store

    def testbed(
        self, name: str | None = None, *, games: int | None = None, seed: int | None = None, **options: Any
    ) -> "AnyTestbed":
        """A testbed by name, made once a process; what is slow to make is kept in the store.

        Args:
            name: one of `fiducial.testbeds()`; othello-6x6 by default.
            games: to score on.
            seed: of the games and of the bootstrap.
            options: `game`, `layer`, `site`, `device` as in `fiducial.testbed`.

        Raises:
            KeyError: an unknown name; close names are suggested.
            ValueError: as `fiducial.testbed` does.
        """
        from .kept_testbed import kept_testbed

        games = self.games if games is None else games
        seed = self.seed if seed is None else seed
        key = ("testbed", _which(name), games, seed, *((word, _which(options[word])) for word in sorted(options)))
        if key not in self.beds:
            made = kept_testbed(name, games=games, seed=seed, store=self.store, **options)
            self.beds[key] = made, name, options
        return self.beds[key][0]

    def world(self, world: Any = WORLD, *, games: int | None = None, seed: int | None = None) -> "SyntheticTestbed":
        """A testbed around a synthetic world.

        Args:
            world: its name, a `SyntheticConfig`, the fields of one as a mapping, or a world.
            games: blocks of a hundred rows.
            seed: of the rows.

        Raises:
            KeyError: an unknown name; close names are suggested.
            TypeError: something that is no world.
        """
        from .kept_testbed import kept_world

        games = self.games if games is None else games
        seed = self.seed if seed is None else seed
        key = ("world", _which(world), games, seed)
        if key not in self.beds:
            self.beds[key] = kept_world(world, games=games, seed=seed, store=self.store), world
        return self.beds[key][0]

    def remember(self, report: "Report", metrics: tuple[str, ...]) -> None:
        """Note scores for the summary, and leave the whole report for a page if there will be one."""
        from ..report_compare import standing

        for metric in metrics:
            score, at = report.scores[metric], standing(report.scores[metric])
            bounds = (at.floor, at.floor_value, at.ceiling, at.ceiling_value, at.normalised)
            self.records.append(
                Record(report.dictionary, report.testbed, metric, score.value, score.low, score.high, *bounds)
            )
        if self.reports is not None:
            _leave(report, self.reports)


def _which(asked: Any) -> Any:
    """What tells one thing that was asked for from another: plain values by value, games and worlds by identity."""
    if asked is None or isinstance(asked, str | int | float | Path):
        return asked
    if isinstance(asked, Mapping):
        return tuple((str(key), _which(asked[key])) for key in sorted(asked))
    if isinstance(asked, list | tuple):
        return tuple(map(_which, asked))
    if is_dataclass(asked) and not isinstance(asked, type):  # a configuration, compared by its fields
        with suppress(TypeError):  # unless they are arrays, say
            hash(asked)
            return asked
    return type(asked).__qualname__, id(asked)


def _leave(report: "Report", folder: Path) -> None:
    """Keep a report in a file named by what it is about; of one dictionary the report with most metrics stays."""
    from ..report import Report
    from .store import digest

    about = {"dictionary": report.dictionary, "testbed": report.testbed, "from": report.provenance.get("dictionary")}
    path = folder / f"{digest({**about, 'at': report.provenance.get('testbed')})}.json"
    if path.is_file():
        known = Report.from_json(path)
        if set(report.scores) <= set(known.scores):
            return
        report = Report(
            report.dictionary,
            report.testbed,
            {**known.scores, **report.scores},
            report.provenance,
            report.warnings,
            {
                name: {**known.controls.get(name, {}), **report.controls.get(name, {})}
                for name in dict.fromkeys((*known.controls, *report.controls))
            },
        )
    report.to_json(path)


_sessions: list[Session] = []  # the last is the one of this process; runs of pytest may be nested


def current() -> Session:
    """The session of this process: the plugin's, else one with the defaults and nothing kept."""
    if not _sessions:
        _sessions.append(Session())
    return _sessions[-1]


def begin(session: Session) -> None:
    """Make a session the one of this process."""
    _sessions.append(session)


def end(session: Session) -> None:
    """Go back to the session before it."""
    if session in _sessions:
        _sessions.remove(session)
