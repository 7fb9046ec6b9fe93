"""Two real positions that differ in one square, and one patched into the other.

Question      Does the whole activation at the last move carry the board? Does an edit do what that patch does?
Equations     agreement with the patch (or the source): over the moves that are legal on one of the two boards only,
              share whose being among the |L| most probable after the edit is as after the full patch (or as in the
              model at the source); L the moves of the source's board. Error and success as in board_control.py
Conventions   Pairs are natural: the same number of moves made, the board different in one square, and legal moves that
              differ. The patch puts the source's activation at the last move into the base; attention still reads the
              base's earlier moves. The floor is the model's own error at the sources, where the edited board really
              occurs. First choices say little here: a model of random play gives all legal moves about the same
              probability, so that its first choice differs even between two histories of one board (markov_check).
              Settings of the methods are those chosen on edits of other games. Intervals resample the games of
              the bases.
References    Makelov, Lange and Nanda 2024 (arXiv 2405.08366), where prompts take the place of pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..games.position_pairs import PositionPairs, position_pairs
from ..games.transcripts import Transcripts
from ..models.dictionary import Dictionary
from ..testbed_catalogue import Testbed
from .control import CHOOSING_SEED, choose_setting, run_method
from .edits import BoardEdits, Squares, board_edits
from .fit import Inputs, Prepared, blocks_of, check_methods, prepare
from .runs import block_hook, edited_logits, read_at
from .scores import Estimate, Outcome, Resampler, as_json, judge, success
from .table import as_text, cell

PAIR_SEED = 540_000  # of the games that pairs come from; far from every testbed's seed
PAIR_COLUMNS = {
    "patch": "as the patch",
    "source": "as the source",
    "first": "1st as the patch",
    "error": "error",
    "success": "success",
    "legal": "1st legal",
    "kept": "kept",
    "isolation": "isolation",
}
WITH_INTERVAL = ("patch", "source", "success")  # in the table; all have one in the JSON


@dataclass(frozen=True)
class PairPatching:
    """Full patches and edits on natural pairs.

    Attributes:
        testbed: name.
        n_pairs: scored.
        n_games: searched.
        found: pairs found in them, before asking for other legal moves.
        rows: estimates by the names in `PAIR_COLUMNS`, by method; "null" and the full patches first.
        floor: the model's own error at the sources.
        by_last_move: agreement of the full patch with the source where both end with the same move, and where not.
        settings: of every method.
    """

    testbed: str
    n_pairs: int
    n_games: int
    found: int
    rows: Mapping[str, Mapping[str, Estimate]]
    floor: Estimate
    by_last_move: Mapping[str, Estimate]
    settings: Mapping[str, str]

    def table(self) -> str:
        """The rows as text."""
        lines = [["method", "setting", *PAIR_COLUMNS.values()]]
        for name, row in self.rows.items():
            cells = [cell(row[key], key in WITH_INTERVAL) if key in row else "-" for key in PAIR_COLUMNS]
            lines.append([name, self.settings.get(name, ""), *cells])
        title = f"{self.testbed}: {self.n_pairs} pairs of positions that differ in one square, of {self.n_games} games"
        tail = [f"full patch as the source, {name}: {value}" for name, value in self.by_last_move.items()]
        return "\n".join([title, as_text(lines), f"the model's error at the sources: {self.floor}", *tail])

    def to_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "testbed": self.testbed,
            "n_pairs": self.n_pairs,
            "n_games": self.n_games,
            "found": self.found,
            "floor": self.floor.to_dict(),
            "by_last_move": as_json(self.by_last_move),
            "settings": dict(self.settings),
            "rows": {name: as_json(row) for name, row in self.rows.items()},
        }


def pair_patching(
    bed: Testbed,
    *,
    n_pairs: int = 1000,
    n_games: int = 2000,
    n_choosing: int = 300,
    methods: Sequence[str] | None = None,
    dictionaries: Sequence[Dictionary] | None = None,
    das_steps: int = 0,
    n_resamples: int = 1000,
    seed: int = 0,
) -> PairPatching:
    """Patch natural pairs of positions into each other, and edit the same bases by every method.

    Args:
        bed: a testbed on a game with a board.
        n_pairs: scored at most.
        n_games: searched for pairs.
        n_choosing: edits on which the settings of the methods are chosen.
        methods: names, or beginnings of names, as in board control; None for all.
        dictionaries: as in board control.
        das_steps: as in board control.
        n_resamples: of the bootstrap.
        seed: of the games, pairs and methods.

    Raises:
        ValueError: a game without a board, or fewer than 2 pairs found.
    """
    from tqdm.auto import tqdm

    check_methods(bed, methods, dictionaries, das_steps, 1)
    transcripts = bed.game.sample(n_games, PAIR_SEED + seed)
    pairs = position_pairs(bed.game, transcripts, seed=seed)
    edits, kept, source_tokens, source_position = pair_edits(bed, transcripts, pairs, n_pairs, seed)
    if len(edits) < 2:
        raise ValueError(f"found {len(edits)} pairs with other legal moves in {n_games} games; ask for more games")
    resampler = Resampler(pairs.base[kept, 0], n_resamples, seed)
    choosing = Inputs.of(bed, board_edits(bed.game, n_choosing, CHOOSING_SEED + seed), blocks_of(bed, "one"))
    ready = prepare(bed, choosing, dictionaries=dictionaries, das_steps=das_steps, methods=methods, seed=seed)
    inputs = Inputs.of(bed, edits, ready.layers)

    at_source = edited_logits(bed.model, source_tokens, source_position, {}).numpy()
    source = judge(at_source, edits.allowed_before, edits.allowed_after)
    hooks = [block_hook(block) for block in range(bed.config.n_layers)]
    theirs = read_at(bed.model, source_tokens, source_position, hooks)
    patched: dict[int, Outcome] = {}
    for block, hook in enumerate(hooks):
        changes = {hook: lambda _, rows, new=theirs[hook]: new[rows]}
        logits = edited_logits(bed.model, edits.tokens, edits.position, changes).numpy()
        patched[block] = judge(logits, edits.allowed_before, edits.allowed_after)
    layer = ready.layers[0]
    found: dict[str, Outcome] = {}
    arrived: dict[str, torch.Tensor] = {}
    settings: dict[str, str] = {}
    for index, method in enumerate(tqdm(ready.methods[layer], desc="methods", disable=None, leave=False)):
        setting, _ = choose_setting(choosing, ready, index)
        settings[method.name] = method.say(setting)
        logits, left = run_method(inputs, ready, index, setting)
        found[method.name] = judge(logits.numpy(), edits.allowed_before, edits.allowed_after)
        arrived[method.name] = left[layer]
        if method.name == "null":
            for block, result in patched.items():
                found[_patch_name(block, layer)] = result
            arrived[_patch_name(layer, layer)] = theirs[hooks[layer]]
    rows: dict[str, Mapping[str, Estimate]] = {}
    for name, result in found.items():
        row = _row(result, found["null"], patched[layer], source, edits, resampler)
        if name in arrived:
            row["isolation"] = _isolation(arrived[name], inputs, ready, resampler)
        rows[name] = row
    return PairPatching(
        testbed=bed.name,
        n_pairs=len(edits),
        n_games=n_games,
        found=len(pairs),
        rows=rows,
        floor=resampler.mean(source.error),
        by_last_move=_by_last_move(
            _agreement(patched[layer], source, edits), pairs.same_last_move[kept], pairs.base[kept, 0], seed
        ),
        settings=settings,
    )


def pair_edits(
    bed: Testbed, transcripts: Transcripts, pairs: PositionPairs, n_pairs: int, seed: int
) -> tuple[BoardEdits, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pairs as edits of their bases.

    Args:
        bed: the testbed.
        transcripts: where the pairs were found.
        pairs: positions that differ in one square.
        n_pairs: kept at most, drawn by the seed.
        seed: of the draw.

    Returns:
        The edits, which of the pairs they are, tokens of the sources, and the position of each.
    """
    order = np.random.default_rng(seed).permutation(len(pairs))
    allowed = [allowed_at(bed, transcripts, part[order]) for part in (pairs.base, pairs.source)]
    counts = (allowed[0] != allowed[1]).any(1) & allowed[0].any(1) & allowed[1].any(1)
    rows = np.flatnonzero(counts)[:n_pairs]
    kept = order[rows]
    squares = Squares.of(bed.features)
    states = [
        squares.states(transcripts.labels[part[kept, 0], part[kept, 1]], bed.features)
        for part in (pairs.base, pairs.source)
    ]
    pad = bed.game.tokenizer.pad_id
    tokens = [cut_after(transcripts.tokens[part[kept, 0]], part[kept, 1], pad) for part in (pairs.base, pairs.source)]
    edits = BoardEdits(
        tokens[0],
        pairs.base[kept, 1],
        states[0],
        states[1],
        allowed[0][rows],
        allowed[1][rows],
        np.full(len(kept), "pair"),
        squares,
    )
    return edits, kept, tokens[1], pairs.source[kept, 1]


