"""Which latents are looked at, and where each of them fires.

A latent fires where its value is above 0, or above a share of its own maximum if that is asked for. Negative values of
signed dictionaries never count as firing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..inputs import as_games
from .facts import Facts
from .nouns import Latent
from .seeds import generator_of

if TYPE_CHECKING:
    from ...models.dictionary import Codes

MIN_ACTIVE = 20  # positions on either side; with fewer an exam has too few examples to say anything
MIN_GAMES = 5  # on either side; with fewer, positions of one game would be all there is


@dataclass(frozen=True, eq=False)
class Eligible:
    """Latents that can be explained and judged, and how many cannot.

    Attributes:
        numbers: int64, of the eligible latents, rising.
        dropped: how many latents fail, by the first reason that applies; 0 where none does. With `numbers` they make
            up the whole dictionary.
        rates: float64 [n_latents], share of the reporting positions at which each latent fires.
    """

    numbers: NDArray[np.int64]
    dropped: Mapping[str, int]
    rates: NDArray[np.float64]

    @property
    def n_dropped(self) -> int:
        """How many latents are left out."""
        return sum(self.dropped.values())

    def summary(self) -> str:
        """One line, such as `40 of 64 latents are eligible; 20: never fires; 4: ...`."""
        total = len(self.numbers) + self.n_dropped
        reasons = "".join(f"; {count}: {reason}" for reason, count in self.dropped.items() if count)
        return f"{len(self.numbers)} of {total} latents are eligible{reasons}"


def latents_of(
    codes: "Codes",
    numbers: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    above: float = 0.0,
    rows: NDArray[np.int64] | None = None,
) -> dict[int, Latent]:
    """Where latents fire.

    Args:
        codes: of all N positions.
        numbers: of the latents, in the order in which they come back; all by default, dead ones too.
        above: a latent does not count as firing below or at this share of its maximum, in [0, 1).
        rows: positions whose maximum counts for `above`, such as those of the choosing games; all by default.

    Returns:
        A latent by its number.

    Raises:
        ValueError: a share outside [0, 1), or numbers that the dictionary does not have.
    """
    if not 0 <= above < 1:
        raise ValueError(f"above must be a share of the maximum in [0, 1), got {above}")
    asked = range(codes.n_latents) if numbers is None else [int(number) for number in numbers]
    wrong = [number for number in asked if not 0 <= number < codes.n_latents]
    if wrong:
        raise ValueError(f"latents must be numbers from 0 to {codes.n_latents - 1}, got {wrong[:5]}")
    wanted = np.zeros(codes.n_latents, np.bool_)
    wanted[list(asked)] = True
    kept = np.flatnonzero(wanted[codes.indices] & (codes.values > 0))
    entries = kept[np.argsort(codes.indices[kept], kind="stable")]  # rows keep rising inside a latent
    stops = np.cumsum(np.bincount(codes.indices[kept], minlength=codes.n_latents))
    counted = np.ones(codes.n_rows, np.bool_)
    if rows is not None:
        counted[:] = False
        counted[rows] = True
    found: dict[int, Latent] = {}
    for number in asked:
        mine = entries[(stops[number - 1] if number else 0) : stops[number]]
        at, values = codes.rows[mine], codes.values[mine]
        if above:
            high = values > above * values[counted[at]].max(initial=0.0)
            at, values = at[high], values[high]
        found[number] = Latent(number, at.astype(np.int64), values.astype(np.float32), codes.n_rows)
    return found


def eligible(
    codes: "Codes",
    facts: Facts,
    *,
    min_active: int = MIN_ACTIVE,
    min_games: int = MIN_GAMES,
    min_silent: int | None = None,
) -> Eligible:
    """Latents that fire often enough on both sides of the split to be explained and judged.

    Args:
        codes: of all positions of the facts.
        facts: games and their split.
        min_active: a latent must fire at this many positions of the choosing games, and of the others.
        min_games: likewise in this many games.
        min_silent: it must be silent at this many positions of either side; as many as `min_active` by default.

    Returns:
        Their numbers, and how many others fail by which reason: no latent is left out without being counted.

    Raises:
        ValueError: codes of other positions, or limits below 1.
    """
    if codes.n_rows != facts.n_rows:
        raise ValueError(f"codes hold {codes.n_rows} positions but the facts {facts.n_rows}; both need the same")
    least = {"min_active": min_active, "min_games": min_games}
    if min(least.values()) < 1:
        raise ValueError(f"limits must be at least 1, got {least}")
    fires = codes.values > 0
    rows, latents = codes.rows[fires], codes.indices[fires].astype(np.int64)
    games = as_games(facts.game_id, facts.n_rows)
    n_games = int(games.max(initial=-1)) + 1
    pairs = np.unique(latents * max(n_games, 1) + games[rows])  # a latent and a game in which it fires
    game_side = np.zeros(n_games, np.bool_)
    game_side[games] = facts.train
    tests: list[tuple[str, NDArray[np.bool_]]] = []
    n = codes.n_latents
    rates = np.zeros(n)
    for train, side in ((True, "choosing"), (False, "reporting")):
        total = int((facts.train == train).sum())
        active = np.bincount(latents[facts.train[rows] == train], minlength=n)
        among = np.bincount(pairs[game_side[pairs % max(n_games, 1)] == train] // max(n_games, 1), minlength=n)
        silent = min_active if min_silent is None else min_silent
        tests += [
            (f"fires at fewer than {min_active} positions of {side} games", active < min_active),
            (f"fires in fewer than {min_games} {side} games", among < min_games),
            (f"silent at fewer than {silent} positions of {side} games", total - active < silent),
        ]
        if not train:
            rates = active / max(total, 1)
    tests.insert(0, ("never fires", np.bincount(latents, minlength=n) == 0))
    left = np.ones(n, np.bool_)
    dropped: dict[str, int] = {}
    for reason, fails in tests:
        dropped[reason] = int((left & fails).sum())
        left &= ~fails
    return Eligible(np.flatnonzero(left), dropped, rates)


def pick(
    codes: "Codes",
    facts: Facts,
    n: int,
    seed: int,
    *,
    sae: str = "",
    min_active: int = MIN_ACTIVE,
    min_games: int = MIN_GAMES,
    among: Eligible | None = None,
) -> list[int]:
    """A random sample of the eligible latents; a smaller sample of the same seed is part of a larger one.

    Args:
        codes: of all positions of the facts.
        facts: games and their split.
        n: how many; all of them if there are fewer.
        seed: of the sample.
        sae: name of the dictionary, so that two of them are not sampled alike.
        min_active: see `eligible`.
        min_games: likewise.
        among: what `eligible` has found, if it was asked before.

    Returns:
        Their numbers, rising.

    Raises:
        ValueError: a negative number.
    """
    if n < 0:
        raise ValueError(f"n must be a number of latents >= 0, got {n}")
    found = eligible(codes, facts, min_active=min_active, min_games=min_games) if among is None else among
    order = generator_of(seed, sae, "pick").permutation(len(found.numbers))
    return sorted(found.numbers[order[:n]].tolist())
