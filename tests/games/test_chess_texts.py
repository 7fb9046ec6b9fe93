"""Texts of many games at a time against python-chess, one game at a time."""

import re

import chess
import numpy as np
import pytest
from fiducial.games import chess_san
from fiducial.games.chess_board import Boards
from fiducial.games.chess_characters import (
    CHARACTERS,
    CharacterTokens,
    continuation_counts,
    game_text,
    parse_text,
    plies_of,
    sans_of,
)
from fiducial.games.chess_play import moves_of, play_random, replay
from fiducial.games.chess_san import marked, written
from fiducial.games.chess_texts import counts, last_character, plies_of_tokens, read, write

TOKENS = CharacterTokens()
MATE = ["f2f3", "e7e5", "g2g4", "d8h4"]
# Positions where the writing is hard: several queens, knights and rooks on one square, promotions with capture,
# check and mate, en passant, both castlings, pinned twins that need no naming.
HARD = [
    "4k3/8/8/2N1N3/8/2N1N3/8/4K3 w - - 0 1",
    "4k3/8/8/2Q1Q3/8/2Q1Q3/8/4K3 w - - 0 1",
    "7k/8/8/R6R/8/8/8/R3K2R w KQ - 0 1",
    "r3k2r/8/8/8/8/8/8/4K3 b kq - 0 1",
    "1n1n3k/P1P1P2P/8/8/8/8/8/4K3 w - - 0 1",
    "4k3/8/8/8/8/8/p1p4p/1N1N2K1 b - - 0 1",
    "k7/8/8/3pP3/8/8/8/K7 w - d6 0 2",
    "4k3/4r3/8/8/8/4N3/8/N3K3 w - - 0 1",
    "6k1/5ppp/8/8/8/8/8/R3K3 w Q - 0 1",
    "5k2/8/8/8/8/8/8/4K2R w K - 0 1",
    "3k4/8/8/8/8/8/8/R3K3 w Q - 0 1",
    "B3k2B/8/8/8/8/8/8/B3K2B w - - 0 1",
    "r1bqkb1r/pppp1Qpp/2n2n2/4p3/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 0 4",
]


def as_texts(rows):
    return [
        "".join(CHARACTERS[i] for i in ids[:n]) for ids, n in zip(rows.ids.tolist(), rows.length.tolist(), strict=True)
    ]


def assert_sans_equal(boards):
    rows = marked(boards, written(boards))
    texts = as_texts(rows)
    moves = rows.moves
    found = [{} for _ in range(len(boards))]
    for text, index, origin, target, promotion in zip(
        texts, moves.board.tolist(), moves.origin, moves.target, moves.promotion, strict=True
    ):
        found[index][chess.Move(int(origin), int(target), int(promotion) or None)] = text
    for board, ours in zip(boards.to_chess(), found, strict=True):
        assert ours == {move: board.san(move) for move in board.legal_moves}, board.fen()


def test_moves_are_written_as_python_chess_writes_them():
    record = play_random(40, 100, np.random.default_rng(0))
    assert_sans_equal(record.boards[::12].ravel())


def test_hard_positions_are_written_as_python_chess_writes_them():
    boards = [chess.Board(fen) for fen in HARD]
    assert_sans_equal(Boards.of(boards + [board.mirror() for board in boards]))


@pytest.mark.slow
def test_many_moves_are_written_as_python_chess_writes_them():
    record = play_random(400, 200, np.random.default_rng(1))
    assert_sans_equal(record.boards[::8].ravel())


@pytest.fixture(scope="module")
def games():
    record = play_random(30, 60, np.random.default_rng(2))
    short = replay(*moves_of([MATE, [], ["e2e4"]]))
    return record, short


def test_written_texts_are_those_of_python_chess(games):
    for record in games:
        texts = [game_text(sans) for sans in sans_of([record.uci(i) for i in range(len(record.lengths))])]
        for n_positions in (256, 100, 7, 1):
            tokens = write(record, n_positions)
            assert np.array_equal(tokens, CharacterTokens(n_positions).encode_texts(texts))
            assert last_character(tokens).tolist() == [min(len(text), n_positions) - 1 for text in texts]
            for row, text in zip(tokens, texts, strict=True):
                assert plies_of_tokens(row)[: len(text)].tolist() == plies_of(text[:n_positions])


def test_texts_cut_anywhere_are_read_as_by_python_chess(games):
    tokens = write(games[0])
    generator = np.random.default_rng(0)
    cut = generator.integers(1, 257, size=len(tokens))
    tokens[np.arange(256) >= cut[:, None]] = TOKENS.pad_id
    record = read(tokens)
    expected = [parse_text(TOKENS.text(row.tolist()))[0] for row in tokens]
    assert [record.uci(i) for i in range(len(tokens))] == expected
    assert record.lengths.tolist() == (tokens == 0).sum(axis=1).tolist()


