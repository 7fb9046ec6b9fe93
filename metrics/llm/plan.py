"""What would requests cost? Counted before anything is sent, with prices that the user gives.

Conventions   Prices are USD per million tokens and are never bundled: they change, and differ between endpoints.
              Without a tokenizer a token is taken to be 4 characters. Lists of squares and moves have fewer characters
              a token than prose, so that the estimate is low for boards; what was used is printed beside it at the end.
              Output is taken to be as long as `max_tokens` allows, so that it is an upper bound where that is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .nouns import Request

CHARACTERS_A_TOKEN = 4
TOKENS_A_MESSAGE = 4  # roles and separators
UNKNOWN_OUTPUT = 256  # tokens of a reply, where the request sets no limit


@dataclass(frozen=True)
class Prices:
    """What an endpoint charges, USD per million tokens.

    Attributes:
        input: for tokens of the prompt.
        output: for tokens of the reply.
        cached: for tokens of the prompt that the endpoint has kept; as `input` if None.
    """

    input: float
    output: float
    cached: float | None = None

    def __post_init__(self) -> None:
        for name, price in (("input", self.input), ("output", self.output), ("cached", self.cached)):
            if price is not None and not 0 <= price < float("inf"):
                raise ValueError(f"the price of {name} tokens must be at least 0 USD per million, got {price}")

    def usd(self, prompt: float, completion: float, cached: float = 0) -> float:
        """Cost of tokens, USD.

        Args:
            prompt: tokens of the prompt, kept ones included.
            completion: tokens of the reply.
            cached: of the prompt, those that the endpoint had kept.

        Examples:
            >>> Prices(input=1.0, output=4.0, cached=0.5).usd(1_000_000, 250_000, cached=400_000)
            1.8
        """
        kept = self.input if self.cached is None else self.cached
        return ((prompt - cached) * self.input + cached * kept + completion * self.output) / 1e6


def estimate(request: Request, count_tokens: Callable[[str], int] | None = None) -> tuple[int, int]:
    """Tokens of the prompt and, at most, of the reply.

    Args:
        request: not yet sent.
        count_tokens: of a text; characters / 4, rounded up, if None.

    Examples:
        >>> estimate(Request((("user", "x" * 40),), {"max_tokens": 8}))
        (14, 8)
    """
    count = count_tokens or _by_characters
    prompt = sum(count(text) + TOKENS_A_MESSAGE for _, text in request.messages)
    limit = request.params.get("max_completion_tokens", request.params.get("max_tokens"))
    return prompt, UNKNOWN_OUTPUT if limit is None else int(limit)


@dataclass(frozen=True)
class Plan:
    """What a run would send.

    Attributes:
        requests: that are needed, all told; equal ones are counted once.
        cached: of them, those that the cache answers.
        prompt_tokens: estimated, of those that would be sent.
        completion_tokens: likewise, at most.
        usd: likewise; None without prices.
        counted_by: `tokenizer` or `characters / 4`.
    """

    requests: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    counted_by: str

    @property
    def to_send(self) -> int:
        """Requests that the cache does not answer."""
        return self.requests - self.cached

    def __add__(self, other: "Plan") -> "Plan":
        """Both, one after the other."""
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        by = self.counted_by if self.counted_by == other.counted_by else f"{self.counted_by} and {other.counted_by}"
        return Plan(
            self.requests + other.requests,
            self.cached + other.cached,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            usd,
            by,
        )

    def table(self) -> str:
        """A line each, ready to print."""
        lines = [
            ("requests", f"{self.requests:,}"),
            ("in the cache", f"{self.cached:,}"),
            ("to send", f"{self.to_send:,}"),
            (f"input tokens ({self.counted_by})", f"{self.prompt_tokens:,}"),
            ("output tokens, at most", f"{self.completion_tokens:,}"),
            ("USD, at most about", "no prices given" if self.usd is None else f"{self.usd:,.2f}"),
        ]
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def plan(
    requests: Sequence[Request],
    cached: Callable[[Request], bool] | None = None,
    prices: Prices | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Plan:
    """Count before sending.

    Args:
        requests: all that the run needs as far as can be known; second asks after an unreadable answer are not.
        cached: whether the cache answers a request, such as `Client.cached`; none is if None.
        prices: USD per million tokens; no cost without them.
        count_tokens: tokens of a text by the model's tokenizer; characters / 4 if None.

    Examples:
        >>> print(plan([Request((("user", "Is it?"),), {"max_tokens": 5})] * 2, prices=Prices(1, 2)).to_send)
        1
    """
    from .cache import content_of  # the one notion of equal requests

    different = {content_of("", "", request): request for request in requests}
    known = {key for key, request in different.items() if cached is not None and cached(request)}
    sizes = [estimate(request, count_tokens) for key, request in different.items() if key not in known]
    prompt, completion = sum(p for p, _ in sizes), sum(c for _, c in sizes)
    return Plan(
        len(different),
        len(known),
        prompt,
        completion,
        None if prices is None else prices.usd(prompt, completion),
        f"characters / {CHARACTERS_A_TOKEN}" if count_tokens is None else "tokenizer",
    )


def _by_characters(text: str) -> int:
    return -(-len(text) // CHARACTERS_A_TOKEN)
