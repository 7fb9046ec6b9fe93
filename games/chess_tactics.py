"""Pins, forks, skewers, discoveries, hanging and attacked pieces: the values of the blocks in chess_scalars_tactics.py.

Lines run along the four rows of chess_targets.py: north-south, north-east, east-west, north-west. Straight sliders
fill rows 0 and 2, diagonal ones rows 1 and 3. A piece that a ray from one end of a line and a ray from the other end
both meet first is alone between the two ends.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bitboards import U64
from .chess_bits import king_attacks, knight_attacks, pawn_attacks, step
from .chess_flags import KINDS, SIDES
from .chess_structure import Bools, Values, several, some
from .chess_targets import JUMP_DOWN, JUMP_UP, JUMPS, rays_down, rays_up
from .chess_view import View

_ZERO = np.uint64(0)
_DIAGONAL = (1, 3)


def _rows(straight: U64, diagonal: U64) -> U64:
    return np.stack([straight, diagonal, straight, diagonal])


@dataclass(frozen=True)
class Side:
    """One colour of a view, `white` or not, with what it shows to the other."""

    view: View
    white: bool

    @cached_property
    def all(self) -> U64:
        """Every piece."""
        return self.view.boards.colour(self.white)

    @cached_property
    def kinds(self) -> dict[str, U64]:
        """Pieces by kind."""
        b = self.view.boards
        every = (b.pawns, b.knights, b.bishops, b.rooks, b.queens, b.kings)
        return {kind: pieces & self.all for kind, pieces in zip(KINDS, every, strict=True)}

    @cached_property
    def pinned(self) -> U64:
        """Absolutely pinned pieces."""
        return self.view.pinned(self.white)

    @cached_property
    def attacks(self) -> U64:
        """Attacked squares."""
        return self.view.attacks(self.white)

    @cached_property
    def pawn_attacks(self) -> U64:
        """Squares that pawns attack."""
        return pawn_attacks(self.kinds["pawn"], self.white)

    def _seen(self, straight: U64, diagonal: U64) -> tuple[U64, U64]:
        rows, empty = _rows(straight, diagonal), self.view.boards.empty
        return rays_up(rows, empty), rays_down(rows, empty)

    @cached_property
    def minor_seen(self) -> tuple[U64, U64]:
        """Squares seen by rooks and bishops up and down each line, pinned ones included."""
        return self._seen(self.kinds["rook"], self.kinds["bishop"])

    @cached_property
    def queen_seen(self) -> tuple[U64, U64]:
        """Squares that queens see up and down each line."""
        return self._seen(self.kinds["queen"], self.kinds["queen"])

    @cached_property
    def king_seen(self) -> tuple[U64, U64]:
        """Squares that the king sees up and down each line."""
        return self._seen(self.kinds["king"], self.kinds["king"])


def tactics(view: View) -> Values:
    """Every group of flags, by key."""
    sides = (Side(view, True), Side(view, False))
    out: Values = {}
    forks: list[Bools] = []
    for name, us, them in ((SIDES[0], *sides), (SIDES[1], *reversed(sides))):
        out |= _pins(name, us, them) | _attacked(name, us, them) | _discoveries(name, us, them)
        out |= _skewers(name, us, them)
        found = _forks(name, us, them)
        out |= found
        forks.append(np.asarray(found[f"forks {name}"][0], np.bool_))
    turn = view.boards.turn
    out["forks to move"] = (np.where(turn, forks[0], forks[1]), np.where(turn, forks[1], forks[0]))
    return out


def _alone(ends: tuple[U64, U64], sliders: tuple[U64, U64], among: U64) -> U64:
    """Pieces of `among` that are alone on a line between an end and a slider, by what each of the two sees."""
    return np.bitwise_or.reduce((ends[0] & sliders[1]) | (ends[1] & sliders[0]), axis=0) & among


def _pins(name: str, us: Side, them: Side) -> Values:
    pinned = us.pinned
    bound = _alone(us.queen_seen, them.minor_seen, us.all & ~(us.kinds["king"] | us.kinds["queen"]))
    return {
        f"pins {name}": (some(pinned), *(some(pinned & us.kinds[kind]) for kind in KINDS[:5]), some(bound)),
    }


def _discoveries(name: str, us: Side, them: Side) -> Values:
    sliders = tuple(a | b for a, b in zip(us.minor_seen, us.queen_seen, strict=True))
    checks = _alone(them.king_seen, (sliders[0], sliders[1]), us.all)
    queen = _alone(them.queen_seen, us.minor_seen, us.all)
    kinds = (us.kinds[kind] for kind in ("pawn", "knight", "bishop", "rook", "king"))
    return {f"discoveries {name}": (some(checks), *(some(checks & pieces) for pieces in kinds), some(queen))}


def _attacked(name: str, us: Side, them: Side) -> Values:
    pieces = us.all & ~us.kinds["king"]
    hanging = pieces & them.attacks & ~us.attacks
    minor = them.pawn_attacks | knight_attacks(them.kinds["knight"])
    seen = np.bitwise_or(*them.minor_seen)
    diagonal, straight = seen[1] | seen[3], seen[0] | seen[2]
    lesser = {
        "knight": us.kinds["knight"] & them.pawn_attacks,
        "bishop": us.kinds["bishop"] & them.pawn_attacks,
        "rook": us.kinds["rook"] & (minor | diagonal),
        "queen": us.kinds["queen"] & (minor | diagonal | straight),
    }
    any_lesser = np.bitwise_or.reduce(list(lesser.values()))
    return {
        f"hanging {name}": (
            some(hanging),
            several(hanging),
            *(some(hanging & us.kinds[kind]) for kind in KINDS[:5]),
        ),
        f"attacked {name}": (
            *(some(us.kinds[kind] & them.attacks) for kind in KINDS[:5]),
            some(any_lesser),
            *(some(found) for found in lesser.values()),
            some(hanging | any_lesser),
        ),
    }


def _skewers(name: str, us: Side, them: Side) -> Values:
    """Only positions where a slider attacks something worth more are followed behind it."""
    free = ~us.pinned
    n = len(us.view)
    found = {kind: np.zeros(n, np.bool_) for kind in ("bishop", "rook", "queen")}
    worth = {
        "rook": them.kinds["queen"] | them.kinds["king"],
        "bishop": them.kinds["queen"] | them.kinds["king"] | them.kinds["rook"],
    }
    seen = np.bitwise_or(*us.minor_seen)
    aimed = ((seen[0] | seen[2]) & worth["rook"]) | ((seen[1] | seen[3]) & worth["bishop"])
    aimed |= np.bitwise_or.reduce(np.bitwise_or(*us.queen_seen), axis=0) & them.kinds["king"]
    rows = np.flatnonzero(aimed)
    if rows.size:
        empty = us.view.boards.empty[rows]
        ours = {kind: (us.kinds[kind] & free)[rows] for kind in found}
        theirs = {kind: them.kinds[kind][rows] for kind in KINDS}
        minor = theirs["knight"] | theirs["bishop"] | theirs["rook"]
        most, rooks = theirs["queen"] | theirs["king"], theirs["rook"]
        for rays in (rays_up, rays_down):
            met = rays(_rows(ours["rook"], ours["bishop"]), empty)
            behind = rays(met & most, empty) & (minor | theirs["queen"])
            behind[_DIAGONAL, :] |= rays(met & rooks, empty)[_DIAGONAL, :] & minor
            found["rook"][rows] |= some(behind[0] | behind[2])
            found["bishop"][rows] |= some(behind[1] | behind[3])
            met = rays(_rows(ours["queen"], ours["queen"]), empty) & theirs["king"]
            behind = rays(met, empty) & (minor | theirs["queen"])
            found["queen"][rows] |= some(np.bitwise_or.reduce(behind, axis=0))
    return {f"skewers {name}": (found["bishop"] | found["rook"] | found["queen"], *found.values())}


def _forks(name: str, us: Side, them: Side) -> Values:
    free = ~us.pinned
    loose = them.all & ~them.attacks & ~them.kinds["king"]
    king, queen, rook = them.kinds["king"], them.kinds["queen"], them.kinds["rook"]
    minor = them.kinds["knight"] | them.kinds["bishop"]
    royal = king | queen
    worth = {"pawn": royal | rook | minor, "knight": royal | rook, "bishop": royal | rook, "rook": royal}
    fork = _twice(us, {**worth, "queen": np.zeros_like(king), "king": np.zeros_like(king)})
    double = _twice(us, {**{k: v | loose for k, v in worth.items()}, "queen": king | loose, "king": loose})
    forks = {kind: some(fork[kind] & free) for kind in worth}
    doubles = [some(double[kind] & free) for kind in KINDS]
    knights = us.kinds["knight"] & free
    near = {"king": knight_attacks(king), "queen": knight_attacks(queen), "rook": knight_attacks(rook)}
    pairs = ((near[a] & near[b] & knights) for a, b in (("king", "queen"), ("king", "rook"), ("queen", "rook")))
    return {
        f"forks {name}": (np.logical_or.reduce(list(forks.values())), *forks.values(), *(some(p) for p in pairs)),
        f"double attacks {name}": (np.logical_or.reduce(doubles), *doubles),
    }


class _Counter:
    """Squares named at least once and at least twice."""

    def __init__(self, boards: U64) -> None:
        self.once, self.twice = np.zeros_like(boards), np.zeros_like(boards)

    def add(self, found: U64) -> None:
        """Count one more time."""
        self.twice |= self.once & found
        self.once |= found


def _twice(us: Side, targets: dict[str, U64]) -> dict[str, U64]:
    """Pieces of each kind that attack at least two of the kind's targets: each target looks back for attackers."""
    empty = us.view.boards.empty
    out: dict[str, U64] = {}
    back = ("south-west", "south-east") if us.white else ("north-west", "north-east")
    out["pawn"] = step(targets["pawn"], back[0]) & step(targets["pawn"], back[1]) & us.kinds["pawn"]
    jumps = targets["knight"]
    counter = _Counter(jumps)
    for found in (*((jumps << JUMPS) & JUMP_UP), *((jumps >> JUMPS) & JUMP_DOWN)):
        counter.add(found)
    out["knight"] = counter.twice & us.kinds["knight"]
    looks = _rows(targets["rook"], targets["bishop"])
    counters = (_Counter(empty), _Counter(empty))
    for rays in (rays_up, rays_down):
        for row, found in enumerate(rays(looks, empty)):
            counters[row % 2].add(found)
    out["rook"] = counters[0].twice & us.kinds["rook"]
    out["bishop"] = counters[1].twice & us.kinds["bishop"]
    out["queen"] = _twice_by(targets["queen"], us.kinds["queen"], empty)
    out["king"] = _twice_king(targets["king"], us.kinds["king"])
    return out


def _twice_by(targets: U64, queens: U64, empty: U64) -> U64:
    """Queens that attack at least two targets."""
    if not targets.any():
        return np.zeros_like(queens)
    counter = _Counter(queens)
    looks = _rows(targets, targets)
    for rays in (rays_up, rays_down):
        for found in rays(looks, empty):
            counter.add(found)
    return counter.twice & queens


def _twice_king(targets: U64, king: U64) -> U64:
    """The king, where it attacks at least two targets."""
    return king * several(king_attacks(king) & targets)
