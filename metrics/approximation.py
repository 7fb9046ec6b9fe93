"""Approximation: does the computation go through what the dictionary writes, and through nothing else?

Question      Put the reconstruction in place of an activation (of one node, or of the nodes of a cross-section): does
              the task still work (sufficiency)? Put only what the reconstruction leaves out: does it fail (necessity)?
Equations     D mean logit difference over prompts, of the clean run, with a <- ahat (rec), a <- abar (MA), and
              a <- abar + (a - ahat) (err):
  sufficiency_score   (D_rec - D_MA) / (D_clean - D_MA), signed
  faithfulness_score  1 - |D_rec - D_clean| / |D_clean - D_MA|: overshoot costs as much as a shortfall
  necessity_score     1 - |D_err - D_MA| / |D_clean - D_MA|
Conventions   A site at which mean ablation moves D by at most 5 % of |D_clean| is not causal: nothing can be recovered
              there and every score is NaN, with the reason in the details. Intervals resample prompts (games), ratios
              as ratios of means; the absolute values have a kink, so an interval is widened to hold its value.
              Sufficiency alone hardly separates dictionaries: read it beside necessity and control.
References    Makelov, Lange, Nanda 2024, arXiv 2405.08366 (sufficiency and necessity); repository amakelov/sae.
Differences from published code (`protocol="makelov2024"` gives the published forms)
              1. The paper divides D_rec by D_clean, so mean ablation scores above 0: published is higher.
              2. The code's `LD recovered` is unsigned, |D_rec - D_MA| / |D_clean - D_MA|: wrong-sided values and
                 overshoot look good. Here signed, with faithfulness beside it.
              3. Neither has a guard: where the site is not causal they divide by nearly nothing.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .game_totals import GameTotals, sums_by_game
from .inputs import as_array, as_games
from .properties import Properties
from .score import Score, interval, stamped

PROTOCOLS = ("fiducial", "makelov2024")
CAUSAL_ABOVE = 0.05  # of |D_clean|
_NEEDS = ("clean_difference", "reconstructed_difference", "mean_difference", "error_difference", "game_id")
_LIMITS = "Asks only whether the task survives; blind to which latents carry it, and to prompts that cancel out."
PROPERTIES: dict[str, Properties] = {
    "sufficiency_score": Properties(
        question="How much of the logit difference lost to mean ablation does the reconstruction recover?",
        direction="up",
        low=-inf,
        high=inf,
        chance="0 for the mean activation, 1 for the activation itself; above 1 is overshoot",
        needs=_NEEDS,
        symmetries=("game order",),
        notices=(),
        limits=_LIMITS,
    ),
    "faithfulness_score": Properties(
        question="How close does the reconstruction bring the logit difference to that of the clean run?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for the mean activation, 1 for the activation itself",
        needs=_NEEDS,
        symmetries=("game order",),
        notices=(),
        limits=_LIMITS,
    ),
    "necessity_score": Properties(
        question="Does the task fail as under mean ablation when only what the dictionary misses is left?",
        direction="up",
        low=-inf,
        high=1.0,
        chance="0 for a dictionary that writes nothing, 1 for a perfect one",
        needs=_NEEDS,
        symmetries=("game order",),
        notices=(),
        limits=_LIMITS,
    ),
}


def approximation(
    clean: NDArray[np.floating],
    reconstructed: NDArray[np.floating],
    mean_ablated: NDArray[np.floating],
    error_only: NDArray[np.floating] | None,
    *,
    game_id: NDArray[np.integer] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: str = "fiducial",
) -> dict[str, Score]:
    """Sufficiency, faithfulness and necessity of a dictionary at one site.

    Args:
        clean: floating [N], logit difference (right minus other answer) of every prompt, untouched.
        reconstructed: the same with the site set to its reconstructions.
        mean_ablated: the same with the site set to its mean activation.
        error_only: the same with the site set to its mean plus what the reconstruction misses; None leaves necessity
            out.
        game_id: integer [N], what to resample; None means every prompt is its own game.
        n_resamples: bootstrap resamples.
        seed: of the bootstrap.
        protocol: `fiducial`, or `makelov2024` for the published forms: sufficiency D_rec / D_clean, the same necessity,
            and `ld_recovered_score`, unsigned, as in the released code; none of them guarded.

    Returns:
        Scores by name. Each holds in its details the four means and the published forms.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes that do not fit, NaN or infinity, fewer than two prompts, an unknown protocol.

    Examples:
        >>> import numpy as np
        >>> clean, mean = np.array([4.0, 2.0]), np.array([1.0, 1.0])
        >>> scores = approximation(clean, clean + 1, mean, mean, n_resamples=10)
        >>> scores["sufficiency_score"].value, scores["faithfulness_score"].value, scores["necessity_score"].value
        (1.5, 0.5, 1.0)
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"approximation has no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    given = {"clean": clean, "reconstructed": reconstructed, "mean_ablated": mean_ablated}
    if error_only is not None:
        given["error_only"] = error_only
    columns = checked_differences(given)
    n = len(columns["clean"])
    games = np.arange(n) if game_id is None else as_games(game_id, n)
    columns = {"rows": np.ones(n), **columns}
    totals = GameTotals.over(tuple(columns), sums_by_game(columns, games), n_resamples, seed)
    return approximation_scores(totals, protocol)


