"""Chess boards as text and SVG."""

import math
import xml.etree.ElementTree as ElementTree

import chess
import pytest
from fiducial.games import Chess, chess_render
from fiducial.games.chess_render import as_svg, as_text
from hypothesis import given
from hypothesis import strategies as st

SVG = "{http://www.w3.org/2000/svg}"


def played(text):
    board = chess.Board()
    for move in text.split():
        board.push_uci(move)
    return board


def in_words(svg):
    """What the sheets over the squares say: square name -> (content, number)."""
    titles = [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    return {t[:2]: tuple(t[4:].split(", ")) for t in titles if t[2:4] == ": "}


def test_start_and_a_move_as_text():
    assert as_text(chess.Board()) == "\n".join(
        [
            "   a b c d e f g h",
            " 8 r n b q k b n r",
            " 7 p p p p p p p p",
            " 6 . . . . . . . .",
            " 5 . . . . . . . .",
            " 4 . . . . . . . .",
            " 3 . . . . . . . .",
            " 2 P P P P P P P P",
            " 1 R N B Q K B N R",
            "Start: White to move",
            "Castling KQkq, en passant -, 0 plies since a capture or pawn move",
        ]
    )
    assert as_text(played("e2e4 a7a5 e4e5 d7d5")) == "\n".join(
        [
            "   a b c d e f g h",
            " 8 r n b q k b n r",
            " 7 . p p - p p p p",
            " 6 . . . . . . . .",
            " 5 p . .(p)P . . .",
            " 4 . . . . . . . .",
            " 3 . . . . . . . .",
            " 2 P P P P . P P P",
            " 1 R N B Q K B N R",
            "After 4 moves, the last d7d5 by Black: White to move",
            "Castling KQkq, en passant d6, 0 plies since a capture or pawn move",
        ]
    )


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ("h2h4", "After 1 move, the last h2h4 by White: Black to move\n"),
        ("f2f3 e7e5 g2g4 d8h4", "the last d8h4 by Black: checkmate, Black wins\n"),
        ("e2e4 f7f6 d1h5", "by White: Black to move, in check\n"),
        ("g1f3 g8f6 h1g1", "Castling Qkq, en passant -, 3 plies since"),
        ("g1f3", "1 ply since"),
        ("h2h4", " 4 . . . . . . .(P)\n"),
    ],
)
def test_text_says_what_is_known(moves, said):
    assert said in as_text(played(moves)) + "\n"


def test_stalemate_and_positions_without_history():
    board = chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1")
    assert "stalemate" in as_text(board)
    copy = played("e2e4 e7e5").copy(stack=False)
    assert "After 2 moves: White to move" in as_text(copy)
    assert "(" not in as_text(copy)
    said = as_text(copy, chess.Move.from_uci("e7e5"), ply=40)
    assert "After 40 moves, the last e7e5 by Black: White to move" in said
    assert "(p)" in said


@given(st.lists(st.integers(0, 10_000), max_size=60))
def test_letters_and_figures_are_those_of_the_board(choices):
    board = chess.Board()
    for choice in choices:
        moves = list(board.legal_moves)
        if not moves:
            break
        board.push(moves[choice % len(moves)])
    plain = str(board).replace("\n", "").replace(" ", "")
    ranks = "".join(as_text(board).splitlines()[1:9])
    shown = "".join(c for c in ranks if not c.isdigit() and c not in " ()")
    assert shown.replace("-", ".") == plain
    assert shown.count("-") == ranks.count("(") == min(len(board.move_stack), 1)
    figures = "".join(as_text(board, unicode=True).splitlines()[1:9])
    for symbol in "KQRBNPkqrbnp":
        assert figures.count(chess.Piece.from_symbol(symbol).unicode_symbol()) == plain.count(symbol)


def test_svg_marks_the_last_move_and_check():
    board = played("f2f3 e7e5 g2g4 d8h4")
    root = ElementTree.fromstring(as_svg(board))
    assert root.attrib["role"] == "img"
    assert root.find(f"{SVG}title").text == root.attrib["aria-label"] == chess_render.status(board)
    classes = [r.attrib.get("class", "").split() for r in root.iter(f"{SVG}rect")]
    assert {c[-1] for c in classes if "lastmove" in c} == {"d8", "h4"}
    assert ["check"] in classes
    assert len(list(root.iter(f"{SVG}use"))) == 32
    assert not in_words(as_svg(board))


