"""Features of tactics: pins, forks, skewers, discoveries, hanging and attacked pieces, by colour.

Values are pawn 1, knight 3, bishop 3, rook 5, queen 9, and a king is worth more than any piece. A piece is pinned if
it may not leave its line because its own king is behind it; a pinned piece forks and skewers nothing.
"""

from .blocks import Block
from .chess_flags import KINDS, OTHER, SIDES, flags

# Blockers that can hide a check: a queen on the line would give it herself.
DISCOVERERS = ("pawn", "knight", "bishop", "rook", "king")
FORKERS = KINDS[:4]
SKEWERS = ("bishop", "rook", "queen")
# Pairs forked by a knight.
ROYAL = (("king", "queen"), ("king", "rook"), ("queen", "rook"))
LESSER = {"knight": "a pawn", "bishop": "a pawn", "rook": "a pawn, knight or bishop", "queen": "any piece but king and "
          "queen"}  # fmt: skip


def has(side: str, kind: str) -> tuple[str, ...]:
    """The feature that says that a piece exists; a king always does."""
    if kind == "king":
        return ()
    return (f"{side} has a queen" if kind == "queen" else f"at least 1 {side} {kind}",)


def _pin_blocks() -> list[Block]:
    return [
        flags(
            f"pins {side}", "pins", 3,
            [
                (f"{side} piece pinned", f"Some {side} piece is absolutely pinned.", ()),
                *((f"{side} {kind} pinned", f"A {side} {kind} is absolutely pinned to its king.",
                   (f"{side} piece pinned", *has(side, kind))) for kind in KINDS[:5]),
                (f"{side} piece pinned to the queen",
                 f"A {OTHER[side]} bishop or rook attacks a {side} piece other than "
                 f"king and queen, and a {side} queen is the next piece behind it on the line.",
                 (f"{side} has a queen",)),
            ],
        )
        for side in SIDES
    ]  # fmt: skip


def _fork_blocks() -> list[Block]:
    blocks: list[Block] = []
    for side in SIDES:
        other = OTHER[side]
        blocks.append(
            flags(
                f"forks {side}", "forks", 3,
                [
                    (f"{side} fork", f"A {side} pawn, knight, bishop or rook that is not pinned attacks at least two "
                     f"{other} pieces that are worth more than itself.", (f"{side} double attack",)),
                    *((f"{side} {kind} fork", f"A {side} {kind} that is not pinned attacks at least two {other} pieces "
                       "that are worth more than itself.", (f"{side} fork", f"{side} {kind} double attack"))
                      for kind in FORKERS),
                    *((f"{side} knight forks {a} and {b}",
                       f"A {side} knight that is not pinned attacks the {other} {a} "
                       f"and a {other} {b}.", (f"{side} knight fork", *has(other, a), *has(other, b)))
                      for a, b in ROYAL),
                ],
            )
        )  # fmt: skip
    blocks.append(
        flags("forks to move", "forks", 3,
              [("fork by the side to move", "A piece of the side to move forks, as defined for White and Black.", ()),
               ("fork of the side to move", "A piece of the other side forks.", ())])
    )  # fmt: skip
    for side in SIDES:
        other = OTHER[side]
        blocks.append(
            flags(
                f"double attacks {side}", "double attacks", 3,
                [
                    (f"{side} double attack", f"A {side} piece that is not pinned attacks at least two {other} pieces, "
                     f"each of them the king, worth more than the attacker, or not protected by {other.title()}.", ()),
                    *((f"{side} {kind} double attack",
                       f"A {side} {kind} that is not pinned attacks at least two {other} "
                       f"pieces, each of them {'' if kind == 'king' else 'the king, '}"
                       f"{'worth more than the attacker, or ' if kind in FORKERS else 'or ' * (kind == 'queen')}not "
                       f"protected by {other.title()}.",
                       (f"{side} double attack", *has(side, kind))) for kind in KINDS),
                ],
            )
        )  # fmt: skip
    return blocks


