"""Pairs of positions or prompts that differ in one attribute, and what the model does when latents are exchanged."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.board_states import board_states
from ..games.branching_games import branching_games
from ..games.position_pairs import position_pairs
from ..metrics.ravel_model import ravel_model
from ..metrics.ravel_pairs import RavelTask
from ..metrics.score import Score
from ..models.devices import device_of, encoded
from ..models.nodes import Node, read_nodes, run_patched
from ..subject import Subject
from ..testbed_catalogue import Testbed

N_PAIRS = 300  # that report through the model
N_BEGINNINGS, WAYS, DEPTH = 60, 3, 4
MIN_PAIRS = 10


@dataclass(frozen=True)
class ModelPairs:
    """Bases and sources that differ in one attribute of the task, and the model's distance from what it should do.

    Attributes:
        base: float32 [N, d], activations.
        source: float32 [N, d].
        attribute: int64 [N], of the task.
        other: int64 [N], another attribute of the task.
        game: int64 [N], what to resample.
        run: activations float [N, d] to distances from the source's answer and the base's, float64 [N] each.
        untouched: float64 [2, N], both distances of the clean run.
        patched: float64 [2, N], with the source's activation.
    """

    base: torch.Tensor
    source: torch.Tensor
    attribute: NDArray[np.int64]
    other: NDArray[np.int64]
    game: NDArray[np.int64]
    run: Callable[[torch.Tensor], NDArray[np.float64]]
    untouched: NDArray[np.float64]
    patched: NDArray[np.float64]


def model_pairs(about: Subject, task: RavelTask) -> ModelPairs | None:
    """Pairs of a testbed with a model; None where too few are found."""
    bed = about.bed
    assert isinstance(bed, Testbed)
    make = _prompts if bed.spec.position else _positions
    reporting = np.unique(about.game_id[~about.train]).astype(np.int64)
    return about.kept(("tasks", "ravel", "model", about.seed), lambda: make(bed, task, reporting, about.seed))


def through_the_model(about: Subject, task: RavelTask, masks: NDArray[np.bool_]) -> dict[str, Score]:
    """What the model does when the latents of masks, bool [A, L], are exchanged; empty where there are no pairs."""
    pairs = model_pairs(about, task)
    if pairs is None:
        return {}
    dictionary = about.candidate.dictionary
    with torch.no_grad():
        rows = pairs.base.to(device_of(dictionary))
        base, source = dictionary.encode(rows), encoded(dictionary, pairs.source)
        before = dictionary.decode(base)
        found: list[NDArray[np.float64]] = []
        for attribute in (pairs.attribute, pairs.other):
            taken = torch.from_numpy(masks[attribute]).to(base.device)
            found.append(pairs.run(rows + dictionary.decode(torch.where(taken, source, base)) - before))
    own, other = found
    return ravel_model(
        np.stack([pairs.untouched[0], pairs.patched[0], own[0]], 1),
        np.stack([pairs.untouched[1], pairs.patched[1], other[1]], 1),
        game_id=pairs.game,
        n_resamples=about.n_resamples,
        seed=about.seed,
    )


def _others(attribute: NDArray[np.int64], asked: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Another asked attribute for every pair."""
    step = np.random.default_rng(seed).integers(1, len(asked), size=len(attribute))
    return asked[(np.searchsorted(asked, attribute) + step) % len(asked)]


def _with_runs(
    run: Callable[[torch.Tensor], NDArray[np.float64]],
    base: torch.Tensor,
    source: torch.Tensor,
    attribute: NDArray[np.int64],
    other: NDArray[np.int64],
    game: NDArray[np.int64],
) -> ModelPairs:
    return ModelPairs(base, source, attribute, other, game, run, run(base), run(source))


