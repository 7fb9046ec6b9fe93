"""Surprisal: does an explanation make the contexts in which its latent fires easier to predict than others?

Equation      v(x) = log p(x | z) - log p(x | z0): z the explanation, z0 a fixed one without content; log p summed over
              the tokens of the context x under a causal language model
  score       AUROC of v, contexts in which the latent fires against others, a latent at a time
Conventions   Contexts are unmarked. z and z0 stand at one place in one prompt, so that what a context is worth by
              itself cancels. v is not divided by length unless asked for. 1/2 is chance.
References    Paulo et al. 2025, arXiv 2410.13928 (ICML): a base model of 70 billion weights, 100 + 100 contexts.
Differences from published code
              The prompt is ours. Texts that the model cannot take are counted, not cut. A latent whose explanation
              failed has no score. Every batch reads the prompt's keys and values afresh (see causal_lm.py). Nothing is
              shuffled, so no seed is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .nouns import Example, Explanation, Renderer
from .separation import Exams, Separation, exam_of, separation, why_not

# sum of log p of each text after its prefix, float [n]; NaN where there is none
TextModel = Callable[[Sequence[str], Sequence[str]], NDArray[np.floating[Any]]]
NOTHING = "something or other; this note says nothing about the passage"
PROMPT = """\
A reader collects passages. Above each passage there is a note that says what made the reader pick it.

Note: it names a colour
Passage: The door had been painted green long ago.

Note: somebody is on the way to another place
Passage: They took the night train and slept little.

Note: {note}
Passage:"""


def prompt(note: str) -> str:
    """What stands before a passage."""
    return PROMPT.format(note=" ".join(note.split()))


def surprisal(
    explanations: Sequence[Explanation],
    exams: Exams,
    renderer: Renderer,
    model: TextModel,
    *,
    nothing: str = NOTHING,
    per_character: bool = False,
) -> list[Separation]:
    """Surprisal score of every explanation.

    Args:
        explanations: one a latent.
        exams: examples of each of these latents, of reporting games.
        renderer: examples as text.
        model: a `CausalLM`, or any function from prefixes and texts to summed log-probabilities, NaN where it has none.
        nothing: the note without content, z0.
        per_character: divide v by the length of the text, so that long contexts do not weigh more.

    Returns:
        One separation an explanation, in order.

    Raises:
        KeyError: a latent without an exam.
        ValueError: a model that does not give one number a text.
    """
    texts = [
        [] if why_not(one) else [" " + unmarked(renderer, e) for e in exam_of(exams, one.latent)]
        for one in explanations
    ]
    distinct = list(dict.fromkeys(text for exam in texts for text in exam))
    base = dict(zip(distinct, _asked(model, [prompt(nothing)] * len(distinct), distinct), strict=True))
    prefixes = [prompt(one.text) for one, exam in zip(explanations, texts, strict=True) for _ in exam]
    flat = [text for exam in texts for text in exam]
    told = _asked(model, prefixes, flat)
    found: list[Separation] = []
    start = 0
    for one, exam in zip(explanations, texts, strict=True):
        examples = exam_of(exams, one.latent)
        if failure := why_not(one):
            found.append(separation(one.latent, examples, np.full(len(examples), np.nan), failure))
            continue
        gain = told[start : start + len(exam)] - np.array([base[text] for text in exam])
        start += len(exam)
        if per_character:
            gain = gain / np.array([max(1, len(text)) for text in exam])
        found.append(separation(one.latent, examples, gain))
    return found


def echoed(client: Any) -> TextModel:
    """An endpoint that echoes log-probabilities of prompts, as a text model; what fails there is NaN.

    Args:
        client: has `echo_logprobs(prefixes, texts)`, whose entries have a `total`, such as `Client`.
    """

    def model(prefixes: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([one.total for one in client.echo_logprobs(prefixes, texts)], np.float64)

    return model


def unmarked(renderer: Renderer, example: Example) -> str:
    """An example as text, without any mark."""
    return renderer.example(replace(example, marked=(), squares=()))


def _asked(model: TextModel, prefixes: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
    if not texts:
        return np.zeros(0)
    found = np.asarray(model(prefixes, texts), np.float64)
    if found.shape != (len(texts),):
        raise ValueError(f"the model must give one number a text, {len(texts)} here, got {list(found.shape)}")
    return found
