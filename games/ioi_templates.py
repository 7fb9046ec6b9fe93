"""Sentences of the IOI prompts, and where in them everything stands.

Every prompt has 19 tokens: the start, two words that are always the same, and a body of 16 words, of which the last is
the one after which the model answers.

    template   body (first name, second name, third name; the third repeats one of the first two)
    1          {1} and {2} worked hard until quite late on Friday but after dinner {3} wrote to
    2          {1} and {2} spent a sunny afternoon at the {place} where {3} handed another {object} to
    3          {1} and {2} met again near the {place} before {3} kindly gave away that {object} to

The layout is that of Makelov, Lange and Nanda, "Towards Principled Evaluations of Sparse Autoencoders" (2405.08366);
the sentences are this project's own. In an *ordinal* prompt the last word is `to_the`, a single word of the word-level
vocabulary, and the right answer is `first` or `second`: which of the two names is not repeated.

    semantic position   token
    io, s1              3 or 5, by which name stands first
    s1+1                the token after s1
    s2                  16, 14 or 12 in templates 1, 2 and 3
    end                 18
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PREFIX: tuple[str, ...] = ("Then", ",")
"""First two words of every prompt, so that every name has a space before it."""

FIRST, SECOND, THIRD, PLACE, OBJECT, LAST = -1, -2, -3, -4, -5, -6
"""Slots of a template, in place of a word."""

LAST_WORDS: tuple[str, ...] = ("to", "to_the")
"""Last word of a plain and of an ordinal prompt."""

ORDINALS: tuple[str, ...] = ("first", "second")
"""Answers of ordinal prompts: the name that is not repeated stood first, or second."""

TASKS: tuple[str, ...] = ("plain", "ordinal")

N_TOKENS = 3 + 16
"""Length of a prompt, with the start."""

_SLOTS = {"{1}": FIRST, "{2}": SECOND, "{3}": THIRD, "{place}": PLACE, "{object}": OBJECT, "{last}": LAST}

_BODIES: tuple[str, ...] = (
    "{1} and {2} worked hard until quite late on Friday but after dinner {3} wrote {last}",
    "{1} and {2} spent a sunny afternoon at the {place} where {3} handed another {object} {last}",
    "{1} and {2} met again near the {place} before {3} kindly gave away that {object} {last}",
)


@dataclass(frozen=True)
class Template:
    """One sentence.

    Attributes:
        words: the 18 words after the start; a slot is written as in the table above.
        third: token index of the third name.
        place: token index of the place; None without one.
        object: token index of the object; None without one.
    """

    words: tuple[str, ...]
    third: int
    place: int | None
    object: int | None

    def slot(self, token: int) -> int | None:
        """What fills the token index, FIRST .. LAST; None for a fixed word."""
        return _SLOTS.get(self.words[token - 1])


def _template(body: str) -> Template:
    words = (*PREFIX, *body.split())
    assert len(words) + 1 == N_TOKENS, f"a template must have {N_TOKENS - 1} words, got {len(words)}: {body}"

    def token(slot: str) -> int | None:
        return words.index(slot) + 1 if slot in words else None

    third = token("{3}")
    assert third is not None
    return Template(words, third, token("{place}"), token("{object}"))


TEMPLATES: tuple[Template, ...] = tuple(_template(body) for body in _BODIES)
"""The three sentences, template 1 first."""

FIRST_TOKEN, SECOND_TOKEN, END = 4 - 1, 6 - 1, N_TOKENS - 1
"""Token index of the first name, the second name and the last word, in every template."""

FIXED_WORDS: tuple[str, ...] = (
    *dict.fromkeys(word for template in TEMPLATES for word in template.words if word not in _SLOTS),
    *LAST_WORDS,
    *ORDINALS,
)
"""The 35 words that are neither names, objects nor places, in order of first use."""

THIRD_TOKEN: NDArray[np.int64] = np.array([template.third for template in TEMPLATES])
"""Token index of the third name in each template, int64 [3]."""

HAS_PLACE: NDArray[np.bool_] = np.array([template.place is not None for template in TEMPLATES])
"""Whether each template has a place and an object, bool [3]."""