def _line_blocks() -> list[Block]:
    """Skewers and discoveries."""
    blocks: list[Block] = []
    for side in SIDES:
        other = OTHER[side]
        blocks.append(
            flags(
                f"skewers {side}", "skewers", 3,
                [
                    (f"{side} skewer",
                     f"A {side} bishop, rook or queen that is not pinned attacks a {other} piece worth "
                     f"more than itself, and the next piece behind that on the line is a {other} knight, bishop, rook "
                     "or queen worth no more than the piece in front.", ()),
                    *((f"{side} {kind} skewer",
                       f"A {side} {kind} that is not pinned attacks a {other} piece worth more "
                       f"than itself, and the next piece behind that on the line is a {other} knight, bishop, rook or "
                       "queen worth no more than the piece in front.", (f"{side} skewer", *has(side, kind)))
                      for kind in SKEWERS),
                ],
            )
        )  # fmt: skip
    for side in SIDES:
        other = OTHER[side]
        blocks.append(
            flags(
                f"discoveries {side}", "discoveries", 3,
                [
                    (f"{side} discovered check threat", f"A {side} piece is alone between a {side} slider that moves "
                     f"along their line and the {other} king: off the line, it would uncover a check.", ()),
                    *((f"{side} discovered check threat by a {kind}",
                       f"A {side} {kind} is alone between a {side} slider "
                       f"that moves along their line and the {other} king.",
                       (f"{side} discovered check threat", *has(side, kind))) for kind in DISCOVERERS),
                    (f"{side} discovered attack on the queen",
                     f"A {side} piece is alone between a {side} bishop or rook "
                     f"that moves along their line and a {other} queen.", (f"{other} has a queen",)),
                ],
            )
        )  # fmt: skip
    return blocks


def _attacked_blocks() -> list[Block]:
    blocks: list[Block] = []
    for side in SIDES:
        other, title = OTHER[side], side.title()
        blocks.append(
            flags(
                f"hanging {side}", "hanging", 3,
                [
                    (f"{side} piece hanging", f"A {side} piece other than the king is attacked by {other.title()} and "
                     f"not protected by {title}; pinned pieces attack and protect too.", ()),
                    (f"two {side} pieces hanging", f"At least two {side} pieces hang.", (f"{side} piece hanging",)),
                    *((f"{side} {kind} hanging", f"A {side} {kind} is attacked by {other.title()} and not protected by "
                       f"{title}.", (f"{side} piece hanging", f"{side} {kind} attacked")) for kind in KINDS[:5]),
                ],
            )
        )  # fmt: skip
    for side in SIDES:
        other = OTHER[side]
        blocks.append(
            flags(
                f"attacked {side}", "attacked pieces", 3,
                [
                    *((f"{side} {kind} attacked", f"{other.title()} attacks a {side} {kind}.", has(side, kind))
                      for kind in KINDS[:5]),
                    (f"{side} piece attacked by a lesser one",
                     f"A {other} piece, king excepted, attacks a {side} knight, bishop, rook or queen worth more than "
                     "itself.", (f"{side} piece en prise",)),
                    *((f"{side} {kind} attacked by a lesser one", f"{by.capitalize()} of {other.title()} attacks a "
                       f"{side} {kind}.", (f"{side} piece attacked by a lesser one", f"{side} {kind} attacked"))
                      for kind, by in LESSER.items()),
                    (f"{side} piece en prise", f"A {side} piece hangs or is attacked by a {other} piece worth less.",
                     ()),
                ],
            )
        )  # fmt: skip
    return blocks


def tactic_blocks() -> tuple[Block, ...]:
    """Pins, forks, skewers, discoveries, hanging and attacked pieces."""
    return (*_pin_blocks(), *_fork_blocks(), *_line_blocks(), *_attacked_blocks())
