"""What language models are asked, in our own words.

Every prompt is a system message that says the task and how the texts are to be read, a few worked turns about toys
that have nothing to do with any testbed (`prompts_toy`), and the question. The fixed part comes first, so that
endpoints that keep prefixes need not read it again. Questions have one form, so that whoever answers by executing
predicates can take them apart: `Explanation: ...` on a line of its own, then `### Text 1`, `### Text 2`, ...

What is left out on purpose: how many of the texts are active (worked turns have all shares, none and all among them),
game numbers, activations and sources of examples.

References: the procedures of Bills et al. 2023 (simulation) and of Paulo et al. 2024 (2410.13928: detection, fuzzing,
strengths from 0 to 10); Marks et al. 2024 (2403.19647: rating latents for SHIFT). Their procedures, none of their text.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from . import prompts_toy as toy
from .nouns import Example, Explanation, Question, Renderer, Shown

Messages = tuple[tuple[str, str], ...]
SCALE = 10  # strengths are told from 0 to this
RATING = 4  # of a latent for a concept, at most

_READ = "\n\nHow to read the texts:\n"
EXPLAIN = (
    "One unit inside a neural network was recorded while the network read many texts. You see texts at which it was "
    "active. Find out what makes it active, so that somebody who has only your answer can tell, for new texts, "
    "whether the unit is active there. Name what nearly all the texts share and most texts would lack. Do not be "
    "narrower than the texts, nor wider. If groups of texts share different things, join these with 'or'. Say what "
    "is true of the texts, not what the unit is for."
)
STRENGTHS = " Strengths run from 1 (weak) to 10 (the strongest seen); strong texts tell more than weak ones."
MARKED = " Places at which it is active stand between << and >>."
CONTRAST = " Texts at which it is silent are shown too: your answer must not hold for them."
FREE = " Think briefly if you must. End with one line that begins with EXPLANATION: and has at most 30 words."
FORMAL = (
    " Think briefly if you must. End with one line that begins with EXPLANATION: followed by a predicate in the "
    "language below and nothing else. The worked turns use the same language with the facts of another world.\n\n"
)
DETECTION = (
    "You get an explanation of when some unit of a neural network is active, and numbered texts. For each text by "
    "itself say whether the explanation holds in it: 1 if it does, 0 if it does not. Any number of them may, "
    "including none and all. Answer with one JSON list of these numbers, in the order of the texts, and nothing else."
)
FUZZING = (
    "You get an explanation of when some unit of a neural network is active, and numbered texts in which some places "
    "stand between << and >>. For each text by itself say whether the explanation fits every marked place of it: 1 if "
    "it fits them all, 0 if it misses any, even if it would fit places that are not marked. Any number of texts may "
    "be right, including none and all. Answer with one JSON list of these numbers, in the order of the texts, and "
    "nothing else."
)
SIMULATION = (
    "You get an explanation of when some unit of a neural network is active, a text, and a numbered list of places in "
    "it. For each place say how strongly you expect the unit to be active there, from 0 (not at all) to 10 (as "
    "strongly as ever). Places at which the explanation does not hold get 0. Answer with one JSON list of these "
    "numbers, in the order of the places, and nothing else."
)
TRANSLATION = (
    "You turn sentences into predicates of a small formal language, so that they can be executed. Keep the meaning: "
    "add no condition that the sentence does not state, and drop none that it does. Use only facts of the list or "
    "facts made in the same pattern. If the language cannot say what the sentence says, answer PREDICATE: NONE. End "
    "with one line that begins with PREDICATE: and has nothing else on it.\n\n"
)
RATE = (
    "You see texts at which one unit of a neural network is most active; places at which it is active stand between "
    "<< and >>. For each of the named concepts rate how much the unit has to do with it: 0 not at all, 1 perhaps, 2 "
    "partly, 3 clearly, 4 it is about nothing else. A unit that tells the concept or its absence has to do with it; "
    "one that merely occurs beside it has not. Answer with one JSON object, with every concept as a key and its "
    "rating as the value, and nothing else."
)


def strength(value: float, maximum: float) -> int:
    """Activation as a whole number: 10 a / max, rounded up, at least 0 and at most 10.

    >>> strength(0.0, 5.0), strength(0.01, 5.0), strength(2.5, 5.0), strength(9.0, 5.0)
    (0, 1, 5, 10)
    """
    if value <= 0 or maximum <= 0:
        return 0
    return min(SCALE, ceil(SCALE * value / maximum - 1e-9))


def explanation_messages(
    shown: Shown, renderer: Renderer, *, grammar: str | None = None, show_strengths: bool = True
) -> Messages:
    """Asks what a latent fires on.

    Args:
        shown: examples of it.
        renderer: positions as text.
        grammar: the language in which to answer, in words; None for free words.
        show_strengths: whether to tell how strongly it fires.

    Raises:
        ValueError: no positive example is shown.
    """
    if not shown.positives:
        raise ValueError(f"latent {shown.latent} has no example to explain it from")
    system = EXPLAIN + (STRENGTHS if show_strengths else MARKED) + (CONTRAST if shown.negatives else "")
    system += FREE if grammar is None else FORMAL + grammar
    parts = ["## Active"]
    parts += [_shown(i, one, shown.maximum, renderer, show_strengths) for i, one in enumerate(shown.positives, 1)]
    if shown.negatives:
        parts.append("## Silent")
        parts += [text_block(i, renderer.example(plain(one))) for i, one in enumerate(shown.negatives, 1)]
    parts.append("What makes the unit active? End with the line EXPLANATION: ...")
    turns = toy.explaining(formal=grammar is not None, strengths=show_strengths, contrast=bool(shown.negatives))
    return _messages(system, renderer.legend, turns, "\n\n".join(parts))


def question_messages(question: Question, renderer: Renderer) -> Messages:
    """Asks a judge about examples, given an explanation.

    Raises:
        ValueError: simulation of several examples at once, or no example.
    """
    n = len(question.examples)
    if not n or (question.mode == "simulation" and n != 1):
        raise ValueError(f"a question has examples, and one for simulation; got {n} for {question.mode}")
    head = f"Explanation: {one_line(question.explanation.text)}"
    if question.mode == "simulation":
        example = plain(question.examples[0])
        lines = renderer.lines(example)
        places = "\n".join(f"{i}. {one_line(line)}" for i, line in enumerate(lines, 1))
        ask = f"How strongly is the unit active at each place? A JSON list, length {len(lines)}, numbers 0 to 10."
        body = [head, text_block(1, renderer.example(example)), f"### Places\n{places}", ask]
        return _messages(SIMULATION, renderer.legend, toy.SIMULATING, "\n\n".join(body))
    fuzzing = question.mode == "fuzzing"
    examples = question.examples if fuzzing else tuple(plain(one) for one in question.examples)
    texts = [text_block(i, renderer.example(one)) for i, one in enumerate(examples, 1)]
    asked = "Does the explanation fit every marked place of each text?" if fuzzing else "Does it hold in each text?"
    ask = f"{asked} A JSON list, length {n}, numbers 0 or 1."
    system, turns = (FUZZING, toy.FUZZING) if fuzzing else (DETECTION, toy.DETECTING)
    return _messages(system, renderer.legend, turns, "\n\n".join([head, *texts, ask]))


def translation_messages(text: str, names: Sequence[str], grammar: str) -> Messages:
    """Asks for the predicate that a sentence states.

    Args:
        text: the sentence.
        names: facts that it may be about.
        grammar: the language in words.
    """
    body = ["Facts:\n" + "\n".join(names), f"Sentence: {one_line(text)}", "End with the line PREDICATE: ..."]
    return (("system", TRANSLATION + grammar), *toy.TRANSLATING, ("user", "\n\n".join(body)))


def rating_messages(
    concepts: Sequence[str], examples: Sequence[Example], maximum: float, renderer: Renderer, promoted: Sequence[str]
) -> Messages:
    """Asks how much a latent has to do with concepts.

    Args:
        concepts: their names.
        examples: its top contexts, with marks.
        maximum: its largest activation, to which strengths are relative.
        renderer: positions as text.
        promoted: tokens that it makes likelier, the most first; empty if nobody knows.
    """
    parts = [
        text_block(i, renderer.example(one), f" (strength {strength(max(one.values), maximum)})")
        for i, one in enumerate(examples, 1)
    ]
    if promoted:
        parts.append("Outputs that it makes likelier: " + ", ".join(promoted))
    parts.append("Concepts:\n" + "\n".join(concepts))
    parts.append(f"Rate every concept from 0 to {RATING}. One JSON object with {len(concepts)} keys.")
    return _messages(RATE, renderer.legend, toy.RATING, "\n\n".join(parts))


def plain(example: Example) -> Example:
    """An example without marks."""
    return replace(example, marked=(), squares=())


def one_line(text: str) -> str:
    """A text without line breaks, so that it cannot be taken for another part of the prompt."""
    return " ".join(text.split())


def text_block(number: int, text: str, about: str = "") -> str:
    """A numbered text under its heading."""
    return f"### Text {number}{about}\n{text.strip()}"


def explained(explanation: Explanation) -> str:
    """Why an explanation cannot be asked about; empty if it can."""
    if explanation.failure:
        return f"no explanation: {explanation.failure}"
    return "" if explanation.text.strip() else "no explanation: empty text"


def _shown(number: int, example: Example, maximum: float, renderer: Renderer, strengths: bool) -> str:
    firing = tuple(i for i, value in enumerate(example.values) if value > 0)
    if not strengths:
        marked = replace(example, marked=firing if len(example.rows) > 1 else (), squares=())
        return text_block(number, renderer.example(marked))
    told = [strength(value, maximum) for value in example.values]
    text = text_block(number, renderer.example(plain(example)), f" (strength {max(told)})")
    if len(told) == 1:
        return text
    lines = [f"{one_line(line)}: {one}" for line, one in zip(renderer.lines(plain(example)), told, strict=True)]
    return text + "\nPlace by place:\n" + "\n".join(lines)


def _messages(system: str, legend: str, turns: Messages, question: str) -> Messages:
    read = _READ + legend.strip() if legend.strip() else ""
    return (("system", system + read), *turns, ("user", question))
