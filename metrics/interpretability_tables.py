"""What was chosen on one table of counts and scored on another: explanations of latents, latents of values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .contingency import Attribute, Contingency, Unions, best_unions
from .counts import f1_score
from .score import game_weights

if TYPE_CHECKING:
    from ..models.dictionary import Codes


@dataclass(frozen=True)
class Kind:
    """The best explanation of every latent of one kind (a single value, a pair).

    Attributes:
        attribute: int64 [H], number of its attribute; -1 where the kind does not exist.
        value: int64 [H], number of its value.
        train_f1: float64 [H], where it was chosen.
        f1: float64 [H], where it is scored.
    """

    attribute: NDArray[np.int64]
    value: NDArray[np.int64]
    train_f1: NDArray[np.float64]
    f1: NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """Explanations of H latents and latents of V values.

    Attributes:
        attributes: those tried, pairs last.
        members: bool [H, V], values of each latent's explanation, over all attributes; none if it caught nothing.
        attribute: int64 [H], attribute of the explanation; -1 for none.
        train_f1: float64 [H].
        f1: float64 [H], of the explanation where it is scored.
        always_on: float64 [H], F1 of firing always for the same explanation, 2p / (1 + p); 0 if not asked for.
        single: the best single value.
        pair: the best pair.
        live: bool [H], fires on some row of either side.
        fires: int64 [H], where scored.
        latent: int64 [V], best latent of every value; -1 if none ever fired with it.
        value_train_f1: float64 [V].
        value_f1: float64 [V], of that latent where it is scored.
        value_always_on: float64 [V], F1 of firing always.
        positives: int64 [V], where scored.
        train_positives: int64 [V].
        scored: bool [V], values that count: enough rows, and no pairs.
        of_pairs: bool [V], values that are pairs.
        offsets: int64 [A + 1], first value of each attribute.
    """

    attributes: Sequence[Attribute]
    members: NDArray[np.bool_]
    attribute: NDArray[np.int64]
    train_f1: NDArray[np.float64]
    f1: NDArray[np.float64]
    always_on: NDArray[np.float64]
    single: Kind
    pair: Kind
    live: NDArray[np.bool_]
    fires: NDArray[np.int64]
    latent: NDArray[np.int64]
    value_train_f1: NDArray[np.float64]
    value_f1: NDArray[np.float64]
    value_always_on: NDArray[np.float64]
    positives: NDArray[np.int64]
    train_positives: NDArray[np.int64]
    scored: NDArray[np.bool_]
    of_pairs: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    def scored_by_attribute(self) -> dict[str, NDArray[np.bool_]]:
        """For every attribute with scored values, which values they are, bool [V]."""
        found: dict[str, NDArray[np.bool_]] = {}
        for i, attribute in enumerate(self.attributes):
            mask = np.zeros(len(self.scored), np.bool_)
            mask[self.offsets[i] : self.offsets[i + 1]] = True
            mask &= self.scored
            if mask.any():
                found[attribute.name] = mask
        return found

    def bars(self, threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """F1 that latents [H] and values [V] need: the threshold, and more than firing always would have."""
        return np.maximum(threshold, self.always_on + 1e-9), np.maximum(threshold, self.value_always_on + 1e-9)

    def shares(self, threshold: float) -> dict[str, float]:
        """The three scores; NaN where nothing fires or no value counts."""
        nan = float("nan")
        bar, value_bar = self.bars(threshold)
        good, hit = self.live & (self.f1 >= bar), self.value_f1 >= value_bar
        n_live, firings = int(self.live.sum()), int(self.fires.sum())
        found = [float(hit[mask].mean()) for mask in self.scored_by_attribute().values()]
        return {
            "interpretable_score": int(good.sum()) / n_live if n_live else nan,
            "attribute_found_score": float(np.mean(found)) if found else nan,
            "explained_share_score": int(self.fires[good].sum()) / firings if firings else nan,
        }

    def latent_table(self) -> dict[str, list[Any]]:
        """One row a latent."""
        n_latents = len(self.live)
        table: dict[str, list[Any]] = {
            "feature": list(range(n_latents)),
            "value": self.f1.tolist(),
            "train_value": self.train_f1.tolist(),
            "always_on": self.always_on.tolist(),
            "explanation": [self._explanation(j) for j in range(n_latents)],
            "attribute": [self.attributes[int(i)].name if i >= 0 else None for i in self.attribute],
            "n_values": self.members.sum(1).tolist(),
            "fires": self.fires.tolist(),
            "live": self.live.tolist(),
        }
        for name, kind in (("single", self.single), ("pair", self.pair)):
            table[name] = [
                self.attributes[int(i)].label(int(v)) if i >= 0 else None
                for i, v in zip(kind.attribute, kind.value, strict=True)
            ]
            table[f"{name}_value"] = [
                float(v) if i >= 0 else None for i, v in zip(kind.attribute, kind.f1, strict=True)
            ]
        return table

    def value_table(self) -> dict[str, list[Any]]:
        """One row a value; pairs as well."""
        labels = [
            (attribute.label(v), attribute.name) for attribute in self.attributes for v in range(len(attribute.values))
        ]
        return {
            "feature": [label for label, _ in labels],
            "group": [name for _, name in labels],
            "value": self.value_f1.tolist(),
            "train_value": self.value_train_f1.tolist(),
            "always_on": self.value_always_on.tolist(),
            "latent": [i if i >= 0 else None for i in self.latent.tolist()],
            "positives": self.positives.tolist(),
            "train_positives": self.train_positives.tolist(),
            "scored": self.scored.tolist(),
        }

    def _explanation(self, latent: int) -> str | None:
        """Names of the values of an explanation, such as `IO=Ann or IO=Bob`."""
        i = int(self.attribute[latent])
        if i < 0:
            return None
        values = np.flatnonzero(self.members[latent]) - self.offsets[i]
        return " or ".join(self.attributes[i].label(int(v)) for v in values)


def explain(
    chosen_on: Contingency,
    scored_on: Contingency,
    attributes: Sequence[Attribute],
    unions: int,
    min_positives: int,
    *,
    published: bool = False,
) -> Explained:
    """Choose explanations and latents on one table, score them on another.

    Args:
        chosen_on: counts to choose on.
        scored_on: counts to score on.
        attributes: pairs last.
        unions: most values in a union.
        min_positives: fewest rows on each side for a value to count.
        published: unions of any size, and no comparison with firing always.
    """
    n_latents = len(chosen_on.fires)
    rows = np.arange(n_latents)
    best: list[tuple[Unions, NDArray[np.float64]]] = []
    singles: list[tuple[Unions, NDArray[np.float64]]] = []
    for i, attribute in enumerate(attributes):
        alone = best_unions(chosen_on, i, 1)
        singles.append((alone, alone.scored(scored_on, i)))
        union = best_unions(chosen_on, i, unions, at_most_half=not published) if attribute.exclusive else alone
        best.append((union, union.scored(scored_on, i)))
    train_f1 = np.stack([union.f1 for union, _ in best])
    width = np.stack([union.size for union, _ in best])
    # of equal F1s the smallest union, then the attribute named first
    attribute_of = np.lexsort((np.broadcast_to(np.arange(len(best))[:, None], width.shape), width, -train_f1), axis=0)[
        0
    ]
    attribute_of[train_f1.max(0) == 0] = -1
    members = np.zeros((n_latents, int(chosen_on.offsets[-1])), np.bool_)
    for i, (union, _) in enumerate(best):
        mine = np.flatnonzero(attribute_of == i)
        inside = union.members()[mine]
        latent, place = np.nonzero(inside)
        members[mine[latent], chosen_on.offsets[i] + union.values[mine[latent], place]] = True
    latent = chosen_on.f1.argmax(0)
    columns = np.arange(len(latent))
    value_train_f1 = chosen_on.f1[latent, columns]
    value_f1 = f1_score(scored_on.tp[latent, columns], scored_on.fires[latent], scored_on.positives)
    of_pairs = np.repeat([bool(attribute.parts) for attribute in attributes], np.diff(chosen_on.offsets))
    scored = np.minimum(chosen_on.positives, scored_on.positives) >= min_positives
    n_always = 0 if published else scored_on.n_rows
    covered = members.astype(np.int64) @ scored_on.positives
    return Explained(
        attributes=attributes,
        members=members,
        attribute=attribute_of,
        train_f1=train_f1[attribute_of, rows],
        f1=np.where(attribute_of >= 0, np.stack([f1 for _, f1 in best])[attribute_of, rows], 0.0),
        always_on=f1_score(np.minimum(covered, n_always), np.full(n_latents, n_always), covered),
        single=_kind(singles, [i for i, a in enumerate(attributes) if not a.parts], n_latents),
        pair=_kind(singles, [i for i, a in enumerate(attributes) if a.parts], n_latents),
        live=(chosen_on.fires > 0) | (scored_on.fires > 0),
        fires=scored_on.fires,
        latent=np.where(value_train_f1 > 0, latent, -1),
        value_train_f1=value_train_f1,
        value_f1=np.where(value_train_f1 > 0, value_f1, 0.0),
        value_always_on=f1_score(
            np.minimum(scored_on.positives, n_always), np.full(len(latent), n_always), scored_on.positives
        ),
        positives=scored_on.positives,
        train_positives=chosen_on.positives,
        scored=scored & ~of_pairs,
        of_pairs=of_pairs,
        offsets=chosen_on.offsets,
    )


def resampled_f1(
    found: Explained,
    codes: "Codes",
    attributes: Sequence[Attribute],
    games: NDArray[np.int64],
    n_resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """F1 in every resample of games, choices held, centred on its value: latents [R, H], values [R, V]; firings [R, H].

    Args:
        found: what was chosen.
        codes: of the scored rows.
        attributes: of the scored rows.
        games: int64 [n], of the scored rows.
        n_resamples: R.
        seed: of the bootstrap.
    """
    n_games, (n_latents, n_values) = int(games.max()) + 1, found.members.shape
    weights = game_weights(n_games, n_resamples, seed)
    on = codes.values > 0
    rows, latents = codes.rows[on], codes.indices[on].astype(np.int64)
    game = games[rows]
    caught = np.zeros(len(rows), np.bool_)  # the row has a value of the latent's explanation
    value_game: list[NDArray[np.int64]] = []
    value_hit: list[NDArray[np.int64]] = []
    holds_game: list[NDArray[np.int64]] = []
    holds: list[NDArray[np.int64]] = []
    for start, attribute in zip(found.offsets[:-1].tolist(), attributes, strict=True):
        for column in attribute.columns.T:
            value = column[rows]
            there = value >= 0
            place = start + np.maximum(value, 0)
            caught |= there & found.members[latents, place]
            hit = there & (found.latent[place] == latents)
            value_game.append(game[hit])
            value_hit.append(place[hit])
            holds_game.append(games[column >= 0])
            holds.append(start + column[column >= 0])
    fires = _weighted(weights, game, latents, n_latents)
    tp = _weighted(weights, game[caught], latents[caught], n_latents)
    value_tp = _weighted(weights, np.concatenate(value_game), np.concatenate(value_hit), n_values)
    positives = _weighted(weights, np.concatenate(holds_game), np.concatenate(holds), n_values)
    explained_positives = positives @ found.members.T.astype(np.float64)
    by_latent = _centred(f1_score(tp, fires, explained_positives), found.f1)
    by_value = np.where(positives > 0, f1_score(value_tp, fires[:, found.latent], positives), found.value_f1)
    return by_latent, _centred(by_value, found.value_f1), fires


def _kind(singles: Sequence[tuple[Unions, NDArray[np.float64]]], which: list[int], n_latents: int) -> Kind:
    """The best single value over some attributes."""
    if not which:
        none = np.full(n_latents, -1, np.int64)
        return Kind(none, none, np.zeros(n_latents), np.zeros(n_latents))
    train_f1 = np.stack([singles[i][0].f1 for i in which])
    best, rows = train_f1.argmax(0), np.arange(n_latents)
    return Kind(
        np.asarray(which)[best],
        np.stack([singles[i][0].values[:, 0] for i in which])[best, rows],
        train_f1[best, rows],
        np.stack([singles[i][1] for i in which])[best, rows],
    )


def _weighted(
    weights: NDArray[np.float64], games: NDArray[np.int64], columns: NDArray[np.int64], width: int
) -> NDArray[np.float64]:
    """Weighted counts of (game, column) pairs, float64 [R, width]."""
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingTypeStubs]

    counts: Any = csr_matrix((np.ones(len(games)), (columns, games)), shape=(width, weights.shape[1]))
    return np.asarray((counts @ weights.T).T)


def _centred(replicates: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replicates moved so that their mean is the value, and kept inside 0 to 1."""
    return np.clip(replicates + (value - replicates.mean(0)), 0, 1)
