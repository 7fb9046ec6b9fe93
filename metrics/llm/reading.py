"""What language models answered: lists, explanations, predicates, ratings. What cannot be read is said, never guessed.

Reasons begin with one of a few kinds, so that failures can be counted: `no list`, `wrong length`, `bad value`,
`lists disagree`, `no answer line`, `cut off`, `no predicate`, `no ratings`.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from .nouns import Reply
from .predicate import Predicate

Logprobs = Sequence[tuple[str, Mapping[str, float]]]

_LIST = re.compile(r"\[([^\[\]{}]*)\]")
_BARE = re.compile(r"[\s`]*[\w.+-]+(?:[,;\s]+[\w.+-]+)*[\s,.`]*")
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
_BITS = {"1": True, "true": True, "0": False, "false": False}
_MARKUP = r"[\s*_`#>\-]*"


def read_list(text: str, n: int, *, high: float = 1.0) -> list[float] | str:
    """The list of numbers in an answer.

    Lists in brackets count, in JSON, in fences or in prose; without any, the answer must be nothing but the list. Of
    several lists those of the right length must agree.

    Args:
        text: the answer.
        n: how many numbers were asked for.
        high: the largest number allowed; the smallest is 0. `true` and `yes` are 1, but only where that is the largest.

    Returns:
        The numbers, or the reason why there are none.

    >>> read_list("Sure: `[1, 0, true]`.", 3)
    [1.0, 0.0, 1.0]
    >>> read_list("1,0", 3)
    'wrong length: 2 numbers instead of 3'
    """
    found = [match.group(1) for match in _LIST.finditer(text)]
    if not found and _BARE.fullmatch(text):
        found = [text.strip(" \t\r\n`.")]
    read = [one for one in (_numbers(body, words=high == 1.0) for body in found) if one is not None]
    if not read:
        return "no list: nothing in the answer is a list of numbers"
    fitting = [one for one in read if len(one) == n]
    if not fitting:
        return f"wrong length: {len(read[0])} numbers instead of {n}"
    if any(one != fitting[0] for one in fitting):
        return f"lists disagree: {len(fitting)} lists of {n} numbers"
    bad = [value for value in fitting[0] if not 0 <= value <= high]
    if bad:
        return f"bad value: {bad[0]:g} is not between 0 and {high:g}"
    return fitting[0]


def read_probabilities(logprobs: Logprobs, n: int) -> list[float] | str:
    """Probability of yes for every text, from the likeliest tokens at each 0 or 1 of the answer's list.

    P(1) / (P(0) + P(1)); tokens are read without the spaces and commas around them. Digits outside the list do not
    count.

    Args:
        logprobs: an entry a token of the answer, with the log-probabilities of the likeliest tokens there.
        n: how many texts there were.

    Returns:
        The probabilities, or the reason why there are none.
    """
    text = "".join(token for token, _ in logprobs)
    spans = [match.span() for match in _LIST.finditer(text)]
    fitting = [span for span in spans if isinstance(read_list(text[span[0] : span[1]], n), list)]
    if spans and not fitting:
        reason = read_list(text, n)
        return reason if isinstance(reason, str) else "no list: nothing in the answer is a list of numbers"
    if isinstance(whole := read_list(text, n), str):
        return whole
    start, end = fitting[0] if fitting else (0, len(text))
    found: list[float] = []
    at = 0
    for token, likeliest in logprobs:
        if start <= at < end and _bit(token) is not None:
            mass = {True: 0.0, False: 0.0}
            for other, logprob in likeliest.items():
                if (bit := _bit(other)) is not None:
                    mass[bit] += math.exp(logprob)
            total = sum(mass.values())
            found.append(mass[True] / total if total > 0 else float(bool(_bit(token))))
        at += len(token)
    if len(found) != n:
        return f"wrong length: {len(found)} tokens are 0 or 1 instead of {n}"
    return found


def read_answer(reply: Reply, n: int, *, high: float = 1.0, logprobs: bool = False) -> list[float] | str:
    """Numbers of a judge's reply, from its probabilities where they were asked for and came; or why there are none."""
    if reply.text is None:
        return reply.failure or "no reply"
    graded = reply.logprobs if logprobs else None
    read = read_probabilities(graded, n) if graded else read_list(reply.text, n, high=high)
    if isinstance(read, str) and reply.finish_reason == "length":
        return f"cut off: {read}"
    return read


