"""Which examples of a latent an explainer sees, and which a judge is asked about.

Conventions    Explainers see positions of the choosing games, judges are asked about those of the others. Active
               windows are ranked by strength, ties in a seeded order, and cut into tenths of equal count by rank.
               Nothing is drawn twice. Where there are fewer windows than asked for, all there are come back, and
               `shortage` says how many are missing. All draws are keyed by (seed, dictionary, latent, what is drawn):
               they depend neither on other latents nor on the order of anything; the positives of an exam are the same
               whatever its negatives.
Copies         Games begin alike, so that positions of different games can be the same. By default they are kept;
               `copied` counts them. `copies="drop"` draws one window of those at which the same facts hold, and asks
               judges about none that any choosing game holds too, whether or not the explainer was shown it.
Sampling       top: the strongest. quantile: as many at random from every tenth. mixed: a fifth from the top, the others
               by tenths of the rest. random: any active ones.
References     Paulo et al. 2024, arXiv 2410.13928, section 3; repository EleutherAI/delphi.
Differences from published code (delphi v0.1.1)
               1. It draws the examples of explainer and judge from one list with one seed, so that a quarter of the
                  exam is what the explainer has seen. Here they are of different games; `split=False` gives its form.
               2. Its seeds are the same for every latent; here every latent has its own generator.
               3. It drops latents with fewer examples than asked for; here they are kept and the shortage is counted.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..inputs import as_games, as_split
from .copies import same_facts, same_windows
from .examples import Layout, Windows, marks_of, windows_of
from .facts import Facts
from .negatives import NEAREST, candidates
from .nouns import SAMPLINGS, Example, Latent, Negatives, Sampling, Shown
from .predicate import Predicate
from .seeds import generator_of

N_QUANTILES = 10
_TOP_SHARE = 0.2  # of mixed sampling


class Sampler:
    """Draws examples of latents.

    Attributes:
        facts: of the positions.
        windows: all windows of the sample.
    """

    def __init__(
        self,
        facts: Facts,
        *,
        window: int = 1,
        layout: Layout = "grid",
        split: bool = True,
        copies: Literal["keep", "drop"] = "keep",
        seed: int = 0,
        sae: str = "",
        nearest: int = NEAREST,
    ) -> None:
        """Prepare the windows.

        Args:
            facts: of the positions, with their games and split.
            window: scored positions of a game that are shown together.
            layout: how games are cut into windows, see `examples`.
            split: False draws both kinds of examples from all games, as published code does; only to measure what
                this leak is worth.
            copies: `drop` leaves out windows that are copies of others, see above.
            seed: of all draws.
            sae: name of the dictionary; other dictionaries draw otherwise.
            nearest: windows that every positive brings in as its nearest boards, and every neighbour as its strongest.

        Raises:
            ValueError: games on both sides of the split, an empty side, or an unknown way with copies.
        """
        as_split(facts.train, as_games(facts.game_id, facts.n_rows))
        if nearest < 1:
            raise ValueError(f"nearest must be at least 1, got {nearest}")
        if copies not in ("keep", "drop"):
            raise ValueError(f"copies must be keep or drop, got {copies!r}")
        self.facts = facts
        self.windows = windows_of(facts, window, layout)
        self._same = same_windows(self.windows, same_facts(facts)) if copies == "drop" else None
        self._window, self._split, self._seed, self._sae, self._nearest = window, split, seed, sae, nearest

    def shown(
        self,
        latent: Latent,
        *,
        sampling: Sampling = "quantile",
        n: int = 40,
        n_negative: int = 0,
        negatives: Negatives = "random",
        neighbours: Sequence[Latent] | None = None,
        predicate: Predicate | None = None,
    ) -> Shown:
        """What an explainer sees of a latent, of choosing games only.

        Args:
            latent: where it fires.
            sampling: of positives.
            n: positives, at most.
            n_negative: contrasting examples, at most.
            negatives: their kind.
            neighbours: latents close to it, closest first; for that kind of negatives.
            predicate: for negatives one literal away.

        Returns:
            Positives strongest first. In windows of several positions those of at least .3 of the window's maximum
            are marked.

        Raises:
            ValueError: an unknown kind, a negative number, or a latent of other positions.
        """
        positives, silent = self._drawn(
            "shown", latent, sampling, n, negatives, n_negative, neighbours, predicate, fill=False
        )
        here = latent.values[self.facts.train[latent.rows]] if self._split else latent.values
        return Shown(latent.number, float(here.max(initial=0.0)), positives, silent)

    def exam(
        self,
        latent: Latent,
        *,
        n_active: int = 50,
        n_silent: int = 50,
        sampling: Sampling = "quantile",
        negatives: Negatives = "random",
        predicate: Predicate | None = None,
        neighbours: Sequence[Latent] | None = None,
        fill: bool = False,
    ) -> tuple[Example, ...]:
        """What a judge is asked about, of reporting games only.

        Args:
            latent: where it fires.
            n_active: examples at which it fires, at most.
            n_silent: examples at which it does not, at most.
            sampling: of the active ones.
            negatives: kind of the silent ones.
            predicate: for negatives one literal away.
            neighbours: latents close to it, closest first; for that kind of negatives.
            fill: make up for missing negatives of a harder kind with random ones; their source says so.

        Returns:
            Active ones, strongest first, then silent ones; unmarked. Their number is what there is: see `shortage`.

        Raises:
            ValueError: an unknown kind, a negative number, or a latent of other positions.
        """
        positives, silent = self._drawn(
            "exam", latent, sampling, n_active, negatives, n_silent, neighbours, predicate, fill=fill
        )
        return (*positives, *silent)

    def _drawn(
        self,
        stage: str,
        latent: Latent,
        sampling: Sampling,
        n_active: int,
        negatives: Negatives,
        n_silent: int,
        neighbours: Sequence[Latent] | None,
        predicate: Predicate | None,
        *,
        fill: bool,
    ) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        if sampling not in SAMPLINGS:
            raise ValueError(f"sampling must be one of {', '.join(SAMPLINGS)}, got {sampling!r}")
        if n_active < 0 or n_silent < 0:
            raise ValueError(f"numbers of examples must be >= 0, got {n_active} active and {n_silent} silent")
        if latent.n_rows != self.facts.n_rows:
            raise ValueError(
                f"latent {latent.number} is of {latent.n_rows} positions, the facts of {self.facts.n_rows}"
            )
        windows = self.windows
        side = windows.train == (stage == "shown") if self._split else np.ones(len(windows), np.bool_)
        if self._same is not None and stage == "exam" and self._split:
            side = side & ~np.isin(self._same, self._same[windows.train])
        found, strength, at = windows.strongest(latent)
        mine = side[found]
        found, strength, at = found[mine], strength[mine], at[mine]
        key = (self._seed, self._sae, latent.number, stage)
        generator = generator_of(*key, "active", sampling)
        ranked = np.lexsort((generator.permutation(len(found)), -strength))
        free = _Free(windows, self._same)
        places = sorted(_chosen(ranked, found, sampling, n_active, generator, free))
        kept = ranked[np.array(places, np.int64)]
        dense = latent.dense()
        positives = tuple(
            self._example(int(found[i]), dense, place * N_QUANTILES // len(found), sampling, mark=stage == "shown")
            for place, i in zip(places, kept.tolist(), strict=True)
        )
        silent = np.flatnonzero(side & ~windows.touched(latent.rows)) if n_silent else np.zeros(0, np.int64)
        generator = generator_of(*key, "silent", negatives)
        pool = candidates(
            negatives,
            silent,
            windows=windows,
            facts=self.facts,
            positives=(found[kept], at[kept]),
            n=n_silent,
            generator=generator,
            neighbours=neighbours,
            predicate=predicate,
            nearest=self._nearest,
        )
        drawn = [(int(w), str(negatives)) for w in free.take(generator.permutation(pool), n_silent)]
        if fill and len(drawn) < n_silent:
            left = np.setdiff1d(silent, np.array([w for w, _ in drawn], np.int64))
            extra = generator_of(*key, "silent", "fill").permutation(left)
            drawn += [(int(w), "random") for w in free.take(extra, n_silent - len(drawn))]
        return positives, tuple(self._example(w, dense, -1, source, mark=False) for w, source in drawn)

    def _example(self, window: int, dense: NDArray[np.float32], quantile: int, source: str, *, mark: bool) -> Example:
        rows = self.windows.rows(window)
        values = tuple(dense[rows].tolist())
        marked = marks_of(values) if mark and self._window > 1 else ()
        return Example(tuple(rows.tolist()), values, quantile >= 0, quantile, source, marked)


class _Free:
    """Takes windows in order, none that shares a row with one taken before, or is a copy of one."""

    def __init__(self, windows: Windows, same: NDArray[np.int64] | None) -> None:
        self._windows, self._same = windows, same
        self._used = np.zeros(len(windows.order), np.bool_)
        self._seen: set[int] = set()

    def take(self, order: NDArray[np.int64], n: int) -> list[int]:
        """The first n free windows of an order."""
        if self._same is None and not self._windows.overlap:
            return order[:n].tolist()
        found: list[int] = []
        for window in order.tolist():
            if len(found) >= n:
                break
            part = slice(self._windows.start[window], self._windows.stop[window])
            kind = window if self._same is None else int(self._same[window])
            if not self._used[part].any() and kind not in self._seen:
                self._used[part] = True
                self._seen.add(kind)
                found.append(window)
        return found


def _chosen(
    ranked: NDArray[np.int64],
    found: NDArray[np.int64],
    sampling: Sampling,
    n: int,
    generator: np.random.Generator,
    free: _Free,
) -> list[int]:
    """Ranks of the active windows that are drawn, in any order.

    Args:
        ranked: active windows, strongest first, as places in `found`.
        found: their numbers.
        sampling: how.
        n: how many.
        generator: draws.
        free: leaves out windows that overlap.
    """
    rank = {int(found[i]): place for place, i in enumerate(ranked.tolist())}
    by_rank = found[ranked]

    def take(places: NDArray[np.int64], count: int) -> list[int]:
        return [rank[window] for window in free.take(by_rank[places], count)]

    everything = np.arange(len(ranked))
    if sampling == "top":
        return take(everything, n)
    if sampling == "random":
        return take(generator.permutation(everything), n)
    taken = take(everything, round(_TOP_SHARE * n)) if sampling == "mixed" else []
    rest = np.setdiff1d(everything, np.array(taken, np.int64))
    tenth_of = np.arange(len(rest)) * N_QUANTILES // max(len(rest), 1)
    tenths = [generator.permutation(rest[tenth_of == tenth]) for tenth in range(N_QUANTILES)]
    missing = n - len(taken)
    quota = [missing // N_QUANTILES + (i < missing % N_QUANTILES) for i in range(N_QUANTILES)]
    for tenth, count in zip(tenths, quota, strict=True):
        taken += take(tenth, count)
    left = np.setdiff1d(rest, np.array(taken, np.int64))  # some tenths were too small, or held windows that overlap
    return taken + take(generator.permutation(left), n - len(taken))


def shortage(
    examples: Sequence[Example], n_active: int, n_silent: int, negatives: Negatives = "random"
) -> Mapping[str, int]:
    """How many examples an exam lacks.

    Args:
        examples: of the exam.
        n_active: asked for.
        n_silent: asked for.
        negatives: kind that was asked for; random ones that stand in for them count as missing.

    Returns:
        `active` and `silent`, both 0 if nothing is missing, and `filled`, the silent ones that are random instead.

    Raises:
        ValueError: an unknown kind.
    """
    if negatives not in get_args(Negatives):
        raise ValueError(f"negatives must be one of {', '.join(get_args(Negatives))}, got {negatives!r}")
    silent = [example for example in examples if not example.active]
    right = sum(example.source == negatives for example in silent)
    return {
        "active": max(0, n_active - (len(examples) - len(silent))),
        "silent": max(0, n_silent - right),
        "filled": len(silent) - right,
    }
