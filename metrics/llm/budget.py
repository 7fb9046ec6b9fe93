"""What was spent, and whether there is enough for one more request."""

from collections import Counter
from dataclasses import dataclass, field

from .plan import Prices


@dataclass(frozen=True)
class Tokens:
    """What an endpoint counted; `counted` is False where it did not."""

    prompt: int = 0
    completion: int = 0
    kept: int = 0
    counted: bool = False


@dataclass
class Usage:
    """What a client did so far; counts rise.

    Attributes:
        asked: replies that were wanted.
        from_cache: of them, those that needed no request, copies of equal requests included.
        answered: requests that brought a reply.
        sent: requests that went out, every try counted.
        failures: items without a reply, by reason.
        faults: tries that failed, by reason.
        prompt_tokens: of replies, as the endpoint counts, those that could not be used included.
        completion_tokens: likewise.
        kept_tokens: of the prompt tokens, those that the endpoint had kept.
        estimated_prompt_tokens: what was expected of the same requests.
        estimated_completion_tokens: likewise, at most.
        uncounted: replies whose tokens the endpoint did not say; the estimate is charged.
        usd: cost of the replies at the prices given; 0 without prices.
        estimated_usd: what was expected of the same requests.
    """

    asked: int = 0
    from_cache: int = 0
    answered: int = 0
    sent: int = 0
    failures: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    prompt_tokens: int = 0
    completion_tokens: int = 0
    kept_tokens: int = 0
    estimated_prompt_tokens: int = 0
    estimated_completion_tokens: int = 0
    uncounted: int = 0
    usd: float = 0.0
    estimated_usd: float = 0.0

    @property
    def failed(self) -> int:
        """Items without a reply."""
        return sum(self.failures.values())

    def table(self) -> str:
        """What was used, the estimate beside it; ready to print."""
        lines = [
            ("", "actual", "estimate"),
            ("input tokens", f"{self.prompt_tokens:,}", f"{self.estimated_prompt_tokens:,}"),
            ("output tokens", f"{self.completion_tokens:,}", f"<= {self.estimated_completion_tokens:,}"),
            ("USD", f"{self.usd:,.4f}", f"<= {self.estimated_usd:,.4f}"),
            ("replies", f"{self.answered:,}", ""),
            ("from the cache", f"{self.from_cache:,}", ""),
            ("requests sent", f"{self.sent:,}", ""),
            ("failed", f"{self.failed:,}", ", ".join(f"{n} {why}" for why, n in self.failures.most_common())),
        ]
        if self.uncounted:
            lines.append(("tokens not counted", f"{self.uncounted:,}", "replies, charged as estimated"))
        return "\n".join(f"{name:<20}{actual:>14}  {other}".rstrip() for name, actual, other in lines)


class Budget:
    """Limits on money and requests.

    Args:
        usd: at most; no limit if None.
        requests: that may be sent, every try counted; no limit if None.
        prices: needed for a limit in USD.

    Raises:
        ValueError: limits that cannot be held.
    """

    def __init__(self, usd: float | None, requests: int | None, prices: Prices | None) -> None:
        if usd is not None and prices is None:
            raise ValueError(
                "a budget in USD needs prices: prices=Prices(input=..., output=...), USD per million tokens"
            )
        for name, limit in (("budget_usd", usd), ("max_requests", requests)):
            if limit is not None and limit < 0:
                raise ValueError(f"{name} must be at least 0, got {limit}")
        self.usd = usd
        self.requests = requests
        self.prices = prices
        self.usage = Usage()
        self._aside = 0.0

    def why_not(self, cost: float) -> str:
        """What forbids one more request of at most this cost, USD; empty if nothing does."""
        if self.requests is not None and self.usage.sent >= self.requests:
            return f"max_requests of {self.requests} are sent"
        if self.usd is not None and self.usage.usd + self._aside + cost > self.usd:
            return f"the budget of {self.usd:g} USD does not allow one more, {self.usage.usd:.4f} USD are spent"
        return ""

    def take(self, cost: float) -> None:
        """A request goes out; what it may cost is set aside."""
        self.usage.sent += 1
        self._aside += cost

    def give_back(self, cost: float) -> None:
        """It came back; what it did cost is charged apart."""
        self._aside = max(self._aside - cost, 0.0)

    def cost(self, prompt: float, completion: float, kept: float = 0) -> float:
        """USD of tokens; 0 without prices."""
        return 0.0 if self.prices is None else self.prices.usd(prompt, completion, kept)

    def charge(self, used: Tokens, expected: tuple[int, int], *, answered: bool = True) -> None:
        """A reply came, of use or not: both are paid for.

        Args:
            used: tokens; the estimate is charged if the endpoint did not count them.
            expected: estimate of prompt and reply.
            answered: whether it is of use.
        """
        u = self.usage
        u.answered += answered
        u.estimated_prompt_tokens += expected[0]
        u.estimated_completion_tokens += expected[1]
        u.estimated_usd += self.cost(*expected)
        if not used.counted:
            u.uncounted += 1
            u.usd += self.cost(*expected)
            return
        u.prompt_tokens += used.prompt
        u.completion_tokens += used.completion
        u.kept_tokens += used.kept
        u.usd += self.cost(used.prompt, used.completion, used.kept)
