"""Can a board inside a model be edited? Every method on the same edits, judged by the moves of the edited board.

Question      How well do edits of the residual stream, by directions or latents, turn the model's moves into those
              that the rules give on the edited board, and what else do they disturb?
Equations     e(p) = |T - L| + |L - T|, L the moves of the edited board, T the |L| most probable tokens under p
  success     (e_null - e_edit) / (e_null - e_floor), of means over edits
  ratio       e_null / e_edit
  isolation   share of the other squares whose state, read by linear probes, is as it was
Conventions   Activations are those at the last move. Fitted on the choosing games of the testbed; sizes and budgets
              chosen once for all on edits of fresh games; reported on edits of other fresh games; isolation is read by
              probes fitted on the reporting games, so no method edits what it is judged by. The floor is the model's
              own error on the boards as they were played, of the same positions. Intervals resample games.
Protocols     "one": the residual stream after the testbed's block. "from": after that block and every later one, each
              with directions of its own, applied to what arrives there.
References    Li et al. 2022 (arXiv 2210.13382), section 4; Nanda, Lee and Wattenberg 2023 (arXiv 2309.00941);
              Makelov, Lange and Nanda 2024 (arXiv 2405.08366).
Differences   Li et al. take a gradient step on nonlinear probes at several layers; here every edit is linear.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.dictionary import Dictionary
from ..testbed_catalogue import Testbed
from .edits import BoardEdits, board_edits
from .fit import Inputs, Prepared, blocks_of, check_methods, prepare
from .methods import Method, Setting, View
from .scores import Estimate, Outcome, Resampler, outcome, success, undefined
from .table import BoardControl, ControlRow

Layers = Literal["one", "from"]
CHOOSING_SEED, REPORTING_SEED = 510_000, 520_000  # of edits; far from every testbed's seed
Arrived = dict[int, torch.Tensor]


def board_control(
    bed: Testbed,
    *,
    n_edits: int = 1000,
    n_choosing: int = 300,
    methods: Sequence[str] | None = None,
    layers: Layers = "one",
    kinds: Sequence[str] | None = None,
    dictionaries: Sequence[Dictionary] | None = None,
    das_steps: int = 400,
    n_resamples: int = 1000,
    seed: int = 0,
) -> BoardControl:
    """Edit boards inside a testbed's model by every method, and judge the moves that it then predicts.

    Args:
        bed: a testbed on a game with a board.
        n_edits: reported on, one of a game.
        n_choosing: on which sizes and budgets are chosen.
        methods: names, or beginnings of names, as in the table; None for all. The null is always there.
        layers: "one" or "from", see the module.
        kinds: of edits, as the game names them; None for all.
        dictionaries: SAEs of the testbed's hook point; None for those that ship with it.
        das_steps: of training the DAS subspaces, at most; 0 leaves DAS out.
        n_resamples: of the bootstrap.
        seed: of the edits, the methods and the bootstrap.

    Returns:
        A row a method, with `.table()` and `.to_dict()`.

    Raises:
        ValueError: a game without a board, fewer than 2 edits, an unknown protocol, method or kind.
    """
    from tqdm.auto import tqdm

    if min(n_edits, n_choosing) < 2:
        raise ValueError(f"at least 2 edits are needed to choose and to report, got {n_choosing} and {n_edits}")
    if layers not in ("one", "from"):
        raise ValueError(f"layers must be 'one' or 'from', got {layers!r}")
    blocks = blocks_of(bed, layers)
    check_methods(bed, methods, dictionaries, das_steps, len(blocks))
    choosing = board_edits(bed.game, n_choosing, CHOOSING_SEED + seed, kinds=kinds)
    reporting = board_edits(bed.game, n_edits, REPORTING_SEED + seed, kinds=kinds)
    clean = Inputs.of(bed, choosing, blocks), Inputs.of(bed, reporting, blocks)
    ready = prepare(
        bed, clean[0], dictionaries=dictionaries, das_steps=das_steps, kinds=kinds, methods=methods, seed=seed
    )
    resampler = Resampler(reporting.game_id, n_resamples, seed)
    untouched = outcome(clean[1].run.clean, _unedited(reporting))
    rows: list[ControlRow] = []
    null: Outcome | None = None
    for index in tqdm(range(len(ready.methods[ready.layers[0]])), desc="methods", disable=None, leave=False):
        setting, tried = choose_setting(clean[0], ready, index)
        logits, arrived = run_method(clean[1], ready, index, setting)
        found = outcome(logits, reporting)
        null = found if null is None else null
        method = ready.methods[ready.layers[0]][index]
        estimates = _estimates(found, null, untouched, resampler)
        estimates |= _side_effects(clean[1], arrived, ready, method, setting, resampler)
        kinds_of = _by_kind(found, null, untouched, reporting, n_resamples, seed)
        rows.append(ControlRow(method.name, method.role, method.say(setting), estimates, kinds_of, tried))
    assert null is not None  # it is always among the methods
    return BoardControl(
        testbed=bed.name,
        protocol=layers,
        blocks=ready.layers,
        n_edits=len(reporting),
        n_choosing=len(choosing),
        seed=seed,
        rows=tuple(rows),
        floor=resampler.mean(untouched.error),
        floor_legal=resampler.mean(untouched.legal),
        room=resampler.ratio(null.error - untouched.error, null.error),
        details=ready.details | {"kinds": dict(zip(*_counts(reporting.kind), strict=True))},
    )


def choose_setting(inputs: Inputs, ready: Prepared, index: int) -> tuple[Setting, dict[str, float]]:
    """The setting with the smallest mean error on the choosing edits, and the error of each."""
    method = ready.methods[ready.layers[0]][index]
    if len(method.settings) == 1:
        return method.settings[0], {}
    errors = [
        float(outcome(run_method(inputs, ready, index, setting)[0], inputs.edits).error.mean())
        for setting in method.settings
    ]
    tried = {method.say(setting): error for setting, error in zip(method.settings, errors, strict=True)}
    return method.settings[int(np.argmin(errors))], tried


def run_method(inputs: Inputs, ready: Prepared, index: int, setting: Setting) -> tuple[torch.Tensor, Arrived]:
    """Logits after an edit, and the activations that it left at each block."""
    edits = inputs.edits
    arrived: Arrived = {}
    if len(ready.layers) == 1:
        layer = ready.layers[0]
        view = inputs.view(layer)
        new = view.x + ready.methods[layer][index].delta(view, setting)
        return inputs.run.with_x(new), {layer: new}

    def change(layer: int):  # noqa: ANN202 - Change
        def apply(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            here = x.float().cpu()
            new = here + ready.methods[layer][index].delta(View(here, edits.take(rows.numpy())), setting)
            arrived.setdefault(layer, torch.empty(len(edits), x.shape[1]))[rows] = new
            return new

        return apply

    return inputs.run.logits({layer: change(layer) for layer in ready.layers}), arrived


def _unedited(edits: BoardEdits) -> BoardEdits:
    """The boards as they were played: what the model is asked on its own ground."""
    return replace(edits, after=edits.before, allowed_after=edits.allowed_before)


def _estimates(found: Outcome, null: Outcome, untouched: Outcome, resampler: Resampler) -> dict[str, Estimate]:
    return {
        "error": resampler.mean(found.error),
        "ratio": resampler.ratio(null.error, found.error),
        "success": success(resampler, found.error, null.error, untouched.error),
        "legal": resampler.mean(found.legal),
        "gained": resampler.mean(found.gained),
        "changed": resampler.mean(found.changed),
        "kept": resampler.mean(found.kept),
    }


def _side_effects(
    inputs: Inputs, arrived: Arrived, ready: Prepared, method: Method, setting: Setting, resampler: Resampler
) -> dict[str, Estimate]:
    edits, first, last = inputs.edits, ready.layers[0], ready.layers[-1]
    before = ready.judge.states(inputs.x[last], edits.squares)
    after = ready.judge.states(arrived[last], edits.squares)
    other = edits.before == edits.after
    same = (before == after) & other
    read = (after == edits.after) & ~other
    size = (arrived[first] - inputs.x[first]).norm(dim=1).numpy()
    usual = ready.supervised.delta(edits).norm(dim=1).numpy()
    weight = undefined(len(resampler.weights))
    if method.removed is not None and len(ready.layers) == 1:
        weight = resampler.mean(method.removed(inputs.view(first), setting).numpy().astype(np.float64))
    return {
        "isolation": resampler.ratio(same.sum(1), other.sum(1)),
        "read": resampler.ratio(read.sum(1), (~other).sum(1)),
        "size": resampler.ratio(size, usual),
        "weight": weight,
    }


def _by_kind(
    found: Outcome, null: Outcome, untouched: Outcome, edits: BoardEdits, n_resamples: int, seed: int
) -> dict[str, dict[str, Estimate]]:
    result: dict[str, dict[str, Estimate]] = {}
    for kind in np.unique(edits.kind).tolist():
        rows = edits.kind == kind
        if len(np.unique(edits.game_id[rows])) > 1:
            resampler = Resampler(edits.game_id[rows], n_resamples, seed)
            result[kind] = {
                "error": resampler.mean(found.error[rows]),
                "success": success(resampler, found.error[rows], null.error[rows], untouched.error[rows]),
            }
    return result


def _counts(kinds: NDArray[np.str_]) -> tuple[list[str], list[int]]:
    names, counts = np.unique(kinds, return_counts=True)
    return names.tolist(), counts.tolist()
