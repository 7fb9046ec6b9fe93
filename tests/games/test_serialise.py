"""Positions as text: read back by a reader of the tests' own, and compared with labels and python-chess."""

import re
from types import SimpleNamespace

import chess
import numpy as np
import pytest
from fiducial.games import IOI, Chess, Othello, serialise_othello
from fiducial.games.chess_characters import CharacterTokens
from fiducial.games.serialise import form_of, legend, line, replayed, serialise, styles_of, text_of
from hypothesis import given
from hypothesis import strategies as st

OTHELLO, SMALL, CHESS, LETTERS, PROMPTS = Othello(6), Othello(4), Chess(), Chess(tokens="characters"), IOI()
GAMES = {"othello": OTHELLO, "chess": CHESS, "characters": LETTERS, "ioi": PROMPTS}
SAMPLES = {name: game.sample(12, seed=5) for name, game in GAMES.items()}


def moves_in(text):
    first = next(row for row in text.splitlines() if row.startswith("Moves so far: "))
    return [re.sub(r"[\[\]<>]|\d+\.(?=\D)", "", word) for word in first[len("Moves so far: ") :].split()]


def board_in(text):
    """Square -> symbol, from the letters above and the digits on the left."""
    rows = text.splitlines()
    top = next(i for i, row in enumerate(rows) if re.fullmatch(r"  [a-h]( [a-h])+", row))
    files, found = rows[top].split(), {}
    for row in rows[top + 1 :]:
        if not re.match(r"\d ", row):
            break
        rank, *symbols = row.split()
        found |= {f + rank: s.strip("<>") for f, s in zip(files, symbols, strict=True)}
    return found


def squares_in(text, heading):
    rest = next(row for row in text.splitlines() if row.startswith(heading + ": "))[len(heading) + 2 :]
    return set() if rest == "none" else {square.strip("<>") for square in rest.split(", ")}


def true_of(game, sample, row, position, pattern):
    """The square in every feature that fits a pattern and holds."""
    held = sample.features.unpack(sample.labels[row, position])
    names = (f.name for f, on in zip(game.features, held, strict=True) if on)
    return {m[1] for m in (re.fullmatch(pattern, name) for name in names) if m}


@pytest.mark.parametrize("game", [OTHELLO, SMALL, Othello(6, transpose=True)], ids=["6x6", "4x4", "transposed"])
def test_othello_reads_back_to_the_labels(game):
    sample = game.sample(3, seed=1)
    games, labels, moves = replayed(game, sample.tokens), [], []
    for row, position in zip(*np.nonzero(sample.scored), strict=True):
        text = text_of(games[row], position, form_of(game))
        board = board_in(text)
        states = {s: {sq for sq, found in board.items() if found == s} for s in "XO.*"}
        (last,) = states["*"]
        mine, yours, empty, played, flipped = (
            true_of(game, sample, row, position, pattern)
            for pattern in (
                "mine on (..)",
                "yours on (..)",
                "(..) empty",
                "played (..)",
                "flipped (..)",
            )
        )
        assert squares_in(text, "X, mine") == mine
        assert squares_in(text, "O, theirs") == yours
        assert states["X"] == mine - {last}
        assert states["O"] == yours - {last}
        assert states["."] == empty
        assert played == {last}
        just = re.search(r"Just played: (..) \((.)\), turning over (.*)", text)
        assert just[1] == last
        assert (just[2] == "X") == (last in mine)
        assert set(just[3].split(", ")) == flipped
        colour = re.search(r"(Black|White) \(X\)", text)[1].lower()
        assert true_of(game, sample, row, position, "(black|white) to move") == {colour}
        moves.append(moves_in(text))
        labels.append(sample.labels[row, position])
    again = game.label(moves)
    assert np.array_equal(again.labels[np.arange(len(moves)), [len(m) - 1 for m in moves]], labels)


