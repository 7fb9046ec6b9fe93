"""Chess labels of squares against plain Python on python-chess boards: games, constructed and random positions."""

from functools import cache

import chess
import numpy as np
import pytest
from fiducial.games import chess_features, chess_labels, chess_planes, chess_view
from fiducial.games.blocks import feature_set
from fiducial.games.chess_board import Boards
from fiducial.games.chess_play import moves_of, play_random, replay
from hypothesis import given, settings
from hypothesis import strategies as st

from . import plain_chess as plain

SQUARE_BLOCKS = (*chess_features.planes(), *chess_features.square_flags())
LAYOUT = chess_labels.Layout(SQUARE_BLOCKS)
FEATURES = feature_set(SQUARE_BLOCKS)
INDEX = {name: i for i, name in enumerate(FEATURES.names)}


def differing(packed, board, last_move=None):
    """Names on which one packed row and the reference disagree."""
    expected = np.zeros(len(FEATURES), np.bool_)
    expected[[INDEX[name] for name in plain.features(board, last_move)]] = True
    row = np.unpackbits(packed[: (len(FEATURES) + 7) // 8], count=len(FEATURES), bitorder="little").view(np.bool_)
    return [FEATURES.names[i] for i in np.flatnonzero(row != expected)]


def disagreements(record, limit=10):
    """(game, ply, feature) where labels of a record and reference differ; and the number of positions tried."""
    labels = chess_labels.label_record(record, LAYOUT)
    found, tried = [], 0
    for game in range(labels.shape[0]):
        board = chess.Board()
        for ply, uci in enumerate([None, *record.uci(game)]):
            if uci is not None:
                board.push_uci(uci)
            found += [(game, ply, name) for name in differing(labels[game, ply], board)]
            tried += 1
        assert not labels[game, len(board.move_stack) + 1 :].any()
        if len(found) >= limit:
            break
    return found, tried


def wrong_boards(boards, limit=10):
    """(board, feature) where labels of positions without history and reference differ."""
    labels = chess_labels.label_boards(Boards.of(boards), LAYOUT)
    found = []
    for row, board in zip(labels, boards, strict=True):
        found += [(board.fen(), name) for name in differing(row, board)]
        if len(found) >= limit:
            break
    return found


@cache
def random_boards(n, seed):
    """Legal positions that no game need reach: pieces thrown on the board, few or many, with rights and en passant."""
    generator = np.random.default_rng(seed)
    boards = []
    while len(boards) < n:
        squares = [int(s) for s in generator.permutation(64)]
        board = chess.Board.empty()
        board.turn = bool(generator.integers(2))
        for white in (True, False):
            board.set_piece_at(squares.pop(), chess.Piece(chess.KING, white))
        if generator.random() < 0.3:  # kings and rooks at home, so that castling is in question
            home = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
            home.turn = board.turn
            board = home
            squares = [s for s in squares if not board.piece_at(s) and 0 < s // 8 < 7]
        for white in (True, False):  # a line-up of king, piece and enemy slider is rare without help
            line = [s for s in king_line(board, white, generator) if not board.piece_at(s)]
            if len(line) > 1 and generator.random() < 0.6:
                near, far = sorted(int(i) for i in generator.choice(len(line), 2, replace=False))
                board.set_piece_at(line[near], chess.Piece(int(generator.integers(2, 6)), white))
                board.set_piece_at(line[far], chess.Piece(int(generator.integers(3, 6)), not white))
                squares = [s for s in squares if s not in line]
        if generator.random() < 0.4:
            squares = add_passant(board, squares, generator)
        for square in squares[: int(generator.integers(1, 30))]:
            kind = int(generator.choice([1, 1, 1, 2, 3, 4, 5]))
            if kind == chess.PAWN and square // 8 in (0, 7):
                continue
            board.set_piece_at(square, chess.Piece(kind, bool(generator.integers(2))))
        # Checks that no last move can explain are as good as others here.
        if (
            board.status()
            & ~(chess.STATUS_TOO_MANY_CHECKERS | chess.STATUS_IMPOSSIBLE_CHECK)
            & (chess.STATUS_OPPOSITE_CHECK | chess.STATUS_BAD_CASTLING_RIGHTS | chess.STATUS_INVALID_EP_SQUARE)
        ):
            continue
        boards.append(board)
    return boards


def king_line(board, white, generator):
    """Squares from a king to the edge, in one direction."""
    king = board.king(white)
    rank, file = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))[int(generator.integers(8))]
    ahead = [(king // 8 + k * rank, king % 8 + k * file) for k in range(1, 8)]
    return [8 * r + f for r, f in ahead if 0 <= r < 8 and 0 <= f < 8]


def add_passant(board, squares, generator):
    """Put a pawn that has just moved two squares beside one of the side to move; the squares that stay free."""
    file = int(generator.integers(8))
    beside = file - 1 if file == 7 or (file > 0 and generator.random() < 0.5) else file + 1
    rank, back = (4, 8) if board.turn else (3, -8)
    passed, ours = 8 * rank + file, 8 * rank + beside
    needed = [passed, ours, passed + back, passed + 2 * back]
    if any(board.piece_at(s) for s in needed):
        return squares
    board.set_piece_at(passed, chess.Piece(chess.PAWN, not board.turn))
    board.set_piece_at(ours, chess.Piece(chess.PAWN, board.turn))
    board.ep_square = passed + back
    return [s for s in squares if s not in needed]


def random_record(n, plies, seed):
    return play_random(n, plies, np.random.default_rng(seed))


def test_games_against_plain_python():
    found, tried = disagreements(random_record(24, 96, 0))
    assert found == []
    assert tried > 2000


def test_random_boards_against_plain_python():
    assert wrong_boards(random_boards(1000, 1)) == []


@pytest.mark.parametrize("name", plain.CONSTRUCTED)
def test_constructed_positions(name):
    fen, legal, illegal = plain.CONSTRUCTED[name]
    board = chess.Board(fen)
    moves = {move.uci() for move in board.legal_moves}
    assert set(legal.split()) <= moves
    assert not set(illegal.split()) & moves
    # Seen from both sides: colours exchanged and the board mirrored.
    assert wrong_boards([board, board.mirror()]) == []


@pytest.mark.slow
def test_many_games_against_plain_python():
    tried = 0
    for seed, plies in ((2, 40), (3, 120), (4, 300)):
        found, n = disagreements(random_record(14_000 // plies, plies, seed))
        assert found == []
        tried += n
    assert tried > 35_000


@pytest.mark.slow
def test_many_random_boards_against_plain_python():
    boards = random_boards(20_000, 5)
    assert wrong_boards(boards) == []
    holds = FEATURES.unpack(chess_labels.label_boards(Boards.of(boards), LAYOUT)).any(0)
    missing = [f.name for f, seen in zip(FEATURES, holds, strict=True) if f.reachable and not seen]
    assert {name.split()[0] for name in missing} == {"moved"}  # these boards have no last move


def test_what_is_easily_got_wrong_is_among_the_positions_tried():
    """Every kind of thing that the features speak of happens in the positions of the quick tests."""
    labels = chess_labels.label_record(random_record(24, 96, 0), LAYOUT).reshape(-1, LAYOUT.n_bytes)
    boards = random_boards(1000, 1)
    both = np.concatenate([labels, chess_labels.label_boards(Boards.of(boards), LAYOUT)])
    holds = FEATURES.unpack(both).any(0)
    missing = [f.name for f, seen in zip(FEATURES, holds, strict=True) if f.reachable and not seen]
    assert len(missing) < 15, missing  # rare ones, on single squares
    assert sum(board.is_check() for board in boards) > 50
    assert sum(len(board.checkers()) > 1 for board in boards) > 5
    assert sum(any(board.is_castling(m) for m in board.legal_moves) for board in boards) > 20
    assert sum(board.has_legal_en_passant() for board in boards) > 50
    assert sum(board.has_pseudo_legal_en_passant() and not board.has_legal_en_passant() for board in boards) > 3
    assert sum(any(m.promotion for m in board.legal_moves) for board in boards) > 100


def test_unreachable_features_never_hold_and_implied_ones_do():
    record = random_record(100, 120, 6)
    labels = FEATURES.unpack(chess_labels.label_record(record, LAYOUT)[record_states(record)])
    assert not labels[:, FEATURES.where(reachable=False)].any()
    for i, feature in enumerate(FEATURES):
        for parent in feature.parents:
            if parent in INDEX:
                assert not (labels[:, i] & ~labels[:, INDEX[parent]]).any(), (feature.name, parent)
    for name, values in FEATURES.variables.items():
        assert (labels[:, list(values)].sum(1) <= 1).all(), name


def record_states(record):
    """Bool [games, plies + 1]: the state belongs to the game."""
    return np.arange(len(record.boards)) <= record.lengths[:, None]


def test_labels_of_chosen_plies():
    record = random_record(5, 20, 7)
    whole = chess_labels.label_record(record, LAYOUT)
    assert whole.shape == (5, 21, LAYOUT.n_bytes)
    assert np.array_equal(chess_labels.label_record(record, LAYOUT, np.arange(21)), whole)
    assert np.array_equal(chess_labels.label_record(record, LAYOUT, np.arange(10)), whole[:, :10])
    # As for tokens that are moves, with nothing asked for at some of them and padding at the end.
    plies = np.append(np.arange(21), [-1, -1])[None].repeat(5, axis=0)
    plies[:, [0, 7]] = -1
    chosen = chess_labels.label_record(record, LAYOUT, plies)
    assert not chosen[plies < 0].any()
    kept = np.delete(np.arange(21), [0, 7])
    assert np.array_equal(chosen[:, kept], whole[:, kept])
    # As for texts, where each game has its own ply at every character, and none after the end.
    plies = np.random.default_rng(0).integers(-1, 21, (5, 50))
    chosen = chess_labels.label_record(record, LAYOUT, plies)
    assert not chosen[plies < 0].any()
    rows = np.arange(5)[:, None]
    assert np.array_equal(chosen[plies >= 0], whole[rows, plies][plies >= 0])


def test_plies_are_checked():
    record = random_record(3, 4, 0)
    with pytest.raises(ValueError, match=r"\[3 games, positions\], got \[2, 4\]"):
        chess_labels.label_record(record, LAYOUT, np.zeros((2, 4), np.int64))
    with pytest.raises(ValueError, match="from -1 to 4, the most moves of these games, got 0 to 5"):
        chess_labels.label_record(record, LAYOUT, np.arange(6))


def test_nothing_is_known_after_the_end_of_a_game():
    record = replay(*moves_of([["f2f3", "e7e5", "g2g4", "d8h4"], ["e2e4", "e7e5", "g1f3", "b8c6", "f1b5"]]))
    labels = chess_labels.label_record(record, LAYOUT)
    assert labels[0, 4].any()
    assert not labels[0, 5].any()
    assert labels[1, 5].any()
    assert not FEATURES.unpack(labels[0, 4])[FEATURES.where(group="legal moves")].any()  # checkmate


@given(st.integers(1, 12), st.integers(1, 25), st.integers(1, 200), st.integers(0, 2**32))
@settings(max_examples=15)
def test_labels_do_not_depend_on_how_games_are_grouped(games, plies, chunk, seed):
    record = random_record(games, plies, seed)
    whole = chess_labels.label_record(record, LAYOUT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chess_labels, "CHUNK", chunk)
        assert np.array_equal(chess_labels.label_record(record, LAYOUT), whole)


RAYS, PAWNS = chess_view.rays_up, chess_view.pawn_attacks
MUTATIONS = {
    "rays go through pieces": (chess_view, "rays_up", lambda b, empty: RAYS(b, ~np.uint64(0) | empty)),
    "pawns of the other colour": (
        chess_view, "pawn_attacks", lambda b, white: PAWNS(b, not white),
    ),
    "kings attack nothing": (chess_view, "king_attacks", np.zeros_like),
    "boards are never turned": (chess_view, "flip", lambda b, where: b),
    "en passant one file off": (chess_planes, "_PASSANT_SHIFTS", chess_planes._PASSANT_SHIFTS + np.uint64(1)),
    "colours exchanged": (chess_planes, "COLOURS", (("white", False), ("black", True))),
    "last move from the other end": (chess_view.View, "origin_bit", property(lambda self: self.target_bit)),
    "pinned by own pieces": (chess_view.View, "pinned", lambda self, white: self._pinned(not white)),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_labels_are_noticed(monkeypatch, name):
    module, attribute, broken = MUTATIONS[name]
    record = random_record(6, 60, 8)
    boards = random_boards(100, 9)
    monkeypatch.setattr(module, attribute, broken)
    assert disagreements(record, limit=1)[0] or wrong_boards(boards, limit=1)
