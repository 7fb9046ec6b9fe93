"""Approximation on boards: do the model's moves go through what the dictionary writes at a site?

Question      With the reconstruction in place (or only its error), does the model still know which moves are legal?
Equations     p clean model, and the model with a <- ahat (rec), a <- abar (MA), a <- abar + (a - ahat) (err);
              E mean over positions, KL(p || q) in nats, CE cross-entropy against moves played (or uniform legal play)
  legal_move_error             E[FP + FN] under rec, between the |L| highest-ranked moves and the legal moves L
  legal_move_sufficiency_score (e_MA - e_rec) / (e_MA - e_clean), e the legal-move error
  legal_move_necessity_score   1 - |e_err - e_MA| / |e_MA - e_clean|
  kl_sufficiency_score         1 - E KL(p || rec) / E KL(p || MA)
  kl_necessity_score           1 - |E KL(p || MA) - E KL(p || err)| / E KL(p || MA)
  ce_sufficiency_score         (E CE_MA - E CE_rec) / (E CE_MA - E CE_clean)
  ce_necessity_score           1 - |E CE_err - E CE_MA| / |E CE_MA - E CE_clean|
Conventions   The predicted set has as many moves as are legal, so FP = FN and each error is even; of equal logits the
              lower token ranks first. Where mean ablation changes nothing (a site that is not causal) a ratio is NaN,
              with the reason. Intervals resample games.
References    Li et al. 2023, arXiv 2210.13382 (legal-move error); Makelov et al. 2024, arXiv 2405.08366 (both roles).
Differences from published code
              1. Li et al. report the error alone; here also where it stands between mean ablation and the clean model.
"""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .approximation import not_causal
from .core import finite_matrix
from .game_totals import GameTotals, sums_by_game
from .inputs import as_array, as_games
from .next_tokens import Predictions, Truth, as_truth, divergence_from, probabilities, read_predictions
from .properties import Properties
from .score import Score, interval, stamped

_NEEDS = ("clean_logprobs", "sae_logprobs", "mean_logprobs", "error_logprobs", "allowed", "game_id")
_LIMITS = "Asks only whether predictions survive at one site; blind to which latents carry them."


def _record(question: str, direction: Any, low: float, high: float, chance: str) -> Properties:
    return Properties(
        question=question,
        direction=direction,
        low=low,
        high=high,
        chance=chance,
        needs=_NEEDS,
        symmetries=("game order",),
        notices=(),
        limits=_LIMITS,
    )


_MEAN = "0 for the mean activation, 1 for the activation itself"
_NOTHING = "0 for a dictionary that writes nothing, 1 for a perfect one"
PROPERTIES: dict[str, Properties] = {
    "legal_move_error": _record(
        "How many moves does the model get wrong, too many or missing, when the dictionary stands in?",
        "down",
        0.0,
        inf,
        "the error under mean ablation, shown as a floor",
    ),
    "legal_move_sufficiency_score": _record(
        "How much of the legal-move error caused by mean ablation does the reconstruction avoid?",
        "up",
        -inf,
        inf,
        _MEAN,
    ),
    "legal_move_necessity_score": _record(
        "Do legal moves get lost as under mean ablation when only what the dictionary misses is left?",
        "up",
        -inf,
        1.0,
        _NOTHING,
    ),
    "kl_sufficiency_score": _record(
        "How much of the divergence caused by mean ablation does the reconstruction avoid?", "up", -inf, 1.0, _MEAN
    ),
    "kl_necessity_score": _record(
        "Does the prediction move as far as under mean ablation when only what the dictionary misses is left?",
        "up",
        -inf,
        1.0,
        _NOTHING,
    ),
    "ce_sufficiency_score": _record(
        "How much of the cross-entropy lost to mean ablation does the reconstruction recover?", "up", -inf, inf, _MEAN
    ),
    "ce_necessity_score": _record(
        "Is as much cross-entropy lost as under mean ablation when only what the dictionary misses is left?",
        "up",
        -inf,
        1.0,
        _NOTHING,
    ),
}


