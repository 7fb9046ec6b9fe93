"""Which latents have to do with a concept? The judge that SHIFT asks before it takes latents out.

Equation      A latent is kept for a concept if its rating is above half of the scale: rating / 4 > .5, so 3 or 4.
Conventions   For every concept the `n` latents with the largest attribution are rated, from their strongest contexts on
              the choosing games, one a game, with the places at which they fire marked. Latents that are not among
              them, and those whose rating failed, are not kept; failures are counted by their reason.
              The predicate judge rates the same latents without a language model: it executes a latent's predicate on
              the choosing games, and the rating is 4 times how far the predicate settles the concept,
                  max((P(c | p) - P(c)) / (1 - P(c)), (P(c) - P(c | p)) / P(c)),
              1 where the predicate implies the concept or its absence, 0 where it says nothing of it.
References    Marks et al. 2024 (2403.19647), SHIFT; SAEBench's `scr` in its first form: 20 latents a class, 5 contexts,
              ratings from 0 to 4 as JSON, kept above .5.
Differences from published code
              1. What .5 is of is not said beside it; here half of the scale (`threshold=.125` is half a point).
              2. The published one tells the tokens that a latent promotes; here they are told where the caller knows
                 them.
              3. Contexts are of choosing games, so that no reporting game decides which latents are taken out.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .examples import marks_of
from .facts import Facts
from .llm_explainer import sent
from .nouns import Chat, Example, Latent, Renderer, Reply, Request
from .predicate import Predicate, evaluate
from .prompts import RATING, rating_messages
from .reading import read_ratings

N_LATENTS = 20  # of a concept that are rated
N_CONTEXTS = 5
WINDOW = 5  # positions of a context, at most
THRESHOLD = 0.5  # of the scale
MAX_TOKENS = 500

Ratings = Mapping[tuple[int, int], float]  # by latent and concept


@dataclass(frozen=True)
class Rated:
    """Latents that may be taken out for each concept; call it with the number of a concept.

    Attributes:
        n_latents: of the dictionary.
        ratings: 0 to 4 by (latent, concept), where there is one.
        failed: number of pairs of latent and concept that have none although they were asked about, by reason.
        threshold: share of the scale above which a latent is kept.
        n_asked: requests.
    """

    n_latents: int
    ratings: Ratings
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    threshold: float = THRESHOLD
    n_asked: int = 0

    def __call__(self, concept: int) -> NDArray[np.bool_]:
        """Latents kept for a concept, bool [L]."""
        kept = np.zeros(self.n_latents, np.bool_)
        kept[[one for (one, c), r in self.ratings.items() if c == concept and r > self.threshold * RATING]] = True
        return kept


def contexts(latent: Latent, facts: Facts, *, n: int = N_CONTEXTS, window: int = WINDOW) -> tuple[Example, ...]:
    """Where a latent fires most on the choosing games, a game at most once, marked where it fires.

    Args:
        latent: where it fires.
        facts: games, positions and the split.
        n: contexts, at most.
        window: scored positions of a context, the strongest last.

    Returns:
        The strongest first; marked at positions of at least .3 of the context's maximum.
    """
    mine = facts.train[latent.rows]
    rows, values = latent.rows[mine], latent.values[mine]
    found: list[Example] = []
    seen: set[int] = set()
    dense = latent.dense()
    for row in rows[np.lexsort((rows, -values))].tolist():
        game = int(facts.game_id[row])
        if len(found) < n and game not in seen:
            seen.add(game)
            together = _before(facts, row, window)
            shown = tuple(dense[together].tolist())
            found.append(Example(tuple(together.tolist()), shown, True, 0, "top", marks_of(shown)))
    return tuple(found)


class LLMRater:
    """A chat model that rates latents for concepts.

    Args:
        chat: the model.
        renderer: positions as text.
        promoted: tokens that a latent makes likelier, by its number; none are told by default.
        reasks: how often an answer that cannot be read is asked for again.
        seed: sent along, for endpoints that heed it.
        params: of the requests, over the defaults: temperature 0, a limit of tokens, the seed. None leaves one out.
    """

    def __init__(
        self,
        chat: Chat,
        renderer: Renderer,
        *,
        promoted: Callable[[int], Sequence[str]] | None = None,
        reasks: int = 1,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self._chat, self._renderer, self._promoted, self._reasks = chat, renderer, promoted, reasks
        self._params = sent({"temperature": 0, "max_tokens": MAX_TOKENS, "seed": seed}, params)

    def requests(
        self, asked: Mapping[int, Sequence[int]], latents: Mapping[int, Latent], names: Sequence[str], facts: Facts
    ) -> list[Request]:
        """What would be sent, for plans; see `rate` for the arguments."""
        made = [self._request(latents[one], [names[c] for c in asked[one]], facts) for one in asked]
        return [one for one in made if one is not None]

    def rate(
        self,
        asked: Mapping[int, Sequence[int]],
        latents: Mapping[int, Latent],
        names: Sequence[str],
        facts: Facts,
        *,
        n_latents: int,
        threshold: float = THRESHOLD,
    ) -> Rated:
        """Rate latents, one request each.

        Args:
            asked: concepts that each latent is rated for.
            latents: where they fire.
            names: of all concepts.
            facts: games, positions and the split.
            n_latents: of the dictionary.
            threshold: share of the scale above which a latent is kept.
        """
        ratings: dict[tuple[int, int], float] = {}
        failed: Counter[str] = Counter()
        requests = {one: self._request(latents[one], [names[c] for c in asked[one]], facts) for one in asked}
        failed["no context on the choosing games"] = sum(len(asked[i]) for i, r in requests.items() if r is None)
        waiting = [one for one, request in requests.items() if request is not None]
        n_asked = 0
        for replicate in range(self._reasks + 1):
            sending = [Request(r.messages, r.params, replicate) for i in waiting if (r := requests[i]) is not None]
            replies = self._chat.complete(sending) if sending else []
            n_asked += len(sending)
            again: list[int] = []
            for one, reply in zip(waiting, replies, strict=True):
                read = self._read(reply, [names[c] for c in asked[one]])
                if not isinstance(read, str):
                    ratings |= {(one, c): read[names[c]] for c in asked[one]}
                elif reply.text is not None and replicate < self._reasks:
                    again.append(one)
                else:
                    failed[read] += len(asked[one])
            waiting = again
        counted = {reason: count for reason, count in sorted(failed.items()) if count}
        return Rated(n_latents, ratings, counted, threshold, n_asked)

    def _request(self, latent: Latent, concepts: Sequence[str], facts: Facts) -> Request | None:
        examples = contexts(latent, facts)
        if not examples:
            return None
        highest = max(max(one.values) for one in examples)
        promoted = self._promoted(latent.number) if self._promoted else ()
        return Request(rating_messages(concepts, examples, highest, self._renderer, promoted), dict(self._params))

    def _read(self, reply: Reply, names: Sequence[str]) -> dict[str, float] | str:
        return read_ratings(reply, names, RATING)


def settled(predicate: Predicate, held: NDArray[np.bool_], facts: Facts) -> float:
    """How far a predicate settles a concept on the choosing games, from 0 to 1; 0 where either is constant.

    Args:
        predicate: executed.
        held: bool [N], the concept.
        facts: at the same positions.
    """
    rows = facts.rows_of(train=True)
    true, concept = evaluate(predicate, facts, rows), held[rows]
    base = float(concept.mean()) if len(rows) else 0.0
    if not true.any() or not 0 < base < 1:
        return 0.0
    share = float(concept[true].mean())
    return max((share - base) / (1 - base), (base - share) / base)


def rated_by_predicates(
    asked: Mapping[int, Sequence[int]],
    predicates: Mapping[int, Predicate | None],
    held: NDArray[np.bool_],
    facts: Facts,
    *,
    n_latents: int,
    threshold: float = THRESHOLD,
) -> Rated:
    """The same by executed predicates.

    Args:
        asked: concepts that each latent is rated for.
        predicates: of each latent; None where there is none, which counts as failed.
        held: bool [N, C], the concepts.
        facts: at the same positions.
        n_latents: of the dictionary.
        threshold: share of the scale above which a latent is kept.
    """
    ratings: dict[tuple[int, int], float] = {}
    missing = 0
    for one, concepts in asked.items():
        if (predicate := predicates.get(one)) is None:
            missing += len(concepts)
            continue
        ratings |= {(one, c): RATING * settled(predicate, held[:, c], facts) for c in concepts}
    return Rated(n_latents, ratings, {"no predicate": missing} if missing else {}, threshold)


def _before(facts: Facts, row: int, window: int) -> NDArray[np.int64]:
    """A row and those before it in its game, in order, at most `window`."""
    same = np.flatnonzero((facts.game_id == facts.game_id[row]) & (facts.position <= facts.position[row]))
    return same[np.argsort(facts.position[same], kind="stable")][-window:]
