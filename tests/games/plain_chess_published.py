"""The 23 published chess functions (and five unused ones) on one `chess.Board` at a time, faults included.

Written from their definitions, with python-chess alone: the reference for the batched ones. The board must have been
played from its start, because the draw claim and two unused functions look at its history.
"""

from itertools import combinations

import chess

START = chess.Board()
FORK_TARGETS = {
    chess.PAWN: (chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN, chess.KING),
    chess.KNIGHT: (chess.ROOK, chess.QUEEN, chess.KING),
    chess.BISHOP: (chess.ROOK, chess.QUEEN, chess.KING),
    chess.ROOK: (chess.QUEEN, chess.KING),
}
VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


def signed(board, square):
    """-6 (black king) .. -1 (black pawn), 0, 1 .. 6."""
    piece = board.piece_at(square)
    return 0 if piece is None else piece.piece_type if piece.color else -piece.piece_type


def one_hot(values, low, high):
    return [value == c for value in values for c in range(low, high + 1)]


def without_blank(labels):
    return [held and i % 13 != 6 for i, held in enumerate(labels)]


def piece(board):
    return one_hot([signed(board, s) for s in chess.SQUARES], -6, 6)


def piece_blank_masked(board):
    return without_blank(piece(board))


def piece_initial_masked(board):
    values = [signed(board, s) for s in chess.SQUARES]
    return without_blank(one_hot([0 if v == signed(START, s) else v for s, v in enumerate(values)], -6, 6))


def piece_colour(board):
    return one_hot([(signed(board, s) > 0) - (signed(board, s) < 0) for s in chess.SQUARES], -1, 1)


def threat(board):
    return [board.is_attacked_by(chess.BLACK, s) for s in chess.SQUARES]


def legal_moves(board):
    targets = {m.to_square for m in board.legal_moves} if board.turn == chess.WHITE else set()
    return [s in targets for s in chess.SQUARES]


def pseudo_legal_moves(board):
    targets = {m.to_square for m in board.pseudo_legal_moves}
    return [s in targets for s in chess.SQUARES]


def check(board):
    return [board.is_check()]


def pin(board):
    return [any(board.is_pinned(p.color, s) for s, p in board.piece_map().items())]


def hits(board, attacker, kinds):
    """Enemy pieces of the given kinds under attack, summed over the unpinned attackers of one kind."""
    victims = [s for kind in kinds for s in board.pieces(kind, not board.turn)]
    return sum(
        victim in board.attacks(square)
        for square in board.pieces(attacker, board.turn)
        if victims and not board.is_pinned(board.turn, square)
        for victim in victims
    )


def specific_fork(board):
    return [hits(board, chess.KNIGHT, (chess.ROOK, chess.QUEEN, chess.KING)) >= 2]


def any_fork(board):
    return [any(hits(board, who, (kind,)) >= 2 for who, kinds in FORK_TARGETS.items() for kind in kinds)]


def castling(board):
    return [board.has_castling_rights(board.turn)]


def castling_queenside(board):
    return [board.has_queenside_castling_rights(board.turn)]


def castling_kingside(board):
    return [board.has_kingside_castling_rights(board.turn)]


def legal_en_passant(board):
    return [board.has_legal_en_passant()]


def can_claim_draw(board):
    return [board.can_claim_draw()]


def can_check_next(board):
    return [any(board.gives_check(m) for m in board.legal_moves)]


def bishop_pair(board):
    return [len(board.pieces(chess.BISHOP, board.turn)) >= 2]


def mate_threat(board):
    """The board is mirrored to pass the turn, but a mirror swaps the turn back: mate in one for the side to move."""
    mirrored = board.mirror()
    for move in mirrored.legal_moves:
        mirrored.push(move)
        mates = mirrored.is_checkmate()
        mirrored.pop()
        if mates:
            return [True]
    return [False]


def can_capture_queen(board):
    queens = board.pieces(chess.QUEEN, not board.turn)
    return [bool(queens) and any(m.to_square == max(queens) for m in board.legal_moves)]


def has_queen(board):
    return [bool(board.pieces(chess.QUEEN, board.turn))]


def connected_rooks(board):
    lines = (
        (a, b)
        for a, b in combinations(board.pieces(chess.ROOK, board.turn), 2)
        if chess.square_file(a) == chess.square_file(b) or chess.square_rank(a) == chess.square_rank(b)
    )
    return [any(not chess.between(a, b) & board.occupied for a, b in lines)]


def ambiguous_moves(board):
    origins = {}
    for move in board.legal_moves:
        origins.setdefault((board.piece_type_at(move.from_square), move.to_square), set()).add(move.from_square)
    return [any(len(squares) > 1 for squares in origins.values())]


def stalemate(board):
    return [board.is_stalemate()]


def material(board):
    total = sum(value * len(board.pieces(kind, board.turn)) for kind, value in VALUES.items())
    return one_hot([total], 0, 39)


def number_of_pieces(board):
    return one_hot([chess.popcount(board.occupied_co[board.turn]) - 1], 0, 15)


def piece_25_plies_back(board):
    if len(board.move_stack) < 25:
        return one_hot([0] * 64, -6, 6)
    earlier = board.copy()
    for _ in range(25):
        earlier.pop()
    return piece(earlier)


def last_moved_piece(board):
    target = board.peek().to_square if board.move_stack else None
    return one_hot([signed(board, s) if s == target else 0 for s in chess.SQUARES], -6, 6)


FUNCTIONS = {
    "piece": piece,
    "piece, blank masked": piece_blank_masked,
    "piece, blank and initial masked": piece_initial_masked,
    "piece colour": piece_colour,
    "threat": threat,
    "legal moves": legal_moves,
    "pseudo-legal moves": pseudo_legal_moves,
    "check": check,
    "pin": pin,
    "specific fork": specific_fork,
    "any fork": any_fork,
    "castling rights": castling,
    "queenside castling rights": castling_queenside,
    "kingside castling rights": castling_kingside,
    "legal en passant": legal_en_passant,
    "can claim draw": can_claim_draw,
    "can check next": can_check_next,
    "bishop pair": bishop_pair,
    "mate threat": mate_threat,
    "can capture queen": can_capture_queen,
    "has queen": has_queen,
    "connected rooks": connected_rooks,
    "ambiguous moves": ambiguous_moves,
    "stalemate": stalemate,
    "material": material,
    "number of pieces": number_of_pieces,
    "piece 25 plies back": piece_25_plies_back,
    "last moved piece": last_moved_piece,
}
