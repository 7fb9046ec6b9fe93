"""The features of Othello that belong to the whole board: counts, phases, corners, edges and small tactics.

A block of counts holds features "at least k"; a block of flags holds one truth a feature. Words as in
othello_features.py: "mine" is the player to move, "yours" the opponent.
"""

from collections.abc import Sequence
from functools import cache

from .blocks import Block
from .features import Feature
from .othello_board import Geometry
from .othello_features import DIRECTIONS

SIDES = ("north", "east", "south", "west")
_PLAYERS = (("own", "mine", "the player to move"), ("opp", "yours", "the opponent"))

# Thresholds by board size, each one reached now and then in random legal games.
_MOBILITY = {4: (1, 2, 3, 4), 6: (1, 2, 3, 4, 6, 8, 10), 8: (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)}
_POTENTIAL = {4: (2, 4, 6), 6: (2, 4, 6, 8, 10, 12), 8: (4, 8, 12, 16, 20)}
_FRONTIER = {4: (1, 2, 4), 6: (1, 2, 4, 6, 8, 10), 8: (1, 2, 4, 8, 12, 16, 20)}
_STABLE = {4: (1, 2, 4), 6: (1, 2, 4, 8, 12), 8: (1, 2, 4, 8, 16, 24)}
_DISCS = {4: (2, 4, 6, 8), 6: (3, 6, 9, 12, 15, 18, 21, 24), 8: (4, 8, 12, 16, 20, 24, 28, 32, 36, 40)}
_LEAD = {4: (2, 4), 6: (2, 4, 8, 12, 16), 8: (2, 4, 8, 16, 24)}
_FLIPS = {4: (2, 3), 6: (2, 3, 4, 5, 6), 8: (2, 3, 4, 5, 6, 8, 10)}
_WIDTHS = {4: 4, 6: 8, 8: 10}  # plies of a phase


@cache
def corner_names(geometry: Geometry) -> tuple[str, str, str, str]:
    """The corners, row-major: a1, h1, a8, h8 on the 8 x 8 board."""
    last = geometry.size - 1
    return tuple(geometry.names[s] for s in (0, last, geometry.size * last, geometry.size**2 - 1))  # type: ignore[return-value]


@cache
def near_corners(geometry: Geometry) -> tuple[tuple[str, str, str], ...]:
    """(kind, square, its corner) of the X-squares (diagonal neighbours) and C-squares (edge neighbours)."""
    last = geometry.size - 1
    found: list[tuple[str, str, str]] = []
    for row, r in ((0, 1), (last, last - 1)):
        for column, c in ((0, 1), (last, last - 1)):
            corner = geometry.names[geometry.size * row + column]
            for kind, square in (("X", (r, c)), ("C", (row, c)), ("C", (r, column))):
                found.append((f"{kind}-square", geometry.names[geometry.size * square[0] + square[1]], corner))
    return tuple(found)


@cache
def phases(geometry: Geometry) -> tuple[tuple[int, int], ...]:
    """First and last ply of each phase."""
    width, plies = _WIDTHS[geometry.size], geometry.max_plies - 1
    return tuple((first, min(first + width - 1, plies)) for first in range(1, plies + 1, width))


def _flags(key: str, group: str, rung: int, *features: tuple[str, str, Sequence[str]], variable: str = "") -> Block:
    """One feature for each (name, definition, parents)."""
    return Block(
        key,
        tuple(
            Feature(name=n, group=group, rung=rung, definition=d, parents=tuple(p), variable=variable or None)
            for n, d, p in features
        ),
    )


def _counts(
    key: str,
    thresholds: Sequence[int],
    *,
    name: str,
    group: str,
    rung: int,
    definition: str,
    parents: Sequence[str] = (),
    plural: str = "s",
) -> Block:
    """Features "at least k" for every threshold k; `{k}` and the plural `{s}` are filled in; each implies the last."""
    features: list[Feature] = []
    for k in thresholds:
        implied = (features[-1].name,) if features else tuple(parents)
        s = plural * (k > 1)
        features.append(
            Feature(
                name=name.format(k=k, s=s), group=group, rung=rung, definition=definition.format(k=k, s=s),
                parents=implied,
            )
        )  # fmt: skip
    return Block(key, tuple(features), thresholds=tuple(thresholds))


def _state_blocks(geometry: Geometry) -> list[Block]:
    """Whose turn, passes, end and phase."""
    return [
        _flags(
            "turn", "turn", 1,
            ("black to move", "Black is the player to move (after a forced pass).", ()),
            ("white to move", "White is the player to move (after a forced pass).", ()),
            variable="player to move",
        ),
        _flags("mover", "turn", 1, ("black moved last", "Black made the last move.", ())),
        _flags(
            "passes", "passes", 2,
            ("the last move forced a pass", "The other player had no legal move after the last move, and the player "
             "who made it has one and moves again.", ("a pass has happened",)),
            ("a pass has happened", "The last move or an earlier one forced a pass.", ()),
            ("turn against parity", "The player to move is not the one whom the number of moves made would give "
             "without passes: White after an even number or Black after an odd one.", ("a pass has happened",)),
        ),
        _flags(
            "end", "end", 2,
            ("game over", "Neither player has a legal move.", ()),
            ("no discs of mine", "The player whose turn it would be has been wiped out.", ("game over",)),
        ),
        _flags(
            "phase", "phase", 2,
            *((f"ply {a} to {b}", f"Between {a} and {b} moves have been made.", ()) for a, b in phases(geometry)),
            variable="phase",
        ),
    ]  # fmt: skip


