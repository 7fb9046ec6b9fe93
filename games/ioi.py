"""IOI: indirect object identification. Two names, one of them repeated: which is the other one?

    Then, Alice and Brian met again near the park before Brian kindly gave away that lamp to    -> Alice

and, for a small model that shall need the order of the names as well, which of the two it was:

    Then, Alice and Brian met again near the park before Brian kindly gave away that lamp to_the    -> first

The task and its attributes are those of Wang et al., "Interpretability in the Wild" (2211.00593), in the layout of
Makelov, Lange and Nanda (2405.08366). One prompt is one game: intervals resample prompts. The parts: ioi_words.py and
ioi_templates.py hold the words, ioi_prompts.py builds prompts, ioi_counterfactuals.py changes one attribute,
ioi_features.py says what is known, ioi_tokens.py maps words to ids and ioi_replay.py reads prompts back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .features import FeatureSet
from .ioi_counterfactuals import Seed, counterfactuals_of, name_pools, stream
from .ioi_features import Family, families, feature_set_of, label_prompts
from .ioi_prompts import (
    POSITIONS,
    Ints,
    Prompts,
    Words,
    build,
    draw_slots,
    held_out_pairs,
    slots_of,
)
from .ioi_replay import allowed_after, parse_prompts, render_prompt
from .ioi_templates import N_TOKENS, TASKS, TEMPLATES
from .ioi_tokens import WordTokens, from_hugging_face, word_level, word_lists
from .transcripts import Counterfactuals, Transcripts

VERSION = "1"
PAIRS: tuple[str, ...] = ("all", "train", "held-out")
PATTERNS: tuple[str, ...] = ("ABB", "BAB")
PURPOSES = {"prompts": 0, "held-out": 1, "counterfactual pairs": 2}
"""Random streams of a seed; those of single attributes start at 16."""


@dataclass(frozen=True, kw_only=True)
class IOI:
    """The world of IOI prompts.

    Args:
        vocabulary: "tiny": 120 names, 40 objects, 40 places (237 tokens at word level), or "full": all words.
        task: "mixed" (plain and ordinal, half each), "plain" or "ordinal"; None: mixed at word level, and plain with a
            Hugging Face tokenizer, which has no ordinal prompts.
        scored: semantic positions that count, of "io", "s1", "s1+1", "s2", "end".
        tokenizer: None for one word a token, or a Hugging Face tokenizer in which every word is one token.
        pairs: ordered (IO, S) pairs that prompts are drawn from: "all", "train" or the "held-out" tenth.
        split_seed: decides which pairs are held out; models that are compared share it.

    Raises:
        ValueError: an unknown choice, or a tokenizer that splits a word.
        TypeError: not a tokenizer.
    """

    vocabulary: str = "tiny"
    task: str | None = None
    scored: tuple[str, ...] = ("s2", "end")
    tokenizer: Any = None
    pairs: str = "all"
    split_seed: int = 0

    def __post_init__(self) -> None:
        lists = word_lists(self.vocabulary)
        _choice("pairs", self.pairs, PAIRS)
        task = self.task
        if task is None:
            task = "mixed" if self.tokenizer is None else "plain"
        _choice("task", task, ("mixed", *TASKS))
        if not self.scored or any(name not in POSITIONS for name in self.scored):
            raise ValueError(f"scored must be some of {POSITIONS}, got {self.scored!r}")
        tokens = self.tokenizer
        if tokens is None:
            tokens = word_level(*lists)
        elif not isinstance(tokens, WordTokens):
            tokens = from_hugging_face(tokens, *lists)
        if task != "plain" and "to_the" not in tokens.ids:
            raise ValueError(
                f"task {task!r} needs `to_the` to be one token, which this tokenizer does not have; use task='plain'"
            )
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "scored", tuple(name for name in POSITIONS if name in self.scored))
        object.__setattr__(self, "tokenizer", tokens)

    @property
    def name(self) -> str:
        """Such as "ioi-tiny"; "ioi" is the full vocabulary."""
        return "ioi-tiny" if self.vocabulary == "tiny" else "ioi"

    @property
    def version(self) -> str:
        """Changes with the words, the templates and the definitions of features."""
        return VERSION

    @property
    def n_positions(self) -> int:
        """Tokens of a prompt."""
        return N_TOKENS

    @property
    def features(self) -> FeatureSet:
        """Everything that is known about a prompt."""
        return self._features

    @cached_property
    def words(self) -> Words:
        """The word lists with their ids."""
        return self.tokenizer.words(*word_lists(self.vocabulary))

    @cached_property
    def tasks(self) -> tuple[int, ...]:
        """Kinds of prompts, as indices into ("plain", "ordinal")."""
        return (0, 1) if self.task == "mixed" else (TASKS.index(str(self.task)),)

    @cached_property
    def name_pools(self) -> dict[str, Ints]:
        """Indices of names by use, see ioi_counterfactuals.py: disjoint in the full vocabulary."""
        return name_pools(len(self.words.names), disjoint=self.vocabulary == "full")

    @cached_property
    def held_out(self) -> NDArray[np.bool_]:
        """Ordered (IO, S) pairs kept for testing, bool [names, names]."""
        return held_out_pairs(len(self.words.names), self.split_seed)

    @cached_property
    def _families(self) -> tuple[Family, ...]:
        return families(self.words, self.tasks)

    @cached_property
    def _features(self) -> FeatureSet:
        return feature_set_of(self._families)

    def prompts(
        self,
        n: int,
        seed: Seed,
        *,
        task: str | None = None,
        pairs: str | None = None,
        patterns: Sequence[str] = PATTERNS,
        templates: Sequence[int] | None = None,
        names: str | Sequence[str] | Ints | None = None,
        abc: bool = False,
    ) -> Prompts:
        """Random prompts: every choice uniform and independent of the others.

        Args:
            n: number of prompts.
            seed: same seed, same prompts; a sequence of integers is a seed too.
            task: as for the world; None: the world's.
            pairs: as for the world; None: the world's.
            patterns: "ABB" has IO first, "BAB" has S first.
            templates: of 1, 2 and 3; None: all.
            names: to draw IO and S from: names, their indices, a pool of `name_pools` such as "base", or None for all.
            abc: replace the third name by a name that is neither of the first two.

        Raises:
            ValueError: fewer than 1 prompt, an unknown choice, or names that leave no pair.
        """
        if n < 1:
            raise ValueError(f"the number of prompts must be at least 1, got {n}")
        task = _choice("task", str(self.task if task is None else task), ("mixed", *TASKS))
        orders = [PATTERNS.index(_choice("pattern", pattern, PATTERNS)) for pattern in patterns]
        chosen = list(range(1, 1 + len(TEMPLATES)) if templates is None else templates)
        if not orders or not chosen or any(t not in range(1, 1 + len(TEMPLATES)) for t in chosen):
            raise ValueError(
                f"templates must be some of 1, 2, 3 and patterns some of {PATTERNS}, got {chosen}, {patterns}"
            )
        slots = draw_slots(
            self.words,
            self._pair_codes(pairs, names),
            n,
            stream(seed, PURPOSES["prompts"]),
            orders=orders,
            templates=[t - 1 for t in chosen],
            tasks=(0, 1) if task == "mixed" else (TASKS.index(task),),
        )
        prompts = build(self.words, slots)
        return self.counterfactuals_of(prompts, "duplicate", seed) if abc else prompts

    def counterfactuals_of(self, prompts: Prompts, attribute: str, seed: Seed) -> Prompts:
        """The same rows with exactly one attribute changed.

        Args:
            prompts: of this world.
            attribute: "IO", "S" (both places), "Pos" (the first two names change places), "object", "place",
                "template", "task", or "duplicate" (the third name becomes a new one).
            seed: every attribute has a random stream of its own.

        Raises:
            KeyError: another attribute; close names are suggested.
            ValueError: rows that have no such attribute.
        """
        return counterfactuals_of(prompts, self.words, self.name_pools, attribute, seed)

    def transcripts(self, prompts: Prompts, seed: int | None = None) -> Transcripts:
        """Prompts with the labels of every scored position."""
        labels, scored = label_prompts(prompts, self._families, self.features, self.scored, self.tasks)
        ply = np.broadcast_to(np.arange(N_TOKENS), prompts.tokens.shape).copy()
        return Transcripts(prompts.tokens, labels, scored, ply, self.features, self.name, self.version, seed)

    def sample(self, n_games: int, seed: int) -> Transcripts:
        """Random prompts with labels; the prompts are those of `prompts(n_games, seed)`.

        Raises:
            ValueError: fewer than 1 prompt.
        """
        return self.transcripts(self.prompts(n_games, seed), seed)

    def parse(self, games: Sequence[Sequence[str] | Sequence[int]] | Ints) -> Prompts:
        """Given prompts as words, texts or token ids, with what they say.

        Raises:
            ValueError: not a prompt of this world; names game and ply.
        """
        return parse_prompts(games, self.tokenizer, self.words, self.tasks)

    def label(self, games: Sequence[Sequence[str] | Sequence[int]] | Ints) -> Transcripts:
        """Given prompts, as words, texts or token ids, with labels.

        Raises:
            ValueError: not a prompt of this world; names game and ply.
        """
        return self.transcripts(self.parse(games))

    def next_moves(self, n_games: int, seed: int | list[int]) -> tuple[Ints, NDArray[np.bool_]]:
        """Random prompts without labels: tokens [n, 19] and the words allowed next [n, 19, d_vocab].

        Raises:
            ValueError: fewer than 1 prompt.
        """
        prompts = self.prompts(n_games, seed)
        return prompts.tokens, self._allowed(prompts)

    def allowed(self, tokens: Ints) -> NDArray[np.bool_]:
        """Words that may follow each token of given prompts; after the last one, the right answer alone.

        Args:
            tokens: int [prompts, 19].

        Returns:
            Bool [prompts, 19, d_vocab].
        """
        return self._allowed(self.parse(tokens))

    def render(self, game: Sequence[str] | Sequence[int], ply: int, format: Literal["text", "svg"] = "text") -> str:
        """The prompt up to a word, with what is known about it.

        Args:
            game: words, one text, or token ids.
            ply: words to show, from 0 to 18.
            format: "text" or "svg".

        Raises:
            ValueError: not a prompt, a ply that it does not have, or another format.
        """
        return render_prompt(self.parse([game]), self.tokenizer, ply, format)

    def counterfactuals(self, n: int, seed: int) -> Counterfactuals:
        """Pairs of prompts that differ in one attribute and in the right answer, read at the last token.

        Plain prompts get another IO (the feature is `IO is ...`), ordinal ones their first two names exchanged (the
        feature is `IO stands first` or `IO stands second`).

        Raises:
            ValueError: fewer than 1 pair.
        """
        base = self.prompts(n, [seed, PURPOSES["counterfactual pairs"]])
        plain = base.attributes["task"] == 0
        slots = slots_of(base)
        names, orders = (slots_of(self.counterfactuals_of(base, attribute, seed)) for attribute in ("IO", "Pos"))
        source = build(
            self.words,
            slots.changed(io=np.where(plain, names.io, slots.io), pos=np.where(plain, slots.pos, orders.pos)),
        )
        start = {family: self.features.index(family) for family in (f"IO is {self.words.names[0]}", "IO stands first")}
        first_io, first_order = start.values()
        last = base.positions["end"]
        return Counterfactuals(
            base=base.tokens,
            source=source.tokens,
            base_position=last,
            source_position=last.copy(),
            feature=np.where(plain, first_io + source.attributes["IO"], first_order + source.attributes["Pos"]),
            allowed_before=self._answers(base),
            allowed_after=self._answers(source),
        )

    def _answers(self, prompts: Prompts) -> NDArray[np.bool_]:
        answers = np.zeros((len(prompts), self.tokenizer.d_vocab), dtype=np.bool_)
        answers[np.arange(len(prompts)), prompts.target] = True
        return answers

    def _allowed(self, prompts: Prompts) -> NDArray[np.bool_]:
        return allowed_after(prompts, self.words, self.tokenizer.d_vocab, self.tasks)

    def _pair_codes(self, pairs: str | None, names: str | Sequence[str] | Ints | None) -> Ints:
        """Codes io * n_names + s of the ordered pairs to draw from."""
        which = _choice("pairs", self.pairs if pairs is None else pairs, PAIRS)
        n = len(self.words.names)
        wanted = ~np.eye(n, dtype=np.bool_)
        if which != "all":
            wanted &= self.held_out if which == "held-out" else ~self.held_out
        if names is not None:
            of = np.zeros(n, dtype=np.bool_)
            of[self._name_indices(names)] = True
            wanted &= of[:, None] & of
        codes = np.flatnonzero(wanted)
        if not len(codes):
            raise ValueError(f"pairs {which!r} of the given names leave no pair of two different names")
        return codes

    def _name_indices(self, names: str | Sequence[str] | Ints) -> Ints:
        if isinstance(names, str):
            if names not in self.name_pools:
                raise ValueError(f"names must be a pool of {tuple(self.name_pools)} or a list, got {names!r}")
            return self.name_pools[names]
        if isinstance(names, np.ndarray):
            return names
        index = {name: i for i, name in enumerate(self.words.names)}
        if unknown := [name for name in names if name not in index]:
            raise ValueError(f"{unknown[0]!r} is none of the {len(index)} names of this vocabulary")
        return np.array([index[name] for name in names], dtype=np.int64)


def _choice(what: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise ValueError(f"{what} must be one of {tuple(choices)}, got {value!r}")
    return value
