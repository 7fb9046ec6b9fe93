"""Worlds that know the truth."""

from collections.abc import Callable
from importlib.metadata import entry_points

from ..suggestions import did_you_mean
from .chess import Chess
from .contract import check_counterfactuals, check_game
from .features import Feature, FeatureSet
from .ioi import IOI
from .othello import Othello
from .synthetic import SYNTHETIC_WORLDS, Synthetic
from .transcripts import Counterfactuals, Game, Tokenizer, Transcripts

__all__ = [
    "IOI",
    "SYNTHETIC_WORLDS",
    "WORLDS",
    "Chess",
    "Counterfactuals",
    "Feature",
    "FeatureSet",
    "Game",
    "Othello",
    "Synthetic",
    "Tokenizer",
    "Transcripts",
    "check_counterfactuals",
    "check_game",
    "game_names",
    "known_features",
    "register",
    "world",
]

WORLDS: dict[str, Callable[[], Game]] = {
    "othello": Othello,
    "othello-8x8": Othello,
    "othello-gpt": lambda: Othello(8, transpose=True),
    "othello-6x6": lambda: Othello(6),
    "othello-4x4": lambda: Othello(4),
    "chess": Chess,
    "chess-characters": lambda: Chess(tokens="characters"),
    "ioi": lambda: IOI(vocabulary="full"),
    "ioi-tiny": IOI,
}
_OWN = frozenset(WORLDS)


ENTRY_POINTS = "fiducial.games"  # packages say here, in their metadata, which games they bring


def register(name: str, make: Callable[[], Game]) -> None:
    """Make a game known by a name: to `fd.testbed(..., game=name)` and to everything that takes a game's name.

    In one process only. A package brings its games to every process, and to the command line, by an entry point:

        [project.entry-points."fiducial.games"]
        tic-tac-toe = "my_package:TicTacToe"

    Args:
        name: in lower case, such as `tic-tac-toe`.
        make: called without arguments; gives the game. A class will do. Registering it again replaces it.

    Raises:
        TypeError: `make` cannot be called.
        ValueError: the name of a game of this package, or one that is not in lower case.
    """
    if not callable(make):
        raise TypeError(f"register takes what makes a game, such as its class, got {type(make).__name__}")
    if name in _OWN or not name or name != name.lower():
        raise ValueError(f"a game needs a name of its own in lower case, got {name!r}; there are {', '.join(WORLDS)}")
    WORLDS[name] = make


def game_names() -> list[str]:
    """Names of all games: of this package, registered ones, and those that other packages bring."""
    return list(dict.fromkeys([*WORLDS, *(point.name for point in entry_points(group=ENTRY_POINTS))]))


def world(name: str) -> Game:
    """A world by name.

    Raises:
        KeyError: unknown name; close names are suggested.
        ValueError: another package brings a game of this name that cannot be loaded.
    """
    if name in WORLDS:
        return WORLDS[name]()
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            try:
                return point.load()()
            except Exception as error:
                raise ValueError(f"the game {name!r}, which is {point.value}, cannot be loaded: {error}") from error
    raise KeyError(f"no game named {name!r}; {did_you_mean(name, game_names())}")


def known_features(name: str) -> FeatureSet:
    """What is known in a world, a game or a synthetic one, by its name.

    Raises:
        KeyError: unknown name; close names are suggested.
    """
    if name in SYNTHETIC_WORLDS:
        return Synthetic(name).features
    if name not in (games := game_names()):
        raise KeyError(f"no world named {name!r}; {did_you_mean(name, [*games, *SYNTHETIC_WORLDS])}")
    return world(name).features
