"""Free words into predicates: one request an explanation, then it can be executed at every position.

Parse, then execute: a judge that is asked once, not once a text, and whose verdict is then exact, with precision and
recall at natural prevalence. A sentence that the language cannot say, or an answer that cannot be read, is reported
and stays without a predicate; nothing is guessed.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from .llm_explainer import sent
from .nouns import Chat, Explanation, Reply, Request
from .prompts import explained, translation_messages
from .reading import read_predicate
from .replay import CachedChat

N_CANDIDATES = 100
N_PATTERNS = 30  # of them are there to show how facts are named
MAX_TOKENS = 400
_PLACE = re.compile(r"\b[a-h][1-8]\b")
_ELSEWHERE = 0.2  # what words count in a fact about squares that the text does not name
_ALIASES = {"disc": "discs", "my": "mine", "own": "mine", "opponent": "yours", "opponents": "yours", "their": "yours"}


class Translator:
    """A chat model that turns explanations into predicates.

    Args:
        chat: the model.
        names: of all facts; a prompt lists those that share most with the explanation.
        counters: that predicates may compare with numbers.
        n_candidates: how many facts a prompt lists.
        reasks: how often an answer that cannot be read is asked for again.
        seed: sent along, for endpoints that heed it.
        params: of the requests, over the defaults: temperature 0, a limit of tokens, the seed. None leaves one out.

    Raises:
        ValueError: no names.
    """

    def __init__(
        self,
        chat: Chat,
        names: Sequence[str],
        counters: Sequence[str] = ("ply",),
        *,
        n_candidates: int = N_CANDIDATES,
        reasks: int = 1,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        from .predicate_text import grammar

        if not names:
            raise ValueError("a translator needs the names of the facts, such as facts.names")
        self._chat, self._names, self._counters = chat, tuple(names), tuple(counters)
        self._n, self._reasks = n_candidates, reasks
        self._params = sent({"temperature": 0, "max_tokens": MAX_TOKENS, "seed": seed}, params)
        self._grammar = grammar(tuple(patterns(names, 10)), self._counters)
        self._patterns = patterns(names, min(N_PATTERNS, n_candidates // 3))
        self._words = [frozenset(words(name)) for name in names]
        counts = Counter(word for one in self._words for word in one)
        self._weight = {word: math.log(1 + len(names) / count) for word, count in counts.items()}

    @property
    def name(self) -> str:
        """The model's."""
        return self._chat.model

    def candidates(self, text: str) -> list[str]:
        """Facts that share most words with a text, rare words weighing more, and one fact of every pattern.

        A fact about other squares than the text names weighs less.
        """
        said = frozenset(words(text))
        score = [self._score(one, said) for one in self._words]
        order = sorted(range(len(self._names)), key=lambda i: (-score[i], i))
        best = [self._names[i] for i in order[: self._n] if score[i] > 0]
        kept = best[: self._n - len(self._patterns)]
        return list(dict.fromkeys([*kept, *self._patterns]))

    def _score(self, name: frozenset[str], said: frozenset[str]) -> float:
        shared = sum(self._weight[word] for word in name & said)
        squares = frozenset(word for word in name if _PLACE.fullmatch(word))
        elsewhere = bool(squares) and any(map(_PLACE.fullmatch, said)) and not squares & said
        whole = sum(self._weight[word] for word in name)
        return shared / math.sqrt(whole) * (_ELSEWHERE if elsewhere else 1.0) if whole else 0.0

    @property
    def about(self) -> dict[str, Any]:
        """What its answers depend on besides the model's name; JSON types."""
        return {
            "endpoint": getattr(self._chat, "endpoint", ""),
            "candidates": self._n,
            "reasks": self._reasks,
            "params": dict(self._params),
        }

    def from_cache(self, cached: Callable[[Request], bool]) -> "Translator":
        """The same, but nothing is sent: what the cache does not hold fails with `replay.UNSENT`."""
        other = copy(self)
        other._chat = CachedChat(self._chat, cached)
        return other

    def requests(self, explanations: Sequence[Explanation], replicate: int = 0) -> list[Request]:
        """What would be sent for explanations that need it; for plans."""
        return [self._request(one, replicate) for one in explanations if _open(one)]

    def translate(self, explanations: Sequence[Explanation]) -> list[Explanation]:
        """Explanations with a predicate where one could be had, in order.

        Those that have one, and failed ones, come back as they are. The others keep their text; `meta` says how often
        the model was asked (`translation_asked`) and, where the predicate is None, why (`untranslated`).
        """
        found = list(explanations)
        waiting = [i for i, one in enumerate(explanations) if _open(one)]
        for replicate in range(self._reasks + 1):
            asked = [self._request(explanations[i], replicate) for i in waiting]
            replies = self._chat.complete(asked) if asked else []
            for i, reply in zip(waiting, replies, strict=True):
                found[i] = self._read(explanations[i], reply, replicate + 1)
            waiting = [
                i for i, reply in zip(waiting, replies, strict=True) if found[i].predicate is None and _unread(reply)
            ]
        return found

    def _request(self, explanation: Explanation, replicate: int) -> Request:
        messages = translation_messages(explanation.text, self.candidates(explanation.text), self._grammar)
        return Request(messages, dict(self._params), replicate)

    def _read(self, explanation: Explanation, reply: Reply, asked: int) -> Explanation:
        predicate, why = read_predicate(reply, self._names, self._counters)
        meta: dict[str, Any] = {**explanation.meta, "translated_by": self.name, "translation_asked": asked}
        if predicate is None:
            meta["untranslated"] = why
        return replace(explanation, predicate=predicate, meta=meta)


def words(text: str) -> list[str]:
    """Words and squares of a text, in small letters, with a few synonyms.

    >>> words("My disc on C4")
    ['mine', 'discs', 'on', 'c4']
    """
    found: list[str] = re.findall(r"[a-z]+[1-8]?|\d+", text.lower())
    return [_ALIASES.get(word, word) for word in found]


def patterns(names: Sequence[str], most: int = 40) -> list[str]:
    """One fact of every pattern, where squares and numbers are taken to be alike; the commonest patterns first."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for name in names:
        shape = re.sub(r"\d+", "#", _PLACE.sub("@", name.lower()))
        first.setdefault(shape, name)
        counts[shape] += 1
    return [first[shape] for shape, _ in counts.most_common(most)]


def _open(explanation: Explanation) -> bool:
    return explanation.predicate is None and not explained(explanation)


def _unread(reply: Reply) -> bool:
    """Whether asking again could help: something came, and it did not say that there is no predicate."""
    return reply.text is not None and not re.search(r"PREDICATE\s*:\s*NONE\b", reply.text, re.IGNORECASE)
