"""Latents put into words by a chat model.

References: Bills et al. 2023; Paulo et al. 2024 (2410.13928).
Differences from published code
    1. An answer that cannot be read is a failure that says why. Published code scores its placeholder as if it were an
       explanation.
    2. Every example that is shown is shown with all its strengths; published code cuts the list after the first few.
    3. Silent examples need no activations of their own, so that contrasting works at all.
    4. Parameters belong to the explainer and cannot be changed by a request.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Literal

from .nouns import Chat, Explanation, Renderer, Reply, Request, Shown
from .prompts import explanation_messages
from .reading import read_explanation, read_predicate
from .replay import CachedChat

Words = Literal["free", "predicate"]
MAX_TOKENS = 400


def sent(defaults: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of requests: defaults, overridden by given ones; those given as None are left out."""
    return {name: value for name, value in {**defaults, **(given or {})}.items() if value is not None}


class LLMExplainer:
    """A chat model that explains.

    Args:
        chat: the model.
        renderer: positions as text.
        words: "free", or "predicate" for an answer in the language of predicates, which can then be executed.
        show_strengths: whether to tell how strongly the latent fires at each example.
        names: of the facts that predicates may be about; needed for words="predicate".
        counters: likewise.
        reasks: how often an answer that cannot be read is asked for again.
        seed: sent along, for endpoints that heed it.
        params: of the requests, over the defaults: temperature 0, a limit of tokens, the seed. None leaves one out.

    Raises:
        ValueError: unknown words, or predicates without names.
    """

    def __init__(
        self,
        chat: Chat,
        renderer: Renderer,
        *,
        words: Words = "free",
        show_strengths: bool = True,
        names: Sequence[str] = (),
        counters: Sequence[str] = ("ply",),
        reasks: int = 1,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        if words not in ("free", "predicate"):
            raise ValueError(f"words must be 'free' or 'predicate', got {words!r}")
        if words == "predicate" and not names:
            raise ValueError("words='predicate' needs the names of the facts, such as names=facts.names")
        if reasks < 0:
            raise ValueError(f"reasks must be >= 0, got {reasks}")
        self._chat, self._renderer, self._words, self._strengths = chat, renderer, words, show_strengths
        self._names, self._counters, self._reasks = tuple(names), tuple(counters), reasks
        self._params = sent({"temperature": 0, "max_tokens": MAX_TOKENS, "seed": seed}, params)
        self._grammar: str | None = None
        if words == "predicate":
            from .predicate_text import grammar
            from .translator import patterns

            self._grammar = grammar(tuple(patterns(names)), self._counters)

    @property
    def name(self) -> str:
        """The model's, and how it answers."""
        return self._chat.model if self._words == "free" else f"{self._chat.model} (predicates)"

    @property
    def about(self) -> dict[str, Any]:
        """What its answers depend on besides the model's name; JSON types."""
        return {
            "endpoint": getattr(self._chat, "endpoint", ""),
            "words": self._words,
            "strengths": self._strengths,
            "reasks": self._reasks,
            "params": dict(self._params),
        }

    def from_cache(self, cached: Callable[[Request], bool]) -> "LLMExplainer":
        """The same, but nothing is sent: what the cache does not hold fails with `replay.UNSENT`."""
        other = copy(self)
        other._chat = CachedChat(self._chat, cached)
        return other

    def requests(self, shown: Sequence[Shown], replicate: int = 0) -> list[Request]:
        """What would be sent for latents that can be asked about; for plans."""
        return [self._request(one, replicate) for one in shown if one.positives]

    def explain(self, shown: Sequence[Shown]) -> list[Explanation]:
        """One explanation for each, in order; a failed one says why."""
        found: dict[int, Explanation] = {}
        waiting = [i for i, one in enumerate(shown) if one.positives]
        for replicate in range(self._reasks + 1):
            replies = self._chat.complete([self._request(shown[i], replicate) for i in waiting]) if waiting else []
            for i, reply in zip(waiting, replies, strict=True):
                found[i] = self._read(shown[i], reply, replicate + 1)
            waiting = [i for i, reply in zip(waiting, replies, strict=True) if reply.text is not None]
            waiting = [i for i in waiting if found[i].failure]  # what never came was retried by the client already
        none = "no examples: it fires at too few positions of the choosing games"
        return [
            found[i] if i in found else Explanation(one.latent, "", source=self.name, failure=none)
            for i, one in enumerate(shown)
        ]

    def _request(self, shown: Shown, replicate: int) -> Request:
        messages = explanation_messages(shown, self._renderer, grammar=self._grammar, show_strengths=self._strengths)
        return Request(messages, dict(self._params), replicate)

    def _read(self, shown: Shown, reply: Reply, asked: int) -> Explanation:
        meta = {
            "asked": asked,
            "style": self._renderer.style,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }
        text, why = read_explanation(reply)
        predicate = None
        if self._words == "predicate" and not why:
            predicate, why = read_predicate(reply, self._names, self._counters, marker="EXPLANATION")
        if why:
            return Explanation(shown.latent, "", source=self.name, failure=why, meta=meta)
        return Explanation(shown.latent, text, predicate, self.name, meta=meta)