def _last_move_blocks(geometry: Geometry) -> list[Block]:
    """What kind of move the last one was."""
    kinds = _flags(
        "move kind", "last move kind", 1,
        ("last move in a corner", "The last move was played in a corner.", ("last move on an edge",)),
        ("last move on an edge", "The last move was played in the outer ring of squares, corners included.", ()),
        ("last move on a C-square", "The last move was played on an edge next to a corner.",
         ("last move on an edge",)),
        ("last move on an X-square", "The last move was played diagonally next to a corner.", ()),
        ("last move beside an empty corner", "The last move was played on an X-square or C-square whose corner is "
         "empty.", ()),
    )  # fmt: skip
    if geometry.size == 4:  # its X-squares are the centre
        features = [
            Feature(name=f.name, group=f.group, rung=f.rung, definition=f.definition, reachable=False)
            if "X-square" in f.name else f
            for f in kinds.features
        ]  # fmt: skip
        kinds = Block(kinds.key, tuple(features))
    return [
        kinds,
        _counts(
            "flips", _FLIPS[geometry.size],
            name="last move flipped at least {k} disc{s}", group="flip counts", rung=2,
            definition="The last move turned over at least {k} disc{s}.",
        ),
        _counts(
            "flip directions", (2, 3),
            name="last move flipped in at least {k} direction{s}", group="flip counts", rung=2,
            definition="The last move turned over discs in at least {k} of the eight directions.",
            parents=("last move flipped at least 2 discs",),
        ),
        _flags(
            "flip direction", "flip directions", 2,
            *((f"last move flipped to the {d}", f"The last move turned over discs to the {d} of its square.", ())
              for d in DIRECTIONS),
        ),
    ]  # fmt: skip


def _count_blocks(geometry: Geometry) -> list[Block]:
    """Discs, lead, mobility, frontier and stability."""
    size = geometry.size
    blocks: list[Block] = []
    for key, side, who in _PLAYERS:
        theirs = "opponent has " if key == "opp" else ""
        other = "the opponent" if key == "own" else "the player to move"
        blocks += [
            _counts(
                f"discs {key}", _DISCS[size], name=f"at least {{k}} disc{{s}} of {side}", group="disc counts", rung=2,
                definition=f"At least {{k}} discs of {who} are on the board.",
            ),
            _counts(
                f"mobility {key}", _MOBILITY[size], name=f"{theirs}at least {{k}} legal move{{s}}", group="mobility",
                rung=2, definition=f"There are at least {{k}} squares where {who} may play"
                + (" (or might, if it were the opponent's turn)." if key == "opp" else "."),
            ),
            _counts(
                f"potential {key}", _POTENTIAL[size], name=f"{theirs}at least {{k}} potential move{{s}}",
                group="potential mobility", rung=3,
                definition=f"At least {{k}} empty squares touch, also diagonally, a disc of {other}: squares where "
                f"{who} might play some day.",
            ),
            _counts(
                f"frontier {key}", _FRONTIER[size], name=f"at least {{k}} frontier disc{{s}} of {side}",
                group="frontier counts", rung=3,
                definition=f"At least {{k}} discs of {who} touch, also diagonally, an empty square.",
            ),
            _counts(
                f"stable {key}", _STABLE[size], name=f"at least {{k}} stable disc{{s}} of {side}",
                group="stable counts", rung=3,
                definition=f"At least {{k}} discs of {who} are stable, as defined for single stable discs.",
            ),
            _counts(
                f"corners {key}", (1, 2, 3, 4), name=f"at least {{k}} corner{{s}} of {side}", group="corners", rung=2,
                definition=f"Discs of {who} are in at least {{k}} corners.",
            ),
            _counts(
                f"centre {key}", (1, 2, 3, 4), name=f"at least {{k}} centre disc{{s}} of {side}", group="centre",
                rung=2, definition=f"Discs of {who} are on at least {{k}} of the four squares filled at the start.",
            ),
            _counts(
                f"lead {key}", _LEAD[size], name=f"{side} lead by at least {{k}} disc{{s}}", group="disc lead", rung=2,
                definition=f"There are at least {{k}} more discs of {who} than of {other}.",
                parents=("ahead in discs" if key == "own" else "behind in discs",),
            ),
        ]  # fmt: skip
    blocks.append(
        _flags(
            "balance", "disc lead", 2,
            ("ahead in discs", "More discs of the player to move than of the opponent are on the board.", ()),
            ("level in discs", "Both players have equally many discs on the board.", ()),
            ("behind in discs", "Fewer discs of the player to move than of the opponent are on the board.", ()),
            variable="disc balance",
        )
    )  # fmt: skip
    blocks.append(
        _flags(
            "compared", "mobility", 2,
            ("more legal moves than the opponent", "The player to move has more legal moves than the opponent would "
             "have if it were the opponent's turn.", ("at least 1 legal move",)),
            ("fewer legal moves than the opponent", "The player to move has fewer legal moves than the opponent would "
             "have if it were the opponent's turn.", ("opponent has at least 1 legal move",)),
        )
    )  # fmt: skip
    return blocks