def board_approximation(
    clean: NDArray[np.floating],
    reconstructed: NDArray[np.floating],
    mean_ablated: NDArray[np.floating],
    error_only: NDArray[np.floating] | None,
    allowed: NDArray[np.bool_],
    *,
    game_id: NDArray[np.integer],
    targets: NDArray[np.integer] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Score]:
    """Sufficiency and necessity in legal moves, divergence and cross-entropy.

    Args:
        clean: floating [N, V], logits or log-probabilities of the untouched model at scored positions.
        reconstructed: the same with the site set to its reconstructions.
        mean_ablated: the same with the site set to its mean.
        error_only: the same with the site set to its mean plus what the reconstruction misses; None leaves the three
            necessities out.
        allowed: bool [N, V], legal next tokens; at least one a row.
        game_id: integer [N].
        targets: integer [N], the tokens played; None scores against uniform play over the legal tokens.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap.

    Returns:
        Scores by name, as in the module's equations.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes or dtypes that do not fit, NaN or infinity, or fewer than two games.

    Examples:
        >>> import numpy as np
        >>> allowed = np.tile([[True, True, False, False], [False, False, True, True]], (10, 1))  # 20 rows, 4 tokens
        >>> clean, blind = 3.0 * allowed, np.zeros((20, 4))  # logits with the site, and with its mean in its place
        >>> games = np.arange(20) // 2
        >>> scores = board_approximation(clean, clean, blind, blind, allowed, game_id=games)  # a perfect dictionary
        >>> scores["legal_move_sufficiency_score"].value, scores["legal_move_necessity_score"].value
        (1.0, 1.0)
        >>> scores = board_approximation(clean, blind, blind, clean, allowed, game_id=games)  # one that writes nothing
        >>> scores["legal_move_sufficiency_score"].value, scores["legal_move_necessity_score"].value
        (0.0, 0.0)
    """
    prepared = prepare_boards(clean, mean_ablated, allowed, game_id=game_id, targets=targets)
    return prepared.scores(reconstructed, error_only, n_resamples=n_resamples, seed=seed)


@dataclass(frozen=True)
class Read:
    """Predictions of one condition: what each row amounts to, and its legal-move error, float64 [N]."""

    tokens: Predictions
    errors: NDArray[np.float64]


@dataclass(frozen=True)
class PreparedBoards:
    """What the scores need of the model without a dictionary, made once for many dictionaries.

    Attributes:
        probability: float32 [N, V], of the untouched model.
        truth: what is legal and what is true at each position.
        games: int64 [N], numbered from 0.
        clean: what the untouched predictions amount to.
        mean_ablated: the same with the site set to its mean.
    """

    probability: NDArray[np.float32]
    truth: Truth
    games: NDArray[np.int64]
    clean: Read
    mean_ablated: Read

    def scores(
        self,
        reconstructed: NDArray[np.floating],
        error_only: NDArray[np.floating] | None,
        *,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, Score]:
        """Scores by name of one dictionary; arguments and errors as `board_approximation`."""
        columns = self.columns(reconstructed, error_only)
        by_game = sums_by_game(columns, self.games)
        return board_scores(GameTotals.over(tuple(columns), by_game, n_resamples, seed))

    def columns(
        self, reconstructed: NDArray[np.floating], error_only: NDArray[np.floating] | None
    ) -> dict[str, NDArray[np.float64]]:
        """What each position adds to the sums that scores are made of, float64 [N] each, as `measure of condition`."""
        read = {"clean": self.clean, "mean_ablated": self.mean_ablated}
        for name, values in (("reconstructed", reconstructed), ("error_only", error_only)):
            if values is not None:
                read[name] = _read(values, name, self.probability, self.truth)
        return {
            "rows": np.ones(len(self.games)),
            "n_allowed": self.truth.n_allowed.astype(np.float64),
            **{f"legal_move of {name}": one.errors for name, one in read.items()},
            **{f"kl of {name}": divergence_from(self.clean.tokens, one.tokens) for name, one in read.items()},
            **{f"ce of {name}": one.tokens.cost for name, one in read.items()},
        }


def board_scores(totals: GameTotals) -> dict[str, Score]:
    """Scores of `board_approximation` from sums of what `PreparedBoards.columns` gives."""
    scores: dict[str, Score] = {}
    for measure in ("legal_move", "kl", "ce"):
        prefix = f"{measure} of "
        names = [name for name in totals.names if name.startswith(prefix)]
        point = {name.removeprefix(prefix): np.array([totals.mean_of(name)]) for name in names}
        again = {name.removeprefix(prefix): totals.means_of(name) for name in names}
        if measure == "legal_move":
            scores["legal_move_error"] = _legal_move_error(point, again, totals.mean_of("n_allowed"))
        called = f"the {measure.replace('_', '-')} measure"
        gap = float((point["mean_ablated"] - point["clean"])[0])
        spread = float(point["clean"][0]) if measure != "kl" else 0.0
        reason = not_causal(gap, spread, called)
        if gap <= 0:
            reason = f"the site is not causal: mean ablation does not worsen {called}"
        for role, form in (("sufficiency", _sufficiency), ("necessity", _necessity)):
            if role == "necessity" and "error_only" not in point:
                continue
            name = f"{measure}_{role}_score"
            scores[name] = _ratio(name, form, point, again, reason)
    return stamped(scores, PROPERTIES)


