"""Fixtures, options and markers for pytest suites that check SAEs against known features.

pytest loads this in every run on a machine that has fiducial, so nothing heavy is imported until a fixture is asked
for. `-p no:fiducial` leaves it out; the assertions of `fiducial.testing` work without it.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .models.dictionary import Dictionary
    from .synthetic_testbed import SyntheticTestbed
    from .testbed_catalogue import AnyTestbed
    from .testing.session import Session
    from .testing.store import Store

MARKER = "fiducial"
_MARKS = ("testbed", "world", "sae", "games", "seed")
_ABOUT = (
    "fiducial(testbed=NAME, world=NAME, sae=NAME, games=N, seed=S): what the fixtures fiducial_testbed, "
    "synthetic_world and shipped_sae give to this test"
)
_MOST = 12  # scores in the summary
_SESSION: pytest.StashKey["Session"] = pytest.StashKey()
_SCORES: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()
_GAINS: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, and the same in the ini file."""
    group = parser.getgroup("fiducial", "fiducial: SAEs against known features")
    group.addoption("--fiducial-games", type=int, metavar="N", help="games of a testbed (ini: fiducial_games; 200)")
    group.addoption("--fiducial-seed", type=int, metavar="S", help="of games and bootstrap (ini: fiducial_seed; 0)")
    group.addoption(
        "--fiducial-cache",
        metavar="DIR",
        help="keep captures, fitted references and scores of floors and ceilings there (ini: fiducial_cache; in "
        "pytest's cache)",
    )
    group.addoption("--fiducial-no-cache", action="store_true", help="make everything anew, and keep nothing")
    group.addoption("--fiducial-report", metavar="FILE.html", help="write a page about all scores that tests asked for")
    parser.addini("fiducial_games", "games of a testbed unless a test says otherwise", default="")
    parser.addini("fiducial_seed", "seed of games and bootstrap", default="")
    parser.addini("fiducial_cache", "folder that keeps what is slow to make", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Make room for jaxtyping, which instruments packages as they are imported and refuses those that are there."""
    packages = getattr(parser.parse_known_args(args), "jaxtyping_packages", None)
    if packages and "fiducial" in [one.strip() for one in packages.split(",")]:
        for name in [name for name in sys.modules if name == "fiducial" or name.startswith("fiducial.")]:
            del sys.modules[name]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and begin the session of this process."""
    config.addinivalue_line("markers", _ABOUT)
    from .testing.session import GAMES, Session, begin

    page = _page(config)
    reports = None
    if page is not None:
        sent = getattr(config, "workerinput", {}).get("fiducial_reports")
        reports = Path(sent or tempfile.mkdtemp(prefix="fiducial-reports-"))
    session = Session(
        games=_number(config, "games", GAMES, least=8),
        seed=_number(config, "seed", 0, least=0),
        folder=_folder(config),
        reports=reports,
    )
    config.stash[_SESSION] = session
    config.stash[_SCORES] = []
    config.stash[_GAINS] = []
    begin(session)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what only this run needed."""
    session = config.stash.get(_SESSION, None)
    if session is None:  # of a run that was refused before it began
        return
    from .testing.session import end

    end(session)
    if session.reports is not None and not hasattr(config, "workerinput"):
        shutil.rmtree(session.reports, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where to leave its reports."""
    session: Session = node.config.stash[_SESSION]
    if session.reports is not None:
        node.workerinput["fiducial_reports"] = str(session.reports)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker's cache was good for; a worker that crashed says nothing."""
    gain = getattr(node, "workeroutput", {}).get("fiducial_gain")
    if gain:
        node.config.stash[_GAINS].append(gain)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Send the scores of a test with its report, which reaches the controller from any worker."""
    report = yield
    session: Session = item.config.stash[_SESSION]
    if session.records:
        report.fiducial_scores = [record.plain() for record in session.records]
        session.records.clear()
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Collect scores where reports arrive."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Collector(session.config), "fiducial-scores")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what its cache was good for; the controller writes the page."""
    config = session.config
    own: Session = config.stash[_SESSION]
    gain = None if own.used_store is None else {**vars(own.used_store.gain), **_about(own.used_store)}
    if hasattr(config, "workeroutput"):
        config.workeroutput["fiducial_gain"] = gain  # type: ignore[attr-defined]
        return
    if gain:
        config.stash[_GAINS].append(gain)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Scores that tests asked for, what the cache was good for, and the page."""
    from .testing.summary import gain_lines, score_lines, write_page

    scores, gains = config.stash[_SCORES], config.stash[_GAINS]
    page = _page(config)
    if not scores and not gains and page is None:
        return
    terminalreporter.section("fiducial", sep="=")
    for line in (*score_lines(scores, _MOST, terminalreporter.verbosity > 0), *gain_lines(gains)):
        terminalreporter.write_line(line)
    if page is not None:
        terminalreporter.write_line(write_page(config.stash[_SESSION].reports, page))


@pytest.fixture(scope="session")
def fiducial_cache(pytestconfig: pytest.Config) -> "Store":
    """The store of this run, for arrays of your own: `fiducial_cache.arrays("my toy", facts, make)`."""
    return pytestconfig.stash[_SESSION].store


@pytest.fixture(scope="session")
def fiducial_testbeds(pytestconfig: pytest.Config) -> "Callable[..., AnyTestbed]":
    """Makes testbeds, each once a run: `fiducial_testbeds("chess-small", games=100, seed=1)`."""
    return _telling(pytestconfig.stash[_SESSION].testbed)


@pytest.fixture(scope="session")
def synthetic_worlds(pytestconfig: pytest.Config) -> "Callable[..., SyntheticTestbed]":
    """Makes testbeds around synthetic worlds: `synthetic_worlds("hierarchical")`, or from the fields of a config."""
    return _telling(pytestconfig.stash[_SESSION].world)


@pytest.fixture
def fiducial_testbed(request: pytest.FixtureRequest, fiducial_testbeds: "Callable[..., AnyTestbed]") -> "AnyTestbed":
    """The testbed of this test: by `@pytest.mark.fiducial(testbed=...)`, indirect parameters, else othello-6x6."""
    asked = _asked(request)
    name = getattr(request, "param", asked.get("testbed"))
    return fiducial_testbeds(name, games=asked.get("games"), seed=asked.get("seed"))


@pytest.fixture
def synthetic_world(
    request: pytest.FixtureRequest, synthetic_worlds: "Callable[..., SyntheticTestbed]"
) -> "SyntheticTestbed":
    """A synthetic world, whose true dictionary is known; 48 features in 64 dimensions by default."""
    from .testing.session import WORLD

    asked = _asked(request)
    name = getattr(request, "param", asked.get("world", WORLD))
    return synthetic_worlds(name, games=asked.get("games"), seed=asked.get("seed"))


@pytest.fixture
def othello_testbed(request: pytest.FixtureRequest, fiducial_testbeds: "Callable[..., AnyTestbed]") -> "AnyTestbed":
    """Othello on 6 x 6."""
    return _named(request, fiducial_testbeds, "othello-6x6")


@pytest.fixture
def chess_testbed(request: pytest.FixtureRequest, fiducial_testbeds: "Callable[..., AnyTestbed]") -> "AnyTestbed":
    """Chess, one token a move."""
    return _named(request, fiducial_testbeds, "chess-small")


@pytest.fixture
def ioi_testbed(request: pytest.FixtureRequest, fiducial_testbeds: "Callable[..., AnyTestbed]") -> "AnyTestbed":
    """Prompts for indirect object identification; twenty count as a game."""
    return _named(request, fiducial_testbeds, "ioi-tiny")


@pytest.fixture
def shipped_sae(request: pytest.FixtureRequest, fiducial_testbed: "AnyTestbed") -> "Dictionary":
    """An SAE that ships with the test's testbed: by marker (`sae="gated"`), indirect parameters, else its first."""
    name = getattr(request, "param", _asked(request).get("sae"))
    return _telling(_shipped)(name, fiducial_testbed)


def _shipped(name: str | None, bed: "AnyTestbed") -> "Dictionary":
    from .testing.reports import dictionary_of

    spec = getattr(bed, "spec", None)
    known = list(spec.dictionaries) if spec is not None else []
    if not known:
        raise ValueError(f"no SAEs ship with {bed.name}")
    if name is not None and name not in known:
        from .suggestions import did_you_mean

        raise KeyError(f"no SAE {name!r} ships with {bed.name}; {did_you_mean(str(name), known)}")
    key = ("shipped SAE", name or known[0])
    if key not in bed.cache:
        bed.cache[key] = dictionary_of(name or known[0], bed)
    return bed.cache[key]


def _named(request: pytest.FixtureRequest, make: "Callable[..., AnyTestbed]", name: str) -> "AnyTestbed":
    asked = _asked(request)
    return make(name, games=asked.get("games"), seed=asked.get("seed"))


def _asked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the markers of a test say; the one nearest to it wins, word by word."""
    found: dict[str, Any] = {}
    for mark in request.node.iter_markers(MARKER):
        unknown = [word for word in mark.kwargs if word not in _MARKS]
        if mark.args or unknown:
            got = ", ".join([*map(repr, mark.args), *unknown])
            pytest.fail(f"@pytest.mark.fiducial takes {', '.join(_MARKS)}, each by name; got {got}", pytrace=False)
        found = {**mark.kwargs, **found}
    return found


def _telling(make: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; bad input fails the test with its one sentence instead of a traceback through this package."""

    def made(*arguments: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        try:
            return make(*arguments, **options)
        except (KeyError, ValueError, TypeError, OSError) as error:
            said = error.args[0] if isinstance(error, KeyError) and error.args else error
            pytest.fail(f"fiducial: {said}", pytrace=False)

    return made


class _Collector:
    """Gathers the scores that reports of tests bring, of this process or of workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Scores of one phase of one test."""
        for score in getattr(report, "fiducial_scores", ()):
            self._config.stash[_SCORES].append({**score, "test": report.nodeid, "outcome": report.outcome})


def _about(store: "Store") -> dict[str, Any]:
    return {
        "folder": str(store.beneath or store.folder),
        "lasting": store.lasting,
        "readable": store.beneath is not None,
    }


def _number(config: pytest.Config, name: str, default: int, *, least: int) -> int:
    """An option, else the ini file, else the default.

    Raises:
        pytest.UsageError: no whole number, or too small.
    """
    given = config.getoption(f"fiducial_{name}")
    text = str(config.getini(f"fiducial_{name}")).strip() if given is None else given
    if text == "":
        return default
    try:
        value = int(text)
    except ValueError:
        raise pytest.UsageError(f"fiducial_{name} must be a whole number, got {text!r}") from None
    if value < least:
        raise pytest.UsageError(f"fiducial_{name} must be at least {least}, got {value}")
    return value


def _folder(config: pytest.Config) -> Path | None:
    if config.getoption("fiducial_no_cache"):
        return None
    given = config.getoption("fiducial_cache")
    if given:
        return Path(given) if Path(given).is_absolute() else config.invocation_params.dir / given
    if written := str(config.getini("fiducial_cache")).strip():
        return Path(written) if Path(written).is_absolute() else config.rootpath / written
    cache = getattr(config, "cache", None)  # absent with `-p no:cacheprovider`
    return None if cache is None else Path(cache._cachedir) / "d" / "fiducial"


def _page(config: pytest.Config) -> Path | None:
    given = config.getoption("fiducial_report")
    if not given:
        return None
    return Path(given) if Path(given).is_absolute() else config.invocation_params.dir / given
