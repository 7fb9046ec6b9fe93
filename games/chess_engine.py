"""Chess games that a UCI engine plays against itself, such as Stockfish.

One thread, a small hash, `ucinewgame` before every game and a fixed number of nodes a move make the engine
deterministic: the same seed gives the same games with the same engine, network and machine. Variety comes from seeded
random opening moves. A limit in time would never repeat, so there is none.

Without the engine: `apt install stockfish`.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import chess
import numpy as np

if TYPE_CHECKING:
    from chess.engine import SimpleEngine

_FOLDERS = ("/usr/games", "/usr/local/bin")
_SETTINGS = {"Threads": 1, "Hash": 16}


def find_engine(binary: str | Path | None = None) -> Path:
    """Where a UCI engine is.

    Args:
        binary: path or name of the engine; None looks for stockfish in $PATH, /usr/games and /usr/local/bin.

    Raises:
        FileNotFoundError: there is none; says how to install Stockfish.
    """
    if binary is not None:
        found = shutil.which(str(binary))
        if found is None:
            raise FileNotFoundError(
                f"no program {str(binary)!r}: give the path of a UCI engine, or none and `apt install stockfish`"
            )
        return Path(found)
    for place in ("stockfish", *(f"{folder}/stockfish" for folder in _FOLDERS)):
        if found := shutil.which(place):
            return Path(found)
    raise FileNotFoundError(
        f"Stockfish is not installed: not in $PATH, {' or '.join(_FOLDERS)}. Install it with `apt install stockfish` "
        "(or from stockfishchess.org), or give the path of another UCI engine"
    )


def engine_name(binary: str | Path | None = None) -> str:
    """The name an engine gives itself, such as "Stockfish 15.1", for the record.

    Raises:
        FileNotFoundError: as `find_engine`.
        ValueError: not a UCI engine.
    """
    with _engine(find_engine(binary)) as engine:
        return engine.id.get("name", find_engine(binary).name)


def engine_games(
    n: int,
    seed: int,
    *,
    nodes: int = 50,
    opening_plies: tuple[int, int] = (4, 12),
    plies: int = 80,
    binary: str | Path | None = None,
    progress: bool = True,
) -> list[list[str]]:
    """Games of an engine against itself after random openings.

    A game ends by mate, stalemate, insufficient material, a position that occurs for the third time, or a hundred
    plies without capture or pawn move; or after `plies`. Game `i` depends on the seed and `i` alone.

    Args:
        n: number of games, >= 1.
        seed: of the openings, >= 0.
        nodes: positions the engine looks at for a move, >= 1.
        opening_plies: fewest and most random moves at the start, every number as likely.
        plies: moves of a game at most, opening included, >= 1.
        binary: path or name of the engine; Stockfish by default.
        progress: show a bar.

    Returns:
        UCI moves of every game.

    Raises:
        FileNotFoundError: no engine.
        ValueError: a number out of range, or a program that is not a UCI engine.
        RuntimeError: the engine stopped or made an illegal move.
    """
    low, high = opening_plies
    for name, value in (("the number of games", n), ("nodes", nodes), ("plies", plies)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if seed < 0:
        raise ValueError(f"the seed must be at least 0, got {seed}")
    if not 0 <= low <= high:
        raise ValueError(f"opening_plies must be the fewest and the most random moves, got {opening_plies}")
    from tqdm.auto import tqdm

    with _engine(find_engine(binary)) as engine:
        games = tqdm(range(n), desc="engine games", disable=None if progress else True, leave=False)
        return [_game(engine, game, seed, nodes, (low, high), plies) for game in games]


def _game(engine: "SimpleEngine", game: int, seed: int, nodes: int, opening: tuple[int, int], plies: int) -> list[str]:
    from chess.engine import EngineError, Limit

    generator = np.random.default_rng([seed, game])
    board = chess.Board()
    random = min(int(generator.integers(opening[0], opening[1] + 1)), plies)
    try:
        while len(board.move_stack) < plies and not _over(board):
            if len(board.move_stack) < random:
                legal = sorted(board.legal_moves, key=lambda move: move.uci())
                board.push(legal[int(generator.integers(len(legal)))])
                continue
            # A `game` other than the last one makes python-chess send ucinewgame.
            move = engine.play(board, Limit(nodes=nodes), game=game).move
            if move is None:
                raise EngineError(f"it made no move in {board.fen()}")
            board.push(move)
    except EngineError as error:
        raise RuntimeError(f"game {game}, ply {len(board.move_stack)}: the engine failed: {error}") from error
    return [move.uci() for move in board.move_stack]


def _over(board: chess.Board) -> bool:
    """Whether a game is over, draws included that the rules only let a player claim.

    `Board.is_game_over(claim_draw=True)` also tries every move for a claim, at twenty times the cost.
    """
    return (
        board.halfmove_clock >= 100
        or board.is_insufficient_material()
        or (board.halfmove_clock >= 8 and board.is_repetition(3))
        or not any(board.generate_legal_moves())
    )


@contextmanager
def _engine(path: Path) -> Generator["SimpleEngine", None, None]:
    """A running engine with the fixed settings, ended in any case.

    Raises:
        ValueError: not a UCI engine.
    """
    from chess.engine import EngineError, EngineTerminatedError, SimpleEngine

    try:
        engine = SimpleEngine.popen_uci(str(path))
    except (EngineError, TimeoutError, OSError) as error:
        raise ValueError(f"{path} is no UCI engine: {str(error) or 'it does not answer'}") from error
    try:
        engine.configure({name: value for name, value in _SETTINGS.items() if name in engine.options})
        yield engine
    finally:
        with suppress(EngineTerminatedError):
            engine.quit()
