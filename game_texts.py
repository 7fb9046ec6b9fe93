"""What the pages of the games say in words; everything that is counted stands in game_page.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """A game in words.

    Attributes:
        title: of its page.
        what: the world, in a paragraph.
        tokens: how moves become tokens.
        mind: what to mind, a line each.
        testbeds: names of what ships around it.
        plies: positions of the first game that are drawn.
        groups: a word on the groups.
        games: what a transcript is called.
        moves: what one step of it is called.
    """

    title: str
    what: str
    tokens: str
    mind: tuple[str, ...]
    testbeds: tuple[str, ...] = ()
    plies: tuple[int, ...] = ()
    groups: str = ""
    games: str = "games"
    moves: str = "moves"


_RUNGS = (
    "A rung says how abstract a group is: 0 the token itself, 1 a square or word, 2 a relation, 3 tactics or plans. "
    "Low rungs can be read off the token, so an SAE earns nothing by them; look at how far up it gets."
)
_OTHELLO_MIND = (
    "Mine and yours are seen from the player to move next, which after a forced pass is not the parity of the move.",
    "An empty square tells nothing but which moves were made; score `mine` and `yours` apart from it.",
    "Games are random legal play, so strategy is absent from the data; what the model needs are the rules.",
    "What holds nearly always or nearly never has a high always-on floor or few positives: read the floors.",
)
_CHESS_MIND = (
    "Most pieces stand where they began. Scores count a piece on its first square apart, or they would measure that.",
    "Many features are rare in random games; those with too few positives are called rare and stay out of averages.",
    "Random and engine games are told apart by their style, and an SAE may find that before it finds a piece.",
)

ABOUT: dict[str, About] = {
    "othello": About(
        title="Othello, 8 x 8",
        what="Discs on a board, turned over by being enclosed. A model sees only the squares that were played; the "
        "board, which it needs for the rules, is what is looked for inside. A position is the board after a move.",
        tokens="One token a move, the square's name, as in OthelloGPT; the four middle squares are never played.",
        mind=_OTHELLO_MIND,
        testbeds=("othello-small",),
        plies=(4, 20, 44),
        groups=_RUNGS,
    ),
    "othello-6x6": About(
        title="Othello, 6 x 6",
        what="The same rules on a smaller board, which a small model learns better: the testbed that everything "
        "defaults to.",
        tokens="One token a move, the square's name; the four middle squares are never played.",
        mind=_OTHELLO_MIND,
        testbeds=("othello-6x6",),
        plies=(4, 12, 24),
        groups=_RUNGS,
    ),
    "chess": About(
        title="Chess, a token a move",
        what="Legal chess, random and by an engine, from the usual start. Legality needs the whole board: pins, "
        "checks, castling rights, en passant. python-chess is the judge of all of it.",
        tokens="One token a move, from square to square, with a letter for promotions.",
        mind=_CHESS_MIND,
        testbeds=("chess-small",),
        plies=(10, 40),
        groups=_RUNGS + " [Chess features](../chess-features.md) tells them all.",
    ),
    "chess-characters": About(
        title="Chess, in characters",
        what="The same world written as the published models read it: PGN movetext, a character a token.",
        tokens="One token a character. A position is scored where a move ends; between, half of a move is written.",
        mind=(
            *_CHESS_MIND,
            "Two features of one position may be said at different characters; compare only scores of one convention.",
            "Pairs of positions that differ in one variable are made for moves only: take `chess` for them.",
        ),
        testbeds=("chess-pgn-small",),
        plies=(10, 40),
        groups=_RUNGS,
    ),
    "ioi-tiny": About(
        title="Indirect objects (IOI)",
        what="Sentences with two names, one of them said twice; the right last word is the other one. Names, order and "
        "answer are known for every prompt, and each can be changed while the others stay.",
        tokens="One token a word of a small closed vocabulary. `ioi` is the same with the published words.",
        mind=(
            "A prompt has one scored position for each that is asked for, so prompts, not tokens, are counted.",
            "A name has its own feature for each role: the same name as IO and as S are two features.",
            "Few names make each common: floors are high where a vocabulary is small.",
            "The answer's position can often be read from attention alone; what a site carries is tested before use.",
        ),
        testbeds=("ioi-tiny", "ioi-tiny-1", "ioi-tiny-3"),
        plies=(18,),
        groups=_RUNGS,
        games="prompts",
        moves="words",
    ),
}
