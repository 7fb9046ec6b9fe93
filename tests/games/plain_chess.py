"""The chess features of squares in plain Python on python-chess boards: what the labels are checked against.

It shares no code with the package: every feature is written from its definition, one board at a time.
"""

import chess

COLOURS = ((chess.WHITE, "white"), (chess.BLACK, "black"))


def features(board, last_move=None):
    """Names of the features of squares that hold on a board.

    Args:
        board: a `chess.Board`.
        last_move: the `chess.Move` that led to it; taken from the move stack if there is one.
    """
    if last_move is None and board.move_stack:
        last_move = board.peek()
    pieces = board.piece_map()
    found = set()
    attacked = {colour: set() for colour, _ in COLOURS}
    for square, piece in pieces.items():
        attacked[piece.color] |= set(board.attacks(square))
    for square in chess.SQUARES:
        name = chess.square_name(square)
        if square not in pieces:
            found.add(f"{name} empty")
            continue
        piece = pieces[square]
        colour = chess.COLOR_NAMES[piece.color]
        found |= {f"{name} occupied", f"{colour} piece on {name}"}
        found.add(f"{colour} {chess.piece_name(piece.piece_type)} on {name}")
        if piece.piece_type != chess.KING:
            if board.is_pinned(piece.color, square):
                found.add(f"{colour} pinned piece on {name}")
            if square in attacked[not piece.color] and square not in attacked[piece.color]:
                found.add(f"hanging {colour} piece on {name}")
    for colour, word in COLOURS:
        found |= {f"{word} attacks {chess.square_name(square)}" for square in attacked[colour]}
    for move in board.legal_moves:
        target = chess.square_name(move.to_square)
        found |= {f"legal move to {target}", f"legal move from {chess.square_name(move.from_square)}"}
        if board.is_en_passant(move):
            found.add(f"en passant on {target}")
    if last_move is not None:
        found.add(f"moved from {chess.square_name(last_move.from_square)}")
        found.add(f"moved to {chess.square_name(last_move.to_square)}")
    return found


# Positions with what is easily got wrong: (FEN, moves that must be legal, moves that must not be).
CONSTRUCTED = {
    "en passant uncovers a rook on the rank": ("8/8/8/K2pP2r/8/8/8/4k3 w - d6 0 1", "e5e6", "e5d6"),
    "en passant takes the pawn that shields the king": ("4k3/1b6/8/3pP3/8/5K2/8/8 w - d6 0 1", "e5e6", "e5d6"),
    "pinned pawn takes along its pin en passant": ("4k3/2b5/8/3pP3/5K2/8/8/8 w - d6 0 1", "e5d6", "e5e6"),
    "pinned pawn may not leave its pin en passant": ("7b/8/8/3pP3/8/2K5/8/4k3 w - d6 0 1", "", "e5d6"),
    "en passant is the only way out of a check": ("8/8/8/2k5/3Pp3/8/8/4K3 b - d3 0 1", "e4d3", ""),
    "two pawns can take en passant": ("4k3/8/8/3PpP2/8/8/8/4K3 w - e6 0 1", "d5e6 f5e6", ""),
    "castling through an attacked square": ("r3k2r/8/8/8/5r2/8/8/R3K2R w KQkq - 0 1", "e1c1", "e1g1"),
    "castling over an attacked b1": ("r3k2r/8/8/8/1r6/8/8/R3K2R w KQkq - 0 1", "e1c1 e1g1", ""),
    "no castling out of check": ("r3k2r/8/8/8/4r3/8/8/R3K2R w KQ - 0 1", "e1d1", "e1g1 e1c1"),
    "castling into check": ("4k3/8/8/8/6r1/8/8/4K2R w K - 0 1", "e1f1", "e1g1"),
    "rook attacked while castling": ("4k3/8/8/8/7r/8/8/4K2R w K - 0 1", "e1g1", ""),
    "black castles long": ("r3k3/8/8/8/8/8/8/4K3 b q - 0 1", "e8c8", ""),
    "double check: only the king moves": ("4k3/8/8/8/1b2r3/8/2N5/4K3 w - - 0 1", "e1d1", "c2b4"),
    "the king cannot step back along the line": ("4k3/8/8/8/4r3/4K3/8/8 w - - 0 1", "e3e4", "e3e2"),
    "promotion by pushing and taking": ("1n1r3k/P1P5/8/8/8/8/8/4K3 w - - 0 1", "a7a8n a7b8q c7d8r c7c8b", ""),
    "pinned pawn may not promote by taking": ("3rk3/2P5/1K6/b7/8/8/8/8 w - - 0 1", "", "c7c8q"),
    "pinned rook slides on its line": ("4k3/4r3/8/8/8/8/4R3/4K3 w - - 0 1", "e2e7 e2e3", "e2d2"),
    "pinned knight is stuck": ("4k3/4r3/8/8/8/8/4N3/4K3 w - - 0 1", "", "e2c3"),
    "checkmate": ("7k/5KQ1/8/8/8/8/8/8 b - - 0 1", "", "h8g7"),
    "stalemate": ("7k/5K2/6Q1/8/8/8/8/8 b - - 0 1", "", "h8g8"),
    "two knights stand by, one is pinned": ("4k3/8/8/8/4r3/8/4N3/N3K3 w - - 0 1", "a1c2 a1b3", "e2c3"),
    "a queen behind a rook attacks only the rook": ("4k3/8/8/q7/r7/8/P7/7K b - - 0 1", "a4a2", "a5a2"),
    "nine queens": ("QQQQQQQQ/8/8/8/8/6k1/8/Q6K b - - 0 1", "", ""),
}
