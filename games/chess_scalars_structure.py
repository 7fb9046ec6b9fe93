"""Features of material, pawns, files and single kinds of pieces, by colour."""

from .blocks import Block
from .chess_flags import FILE_NAMES, OTHER, SIDES, WINGS, counts, flags

PIECES = (8, 12, 16, 20, 24, 26, 28, 30, 32)  # thresholds of all pieces on the board
LEADS = (1, 2, 3, 5, 9, 15)
ENDGAME = 13  # points of pieces, pawns not counted, that a side has at most in an endgame
# Square where a bishop is fianchettoed, and the pawn in front of it.
FIANCHETTO = {
    ("white", "kingside"): ("g2", "g3"),
    ("white", "queenside"): ("b2", "b3"),
    ("black", "kingside"): ("g7", "g6"),
    ("black", "queenside"): ("b7", "b6"),
}
HOMES = {"white": ("b1", "c1", "f1", "g1"), "black": ("b8", "c8", "f8", "g8")}


def _material_blocks() -> list[Block]:
    blocks: list[Block] = []
    for side in SIDES:
        for kind, most in (("pawn", 8), ("knight", 2), ("bishop", 2), ("rook", 2)):
            blocks.append(
                counts(
                    f"count {side} {kind}", "piece counts", 2, range(1, most + 1),
                    name=f"at least {{k}} {side} {kind}{{s}}",
                    definition=f"At least {{k}} {side} {kind}{{s}} are on the board.",
                )
            )  # fmt: skip
    blocks.append(
        counts("pieces", "piece counts", 2, PIECES, name="at least {k} pieces",
               definition="At least {k} pieces are on the board, pawns and kings included.")
    )  # fmt: skip
    for side in SIDES:
        blocks.append(
            counts(
                f"lead {side}", "material balance", 2, LEADS, name=f"{side} ahead by at least {{k}} point{{s}}",
                definition=f"The pieces of {side.title()} are worth at least {{k}} more point{{s}} than those of "
                f"{OTHER[side].title()} (pawn 1, knight 3, bishop 3, rook 5, queen 9).",
            )
        )  # fmt: skip
    for side in SIDES:
        other = OTHER[side].title()
        blocks.append(
            flags(
                f"imbalance {side}", "material balance", 2,
                [
                    (f"{side} has more pawns", f"{side.title()} has more pawns than {other}.",
                     (f"at least 1 {side} pawn",)),
                    (f"{side} has more minor pieces", f"{side.title()} has more knights and bishops than {other}.", ()),
                    (f"{side} has the exchange",
                     f"{side.title()} has one rook more than {other}, {other} one knight or "
                     "bishop more, and both have equally many queens.",
                     (f"at least 1 {side} rook", f"{OTHER[side]} has more minor pieces")),
                ],
            )
        )  # fmt: skip
    return [
        *blocks,
        flags(
            "level", "material balance", 2,
            [("level material", "The pieces of both sides are worth the same (pawn 1, knight 3, bishop 3, rook 5, "
              "queen 9).", ())],
        ),
        flags(
            "queens", "queens", 2,
            [
                *((f"{side} has a queen", f"A {side} queen is on the board.", ()) for side in SIDES),
                *((f"{side} has two queens", f"At least two {side} queens are on the board.", (f"{side} has a queen",))
                  for side in SIDES),
                ("queens off", "No queen is on the board.", ()),
            ],
        ),
        flags(
            "endgames", "endgames", 3,
            [
                ("endgame", f"The knights, bishops, rooks and queens of each side are worth at most {ENDGAME} points.",
                 ()),
                ("pawn endgame", "Only kings and pawns are on the board.", ("endgame", "queens off")),
                ("rook endgame", "Both sides have rooks, and no knights, bishops or queens.",
                 ("queens off", "at least 1 white rook", "at least 1 black rook")),
                ("minor piece endgame", "Knights or bishops are on the board, but no rooks or queens.",
                 ("queens off",)),
                ("queen endgame", "Both sides have queens, and no knights, bishops or rooks.",
                 ("white has a queen", "black has a queen")),
                *((f"bare {side} king", f"{side.title()} has only the king left.", ()) for side in SIDES),
            ],
        ),
    ]  # fmt: skip


