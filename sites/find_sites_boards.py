"""Supervised features of a board's squares at a site, and whether editing one square with them does what a patch does.

Equation      effect of the edit = score[a <- a - u_before + u_after] - score[clean]; the same with the full patch of
              the source's activations, and with a direction of equal length in a random direction (the null)
Conventions   features are least-squares codes of the states of all squares (they depend on each other, so means would
              count what squares share many times), fitted on random games at random scored positions. The patch brings
              in all of another position that agrees with the edited board in the one square only, so the edit, not the
              patch, says what the square alone does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.transcripts import Counterfactuals, Game, Transcripts
from ..models.nodes import CrossSection, Node, read_nodes, run_patched
from ..models.patch_pairs import PatchPairs, pairs_of_counterfactuals
from ..models.seeds import generator_of
from ..supervised_dicts.attributes import AttributeDictionary
from ..supervised_dicts.least_squares_codes import fit_mse

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Ints = NDArray[np.int64]
_PER_GAME = 8  # positions read of every game


@dataclass(frozen=True)
class BoardFeatures:
    """What the features of squares do at a site; effects in nats, means over pairs.

    Attributes:
        edited: effect of the supervised edit of the one square.
        patched: effect of the full patch from another game.
        random: effect of a random direction as long as the edit.
        preserved_variance: R2 of the features on the pairs' bases.
        n_pairs: pairs scored.
    """

    edited: float
    patched: float
    random: float
    preserved_variance: float
    n_pairs: int

    def line(self) -> str:
        """For a table."""
        return (
            f"edit {self.edited:+.2f}, patch {self.patched:+.2f}, random direction {self.random:+.2f} nats; "
            f"R2 {self.preserved_variance:.2f}"
        )


def edit_on_board(
    model: "TransformerBridge",
    game: Game,
    sections: Sequence[CrossSection],
    *,
    n_games: int = 4000,
    n_pairs: int = 200,
    seed: int = 0,
) -> dict[str, BoardFeatures]:
    """Fit features of all squares at every node and edit the square of every counterfactual pair.

    Args:
        model: that plays the game.
        game: a board game with counterfactuals; the edited feature must be one value of a variable.
        sections: sites; their one position is "move".
        n_games: games to fit on.
        n_pairs: pairs to score on, of games of their own.
        seed: of games and pairs.

    Returns:
        By name of the section.

    Raises:
        ValueError: counterfactuals whose feature is not a value of a variable.
    """
    found = game.counterfactuals(n_pairs, seed + 1_000_003)  # other pairs than those that found the sites
    pairs = pairs_of_counterfactuals(found)
    names, values, column = square_values(game, found)
    nodes = tuple(dict.fromkeys(node for section in sections for node in section.nodes))
    dictionaries = fit_board_dictionaries(model, game, nodes, names, n_games=n_games, seed=seed)
    labels = _labels_at(game.label(found.base), found.base_position)
    attributes = attribute_values(game, labels, names)
    before = read_nodes(model, found.base, pairs.base_positions, nodes)
    after = read_nodes(model, found.source, pairs.source_positions, nodes)
    clean = _mean_score(model, pairs, {})
    generator = generator_of("random direction at a site", seed)
    results: dict[str, BoardFeatures] = {}
    for section in sections:
        edited, noise, missed, total = {}, {}, 0.0, 0.0
        for node in section.nodes:
            a, dictionary = before[node], dictionaries[node]
            edited[node] = _edit(dictionary, a, attributes, column, values, names)
            step = edited[node] - a
            random = torch.randn(step.shape, generator=generator).to(step)
            noise[node] = a + random * step.norm(dim=1, keepdim=True) / random.norm(dim=1, keepdim=True)
            missed += float((a - dictionary.reconstruct(attributes)).double().square().sum())
            total += float((a - a.mean(0)).double().square().sum())
        results[section.name] = BoardFeatures(
            edited=_mean_score(model, pairs, edited) - clean,
            patched=_mean_score(model, pairs, {node: after[node] for node in section.nodes}) - clean,
            random=_mean_score(model, pairs, noise) - clean,
            preserved_variance=1 - missed / total,
            n_pairs=len(pairs),
        )
    return results


def square_values(game: Game, found: Counterfactuals) -> tuple[tuple[str, ...], Ints, Ints]:
    """Variables of the kind that counterfactuals change, the value that each pair asks for, and of which variable.

    Raises:
        ValueError: a feature that is not one value of a variable.
    """
    features = game.features
    alone = sorted({features[int(i)].name for i in found.feature if features[int(i)].variable is None})
    if alone:
        raise ValueError(f"counterfactuals of {game.name} change {alone[0]!r}, which is no value of a variable")
    groups = {features[int(i)].group for i in found.feature}
    names = tuple(
        name
        for name, members in features.variables.items()
        if groups & {features[i].group for i in members} and len(members) > 1
    )
    place = {name: i for i, name in enumerate(names)}
    column = np.array([place[str(features[int(i)].variable)] for i in found.feature])
    values = np.array([features.variables[names[c]].index(int(i)) for c, i in zip(column, found.feature, strict=True)])
    return names, values, column


def attribute_values(game: Game, labels: NDArray[np.bool_], names: Sequence[str]) -> dict[str, Ints]:
    """Value of every variable, int64 [N]; -1 where none of its features holds (an empty square without a feature)."""
    found: dict[str, Ints] = {}
    for name in names:
        block = labels[:, list(game.features.variables[name])]
        found[name] = np.where(block.any(1), block.argmax(1), -1)
    return found


def fit_board_dictionaries(
    model: "TransformerBridge",
    game: Game,
    nodes: Sequence[Node],
    names: Sequence[str],
    *,
    n_games: int = 4000,
    seed: int = 0,
) -> dict[Node, AttributeDictionary]:
    """Least-squares codes of some variables at every node, from up to 8 random scored positions of random games."""
    transcripts = game.sample(n_games, seed)
    generator = np.random.default_rng([seed, 1])
    order = np.where(transcripts.scored, generator.random(transcripts.scored.shape), np.inf).argsort(axis=1)
    least = max(1, min(_PER_GAME, int(transcripts.scored.sum(1).min())))
    kept = np.flatnonzero(transcripts.scored.any(1))
    positions = {f"draw {i}": order[kept, i] for i in range(least)}
    labels = np.concatenate([_labels_at(transcripts.take(kept), positions[f"draw {i}"]) for i in range(least)])
    attributes = attribute_values(game, labels, names)
    values = {name: tuple(game.features[i].name for i in game.features.variables[name]) for name in names}
    fitted: dict[Node, AttributeDictionary] = {}
    for node in nodes:
        drawn = [Node(node.hook, position, node.head) for position in positions]
        read = read_nodes(model, transcripts.tokens[kept], positions, drawn)
        x = torch.cat([read[one] for one in drawn])
        fitted[node] = fit_mse(x, attributes, values, which=tuple(names), name=f"supervised {node}")
    return fitted


def _labels_at(transcripts: Transcripts, position: Ints) -> NDArray[np.bool_]:
    return transcripts.features.unpack(transcripts.labels[np.arange(len(position)), position])


def _edit(
    dictionary: AttributeDictionary,
    x: torch.Tensor,
    attributes: dict[str, Ints],
    column: Ints,
    values: Ints,
    names: Sequence[str],
) -> torch.Tensor:
    """Set the one variable of every row, each its own; the rest stays."""
    after = {name: np.where(column == i, values, attributes[name]) for i, name in enumerate(names)}
    return dictionary.edit(x, None, attributes, after)


def _mean_score(model: "TransformerBridge", pairs: PatchPairs, values: dict[Node, torch.Tensor]) -> float:
    logits = run_patched(model, pairs.base, pairs.base_positions, values, at=pairs.at)
    return float(pairs.score(logits.double()).mean())
