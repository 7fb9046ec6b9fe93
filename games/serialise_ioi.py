"""IOI prompts as text for a language model: the sentence up to the token that is read, which stands in brackets.

    Then, Alice and Brian met again near the park before [Brian]

What the names do (which is repeated, which is the answer) is never said.
"""

import re

import numpy as np
from numpy.typing import NDArray

from .ioi import IOI
from .serialise_marks import Form, Marks, word

STYLES = ("sentence",)
PERSPECTIVE = "fixed"


def legend(form: Form) -> str:
    """How to read the texts."""
    return (
        "Each text is the beginning of a sentence, up to and including the word in [brackets], which is the one that "
        "counts; what follows it is not shown."
    )


class IOIPrompts:
    """Prompts of a world.

    Args:
        game: the world.
        tokens: int64 [prompts, positions].
    """

    def __init__(self, game: IOI, tokens: NDArray[np.int64]) -> None:
        self._game, self._tokens = game, tokens

    def __getitem__(self, game: int) -> "IOIPrompt":
        return IOIPrompt(self._game, self._tokens[game].tolist())


class IOIPrompt:
    """One prompt: word i stands at position i, the start token at 0.

    Args:
        game: the world.
        ids: its tokens.
    """

    def __init__(self, game: IOI, ids: list[int]) -> None:
        self._words = game.tokenizer.decode(ids)
        self._first = 1 if ids[:1] == [game.tokenizer.start_id] else 0

    @property
    def n_positions(self) -> int:
        """Tokens of the prompt."""
        return len(self._words) + self._first

    def squares(self) -> tuple[str, ...]:
        """None: there is no board."""
        return ()

    def text(self, position: int, form: Form, marks: Marks) -> str:
        """The sentence up to a word."""
        window = marks.window or {position}
        if self._first and not position:
            return word("(start)", 0, marks.marked, window)
        shown = self._words[: position + 1 - self._first]
        said = [word(text, i + self._first, marks.marked, window) for i, text in enumerate(shown)]
        return re.sub(r" (?=\W*,)", "", " ".join(said))  # no space before a comma, marked or not

    def line(self, position: int, form: Form) -> str:
        """The same: a sentence is short."""
        return self.text(position, form, Marks())

    def occupied(self, position: int) -> tuple[str, ...]:
        """None: there is no board."""
        return ()