def _pawn_blocks() -> list[Block]:
    """Passed, doubled, isolated and rammed pawns by file, and the rest of the pawn structure."""
    words = {
        "passed": "no {other} pawn is ahead of it on its own or a neighbouring file",
        "doubled": "another {side} pawn is on its file",
        "isolated": "no {side} pawn is on a neighbouring file",
    }
    blocks: list[Block] = []
    for kind, words_of in words.items():
        for side in SIDES:
            text = words_of.format(side=side, other=OTHER[side])
            blocks.append(
                flags(
                    f"{kind} {side}", f"{kind} pawns", 3,
                    [
                        *((f"{side} {kind} pawn on the {file}-file",
                           f"A {side} pawn is on the {file}-file, and {text}.",
                           (f"{side} {kind} pawn",)) for file in FILE_NAMES),
                        (f"{side} {kind} pawn", f"For some {side} pawn, {text}.",
                         (f"at least {2 if kind == 'doubled' else 1} {side} pawn{'s' * (kind == 'doubled')}",)),
                    ],
                )
            )  # fmt: skip
    blocks.append(
        flags("rammed", "rammed pawns", 2,
              ((f"rammed pawns on the {file}-file",
                f"A white pawn on the {file}-file has a black pawn directly in front "
                "of it.", ("at least 1 white pawn", "at least 1 black pawn")) for file in FILE_NAMES))
    )  # fmt: skip
    for side in SIDES:
        other, passed, pawn = OTHER[side], f"{side} passed pawn", (f"at least 1 {side} pawn",)
        blocks.append(
            flags(
                f"pawns {side}", "pawn structure", 3,
                [
                    (f"{side} backward pawn", f"A {side} pawn has {side} pawns on a neighbouring file, none of them "
                     f"beside or behind it, and a {other} pawn attacks the square in front of it.", pawn),
                    (f"{side} protected passed pawn", f"A {side} pawn attacks the square of a {side} passed pawn.",
                     (passed,)),
                    (f"{side} connected passed pawns", f"There are {side} passed pawns on two neighbouring files.",
                     (passed,)),
                    (f"{side} pawn on the seventh", f"A {side} pawn is one step away from promotion.", pawn),
                    (f"{side} pawn chain", f"A {side} pawn protects a {side} pawn that protects a third one.",
                     (f"at least 3 {side} pawns",)),
                    *((f"{side} {wing} majority", f"{side.title()} has more pawns than {other.title()} on the files "
                       f"{'e to h' if wing == 'kingside' else 'a to d'}.", pawn) for wing in WINGS),
                ],
            )
        )  # fmt: skip
        blocks.append(
            counts(
                f"islands {side}", "pawn structure", 3, (2, 3, 4), name=f"at least {{k}} {side} pawn islands",
                definition=f"The files with {side} pawns form at least {{k}} groups without a gap.", parents=pawn,
            )
        )  # fmt: skip
    blocks.append(
        flags("tension", "pawn structure", 3, [("pawn tension", "A white and a black pawn attack each other.",
              ("at least 1 white pawn", "at least 1 black pawn"))])
    )  # fmt: skip
    return blocks


def _file_blocks() -> list[Block]:
    blocks = [
        flags(
            "open files", "open files", 2,
            [*((f"{file}-file open", f"No pawn is on the {file}-file.", ("an open file",)) for file in FILE_NAMES),
             ("an open file", "Some file has no pawn.", ())],
        )
    ]  # fmt: skip
    for side in SIDES:
        blocks.append(
            flags(
                f"half-open {side}", "half-open files", 2,
                ((f"{file}-file half-open for {side}",
                  f"No {side} pawn, but a {OTHER[side]} one, is on the {file}-file.",
                  (f"at least 1 {OTHER[side]} pawn",)) for file in FILE_NAMES),
            )
        )  # fmt: skip
    return blocks


