"""The deterministic explainer: the predicate that fits best what a latent does.

Question      Which short predicate says where the latent fires? No language model is asked.
Equation      shown   (TPR + TNR) / 2 - penalty x literals, over the positions that were shown
              all     2 TP / (fires + holds) - penalty x literals, over every choosing position, at natural prevalence
Conventions   First every literal, then and/or of two out of the union of the 40 best and the 40 that hold most often
              where the latent fires, then the best of these with one more literal, and so on; `all` also joins the best
              of every length with every literal there is. Equal values: canonical order. `shown` is what an explainer
              of the published procedures could know; `all` is close to the best label that this language can give,
              which is a ceiling, not a procedure. It is greedy beyond two literals.
References    Paulo et al., Automatically Interpreting Millions of Features in Large Language Models, 2024
              (arXiv:2410.13928): examples in, explanation out.
Differences   Published explainers see examples that the scorers see again; here only positions of choosing games are
              looked at. Contrast examples are checked to be silent wherever the latents are given. A latent without
              examples gets no explanation, not a placeholder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .facts import Facts
from .nouns import Explanation, Latent, Shown
from .predicate_bits import AtomBits, atom_bits
from .predicate_fit import balanced_accuracy_of, f1_of, search
from .predicate_text import to_text
from .seeds import generator_of


@dataclass(frozen=True)
class PredicateExplainer:
    """Explains latents by search; meets `Explainer`.

    Attributes:
        facts: what is true at every position.
        latents: where they fire; needed for `all`, and for checked contrast positions of `shown`.
        rows: `shown` looks at the shown positions only, `all` at every choosing position.
        max_literals: of a predicate.
        penalty: for every literal.
        names: of the facts that may be used; all by default.
        n_thresholds: numbers that each counter may be compared with.
        n_background: contrast positions drawn for `shown`, if none were shown.
        pool: how many best literals are paired; as many frequent ones join them.
        beam: how many predicates are extended by a further literal.
        seed: of the contrast positions.
    """

    facts: Facts
    latents: Mapping[int, Latent] | None = None
    rows: Literal["shown", "all"] = "shown"
    max_literals: int = 3
    penalty: float = 0.005
    names: tuple[str, ...] | None = None
    n_thresholds: int = 9
    n_background: int = 50
    pool: int = 40
    beam: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rows not in ("shown", "all"):
            raise ValueError(f"rows must be shown or all, got {self.rows!r}")
        if self.rows == "all" and self.latents is None:
            raise ValueError("rows='all' needs the latents: PredicateExplainer(facts, latents, rows='all')")
        if self.max_literals < 1 or self.penalty < 0:
            raise ValueError(f"expected max_literals >= 1 and penalty >= 0, got {self.max_literals}, {self.penalty}")

    @property
    def name(self) -> str:
        """Which of the two."""
        return f"predicate ({self.rows})"

    @cached_property
    def _everywhere(self) -> AtomBits:
        """Facts on the choosing rows; those that never change there say nothing."""
        found = atom_bits(self.facts, self.facts.rows_of(True), self.names, n_thresholds=self.n_thresholds)
        keep = np.flatnonzero((found.on > 0) & (found.on < found.n_rows))
        return AtomBits(tuple(found.predicates[i] for i in keep), found.words[keep], found.n_rows)

    def explain(self, shown: Sequence[Shown]) -> list[Explanation]:
        """One explanation for each, in order; a failed one says why.

        Raises:
            KeyError: a latent that was not given, with `all`.
        """
        return [self._explain(one) for one in shown]

    def _explain(self, shown: Shown) -> Explanation:
        latent = None if self.latents is None else self.latents.get(shown.latent)
        if self.rows == "all":
            if latent is None:
                raise KeyError(f"latent {shown.latent} is not among the {len(self.latents or ())} that were given")
            fires = latent.active()[self.facts.rows_of(True)]
            bits, objective = self._everywhere, f1_of
        else:
            rows, fires = self._shown_rows(shown, latent)
            bits = atom_bits(self.facts, rows, self.names, n_thresholds=self.n_thresholds)
            objective = balanced_accuracy_of
        if not fires.any():
            failure = "never fires on the choosing games" if self.rows == "all" else "no example at which it fires"
            return Explanation(shown.latent, "", None, "predicate", failure)
        if fires.all():
            return Explanation(shown.latent, "", None, "predicate", "no position at which it is silent")
        found = search(
            bits,
            fires,
            objective=objective,
            penalty=self.penalty,
            max_literals=self.max_literals,
            pool=self.pool,
            beam=self.beam,
            wide=self.rows == "all",
        )
        meta = {
            "rows": self.rows,
            "objective": "F1" if self.rows == "all" else "balanced accuracy",
            "value": found.value,
            "n_positive": int(fires.sum()),
            "n_negative": int((~fires).sum()),
            "contrast": "every silent position" if self.rows == "all" else self._contrast(shown, latent),
        }
        return Explanation(shown.latent, to_text(found.predicate), found.predicate, "predicate", "", meta)

    def _contrast(self, shown: Shown, latent: Latent | None) -> str:
        if shown.negatives:
            return "shown"
        return "random, checked" if latent is not None else "random, not checked"

    def _shown_rows(self, shown: Shown, latent: Latent | None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows that were shown, int64 [R] rising, and whether the latent fires there, bool [R]."""
        fires: dict[int, bool] = {}
        for example in (*shown.positives, *shown.negatives):
            fires |= {row: value > 0 for row, value in zip(example.rows, example.values, strict=True)}
        if not shown.negatives:
            silent = self.facts.train.copy()
            silent[list(fires)] = False
            if latent is not None:
                silent[latent.rows] = False
            candidates = np.flatnonzero(silent)
            generator = generator_of(self.seed, shown.latent, "contrast positions")
            n = min(self.n_background, len(candidates))
            fires |= dict.fromkeys(generator.choice(candidates, n, replace=False).tolist(), False)
        rows = np.array(sorted(fires), np.int64)
        return rows, np.array([fires[row] for row in rows.tolist()], np.bool_)
