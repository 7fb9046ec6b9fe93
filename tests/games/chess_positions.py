"""Chess positions to test on: random games, random placements, and constructed ones that rules trip over."""

import chess
import numpy as np
from fiducial.games.chess_play import play_random

# Each shows a rule; the comments name it.
CONSTRUCTED = (
    "8/8/8/K2pP2r/8/8/8/4k3 w - d6 0 1",  # en passant would bare the king along the rank
    "8/8/8/1K1pP2r/8/8/8/4k3 w - d6 0 1",
    "4k3/8/4r3/3pP3/8/8/8/4K3 w - d6 0 1",  # en passant leaves the file of a pin
    "4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1",  # a plain one
    "7k/6b1/8/3pP3/8/8/8/K7 w - d6 0 1",  # the capturer is pinned on a diagonal
    "8/8/8/2k5/3Pp3/8/8/4K3 b - d3 0 1",  # en passant ends a check by the pawn
    "8/8/4k3/8/3Pp3/8/8/4K2B b - d3 0 1",
    "rnb1kbnr/pppp1ppp/8/4p3/5PPq/8/PPPPP2P/RNBQKBNR w KQkq - 1 3",  # mate
    "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",  # stalemate
    "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1",  # castling both ways
    "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1",
    "r3k2r/8/8/8/5r2/8/8/R3K2R w KQkq - 0 1",  # f1 attacked
    "r3k2r/8/8/8/3r4/8/8/R3K2R w KQkq - 0 1",  # d1 attacked
    "r3k2r/8/8/8/1r6/8/8/R3K2R w KQkq - 0 1",  # b1 attacked: queenside castling is allowed
    "r3k2r/8/8/8/4r3/8/8/R3K2R w KQkq - 0 1",  # in check: no castling
    "r3k2r/8/8/8/8/8/8/RN2K1NR w KQkq - 0 1",  # blocked
    "4k3/P6P/8/8/8/8/p6p/4K3 w - - 0 1",  # promotions
    "1n2k1n1/P6P/8/8/8/8/p6p/1N2K1N1 b - - 0 1",  # promotions by capture
    "r1n1k3/1P6/8/8/8/8/6p1/4KB1R b K - 0 1",
    "4k3/8/8/8/8/5n2/4r3/4K3 w - - 0 1",  # double check
    "4k3/8/8/b7/8/2n5/8/4K3 w - - 0 1",  # the checking knight stands between
    "4r1k1/8/8/8/4B3/8/8/4K3 w - - 0 1",  # a pinned bishop cannot move
    "k3r3/8/8/8/4R3/8/8/4K3 w - - 0 1",  # a pinned rook moves along the pin
    "k3r3/8/8/8/4N3/8/8/4K3 w - - 0 1",  # a pinned knight cannot
    "k7/8/8/8/7b/6P1/5K2/8 w - - 0 1",  # a pinned pawn takes its pinner
    "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1",  # 218 legal moves, the most known
    "7k/8/8/8/8/8/8/K7 w - - 99 80",  # bare kings
    "k7/8/8/8/8/8/1r6/K7 w - - 0 1",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1",
    "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8",
)


def constructed():
    """The list above, and each with colours exchanged."""
    boards = [chess.Board(fen) for fen in CONSTRUCTED]
    return boards + [board.mirror() for board in boards]


def game_boards(n_games, plies, seed):
    """Boards of random games with their history, every position of every game."""
    record = play_random(n_games, plies, np.random.default_rng(seed))
    boards = []
    for game in range(n_games):
        board = chess.Board()
        boards.append(board.copy())
        for move in record.uci(game):
            board.push_uci(move)
            boards.append(board.copy())
    return record, boards


def placements(n, seed):
    """Random placements that are valid positions, many with few pieces: what games seldom show."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        board = chess.Board(None)
        squares = rng.permutation(64).tolist()
        kinds = [(chess.KING, True), (chess.KING, False)]
        kinds += [(int(rng.integers(1, 6)), bool(rng.integers(2))) for _ in range(rng.integers(1, 14))]
        for square, (kind, colour) in zip(squares, kinds, strict=False):
            if kind != chess.PAWN or 8 <= square < 56:
                board.set_piece_at(square, chess.Piece(kind, colour))
        board.turn = bool(rng.integers(2))
        board.halfmove_clock = int(rng.integers(0, 120))
        board.castling_rights = chess.BB_CORNERS
        board.castling_rights = board.clean_castling_rights()
        own_rank = 4 if board.turn else 3  # an enemy pawn that may just have moved two squares
        for square in chess.SquareSet(board.pawns & board.occupied_co[not board.turn] & chess.BB_RANKS[own_rank]):
            behind = square + (8 if board.turn else -8)
            origin = square + (16 if board.turn else -16)
            if not board.piece_at(behind) and not board.piece_at(origin):
                board.ep_square = behind
        if board.is_valid():
            found.append(board)
    return found
