"""Whose fault is it: encoder and dictionary, each learnt or as good as can be, in a table of two by two.

Equation      total = score(both oracle) - score(both learnt)
              encoder's part = 1/2 [(oracle, learnt) - (learnt, learnt)] + 1/2 [(oracle, oracle) - (learnt, oracle)],
              where a pair is (encoder, dictionary); the dictionary's part is the rest of the total. This is the
              Shapley value of the two: the mean gain of changing one first or last.
Conventions   Oracle encoder: `models.oracle_encoder.with_oracle_encoder` on the directions at hand. Oracle dictionary:
              the true directions; the learnt encoder keeps its latents, each projected onto the feature that it is
              matched to (one-to-one, on the training rows). So the total is what a sparse coder on the true dictionary
              reaches, which overlapping features may keep below 1, less what the dictionary reaches.
References    Stop Probing, Start Coding, arXiv 2603.28744, which asks the question. Shapley 1953.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# torch and scipy are not fully typed.

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .inputs import Labels
from .recovery import recovery
from .score import Score

if TYPE_CHECKING:
    from ..models.dictionary import Dictionary

CELLS = (
    "learnt encoder, learnt dictionary",
    "oracle encoder, learnt dictionary",
    "learnt encoder, true dictionary",
    "oracle encoder, true dictionary",
)
MEASURES = ("recovery_score", "recovery_f1_score", "explained_variance")


@dataclass(frozen=True)
class Factors:
    """Scores of the four combinations.

    Attributes:
        scores: cell -> measure -> value; cells as in `CELLS`, measures as in `MEASURES`.
        recovery: cell -> its recovery_score with interval and table.
        encoder: measure -> how much of the loss is the encoder's.
        dictionary: measure -> how much is the dictionary's.
    """

    scores: dict[str, dict[str, float]]
    recovery: dict[str, Score]
    encoder: dict[str, float]
    dictionary: dict[str, float]

    def __str__(self) -> str:
        rows = [f"{'':36}" + "".join(f"{m:>20}" for m in MEASURES)]
        for cell, values in self.scores.items():
            rows.append(f"{cell:36}" + "".join(f"{values[m]:20.3f}" for m in MEASURES))
        for name, parts in (("lost by the encoder", self.encoder), ("lost by the dictionary", self.dictionary)):
            rows.append(f"{name:36}" + "".join(f"{parts[m]:20.3f}" for m in MEASURES))
        return "\n".join(rows)


def recovery_factors(
    dictionary: "Dictionary",
    x: Any,
    labels: Labels,
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    true_directions: Any,
    owner: NDArray[np.integer] | None = None,
    bias: Any = None,
    method: Any = "matching pursuit",
    l0: int | None = None,
    alpha: float | None = None,
    **options: Any,
) -> Factors:
    """Recovery with encoder and dictionary exchanged in turn for oracles.

    Args:
        dictionary: what is examined.
        x: float [N, d], a tensor or an array.
        labels: bool [N, F], or packed uint8 [N, ceil(F / 8)].
        game_id: integer [N].
        train: bool [N], rows to choose on.
        true_directions: float [A, d].
        owner: int [A], feature of each true direction; None where direction a is that of feature a.
        bias: float [d], the world's; None takes 0.
        method: of the oracle encoder, see `with_oracle_encoder`.
        l0: its latents a row at most; None takes three times the dictionary's own mean L0, but no more than d / 2
            (matching pursuit).
        alpha: its penalty (lasso).
        **options: further arguments of `recovery`, such as `nulls` and `features`.

    Raises:
        ValueError: arrays that do not fit.
    """
    import torch

    from ..models.controls import LinearDictionary
    from ..models.dictionary import encode_in_batches
    from ..models.oracle_encoder import with_oracle_directions, with_oracle_encoder

    activations = torch.as_tensor(x).float()
    true = torch.as_tensor(true_directions).float()
    owners = np.arange(len(true)) if owner is None else np.asarray(owner)
    centre = torch.zeros(true.shape[1]) if bias is None else torch.as_tensor(bias).float()
    codes = encode_in_batches(dictionary, activations)
    if l0 is None and method == "matching pursuit":
        # Rows hold more features than the mean row does; matching pursuit ends by itself where nothing is left.
        l0 = max(1, min(math.ceil(3 * codes.l0), true.shape[1] // 2, len(dictionary.directions), len(true)))
    given: dict[str, Any] = {"game_id": game_id, "train": train, "true_directions": true, "owner": owner, **options}

    def scored(candidate: "Dictionary", latents: Any) -> tuple[dict[str, Score], float]:
        found = recovery(latents, labels, directions=candidate.directions, **given)
        # Written in parts, since dense latents of all rows may not fit.
        left = total = 0.0
        held = torch.from_numpy(np.flatnonzero(~train))
        mean = activations[held].double().mean(0)
        for rows in held.split(8192):
            dense = torch.from_numpy(latents.take(rows.numpy()).to_dense())
            left += float((activations[rows] - candidate.decode(dense)).double().square().sum())
            total += float((activations[rows].double() - mean).square().sum())
        return found, 1 - left / total

    several = np.bincount(owners)[owners] > 1  # axes of planes are signed, so each gets its opposite too
    signs = torch.cat([true, -true[torch.from_numpy(several)]])
    perfect = LinearDictionary("true dictionary", signs.T.contiguous(), signs, centre, centre)
    own = scored(dictionary, codes)
    assignment = np.array(own[0]["recovery_score"].details["feature_of_latent"], np.int64)
    cells: dict[str, Dictionary] = {
        CELLS[1]: with_oracle_encoder(dictionary, method=method, l0=l0, alpha=alpha),
        CELLS[2]: with_oracle_directions(dictionary, true, assignment, owner=owners, offset=centre),
        CELLS[3]: with_oracle_encoder(perfect, method=method, l0=l0, alpha=alpha),
    }
    results = {CELLS[0]: own}
    for cell, candidate in cells.items():
        results[cell] = scored(candidate, encode_in_batches(candidate, activations))
    scores = {
        cell: {**{m: found[m].value for m in MEASURES[:2]}, MEASURES[2]: variance}
        for cell, (found, variance) in results.items()
    }
    ll, ol, lo, oo = (scores[cell] for cell in CELLS)
    encoder = {m: 0.5 * (ol[m] - ll[m]) + 0.5 * (oo[m] - lo[m]) for m in MEASURES}
    rest = {m: oo[m] - ll[m] - encoder[m] for m in MEASURES}
    return Factors(scores, {cell: found["recovery_score"] for cell, (found, _) in results.items()}, encoder, rest)
