"""Words instead of boards: a renderer whose text of a row is given, and exams made of rows."""

from fiducial.metrics.llm.nouns import Example


class WordRenderer:
    """Row r is `words[r]`; marks become angle brackets, so that a scorer that forgets to strip them is noticed."""

    style, legend = "words", "each line is one passage"

    def __init__(self, words):
        self.words = words

    def example(self, example):
        lines = self.lines(example)
        return " / ".join(f"<<{line}>>" if i in example.marked else line for i, line in enumerate(lines))

    def lines(self, example):
        return [self.words[row] for row in example.rows]


def exam(active, silent, **more):
    """Examples of one row each."""
    made = [Example((r,), (1.0,), True, quantile=i % 2, source="quantile", **more) for i, r in enumerate(active)]
    return (*made, *(Example((r,), (0.0,), False) for r in silent))