def test_othello_says_passes_and_ends():
    seen = set()
    sample = SMALL.sample(60, seed=2)
    games, form = replayed(SMALL, sample.tokens), form_of(SMALL, "grid")
    over, passed = SMALL.features.index("game over"), SMALL.features.index("the last move forced a pass")
    for row, position in zip(*np.nonzero(sample.scored), strict=True):
        held = sample.features.unpack(sample.labels[row, position])
        turn = text_of(games[row], position, form).splitlines()[0]
        assert held[over] == turn.startswith("The game is over; it would be the turn of")
        assert held[passed] == turn.endswith("passes")
        seen.add((turn.startswith("The game"), turn.endswith("passes")))
    assert seen == {(False, False), (True, False), (False, True)}


def test_othello_by_hand():
    # f5 by Black turns e5; then White plays d6 and turns d5.
    assert serialise(
        Othello(8), Othello(8).tokenizer.encode("f5d6"), marks=[1], window=[0, 1], squares=["e5", "A1"]
    ) == (
        "Moves so far: [f5] [<<d6>>]\n"
        "Black (X) to move\n"
        "  a b c d e f g h\n"
        "1 <<.>> . . . . . . .\n"
        "2 . . . . . . . .\n"
        "3 . . . . . . . .\n"
        "4 . . . O X . . .\n"
        "5 . . . O <<X>> X . .\n"
        "6 . . . * . . . .\n"
        "7 . . . . . . . .\n"
        "8 . . . . . . . .\n"
        "Just played: d6 (O), turning over d5\n"
        "X, mine: e4, <<e5>>, f5\n"
        "O, theirs: d4, d5, d6"
    )
    tokens = OTHELLO.tokenizer.encode("d5")  # Black, so X is White's
    assert serialise(OTHELLO, tokens, style="list", marks=[0], squares=["a1", "d5"]) == (
        "White (X) to move\nJust played: d5 (O)\nX, mine: c3\nO, theirs: c4, d3, d4, <<d5>>\n"
        "Marked moves: <<d5>>\nMarked squares: <<a1>>"
    )
    fixed = serialise(OTHELLO, tokens, style="list", perspective="fixed")
    assert fixed == "White (O) to move\nJust played: d5 (X)\nX, Black: c4, d3, d4, d5\nO, White: c3"
    assert line(OTHELLO, tokens) == "d5 (O): ....../....../..XO../..OO../...O../......, White (X) to move"
    assert line(OTHELLO, tokens, style="list") == "d5 (O): X c3; O c4 d3 d4 d5, White (X) to move"
    assert line(OTHELLO, tokens, style="moves") == "d5"
    assert serialise(OTHELLO, tokens, style="moves", numbered=True, squares=["c3"]) == (
        "Moves so far: 1.d5\nMarked squares: <<c3>>"
    )


@pytest.mark.parametrize("name", ["chess", "characters"])
def test_chess_reads_back_to_python_chess(name):
    game, sample = GAMES[name], SAMPLES[name]
    for row in range(4):
        for position in np.flatnonzero(sample.scored[row])[::3]:
            tokens = sample.tokens[row, : position + 1]
            text = serialise(game, tokens)
            board = chess.Board()
            for san in moves_in(text):
                if san != "none":
                    board.push_san(san)
            assert board.ply() == sample.ply[row, position]
            shown = {s: p for s, p in board_in(text).items() if p != "."}
            assert shown == {chess.SQUARE_NAMES[s]: p.symbol() for s, p in board.piece_map().items()}
            for colour in chess.COLORS:
                heading = chess.COLOR_NAMES[colour].title() + ": "
                rest = next(r for r in text.splitlines() if r.startswith(heading))[len(heading) :]
                listed = {
                    (kind.removesuffix("s"), square)
                    for kind, squares in (part.split(" ", 1) for part in rest.split("; "))
                    for square in squares.split(", ")
                }
                pieces = {(p, s) for s, p in board.piece_map().items() if p.color == colour}
                assert listed == {(chess.piece_name(p.piece_type), chess.SQUARE_NAMES[s]) for p, s in pieces}
            fields = board.fen().split()
            assert serialise(game, tokens, style="fen").splitlines()[-1] == " ".join(fields[:4])
            state = f"{'White' if board.turn else 'Black'} to move, castling {fields[2]}, en passant {fields[3]}, "
            assert (state + ("in check" if board.is_check() else "not in check") in text) or board.is_game_over()
            assert line(game, tokens).split(": ")[1].startswith(" ".join(fields[:4]))