def approximation_scores(totals: GameTotals, protocol: str = "fiducial") -> dict[str, Score]:
    """Scores of `approximation` from sums of its columns and of `rows`."""
    conditions = [name for name in totals.names if name != "rows"]
    value = {name: np.array([totals.mean_of(name)]) for name in conditions}
    again = {name: totals.means_of(name) for name in conditions}
    with np.errstate(divide="ignore", invalid="ignore"):
        points, spreads = _forms(value), _forms(again)
    drop, scale = float((value["clean"] - value["mean_ablated"])[0]), float(value["clean"][0])
    details: dict[str, Any] = {
        "differences": {name: float(mean[0]) for name, mean in value.items()},
        "published": {
            name: float(points[name][0]) if np.isfinite(points[name][0]) else None
            for name in ("sufficiency", "necessity", "ld_recovered")
            if name in points
        },
        "n_prompts": round(totals.sum_of("rows")),
    }
    names = {"sufficiency_score": "recovered", "faithfulness_score": "faithfulness", "necessity_score": "necessity"}
    if protocol == "makelov2024":
        names = {
            "sufficiency_score": "sufficiency",
            "necessity_score": "necessity",
            "ld_recovered_score": "ld_recovered",
        }
    reason = not_causal(drop, scale) if protocol == "fiducial" else None
    scores: dict[str, Score] = {}
    for name, form in names.items():
        if form not in points:
            continue
        floors = (
            {} if reason or protocol != "fiducial" else {"mean ablation" if form != "necessity" else "nothing": 0.0}
        )
        ceilings = {"activation": 1.0} if floors else {}
        scores[name] = _score(name, points[form], spreads[form], reason, details, protocol)
        scores[name] = scores[name].beside(floors=floors, ceilings=ceilings)
    return scores if protocol == "makelov2024" else stamped(scores, PROPERTIES)


def not_causal(drop: float, scale: float, what: str = "the logit difference") -> str | None:
    """Why nothing can be recovered at a site, or None where something can.

    Args:
        drop: clean minus mean ablated.
        scale: clean value.
        what: what is measured, for the sentence.
    """
    if abs(drop) > CAUSAL_ABOVE * abs(scale):
        return None
    return (
        f"the site is not causal: mean ablation moves {what} from {scale:.4g} by {abs(drop):.3g}, "
        f"at most {100 * CAUSAL_ABOVE:.0f} % of it"
    )


def recovered_by_node(
    clean: NDArray[np.floating], nodes: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]]
) -> list[dict[str, Any]]:
    """What each node alone recovers: rows with node, signed and unsigned recovery, faithfulness, and why not causal.

    Args:
        clean: floating [N], logit differences.
        nodes: by node name, the differences with its reconstruction in place and with its mean, floating [N] each.

    Raises:
        TypeError: not arrays.
        ValueError: shapes that do not fit, or NaN or infinity.
    """
    rows: list[dict[str, Any]] = []
    for name, (reconstructed, mean_ablated) in nodes.items():
        columns = checked_differences({"clean": clean, "reconstructed": reconstructed, "mean_ablated": mean_ablated})
        means = {key: np.array([column.mean()]) for key, column in columns.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            forms = _forms(means)
        reason = not_causal(float((means["clean"] - means["mean_ablated"])[0]), float(means["clean"][0]))
        row: dict[str, Any] = {"node": name}
        for form in ("recovered", "ld_recovered", "faithfulness"):
            row[form] = float("nan") if reason else float(forms[form][0])
        rows.append({**row, "reason": reason})
    return rows


def checked_differences(given: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.float64]]:
    """Finite float64 columns [N] of one length.

    Raises:
        TypeError: not arrays.
        ValueError: another shape or dtype, empty, NaN or infinity.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name, values in given.items():
        array = as_array(values, name, "a floating array [N]")
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating) or len(array) < 1:
            raise ValueError(f"{name} must be floating [N] and not empty, got {array.dtype} {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds {array[~np.isfinite(array)][0]}; expected finite logit differences")
        found[name] = array.astype(np.float64)
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"all logit differences must have one value a prompt, got {lengths}")
    return found


def _forms(means: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Every ratio of means, of the sample or of resamples."""
    clean, rec, mean = means["clean"], means["reconstructed"], means["mean_ablated"]
    drop = clean - mean
    forms = {
        "recovered": (rec - mean) / drop,
        "faithfulness": 1 - np.abs(rec - clean) / np.abs(drop),
        "sufficiency": rec / clean,
        "ld_recovered": np.abs(rec - mean) / np.abs(drop),
    }
    if "error_only" in means:
        forms["necessity"] = 1 - np.abs(means["error_only"] - mean) / np.abs(drop)
    return forms


def _score(
    name: str,
    point: NDArray[np.float64],
    replicates: NDArray[np.float64],
    reason: str | None,
    details: Mapping[str, Any],
    protocol: str,
) -> Score:
    """One score; undefined with its reason."""
    value, defined = float(point[0]), np.isfinite(replicates)
    if reason is None and not (np.isfinite(value) and defined.any()):
        reason = "the denominator is 0 on this sample"
    if reason is not None:
        nan = float("nan")
        return Score(name, nan, nan, nan, protocol=protocol, details={**details, "undefined": reason})
    low, high = interval(replicates[defined])
    replicates = np.where(defined, replicates, np.nan)
    return Score(
        name,
        value,
        min(low, value),
        max(high, value),
        protocol=protocol,
        details=dict(details),
        replicates=replicates,
    )