def test_one_text_cut_at_every_character(games):
    text = TOKENS.text(write(games[0])[0].tolist())
    tokens = TOKENS.encode_texts([text[:cut] for cut in range(1, 257)])
    record = read(tokens)
    moves = games[0].uci(0)
    assert [record.uci(i) for i in range(256)] == [moves[: text[:cut].count(" ")] for cut in range(1, 257)]


def test_short_games_are_read(games):
    tokens = write(games[1])
    record = read(tokens)
    assert [record.uci(i) for i in range(3)] == [MATE, [], ["e2e4"]]
    assert read(tokens[1:2]).lengths.tolist() == [0]


def test_counts_are_those_of_python_chess(games):
    tokens = write(games[0])[:8]
    tokens[1, 100:], tokens[2, 57:], tokens[3, 3:] = (TOKENS.pad_id,) * 3
    found = counts(tokens, read(tokens).boards)
    for row, ours in zip(tokens, found, strict=True):
        text = TOKENS.text(row.tolist())
        assert np.array_equal(ours[: len(text)], continuation_counts(text))
        assert not ours[len(text) :].any()
    assert found.dtype == np.uint8


def test_counts_after_the_end(games):
    found = counts(write(games[1]), games[1].boards)
    plain = [continuation_counts(text) for text in (";1.f3 e5 2.g4 Qh4# ", ";", ";1.e4 ")]
    for ours, expected in zip(found, plain, strict=True):
        assert np.array_equal(ours[: len(expected)], expected)
        assert not ours[len(expected) :].any()
    assert not found[0, 18].any()
    assert found[0, 17, 0] == 1


def test_castling_short_or_long_is_open_until_the_space():
    sans = ["Nc3", "Nc6", "d3", "d6", "Be3", "Be6", "Qd2", "Qd7", "g3", "g6", "Bg2", "Bg7", "Nf3", "Nf6"]
    text = game_text(sans) + "8.O-O"
    tokens = TOKENS.encode_texts([text, text + "-O", text + " ", text + "-O "])
    record = read(tokens)
    assert record.lengths.tolist() == [14, 14, 15, 15]
    assert [record.uci(i)[14:] for i in range(4)] == [[], [], ["e1g1"], ["e1c1"]]
    found = counts(tokens, record.boards)[:, len(text) - 1]
    assert [{CHARACTERS[i]: int(row[i]) for i in np.flatnonzero(row)} for row in found] == [{" ": 1, "-": 1}] * 4


@pytest.mark.parametrize(
    "text",
    [
        "1.e4 e5 ",
        ";1.e4 e9",
        ";1.e4 e5 3.",
        ";1.e4 e5 3.Nf3 ",
        ";1.e4 e5 Nf3 ",
        ";1.e4 e4 2.d4 ",
        ";1.e4  e5 ",
        ";1.e4 e5 2.Ngf3 ",
        ";1.e4 e5 2.Qh5 Ke7 3.Qxe5 ",
        ";1.f3 e5 2.g4 Qh4 ",
        ";1.f3 e5 2.g4 Qh4+ ",
        ";1.f3 e5 2.g4 Qh4# 3",
        ";1.f3 e5 2.g4 Qh4# 3.a3 ",
        ";1.e4 ;e5 ",
        ";;1.e4 e5 ",
    ],
)
def test_what_python_chess_refuses_is_refused_with_the_game(text):
    tokens = np.full((3, 40), 15)
    tokens[1, : len(text)] = [CHARACTERS.index(c) for c in text]
    with pytest.raises(ValueError) as plain:  # noqa: PT011 - whatever it says
        parse_text(TOKENS.text(tokens[1].tolist()))
    with pytest.raises(ValueError, match=re.escape(f"game 1, {plain.value}")):
        read(tokens)


def test_other_errors(games):
    with pytest.raises(ValueError, match="game 0, position 2: token id 32"):
        read(np.array([[15, 6, 32]]))
    with pytest.raises(ValueError, match=r"must be integers \[games, positions\], got float64"):
        read(np.ones((1, 4)))
    with pytest.raises(ValueError, match=r"got int64 \[4\]"):
        read(np.ones(4, np.int64))
    with pytest.raises(ValueError, match="no games were given"):
        read(np.ones((0, 4), np.int64))
    with pytest.raises(ValueError, match=r"need boards \[moves \+ 1, 30\], got \[2, 30\]"):
        counts(write(games[0]), games[0].boards[:2])
    long = games[0].boards
    assert counts(write(games[0], 9), long).shape == (30, 9, 32)


def test_a_writer_without_ranks_is_detected(monkeypatch):
    whole = chess_san._ambiguous

    def only_files(*args):
        names_file, names_rank = whole(*args)
        return names_file | names_rank, np.zeros_like(names_rank)

    monkeypatch.setattr(chess_san, "_ambiguous", only_files)
    with pytest.raises(AssertionError):
        assert_sans_equal(Boards.of([chess.Board(HARD[0])]))
