"""Chess games from PGN files, read with python-chess.

`read_pgn` returns the games that are whole and counts the others with a reason each: python-chess goes on after an
error, keeps what it understood of the game, and passes over text that looks like no move at all. Here such a game is
damaged. So is one that

- does not end in a result (1-0, 0-1, 1/2-1/2 or *): its file may have been cut off, even in the middle of `O-O-O`,
- has move numbers that do not fit, for a line may be missing,
- is of a variant, or does not begin from the initial position,
- passes the turn, or has no moves.

Comments, side variations and annotations are left out.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO, cast

import chess

from ..suggestions import no_such_file

Source = str | Path | TextIO

_COMMENT = re.compile(r"\{[^}]*\}|;[^\n]*|^%[^\n]*", re.MULTILINE)
_VARIATION = re.compile(r"\([^()]*\)")
_RESULTS = ("1-0", "0-1", "1/2-1/2", "*")
_TOKEN = re.compile(
    r"(?:(?P<number>\d+)\.*)?\.*"
    r"(?P<move>(?:[NBKRQ]?[a-h]?[1-8]?[-x]?[a-h][1-8](?:=?[nbrqNBRQ])?|O-O(?:-O)?|0-0(?:-0)?)[+#]{0,2})?"
    r"(?:e\.?p\.?)?[?!]*(?:\$\d+)*"
)
_STANDARD = ("", "standard", "chess", "normal")
_PACKED = {b"\x1f\x8b": "gunzip", b"\x28\xb5\x2f\xfd": "zstd -d", b"BZh": "bunzip2", b"PK\x03\x04": "unzip"}


class Damaged(NamedTuple):
    """A game that was left out: its number among all games read, from 0, and why."""

    game: int
    reason: str


@dataclass(frozen=True)
class PgnGames:
    """Games of one or more PGN files.

    Attributes:
        moves: UCI moves of every game that is whole.
        headers: tags of the same games, such as {"White": "..."}.
        damaged: the games left out.
    """

    moves: list[list[str]]
    headers: list[dict[str, str]]
    damaged: list[Damaged]

    def __len__(self) -> int:
        return len(self.moves)

    @property
    def summary(self) -> str:
        """Such as "12 games read, 1 damaged and left out: game 3 (ply 4: illegal san ...)"."""
        text = f"{len(self)} {'game' if len(self) == 1 else 'games'} read"
        if not self.damaged:
            return text
        some = "; ".join(f"game {bad.game} ({bad.reason})" for bad in self.damaged[:3])
        more = f"; and {len(self.damaged) - 3} more" if len(self.damaged) > 3 else ""
        return f"{text}, {len(self.damaged)} damaged and left out: {some}{more}"


@dataclass
class _Game:
    """One game as it is being read."""

    headers: dict[str, str] = field(default_factory=dict[str, str])
    moves: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])
    result: str = ""
    first_line: int = 0


class _Lines:
    """A text stream that keeps the lines of the current game."""

    def __init__(self, handle: TextIO) -> None:
        self.handle = handle
        self.lines: list[str] = []

    def readline(self) -> str:
        line = self.handle.readline()
        self.lines.append(line)
        return line


def read_pgn(
    source: Source | Sequence[Source],
    *,
    max_games: int | None = None,
    plies: int | None = None,
    progress: bool = True,
) -> PgnGames:
    """Games of PGN files.

    Args:
        source: a path, an open text stream, or a list of them.
        max_games: whole games to read at most, >= 1; None reads all.
        plies: moves of a game to keep at most, >= 1; None keeps all. The rest is read and checked all the same.
        progress: show a bar.

    Returns:
        The games; a UserWarning gives the count and the first reasons if any were damaged.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file, or one that is no PGN; `max_games` or `plies` below 1.
    """
    for name, value in (("max_games", max_games), ("plies", plies)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, or None for all, got {value}")
    from tqdm.auto import tqdm

    single = isinstance(source, (str, Path)) or hasattr(source, "readline")
    sources = [cast(Source, source)] if single else cast(Sequence[Source], source)
    games = PgnGames([], [], [])
    with tqdm(desc="games", unit=" games", disable=None if progress else True, leave=False) as bar:
        for one in sources:
            if max_games is not None and len(games) >= max_games:
                break
            _read(one, games, max_games, plies, bar.update)
    if games.damaged:
        warnings.warn(games.summary, stacklevel=2)
    return games


def _read(
    source: Source, games: PgnGames, max_games: int | None, plies: int | None, tick: Callable[[], object]
) -> None:
    """Add the games of one source."""
    if isinstance(source, (str, Path)):
        path = _checked(Path(source))
        name, opened = str(path), path.open(encoding="utf-8", errors="replace")
    else:
        name, opened = getattr(source, "name", "the stream"), nullcontext(source)
    found = False
    first = len(games) + len(games.damaged)
    with opened as handle:
        lines = _Lines(handle)
        while max_games is None or len(games) < max_games:
            lines.lines.clear()
            game = _next(lines)
            if game is None:
                break
            found = found or bool(game.headers or game.moves)
            reason = _damage(game, "".join(lines.lines[game.first_line :]))
            if reason:
                games.damaged.append(Damaged(len(games) + len(games.damaged), reason))
            else:
                games.moves.append(game.moves[:plies])
                games.headers.append(game.headers)
            tick()
    if not found:
        empty = len(games) + len(games.damaged) == first
        why = "holds no game" if empty else 'is not a PGN: no line such as [White "Polgar, Judit"], no moves 1. e4 e5'
        raise ValueError(f"{name} {why}")


def _checked(path: Path) -> Path:
    """A path that may hold a PGN.

    Raises:
        FileNotFoundError: no such file.
        ValueError: PGN text given as a path, a packed or a binary file.
    """
    text = str(path)
    if "\n" in text or text.startswith("["):
        raise ValueError(f"read_pgn takes a path or a stream, got text: {text[:40]!r}; put it in io.StringIO(text)")
    if not path.is_file():
        raise FileNotFoundError(f"no PGN file at {path}{no_such_file(path)}")
    with path.open("rb") as handle:
        head = handle.read(1024)
    for magic, tool in _PACKED.items():
        if head.startswith(magic):
            raise ValueError(f"{path} is packed: unpack it with {tool}, or give the unpacked text as a stream")
    if b"\0" in head:
        raise ValueError(f"{path} is not a PGN: it is a binary file")
    return path


def _next(lines: _Lines) -> _Game | None:
    """The next game, however damaged; None at the end."""
    from chess import pgn

    game = _Game()

    class Reader(pgn.BaseVisitor[_Game]):
        """Keeps the main line."""

        def visit_header(self, tagname: str, tagvalue: str) -> None:
            game.headers[tagname] = tagvalue

        def end_headers(self) -> pgn.SkipType | None:
            game.first_line = max(len(lines.lines) - 1, 0)
            variant = game.headers.get("Variant", "")
            fen = game.headers.get("FEN", chess.STARTING_FEN)
            if variant.lower() not in _STANDARD:
                game.errors.append(f"variant {variant!r}, not standard chess")
            elif fen != chess.STARTING_FEN:
                game.errors.append(f"begins from {fen!r}, not from the initial position")
            return pgn.SKIP if game.errors else None

        def begin_variation(self) -> pgn.SkipType:
            return pgn.SKIP

        def visit_move(self, board: chess.Board, move: chess.Move) -> None:
            if not move:
                game.errors.append(f"ply {len(game.moves)}: passes the turn")
            game.moves.append(move.uci())

        def visit_result(self, result: str) -> None:
            game.result = result

        def handle_error(self, error: Exception) -> None:
            game.errors.append(f"ply {len(game.moves)}: {error}")

        def result(self) -> _Game:
            return game

    return pgn.read_game(cast(TextIO, lines), Visitor=Reader)


def _damage(game: _Game, text: str) -> str:
    """Why a game is not whole, "" if it is.

    Args:
        game: as python-chess read it.
        text: its moves as they stand in the file.
    """
    if game.errors:
        return game.errors[0]
    text = _COMMENT.sub(" ", text)
    while (shorter := _VARIATION.sub(" ", text)) != text:
        text = shorter
    ply = 0
    for token in text.split():
        if token in _RESULTS:
            continue
        found = _TOKEN.fullmatch(token)
        if not found:
            return f"ply {ply}: {token!r} is no move"
        if found["number"] and int(found["number"]) != ply // 2 + 1:
            return f"ply {ply}: move number {found['number']} where {ply // 2 + 1} is due"
        ply += found["move"] is not None
    if not ply and not game.moves:
        return "no moves"
    if ply != len(game.moves):
        return f"{ply} moves are written but {len(game.moves)} were understood"
    if not game.result:
        return f"no result ({', '.join(_RESULTS)}) after ply {ply - 1}: cut off?"
    return ""
