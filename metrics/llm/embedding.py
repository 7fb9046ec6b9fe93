"""Embedding: are contexts in which a latent fires nearer to its explanation than others?

Equation      v(x) = cos(e(z), e(x)): z the explanation behind one instruction, x a context, e a text encoder
  by facts    v(x) = max over the facts f that hold in x of cos(e(z), e(s(f))), s(f) a sentence about the fact
  score       AUROC of v, contexts in which the latent fires against others, a latent at a time
Conventions   Contexts are unmarked. Ties count half. 1/2 is chance.
Limits        Whole boards as texts are read poorly by small encoders: on chess and Othello AUROCs range from near 0 to
              .7 for explanations that are exactly right, since hundreds of facts share one vector. By facts the encoder
              only has to find the fact that the explanation is about; it is blind to negation and to conjunction.
References    Paulo et al. 2025, arXiv 2410.13928 (ICML): an encoder of 400 million weights, a retrieval instruction.
Differences from published code
              The instruction is ours, and empty by default, as small encoders were trained without one. Nothing is
              shuffled. A latent whose explanation failed has no score. The form by facts is new.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .embedders import Encoder, unit
from .facts import Facts
from .nouns import Example, Explanation, Renderer
from .separation import Exams, Separation, exam_of, separation, why_not
from .surprisal import unmarked

INSTRUCTION = "Find the passages that show this: "  # for encoders that were trained with instructions


def embedding(
    explanations: Sequence[Explanation],
    exams: Exams,
    renderer: Renderer,
    encoder: Encoder,
    *,
    instruction: str = "",
) -> list[Separation]:
    """Embedding score of every explanation, with contexts as texts.

    Args:
        explanations: one a latent.
        exams: examples of each of these latents, of reporting games.
        renderer: examples as text.
        encoder: texts to vectors.
        instruction: stands before an explanation, such as `INSTRUCTION`.

    Returns:
        One separation an explanation, in order.

    Raises:
        KeyError: a latent without an exam.
    """
    return _separated(
        explanations,
        exams,
        encoder,
        instruction,
        lambda query, examples: unit(encoder.encode([unmarked(renderer, e) for e in examples])) @ query,
    )


def embedding_by_facts(
    explanations: Sequence[Explanation],
    exams: Exams,
    facts: Facts,
    encoder: Encoder,
    *,
    sentence: Callable[[str], str] | None = None,
    instruction: str = "",
) -> list[Separation]:
    """Embedding score of every explanation, with contexts as the facts that hold there.

    Args:
        explanations: one a latent.
        exams: examples of each of these latents, of reporting games.
        facts: what holds at every position; those that cannot be seen are left out.
        encoder: texts to vectors; every fact is encoded once.
        sentence: a fact's name as a sentence; None takes the name.
        instruction: stands before an explanation.

    Returns:
        One separation an explanation, in order. An example in which no fact holds has no value.

    Raises:
        KeyError: a latent without an exam.
    """
    seen = np.array([name not in facts.hidden for name in facts.names])
    names = [name for name in facts.names if name not in facts.hidden]
    about = unit(encoder.encode([name if sentence is None else sentence(name) for name in names]))

    def values(query: NDArray[np.float32], examples: Sequence[Example]) -> NDArray[np.floating[Any]]:
        near = about @ query
        holding = _holding(facts, examples)[:, seen]
        best = np.where(holding, near, -np.inf).max(1)
        return np.where(holding.any(1), best, np.nan)

    return _separated(explanations, exams, encoder, instruction, values)


def nearest_facts(
    explanation: str,
    facts: Facts,
    encoder: Encoder,
    *,
    n: int = 5,
    sentence: Callable[[str], str] | None = None,
) -> list[tuple[str, float]]:
    """The facts whose sentences are nearest to an explanation: a label looked up in the vocabulary.

    Returns:
        (name, cosine) of the n nearest, nearest first; of equal ones the first named.

    Raises:
        ValueError: n below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    query = unit(encoder.encode([explanation]))[0]
    near = unit(encoder.encode([name if sentence is None else sentence(name) for name in facts.names])) @ query
    order = np.argsort(-near, kind="stable")[:n]
    return [(facts.names[i], float(near[i])) for i in order]


def _separated(
    explanations: Sequence[Explanation],
    exams: Exams,
    encoder: Encoder,
    instruction: str,
    values: Callable[[NDArray[np.float32], Sequence[Example]], NDArray[np.floating[Any]]],
) -> list[Separation]:
    found: list[Separation] = []
    for one in explanations:
        examples = exam_of(exams, one.latent)
        failure = why_not(one)
        if failure or not examples:
            reason = failure or "no examples"
            found.append(separation(one.latent, examples, np.full(len(examples), np.nan), reason))
            continue
        query = unit(encoder.encode([instruction + one.text]))[0]
        found.append(separation(one.latent, examples, values(query, examples)))
    return found


def _holding(facts: Facts, examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Which facts hold anywhere in each example, bool [n, F]."""
    rows = np.array([row for example in examples for row in example.rows], np.int64)
    starts = np.cumsum([0, *(len(example.rows) for example in examples)])[:-1]
    bits = np.bitwise_or.reduceat(facts.labels[rows], starts, axis=0)
    return np.unpackbits(bits, axis=1, count=len(facts.names), bitorder="little").astype(np.bool_)