def allowed_at(bed: Testbed, transcripts: Transcripts, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Moves allowed at (game, position), bool [n, d_vocab]; each game is replayed once."""
    games, which = np.unique(places[:, 0], return_inverse=True)
    found: NDArray[np.bool_] | None = None
    for start in range(0, len(games), 512):
        allowed = bed.game.allowed(transcripts.tokens[games[start : start + 512]])
        rows = np.flatnonzero((which >= start) & (which < start + 512))
        if found is None:
            found = np.zeros((len(places), allowed.shape[2]), np.bool_)
        found[rows] = allowed[which[rows] - start, places[rows, 1]]
    return np.zeros((0, 1), np.bool_) if found is None else found


def cut_after(tokens: NDArray[np.int64], position: NDArray[np.int64], pad: int) -> NDArray[np.int64]:
    """Games up to and including one position each."""
    return np.where(np.arange(tokens.shape[1]) <= position[:, None], tokens, pad)


def _patch_name(block: int, layer: int) -> str:
    return f"full patch after block {block}{' (the site)' if block == layer else ''}"


def _row(
    result: Outcome, null: Outcome, patch: Outcome, source: Outcome, edits: BoardEdits, resampler: Resampler
) -> dict[str, Estimate]:
    return {
        "patch": resampler.mean(_agreement(result, patch, edits)),
        "source": resampler.mean(_agreement(result, source, edits)),
        "first": resampler.mean((result.choice == patch.choice).astype(np.float64)),
        "error": resampler.mean(result.error),
        "success": success(resampler, result.error, null.error, source.error),
        "legal": resampler.mean(result.legal),
        "kept": resampler.mean(result.kept),
    }


def _agreement(result: Outcome, wanted: Outcome, edits: BoardEdits) -> NDArray[np.float64]:
    """Share of the moves legal on one board only that both have among the likely ones, or both have not."""
    either = edits.allowed_before ^ edits.allowed_after
    return ((result.top == wanted.top) & either).sum(1) / either.sum(1)


def _isolation(arrived: torch.Tensor, inputs: Inputs, ready: Prepared, resampler: Resampler) -> Estimate:
    edits = inputs.edits
    other = edits.before == edits.after
    before = ready.judge.states(inputs.x[ready.layers[0]], edits.squares)
    same = (before == ready.judge.states(arrived, edits.squares)) & other
    return resampler.ratio(same.sum(1), other.sum(1))


def _by_last_move(
    agree: NDArray[np.float64], same: NDArray[np.bool_], games: NDArray[np.int64], seed: int
) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for name, rows in (("same last move", same), ("other last move", ~same)):
        if len(np.unique(games[rows])) > 1:
            found[f"{name} ({int(rows.sum())} pairs)"] = Resampler(games[rows], seed=seed).mean(agree[rows])
    return found
