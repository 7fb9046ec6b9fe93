"""A chat model as judge of explanations.

References: Paulo et al. 2024 (2410.13928), detection and fuzzing; Bills et al. 2023, simulation (here as one JSON list:
no endpoint of today gives the log-probabilities of prompts).
Differences from published code
    1. The number of answers expected is that of the texts shown, so that a smaller last question counts.
    2. An answer that cannot be read is asked for once more, counted, and then a failure; it is never filled up with 0,
       and the failures are told apart.
    3. Every example is marked as it says itself; no draw is shared between questions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .llm_explainer import sent
from .nouns import Answer, Chat, Question, Renderer, Reply, Request
from .prompts import SCALE, explained, question_messages
from .reading import read_answer

TOP_LOGPROBS = 5


class LLMJudge:
    """A chat model that judges.

    Args:
        chat: the model.
        renderer: positions as text.
        logprobs: ask for the log-probabilities of 0 and 1, so that answers are graded. An endpoint that does not give
            them is read by its text.
        structured: ask the endpoint to keep to a JSON schema of the right length.
        reasks: how often an answer that cannot be read is asked for again.
        seed: sent along, for endpoints that heed it.
        params: of the requests, over the defaults: temperature 0, a limit of tokens, the seed. None leaves one out.

    Raises:
        ValueError: a negative number of times to ask again.
    """

    def __init__(
        self,
        chat: Chat,
        renderer: Renderer,
        *,
        logprobs: bool = False,
        structured: bool = False,
        reasks: int = 1,
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        if reasks < 0:
            raise ValueError(f"reasks must be >= 0, got {reasks}")
        self._chat, self._renderer, self._reasks = chat, renderer, reasks
        self._logprobs, self._structured, self._seed = logprobs, structured, seed
        self._given = dict(params or {})

    @property
    def name(self) -> str:
        """The model's."""
        return self._chat.model

    @property
    def about(self) -> dict[str, Any]:
        """What its answers depend on besides the model's name; JSON types."""
        return {
            "endpoint": getattr(self._chat, "endpoint", ""),
            "logprobs": self._logprobs,
            "structured": self._structured,
            "seed": self._seed,
            "reasks": self._reasks,
            "params": dict(self._given),
        }

    def requests(self, questions: Sequence[Question], replicate: int = 0) -> list[Request]:
        """What would be sent for questions that can be asked; for plans."""
        return [self._request(one, replicate) for one in questions if not explained(one.explanation)]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer to each question, in order; a failed one says why."""
        found: dict[int, Answer] = {}
        waiting: list[int] = []
        for i, one in enumerate(questions):
            if why := explained(one.explanation):
                found[i] = Answer((None,) * length(one), why, asked=0)
            else:
                waiting.append(i)
        for replicate in range(self._reasks + 1):
            replies = self._chat.complete([self._request(questions[i], replicate) for i in waiting]) if waiting else []
            for i, reply in zip(waiting, replies, strict=True):
                found[i] = self._read(questions[i], reply, replicate + 1)
            waiting = [i for i, reply in zip(waiting, replies, strict=True) if found[i].failure and reply.text]
        return [found[i] for i in range(len(questions))]

    def _request(self, question: Question, replicate: int) -> Request:
        n = length(question)
        simulating = question.mode == "simulation"
        defaults: dict[str, Any] = {"temperature": 0, "max_tokens": 40 + 8 * n, "seed": self._seed}
        if self._logprobs and not simulating:
            defaults |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        if self._structured:
            defaults["response_format"] = schema(n, "number" if simulating else "boolean")
        return Request(question_messages(question, self._renderer), sent(defaults, self._given), replicate)

    def _read(self, question: Question, reply: Reply, asked: int) -> Answer:
        n = length(question)
        high = float(SCALE) if question.mode == "simulation" else 1.0
        read = read_answer(reply, n, high=high, logprobs=self._logprobs and question.mode != "simulation")
        if isinstance(read, str):
            return Answer((None,) * n, read, asked)
        return Answer(tuple(read), asked=asked)


def length(question: Question) -> int:
    """How many numbers answer a question: one an example; for simulation one a position of the only example."""
    if question.mode == "simulation":
        return sum(len(one.rows) for one in question.examples)
    return len(question.examples)


def schema(n: int, kind: str) -> dict[str, Any]:
    """A response format that asks for `n` values of a kind; the list is under a key, as endpoints demand an object."""
    values = {"type": "array", "items": {"type": kind}, "minItems": n, "maxItems": n}
    body = {
        "type": "object",
        "properties": {"answers": values},
        "required": ["answers"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answers", "strict": True, "schema": body}}
