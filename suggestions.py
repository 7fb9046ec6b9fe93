"""Did you mean? What a name that is not known was probably meant to be: names, files, options, commands.

    >>> did_you_mean("otello", ["othello", "chess"])
    'did you mean othello?'
    >>> did_you_mean("go", ["othello", "chess"])
    'there are othello, chess'
    >>> did_you_mean("train", ["train-model", "train-sae", "zoo"])
    'did you mean train-sae or train-model?'

Only the standard library is imported: the first thing that a slip of the pen meets should be quick.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

ENOUGH = 0.6  # of difflib's ratio; what most programs call close
LISTED = 24  # names that are listed where none is close; more are only counted


def close_names(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Known names that a name was probably meant to be, the likeliest first.

    Case, and whether words are joined by a hyphen, an underscore, a space or nothing, do not count. A name that begins
    another, or is a whole word of it, is close however long the other is.

    Args:
        name: as typed.
        known: what there is; what comes first wins a tie.
        n: how many at most.

    >>> close_names("Chess_Small", ["chess", "chess-small"])
    ['chess-small']
    >>> close_names("l0 norm", ["l0", "l1"])
    ['l0']
    """
    typed = _plain(name)
    known = list(known)
    if not typed:
        return []
    if same := [other for other in known if _plain(other).replace(" ", "") == typed.replace(" ", "")]:
        return same[:1]
    rated = [(_likeness(typed, _plain(other)), -i, other) for i, other in enumerate(dict.fromkeys(known))]
    return [other for rate, _, other in sorted(rated, reverse=True)[:n] if rate >= ENOUGH]


def did_you_mean(name: str, known: Iterable[str], *, n: int = 3, there_are: str = "there are") -> str:
    """The end of an error's sentence: close names as a question, or all names where none is close.

    Args:
        name: as typed.
        known: what there is.
        n: how many suggestions at most.
        there_are: begins the list of all names.
    """
    known = list(dict.fromkeys(known))
    if found := close_names(name, known, n):
        return f"did you mean {either(found)}?"
    if not known:
        return f"{there_are} none"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"{there_are} {', '.join(known[:LISTED])}{more}"


def nearby(path: str | Path, n: int = 2) -> list[str]:
    """Paths that exist and look like one that does not: the first part that is missing, mended.

    Args:
        path: relative or absolute.
        n: how many at most.
    """
    path = Path(path).expanduser()
    place = next((parent for parent in path.parents if parent.is_dir()), None)
    if place is None:
        return []
    parts = path.relative_to(place).parts
    if not parts:
        return []
    try:
        there = sorted(one.name for one in place.iterdir() if not one.name.startswith("."))
    except OSError:
        return []
    return [str(place / found) for found in close_names(parts[0], there, n)]


def no_such_file(path: str | Path) -> str:
    """The end of an error's sentence for a file that is not there; empty where nothing nearby looks like it."""
    if Path(path).expanduser().is_dir():
        return "; that is a folder"
    found = nearby(path)
    return f"; did you mean {either(found)}?" if found else ""


def either(names: Iterable[str]) -> str:
    """Names as a choice: `a`, `a or b`, `a, b or c`.

    >>> either(["a", "b", "c"])
    'a, b or c'
    """
    names = list(names)
    if not names:
        return ""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _plain(name: str) -> str:
    return " ".join(name.strip().lower().replace("_", " ").replace("-", " ").replace("/", " ").split())


def _likeness(typed: str, other: str) -> float:
    """From 0 to 1; at least .8 where one begins the other or is a word of it."""
    if not other:
        return 0.0
    ratio = SequenceMatcher(None, typed, other).ratio()
    begins = (len(typed) >= 3 and other.startswith(typed)) or typed.split()[0] == other
    word = len(typed) >= 3 and typed in other.split()
    return max(ratio, 0.8 + ratio / 10 if begins else 0.0, 0.7 + ratio / 10 if word else 0.0)