def _corner_blocks(geometry: Geometry) -> list[Block]:
    """Corners, the squares beside them, edges and long diagonals."""
    corners, beside = corner_names(geometry), near_corners(geometry)
    legal = ("at least 1 legal move",)
    blocks = [
        _flags(
            "corner moves", "corner moves", 3,
            ("a corner can be taken", "The player to move has a legal move in a corner.", legal),
            ("opponent could take a corner", "The opponent would have a legal move in a corner if it were the "
             "opponent's turn.", ("opponent has at least 1 legal move",)),
        ),
        _flags("all corners", "corners", 2, ("all corners taken", "No corner is empty.",
               tuple(f"{c} occupied" for c in corners))),
    ]  # fmt: skip
    for key, side, who in _PLAYERS:
        blocks.append(
            _flags(
                f"beside {key}", "corner neighbours", 3,
                *((f"{side} on {kind} {square} beside empty {corner}", f"A disc of {who} is on {square} and the corner "
                   f"{corner} is empty.", (f"{side} on {square}", f"{corner} empty"))
                  for kind, square, corner in beside),
            )
        )  # fmt: skip
    blocks.append(
        _flags(
            "edge full", "edges", 2, *((f"{e} edge full", f"No square of the {e} edge is empty.", ()) for e in SIDES)
        )
    )
    for key, side, who in _PLAYERS:
        blocks.append(
            _flags(
                f"edge {key}", "edges", 3,
                *((f"{e} edge all {side}", f"All squares of the {e} edge hold discs of {who}.", (f"{e} edge full",))
                  for e in SIDES),
            )
        )  # fmt: skip
        blocks.append(
            _flags(
                f"balanced {key}", "edges", 3,
                *((f"balanced {e} edge of {side}", f"All squares of the {e} edge but the two corners hold discs of "
                   f"{who}, and both corners are empty.", ()) for e in SIDES),
            )
        )  # fmt: skip
    for key, side, who in _PLAYERS:
        # The centre is never empty, so a diagonal holds two discs at least.
        north_west, north_east, south_west, south_east = (geometry.names[s] for s in geometry.centre)
        blocks.append(
            _flags(
                f"diagonal {key}", "diagonals", 3,
                *((f"{side} control the {a}-{b} diagonal", f"Every disc on the diagonal {a}-{b} is one of {who}.",
                   tuple(f"{side} on {square}" for square in inner))
                  for a, b, inner in ((corners[0], corners[3], (north_west, south_east)),
                                      (corners[1], corners[2], (north_east, south_west)))),
            )
        )  # fmt: skip
    return blocks


def _tactic_blocks(geometry: Geometry) -> list[Block]:
    """Parity and what the legal moves are worth."""
    legal, theirs = ("at least 1 legal move",), ("opponent has at least 1 legal move",)
    wedge = (
        "an empty edge square other than a corner, whose two neighbours along the edge hold discs of the other player, "
        "is a legal move of {}."
    )
    return [
        _flags(
            "parity", "parity", 3,
            ("odd number of empty squares", "The number of empty squares is odd: without passes the player to move "
             "makes the last move.", ()),
            *((f"odd number of empty squares in the {c} quadrant",
               f"The number of empty squares in the quarter of the board around {c} is odd.", ())
              for c in corner_names(geometry)),
        ),
        _flags(
            "tactics", "tactics", 3,
            ("forced move", "The player to move has exactly one legal move.", legal),
            ("opponent has no move", "The opponent would have no legal move if it were the opponent's turn.", ()),
            ("an edge move is available", "The player to move may play in the outer ring of squares.", legal),
            ("only moves beside empty corners", "The player to move has legal moves, and each of them is on an "
             "X-square or C-square whose corner is empty.", legal),
            ("a wedge is available", "Wedge: " + wedge.format("the player to move"),
             (*legal, "an edge move is available")),
            ("opponent has a wedge", "Wedge: " + wedge.format("the opponent, if it were the opponent's turn"), theirs),
        ),
    ]  # fmt: skip


def scalars(geometry: Geometry) -> tuple[Block, ...]:
    """All blocks that are no planes."""
    return (
        *_state_blocks(geometry),
        *_last_move_blocks(geometry),
        *_count_blocks(geometry),
        *_corner_blocks(geometry),
        *_tactic_blocks(geometry),
    )