def prepare_boards(
    clean: NDArray[np.floating],
    mean_ablated: NDArray[np.floating],
    allowed: NDArray[np.bool_],
    *,
    game_id: NDArray[np.integer],
    targets: NDArray[np.integer] | None = None,
) -> PreparedBoards:
    """What `board_approximation` needs besides the dictionary's predictions; its arguments and errors are the same."""
    logits = finite_matrix(clean, "clean")
    truth = as_truth(allowed, targets, logits.shape)
    games = as_games(game_id, len(logits))
    probability = probabilities(logits)
    read = [_read(one, name, probability, truth) for name, one in (("clean", logits), ("mean_ablated", mean_ablated))]
    return PreparedBoards(probability, truth, games, *read)


def legal_move_errors(logits: NDArray[np.floating], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """False positives plus false negatives of the |L| highest-ranked tokens against the legal ones L, float64 [N].

    Args:
        logits: floating [N, V], or anything that ranks tokens alike.
        allowed: bool [N, V], L of each row.

    Examples:
        >>> import numpy as np
        >>> allowed = np.array([[True, True, False, False]])
        >>> legal_move_errors(np.array([[3.0, 0.0, 2.0, 1.0]]), allowed).tolist()  # the 2nd and 3rd are swapped
        [2.0]
    """
    values = np.asarray(logits)
    n_legal = allowed.sum(1)
    last = np.maximum(values.shape[1] - n_legal, 0)  # of the ascending ranks, the lowest inside
    bar = np.take_along_axis(np.sort(values, axis=1), np.minimum(last, values.shape[1] - 1)[:, None], 1)
    above = values > bar
    right = (above & allowed).sum(1)
    level = values == bar
    room = n_legal - above.sum(1)  # at the bar itself, lower tokens rank first
    crowded = np.flatnonzero(level.sum(1) > room)
    level[crowded] &= level[crowded].cumsum(1) <= room[crowded, None]
    right += (level & allowed).sum(1)
    return 2.0 * (n_legal - right).astype(np.float64)


def _read(values: NDArray[np.floating], name: str, probability: NDArray[np.float32], truth: Truth) -> Read:
    tokens = read_predictions(values, name, probability, truth, logits=True)
    return Read(tokens, legal_move_errors(as_array(values, name, "floating [N, V]"), truth.allowed))


def _legal_move_error(
    point: dict[str, NDArray[np.float64]], again: dict[str, NDArray[np.float64]], n_legal: float
) -> Score:
    low, high = interval(again["reconstructed"])
    return Score(
        "legal_move_error",
        float(point["reconstructed"][0]),
        low,
        high,
        floors={"mean ablation": float(point["mean_ablated"][0])},
        ceilings={"model": float(point["clean"][0])},
        details={"legal_moves": n_legal},
        replicates=again["reconstructed"],
    )


def _sufficiency(means: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return (means["mean_ablated"] - means["reconstructed"]) / (means["mean_ablated"] - means["clean"])


def _necessity(means: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return 1 - np.abs(means["error_only"] - means["mean_ablated"]) / np.abs(means["mean_ablated"] - means["clean"])


def _ratio(
    name: str,
    form: Any,
    point: dict[str, NDArray[np.float64]],
    again: dict[str, NDArray[np.float64]],
    reason: str | None,
) -> Score:
    """A ratio with its interval, or NaN with the reason."""
    if reason is not None:
        nan = float("nan")
        return Score(name, nan, nan, nan, details={"undefined": reason})
    with np.errstate(divide="ignore", invalid="ignore"):
        value, replicates = float(form(point)[0]), form(again)
    defined = np.isfinite(replicates)
    low, high = interval(replicates[defined])
    details = {} if defined.all() else {"undefined_resamples": int((~defined).sum())}
    replicates = np.where(defined, replicates, np.nan)
    floor = "mean ablation" if form is _sufficiency else "nothing"
    score = Score(name, value, min(low, value), max(high, value), details=details, replicates=replicates)
    return score.beside(floors={floor: 0.0}, ceilings={"activation": 1.0})
