"""Intruder: shown contexts in which a latent fires and one in which it does not, can the odd one be picked?

Score         share of tests in which the intruder is picked; 1 / shown is chance
Conventions   A test shows `n_shown` contexts: all but one of the same tenth of the latent's activations, marked, and an
              intruder with as many marks. Its place is drawn anew for every test. A test without an answer is a
              failure: counted, left out of the share. Intervals are Wilson's.
References    Paulo, Belrose 2025, arXiv 2507.08473.
Differences from published code
              Released code could not be constructed; here every picker is built and run by a test. The prompt is ours.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .embedders import Encoder, unit
from .facts import Facts
from .nouns import Chat, Example, Renderer, Request
from .per_latent import wilson
from .seeds import generator_of
from .separation import Exams


@dataclass(frozen=True)
class Lineup:
    """One test.

    Attributes:
        latent: whose contexts are shown.
        examples: in the order in which they are shown.
        intruder: place of the one in which it is silent, from 0.
    """

    latent: int
    examples: tuple[Example, ...]
    intruder: int


@dataclass(frozen=True)
class Picked:
    """How often the intruder of one latent was picked.

    Attributes:
        latent: its number.
        accuracy: share of the answered tests; NaN without any.
        low: lower end of the 95 % interval.
        high: upper end.
        n_answered: tests with an answer.
        n_failed: tests without.
        chance: of guessing.
        failure: why there are no tests; empty if there are.
    """

    latent: int
    accuracy: float
    low: float
    high: float
    n_answered: int
    n_failed: int
    chance: float
    failure: str = ""


# place of the intruder in every test, from 0; None where there is no answer
Picker = Callable[[Sequence[Lineup]], list[int | None]]


def lineups(
    exams: Exams, *, n_tests: int = 10, n_shown: int = 5, seed: int = 0, sae: str = ""
) -> dict[int, tuple[Lineup, ...]]:
    """Tests of every latent; none for one without a tenth of `n_shown` - 1 active examples, or without silent ones.

    Args:
        exams: examples of each latent.
        n_tests: of each latent.
        n_shown: contexts a test, the intruder included.
        seed: of the draws.
        sae: name of the dictionary, part of the generator's key.

    Raises:
        ValueError: no tests, or fewer than 3 contexts.
    """
    if n_tests < 1 or n_shown < 3:
        raise ValueError(f"n_tests must be at least 1 and n_shown at least 3, got {n_tests} and {n_shown}")
    found: dict[int, tuple[Lineup, ...]] = {}
    for latent, examples in exams.items():
        tenths: dict[int, list[int]] = {}
        for i, example in enumerate(examples):
            if example.active:
                tenths.setdefault(example.quantile, []).append(i)
        full = [members for _, members in sorted(tenths.items()) if len(members) >= n_shown - 1]
        silent = [i for i, example in enumerate(examples) if not example.active]
        generator = generator_of(seed, sae, latent, "intruder")
        made: list[Lineup] = []
        for _ in range(n_tests if full and silent else 0):
            members = full[int(generator.integers(len(full)))]
            shown: list[Example] = [examples[i] for i in generator.choice(members, n_shown - 1, replace=False)]
            place = int(generator.integers(n_shown))
            shown.insert(place, _as_marked(examples[int(generator.choice(silent))], shown, generator))
            made.append(Lineup(latent, tuple(shown), place))
        found[latent] = tuple(made)
    return found


def intruder(tests: dict[int, tuple[Lineup, ...]], picker: Picker) -> list[Picked]:
    """How often a picker finds the intruders.

    Args:
        tests: of every latent, from `lineups`.
        picker: asked once, about all tests.

    Returns:
        One a latent, in order.

    Raises:
        ValueError: a picker that does not answer once a test, or names a place that is not there.
    """
    flat = [test for some in tests.values() for test in some]
    answers = picker(flat) if flat else []
    if len(answers) != len(flat):
        raise ValueError(f"the picker must answer once a test, {len(flat)} here, got {len(answers)}")
    for test, answer in zip(flat, answers, strict=True):
        if answer is not None and not 0 <= answer < len(test.examples):
            raise ValueError(f"the picker named place {answer} of {len(test.examples)} contexts; the first is 0")
    found: list[Picked] = []
    start = 0
    for latent, some in tests.items():
        mine = answers[start : start + len(some)]
        start += len(some)
        if not some:
            nan = float("nan")
            found.append(Picked(latent, nan, nan, nan, 0, 0, nan, "too few examples of one tenth, or none silent"))
            continue
        right = [answer == test.intruder for test, answer in zip(some, mine, strict=True) if answer is not None]
        low, high = wilson(sum(right), len(right))
        accuracy = sum(right) / len(right) if right else float("nan")
        n_failed, chance = len(some) - len(right), 1 / len(some[0].examples)
        found.append(Picked(latent, accuracy, low, high, len(right), n_failed, chance))
    return found


def encoder_picker(encoder: Encoder, renderer: Renderer) -> Picker:
    """Picks the context whose text is least like the others, by mean cosine; of equal ones the first."""

    def pick(tests: Sequence[Lineup]) -> list[int | None]:
        return [_oddest(unit(encoder.encode([renderer.example(e) for e in test.examples]))) for test in tests]

    return pick


def facts_picker(facts: Facts) -> Picker:
    """Picks the context that lacks most of what all the others share; of equal ones the first. Needs no text.

    A rare fact that the others share says more than a common one: each counts as much as the nats it is surprising by.
    """
    rate = np.maximum(facts.bits.positives, 1) / max(1, facts.n_rows)
    weight = -np.log(rate)
    seen = np.array([name not in facts.hidden for name in facts.names])

    def pick(tests: Sequence[Lineup]) -> list[int | None]:
        found: list[int | None] = []
        for test in tests:
            rows = [np.array(example.rows, np.int64) for example in test.examples]
            bits = np.stack([np.bitwise_or.reduce(facts.labels[r], axis=0) for r in rows])
            holds = np.unpackbits(bits, axis=1, count=len(facts.names), bitorder="little").astype(np.bool_) & seen
            others = holds.sum(0)[None] - holds
            lacks = ((others == len(rows) - 1) & ~holds) @ weight
            found.append(int(np.argmax(lacks)))
        return found

    return pick


ASK = """\
Below are {n} numbered passages. All but one of them share something; marks << >> stand around the places that matter, \
in the odd one at random. Which one does not belong? Reply with its number alone, from 1 to {n}."""


def chat_picker(chat: Chat, renderer: Renderer, *, seed: int = 0, max_tokens: int = 16) -> Picker:
    """Asks a language model, one request a test; an answer without exactly one number in range is none."""

    def pick(tests: Sequence[Lineup]) -> list[int | None]:
        requests = [_request(test, renderer, seed, max_tokens) for test in tests]
        replies = chat.complete(requests)
        return [_read(reply.text, len(test.examples)) for test, reply in zip(tests, replies, strict=True)]

    return pick


def _request(test: Lineup, renderer: Renderer, seed: int, max_tokens: int) -> Request:
    texts = "\n\n".join(f"Passage {i}:\n{renderer.example(e)}" for i, e in enumerate(test.examples, 1))
    system = f"{ASK.format(n=len(test.examples))}\n\n{renderer.legend}".strip()
    params = {"temperature": 0, "seed": seed, "max_tokens": max_tokens}
    return Request((("system", system), ("user", texts)), params)


def _read(text: str | None, n: int) -> int | None:
    numbers = {int(found) for found in re.findall(r"\d+", text or "")}
    return numbers.pop() - 1 if len(numbers) == 1 and 1 <= min(numbers) <= n else None


def _as_marked(example: Example, shown: Sequence[Example], generator: np.random.Generator) -> Example:
    """The intruder with as many marked places as the others have on average, rounded up."""
    from dataclasses import replace

    mean = sum(len(one.marked) for one in shown) / len(shown)
    n = min(len(example.rows), int(np.ceil(mean)))
    places = np.sort(generator.choice(len(example.rows), n, replace=False))
    return replace(example, marked=tuple(int(place) for place in places))


def _oddest(vectors: NDArray[np.float32]) -> int:
    near: NDArray[np.float32] = vectors @ vectors.T
    others: NDArray[np.float32] = near.sum(1) - np.diag(near)
    return int(np.argmin(np.round(others, 6)))
