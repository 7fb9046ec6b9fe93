# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Unlearning: can all knowledge of one target be removed by clamping latents, with all other knowledge left?

Equations     f latents, W directions, z target (bool a row), S chosen latents, v what they are clamped to
  choice            of latents that fire on less than `below` of the rows without the target, those that fire most
                    often on rows with it: n of them; or the n whose firing tells rows with it best (F1)
  edit              x' = x + sum over i in S with f_i > 0 of (v_i - f_i) W_i: the reconstruction's error is kept
  ability           (a' - chance) / (a - chance), a and a' how right the model is without and with the edit: about the
                    target, mean of rows with it and rows without it; about the rest, mean over rows
  unlearning_score           1 - smallest target ability among edits that keep >= .99 of the ability about the rest
  unlearning_selected_score  the same where the edit is chosen on the choosing rows and judged on the reporting ones
  unlearning_residual_error  (b' - 1/2) / (b - 1/2), b balanced accuracy of a linear probe of z fitted anew on edited
                             activations (b' under the chosen edit, b without one): 0 removed, 1 only hidden
  unlearning_saebench_score  published: 1 - smallest accuracy about the target, see below
Conventions   v_i = -c times the mean of latent i where it fires on rows with the target, c in {0, 1, 2, 4}. Latents are
              chosen on the choosing rows; abilities are clipped to [0, 1]; no edit at all is always allowed and
              removes nothing; of edits that differ by less than .01 the weakest is taken. A model that knows nothing
              of a target (ability within .05 of chance) cannot forget it: the target is left out, with the reason.
              Means over targets. Intervals resample games with the edits held.
References    Farrell, Lau, Conmy 2024, arXiv 2410.19278; SAEBench, evaluation `unlearning`.
Differences from published code
              1. SAEBench takes the smallest accuracy over 16 settings on the questions that it reports, so that noise
                 of the sample counts as forgetting: kept in unlearning_score; unlearning_selected_score has it not.
              2. Its clamps -25, -50, -100, -200 are in units of one model's activations: here in units of the latent.
              3. It counts every loss down to accuracy 0; a forgotten question is answered by chance: corrected.
              4. It never looks whether the knowledge is still there for another reader: the residual does.
              5. Where no setting qualifies its score is 0, as here.
              `protocol="saebench"` has the published settings and formula: questions are the rows with the target that
              the untouched model has right (at least half right where answers are graded), side effects are the ability
              about the rest over the clean one, without correction for chance. Decoder rows have norm 1 in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .core import checked_matrix
from .inputs import Latents, as_codes, as_games, as_split
from .score import Score, game_weights, interval, stamped
from .unlearning_exams import Exam
from .unlearning_records import PROPERTIES
from .unlearning_selection import Clamped, Firing, Ints, as_sparse
from .unlearning_trials import Sitting, chosen, remains

BELOW, TOP = (0.001, 0.01), (10, 20)
DETECTORS = (1, 5)
STRENGTHS = (0.0, 1.0, 2.0, 4.0)
CLAMPS = (25.0, 50.0, 100.0, 200.0)
KEPT = 0.99
_SCORES = ("unlearning_score", "unlearning_selected_score", "unlearning_residual_error")
_Found = dict[str, NDArray[np.float64] | None]


@dataclass(frozen=True)
class _Sample:
    """What all exams share.

    Attributes:
        clamped: latents at the asked rows.
        sittings: one an exam.
        firings: of the latents, one an exam.
        weight: float64 [L], what each latent writes on the choosing rows altogether; breaks ties.
        norm: float64 [L], of the directions.
        weights: float64 [1 + n_resamples, G], asked games: the reporting ones once, then the resamples.
    """

    clamped: Clamped
    sittings: list[Sitting]
    firings: list[Firing]
    weight: NDArray[np.float64]
    norm: NDArray[np.float64]
    weights: NDArray[np.float64]


def unlearning(
    latents: Latents,
    directions: NDArray[np.floating],
    exams: Sequence[Exam],
    *,
    x: NDArray[np.floating],
    asked: NDArray[np.integer],
    game_id: NDArray[np.integer],
    train: NDArray[np.bool_],
    strengths: Sequence[float] = STRENGTHS,
    n_resamples: int = 1000,
    seed: int = 0,
    protocol: Literal["fiducial", "saebench"] = "fiducial",
) -> dict[str, Score]:
    """How well latents unlearn targets.

    Args:
        latents: Codes or floating [N, L]; a latent fires where it is > 0.
        directions: floating [L, d], what each latent writes.
        exams: one a target, each with `holds` over the N rows and answers for the asked rows.
        x: activations, floating [N, d].
        asked: integer [n], rows on which the model answers: some that choose and some that report.
        game_id: integer [N].
        train: bool [N], rows that choose latents and edits.
        strengths: what latents are clamped to, in units of minus their own mean; at least 0.
        n_resamples: bootstrap resamples over games.
        seed: of the bootstrap and of the random latents.
        protocol: "saebench" gives the published score under its published name, `unlearning_score`.

    Returns:
        `unlearning_score`, `unlearning_selected_score` and `unlearning_residual_error`, with a row a target in
        `features`; with protocol="saebench" the published score alone.

    Raises:
        TypeError: arguments that are not arrays.
        ValueError: arrays that do not fit, no exam, or asked rows that do not both choose and report.
        KeyError: another protocol.

    Examples:
        >>> import numpy as np
        >>> from fiducial.metrics.unlearning_exams import read_out_exam
        >>> truth = np.random.default_rng(0).random((600, 3)) < 0.5  # three facts, written along three axes
        >>> x, others = truth * 1.0, np.array([False, True, True])
        >>> read = dict(logits=x, readers=np.eye(3), cuts=np.full(3, 0.5), truth=truth)
        >>> exam = read_out_exam("the first fact", truth[:, 0], target=0, others=others, **read)
        >>> games = np.repeat(np.arange(20), 30)
        >>> asked = dict(x=x, asked=np.arange(600), game_id=games, train=games < 10, n_resamples=20)
        >>> unlearning(truth * 1.0, np.eye(3), [exam], **asked)["unlearning_selected_score"].value
        1.0
        >>> unlearning(np.zeros((600, 3)), np.eye(3), [exam], **asked)["unlearning_selected_score"].value
        0.0
    """
    if protocol not in ("fiducial", "saebench"):
        raise KeyError(f"protocol must be 'fiducial' or 'saebench', got {protocol!r}")
    codes = as_codes(latents)
    games = as_games(game_id, codes.n_rows)
    train = as_split(train, games)
    x, written = checked_matrix(x, "x"), checked_matrix(directions, "directions")
    asked = np.asarray(asked).astype(np.int64)
    _check(exams, x, written, asked, train, codes.n_rows, codes.n_latents)
    values = as_sparse(codes)
    choosing = np.flatnonzero(train)
    norm = np.linalg.norm(written, axis=1)
    on_choosing = values[choosing]
    fires = on_choosing.copy()
    fires.data = np.ones_like(fires.data)
    asked_games = np.unique(games[asked], return_inverse=True)[1].astype(np.int64)
    sample = _Sample(
        Clamped(values[asked].tocsc().astype(np.float32), written.astype(np.float32)),
        [Sitting(exam, exam.holds[asked], asked_games, train[asked], x.shape[1]) for exam in exams],
        [Firing.of(fires, on_choosing, exam.holds[choosing]) for exam in exams],
        np.asarray(on_choosing.sum(0)).ravel() * norm,
        norm,
        _weights(asked_games, train[asked], n_resamples, seed),
    )
    if protocol == "saebench":
        return {"unlearning_score": _published(sample)}
    return _scores(sample, x[asked], strengths, seed)


def unlearning_published(
    latents: Latents, directions: NDArray[np.floating], exams: Sequence[Exam], **options: object
) -> dict[str, Score]:
    """The published score under the name that it has in a report, `unlearning_saebench_score`.

    Args:
        latents: as for `unlearning`.
        directions: as for `unlearning`.
        exams: as for `unlearning`.
        options: the keywords of `unlearning`, but for the protocol.
    """
    found = unlearning(latents, directions, exams, **options, protocol="saebench")["unlearning_score"]  # type: ignore[arg-type]
    return stamped({"unlearning_saebench_score": replace(found, metric="unlearning_saebench_score")}, PROPERTIES)


def _check(
    exams: Sequence[Exam],
    x: NDArray[np.float64],
    written: NDArray[np.float64],
    asked: Ints,
    train: NDArray[np.bool_],
    n_rows: int,
    n_latents: int,
) -> None:
    if len(written) != n_latents or len(x) != n_rows or x.shape[1] != written.shape[1]:
        raise ValueError(
            f"latents [{n_rows}, {n_latents}] need directions [{n_latents}, d] and x [{n_rows}, d], "
            f"got {list(written.shape)} and {list(x.shape)}"
        )
    if not exams:
        raise ValueError("say what is to be unlearnt: there is no exam")
    for exam in exams:
        if exam.holds.dtype != np.bool_ or exam.holds.shape != (n_rows,):
            raise ValueError(
                f"exam {exam.name!r}: holds must be bool [{n_rows}], got {exam.holds.dtype} {list(exam.holds.shape)}"
            )
    if asked.ndim != 1 or not len(asked) or asked.min() < 0 or asked.max() >= n_rows:
        raise ValueError(f"asked must be some of the {n_rows} rows, got an array {list(asked.shape)}")
    if train[asked].all() or not train[asked].any():
        raise ValueError("asked must hold rows that choose and rows that report")


def _scores(sample: _Sample, x: NDArray[np.float64], strengths: Sequence[float], seed: int) -> dict[str, Score]:
    """The three scores of the ground-truth form."""
    table: dict[str, list[Any]] = {}
    made: list[_Found] = []
    for number, (sitting, firing) in enumerate(zip(sample.sittings, sample.firings, strict=True)):
        row, found = _one(sample, sitting, firing, x, strengths, np.random.default_rng([seed, number]))
        made.append(found)
        for key, value in row.items():
            table.setdefault(key, []).append(value)
    floors = {"random latents": _mean(table["random latents"]), "no edit": 0.0}
    best, selected, left = (_averaged(name, made, table) for name in _SCORES)
    scores = (best.beside(floors=floors), selected.beside(floors=floors), left.beside(floors={"no edit": 1.0}))
    return stamped(dict(zip(_SCORES, scores, strict=True)), PROPERTIES)


def _one(
    sample: _Sample,
    sitting: Sitting,
    firing: Firing,
    x: NDArray[np.float64],
    strengths: Sequence[float],
    rng: np.random.Generator,
) -> tuple[dict[str, Any], _Found]:
    """A row of the table, and the replicates of every score, the value first; None where undefined."""

    def change(latents: Ints, strength: float) -> NDArray[np.float32]:
        return sample.clamped.change(latents, -strength * firing.scale[latents])

    trials, random = [sitting.clean], [sitting.clean]
    for rule, picked in _choices(firing, sample.weight).items():
        trials += [sitting.put(rule, picked, c, change(picked, c)) for c in strengths]
    lucky = np.sort(rng.permutation(np.flatnonzero((firing.forget > 0) | (firing.retain > 0)))[: TOP[0]])
    random += [sitting.put("random", lucky, c, change(lucky, c)) for c in strengths]
    abilities = [sitting.abilities(one) for one in trials]
    on_choose, on_report = ([both[side] for both in abilities] for side in (0, 1))
    best, selected = chosen(trials, on_report, KEPT), chosen(trials, on_choose, KEPT)
    at_random = [sitting.abilities(one)[1] for one in random]
    reason = sitting.unknown
    found: _Found = dict.fromkeys(_SCORES)
    if not reason:
        found["unlearning_score"] = 1 - sitting.ability(trials[best], sample.weights)
        found["unlearning_selected_score"] = 1 - sitting.ability(trials[selected], sample.weights)
        edited = change(trials[selected].latents, trials[selected].strength)
        found["unlearning_residual_error"] = remains(sitting, x, edited, sample.weights)
    row: dict[str, Any] = {
        "target": sitting.exam.name,
        "n rows": int(sitting.holds[~sitting.choose].sum()),
        **{name: float("nan") if value is None else float(value[0]) for name, value in found.items()},
        "random latents": float("nan")
        if reason
        else 1 - float(np.clip(at_random[chosen(random, at_random, KEPT)][0], 0, 1)),
        "rule": trials[selected].rule,
        "n latents": len(trials[selected].latents),
        "strength": trials[selected].strength,
        "retained": float(on_report[selected][1]),
        "undefined": reason,
    }
    return row, found


def _choices(firing: Firing, weight: NDArray[np.float64]) -> dict[str, Ints]:
    """Sets of latents by the rule that chose them; equal and empty ones once."""
    rules = {
        f"top {n} of those on less than {below:g} elsewhere": firing.rare_elsewhere(below, n, weight)
        for below in BELOW
        for n in TOP
    }
    rules |= {f"top {n} by F1": firing.best_detectors(n, weight) for n in DETECTORS}
    return _distinct(rules)


def _distinct(rules: dict[str, Ints]) -> dict[str, Ints]:
    kept: dict[tuple[int, ...], str] = {}
    for rule, picked in rules.items():
        if len(picked):
            kept.setdefault(tuple(picked.tolist()), rule)
    return {rule: rules[rule] for rule in kept.values()}


def _weights(games: Ints, choose: NDArray[np.bool_], n_resamples: int, seed: int) -> NDArray[np.float64]:
    reports = np.unique(games[~choose])
    weights = np.zeros((1 + n_resamples, int(games.max()) + 1))
    weights[0, reports] = 1.0
    weights[1:, reports] = game_weights(len(reports), n_resamples, seed)
    return weights


def _published(sample: _Sample) -> Score:
    """The published score: the best of sixteen settings, on questions that the untouched model has right."""
    rows: dict[str, list[Any]] = {"target": [], "value": [], "n settings": [], "undefined": []}
    made: list[_Found] = []
    for sitting, firing in zip(sample.sittings, sample.firings, strict=True):
        n_right = sample.weights @ sitting.n_right
        before = sitting.by_side[1, 1]
        asked = n_right[0] > 0 and before > 0
        best = np.ones(len(n_right))  # where no setting qualifies nothing is unlearnt
        fit = 0
        rules = {f"{below:g}, {n}": firing.rare_elsewhere(below, n, sample.weight) for below in BELOW for n in TOP}
        for rule, picked in _distinct(rules).items() if asked else ():
            for clamp in CLAMPS:
                # the norm of a decoder row belongs to its latent, so that a clamp means the same for every latent
                values = -clamp / np.maximum(sample.norm[picked], 1e-30)
                one = sitting.put(rule, picked, clamp, sample.clamped.change(picked, values))
                if sitting.levels(one, sitting.sides)[1, 1] < KEPT * before:
                    continue
                fit += 1
                accuracy = np.divide(
                    sample.weights @ one.still, n_right, out=np.full_like(best, np.nan), where=n_right > 0
                )
                best = accuracy if accuracy[0] < best[0] else best
        reason = "" if asked else "the untouched model has no question right"
        made.append({"unlearning_score": 1 - best if asked else None})
        value = float(1 - best[0]) if asked else float("nan")
        for key, cell in zip(rows, (sitting.exam.name, value, fit, reason), strict=True):
            rows[key].append(cell)
    return replace(_averaged("unlearning_score", made, rows), protocol="saebench")


def _averaged(name: str, made: Sequence[_Found], table: dict[str, list[Any]]) -> Score:
    """Mean over the targets of which something can be said, with an interval over games."""
    known = [one for one in (found[name] for found in made) if one is not None]
    if not known:
        nan = float("nan")
        reasons = sorted({reason for reason in table["undefined"] if reason}) or ["no probe reads the target"]
        return Score(name, nan, nan, nan, features=table, details={"undefined": "; ".join(reasons)})
    values = np.mean(np.stack(known), 0)
    replicates = values[1:]
    low, high = interval(replicates[np.isfinite(replicates)])
    details = {"n_targets": len(made), "n_known": len(known), "kept": KEPT}
    return Score(name, float(values[0]), low, high, features=table, details=details, replicates=replicates)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
