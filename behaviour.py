"""What the model does with a dictionary's reconstruction in place of its own activations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .metrics.approximation_boards import PreparedBoards, prepare_boards
from .metrics.core_behaviour import PreparedBehaviour, prepare_behaviour
from .models.capture import run_with_replacement
from .models.devices import rebuilt
from .models.dictionary import Dictionary
from .testbed_catalogue import Testbed

Replace = Callable[[torch.Tensor], torch.Tensor]
BOARD_LOGITS = 2_000_000  # of legal-move errors: all of the Othello demo, a thousand positions of chess


@dataclass(frozen=True)
class Behaviour:
    """The model's predictions at the reporting games' scored positions that have a legal move, in four conditions.

    Attributes:
        clean: float32 [n, d_vocab], log-probabilities of the untouched model.
        zero: the same with the activations replaced by zeros.
        mean: the same with the activations replaced by their mean over the choosing games.
        allowed: bool [n, d_vocab], tokens that are legal next.
        game_id: int [n].
        kept: bool [scored positions of the reporting games], which of them have a legal move.
    """

    clean: NDArray[np.float32]
    zero: NDArray[np.float32]
    mean: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    game_id: NDArray[np.int32]
    kept: NDArray[np.bool_]


def reference_behaviour(bed: Testbed) -> Behaviour:
    """The conditions every dictionary is compared with; computed once a testbed."""
    if "behaviour" not in bed.cache:
        mean = bed.x[torch.from_numpy(bed.train)].mean(0).to(bed.device)
        games, predicted = _reporting(bed)
        allowed = bed.game.allowed(bed.transcripts.tokens[games])[predicted]
        kept = np.asarray(allowed.any(axis=1))  # nothing can be said of the next move where the game is over
        bed.cache["behaviour"] = Behaviour(
            clean=log_probs(bed, lambda x: x)[kept],
            zero=log_probs(bed, torch.zeros_like)[kept],
            mean=log_probs(bed, mean.expand_as)[kept],
            allowed=allowed[kept],
            game_id=np.repeat(games, predicted.sum(1)).astype(np.int32)[kept],
            kept=kept,
        )
    return bed.cache["behaviour"]


def prepared_behaviour(bed: Testbed) -> PreparedBehaviour:
    """The conditions, ready to be compared with; made once a testbed."""
    if "prepared behaviour" not in bed.cache:
        known = reference_behaviour(bed)
        bed.cache["prepared behaviour"] = prepare_behaviour(
            known.clean, known.zero, known.mean, known.allowed, known.game_id
        )
    return bed.cache["prepared behaviour"]


def board_rows(bed: Testbed) -> slice:
    """The first positions of the reporting games, as many as legal-move errors are counted at."""
    return slice(0, max(500, BOARD_LOGITS // reference_behaviour(bed).clean.shape[1]))


def prepared_boards(bed: Testbed) -> PreparedBoards:
    """The conditions at `board_rows`, ready for legal-move errors; made once a testbed."""
    if "prepared boards" not in bed.cache:
        known, rows = reference_behaviour(bed), board_rows(bed)
        bed.cache["prepared boards"] = prepare_boards(
            known.clean[rows], known.mean[rows], known.allowed[rows], game_id=known.game_id[rows]
        )
    return bed.cache["prepared boards"]


def with_dictionary(dictionary: Dictionary) -> Replace:
    """Replacement of activations [batch, positions, d] by their reconstruction."""

    def replace(x: torch.Tensor) -> torch.Tensor:
        return rebuilt(dictionary, x.flatten(0, -2)).reshape(x.shape)

    return replace


def without_dictionary(dictionary: Dictionary, mean: torch.Tensor) -> Replace:
    """Replacement of activations [batch, positions, d] by the mean (float [d]) plus what the reconstruction misses."""
    rebuilt = with_dictionary(dictionary)
    return lambda x: mean + x - rebuilt(x)


def log_probs(
    bed: Testbed, replace: Replace, batch_size: int | None = None, *, n_games: int | None = None
) -> NDArray[np.float32]:
    """Log-probabilities of the next token wherever predictions of the reporting games count.

    Args:
        bed: the testbed.
        replace: what goes on at the hook point instead of the activations; where a testbed reads prompts at one
            position, at that position only.
        batch_size: games a forward pass; 64, or more where games are short, by default.
        n_games: only the first ones of the reporting games; None for all.

    Returns:
        float32 [n, d_vocab].
    """
    games, predicted = (part[:n_games] for part in _reporting(bed))
    tokens = torch.from_numpy(bed.transcripts.tokens[games])
    scored = torch.from_numpy(bed.transcripts.scored[games])
    kept: list[NDArray[np.float32]] = []
    batch_size = batch_size or 64 * max(1, 64 // tokens.shape[1])  # every pass costs time before it computes anything
    parts = zip(*(one.split(batch_size) for one in (tokens, scored, torch.from_numpy(predicted))), strict=True)
    for rows, read, mask in parts:
        put = _only_at(read.to(bed.device), replace) if bed.spec.position else replace
        logits = run_with_replacement(bed.model, rows.to(bed.device), bed.hook, put)
        kept.append(logits.float().log_softmax(-1).cpu()[mask].numpy())
    return np.concatenate(kept)


def _only_at(chosen: torch.Tensor, replace: Replace) -> Replace:
    """`replace`, at the chosen positions (bool [batch, positions]) only."""

    def put(x: torch.Tensor) -> torch.Tensor:
        return x.masked_scatter(chosen[..., None], replace(x[chosen][None])[0])

    return put


def _reporting(bed: Testbed) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Games that report, int64 [n], and where their predictions count, bool [n, positions]."""
    games = np.unique(np.asarray(bed.activations.game_id)[~bed.train]).astype(np.int64)
    return games, bed.predicted[games]
