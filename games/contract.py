"""Does a world keep the contract that everything else relies on? For those who add a game.

    >>> from fiducial.games import Othello
    >>> check_game(Othello(4), n_games=8)

Each check is a sentence that must be true; the first that is not is raised as a `ValueError` that says what was found.
What a check cannot know is whether the labels are *right*: test them against an implementation that shares no code with
yours, as the tests of this project do (`tests/games/plain_othello.py`, python-chess).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import FeatureSet
from .transcripts import Game, Transcripts

ARRAYS = ("tokens", "labels", "scored", "ply")


def check_game(game: Game, *, n_games: int = 40, seed: int = 3) -> None:
    """Hold a world to the contract of `Game`.

    Args:
        game: the world.
        n_games: random games that it is held to.
        seed: of these games.

    Raises:
        TypeError: a method or property is missing; says which.
        ValueError: something that must hold does not; says what was found and what was expected.
    """
    wanted = [name for name in dir(Game) if not name.startswith("_")]
    if missing := [name for name in wanted if not hasattr(game, name)]:
        raise TypeError(f"{type(game).__name__} is no game: it lacks {', '.join(missing)}")
    if not game.name or game.name != game.name.lower():
        raise ValueError(f"a game's name is in lower case, got {game.name!r}")
    _features(game)
    sample = game.sample(n_games, seed)
    _arrays(game, sample, n_games, seed)
    _repeats(game, sample, n_games, seed)
    _tokens(game, sample)
    _labels(game.features, sample)
    _moves(game, sample, n_games, seed)
    _pictures(game, sample)
    _refusals(game)


def _require(true: Any, sentence: str) -> None:
    if not true:
        raise ValueError(sentence)


def _features(game: Game) -> None:
    features = game.features
    _require(features == game.features, f"{game.name}: features must be the same whenever they are asked for")
    for feature in features:
        where = f"{game.name}: feature {feature.name!r}"
        _require(
            feature.definition.endswith(".") and len(feature.definition) > 10,
            f"{where} needs a definition, one sentence with a full stop, got {feature.definition!r}",
        )
        if unknown := set(feature.parents) - set(features.names):
            raise ValueError(f"{where} has a parent that is no feature: {min(unknown)!r}")


def _arrays(game: Game, sample: Transcripts, n_games: int, seed: int) -> None:
    shape = (n_games, game.n_positions)
    for name, kind in (("tokens", np.int64), ("ply", np.int64), ("scored", np.bool_), ("labels", np.uint8)):
        found = getattr(sample, name)
        want = shape if name != "labels" else (*shape, game.features.n_bytes)
        _require(
            found.shape == want and found.dtype == kind,
            f"{game.name}: sample().{name} must be {kind.__name__} {list(want)}, got {found.dtype} {list(found.shape)}",
        )
    size = len(game.tokenizer.vocabulary)
    _require(
        sample.tokens.min() >= 0 and sample.tokens.max() < size,
        f"{game.name}: tokens must be 0 to {size - 1}, the vocabulary, got {sample.tokens.min()} to "
        f"{sample.tokens.max()}",
    )
    said = (sample.game, sample.version, sample.seed)
    _require(
        said == (game.name, game.version, seed),
        f"{game.name}: transcripts must carry game, version and seed {(game.name, game.version, seed)}, got {said}",
    )
    _require(sample.scored.any(), f"{game.name}: no position is scored")
    _require(not sample.labels[~sample.scored].any(), f"{game.name}: labels must be 0 where nothing is scored")


def _same(a: Transcripts, b: Transcripts) -> str:
    """The first array in which two transcripts differ; empty for none."""
    return next((name for name in ARRAYS if not np.array_equal(getattr(a, name), getattr(b, name))), "")


def _repeats(game: Game, sample: Transcripts, n_games: int, seed: int) -> None:
    _require(not (name := _same(sample, game.sample(n_games, seed))), f"{game.name}: the same seed gave other {name}")
    other = game.sample(n_games, seed + 1)
    _require(not np.array_equal(sample.tokens, other.tokens), f"{game.name}: another seed gave the same games")
    labelled = game.label(sample.tokens)
    _require(not (name := _same(sample, labelled)), f"{game.name}: label(sample.tokens) gives other {name}")
    _require(labelled.seed is None, f"{game.name}: given games have no seed, got {labelled.seed}")
    for row in range(0, n_games, max(1, n_games // 5)):
        alone = game.label(sample.tokens[row : row + 1])
        name = _same(sample.take(slice(row, row + 1)), alone)
        _require(not name, f"{game.name}: game {row} alone has other {name} than among others")


def _tokens(game: Game, sample: Transcripts) -> None:
    tokenizer = game.tokenizer
    _require(len(set(tokenizer.vocabulary)) == len(tokenizer.vocabulary), f"{game.name}: two tokens have the same text")
    for row, tokens in enumerate(sample.tokens):
        moves = tokenizer.decode(tokens.tolist())
        encoded, positions = tokenizer.encode(moves), tokenizer.positions(tokens.tolist())
        where = f"{game.name}, game {row}"
        _require(encoded == tokens[: len(encoded)].tolist(), f"{where}: encode(decode(tokens)) gives other tokens")
        _require(positions == sample.ply[row, : len(positions)].tolist(), f"{where}: positions() is not ply")
        _require((tokens[len(positions) :] == tokenizer.pad_id).all(), f"{where}: tokens after its end are no padding")


def _labels(features: FeatureSet, sample: Transcripts) -> None:
    labels: NDArray[np.bool_] = features.unpack(sample.labels[sample.scored])
    for i, feature in enumerate(features):
        _require(feature.reachable or not labels[:, i].any(), f"{feature.name!r} is declared unreachable, and it holds")
        for parent in feature.parents:
            broken = labels[:, i] & ~labels[:, features.index(parent)]
            _require(not broken.any(), f"{feature.name!r} holds where its parent {parent!r} does not")
    for name, indices in features.variables.items():
        _require(
            (labels[:, list(indices)].sum(axis=1) <= 1).all(), f"two values of the variable {name!r} hold together"
        )


def _moves(game: Game, sample: Transcripts, n_games: int, seed: int) -> None:
    tokens, allowed = game.next_moves(n_games, seed)
    _require(np.array_equal(tokens, sample.tokens), f"{game.name}: next_moves() must play the games of sample()")
    size = len(game.tokenizer.vocabulary)
    _require(
        allowed.shape == (*tokens.shape, size),
        f"{game.name}: next_moves() must allow {[*tokens.shape, size]}, got {list(allowed.shape)}",
    )
    _require(
        np.array_equal(allowed, game.allowed(tokens)), f"{game.name}: allowed(tokens) is not what next_moves() says"
    )
    _require(not allowed[..., game.tokenizer.pad_id].any(), f"{game.name}: padding is no move, and it is allowed")
    following = np.take_along_axis(allowed[:, :-1], tokens[:, 1:, None], -1)[..., 0]
    _require(following[sample.scored[:, 1:]].all(), f"{game.name}: a game plays a token that is not allowed")
    seeds = [game.next_moves(n_games, [seed, one])[0] for one in (1, 1, 2)]
    _require(np.array_equal(seeds[0], seeds[1]), f"{game.name}: next_moves() with a list of seeds does not repeat")
    _require(not np.array_equal(seeds[1], seeds[2]), f"{game.name}: next_moves() ignores a part of its seeds")


def _pictures(game: Game, sample: Transcripts) -> None:
    moves = game.tokenizer.decode(sample.tokens[0].tolist())
    for ply in (0, len(moves) // 2, len(moves)):
        text, svg = game.render(moves, ply), game.render(moves, ply, format="svg")
        _require(text and game.render(sample.tokens[0].tolist(), ply) == text, f"{game.name}: no text of ply {ply}")
        _require(svg.startswith("<svg") and "<title>" in svg, f"{game.name}: the svg of ply {ply} needs a <title>")


def _refusals(game: Game) -> None:
    asked: tuple[Callable[[], Any], ...] = (lambda: game.sample(0, seed=0), lambda: game.next_moves(0, seed=0))
    for name, ask in zip(("sample", "next_moves"), asked, strict=True):
        try:
            ask()
        except ValueError:
            continue
        raise ValueError(f"{game.name}: {name}(0, seed=0) must raise a ValueError that says how many are needed")


def check_counterfactuals(game: Game, *, n: int = 30, seed: int = 5) -> None:
    """Hold the pairs of positions of a world to their contract; for worlds that have some.

    Args:
        game: the world.
        n: pairs.
        seed: of the pairs.

    Raises:
        ValueError: something that must hold does not.
    """
    pairs, rows = game.counterfactuals(n, seed), np.arange(n)
    base, source = game.label(pairs.base).bool_labels(), game.label(pairs.source).bool_labels()
    _require(not base[rows, pairs.base_position, pairs.feature].any(), f"{game.name}: a feature holds in its base")
    _require(source[rows, pairs.source_position, pairs.feature].all(), f"{game.name}: one does not in its source")
    before = game.allowed(pairs.base)[rows, pairs.base_position]
    _require(np.array_equal(before, pairs.allowed_before), f"{game.name}: allowed_before is not allowed(base)")
    _require((before != pairs.allowed_after).any(1).all(), f"{game.name}: a change changes no move")
    _require(pairs.allowed_after.any(1).all(), f"{game.name}: a change leaves no move")
    _require(np.array_equal(game.counterfactuals(n, seed).base, pairs.base), f"{game.name}: the same seed, other pairs")
