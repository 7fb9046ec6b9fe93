"""Core measures of codes and reconstructions: how sparse are the latents, how faithful is what they write?

Equations     x activation, x' reconstruction, E mean over positions, |.| Euclidean norm
  l0                               E of the number of latents that differ from 0
  alive_latents_score              share of latents that fire at least once; dead_latents_error = 1 - that
  dense_latents                    share of latents that fire at more than `dense_above` of the positions
  explained_variance_score         1 - E|x - x'|^2 / E|x - E x|^2
  explained_variance_legacy_score  E[1 - |x - x'|^2 / |x - E x|^2], over positions with x != E x
  mse_error                        E|x - x'|^2, summed over dimensions
  cosine_score                     E[x . x' / (|x| |x'|)]; a position where either is zero counts 0
  l2_ratio                         E[|x'| / |x|] over positions with x != 0
  reconstruction_bias              E|x'|^2 / E[x . x']
Conventions   A latent fires where it is > 0; L0 counts what differs from 0, so negative latents of signed dictionaries
              count there. Intervals resample games; the mean activation is held. The shares of alive, dead and dense
              latents belong to the sample and have no interval (low = high = value).
References    SAEBench, evaluation `core`; SAE_BoardGameEval, unsupervised measures.
Differences from published code
              1. SAE_BoardGameEval takes L0, variance, cosine and alive share from one batch of 25 activations, and its
                 "alive" equals L0 / width: here all positions, and alive means fired at least once. Either direction.
              2. SAEBench's explained variance has the total variance E|x|^2 - (mean over d of E x_d^2)^2: here it is
                 about the mean. The per-position form that its paper reports keeps the name legacy.
              3. SAEBench divides the squared error by the tokens of one batch: here by all positions.
"""

from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from .core_columns import FIDELITY, SPARSITY, fidelity_columns, fidelity_scores, row_sum, sparsity_scores
from .game_totals import GameTotals, sums_by_game
from .inputs import Latents, as_array, as_codes, as_games
from .properties import Properties
from .score import Score, stamped

_CODES = ("latents", "game_id")
_PAIRS = ("x", "x_hat", "game_id")
_FAITHFUL = ("noise", "permuted decoder", "permuted encoder", "random", "frozen decoder", "half", "dead")
PROPERTIES: dict[str, Properties] = {
    "l0": Properties(
        question="How many latents are active at a position?",
        direction="none",
        low=0.0,
        high=inf,
        chance="0 for a dead dictionary",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "dead latent", "game order"),
        notices=(),
        limits="Says nothing of quality: a random dictionary can have any L0.",
    ),
    "alive_latents_score": Properties(
        question="Which share of the latents fires at all?",
        direction="up",
        low=0.0,
        high=1.0,
        chance="0 for a dead dictionary, near 1 for a random one",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "game order"),
        notices=("dead",),
        limits="Says nothing of what the latents mean: a random dictionary is wholly alive.",
    ),
    "dead_latents_error": Properties(
        question="Which share of the latents never fires?",
        direction="down",
        low=0.0,
        high=1.0,
        chance="1 for a dead dictionary, near 0 for a random one",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "game order"),
        notices=("dead",),
        limits="Says nothing of what the latents mean: a random dictionary has no dead ones.",
    ),
    "dense_latents": Properties(
        question="Which share of the latents fires at more than a tenth of the positions?",
        direction="none",
        low=0.0,
        high=1.0,
        chance="0 for a dead dictionary, near 1 for a random ReLU one",
        needs=_CODES,
        symmetries=("latent permutation", "positive rescaling", "game order"),
        notices=(),
        limits="Says nothing of quality: true features may be dense too.",
    ),
    "explained_variance_score": Properties(
        question="Which share of the variance of the activations does the reconstruction keep?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing the mean everywhere",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
        notices=_FAITHFUL,
        limits="Never looks at the truth: wrong directions, or too dense codes, can explain more than the true ones.",
    ),
    "explained_variance_legacy_score": Properties(
        question="The same, averaged position by position as SAEBench reports it.",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for reconstructing the mean everywhere",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
        notices=_FAITHFUL,
        limits="As explained_variance_score, and positions near the mean weigh as much as all others.",
    ),
    "mse_error": Properties(
        question="How large is the squared error of a position, summed over dimensions?",
        direction="down",
        low=0.0,
        high=inf,
        chance="the total variance for reconstructing the mean",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
        notices=_FAITHFUL,
        limits="Never looks at the truth: wrong directions or too dense codes can have less error than the true ones.",
    ),
    "cosine_score": Properties(
        question="Does the reconstruction point the same way as the activation?",
        direction="up",
        low=-1.0,
        high=1.0,
        chance="the cosine with the mean activation, which may be high",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
        notices=_FAITHFUL,
        limits="Never looks at the truth, ignores length, and is high for the mean activation already.",
    ),
    "l2_ratio": Properties(
        question="How long is the reconstruction for the activation? 1 is ideal, less is shrinkage.",
        direction="none",
        low=0.0,
        high=inf,
        chance="0 for reconstructing zero",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
        notices=(),
        limits="A diagnosis of shrinkage, not a score.",
    ),
    "reconstruction_bias": Properties(
        question="Would a longer or shorter reconstruction be closer? 1 is ideal, less is shrinkage.",
        direction="none",
        low=-inf,
        high=inf,
        chance="undefined for reconstructing zero, 1 for the mean",
        needs=_PAIRS,
        symmetries=("game order", "rotation"),
        notices=(),
        limits="A diagnosis of shrinkage, not a score.",
    ),
}


