"""UCI tokens: the numbering, the tables and the texts, against python-chess."""

import chess
import numpy as np
import pytest
from fiducial.games.chess_tokens import UciTokens
from fiducial.games.transcripts import Tokenizer
from hypothesis import given
from hypothesis import strategies as st

TOKENS = UciTokens()


def moves_by_python_chess() -> set[str]:
    """Moves of a queen or a knight on an empty board, and promotions of a pawn with or without a capture."""
    moves: set[str] = set()
    for origin in chess.SQUARES:
        for kind in (chess.QUEEN, chess.KNIGHT):
            board = chess.Board(None)
            board.set_piece_at(origin, chess.Piece(kind, chess.WHITE))
            moves.update(move.uci() for move in board.pseudo_legal_moves)
        for colour, rank in ((chess.WHITE, 6), (chess.BLACK, 1)):
            if chess.square_rank(origin) == rank:
                board = chess.Board(None)
                board.turn = colour
                board.set_piece_at(origin, chess.Piece(chess.PAWN, colour))
                free = {move.uci() for move in board.pseudo_legal_moves}
                for square in board.attacks(origin):
                    board.set_piece_at(square, chess.Piece(chess.ROOK, not colour))
                moves |= free | {move.uci() for move in board.pseudo_legal_moves}
    return moves


def random_game(seed: int, plies: int) -> list[str]:
    generator = np.random.default_rng(seed)
    board = chess.Board()
    game: list[str] = []
    while len(game) < plies and (legal := list(board.legal_moves)):
        game.append(legal[generator.integers(len(legal))].uci())
        board.push_uci(game[-1])
    return game


def test_vocabulary_is_that_of_python_chess_in_order():
    assert TOKENS.d_vocab == TOKENS.n == 1970
    assert TOKENS.vocabulary[:4] == ("<pad>", "<start>", "a1b1", "a1c1")
    assert TOKENS.vocabulary[-1] == "h8g8"
    assert set(TOKENS.vocabulary[2:]) == moves_by_python_chess()
    parsed = [chess.Move.from_uci(text) for text in TOKENS.vocabulary[2:]]
    keys = [(m.from_square, m.to_square, m.promotion or 0) for m in parsed]
    assert keys == sorted(keys)
    assert TOKENS.moves[2:].tolist() == [list(key) for key in keys]
    assert sum(len(text) == 5 for text in TOKENS.vocabulary[2:]) == 176


def test_numbering_is_frozen():
    # Shipped models speak these ids: a change of the order must be seen.
    known = {"a1b1": 2, "e2e4": 380, "e1g1": 104, "a7a8": 1491, "a7a8q": 1495, "h8g8": 1969}
    assert {text: TOKENS.encode([text])[1] for text in known} == known


def test_tables_are_inverse_and_keep_shape():
    ids = np.arange(1970).reshape(10, 197)
    origin, target, promotion = TOKENS.move_of_id(ids)
    assert origin.shape == ids.shape
    assert (origin[0, :2] == -1).all()
    assert (promotion[0, :2] == 0).all()
    back = TOKENS.id_of_move(origin.astype(np.int8), target.astype(np.int8), promotion.astype(np.int8))
    assert back[0, :2].tolist() == [0, 0]
    assert np.array_equal(back.ravel()[2:], ids.ravel()[2:])


def test_no_move_is_padding_whatever_its_target():
    assert TOKENS.id_of_move(np.array([-1, 0]), np.array([99, 1]), np.array([0, 0])).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("origin", "target", "promotion"),
    [(0, 0, 0), (0, 11, 0), (8, 16, 5), (48, 56, 1), (48, 56, 6), (64, 0, 0), (0, -1, 0), (0, 64, 0), (52, 62, 5)],
)
def test_what_is_no_move_is_refused(origin, target, promotion):
    with pytest.raises(ValueError, match=r"no move of any piece"):
        TOKENS.id_of_move(np.array([12, origin]), np.array([28, target]), np.array([0, promotion]))


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(0, 3))
def test_games_round_trip(seed, plies, padding):
    game = random_game(seed, plies)
    ids = TOKENS.encode(game)
    assert len(ids) == len(game) + 1
    assert ids[0] == 1
    assert TOKENS.decode(ids + [0] * padding) == game
    assert TOKENS.decode(ids[1:]) == game
    assert TOKENS.positions(ids + [0] * padding) == list(range(len(game) + 1))
    assert TOKENS.positions(ids[1:]) == list(range(1, len(game) + 1))
    assert TOKENS.encode(" ".join(game)) == ids


def test_meets_the_tokenizer_contract():
    assert isinstance(TOKENS, Tokenizer)
    assert TOKENS.encode([]) == [1]
    assert TOKENS.encode("") == [1]
    assert TOKENS.decode([]) == []
    assert TOKENS.positions([]) == []
    assert TOKENS.positions([1, *TOKENS.encode("e2e4 e7e5")[1:]]) == [0, 1, 2]
    assert TOKENS.encode(["E2E4", "A7A8Q"]) == TOKENS.encode(["e2e4", "a7a8q"])


@pytest.mark.parametrize("text", ["e2", "e4", "0000", "e2e2", "e2e4q", "a7a8k", "O-O", "<pad>", "<start>", "a1b4"])
def test_texts_that_are_no_move_are_refused(text):
    with pytest.raises(ValueError, match=r"ply 1: .* is no UCI move"):
        TOKENS.encode(["e2e4", text])


@pytest.mark.parametrize(
    ("ids", "why"),
    [([1, 5, 0, 6], "padding before a move"), ([1, 5, 1], "start token"), ([1, 1970], "ids run"), ([1, -1], "ids run")],
)
def test_broken_ids_are_refused(ids, why):
    for read in (TOKENS.decode, TOKENS.positions):
        with pytest.raises(ValueError, match=why):
            read(ids)


def test_other_errors():
    with pytest.raises(ValueError, match="pad with 0 and start with 1"):
        UciTokens(pad_id=3)
    with pytest.raises(ValueError, match="must be integers, got float64"):
        TOKENS.move_of_id(np.array([1.0]))
    with pytest.raises(ValueError, match=r"token id 1970 at \[0, 1\]"):
        TOKENS.move_of_id(np.array([[0, 1970]]))


def test_a_table_with_swapped_squares_is_detected():
    # e2e4 read as e4e2 is also in the vocabulary, so only the text can tell.
    origin, target, promotion = TOKENS.move_of_id(np.array(TOKENS.encode(["e2e4", "g8f6"])[1:]))
    swapped = TOKENS.id_of_move(target, origin, promotion)
    assert [TOKENS.vocabulary[i] for i in swapped] == ["e4e2", "f6g8"]
