"""A small explainer and judges of their own for the tests of scorers: nothing of the package decides what is right."""

from collections import Counter

import numpy as np
from fiducial.metrics.llm.facts import Facts
from fiducial.metrics.llm.nouns import Answer, Explanation
from fiducial.metrics.llm.predicate import Atom


def facts_of(labels, games, train, position=None, names=None):
    labels = np.asarray(labels, np.bool_)
    names = tuple(names or (f"fact {f}" for f in range(labels.shape[1])))
    place = np.arange(len(labels)) if position is None else np.asarray(position)
    packed = np.packbits(labels, axis=1, bitorder="little")
    return Facts(names, packed, np.asarray(games, np.int64), place.astype(np.int64), np.asarray(train, np.bool_))


class AtomJudge:
    """Executes explanations that are one atom, straight from the labels; counts what it was asked."""

    name = "atom judge"

    def __init__(self, labels, names=None):
        self.labels = np.asarray(labels, np.bool_)
        self.names = list(names or (f"fact {f}" for f in range(self.labels.shape[1])))
        self.asked = Counter()

    def holds(self, text, row):
        if text == "always":
            return True
        return bool(self.labels[row, self.names.index(text)])

    def one(self, question):
        held = [[self.holds(question.explanation.text, row) for row in e.rows] for e in question.examples]
        if question.mode == "detection":
            return Answer(tuple(float(any(h)) for h in held))
        if question.mode == "fuzzing":
            return Answer(
                tuple(float(all(h[i] for i in e.marked)) for e, h in zip(question.examples, held, strict=True))
            )
        return Answer(tuple(10.0 * h for h in held[0]))

    def answer(self, questions):
        self.asked.update(question.mode for question in questions)
        return [self.one(question) for question in questions]


class AtomExplainer:
    """Names the given atom of each latent."""

    name = "given atoms"

    def __init__(self, atoms):
        self.atoms = atoms

    def explain(self, shown):
        return [Explanation(s.latent, self.atoms[s.latent], Atom(self.atoms[s.latent])) for s in shown]
