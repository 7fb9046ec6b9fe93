"""Is a model worth a testbed? What it has learned of the board, measured before any SAE is trained on it.

The legal-move rate alone says little: a bag of heuristics plays almost only legal moves without holding the board.
The measure is how well the square states can be read, linearly, from the residual stream of each block.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .games.transcripts import Game
from .metrics.score import game_weights, interval
from .models.capture import capture
from .models.train_transformer import exact_target_loss
from .supervised_dicts.probes import fit_probes

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


@dataclass(frozen=True)
class Quality:
    """What a model knows, on games it never saw.

    Attributes:
        legal: share of positions whose most likely next move is legal.
        excess_loss: nats above the exact distribution of the next move.
        probe_f1: mean F1 of linear probes for what stands on each square (group `board`), best block, held-out games.
        probe_low: lower end of its 95 % interval, over games.
        probe_high: upper end.
        best_layer: block with the best probes, from 0.
        by_layer: probe F1 after each block.
        always_on: F1 of the constant prediction, the floor of `probe_f1`.
        n_games: games that report; twice as many choose.
        n_features: features probed: those of the group with at least `min_positives` positions to choose on.
    """

    legal: float
    excess_loss: float
    probe_f1: float
    probe_low: float
    probe_high: float
    best_layer: int
    by_layer: tuple[float, ...]
    always_on: float
    n_games: int
    n_features: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, rounded to four digits."""
        return {
            key: [round(v, 4) for v in value]
            if isinstance(value, tuple)
            else round(value, 4)
            if isinstance(value, float)
            else value
            for key, value in asdict(self).items()
        }


def qualify(
    model: "TransformerBridge",
    game: Game,
    n_layers: int,
    *,
    n_games: int = 1200,
    seed: int = 7,
    min_positives: int = 100,
    device: str = "cpu",
) -> Quality:
    """Measure a model on fresh games: probes are fitted on two thirds of them and scored on the rest.

    Args:
        model: a transformer that plays `game`.
        game: a world with a feature group `board`.
        n_layers: blocks to read.
        n_games: games in all.
        seed: of the games.
        min_positives: features seldomer than this among the choosing positions say nothing about the model.
        device: torch device.

    Raises:
        ValueError: no feature of the board is that frequent.
    """
    transcripts = game.sample(n_games, seed)
    columns = transcripts.features.where(group="board", reachable=True)
    legal, losses = play(model, transcripts.tokens, game, device)
    best: tuple[float, float, float, int] = (-1.0, 0.0, 0.0, 0)
    by_layer: list[float] = []
    floor, n_features = float("nan"), 0
    for layer in range(n_layers):
        captured = capture(model, transcripts, f"blocks.{layer}.hook_out", progress=False)
        x = torch.from_numpy(np.asarray(captured.activations, dtype=np.float32))
        labels = transcripts.features.unpack_columns(np.asarray(captured.labels), columns)
        train = captured.split(test_fraction=1 / 3, seed=seed)
        common = labels[train].sum(axis=0) >= min_positives
        if not common.any():
            raise ValueError(
                f"no feature of the board holds at {min_positives} of {int(train.sum())} positions; take more than "
                f"{n_games} games, or a lower min_positives"
            )
        labels = labels[:, common]
        n_features = labels.shape[1]
        value, low, high, floor = probe_f1(x, labels, np.asarray(captured.game_id), train, seed=seed)
        by_layer.append(value)
        best = max(best, (value, low, high, layer))
    test_games = n_games - round(n_games * 2 / 3)
    return Quality(legal, losses, best[0], best[1], best[2], best[3], tuple(by_layer), floor, test_games, n_features)


def probe_f1(
    x: torch.Tensor,
    labels: np.ndarray[Any, np.dtype[np.bool_]],
    game_id: np.ndarray[Any, np.dtype[np.integer]],
    train: np.ndarray[Any, np.dtype[np.bool_]],
    *,
    seed: int,
) -> tuple[float, float, float, float]:
    """Mean F1 over the labels of linear probes on held-out games: value, low, high, and that of always saying yes.

    Each probe's threshold on its probability is the best of a grid on the training games.
    """
    chosen, rest = torch.from_numpy(train), torch.from_numpy(~train)
    probes = fit_probes(x[chosen], labels[train], feature_names=[str(i) for i in range(labels.shape[1])], seed=seed)
    fitted, truth = probes.encode(x[chosen]).numpy(), labels[train]
    grid = np.arange(0.1, 0.9, 0.05)
    scores = [2 * (on & truth).sum(0) / np.maximum(on.sum(0) + truth.sum(0), 1) for on in (fitted > t for t in grid)]
    thresholds = grid[np.argmax(scores, axis=0)]
    on, truth = probes.encode(x[rest]).numpy() > thresholds, labels[~train]
    games, index = np.unique(game_id[~train], return_inverse=True)
    counts = np.zeros((3, len(games), labels.shape[1]))
    for row, hits in enumerate((on & truth, on, truth)):
        np.add.at(counts[row], index, hits)
    resampled = np.einsum("rg,cgf->crf", game_weights(len(games), 300, seed), counts)
    replicates = (2 * resampled[0] / np.maximum(resampled[1] + resampled[2], 1)).mean(1)
    tp, predicted, positives = counts.sum(1)
    prevalence = truth.mean(0)
    return (
        float((2 * tp / np.maximum(predicted + positives, 1)).mean()),
        *interval(replicates),
        float((2 * prevalence / (1 + prevalence)).mean()),
    )


def play(
    model: "TransformerBridge", tokens: np.ndarray[Any, np.dtype[np.int64]], game: Game, device: str = "cpu"
) -> tuple[float, float]:
    """Share of positions whose most likely next token is legal, and nats above random play, on given games."""
    allowed = game.allowed(tokens)
    right, scored, loss = 0, 0, 0.0
    for rows in np.array_split(np.arange(len(tokens)), max(1, len(tokens) // 128)):
        with torch.no_grad():
            logits = model(torch.from_numpy(tokens[rows]).to(device), return_type="logits").float().cpu()
        legal = torch.from_numpy(allowed[rows])
        has = legal.any(-1)
        picked = legal.gather(-1, logits.argmax(-1, keepdim=True))[..., 0]
        n = int(has.sum())
        right, scored = right + int(picked[has].sum()), scored + n
        loss += n * float(exact_target_loss(logits, legal))
    return right / scored, loss / scored


def progress_line(game: Game, n_layers: int, say: Callable[[str], None]) -> Callable[["TransformerBridge", int], None]:
    """A callback for training: a small `qualify` every time, as one line."""

    def report(model: "TransformerBridge", games: int) -> None:
        q = qualify(model, game, n_layers, n_games=450, min_positives=50)
        layers = " ".join(f"{value:.3f}" for value in q.by_layer)
        say(
            f"{games:9,d} games  legal {q.legal:.4f}  excess loss {q.excess_loss:.4f} nats  "
            f"probe F1 by block {layers} (best {q.probe_f1:.3f} [{q.probe_low:.3f}, {q.probe_high:.3f}], "
            f"always on {q.always_on:.3f})"
        )

    return report
