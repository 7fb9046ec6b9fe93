"""The vocabulary of Othello: every feature with its exact definition.

"Mine" is the player to move after a forced pass (at the end of a game: the player whose turn it would have been),
"yours" the opponent. Colour comes from the rules, never from the parity of the ply.

Features are kept in blocks that are computed together. A plane has one feature a square, in row-major order, so on
the 8 x 8 board its labels are one bitboard; squares where a feature cannot hold stay in the plane as unreachable
features. Planes come first and their number is even, so that what follows starts on a whole byte on every board size.
"""

from collections.abc import Callable, Sequence

from .blocks import Block
from .features import Feature
from .othello_board import Geometry

# Row and column steps of the eight directions, in the published order.
DIRECTIONS: dict[str, tuple[int, int]] = {
    "north": (-1, 0),
    "north-east": (-1, 1),
    "east": (0, 1),
    "south-east": (1, 1),
    "south": (1, 0),
    "south-west": (1, -1),
    "west": (0, -1),
    "north-west": (-1, -1),
}
VOCABULARIES = ("standard", "full")


def room(geometry: Geometry, square: int, direction: str) -> int:
    """Squares between `square` and the edge of the board in a direction."""
    row, column = divmod(square, geometry.size)
    steps = 0
    dr, dc = DIRECTIONS[direction]
    while 0 <= row + dr < geometry.size and 0 <= column + dc < geometry.size:
        row, column, steps = row + dr, column + dc, steps + 1
    return steps


def _plane(
    geometry: Geometry,
    key: str,
    *,
    name: str,
    group: str,
    rung: int,
    definition: str,
    variable: str | None = None,
    parents: Sequence[str] = (),
    reachable: Callable[[int], bool] = lambda square: True,
) -> Block:
    """A plane; `{}` in its texts is the name of the square. Unreachable features imply nothing."""

    def feature(square: int) -> Feature:
        on = geometry.names[square]
        return Feature(
            name=name.format(on),
            group=group,
            rung=rung,
            definition=definition.format(on),
            variable=None if variable is None else variable.format(on),
            parents=tuple(parent.format(on) for parent in parents) if reachable(square) else (),
            reachable=reachable(square),
        )

    squares = tuple(range(geometry.size**2))
    return Block(f"plane {key}", tuple(feature(s) for s in squares), squares)


def _square_planes(geometry: Geometry) -> list[Block]:
    """What stands on each square, and what the last move did there."""
    centre, last = geometry.centre, geometry.size - 1
    corners = (0, last, geometry.size * last, geometry.size**2 - 1)

    def state(key: str, name: str, group: str, definition: str, variable: str) -> Block:
        return _plane(
            geometry,
            key,
            name=name,
            group=group,
            rung=1,
            definition=definition,
            variable=variable,
            parents=("{} occupied",),
        )

    return [
        state("own", "mine on {}", "board", "A disc of the player to move is on {}.", "state of {}"),
        state("opp", "yours on {}", "board", "A disc of the opponent of the player to move is on {}.", "state of {}"),
        _plane(
            geometry,
            "empty",
            name="{} empty",
            group="empty",
            rung=1,
            definition="No disc is on {}.",
            variable="state of {}",
            reachable=lambda s: s not in centre,
        ),
        _plane(
            geometry,
            "occupied",
            name="{} occupied",
            group="occupied",
            rung=1,
            definition="A disc of either player is on {} (always true on the four centre squares).",
        ),
        state("black", "black on {}", "colour", "A black disc is on {}.", "colour of {}"),
        state("white", "white on {}", "colour", "A white disc is on {}.", "colour of {}"),
        _plane(
            geometry,
            "move",
            name="played {}",
            group="last move",
            rung=0,
            definition="The last move was played on {}.",
            variable="last move",
            parents=("{} occupied",),
            reachable=lambda s: s not in centre,
        ),
        _plane(
            geometry,
            "turned",
            name="flipped {}",
            group="flipped",
            rung=2,
            definition="The last move turned over the disc on {}.",
            parents=("{} occupied",),
            reachable=lambda s: s not in corners,  # a corner has no neighbours on opposite sides
        ),
    ]


