"""IOI prompts read word by word, as slowly and plainly as possible: the oracle of the fast code."""

import re

from fiducial.games.ioi_words import NAMES, OBJECTS, PLACES

BODIES = [
    r"(\S+) and (\S+) worked hard until quite late on Friday but after dinner (\S+) wrote (to|to_the)",
    r"(\S+) and (\S+) spent a sunny afternoon at the (\S+) where (\S+) handed another (\S+) (to|to_the)",
    r"(\S+) and (\S+) met again near the (\S+) before (\S+) kindly gave away that (\S+) (to|to_the)",
]


def read(words):
    """What a prompt says; `words` start with "Then" and ","."""
    assert words[:2] == ["Then", ","]
    assert len(words) == 18
    text = " ".join(words[2:])
    (template,) = [i for i, body in enumerate(BODIES) if re.fullmatch(body, text)]
    groups = re.fullmatch(BODIES[template], text).groups()
    first, second, place, third, thing, last = groups if template else (*groups[:2], None, groups[2], None, groups[3])
    assert first != second
    assert {first, second, third} <= set(NAMES)
    assert place is None or place in PLACES
    assert thing is None or thing in OBJECTS
    found = {
        "template": str(template + 1),
        "place": place,
        "object": thing,
        "first name": first,
        "second name": second,
        "third name": third,
        "task": "ordinal" if last == "to_the" else "plain",
        "duplicate": "yes" if third in (first, second) else "no",
        "IO": None,
        "S": None,
        "Pos": None,
    }
    if third in (first, second):
        io = second if third == first else first
        found |= {"IO": io, "S": third, "Pos": "IO first" if io == first else "S first"}
        # with the start token before the words, word i is token i + 1
        at = {
            "io": words.index(io) + 1,
            "s1": words.index(third) + 1,
            "s1+1": words.index(third) + 2,
            "s2": 18 - words[::-1].index(third),
            "end": 18,
        }
        answer = ("first" if io == first else "second") if last == "to_the" else io
        other = ("second" if io == first else "first") if last == "to_the" else third
        found |= {"positions": at, "answer": answer, "other": other}
    return found


def attributes_of(prompts, row):
    """Value names of a row of `Prompts`, None where it has none."""
    return {
        name: prompts.values[name][column[row]] if column[row] >= 0 else None
        for name, column in prompts.attributes.items()
    }