def core_sparsity(
    latents: Latents,
    game_id: NDArray[np.integer],
    *,
    dense_above: float = 0.1,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """L0 and the shares of alive, dead and dense latents.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        game_id: integer [N].
        dense_above: fraction of positions above which a latent is dense.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.

    Returns:
        Scores by name: `l0`, `alive_latents_score`, `dead_latents_error`, `dense_latents`.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, or fewer than two games.

    Examples:
        >>> import numpy as np
        >>> scores = core_sparsity(np.array([[1.0, 0.0], [0.5, 0.0], [0.0, 0.0], [2.0, 0.0]]), np.array([0, 0, 1, 1]))
        >>> scores["l0"].value, scores["dead_latents_error"].value
        (0.75, 0.5)
    """
    codes = as_codes(latents)
    games = as_games(game_id, codes.n_rows)
    if not 0 < dense_above <= 1:
        raise ValueError(f"dense_above must be a fraction above 0 and at most 1, got {dense_above}")
    columns = {"active": np.diff(codes.indptr).astype(np.float64), "rows": np.ones(codes.n_rows)}
    totals = GameTotals.over(SPARSITY, sums_by_game(columns, games), n_resamples, seed)
    fired = np.bincount(codes.indices[codes.values > 0], minlength=codes.n_latents)
    return stamped(sparsity_scores(totals, fired, dense_above), PROPERTIES)


def core_fidelity(
    x: NDArray[np.floating],
    x_hat: NDArray[np.floating],
    game_id: NDArray[np.integer],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """How close reconstructions are to activations.

    Args:
        x: activations, floating [N, d].
        x_hat: reconstructions, floating [N, d].
        game_id: integer [N].
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.

    Returns:
        Scores by name: `explained_variance_score`, `explained_variance_legacy_score`, `mse_error`, `cosine_score`,
        `l2_ratio`, `reconstruction_bias`.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes or dtypes that do not fit, NaN or infinity, constant activations, fewer than two games.

    Examples:
        >>> import numpy as np
        >>> x, games = np.random.default_rng(0).normal(size=(8, 3)), np.arange(8) // 2
        >>> core_fidelity(x, x, games)["explained_variance_score"].value
        1.0
        >>> core_fidelity(x, np.tile(x.mean(0), (8, 1)), games)["explained_variance_score"].value
        0.0
    """
    x, x_hat = checked_pair(x, x_hat)
    games = as_games(game_id, len(x))
    columns = fidelity_columns(x, x_hat, row_sum(x) / len(x))
    by_game = sums_by_game(dict(zip(FIDELITY, columns.T, strict=True)), games)
    return stamped(fidelity_scores(GameTotals.over(FIDELITY, by_game, n_resamples, seed)), PROPERTIES)


def core_by_position(
    latents: Latents,
    x: NDArray[np.floating],
    x_hat: NDArray[np.floating],
    game_id: NDArray[np.integer],
    position: NDArray[np.integer],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Explained variance, squared error and L0 at each position in the game.

    The variance at a position is about the mean of all rows, so that positions share one scale: an early position that
    lies far from the mean is not excused by all games looking alike there.

    Args:
        latents: Codes or floating [N, L].
        x: activations, floating [N, d].
        x_hat: reconstructions, floating [N, d].
        game_id: integer [N].
        position: integer [N], place of each row in its game.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.

    Returns:
        `explained_variance_score`, `mse_error` and `l0` over all rows, with columns position, n, value, low and high in
        their tables.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, or fewer than two games.
    """
    codes = as_codes(latents)
    x, x_hat = checked_matrix(x, "x"), checked_matrix(x_hat, "x_hat")
    games = as_games(game_id, codes.n_rows)
    place = np.asarray(position)
    if not np.issubdtype(place.dtype, np.integer) or place.shape != games.shape:
        raise ValueError(f"position must be integers [{len(games)}], got {place.dtype} {list(place.shape)}")
    whole = {
        **core_fidelity(x, x_hat, game_id, n_resamples=n_resamples, seed=seed),
        "l0": core_sparsity(codes, game_id, n_resamples=n_resamples, seed=seed)["l0"],
    }
    error, variance = ((x - x_hat) ** 2).sum(1), ((x - x.mean(0)) ** 2).sum(1)
    active, one = np.diff(codes.indptr).astype(np.float64), np.ones(len(x))
    asked = {
        "explained_variance_score": (error, variance, 1.0, -1.0),
        "mse_error": (error, one, 0.0, 1.0),
        "l0": (active, one, 0.0, 1.0),
    }
    found: dict[str, Score] = {}
    for name, (top, bottom, offset, sign) in asked.items():
        table: dict[str, list[float]] = {column: [] for column in ("position", "n", "value", "low", "high")}
        for where in np.unique(place).tolist():
            here = place == where
            part = ratio_score(name, top * here, bottom * here, games, n_resamples, seed, offset=offset, sign=sign)
            row = (where, int(here.sum()), part.value, part.low, part.high)
            for column, value in zip(table.values(), row, strict=True):
                column.append(value)
        found[name] = replace(whole[name], features=table)
    return found


def checked_matrix(values: NDArray[np.floating], name: str) -> NDArray[np.float64]:
    """Values as finite float64 [N, columns] with at least one row and column.

    Raises:
        TypeError: not an array or tensor.
        ValueError: another shape or dtype, empty, NaN or infinity.
    """
    return finite_matrix(values, name).astype(np.float64)


def finite_matrix(values: NDArray[np.floating], name: str) -> NDArray[np.floating]:
    """As `checked_matrix`, in the type that came."""
    array = as_array(values, name, "a floating array of two axes")
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or 0 in array.shape:
        raise ValueError(f"{name} must be floating of two axes and not empty, got {array.dtype} {list(array.shape)}")
    if not np.isfinite(array).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} holds {array[row, column]} at row {row}, column {column}; expected finite numbers")
    return array


def checked_pair(
    x: NDArray[np.floating], x_hat: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Activations and reconstructions of one shape, finite, in the types that came.

    Raises:
        TypeError: not arrays.
        ValueError: shapes or dtypes that do not fit, NaN or infinity.
    """
    x, x_hat = finite_matrix(x, "x"), finite_matrix(x_hat, "x_hat")
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have one shape, got {list(x.shape)} and {list(x_hat.shape)}")
    return x, x_hat


def mean_score(name: str, values: NDArray[np.float64], games: NDArray[np.int64], n_resamples: int, seed: int) -> Score:
    """Mean over positions of values [N], with an interval over games."""
    return ratio_score(name, values, np.ones(len(values)), games, n_resamples, seed)


def ratio_score(
    name: str,
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
    games: NDArray[np.int64],
    n_resamples: int,
    seed: int,
    *,
    offset: float = 0.0,
    sign: float = 1.0,
) -> Score:
    """Offset + sign * sum(top) / sum(bottom) over positions, with an interval over games.

    Where sum(bottom) is 0 the ratio is undefined: the value is NaN and details["undefined"] says why. Resamples in
    which that happens are left out of the interval and counted in the details.
    """
    by_game = sums_by_game({"top": top, "bottom": bottom}, games)
    return GameTotals.over(("top", "bottom"), by_game, n_resamples, seed).ratio(
        name, "top", "bottom", offset=offset, sign=sign
    )
