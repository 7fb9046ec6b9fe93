"""Spurious correlation removal (SCR, after SHIFT): can latents mend a probe that learnt the wrong thing?

Equation      SCR = (A_ablated - A_biased) / (A_oracle - A_biased), accuracies on rows where the target T and the
              spurious concept S are independent: of a probe fitted where S agrees with T in a share rho of the rows,
              after and before latents of S are taken out, and of a probe of T fitted without that correlation.
              Latents of S: the first n by |D_i (w_S . W_i)|, with D_i how much more latent i is active where S holds
              (T balanced), w_S a probe of S, W_i what latent i writes.
Conventions   Both directions (S out, T judged; T out, S judged), rho = .8, .9 and 1, every pair: their mean. One counts
              only where A_oracle is at least .7 and A_oracle - A_biased at least .1: else there is nothing to mend.
              Latents are set to their mean over balanced rows, not to 0: nothing is then known of S, and the probe's
              cut stays where it was. n is chosen per direction, rho and pair on choosing games; the sweep is in the
              details. Intervals resample games; baselines are resampled alike. Probes are fitted on several draws of
              rows: accuracies are means over the draws, and their spread is in the details. Ceilings are of one
              direction each: where a biased probe reads S off much that goes with it, as on boards, 50 latents that
              attribution chooses mend more than they do, and more than dense supervised latents.
References    SAEBench, evaluation `scr`; Marks et al. 2024 (2403.19647), SHIFT.
Differences from published code
              1. Zero ablation moves the logit of every row by what S wrote on average, and with it the cut: a perfect
                 dictionary then scores below worse ones. Here latents are set to their mean. `scr_saebench_score`
                 and the details (`zero_ablation`) keep the published one.
              2. The published figure takes the direction with the lower A_biased, and neither where they are equal.
                 Here both, averaged; the published protocol averages them at a tie.
              3. The published score is 0 where there is no headroom. Here such a direction is left out, and named.
              4. The published probes take their best epoch by test accuracy. Here a converged probe whose strength is
                 chosen on games of their own; the published protocol minimises the published penalty to convergence.
              5. One n for all: 20. Here n is chosen, and the fixed ones are in the details.
              6. Padding leaks into published means; here there is none (see `ablated_probes`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .ablated_probes import Coder, removal
from .concept_latents import LatentFacts, latent_facts
from .concept_rows import Bools, Floats, sides_of
from .core import checked_matrix
from .inputs import Latents, as_array, as_codes, as_games, as_split
from .score import Score, stamped
from .scr_measure import Judge, at_random, attributed, detects, judged_right, without_concept
from .scr_pairs import GROUND_TRUTH, PUBLISHED, Pair, Rules, prepare_pair
from .scr_records import PROPERTIES
from .scr_score import Outcome, published_scores, scr_of, sweep, value_of

if TYPE_CHECKING:
    from ..models.dictionary import Codes

__all__ = ["PROPERTIES", "PreparedSCR", "prepare_scr", "scr", "scr_from"]


@dataclass(frozen=True)
class PreparedSCR:
    """Pairs with rows and probes: all of the task that does not depend on a dictionary.

    Attributes:
        names: of the concepts.
        pairs: those that can be asked.
        refused: why the others cannot, by name of the pair.
        rules: how it is posed.
        published: the same pairs by the published rules.
        x: float64 [N, d].
        directions: float64 [C, d], where each concept is written.
        seed: of rows, probes and bootstrap.
        n_resamples: of the bootstrap.
    """

    names: tuple[str, ...]
    pairs: tuple[Pair, ...]
    refused: Mapping[str, str]
    rules: Rules
    published: tuple[Pair, ...]
    x: Floats
    directions: Floats
    seed: int
    n_resamples: int

    def name(self, pair: Pair) -> str:
        """Such as `mine on c3 / mine on f6`."""
        return " / ".join(self.names[c] for c in pair.concepts)

    @cached_property
    def ceilings(self) -> dict[str, float]:
        """What the truth itself scores instead of latents.

        The direction in which S is written is projected out; or S is erased, so that no linear probe can read it.
        """
        out: dict[str, list[Bools]] = {"direction projected out": [], "concept erased": []}
        for pair in self.pairs:
            x, fitted = self.x[pair.rows], [self.x[rows] for rows in pair.choosing]
            u = self.directions[list(pair.concepts)]
            out["direction projected out"].append(without_concept(pair, x, directions=u))
            out["concept erased"].append(without_concept(pair, x, fitted=fitted))
        found = {name: value_of(self.outcomes(right)) for name, right in out.items()}
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def outcomes(self, right: Sequence[Bools]) -> list[Outcome]:
        """Accuracies beside the pairs they belong to."""
        return [Outcome(self.name(pair), pair, one) for pair, one in zip(self.pairs, right, strict=True)]


def prepare_scr(
    x: NDArray[np.floating],
    labels: NDArray[np.bool_],
    pairs: Sequence[tuple[int, int]],
    *,
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    names: Sequence[str] | None = None,
    true_directions: NDArray[np.floating] | None = None,
    rules: Rules = GROUND_TRUTH,
    n_resamples: int = 1000,
    seed: int = 0,
    device: str = "cpu",
) -> PreparedSCR:
    """Rows and probes of all pairs; see `scr` for the arguments. `device` is where probes are fitted.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes that do not fit, or a pair of a concept with itself or with one that is not there.
    """
    wide = checked_matrix(x, "x")
    bits = as_array(labels, "labels", "bool [N, C]")
    if bits.dtype != np.bool_ or bits.ndim != 2 or len(bits) != len(wide):
        raise ValueError(f"labels must be bool [{len(wide)}, C], got {bits.dtype} {list(bits.shape)}")
    games = as_games(game_id, len(wide))
    sides = sides_of(games, as_split(train, games), seed)
    called = tuple(f"concept {c}" for c in range(bits.shape[1])) if names is None else tuple(names)
    if len(called) != bits.shape[1]:
        raise ValueError(f"names must be one for each of {bits.shape[1]} concepts, got {len(called)}")
    made: list[Pair] = []
    published: list[Pair] = []
    refused: dict[str, str] = {}
    for first, second in pairs:
        if first == second or not (0 <= first < bits.shape[1] and 0 <= second < bits.shape[1]):
            raise ValueError(
                f"a pair must be two different concepts from 0 to {bits.shape[1] - 1}, got {first, second}"
            )
        one = prepare_pair(wide, bits, (first, second), sides, rules, seed, device)
        if isinstance(one, str):
            refused[f"{called[first]} / {called[second]}"] = one
            continue
        other = prepare_pair(wide, bits, (first, second), sides, PUBLISHED, seed, device)
        assert isinstance(other, Pair)
        made.append(one)
        published.append(other)
    directions = np.zeros((bits.shape[1], wide.shape[1]))
    if true_directions is not None:
        directions = checked_matrix(true_directions, "true_directions")
        if directions.shape != (bits.shape[1], wide.shape[1]):
            raise ValueError(
                f"true_directions must be [{bits.shape[1]}, {wide.shape[1]}], got {list(directions.shape)}"
            )
    elif len(pairs):
        directions = _shifts(wide[sides.fit | sides.validate], bits[sides.fit | sides.validate])
    return PreparedSCR(called, tuple(made), refused, rules, tuple(published), wide, directions, seed, n_resamples)


def _shifts(x: Floats, bits: Bools) -> Floats:
    """Joint least squares shift of the activation with every concept, float64 [C, d]."""
    design = np.concatenate([bits.astype(np.float64), np.ones((len(bits), 1))], axis=1)
    return np.linalg.lstsq(design, x, rcond=None)[0][:-1].astype(np.float64)


def scr_from(
    prepared: PreparedSCR,
    latents: Latents,
    directions: NDArray[np.floating],
    *,
    judge: Judge | None = None,
    decode: Coder | None = None,
    protocol: str = "fiducial",
) -> dict[str, Score]:
    """Scores of one dictionary on prepared pairs; see `scr`."""
    if protocol not in ("fiducial", "saebench"):
        raise ValueError(f"protocol must be 'fiducial' or 'saebench', got {protocol!r}")
    codes = as_codes(latents)
    rows = checked_matrix(directions, "directions")
    if codes.n_rows != len(prepared.x) or rows.shape != (codes.n_latents, prepared.x.shape[1]):
        raise ValueError(
            f"latents must be [{len(prepared.x)}, L] and directions [L, {prepared.x.shape[1]}], got "
            f"[{codes.n_rows}, {codes.n_latents}] and {list(rows.shape)}"
        )
    facts = [latent_facts(codes, pair.choosing) for pair in prepared.pairs]
    rules = PUBLISHED if protocol == "saebench" else replace(PUBLISHED, sizes=(20,))
    kinds = ("dir1", "dir2", "metric") if protocol == "saebench" else ("metric",)
    published = _published(prepared, codes, rows, facts, decode, rules, kinds)
    if protocol == "saebench":
        return published
    found = {"scr_saebench_score": replace(published["scr_metric_threshold_20"], metric="scr_saebench_score")}
    by_labels = [_label_masks(one) for one in facts]
    judged = [_judge_masks(pair, judge, codes.n_latents) for pair in prepared.pairs]
    right: dict[str, list[Bools]] = {name: [] for name in ("attribution", "zero", "labels", "random")}
    for pair, one, labelled, allowed in zip(prepared.pairs, facts, by_labels, judged, strict=True):
        out = removal(codes, rows, pair.rows, decode)
        sizes = prepared.rules.sizes
        ranking = attributed(pair, one, rows, allowed)
        right["attribution"].append(judged_right(pair, out, ranking, sizes, one.resting))
        right["zero"].append(judged_right(pair, out, ranking, sizes, None))
        right["labels"].append(judged_right(pair, out, attributed(pair, one, rows, labelled), sizes, one.resting))
        right["random"].append(judged_right(pair, out, at_random(pair, one, prepared.seed), sizes, one.resting))
    outcomes = {name: prepared.outcomes(one) for name, one in right.items()}
    made = {
        name: scr_of("scr_score", outcomes[name], prepared.rules, prepared.seed, prepared.n_resamples)
        for name in ("attribution", "labels")
    }
    floors = {"nothing taken out": 0.0, "random latents": value_of(outcomes["random"])}
    beside = {
        "floors": {name: value for name, value in floors.items() if np.isfinite(value)},
        "ceilings": prepared.ceilings,
    }
    details = {
        "zero_ablation": value_of(outcomes["zero"]),
        "sweep": sweep(outcomes["attribution"], prepared.rules),
        "sweep_zero_ablation": sweep(outcomes["zero"], prepared.rules),
        "refused": dict(prepared.refused),
        "judged": judge is not None,
    }
    main = made["attribution"]
    found["scr_score"] = replace(main, details={**main.details, **details}).beside(**beside)
    labels = replace(made["labels"], metric="scr_labels_score")
    shown = {**labels.details, "sweep": sweep(outcomes["labels"], prepared.rules)}
    found["scr_labels_score"] = replace(labels, details=shown).beside(**beside)
    return stamped({name: found[name] for name in PROPERTIES}, PROPERTIES)


def scr(
    latents: Latents,
    x: NDArray[np.floating],
    labels: NDArray[np.bool_],
    pairs: Sequence[tuple[int, int]],
    *,
    directions: NDArray[np.floating],
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    names: Sequence[str] | None = None,
    true_directions: NDArray[np.floating] | None = None,
    judge: Judge | None = None,
    decode: Coder | None = None,
    rules: Rules = GROUND_TRUTH,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: str = "fiducial",
) -> dict[str, Score]:
    """Does taking out latents of a spurious concept mend a probe that learnt it?

    Args:
        latents: Codes or floating [N, L].
        x: activations, floating [N, d].
        labels: bool [N, C], concepts.
        pairs: columns of two nearly independent concepts, each.
        directions: what each latent writes, floating [L, d].
        game_id: integer [N].
        train: bool [N], rows on which probes are fitted and latents chosen, by game.
        names: of the concepts.
        true_directions: floating [C, d], where each concept is written; only ceilings read them. None: least squares on
            the given concepts.
        judge: says for a concept which latents may be taken out for it, bool [L]; None allows all.
        decode: latents to activations, for a decoder that is not linear (`ablated_probes.decodes_linearly`); slower.
        rules: how often T and S agree, numbers of latents, draws.
        n_resamples: of the bootstrap over games.
        seed: of rows, probes and bootstrap.
        protocol: "fiducial", or "saebench" for the published figures under their names.

    Returns:
        Scores by name: `scr_score`, `scr_labels_score`, `scr_saebench_score`; or the published `scr_dir1_threshold_n`,
        `scr_dir2_threshold_n` and `scr_metric_threshold_n`. NaN, with the reason, where no pair has headroom.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: shapes that do not fit, unknown pairs or protocol.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.random((600, 2)) < 0.5  # target and spurious concept, written along two axes
        >>> x = labels + 0.05 * rng.normal(size=(600, 2))
        >>> games = np.repeat(np.arange(20), 30)
        >>> shared = dict(directions=np.eye(2), game_id=games, train=games < 10, n_resamples=20)
        >>> perfect = scr(labels * 1.0, x, labels, [(0, 1)], **shared)
        >>> dead = scr(np.zeros((600, 2)), x, labels, [(0, 1)], **shared)
        >>> round(perfect["scr_score"].value, 2), round(dead["scr_score"].value, 2)
        (1.0, 0.0)
    """
    prepared = prepare_scr(
        x,
        labels,
        pairs,
        game_id=game_id,
        train=train,
        names=names,
        true_directions=true_directions,
        rules=rules,
        n_resamples=n_resamples,
        seed=seed,
    )
    return scr_from(prepared, latents, directions, judge=judge, decode=decode, protocol=protocol)


def _published(
    prepared: PreparedSCR,
    codes: "Codes",
    rows: Floats,
    facts: Sequence[LatentFacts],
    decode: Coder | None,
    rules: Rules,
    kinds: Sequence[str],
) -> dict[str, Score]:
    outcomes: list[Outcome] = []
    for pair, one in zip(prepared.published, facts, strict=True):
        out = removal(codes, rows, pair.rows, decode)
        right = judged_right(pair, out, attributed(pair, one, rows, (None, None)), rules.sizes, None)
        outcomes.append(Outcome(prepared.name(pair), pair, right))
    return published_scores(outcomes, rules, prepared.seed, prepared.n_resamples, kinds)


def _label_masks(facts: LatentFacts) -> tuple[Bools, Bools]:
    """Latents that detect T better than S, and those that detect S better than T."""
    target, spurious = detects(facts, 0), detects(facts, 1)
    return target > spurious, spurious > target


def _judge_masks(pair: Pair, judge: Judge | None, n_latents: int) -> tuple[Bools | None, Bools | None]:
    if judge is None:
        return None, None
    masks = [np.asarray(judge(concept)) for concept in pair.concepts]
    for concept, mask in zip(pair.concepts, masks, strict=True):
        if mask.dtype != np.bool_ or mask.shape != (n_latents,):
            raise ValueError(
                f"judge must give bool [{n_latents}], got {mask.dtype} {list(mask.shape)} for concept {concept}"
            )
    return masks[0], masks[1]