def _piece_blocks() -> list[Block]:
    blocks: list[Block] = []
    for side in SIDES:
        rook, bishop, knight = (f"at least 1 {side} {kind}" for kind in ("rook", "bishop", "knight"))
        seventh = 7 if side == "white" else 2
        blocks += [
            flags(
                f"rooks {side}", "rooks", 3,
                [
                    (f"{side} connected rooks", f"Two {side} rooks are on one rank or file with nothing between them.",
                     (f"at least 2 {side} rooks",)),
                    (f"{side} doubled rooks", f"Two {side} rooks are on one file with nothing between them.",
                     (f"{side} connected rooks",)),
                    (f"{side} rook on the seventh", f"A {side} rook is on {side.title()}'s seventh rank (rank "
                     f"{seventh}).", (rook,)),
                    (f"{side} rook on an open file", f"A {side} rook is on a file without pawns.",
                     (rook, "an open file")),
                    (f"{side} rook on a half-open file", f"A {side} rook is on a file with {OTHER[side]} pawns only.",
                     (rook,)),
                    (f"{side} rook behind a passed pawn", f"A {side} rook is behind a {side} passed pawn on its file, "
                     "nothing between them.", (rook, f"{side} passed pawn")),
                ],
            ),
            flags(
                f"bishops {side}", "bishops", 2,
                [
                    (f"{side} bishop pair", f"{side.title()} has bishops on squares of both colours.",
                     (f"{side} light-squared bishop", f"{side} dark-squared bishop")),
                    (f"{side} light-squared bishop", f"A {side} bishop is on a light square.", (bishop,)),
                    (f"{side} dark-squared bishop", f"A {side} bishop is on a dark square.", (bishop,)),
                    *((f"{side} {wing} fianchetto", f"A {side} bishop is on {FIANCHETTO[side, wing][0]}, a {side} pawn "
                       f"on {FIANCHETTO[side, wing][1]}.", (f"{side} bishop on {FIANCHETTO[side, wing][0]}",
                       f"{side} pawn on {FIANCHETTO[side, wing][1]}")) for wing in WINGS),
                ],
            ),
            flags(
                f"knights {side}", "knights", 3,
                [
                    (f"{side} knight on the rim", f"A {side} knight is on the a- or h-file.", (knight,)),
                    (f"{side} knight in the centre", f"A {side} knight is on d4, e4, d5 or e5.", (knight,)),
                    (f"{side} knight outpost", f"A {side} knight on {side.title()}'s fourth, fifth or sixth rank is "
                     f"protected by a {side} pawn, and no {OTHER[side]} pawn is ahead of it on a neighbouring file.",
                     (knight, f"at least 1 {side} pawn")),
                ],
            ),
            flags(
                f"batteries {side}", "batteries", 3,
                ((f"{side} {kind} and queen battery", f"A {side} {kind} and a {side} queen are on one "
                  f"{'diagonal' if kind == 'bishop' else 'rank or file'} with nothing between them.",
                  (f"at least 1 {side} {kind}", f"{side} has a queen")) for kind in ("bishop", "rook")),
            ),
        ]  # fmt: skip
    blocks.append(
        flags("opposite bishops", "bishops", 2, [("opposite-coloured bishops", "Each side has exactly one bishop, on "
              "squares of different colours.", ("at least 1 white bishop", "at least 1 black bishop"))])
    )  # fmt: skip
    return blocks


def _king_blocks() -> list[Block]:
    blocks: list[Block] = []
    for side in SIDES:
        first = "first" if side == "white" else "eighth"
        other = OTHER[side]
        blocks += [
            flags(
                f"king {side}", "king safety", 3,
                [
                    (f"{side} king on its back rank", f"The {side} king is on the {first} rank.", ()),
                    (f"{side} king in the middle", f"The {side} king is on the d- or e-file.", ()),
                    (f"open file at the {side} king", f"The file of the {side} king or a neighbouring one has no pawn.",
                     ("an open file",)),
                    (f"{side} back rank weak", f"The {side} king is on the {first} rank, and {side} pieces are on all "
                     "two or three squares ahead of it.", (f"{side} king on its back rank",)),
                    (f"{side} king has no flight square", f"Every square next to the {side} king holds a {side} piece "
                     f"or is attacked by {other.title()}.", ()),
                ],
            ),
            counts(
                f"shield {side}", "king safety", 3, (1, 2, 3), name=f"at least {{k}} shield pawn{{s}} of {side}",
                definition=f"At least {{k}} {side} pawn{{s}} are among the two or three squares directly ahead of the "
                f"{side} king, its own file or a neighbouring one.", parents=(f"at least 1 {side} pawn",),
            ),
            counts(
                f"pressure {side}", "king safety", 3, (1, 2, 3, 4, 5),
                name=f"at least {{k}} attacked square{{s}} at the {side} king",
                definition=f"{other.title()} attacks at least {{k}} of the squares next to the {side} king.",
            ),
            counts(
                f"centre pawns {side}", "centre", 3, (1, 2), name=f"at least {{k}} {side} centre pawn{{s}}",
                definition=f"At least {{k}} {side} pawn{{s}} are on d4, e4, d5 or e5.",
                parents=(f"at least 1 {side} pawn",),
            ),
            counts(
                f"centre control {side}", "centre", 3, (1, 2, 3, 4),
                name=f"{side} attacks at least {{k}} centre square{{s}}",
                definition=f"{side.title()} attacks at least {{k}} of the squares d4, e4, d5 and e5.",
            ),
            counts(
                f"developed {side}", "development", 3, (1, 2, 3, 4),
                name=f"at least {{k}} {side} minor piece{{s}} developed",
                definition=f"At least {{k}} of the squares {', '.join(HOMES[side])} no longer hold the {side} knights "
                "and bishops of the start position (another piece of that kind would count as not developed).",
            ),
        ]  # fmt: skip
    blocks.append(
        flags("opposition", "king safety", 3, [("kings in opposition", "The kings are on one rank or file with exactly "
              "one square between them.", ())])
    )  # fmt: skip
    return blocks


def structure_blocks() -> tuple[Block, ...]:
    """Material, pawns, files, kinds of pieces, kings and centre."""
    return (*_material_blocks(), *_pawn_blocks(), *_file_blocks(), *_piece_blocks(), *_king_blocks())