def _move_planes(geometry: Geometry) -> list[Block]:
    """Legal moves of both players, and the lines that they would turn over."""
    centre = geometry.centre
    blocks = [
        _plane(
            geometry,
            "legal",
            name="legal move at {}",
            group="legal moves",
            rung=2,
            definition="The player to move may play on {}.",
            parents=("{} empty", "at least 1 legal move"),
            reachable=lambda s: s not in centre,
        ),
        _plane(
            geometry,
            "opp legal",
            name="opponent move at {}",
            group="opponent moves",
            rung=2,
            definition="The opponent could play on {} if it were the opponent's turn on this board.",
            parents=("{} empty", "opponent has at least 1 legal move"),
            reachable=lambda s: s not in centre,
        ),
    ]
    for key, name, group, who, parent in (
        ("line", "line from {{}} to the {}", "lines", "the player to move", "legal move at {}"),
        ("opp line", "opponent line from {{}} to the {}", "opponent lines", "the opponent", "opponent move at {}"),
    ):
        for direction in DIRECTIONS:
            blocks.append(
                _plane(
                    geometry,
                    f"{key} {direction}",
                    name=name.format(direction),
                    group=group,
                    rung=2,
                    definition=f"A disc of {who} put on the empty square {{}} would turn over at least one disc to the "
                    f"{direction} of it: a run of the other player's discs starts next to it and ends at one of {who}.",
                    parents=(parent,),
                    reachable=lambda s, d=direction: s not in centre and room(geometry, s, d) >= 2,
                )
            )
    return blocks


def _strategy_planes(geometry: Geometry) -> list[Block]:
    """Stable and frontier discs."""
    blocks: list[Block] = []
    for key, side, who in (("own", "mine", "the player to move"), ("opp", "yours", "the opponent")):
        blocks.append(
            _plane(
                geometry,
                f"stable {key}",
                name=f"stable disc of {side} on {{}}",
                group="stable discs",
                rung=3,
                definition=f"A disc of {who} on {{}} is in the smallest set with this rule: a disc belongs to it if, "
                "along each of the four lines through its square, the whole line is filled, or a neighbour on the line "
                "is off the board or a disc of the same player in the set. Such a disc can never be turned over.",
                parents=(f"{side} on {{}}", f"at least 1 stable disc of {side}"),
            )
        )
    for key, side, who in (("own", "mine", "the player to move"), ("opp", "yours", "the opponent")):
        blocks.append(
            _plane(
                geometry,
                f"frontier {key}",
                name=f"frontier disc of {side} on {{}}",
                group="frontier discs",
                rung=2,
                definition=f"A disc of {who} is on {{}} and at least one of the up to eight squares around is empty.",
                parents=(f"{side} on {{}}",),
            )
        )
    return blocks


def _length_planes(geometry: Geometry) -> list[Block]:
    """Lines of the player to move by their exact length: the third published kind, of the full vocabulary."""
    return [
        _plane(
            geometry,
            f"length {length} {direction}",
            name=f"line of {length} from {{}} to the {direction}",
            group="length lines",
            rung=2,
            definition=f"A disc of the player to move put on the empty square {{}} would turn over exactly {length} "
            f"disc{'s' * (length > 1)} to the {direction} of it.",
            parents=(f"line from {{}} to the {direction}",),
            variable=f"length of the line from {{}} to the {direction}",
            reachable=lambda s, d=direction, n=length: s not in geometry.centre and room(geometry, s, d) > n,
        )
        for length in range(1, geometry.size - 1)
        for direction in DIRECTIONS
    ]


def planes(geometry: Geometry, vocabulary: str = "standard") -> tuple[Block, ...]:
    """The planes of a vocabulary, an even number of them.

    Raises:
        ValueError: unknown vocabulary.
    """
    if vocabulary not in VOCABULARIES:
        raise ValueError(f"Othello vocabulary must be one of {VOCABULARIES}, got {vocabulary!r}")
    blocks = [*_square_planes(geometry), *_move_planes(geometry), *_strategy_planes(geometry)]
    return tuple(blocks + _length_planes(geometry) if vocabulary == "full" else blocks)
