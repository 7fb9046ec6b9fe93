"""Games in characters: the alphabet, the ply map, cut-off moves and continuations, against python-chess."""

import chess
import numpy as np
import pytest
from fiducial.games import chess_characters as characters
from fiducial.games.chess_characters import (
    CHARACTERS,
    MAX_PLIES,
    CharacterTokens,
    continuation_counts,
    game_text,
    legal_continuations,
    parse_text,
    parse_texts,
    plies_of,
    sans_of,
)
from fiducial.games.transcripts import Tokenizer
from hypothesis import given
from hypothesis import strategies as st

TOKENS = CharacterTokens()


def split(moves):
    return moves.split()


MATE = ";1.f3 e5 2.g4 Qh4# "
STALEMATE = split("e3 a5 Qh5 Ra6 Qxa5 h5 h4 Rah6 Qxc7 f6 Qxd7+ Kf7 Qxb7 Qd3 Qxb8 Qh7 Qxc8 Kg6 Qe6")
# White may castle on either side, promote with and without check, and move one of two knights to d2.
CASTLES = split("Nc3 Nc6 d3 d6 Be3 Be6 Qd2 Qd7 g3 g6 Bg2 Bg7 Nf3 Nf6")


def random_game(seed, plies):
    """UCI and SAN of a random game, SAN by python-chess from the board."""
    generator = np.random.default_rng(seed)
    board = chess.Board()
    ucis, sans = [], []
    while len(ucis) < plies and (legal := list(board.legal_moves)):
        move = legal[generator.integers(len(legal))]
        ucis.append(move.uci())
        sans.append(board.san(move))
        board.push(move)
    return ucis, sans


def after(text, at=-1):
    """Characters that may follow, as a string."""
    return "".join(c for c, legal in zip(CHARACTERS, legal_continuations(text)[at], strict=True) if legal)


def test_alphabet_is_the_published_one():
    assert len(CHARACTERS) == 32 == TOKENS.d_vocab
    assert list(CHARACTERS) == sorted(CHARACTERS)
    assert TOKENS.vocabulary == tuple(CHARACTERS)
    known = {
        " ": 0,
        "#": 1,
        "+": 2,
        "-": 3,
        ".": 4,
        "0": 5,
        "9": 14,
        ";": 15,
        "=": 16,
        "B": 17,
        "R": 22,
        "a": 23,
        "x": 31,
    }
    assert {c: CHARACTERS.index(c) for c in known} == known


def test_published_ply_map():
    assert plies_of(";1.d4 d5 2.c4 ") == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3]
    assert TOKENS.positions(TOKENS.encode(";1.d4 d5 2.c4 ")) == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3]


def test_the_dot_carries_the_board_before_the_move_and_the_space_the_one_after():
    text = game_text(random_game(5, 60)[1])[:256]
    plies = plies_of(text)
    dots = [i for i, c in enumerate(text) if c == "."]
    assert [plies[i] for i in dots] == list(range(0, 2 * len(dots), 2))
    spaces = [i for i, c in enumerate(text) if c == " "]
    assert [plies[i] for i in spaces] == list(range(1, len(spaces) + 1))


def test_meets_the_tokenizer_contract():
    assert isinstance(TOKENS, Tokenizer)
    assert TOKENS.pad_id == TOKENS.start_id == 15
    assert TOKENS.encode(["e4", "e5"]) == TOKENS.encode(";1.e4 e5 ")
    assert TOKENS.decode([]) == []
    assert TOKENS.decode([15]) == TOKENS.decode([15] * 7) == []
    assert TOKENS.positions([15] * 7) == [0]