def test_scores_shade_squares_in_proportion():
    scores = {square: square / 63 for square in chess.SQUARES}
    svg = as_svg(played("e2e4"), scores=scores, legend="held-out F1")
    rects = list(ElementTree.fromstring(svg).iter(f"{SVG}rect"))
    # chess.svg draws the fill of a square right after the square itself.
    at = [i for i, r in enumerate(rects) if r.attrib.get("class", "").startswith("square")]
    strength = [float(rects[i + 1].attrib.get("opacity", 1)) for i in at]
    assert strength == pytest.approx([0.85 * v for v in scores.values()], abs=0.003)
    words = in_words(svg)
    assert len(words) == 64
    assert words["e4"] == ("white pawn", f"{28 / 63:.3f}")
    assert words["e2"] == ("empty", f"{12 / 63:.3f}")
    assert "held-out F1" in svg
    assert "lastmove" not in svg
    assert svg.count(chess_render._MARK) == 2


def test_squares_without_a_score_are_crossed():
    words = in_words(as_svg(chess.Board(), scores={0: 0.5, 1: math.nan}))
    assert words["a1"] == ("white rook", "0.500")
    assert words["b1"] == ("white knight", "no value")
    assert sum(number == "no value" for _, number in words.values()) == 63


def test_titles_and_legends_are_escaped():
    nasty = "<script>\"&'"
    root = ElementTree.fromstring(as_svg(chess.Board(), scores={}, title=nasty, legend=nasty))
    assert root.find(f"{SVG}title").text == root.attrib["aria-label"] == nasty
    assert nasty in [t.text for t in root.iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({64: 0.1}, r"from 0 \(a1\) to 63 \(h8\), got square 64"),
        ({-1: 0.1}, r"got square -1"),
        ({28: 1.5}, r"the score of e4 must lie in \[0, 1\], got 1.5"),
        ({0: -0.1}, r"the score of a1 must lie in \[0, 1\], got -0.1"),
        ({0: math.inf}, r"got inf"),
    ],
)
def test_bad_scores(scores, message):
    with pytest.raises(ValueError, match=message):
        as_svg(chess.Board(), scores=scores)


def test_a_board_drawn_upside_down_is_noticed(monkeypatch):
    """Mutation: the sheets with the words put rank 1 on top."""

    def sheets_lie_on_their_squares():
        root = ElementTree.fromstring(as_svg(chess.Board(), scores={0: 1.0}))
        inner = root.find(f"{SVG}g")
        drawn = next(r for r in inner.iter(f"{SVG}rect") if r.attrib.get("class", "").endswith(" a1"))
        sheet = next(r for r in root.iter(f"{SVG}rect") if r.findtext(f"{SVG}title", "").startswith("a1"))
        shift = [int(n) for n in inner.attrib["transform"][len("translate(") : -1].split(",")]
        return [int(drawn.attrib[k]) + by for k, by in zip("xy", shift, strict=True)] == [
            int(sheet.attrib[k]) for k in "xy"
        ]

    assert sheets_lie_on_their_squares()
    right = chess_render._corner
    monkeypatch.setattr(chess_render, "_corner", lambda square: right(square ^ 56))
    assert not sheets_lie_on_their_squares()


@pytest.mark.parametrize(
    "moves",
    [
        ["e2e4", "e7e5", "e1e3"],
        ["e2e4", "0000"],
        ["e2e4", "e7e5", "g1f3", "g8f6", "f1c4", "f8c5", "e1h1"],  # king takes own rook: castling elsewhere
        ["e2e4", "e9e5"],
    ],
)
def test_a_game_that_is_drawn_is_checked_as_strictly_as_one_that_is_labelled(moves):
    game = Chess()
    with pytest.raises(ValueError, match=r".") as labelled:
        game.label([moves])
    with pytest.raises(ValueError, match=r".") as drawn:
        game.render(moves, 1)
    assert str(drawn.value) == str(labelled.value)


def test_a_game_from_tokens_is_drawn_as_from_moves():
    game = Chess()
    tokens = game.sample(3, 0).tokens
    for row in tokens.tolist():
        moves = [game.tokenizer.vocabulary[token] for token in row if token > 1]
        assert game.render(row, 20) == game.render(moves, 20) == as_text(played(" ".join(moves[:20])), ply=20)