def test_chess_by_hand():
    tokens = CHESS.tokenizer.encode("e2e4 e7e5 g1f3")
    assert serialise(CHESS, tokens, marks=[3], window=[2, 3], squares=["f3", "e4"], numbered=True) == (
        "Moves so far: 1.e4 [e5] [<<2.Nf3>>]\n"
        "Black to move, castling KQkq, en passant -, not in check\n"
        "  a b c d e f g h\n"
        "8 r n b q k b n r\n"
        "7 p p p p . p p p\n"
        "6 . . . . . . . .\n"
        "5 . . . . p . . .\n"
        "4 . . . . <<P>> . . .\n"
        "3 . . . . . <<N>> . .\n"
        "2 P P P P . P P P\n"
        "1 R N B Q K B . R\n"
        "White: king e1; queen d1; rooks a1, h1; bishops c1, f1; knights b1, <<f3>>; "
        "pawns a2, b2, c2, d2, f2, g2, h2, <<e4>>\n"
        "Black: king e8; queen d8; rooks a8, h8; bishops c8, f8; knights b8, g8; pawns e5, a7, b7, c7, d7, f7, g7, h7"
    )
    seen = serialise(CHESS, tokens, style="grid", perspective="mover").splitlines()
    assert seen[1] == "  h g f e d c b a"
    assert seen[2] == "1 R . B K Q B N R"
    assert seen[-1] == "8 r n b k q b n r"
    same = serialise(CHESS, tokens[:-1], style="grid", perspective="mover")  # White to move
    assert same == serialise(CHESS, tokens[:-1], style="grid")
    assert serialise(CHESS, tokens, style="fen", marks=[1], squares=["a1"]) == (
        "rnbqkbnr/pppp1ppp/8/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R b KQkq -\nMarked moves: <<e4>>\nMarked squares: <<a1>>"
    )
    assert serialise(CHESS, tokens[:1], style="moves") == "Moves so far: none"
    assert line(CHESS, tokens, 0, "moves") == "start"
    assert line(CHESS, tokens, 1, "moves") == "e4"
    mate = CHESS.tokenizer.encode("f2f3 e7e5 g2g4 d8h4")
    assert "White to move, castling KQkq, en passant -, checkmate" in serialise(CHESS, mate)


def test_a_cut_castling_is_no_move():
    text = ";1.d4 d5 2.Nc3 Nc6 3.Bf4 Bf5 4.Qd2 Qd7 5.O-O-O O-O-O "
    tokens = CharacterTokens().encode(text)
    for cut, begun in (("5.", ""), ("5.O", "O"), ("5.O-O", "O-O"), ("5.O-O-O", "O-O-O")):
        shown = serialise(LETTERS, tokens[: text.index("5.") + len(cut)])
        assert moves_in(shown)[-1] == "Qd7"
        assert board_in(shown)["e1"] == "K"
        assert ("being written" in shown) == bool(begun)
        assert f"written, {begun} so far" in shown or not begun
    done = serialise(LETTERS, tokens[: text.index(" O-O-O ") + 1], marks=[text.index(" O-O-O ")])
    assert "Qd7 <<O-O-O>>\nBlack to move, castling kq" in done
    assert board_in(done)["c1"] == "K"
    # the dot of a number carries the board before the move, so a mark there is the move before it
    dot = text.index("5.") + 1
    assert serialise(LETTERS, tokens[: dot + 1], style="moves", marks=[dot]).endswith("<<Qd7>>")
    assert serialise(LETTERS, tokens[:3], style="moves", marks=[2]) == "Moves so far: <<none>>"


def test_prompts_show_words_and_no_roles():
    sample = SAMPLES["ioi"]
    for row in range(len(sample)):
        words = PROMPTS.tokenizer.decode(sample.tokens[row].tolist())
        for position in np.flatnonzero(sample.scored[row]):
            text = serialise(PROMPTS, sample.tokens[row, : position + 1])
            assert re.search(r"\[(\w+)\]$", text)[1] == words[position - 1]
            assert re.sub(r"[\[\]]", "", text).replace(",", " ,").split() == words[:position]
    assert re.fullmatch(
        r"Then<<,>> \w+ \[and\] \[\w+\]", serialise(PROMPTS, sample.tokens[0, :6], marks=[2], window=[4, 5])
    )
    first = serialise(PROMPTS, sample.tokens[0, :5], marks=[3])
    assert re.fullmatch(r"Then, <<\w+>> \[and\]", first)
    assert serialise(PROMPTS, sample.tokens[0, :1]) == "[(start)]"


