"""Targeted probe perturbation (TPP): can latents take one class away from linear probes, and leave the others alone?

Equation      TPP = mean over classes i of [(A_i - A_ii) - mean over j != i of (A_j - A_ij)],
              A_j accuracy of the probe of class j, A_ij after the latents of class i are set to 0.
              latents of i: the first n by max(D_i, 0) (w_i . W), D_i = how much more a latent is active in class i
              tpp_accuracy_score = mean of TPP over families, divided by that of an oracle that takes each class away:
              projects out the direction in which it is written where that is known, else erases it linearly (inside
              of classes; Belrose et al. 2023, 2306.03819)
              tpp_score = the same with margins instead of accuracies: mean logit of a class less that of the others,
              its drop as a share of the mean margin of the family; tpp_labels_score with latents chosen by labels
Conventions   A family is the values of one variable; rows are those that have just one of them, as many of each. Every
              probe is one class against the others, both sides weighing the same, so that chance is 1/2. n is chosen
              per family on choosing games; the sweep is in the details. Families whose probes are right less than .65
              of the time (validating rows), or whose oracle stays below `HEADROOM`, say nothing and are left out, by
              name. Intervals resample games, oracle included.
References    SAEBench, evaluation `tpp`.
Differences from published code
              1. The ceiling of the published figure is about .5, and a perfect dictionary stays below, because probes
                 use the absence of other classes and a bias. Hence the division by the oracle.
              2. Accuracy does not move until a logit changes its sign, and then no further: what takes away far too
                 much loses nothing, so that 20 principal components score above true features. Hence the
                 margin.
              3. Published families have five classes of text. Here many families, and three draws of rows.
              4. Probes as in `scr`: converged, and no row of a test is looked at. One fixed test for all.
              5. Where fewer than n effects are positive, published code goes on with latents of no effect in any order
                 and then with negative ones. Here never; the published form goes on with negative ones at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ablated_probes import Coder, removal
from .concept_latents import latent_facts
from .concept_rows import Floats, sides_of
from .core import checked_matrix
from .inputs import Latents, as_array, as_codes, as_games, as_split
from .score import Score, stamped
from .tpp_families import GROUND_TRUTH, PUBLISHED, Family, Rules, prepare_family
from .tpp_measure import Outcome, ablated, at_random, attributed, labelled, without_class
from .tpp_records import PROPERTIES
from .tpp_score import published_scores, sweep, tpp_of, value_of

__all__ = ["PROPERTIES", "PreparedTPP", "prepare_tpp", "tpp", "tpp_from"]


@dataclass(frozen=True)
class PreparedTPP:
    """Families with rows and probes: all of the task that does not depend on a dictionary.

    Attributes:
        names: of the classes.
        families: those that can be asked.
        refused: why the others cannot, by their first class.
        rules: how it is posed.
        published: the same families by the published rules.
        x: float64 [N, d].
        directions: float64 [C, d], where each class is written, or None.
        seed: of rows, probes and bootstrap.
        n_resamples: of the bootstrap.
    """

    names: tuple[str, ...]
    families: tuple[Family, ...]
    refused: Mapping[str, str]
    rules: Rules
    published: tuple[Family, ...]
    x: Floats
    directions: Floats | None
    seed: int
    n_resamples: int

    def name(self, family: Family) -> str:
        """Such as `mine on c3 | yours on c3 | c3 empty`."""
        return " | ".join(self.names[c] for c in family.classes)

    @cached_property
    def oracle(self) -> tuple[Outcome, ...]:
        """Each family with its classes taken away by the truth: along their directions, or else erased linearly."""
        found: list[Outcome] = []
        for family in self.families:
            x, fitted = self.x[family.rows], [self.x[rows] for rows in family.choosing]
            u = None if self.directions is None else self.directions[list(family.classes)]
            found.append(Outcome(self.name(family), family, without_class(family, x, directions=u, fitted=fitted)))
        return tuple(found)


def prepare_tpp(
    x: NDArray[np.floating],
    labels: NDArray[np.bool_],
    families: Sequence[Sequence[int]],
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    names: Sequence[str] | None = None,
    true_directions: NDArray[np.floating] | None = None,
    rules: Rules = GROUND_TRUTH,
    n_resamples: int = 1000,
    seed: int = 0,
    device: str = "cpu",
) -> PreparedTPP:
    """Rows and probes of all families; see `tpp` for the arguments. `device` is where probes are fitted.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes that do not fit, or a family with fewer than two classes or with unknown ones.
    """
    wide = checked_matrix(x, "x")
    bits: NDArray[Any] = as_array(labels, "labels", "bool [N, C]")
    if bits.dtype != np.bool_ or bits.ndim != 2 or len(bits) != len(wide):
        raise ValueError(f"labels must be bool [{len(wide)}, C], got {bits.dtype} {list(bits.shape)}")
    games = as_games(game_id, len(wide))
    sides = sides_of(games, as_split(train, games), seed)
    called = tuple(f"class {c}" for c in range(bits.shape[1])) if names is None else tuple(names)
    if len(called) != bits.shape[1]:
        raise ValueError(f"names must be one for each of {bits.shape[1]} classes, got {len(called)}")
    directions = None if true_directions is None else checked_matrix(true_directions, "true_directions")
    if directions is not None and directions.shape != (bits.shape[1], wide.shape[1]):
        raise ValueError(f"true_directions must be [{bits.shape[1]}, {wide.shape[1]}], got {list(directions.shape)}")
    made: list[Family] = []
    published: list[Family] = []
    refused: dict[str, str] = {}
    for family in families:
        classes = tuple(int(c) for c in family)
        if (
            len(set(classes)) < 2
            or len(set(classes)) < len(classes)
            or not 0 <= min(classes) <= max(classes) < len(called)
        ):
            raise ValueError(
                f"a family must be at least two different classes from 0 to {len(called) - 1}, got {classes}"
            )
        one = prepare_family(wide, bits, classes, sides, rules, seed, device)
        if isinstance(one, str):
            refused[called[classes[0]]] = one
            continue
        other = prepare_family(wide, bits, classes, sides, PUBLISHED, seed, device)
        assert isinstance(other, Family)
        made.append(one)
        published.append(other)
    return PreparedTPP(called, tuple(made), refused, rules, tuple(published), wide, directions, seed, n_resamples)


def tpp_from(
    prepared: PreparedTPP,
    latents: Latents,
    directions: NDArray[np.floating],
    *,
    decode: Coder | None = None,
    protocol: str = "fiducial",
) -> dict[str, Score]:
    """Scores of one dictionary on prepared families; see `tpp`."""
    if protocol not in ("fiducial", "saebench"):
        raise ValueError(f"protocol must be 'fiducial' or 'saebench', got {protocol!r}")
    codes = as_codes(latents)
    rows = checked_matrix(directions, "directions")
    if codes.n_rows != len(prepared.x) or rows.shape != (codes.n_latents, prepared.x.shape[1]):
        raise ValueError(
            f"latents must be [{len(prepared.x)}, L] and directions [L, {prepared.x.shape[1]}], got "
            f"[{codes.n_rows}, {codes.n_latents}] and {list(rows.shape)}"
        )
    facts = [latent_facts(codes, family.choosing) for family in prepared.families]
    outcomes: list[Outcome] = []
    sizes = PUBLISHED.sizes if protocol == "saebench" else (10,)
    for family, one in zip(prepared.published, facts, strict=True):
        ranking = attributed(family, one, rows, signed=True)
        after = ablated(family, removal(codes, rows, family.rows, decode), ranking, sizes)
        outcomes.append(Outcome(prepared.name(family), family, after))
    published = published_scores(outcomes, sizes, prepared.seed, prepared.n_resamples)
    if protocol == "saebench":
        return published
    found = {"tpp_saebench_score": replace(published["tpp_threshold_10_total_metric"], metric="tpp_saebench_score")}
    made: dict[str, list[Outcome]] = {"attribution": [], "labels": [], "random": []}
    for family, one in zip(prepared.families, facts, strict=True):
        out, name = removal(codes, rows, family.rows, decode), prepared.name(family)
        rankings = {
            "attribution": attributed(family, one, rows),
            "labels": labelled(family, one),
            "random": at_random(family, one, prepared.seed),
        }
        for kind, ranking in rankings.items():
            made[kind].append(Outcome(name, family, ablated(family, out, ranking, prepared.rules.sizes)))

    def score(name: str, kind: str, side: str) -> Score:
        return tpp_of(name, made[kind], prepared.oracle, side, prepared.rules, prepared.seed, prepared.n_resamples)

    for name, kind, side in (
        ("tpp_score", "attribution", "margin"),
        ("tpp_accuracy_score", "attribution", "accuracy"),
        ("tpp_labels_score", "labels", "margin"),
    ):
        one, chance = score(name, kind, side), value_of(made["random"], prepared.oracle, side)
        details = {**one.details, "sweep": sweep(made[kind], prepared.oracle, side, prepared.rules)}
        details |= {"refused": dict(prepared.refused)}
        floors = {"nothing taken out": 0.0, "random latents": chance}
        found[name] = replace(one, details=details).beside(
            floors={key: value for key, value in floors.items() if np.isfinite(value)},
            ceilings={"oracle": 1.0},
        )
    return stamped({name: found[name] for name in PROPERTIES}, PROPERTIES)


def tpp(
    latents: Latents,
    x: NDArray[np.floating],
    labels: NDArray[np.bool_],
    families: Sequence[Sequence[int]],
    *,
    directions: NDArray[np.floating],
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    names: Sequence[str] | None = None,
    true_directions: NDArray[np.floating] | None = None,
    decode: Coder | None = None,
    rules: Rules = GROUND_TRUTH,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: str = "fiducial",
) -> dict[str, Score]:
    """Do the latents of a class take it away from probes, and no other class?

    Args:
        latents: Codes or floating [N, L].
        x: activations, floating [N, d].
        labels: bool [N, C], classes.
        families: columns of the classes of each family; a row belongs to a family where just one of them holds.
        directions: what each latent writes, floating [L, d].
        game_id: integer [N].
        train: bool [N], rows on which probes are fitted and latents chosen, by game.
        names: of the classes.
        true_directions: floating [C, d], where each class is written; the oracle projects them out. None: it erases.
        decode: latents to activations, for a decoder that is not linear (`ablated_probes.decodes_linearly`); slower.
        rules: numbers of latents, draws.
        n_resamples: of the bootstrap over games.
        seed: of rows, probes and bootstrap.
        protocol: "fiducial", or "saebench" for the published figures under their names.

    Returns:
        Scores by name: `tpp_score`, `tpp_accuracy_score`, `tpp_labels_score`, `tpp_saebench_score`; or the published
        `tpp_threshold_n_total_metric`, `..._intended_diff_only` and `..._unintended_diff_only`. NaN, with the reason,
        where no family can be asked.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes that do not fit, unknown classes or protocol.

    Examples:
        >>> import numpy as np
        >>> kind = np.eye(3, dtype=bool)[np.random.default_rng(0).integers(0, 3, 600)]  # one of three classes a row
        >>> games = np.repeat(np.arange(20), 30)
        >>> shared = dict(true_directions=np.eye(3), game_id=games, train=games < 10, n_resamples=20)
        >>> scores = tpp(kind * 1.0, kind * 1.0, kind, [(0, 1, 2)], directions=np.eye(3), **shared)
        >>> round(scores["tpp_score"].value, 2), round(scores["tpp_saebench_score"].value, 2)
        (1.0, 0.5)
    """
    prepared = prepare_tpp(
        x,
        labels,
        families,
        game_id=game_id,
        train=train,
        names=names,
        true_directions=true_directions,
        rules=rules,
        n_resamples=n_resamples,
        seed=seed,
    )
    return tpp_from(prepared, latents, directions, decode=decode, protocol=protocol)
