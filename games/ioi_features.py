"""What is known about an IOI prompt as features, and their labels.

A feature holds at a token once the words up to and including it decide that it does: who is IO and who is S when the
third name is read, the template at the first word in which templates differ, the task and the right answer at the last
word. Truths about the whole prompt, for studies that look at an earlier position, are in `Prompts.attributes`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .features import Feature, FeatureSet
from .ioi_prompts import Ints, Prompts, Words
from .ioi_templates import END, FIRST_TOKEN, N_TOKENS, ORDINALS, SECOND_TOKEN, TASKS, TEMPLATES, THIRD_TOKEN

_PLACE_TOKEN: Ints = np.array([template.place or 0 for template in TEMPLATES])
_OBJECT_TOKEN: Ints = np.array([template.object or 0 for template in TEMPLATES])

_TEMPLATE_TOKEN = SECOND_TOKEN + 1
"""Token index of the first word in which templates differ."""

assert len({template.words[_TEMPLATE_TOKEN - 1] for template in TEMPLATES}) == len(TEMPLATES)
assert len({template.words[: FIRST_TOKEN - 1] for template in TEMPLATES}) == 1


@dataclass(frozen=True)
class Family:
    """Features that are the values of one variable.

    Attributes:
        group: name of the group and of the variable.
        features: one a value, in order.
    """

    group: str
    features: tuple[Feature, ...]


def _values(group: str, rung: int, names: tuple[str, ...], definitions: tuple[str, ...], **parents: str) -> Family:
    by_value = {int(value[1:]): (parent,) for value, parent in parents.items()}
    return Family(
        group,
        tuple(
            Feature(
                name=name, group=group, rung=rung, definition=definition, variable=group, parents=by_value.get(i, ())
            )
            for i, (name, definition) in enumerate(zip(names, definitions, strict=True))
        ),
    )


def families(words: Words, tasks: tuple[int, ...]) -> tuple[Family, ...]:
    """All features, in order; `tasks` says which kinds of prompts there are."""
    found: list[Family] = []

    def named(group: str, rung: int, form: str, definition: str, values: tuple[str, ...]) -> None:
        texts = tuple(definition.format(value) for value in values)
        found.append(_values(group, rung, tuple(form.format(value) for value in values), texts))

    numbers = tuple(str(1 + i) for i in range(len(TEMPLATES)))
    named("place", 0, "place is {}", "The place named in the prompt is the {}.", words.places)
    named("object", 0, "object is {}", "The thing that changes hands is the {}.", words.objects)
    named("third name", 0, "third name is {}", "The third name of the prompt is {}.", words.names)
    named("task", 0, "task is {}", "The last word asks for the {} answer.", tuple(TASKS[task] for task in tasks))
    named("first name", 1, "first name is {}", "The name that stands first is {}.", words.names)
    named("second name", 1, "second name is {}", "The name that stands second is {}.", words.names)
    named("template", 1, "template {}", "The sentence is number {} of the three.", numbers)
    io_texts = "The name that is not repeated is {}, and the third name has been read."
    named("IO", 2, "IO is {}", io_texts, words.names)
    found.append(
        Family(
            "S",
            tuple(
                Feature(
                    name=f"S is {name}",
                    group="S",
                    rung=2,
                    definition=f"The name that stands twice is {name}.",
                    variable="S",
                    parents=(f"third name is {name}",),
                )
                for name in words.names
            ),
        )
    )
    orders = ("IO stands first", "IO stands second")
    definitions = tuple(f"Of the first two names, the one that is not repeated stands {word}." for word in ORDINALS)
    found.append(_values("Pos", 2, orders, definitions))
    repeated = "The third name has been read and is one of the first two."
    found.append(Family("duplicate", (Feature(name="a name stands twice", group="duplicate", rung=2,
                                              definition=repeated, parents=()),)))  # fmt: skip
    if 0 in tasks:
        text = "The prompt ends and its right continuation is {}."
        found.append(_answers(words.names, text, "IO is {}"))
    if 1 in tasks:
        found.append(
            Family(
                "ordinal answer",
                tuple(
                    Feature(
                        name=f"answer is {word}",
                        group="ordinal answer",
                        rung=3,
                        definition=f"The prompt ends by asking which name is not repeated, and it is the {word}.",
                        variable="ordinal answer",
                        parents=(order,),
                    )
                    for word, order in zip(ORDINALS, orders, strict=True)
                ),
            )
        )
    return tuple(found)


def _answers(names: tuple[str, ...], text: str, parent: str) -> Family:
    return Family(
        "answer",
        tuple(
            Feature(
                name=f"answer is {name}",
                group="answer",
                rung=3,
                definition=text.format(name),
                variable="answer",
                parents=(parent.format(name),),
            )
            for name in names
        ),
    )


def known_values(prompts: Prompts, group: str, token: Ints, tasks: tuple[int, ...]) -> Ints:
    """Value of a family's variable as known at a token of every row, int64 [N]; -1 while it is open or has none."""
    a = prompts.attributes
    third = THIRD_TOKEN[a["template"]]
    if group == "task":
        value = np.searchsorted(np.array(tasks), a["task"])
    elif group == "answer":
        value = np.where(a["task"] == 0, a["IO"], -1)
    elif group == "ordinal answer":
        value = np.where(a["task"] == 1, a["Pos"], -1)
    elif group == "duplicate":
        value = a["duplicate"] - 1  # one feature, which holds for yes
    else:
        value = a[group]
    since = {
        "place": _PLACE_TOKEN[a["template"]],
        "object": _OBJECT_TOKEN[a["template"]],
        "first name": FIRST_TOKEN,
        "second name": SECOND_TOKEN,
        "template": _TEMPLATE_TOKEN,
        "task": END,
        "answer": END,
        "ordinal answer": END,
    }.get(group, third)
    return np.where(token >= since, value, -1)


def feature_set_of(found: tuple[Family, ...]) -> FeatureSet:
    """The features of all families, in order."""
    return FeatureSet(feature for family in found for feature in family.features)


def label_prompts(
    prompts: Prompts, found: tuple[Family, ...], features: FeatureSet, scored: tuple[str, ...], tasks: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Packed labels uint8 [N, 19, bytes] and where they are given, bool [N, 19]: at the scored semantic positions."""
    n, length = len(prompts), N_TOKENS
    labels = np.zeros((n, length, features.n_bytes), dtype=np.uint8)
    marked = np.zeros((n, length), dtype=np.bool_)
    rows = np.arange(n)
    for name in scored:
        token = prompts.positions[name]
        bits = np.zeros((n, len(features)), dtype=np.bool_)
        start = 0
        for family in found:
            value = known_values(prompts, family.group, token, tasks)
            known = np.flatnonzero(value >= 0)
            bits[known, start + value[known]] = True
            start += len(family.features)
        labels[rows, token] = features.pack(bits)
        marked[rows, token] = True
    return labels, marked
