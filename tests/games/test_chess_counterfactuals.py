"""Putting another piece on one square: the moves allowed afterwards are those of python-chess on the edited board."""

import chess
import numpy as np
import pytest
from fiducial.games import chess_counterfactuals
from fiducial.games.chess_board import Boards
from fiducial.games.chess_counterfactuals import content_pairs, contents, replace_content
from fiducial.games.chess_play import play_random, uci_of


def draw(n, plies=64, seed=0):
    return content_pairs(n, plies, np.random.default_rng(seed))


def position(moves, ply):
    """python-chess after the first plies of an int8 [3, plies] game."""
    board = chess.Board()
    for origin, target, promotion in moves.T[:ply].tolist():
        board.push_uci(uci_of(origin, target, promotion))
    return board


def listed(moves, row):
    part = moves[moves.board == row]
    return {uci_of(*m) for m in zip(part.origin.tolist(), part.target.tolist(), part.promotion.tolist(), strict=True)}


def uci(board):
    return {move.uci() for move in board.legal_moves}


def edited(board, square, piece):
    """The plain edit: set the piece, then drop the rights that the board no longer supports."""
    board = board.copy(stack=False)
    board.set_piece_at(square, piece)
    board.castling_rights = board.clean_castling_rights()
    if board.status() & chess.STATUS_INVALID_EP_SQUARE:
        board.ep_square = None
    return board


def check(pairs):
    for i in range(len(pairs)):
        ply, square = int(pairs.ply[i]), int(pairs.square[i])
        base, source = (position(game[:, i], ply) for game in (pairs.base, pairs.source))
        piece = chess.Piece(int(pairs.kind[i]), bool(pairs.white[i]))
        name = f"{'white' if piece.color else 'black'} {chess.piece_name(piece.piece_type)}"
        assert pairs.names[i] == f"{name} on {chess.square_name(square)}"
        assert source.piece_at(square) == piece
        assert base.piece_at(square) != piece
        assert base.turn == source.turn
        after = edited(base, square, piece)
        assert after.is_valid(), after.fen()
        assert pairs.before[i : i + 1].to_chess()[0].epd() == base.epd()
        assert pairs.after[i : i + 1].to_chess()[0].epd() == after.epd()
        assert listed(pairs.moves_before, i) == uci(base)
        assert listed(pairs.moves_after, i) == uci(after)
        assert uci(after)
        assert uci(after) != uci(base)


@pytest.mark.parametrize(("plies", "n"), [(64, 250), (12, 60), (300, 30)])
def test_against_python_chess(plies, n):
    pairs = draw(n, plies, seed=1)
    assert len(pairs) == n
    assert pairs.base.shape == pairs.source.shape == (3, n, plies)
    check(pairs)


def test_squares_pieces_and_plies_are_spread():
    pairs = draw(1000)
    assert len(np.unique(pairs.square)) >= 62  # home squares of kings are rare
    assert len(set(pairs.names)) > 250
    assert {name.split(" on ")[0] for name in pairs.names} == {
        f"{colour} {kind}" for colour in ("white", "black") for kind in ("pawn", "knight", "bishop", "rook", "queen")
    }
    assert set(pairs.ply.tolist()) >= set(range(16, 65))
    assert 0.4 < pairs.white.mean() < 0.6
    assert (contents(Boards.start(1))[0][pairs.square] == pairs.kind + 6 * ~pairs.white).mean() < 0.4


def test_a_longer_draw_begins_with_the_shorter_one():
    few, many, other = draw(10, seed=2), draw(700, seed=2), draw(10, seed=3)
    assert few.names == many.names[:10]
    for name in ("base", "source"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:, :10])
    assert np.array_equal(few.moves_after.target, many.moves_after[many.moves_after.board < 10].target)
    assert few.names != other.names


def test_contents_are_those_of_python_chess():
    boards = play_random(40, 80, np.random.default_rng(0)).boards[80]
    assert contents(boards).dtype == np.int8
    for row, board in zip(contents(boards), boards.to_chess(), strict=True):
        for square, code in enumerate(row.tolist()):
            piece = board.piece_at(square)
            assert code == (0 if piece is None else piece.piece_type + 6 * (not piece.color))


def one(fen, square, piece):
    symbol = chess.Piece.from_symbol(piece) if piece else None
    board = chess.Board(fen)
    made = replace_content(
        Boards.of([board]),
        np.array([square]),
        np.array([symbol.piece_type if symbol else 0]),
        np.array([bool(symbol and symbol.color)]),
    ).to_chess()[0]
    expected = edited(board, square, symbol)
    assert made.epd() == expected.epd()
    return made


@pytest.mark.parametrize("square", [chess.A1, chess.H1, chess.A8, chess.H8])
@pytest.mark.parametrize("piece", ["N", "b", None, "r", "R"])
def test_castling_goes_with_its_rook(square, piece):
    fen = "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1"
    same = chess.Board(fen).piece_at(square) == (chess.Piece.from_symbol(piece) if piece else None)
    if same:
        return  # nothing would change, and no pair asks for it
    assert not one(fen, square, piece).castling_rights & chess.BB_SQUARES[square]


@pytest.mark.parametrize(
    ("square", "piece", "kept"),
    [
        (chess.D6, "n", False),  # the square to capture on
        (chess.D5, "n", False),  # the pawn
        (chess.D7, "n", False),  # where it came from
        (chess.C5, "n", True),
        (chess.E5, "N", True),  # the capturing pawn itself: the right stays, nobody can use it
    ],
)
def test_en_passant_needs_its_three_squares(square, piece, kept):
    board = one("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", square, piece)
    assert (board.ep_square == chess.D6) == kept


@pytest.mark.parametrize(("n", "plies"), [(0, 64), (-1, 64), (3, 0)])
def test_refuses_to_draw_nothing(n, plies):
    with pytest.raises(ValueError, match="must be at least 1, got"):
        draw(n, plies)


def test_gives_up_where_no_edit_can_matter(monkeypatch):
    monkeypatch.setattr(chess_counterfactuals, "_ROUNDS", 2)
    with pytest.raises(RuntimeError, match="found no counterfactual pair in 1024 games of at most 1 plies"):
        draw(1, 1)


@pytest.mark.parametrize(
    "broken",
    [
        lambda boards, square, kind, white: replace_content(boards, square, kind, ~white),
        lambda boards, square, kind, white: replace_content(boards, square, np.zeros_like(kind), white),
        lambda boards, square, kind, white: replace_content(boards, square ^ 56, kind, white),
    ],
    ids=["colour", "removes only", "mirrored"],
)
def test_a_wrong_edit_is_noticed(monkeypatch, broken):
    """Mutations: the piece of the other colour, no piece at all, another square."""
    monkeypatch.setattr(chess_counterfactuals, "replace_content", broken)
    with pytest.raises(AssertionError):
        check(draw(20))


def test_an_edit_that_leaves_castling_is_noticed(monkeypatch):
    """Mutation: rights stay although the rook is gone."""

    right = replace_content

    def careless(boards, square, kind, white):
        made = right(boards, square, kind, white)
        return Boards(*made.arrays()[:9], boards.castling, *made.arrays()[10:])

    monkeypatch.setitem(globals(), "replace_content", careless)
    with pytest.raises(AssertionError):
        test_castling_goes_with_its_rook(chess.A1, "N")
