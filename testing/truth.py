"""Arrays made elsewhere: latents on one side, the truth about the same rows on the other. No testbed, no model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import as_bool, features_of
from ..data.activations import split_by_game
from ..metrics import core_sparsity, coverage, reconstruction
from ..metrics.core import PROPERTIES as CORE
from ..models.dictionary import Codes
from ..provenance import provenance

if TYPE_CHECKING:
    from ..report import Report

MEASURED = ("coverage", "reconstruction", *(name for name, p in CORE.items() if "x_hat" not in p.needs))
_SOURCE = Path("Truth")  # what messages about the arrays begin with


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of the rows that latents were computed on; stands where a testbed stands.

    Attributes:
        labels: bool or 0/1 [N, F], whether each feature holds.
        game_id: integer [N], what may not be split between choosing and reporting: a game, a document, a prompt.
        names: of the features; numbers by default.
        groups: of the features; one group by default. Scores average inside a group, then over groups.
        name: for messages.
    """

    labels: Any
    game_id: Any
    names: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    name: str = "arrays"


def score_arrays(latents: Any, truth: Truth, *, seed: int = 0, name: str = "latents") -> "Report":
    """Coverage, reconstruction and sparsity of latents against labels, in memory.

    Args:
        latents: floating [N, L], an array or a tensor; a latent fires where it is > 0.
        truth: of the same rows.
        seed: of the split by game and of the bootstrap.
        name: of the latents.

    Raises:
        ValueError: shapes that do not fit, labels that are not 0 or 1, games that are no whole numbers.
    """
    from ..report import Report

    codes = Codes.from_dense(latents if hasattr(latents, "detach") else np.asarray(latents))
    labels = as_bool(_array(truth.labels), _SOURCE)
    games = _array(truth.game_id)
    if games.shape != (len(labels),) or codes.n_rows != len(labels):
        raise ValueError(
            "latents, labels and game_id need one row a position each, got "
            f"{codes.n_rows} rows of latents, {len(labels)} of labels and game_id {list(games.shape)}"
        )
    if not np.issubdtype(games.dtype, np.integer):
        raise ValueError(f"game_id must be whole numbers, got {games.dtype}")
    texts = {"feature_names": truth.names, "feature_groups": truth.groups}
    given = {key: np.array(list(value)) for key, value in texts.items() if value is not None}
    features = features_of(given, labels.shape[1], _SOURCE)
    train = split_by_game(games, 0.5, seed)
    shared: dict[str, Any] = {"game_id": games, "train": train, "features": features, "seed": seed}
    scores = {
        "coverage": coverage(codes, labels, **shared),
        "reconstruction": reconstruction(codes, labels, **shared),
        **core_sparsity(codes.take(np.flatnonzero(~train)), game_id=games[~train], seed=seed),
    }
    told = hashlib.sha256(np.ascontiguousarray(labels).tobytes() + np.ascontiguousarray(games).tobytes()).hexdigest()
    about = provenance(seed=seed, positions=len(labels), games=len(np.unique(games)), truth=told)
    return Report(name, truth.name, scores, about)


def _array(values: Any) -> Any:
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
