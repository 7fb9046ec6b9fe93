"""Two tokenizers for IOI prompts: one word a token, or a Hugging Face tokenizer in which every word is one token.

Word level (237 ids in the tiny vocabulary): 0 padding, 1 the start, 35 fixed words, then names, objects and places.
With GPT-2's tokenizer the ids are GPT-2's and the start is its `<|endoftext|>`.

A "move" of the game is a word; the start token is given, never predicted, and stands for no move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .ioi_prompts import Words, template_ids
from .ioi_templates import FIXED_WORDS, LAST_WORDS, ORDINALS, PREFIX
from .ioi_words import NAMES, OBJECTS, PLACES, TINY_SIZES, check_single_tokens, token_ids

VOCABULARIES: tuple[str, ...] = ("tiny", "full")


def word_lists(vocabulary: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names, objects and places of a vocabulary.

    Raises:
        ValueError: neither "tiny" nor "full".
    """
    if vocabulary not in VOCABULARIES:
        raise ValueError(f"IOI vocabulary must be one of {VOCABULARIES}, got {vocabulary!r}")
    if vocabulary == "full":
        return NAMES, OBJECTS, PLACES
    return NAMES[: TINY_SIZES["names"]], OBJECTS[: TINY_SIZES["objects"]], PLACES[: TINY_SIZES["places"]]


@dataclass(frozen=True)
class WordTokens:
    """Ids of words.

    Attributes:
        vocabulary: text of every id, in order.
        ids: id of every word that a prompt may hold.
        pad_id: the id after the end of a prompt.
        start_id: the first id of every prompt.
        writes_spaces: whether a word's text in `vocabulary` holds the space before it, as GPT-2's does.
    """

    vocabulary: tuple[str, ...] = field(repr=False)
    ids: dict[str, int] = field(repr=False, hash=False)
    pad_id: int = 0
    start_id: int = 1
    writes_spaces: bool = False

    @property
    def d_vocab(self) -> int:
        """Number of ids."""
        return len(self.vocabulary)

    @cached_property
    def _word_of_id(self) -> dict[int, str]:
        return {token: word for word, token in self.ids.items()}

    def encode(self, moves: Sequence[str]) -> list[int]:
        """Token ids of a prompt, the start token first.

        Args:
            moves: words, such as ["Then", ",", "Alice", ...]; or one text of them with spaces between.

        Raises:
            ValueError: an unknown word; names its place.
        """
        words = moves.replace(",", " ,").split() if isinstance(moves, str) else moves
        for ply, word in enumerate(words, start=1):
            if word not in self.ids:
                raise ValueError(f"ply {ply}: {word!r} is none of the {len(self.ids)} words of the prompts")
        return [self.start_id, *(self.ids[word] for word in words)]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Words of a prompt; the start token and padding after its end are dropped.

        Raises:
            ValueError: an id that is no word of the prompts.
        """
        values = [int(i) for i in ids]
        while len(values) > 1 and values[-1] == self.pad_id:
            values.pop()
        if values[:1] == [self.start_id]:
            values = values[1:]
        for ply, value in enumerate(values, start=1):
            if value not in self._word_of_id:
                raise ValueError(f"ply {ply}: token id {value} is none of the {len(self.ids)} words of the prompts")
        return [self._word_of_id[value] for value in values]

    def positions(self, ids: Sequence[int]) -> list[int]:
        """Words read up to and including each token: 0 for the start token."""
        return list(range(len(self.decode(ids)) + 1))

    def words(self, names: tuple[str, ...], objects: tuple[str, ...], places: tuple[str, ...]) -> Words:
        """The lists with their ids."""

        def of(some: Sequence[str]) -> Any:
            return np.array([self.ids.get(word, -1) for word in some], dtype=np.int64)

        return Words(
            names,
            objects,
            places,
            name_ids=of(names),
            object_ids=of(objects),
            place_ids=of(places),
            template_ids=template_ids(self.ids, self.start_id),
            last_ids=of(LAST_WORDS),
            ordinal_ids=of(ORDINALS),
        )


def word_level(names: tuple[str, ...], objects: tuple[str, ...], places: tuple[str, ...]) -> WordTokens:
    """One id a word."""
    vocabulary = ("<pad>", "<start>", *FIXED_WORDS, *names, *objects, *places)
    return WordTokens(vocabulary, {word: i for i, word in enumerate(vocabulary) if i > 1})


def from_hugging_face(
    tokenizer: Any, names: tuple[str, ...], objects: tuple[str, ...], places: tuple[str, ...]
) -> WordTokens:
    """The ids of a Hugging Face tokenizer such as GPT-2's.

    Raises:
        TypeError: not such a tokenizer.
        ValueError: a word is several tokens, or there is no token to start with.
    """
    missing = [name for name in ("encode", "convert_ids_to_tokens", "bos_token_id") if not hasattr(tokenizer, name)]
    if missing:
        raise TypeError(
            f"tokenizer must be a Hugging Face tokenizer, got {type(tokenizer).__name__} without {', '.join(missing)}"
        )
    if tokenizer.bos_token_id is None:
        raise ValueError(f"tokenizer {type(tokenizer).__name__} has no bos token to start a prompt with")
    spaced = [word for word in FIXED_WORDS if word not in PREFIX and word not in LAST_WORDS[1:]]
    ids = check_single_tokens(tokenizer, [*spaced, *names, *objects, *places])
    for word in PREFIX:  # "Then," begins a text, so no space stands before either
        found = token_ids(tokenizer, word)
        if len(found) != 1:
            raise ValueError(f"{word!r} must be one token of {type(tokenizer).__name__}, got {len(found)}")
        ids[word] = found[0]
    start = int(tokenizer.bos_token_id)
    vocabulary = tuple(str(text) for text in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))))
    return WordTokens(vocabulary, ids, pad_id=start, start_id=start, writes_spaces=True)
