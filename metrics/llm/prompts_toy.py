"""Worked turns for prompts, about shelves and weather: toys, so that no testbed is given away.

Shares of positives differ from turn to turn, with none and all among them, and so do numbers of texts: a judge must
not learn from them how many to expect.
"""

Turns = tuple[tuple[str, str], ...]


def _texts(*texts: str) -> str:
    return "\n\n".join(f"### Text {i}\n{text}" for i, text in enumerate(texts, 1))


def _asked(explanation: str, texts: str, ask: str) -> str:
    return f"Explanation: {explanation}\n\n{texts}\n\n{ask}"


def _hold(n: int) -> str:
    return f"Does it hold in each text? A JSON list, length {n}, numbers 0 or 1."


def _fit(n: int) -> str:
    return f"Does the explanation fit every marked place of each text? A JSON list, length {n}, numbers 0 or 1."


DETECTING: Turns = (
    (
        "user",
        _asked(
            "a red thing stands beside a cup",
            _texts("jar, red bowl, cup, lamp", "cup, jar, red bowl", "red lamp, green cup", "red jar, bowl, jar"),
            _hold(4),
        ),
    ),
    ("assistant", "[1, 0, 1, 0]"),
    ("user", _asked("no lamp is on the shelf", _texts("cup, jar", "bowl", "red jar, cup"), _hold(3))),
    ("assistant", "[1, 1, 1]"),
    ("user", _asked("two lamps or more", _texts("lamp, cup", "jar, cup, bowl", "red lamp"), _hold(3))),
    ("assistant", "[0, 0, 0]"),
    (
        "user",
        _asked(
            "a jar is first or a bowl is last",
            _texts("cup, bowl, jar", "cup, lamp", "jar, lamp", "cup, jar, jar", "bowl, cup"),
            _hold(5),
        ),
    ),
    ("assistant", "[0, 0, 1, 0, 0]"),
)

FUZZING: Turns = (
    (
        "user",
        _asked(
            "a day without rain after a day with rain",
            _texts("rain, <<sun>>, <<sun>>", "rain, <<fog>>, rain, <<sun>>", "<<rain>>, sun"),
            _fit(3),
        ),
    ),
    ("assistant", "[0, 1, 0]"),
    ("user", _asked("fog", _texts("<<fog>>, sun", "sun, <<fog>>, <<fog>>"), _fit(2))),
    ("assistant", "[1, 1]"),
    (
        "user",
        _asked("a warm day", _texts("<<snow>>, warm sun", "<<cold rain>>", "fog, <<warm rain>>", "<<sleet>>"), _fit(4)),
    ),
    ("assistant", "[0, 0, 1, 0]"),
)


def _places(explanation: str, text: str, *places: str) -> str:
    listed = "\n".join(f"{i}. {place}" for i, place in enumerate(places, 1))
    ask = f"How strongly is the unit active at each place? A JSON list, length {len(places)}, numbers 0 to 10."
    return f"Explanation: {explanation}\n\n### Text 1\n{text}\n\n### Places\n{listed}\n\n{ask}"


SIMULATING: Turns = (
    ("user", _places("rain, and most of all heavy rain", "sun, rain, heavy rain", "sun", "rain", "heavy rain")),
    ("assistant", "[0, 6, 10]"),
    ("user", _places("snow", "sun, fog, rain, sun", "rain", "sun")),
    ("assistant", "[0, 0]"),
    ("user", _places("any day that is not sunny", "fog, rain, sun, fog", "fog", "rain", "sun", "fog")),
    ("assistant", "[10, 10, 0, 10]"),
)

TRANSLATING: Turns = (
    (
        "user",
        "Facts:\nred cup on the shelf\nlamp is lit\njar is first\nbowl is last\n\n"
        "Sentence: the unit likes shelves whose lamp is dark, if a red cup is there or a bowl ends the row\n\n"
        "End with the line PREDICATE: ...",
    ),
    ("assistant", "PREDICATE: (bowl is last or red cup on the shelf) and not lamp is lit"),
    (
        "user",
        "Facts:\nred cup on the shelf\nlamp is lit\n\nSentence: a pleasing arrangement\n\n"
        "End with the line PREDICATE: ...",
    ),
    ("assistant", "PREDICATE: NONE"),
)

RATING: Turns = (
    (
        "user",
        _texts("sun, <<fog>>, sun", "rain, <<fog>>", "<<thick fog>>, <<fog>>")
        + "\n\nConcepts:\nfog\nrain\nwind\n\nRate every concept from 0 to 4. One JSON object with 3 keys.",
    ),
    ("assistant", '{"fog": 4, "rain": 0, "wind": 0}'),
    (
        "user",
        _texts("<<cold rain>>, sun", "fog, <<snow>>", "<<cold wind>>, rain")
        + "\n\nConcepts:\ncold\nsnow\n\nRate every concept from 0 to 4. One JSON object with 2 keys.",
    ),
    ("assistant", '{"cold": 4, "snow": 1}'),
)

_ACTIVE = (("cup, red jar", 9), ("red jar, lamp, cup", 10), ("lamp, red jar", 4))
_SILENT = ("cup, green jar", "red lamp, cup")


def explaining(*, formal: bool, strengths: bool, contrast: bool) -> Turns:
    """Worked turns of explaining, in the form in which the question will come.

    Args:
        formal: whether the answer is a predicate.
        strengths: whether strengths are told.
        contrast: whether silent texts are shown.
    """
    blocks = [
        f"### Text {i}{f' (strength {strength})' if strengths else ''}\n{text}"
        for i, (text, strength) in enumerate(_ACTIVE, 1)
    ]
    parts = ["## Active", *blocks]
    if contrast:
        parts += ["## Silent", _texts(*_SILENT)]
    parts.append("What makes the unit active? End with the line EXPLANATION: ...")
    answer = "red jar on the shelf" if formal else "a red jar is on the shelf"
    return (("user", "\n\n".join(parts)), ("assistant", f"EXPLANATION: {answer}"))