def read_line(reply: Reply, marker: str) -> tuple[str, str]:
    """What follows a marker on the last line that begins with it.

    Returns:
        The rest of the line, or of the next line if it is empty; and why there is none, empty if there is one.
    """
    if reply.text is None:
        return "", reply.failure or "no reply"
    if reply.finish_reason == "length":
        return "", "cut off: the answer ended at the limit of tokens"
    pattern = re.compile(rf"^{_MARKUP}{marker}{_MARKUP}[:=][ \t*_`]*\n?(.*)$", re.IGNORECASE | re.MULTILINE)
    found = [match.group(1).strip().strip("*_`").strip() for match in pattern.finditer(reply.text)]
    if not found:
        return "", f"no answer line: no line begins with {marker}:"
    if not re.search(r"\w", found[-1]):
        return "", f"no answer line: nothing follows {marker}:"
    return found[-1], ""


def read_explanation(reply: Reply) -> tuple[str, str]:
    """The explanation in an answer, without quotes around it; and why there is none, empty if there is one."""
    text, why = read_line(reply, "EXPLANATION")
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        text = text[1:-1].strip()
    return text, why


def read_predicate(
    reply: Reply, names: tuple[str, ...], counters: tuple[str, ...] = ("ply",), *, marker: str = "PREDICATE"
) -> tuple[Predicate | None, str]:
    """The predicate in an answer.

    Args:
        reply: the answer.
        names: of the facts that a predicate may be about.
        counters: likewise.
        marker: what the line begins with.

    Returns:
        The predicate, and why there is none, empty if there is one.
    """
    from .predicate_text import parse

    text, why = read_line(reply, marker)
    if why:
        return None, why
    if text.strip(" .").lower() == "none":
        return None, "no predicate: the model says that the language cannot express it"
    try:
        return parse(text, names, counters), ""
    except ValueError as error:
        return None, f"no predicate: {error}"


def read_ratings(reply: Reply, names: Sequence[str], high: float) -> dict[str, float] | str:
    """Ratings by name from a JSON object in an answer, or why there are none."""
    if reply.text is None:
        return reply.failure or "no reply"
    for match in re.finditer(r"\{[^{}]*\}", reply.text):
        try:
            read: Any = json.loads(match.group())
        except json.JSONDecodeError:
            continue
        told = {str(key).strip().lower(): value for key, value in cast(dict[str, Any], read).items()}
        missing = [name for name in names if name.lower() not in told]
        if missing:
            return f"no ratings: {missing[0]!r} is missing"
        values = {name: _number(told[name.lower()]) for name in names}
        bad = [name for name, value in values.items() if value is None or not 0 <= value <= high]
        if bad:
            return f"bad value: {told[bad[0].lower()]!r} for {bad[0]!r} is not between 0 and {high:g}"
        return {name: value for name, value in values.items() if value is not None}
    return "cut off: no ratings" if reply.finish_reason == "length" else "no ratings: no JSON object in the answer"


def _numbers(body: str, *, words: bool) -> list[float] | None:
    """Numbers between commas, semicolons or spaces; None if anything else is there."""
    parts = [part.strip("\"' \t\r\n") for part in re.split(r"[,;\s]+", body.strip(" ,;\t\r\n"))]
    found: list[float] = []
    for part in parts:
        value = _WORDS.get(part.lower()) if words and part.lower() in _WORDS else _number(part)
        if value is None:
            return None
        found.append(value)
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"[+-]?\d+(?:\.\d*)?", value):
        return None
    return float(value) if math.isfinite(float(value)) else None


def _bit(token: str) -> bool | None:
    return _BITS.get(token.strip(" \t\r\n,[]").lower())
