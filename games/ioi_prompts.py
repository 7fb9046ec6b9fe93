"""IOI prompts as token matrices: what every row says, where in it everything stands, and what the right answer is.

A prompt is made from eight choices (`Slots`); everything else follows from them:

    io, s       two different names; s stands twice
    pos         0: io stands first (pattern ABB), 1: s stands first (BAB)
    third       the third name: s again, or another name in an ABC prompt
    template, object, place, task
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .ioi_templates import (
    END,
    FIRST_TOKEN,
    HAS_PLACE,
    N_TOKENS,
    OBJECT,
    PLACE,
    SECOND_TOKEN,
    TASKS,
    TEMPLATES,
    THIRD_TOKEN,
)

Ints = NDArray[np.int64]

POSITIONS: tuple[str, ...] = ("io", "s1", "s1+1", "s2", "end")
"""Semantic positions of a prompt."""

ATTRIBUTES: tuple[str, ...] = (
    "IO",
    "S",
    "Pos",
    "template",
    "object",
    "place",
    "first name",
    "second name",
    "third name",
    "duplicate",
    "task",
)
"""What is said about every prompt."""

ORDERS: tuple[str, ...] = ("IO first", "S first")
"""Values of the attribute Pos."""


@dataclass(frozen=True)
class Prompts:
    """Prompts with their truth.

    Attributes:
        tokens: int64 [N, 19], with the start token.
        positions: semantic position ("io", "s1", "s1+1", "s2", "end") -> int64 [N], token index in the row.
        attributes: name of an attribute -> int64 [N], index of its value in `values`; -1 where a prompt has none: a
            template without a place, or IO, S and Pos of an ABC prompt.
        values: name of an attribute -> the names of its values.
        target: int64 [N], the right next token: the IO name, or the ordinal word.
        other: int64 [N], the token it is set against: the S name, or the other ordinal word. The logit difference is
            logit[target] - logit[other]. ABC prompts have no right answer; they keep those of the prompt that they
            were made from.
    """

    tokens: Ints
    positions: Mapping[str, Ints]
    attributes: Mapping[str, Ints]
    values: Mapping[str, tuple[str, ...]]
    target: Ints
    other: Ints

    def __post_init__(self) -> None:
        n = len(self.tokens)
        columns = {"target": self.target, "other": self.other}
        columns |= {f"positions[{k!r}]": v for k, v in self.positions.items()}
        columns |= {f"attributes[{k!r}]": v for k, v in self.attributes.items()}
        for name, column in columns.items():
            if column.shape != (n,):
                raise ValueError(f"prompts: {name} must be [{n}] like the rows of tokens, got {list(column.shape)}")

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Ints | NDArray[np.bool_] | slice) -> "Prompts":
        """Some of the prompts."""
        return Prompts(
            tokens=self.tokens[rows],
            positions={name: column[rows] for name, column in self.positions.items()},
            attributes={name: column[rows] for name, column in self.attributes.items()},
            values=self.values,
            target=self.target[rows],
            other=self.other[rows],
        )


@dataclass(frozen=True)
class Words:
    """The words of a world and their token ids.

    Attributes:
        names: given names.
        objects: of the object slot.
        places: of the place slot.
        name_ids: int64 [names].
        object_ids: int64 [objects].
        place_ids: int64 [places].
        template_ids: int64 [3, 19], the fixed words of every template, 0 in its slots; the first column is the start.
        last_ids: int64 [2], last word of a plain and of an ordinal prompt; -1 where the vocabulary has none.
        ordinal_ids: int64 [2], the answers of ordinal prompts.
    """

    names: tuple[str, ...]
    objects: tuple[str, ...]
    places: tuple[str, ...]
    name_ids: Ints
    object_ids: Ints
    place_ids: Ints
    template_ids: Ints
    last_ids: Ints
    ordinal_ids: Ints

    @property
    def values(self) -> dict[str, tuple[str, ...]]:
        """Names of the values of every attribute."""
        names = dict.fromkeys(("IO", "S", "first name", "second name", "third name"), self.names)
        rest = {"Pos": ORDERS, "object": self.objects, "place": self.places, "duplicate": ("no", "yes"), "task": TASKS}
        found = {**names, **rest, "template": tuple(str(1 + i) for i in range(len(TEMPLATES)))}
        return {name: found[name] for name in ATTRIBUTES}


@dataclass(frozen=True)
class Slots:
    """The choices that make prompts, int64 [N] each: indices into the word lists.

    Attributes:
        io: name that is the answer of a plain prompt.
        s: name that stands twice.
        pos: 0 if io stands first, else 1.
        third: the third name; s, except in ABC prompts.
        template: from 0.
        object: -1 in a template without one.
        place: -1 in a template without one.
        task: 0 plain, 1 ordinal.
    """

    io: Ints
    s: Ints
    pos: Ints
    third: Ints
    template: Ints
    object: Ints
    place: Ints
    task: Ints

    def changed(self, **columns: Ints) -> "Slots":
        """With other columns."""
        return replace(self, **columns)


def build(words: Words, slots: Slots) -> Prompts:
    """The prompts that the choices make.

    Raises:
        ValueError: an ordinal prompt without ordinal words in the vocabulary.
    """
    ordinal = slots.task == 1
    if ordinal.any() and words.last_ids[1] < 0:
        raise ValueError(
            "ordinal prompts end in `to_the`, one word of the word-level vocabulary; this tokenizer has no such token, "
            'so its prompts are plain: task="plain"'
        )
    n = len(slots.io)
    rows = np.arange(n)
    s_first = slots.pos == 1
    first, second = np.where(s_first, slots.s, slots.io), np.where(s_first, slots.io, slots.s)
    tokens = words.template_ids[slots.template]
    tokens[:, FIRST_TOKEN] = words.name_ids[first]
    tokens[:, SECOND_TOKEN] = words.name_ids[second]
    tokens[rows, THIRD_TOKEN[slots.template]] = words.name_ids[slots.third]
    tokens[:, END] = words.last_ids[slots.task]
    for index, template in enumerate(TEMPLATES):
        here = slots.template == index
        if template.place is not None and template.object is not None:
            tokens[here, template.place] = words.place_ids[slots.place[here]]
            tokens[here, template.object] = words.object_ids[slots.object[here]]
    abc = slots.third != slots.s
    s1 = np.where(s_first, FIRST_TOKEN, SECOND_TOKEN)
    attributes = {
        "IO": np.where(abc, -1, slots.io),
        "S": np.where(abc, -1, slots.s),
        "Pos": np.where(abc, -1, slots.pos),
        "template": slots.template.copy(),
        "object": slots.object.copy(),
        "place": slots.place.copy(),
        "first name": first,
        "second name": second,
        "third name": slots.third.copy(),
        "duplicate": (~abc).astype(np.int64),
        "task": slots.task.copy(),
    }
    return Prompts(
        tokens=tokens,
        positions={
            "io": np.where(s_first, SECOND_TOKEN, FIRST_TOKEN),
            "s1": s1,
            "s1+1": s1 + 1,
            "s2": THIRD_TOKEN[slots.template],
            "end": np.full(n, END, dtype=np.int64),
        },
        attributes=attributes,
        values=words.values,
        target=np.where(ordinal, words.ordinal_ids[slots.pos], words.name_ids[slots.io]),
        other=np.where(ordinal, words.ordinal_ids[1 - slots.pos], words.name_ids[slots.s]),
    )


def slots_of(prompts: Prompts) -> Slots:
    """The choices that prompts were made from."""
    a = prompts.attributes
    s_first = prompts.positions["s1"] == FIRST_TOKEN
    return Slots(
        io=np.where(s_first, a["second name"], a["first name"]),
        s=np.where(s_first, a["first name"], a["second name"]),
        pos=s_first.astype(np.int64),
        third=a["third name"],
        template=a["template"],
        object=a["object"],
        place=a["place"],
        task=a["task"],
    )


def held_out_pairs(n_names: int, split_seed: int, share: float = 0.1) -> NDArray[np.bool_]:
    """Which ordered (IO, S) pairs are kept for testing.

    Args:
        n_names: number of names.
        split_seed: another seed, other pairs; all models of a study share it.
        share: of the pairs of two different names, in (0, 1).

    Returns:
        bool [n_names, n_names], row IO, column S; False on the diagonal.
    """
    codes = np.flatnonzero(~np.eye(n_names, dtype=np.bool_))
    generator = np.random.default_rng(np.random.SeedSequence(split_seed, spawn_key=(1,)))
    held = np.zeros(n_names**2, dtype=np.bool_)
    held[generator.permutation(codes)[: round(share * len(codes))]] = True
    return held.reshape(n_names, n_names)


def draw_slots(
    words: Words,
    pairs: Ints,
    n: int,
    generator: np.random.Generator,
    *,
    orders: Sequence[int] = (0, 1),
    templates: Sequence[int] = (0, 1, 2),
    tasks: Sequence[int] = (0, 1),
) -> Slots:
    """Choices drawn independently and uniformly; the same generator gives the same draws whatever the tasks are.

    Args:
        words: of the world.
        pairs: int64 [M], codes io * len(names) + s to draw from.
        n: number of prompts.
        generator: of the draws.
        orders: values of pos.
        templates: from 0.
        tasks: values of task.
    """

    def one_of(choices: Sequence[int] | Ints) -> Ints:
        # one number a row however many choices there are, so a narrower choice leaves the other draws as they were
        return np.asarray(choices, dtype=np.int64)[(generator.random(n) * len(choices)).astype(np.int64)]

    io, s = np.divmod(one_of(pairs), len(words.names))
    pos, template = one_of(orders), one_of(templates)
    thing, place = one_of(np.arange(len(words.objects))), one_of(np.arange(len(words.places)))
    has = HAS_PLACE[template]
    return Slots(
        io=io,
        s=s,
        pos=pos,
        third=s.copy(),
        template=template,
        object=np.where(has, thing, -1),
        place=np.where(has, place, -1),
        task=one_of(tasks),
    )


def template_ids(ids: Mapping[str, int], start: int) -> Ints:
    """Token ids of the fixed words of every template, int64 [3, 19]; 0 in a slot."""
    return np.array([[start] + [ids.get(word, 0) for word in template.words] for template in TEMPLATES], dtype=np.int64)


assert all((t.place is None) == (t.object is None) for t in TEMPLATES)
assert {t.slot(t.place) for t in TEMPLATES if t.place} == {PLACE}
assert {t.slot(t.object) for t in TEMPLATES if t.object} == {OBJECT}
assert all(len(t.words) == N_TOKENS - 1 for t in TEMPLATES)