@given(st.sampled_from(sorted(GAMES)), st.integers(0, 11), st.integers(0, 10_000), st.data())
def test_a_text_knows_nothing_of_what_follows(name, row, place, data):
    game, sample = GAMES[name], SAMPLES[name]
    scored = np.flatnonzero(sample.scored[row])
    position = int(scored[place % len(scored)])
    style = data.draw(st.sampled_from(styles_of(game)))
    numbered = data.draw(st.booleans())
    form = form_of(game, style, numbered=numbered)
    whole = replayed(game, sample.tokens)[row]
    tokens = sample.tokens[row, : position + 1]
    assert text_of(whole, position, form) == serialise(game, tokens, style=style, numbered=numbered)
    assert whole.line(position, form) == line(game, tokens, style=style, numbered=numbered)
    assert "\n" not in whole.line(position, form)
    assert legend(game, form)


def test_marks_add_nothing_but_signs():
    """Marked and unmarked texts are the same, the signs and the line of homeless marks taken out."""
    for name, game in GAMES.items():
        sample = SAMPLES[name]
        position = int(np.flatnonzero(sample.scored[0])[-1])
        tokens = sample.tokens[0, : position + 1]
        squares = replayed(game, sample.tokens)[0].occupied(position)[:3]
        for style in styles_of(game):
            plain = serialise(game, tokens, style=style)
            text = serialise(game, tokens, style=style, marks=[position], squares=squares)
            assert "<<" in text
            kept = [row for row in text.splitlines() if not row.startswith("Marked")]
            assert re.sub("<<|>>", "", "\n".join(kept)) == plain


def test_occupied_squares_are_those_of_the_labels():
    for name in ("othello", "chess"):
        game, sample = GAMES[name], SAMPLES[name]
        position = int(np.flatnonzero(sample.scored[1])[20])
        found = replayed(game, sample.tokens)[1].occupied(position)
        assert set(found) == true_of(game, sample, 1, position, "(..) occupied")
        assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "gird"}, "no style 'gird' of othello-6x6; did you mean 'grid'"),
        ({"style": "fen"}, "there are record, grid, list, moves"),
        ({"perspective": "white"}, r"perspective must be one of \('mover', 'fixed'\), got 'white'"),
        ({"squares": ["g7"]}, "no square 'g7': squares run from a1 to f6"),
        ({"marks": [1]}, "positions from 0 to 0, the last one shown, got 1"),
        ({"window": [-1]}, "got -1"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        serialise(OTHELLO, OTHELLO.tokenizer.encode("d5"), **arguments)


def test_more_refusals():
    with pytest.raises(ValueError, match=r"synthsaebench-64 has no text .* predicates"):
        serialise(SimpleNamespace(name="synthsaebench-64"), [1])
    with pytest.raises(ValueError, match="no square 'a1': there is no board"):
        serialise(PROMPTS, SAMPLES["ioi"].tokens[0, :5], squares=["a1"])
    with pytest.raises(ValueError, match="one game up to a position, got an array"):
        serialise(OTHELLO, [])
    with pytest.raises(ValueError, match="ply 1: 'e2e4' is illegal"):
        serialise(CHESS, CHESS.tokenizer.encode("e2e4 e2e4"))
    with pytest.raises(ValueError, match="position must be from 0 to 1"):
        line(CHESS, CHESS.tokenizer.encode("e2e4"), 2)


def test_a_board_upside_down_is_noticed(monkeypatch):
    """Mutation: ranks are named from the bottom."""
    right = serialise_othello.grid
    monkeypatch.setattr(
        serialise_othello,
        "grid",
        lambda rows, *rest: right([(str(len(rows) - i), row) for i, (_, row) in enumerate(rows)], *rest),
    )
    with pytest.raises(AssertionError):
        test_othello_reads_back_to_the_labels(OTHELLO)
