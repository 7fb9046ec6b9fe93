"""What explainers, judges and scorers hand to each other.

A latent is a column of activations. An explainer sees examples of the choosing games and gives an explanation; a judge
is asked about examples of the other games; a scorer compares its answers with where the latent fires.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .predicate import Predicate

Mode = Literal["detection", "fuzzing", "simulation"]
Sampling = Literal["top", "quantile", "mixed", "random"]
Negatives = Literal["random", "same game", "nearest board", "neighbour latent", "one literal away"]
SAMPLINGS: tuple[Sampling, ...] = ("top", "quantile", "mixed", "random")
NEGATIVES: tuple[Negatives, ...] = ("random", "same game", "nearest board", "neighbour latent", "one literal away")


@dataclass(frozen=True, eq=False)
class Latent:
    """Where one latent fires.

    Attributes:
        number: in its dictionary.
        rows: int64 [n], positions at which it fires, rising.
        values: float32 [n], its activations there, all above 0.
        n_rows: N, of the whole sample.
    """

    number: int
    rows: NDArray[np.int64]
    values: NDArray[np.float32]
    n_rows: int

    def dense(self) -> NDArray[np.float32]:
        """Activations at every position, float32 [N]."""
        found = np.zeros(self.n_rows, np.float32)
        found[self.rows] = self.values
        return found

    def active(self) -> NDArray[np.bool_]:
        """Whether it fires, bool [N]."""
        found = np.zeros(self.n_rows, np.bool_)
        found[self.rows] = True
        return found


@dataclass(frozen=True)
class Example:
    """Positions that are shown together: one, or several that follow each other in a game.

    Attributes:
        rows: positions of one game, in its order.
        values: activation at each.
        active: whether the latent fires at any of them.
        quantile: which tenth of the active examples it is from, 0 the strongest; -1 where the latent is silent.
        source: `top`, `quantile`, `mixed` or `random` for active ones, the kind of negative for silent ones.
        marked: places in `rows` that are marked for fuzzing; the question is whether the explanation fits all of them.
        squares: names of squares that are marked instead, in the last position.
    """

    rows: tuple[int, ...]
    values: tuple[float, ...]
    active: bool
    quantile: int = -1
    source: str = "random"
    marked: tuple[int, ...] = ()
    squares: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What an explainer sees of a latent; positions of choosing games only.

    Attributes:
        latent: its number.
        maximum: largest activation on the choosing games.
        positives: examples at which it fires, in the order in which they are shown.
        negatives: examples at which it does not; empty unless the explainer is to contrast.
    """

    latent: int
    maximum: float
    positives: tuple[Example, ...]
    negatives: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """What a latent is said to fire on.

    Attributes:
        latent: its number.
        text: in words; empty if there is none.
        predicate: the same, so that it can be executed; None for free text that nobody has translated.
        source: who says so: `predicate`, `given`, `shuffled`, or the name of a language model.
        failure: why there is none; empty if there is one. What failed is never scored.
        meta: JSON types.
    """

    latent: int
    text: str
    predicate: Predicate | None = None
    source: str = "given"
    failure: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)


@dataclass(frozen=True)
class Question:
    """Examples that a judge is asked about in one go.

    Attributes:
        latent: whose explanation it is.
        explanation: what is to be recognised.
        examples: in the order in which they are shown.
        mode: `detection`: does it hold somewhere in the example? `fuzzing`: does it fit everything that is marked?
            `simulation`: how strongly does the latent fire at each position of the one example, 0 to 10?
    """

    latent: int
    explanation: Explanation
    examples: tuple[Example, ...]
    mode: Mode


@dataclass(frozen=True)
class Answer:
    """What a judge says to a question.

    Attributes:
        values: for detection and fuzzing one number an example, the probability of yes; for simulation one a position
            of the only example, 0 to 10. None where there is no answer: failures are counted, never scored.
        failure: why values are missing; empty if none is.
        asked: how often it was asked.
    """

    values: tuple[float | None, ...]
    failure: str = ""
    asked: int = 1


class Explainer(Protocol):
    """Whoever puts latents into words."""

    @property
    def name(self) -> str:
        """Short; a column of the report."""
        ...

    def explain(self, shown: Sequence[Shown]) -> list[Explanation]:
        """One explanation for each, in order; a failed one says why."""
        ...


class Judge(Protocol):
    """Whoever answers questions about examples, given an explanation."""

    @property
    def name(self) -> str:
        """Short; a column of the report."""
        ...

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer to each question, in order; a failed one says why."""
        ...


class Renderer(Protocol):
    """Positions as text for a language model."""

    @property
    def style(self) -> str:
        """Name of the serialisation, such as `record`, `grid` or `fen`."""
        ...

    @property
    def legend(self) -> str:
        """How to read the texts, a few lines; said once a prompt."""
        ...

    def example(self, example: Example) -> str:
        """One example, with its marks if it has any; never its activations, its source or its number."""
        ...

    def lines(self, example: Example) -> list[str]:
        """One short line for every position of an example, in order, for explanation and simulation."""
        ...


@dataclass(frozen=True)
class Request:
    """One request to a chat model.

    Attributes:
        messages: (role, text) in order; roles are system, user, assistant.
        params: temperature, max_tokens, seed, logprobs, top_logprobs, response_format, ...; JSON types.
        replicate: tells repeated requests apart in the cache.
    """

    messages: tuple[tuple[str, str], ...]
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    replicate: int = 0


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: what the model said; None if nothing usable came.
        failure: why not; empty if it did.
        finish_reason: `stop`, `length`, ...
        logprobs: one entry an output token: the token and the log-probabilities of the likeliest tokens there.
        prompt_tokens: as the endpoint counts them.
        completion_tokens: likewise.
        cached: whether no request was sent for it.
    """

    text: str | None
    failure: str = ""
    finish_reason: str = ""
    logprobs: tuple[tuple[str, Mapping[str, float]], ...] | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False


class Chat(Protocol):
    """A chat model behind an endpoint, a cache or a script."""

    @property
    def model(self) -> str:
        """Its name, as the endpoint knows it."""
        ...

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply to each request, in order. What fails is said in the reply, not raised.

        Raises:
            BudgetSpent: the budget does not allow the next request; what came before is kept.
            ConnectionRefused: the endpoint refuses the key, again and again.
        """
        ...
