"""Latents with positions for a report page, as a file beside the results: words, truth, and boards as plain text.

The page draws the boards itself. So a board is a string of squares, rank 1 first; positions of worlds without a board
are their text.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..latent_examples import Example, LatentExamples, latent_examples
from ..metrics.llm.predicate import evaluate
from ..metrics.llm.predicate_text import parse
from ..model_testbed import Testbed
from ..report import plain
from ..report_latents import last_tokens
from ..reporting.latents import explained_block, latents_content
from ..tasks.facts import facts_of

if TYPE_CHECKING:
    from ..models.dictionary import Dictionary
    from ..testbed_catalogue import AnyTestbed
    from .result import Explained, ExplainedLatent

_DIGITS = 5
_RANK = re.compile(r"^ ?(\d+)([ ()].*)$")
_EMPTY = ".-*"
_UNSAID: dict[str, Any] = {
    "rate": None,
    "explanation": "",
    "predicate": "",
    "explainer": "",
    "failure": "",
    "precision": None,
    "recall": None,
    "f1": None,
    "scorers": {},
}


def latents_of_page(
    dictionary: "Dictionary",
    bed: "AnyTestbed",
    explained: "Explained | None" = None,
    *,
    most: int = 24,
    n_top: int = 6,
    n_spread: int = 3,
) -> dict[str, Any]:
    """What a page shows of latents, as the content of a file; `reporting.latents` writes and reads it.

    Args:
        dictionary: whose latents.
        bed: where. In a synthetic world there are no positions to show, so that its latents have words alone.
        explained: its latents in words; without it the latents that match a feature best are taken.
        most: latents with positions: those with the truest explanations. The other explained ones have words alone.
        n_top: strongest positions of each.
        n_spread: ordinary positions of each.
    """
    ranked = [] if explained is None else explained.best()
    said = {one.latent: explained_block(plain(vars(one), "latent")) for one in ranked}
    if most > 0 and isinstance(bed, Testbed) and (ranked or explained is None):
        numbers = None if explained is None else [one.latent for one in ranked[:most]]
        names = dictionary.latent_names
        truth = where_words_hold(ranked[:most], bed)
        for one in latent_examples(dictionary, bed, numbers, best=most, n_top=n_top, n_spread=n_spread, truth=truth):
            block = said.get(one.latent, _unexplained(one, names))
            said[one.latent] = block | with_positions(one, bed, words=one.latent in truth)
    blocks = [_rounded(block) for block in said.values()]
    return latents_content(blocks, dictionary=dictionary.name, testbed=bed.name)


def latents_shown(shown: Sequence[LatentExamples], dictionary: "Dictionary", bed: Testbed) -> dict[str, Any]:
    """The same for latents that were looked at already, without words.

    Args:
        shown: what is known of them, of `latent_examples`.
        dictionary: whose latents.
        bed: where.
    """
    names = dictionary.latent_names
    blocks = [_rounded(_unexplained(one, names) | with_positions(one, bed, words=False)) for one in shown]
    return latents_content(blocks, dictionary=dictionary.name, testbed=bed.name)


def _unexplained(one: LatentExamples, names: Sequence[str] | None) -> dict[str, Any]:
    named = {"explanation": names[one.latent], "explainer": "its own name"} if names else {}
    return {"latent": one.latent, **_UNSAID, **named}


def where_words_hold(explained: "Sequence[ExplainedLatent]", bed: Testbed) -> dict[int, NDArray[np.bool_]]:
    """Latent -> bool [N], at which positions of the testbed its explanation holds; of those that can be executed."""
    facts = facts_of(bed)
    found: dict[int, NDArray[np.bool_]] = {}
    for one in explained:
        if one.predicate and not one.failure:
            found[one.latent] = evaluate(parse(one.predicate, facts.names, tuple(facts.counters)), facts)
    return found


def with_positions(one: LatentExamples, bed: Testbed, *, words: bool) -> dict[str, Any]:
    """The parts of a block that come from positions: rate, matches, histogram and examples.

    Args:
        one: what is known of the latent.
        bed: where.
        words: whether histogram and examples tell where the explanation holds, and not where the best feature does.
    """
    best = one.matches[0].feature if one.matches and not words else None
    examples = [("strongest", e) for e in one.top] + [("ordinary", e) for e in one.spread]
    return {
        "rate": one.n_firing / one.n_positions,
        "matches": [[m.feature, m.f1, m.floor, m.precision, m.recall] for m in one.matches],
        "histogram": {
            "edges": one.edges.tolist(),
            "without": one.counts[0].tolist(),
            "with": one.counts[1].tolist(),
            "feature": best,
            "words": words,
            "threshold": one.matches[0].threshold if one.matches and not words else None,
        },
        "examples": [_example(kind, example, bed) for kind, example in examples],
    }


def _example(kind: str, example: Example, bed: Testbed) -> dict[str, Any]:
    tokens = [int(token) for token in bed.transcripts.tokens[example.game]]
    drawn = bed.game.render(tokens, example.ply, format="text")
    board, marked = board_of(drawn)
    before, last = last_tokens(bed.game.tokenizer.vocabulary, tokens[: example.position + 1])
    return {
        "kind": kind,
        "activation": example.activation,
        "game": example.game,
        "ply": example.ply,
        "holds": example.holds,
        "text": before + last,
        "board": board,
        "marked": marked,
        "drawn": "" if board else drawn,
    }


def board_of(drawn: str) -> tuple[str, list[int]]:
    r"""A board and its marked squares out of a position as text: ranks with their number, squares two columns apart.

    Args:
        drawn: as the games draw positions, with ranks in either order and the last move in brackets.

    Returns:
        One character a square, rank 1 first, `.` for empty, and the squares in brackets; empty for text that is no
        square board.

    >>> board_of("   a b\n 2 . X\n 1(O)*")
    ('o..x', [0])
    """
    ranks: dict[int, str] = {}
    for line in drawn.splitlines():
        if found := _RANK.match(line):
            ranks[int(found[1])] = found[2]
    size = len(ranks)
    if size < 2 or sorted(ranks) != list(range(1, size + 1)):
        return "", []
    if any(len(ranks[rank].rstrip(")")) > 2 * size for rank in ranks):
        return "", []
    squares = "".join(ranks[rank].ljust(2 * size)[1 : 2 * size : 2] for rank in range(1, size + 1))
    if {*squares} <= {*"XO", *_EMPTY}:
        squares = squares.lower()
    marked = [
        (rank - 1) * size + file
        for rank in range(1, size + 1)
        for file in range(size)
        if ranks[rank].ljust(2 * size)[2 * file] == "(" or ranks[rank].ljust(2 * size)[2 * file + 1] == "-"
    ]
    return "".join("." if square in _EMPTY else square for square in squares), marked


def _rounded(value: Any) -> Any:
    """The same with numbers of five digits, which is more than a page shows."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