def _positions(bed: Testbed, task: RavelTask, reporting: NDArray[np.int64], seed: int) -> ModelPairs | None:
    """Positions of new games, or of those that report, that differ in one square and in their legal moves."""
    games, beginning = bed.transcripts.take(reporting), reporting
    if games.tokens.shape[1] <= 100:  # a token is a move: characters have no branching games
        made = branching_games(bed.game, N_BEGINNINGS, seed, ways=WAYS, depth=DEPTH)
        games, beginning = made.transcripts, made.beginning
    found = position_pairs(bed.game, games, n=8 * N_PAIRS, seed=seed)
    states = board_states(bed.game)
    place = {name: a for a, name in enumerate(task.names) if a in task.asked}
    square = {int(q): place.get(name, -1) for q, name in zip(states.squares, states.names, strict=True)}
    attribute = np.array([square[int(q)] for q in found.square], np.int64)
    found, attribute = found.take(attribute >= 0), attribute[attribute >= 0]
    if len(found) < MIN_PAIRS or len(task.asked) < 2:
        return None
    rows = np.unique(np.r_[found.base[:, 0], found.source[:, 0]])
    allowed = bed.game.allowed(games.tokens[rows])
    legal = [allowed[np.searchsorted(rows, at[:, 0]), at[:, 1]] for at in (found.source, found.base)]
    differ = (legal[0] != legal[1]).any(1) & legal[0].any(1) & legal[1].any(1)
    kept = np.random.default_rng(seed).permutation(np.flatnonzero(differ))[:N_PAIRS]
    if len(kept) < MIN_PAIRS:
        return None
    found, attribute = found.take(kept), attribute[kept]
    legal = [torch.from_numpy(one[kept]) for one in legal]
    node = Node(bed.hook, "move")
    tokens, at = games.tokens[found.base[:, 0]], {"move": found.base[:, 1]}
    base = read_nodes(bed.model, tokens, at, [node])[node].cpu()
    source = read_nodes(bed.model, games.tokens[found.source[:, 0]], {"move": found.source[:, 1]}, [node])[node].cpu()

    def run(x: torch.Tensor) -> NDArray[np.float64]:
        logits = run_patched(bed.model, tokens, at, {node: x.to(bed.device)}, at="move", batch_size=128).cpu()
        return np.stack([_missing(logits, moves) for moves in legal])

    other = _others(attribute, task.asked, seed)
    return _that_follow(_with_runs(run, base, source, attribute, other, beginning[found.base[:, 0]]))


def _that_follow(pairs: ModelPairs) -> ModelPairs | None:
    """Only pairs whose whole activation brings the model to the source's moves and away from the base's."""
    kept = (pairs.patched[0] < pairs.untouched[0]) & (pairs.patched[1] > pairs.untouched[1])
    if kept.sum() < MIN_PAIRS or len(np.unique(pairs.game[kept])) < 2:
        return None
    rows, every = torch.from_numpy(kept), torch.arange(len(kept))

    def run(x: torch.Tensor) -> NDArray[np.float64]:
        whole = pairs.base.clone()
        whole[every[rows]] = x.to(whole)
        return pairs.run(whole)[:, kept]

    return ModelPairs(
        pairs.base[rows],
        pairs.source[rows],
        pairs.attribute[kept],
        pairs.other[kept],
        pairs.game[kept],
        run,
        pairs.untouched[:, kept],
        pairs.patched[:, kept],
    )


def _missing(logits: torch.Tensor, legal: torch.Tensor) -> NDArray[np.float64]:
    """Legal moves that are not among as many of the model's best, float64 [N]."""
    order = logits.argsort(1, descending=True)
    best = legal.gather(1, order) & (torch.arange(logits.shape[1]) < legal.sum(1, keepdim=True))
    return (legal.sum(1) - best.sum(1)).double().numpy()


def _prompts(bed: Testbed, task: RavelTask, reporting: NDArray[np.int64], seed: int) -> ModelPairs | None:
    """Held-out prompts whose answer the counterfactual's activation changes; as many of every attribute, at most."""
    del reporting  # the bench has prompts of its own that report
    (node,) = bed.bench.section.nodes
    parts: list[tuple[torch.Tensor, torch.Tensor, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    prompts = []  # type: ignore[var-annotated]
    names = {name: a for a, name in enumerate(task.names) if a in task.asked}
    for name in bed.bench.attributes:
        if name not in names:
            continue
        aspect = bed.bench.aspects[name]
        rows = np.flatnonzero(aspect.patched != aspect.unedited)[:N_PAIRS]
        kept = torch.from_numpy(rows)
        parts.append(
            (
                aspect.base[node][kept].cpu(),
                aspect.source[node][kept].cpu(),
                np.full(len(rows), names[name], np.int64),
                aspect.patched[rows],
                aspect.unedited[rows],
            )
        )
        prompts.append(aspect.prompts.take(rows))
    if not parts or sum(len(part[0]) for part in parts) < MIN_PAIRS or len(task.asked) < 2:
        return None
    base, source = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    attribute, wanted, before = (np.concatenate(column) for column in list(zip(*parts, strict=True))[2:])

    def run(x: torch.Tensor) -> NDArray[np.float64]:
        pieces = x.split([len(part[0]) for part in parts])
        choice = np.concatenate(
            [
                bed.bench.logits(some, {node: piece.to(bed.device)}).argmax(1).cpu().numpy()
                for some, piece in zip(prompts, pieces, strict=True)
            ]
        )
        return np.stack([(choice != wanted).astype(np.float64), (choice != before).astype(np.float64)])

    return _with_runs(run, base, source, attribute, _others(attribute, task.asked, seed), np.arange(len(base)))