@given(st.integers(0, 2**32 - 1), st.integers(0, 70))
def test_games_round_trip(seed, plies):
    ucis, sans = random_game(seed, plies)
    assert sans_of([ucis]) == [sans]
    text = game_text(sans)
    assert parse_text(text) == (ucis, "")
    ids = TOKENS.encode(sans)
    assert len(ids) == min(256, len(text))
    complete = TOKENS.decode(ids)
    assert complete == sans[: text[:256].count(" ")]
    [row] = TOKENS.encode_texts([text]).tolist()
    assert row == ids + [15] * (256 - len(ids))
    assert TOKENS.decode(row) == complete
    assert TOKENS.positions(row) == plies_of(text[:256])


def test_a_cut_anywhere_loses_only_the_move_it_is_in():
    ucis, sans = random_game(11, 45)
    text = game_text(sans)
    for cut in range(1, len(text) + 1):
        moves, rest = parse_text(text[:cut])
        assert len(moves) == text[:cut].count(" ")
        assert moves == ucis[: len(moves)]
        assert rest == text[:cut].rsplit(" ", 1)[-1].removeprefix(";")
        assert TOKENS.decode(TOKENS.encode(text[:cut])) == sans[: len(moves)]


def test_every_plies_fill_256_characters():
    # At the least: two letters and a space a move, number and dot before White's.
    shortest = 1 + sum(3 + (len(str(ply // 2 + 1)) + 1) * (ply % 2 == 0) for ply in range(MAX_PLIES))
    assert shortest >= 256


@pytest.mark.parametrize("cut", ["O", "O-", "O-O", "O-O-", "O-O-O"])
def test_castling_cut_off_is_not_the_shorter_castling(cut):
    text = game_text(CASTLES) + "8."
    board = chess.Board()
    for san in CASTLES:
        board.push_san(san)
    assert {"O-O", "O-O-O"} <= {board.san(move) for move in board.legal_moves}
    moves, rest = parse_text(text + cut)
    assert len(moves) == len(CASTLES)
    assert rest == "8." + cut
    assert TOKENS.decode(TOKENS.encode(text + cut)) == CASTLES
    expected = {"O": "-", "O-": "O", "O-O": " -", "O-O-": "O", "O-O-O": " "}
    assert after(text + cut) == expected[cut]


def test_castling_with_its_space_is_read():
    text = game_text(CASTLES) + "8."
    assert parse_text(text + "O-O ")[0][-1] == "e1g1"
    assert parse_text(text + "O-O-O ")[0][-1] == "e1c1"
    assert parse_text(text + "O-O", whole=True)[0][-1] == "e1g1"
    assert parse_text(text + "O-O", whole=True)[1] == ""


# White promotes on c8 with check and on a8 or b8 without; each text ends before move 5 of White.
PROMOTES = split("a4 b5 axb5 a6 bxa6 Nf6 a7 Nd5")


@pytest.mark.parametrize(
    ("cut", "following"), [("a", "x"), ("ax", "b"), ("axb8", "="), ("axb8=", "BNQR"), ("axb8=Q", " ")]
)
def test_promotions_need_piece_and_check_mark(cut, following):
    text = game_text(PROMOTES) + "5."
    moves, rest = parse_text(text + cut)
    assert len(moves) == len(PROMOTES)
    assert rest == "5." + cut
    assert set(following) <= set(after(text + cut))
    if len(cut) > 3:
        assert after(text + cut) == following


def test_promotion_with_check_is_not_the_one_without():
    # axb8=Q does not check while the bishop stands on c8 and the queen on d8; after they left, it does.
    moves = split("a4 b5 axb5 a6 bxa6 Bb7 a7 e6 e3 Qh4 Nc3 Bd6")
    text = game_text(moves) + "7."
    assert after(text + "axb8=Q") == "+"
    assert after(text + "axb8=N") == " "
    assert after(text + "axb8=Q+") == " "
    with pytest.raises(ValueError, match=r"ply 12, character \d+: 'axb8=Q' is written axb8=Q\+ exactly"):
        parse_text(text + "axb8=Q ")


def test_ambiguous_knights():
    moves = ["Nf3", "a6", "d3", "a5"]
    text = game_text(moves) + "3."
    assert {"Nbd2", "Nfd2"} <= set(sans_now(moves))
    assert parse_text(text + "Nb")[1] == "3.Nb"
    assert parse_text(text + "Nbd")[1] == "3.Nbd"
    assert after(text + "Nbd") == "2"
    assert after(text + "Nbd2") == " "
    with pytest.raises(ValueError, match="'Nd2' is illegal"):
        parse_text(text + "Nd2 ")
    with pytest.raises(ValueError, match=r"'3.Nd2' begins no legal move"):
        parse_text(text + "Nd2")
    with pytest.raises(ValueError, match="'Nbc3' is written Nc3 exactly"):
        parse_text(text + "Nbc3 ")


def sans_now(moves):
    board = chess.Board()
    for san in moves:
        board.push_san(san)
    return {board.san(move) for move in board.legal_moves}


def test_check_marks_belong_to_the_move():
    text = game_text(["e4", "e5", "Qh5", "Ke7"]) + "3."
    assert after(text + "Qxe5") == "#"
    assert after(text + "Qxe5#") == " "
    assert parse_text(text + "Qxe5") == (parse_text(text)[0], "3.Qxe5")
    with pytest.raises(ValueError, match=r"'Qxe5' is written Qxe5# exactly"):
        parse_text(text + "Qxe5 ")
    with pytest.raises(ValueError, match=r"'Qg4\+' is written Qg4 exactly"):
        parse_text(text + "Qg4+ ")


def test_text_that_ends_at_a_space_a_number_or_a_dot():
    assert parse_text(";") == ([], "")
    assert parse_text(";1") == ([], "1")
    assert parse_text(";1.") == ([], "1.")
    assert parse_text(";1.e4 ") == (["e2e4"], "")
    assert parse_text(";1.e4") == ([], "1.e4")
    assert parse_text(";1.e4", whole=True) == (["e2e4"], "")
    assert (after(";"), after(";1")) == ("1", ".")
    assert after(";1.") == "Nabcdefgh"
    assert after(";1.e4 e5 ") == "2"
    late = game_text(random_game(2, 18)[1])
    assert after(late) == "1"
    assert after(late + "1") == "0"
    assert after(late + "10") == "."


def test_a_game_that_is_over_has_no_continuation():
    moves, rest = parse_text(MATE)
    assert (len(moves), rest) == (4, "")
    assert not legal_continuations(MATE)[-1].any()
    assert legal_continuations(MATE)[:-1].any(axis=1).all()
    assert TOKENS.decode(TOKENS.encode_texts([MATE])[0].tolist()) == ["f3", "e5", "g4", "Qh4#"]
    with pytest.raises(ValueError, match=r"ply 4, character 19: '3.a3' begins no legal move"):
        parse_text(MATE + "3.a3")
    stalemate = game_text(STALEMATE)
    assert len(stalemate) < 256
    assert not legal_continuations(stalemate)[-1].any()
    assert len(parse_text(stalemate)[0]) == 19


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"character 0: a game begins with ';'"),
        ("1.e4 e5 ", r"character 0: a game begins with ';', as in ';1.e4 e5 ', got '1.e4 e5 '"),
        (";1.e4 e5é", r"character 8: 'é' is none of the 32"),
        (";1.e4\ne5", r"character 5: '\\n' is none of the 32"),
        (";1. e4 e5 ", r"ply 0, character 1: expected 1. and a move, got '1. '"),
        (";1.e4 e5 Nf3 ", r"ply 2, character 9: expected 2. and a move, got 'Nf3 '"),
        (";1.e4 1...e5 ", r"ply 1, character 6: '1...e5' is illegal"),
        (";1.e4  e5 ", r"ply 1, character 6: expected a move, got ' '"),
        (";1.e4 e4 2.d4 ", r"ply 1, character 6: 'e4' is illegal in rnbq"),
        (";1.e4 -- 2.d4 ", r"ply 1, character 6: '--' is no move of chess"),
        (";1.e4 e5 2.0-0 ", r"ply 2, character 11: '0-0' is illegal"),
        (";1.e4 e5 1-0", r"ply 2, character 9: '1-0' begins no legal move"),
        (";1.e4;1.e4 ", r"ply 0, character 3: 'e4;1.e4' is illegal"),
    ],
)
def test_broken_texts_are_refused(text, why):
    with pytest.raises(ValueError, match=why):
        parse_text(text)


def test_the_game_is_named():
    assert parse_texts([";1.e4 ", ";"]) == [(["e2e4"], ""), ([], "")]
    with pytest.raises(ValueError, match="game 1, ply 0, character 3: 'e5' is illegal"):
        parse_texts([";1.e4 ", ";1.e5 "])
    with pytest.raises(ValueError, match="game 1, character 3: 'é'"):
        TOKENS.encode_texts([";1.e4 ", ";1.é5 "])
    with pytest.raises(ValueError, match="game 0, ply 1: 'e2e4' is illegal"):
        sans_of([["e2e4", "e2e4"]])
    with pytest.raises(ValueError, match="game 0, ply 1: '0000' passes the turn"):
        sans_of([["e2e4", "0000"]])


def test_other_errors():
    with pytest.raises(ValueError, match=r"'e2e4' is no move in SAN.*sans_of"):
        TOKENS.encode(["e2e4"])
    with pytest.raises(ValueError, match="ply 1: '1-0' is no move in SAN"):
        game_text(["e4", "1-0"])
    with pytest.raises(ValueError, match="position 1: token id 32"):
        TOKENS.decode([15, 32])
    with pytest.raises(ValueError, match="begins with ';'"):
        TOKENS.decode([6, 4])
    with pytest.raises(ValueError, match="filled up with ';'"):
        CharacterTokens(pad_id=0)
    with pytest.raises(ValueError, match="at least 1 character"):
        CharacterTokens(n_positions=0)


def brute_force(prefix):
    """Next characters, by writing out every legal way to complete the move."""
    ucis, rest = parse_text(prefix)
    board = chess.Board()
    for uci in ucis:
        board.push_uci(uci)
    number = f"{board.fullmove_number}." if board.turn else ""
    return "".join(
        sorted(
            {
                (number + board.san(m) + " ")[len(rest)]
                for m in board.legal_moves
                if (number + board.san(m) + " ").startswith(rest)
            }
        )
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_continuations_are_those_of_every_prefix(seed):
    text = game_text(random_game(seed, 40)[1])[:200]
    legal = legal_continuations(text)
    for cut in range(1, len(text) + 1):
        assert "".join(c for c, yes in zip(CHARACTERS, legal[cut - 1], strict=True) if yes) == brute_force(text[:cut])
    # The text itself is a legal continuation.
    ids = TOKENS.encode(text)
    assert legal[np.arange(len(text) - 1), ids[1:]].all()


def test_counts_are_of_moves():
    counts = continuation_counts(";1.e4 e5 ")
    start = dict(zip(CHARACTERS, counts[2].tolist(), strict=True))
    assert {c: n for c, n in start.items() if n} == {"N": 4} | dict.fromkeys("abcdefgh", 2)
    assert counts[0].sum() == counts[1].sum() == counts[2].sum() == 20
    # 1.e4 leaves White 29 moves after 1...e5.
    assert counts[-1].sum() == 29


def test_a_map_that_is_off_by_one_is_detected(monkeypatch):
    # The published map counts the space itself; one that counts only the spaces before it gives other boards.
    def before(text):
        return [ply - (character == " ") for ply, character in zip(plies_of(text), text, strict=True)]

    monkeypatch.setattr(characters, "plies_of", before)
    with pytest.raises(AssertionError):
        assert TOKENS.positions(TOKENS.encode(";1.d4 d5 ")) == [0, 0, 0, 0, 0, 1, 1, 1, 2]
