"""Whole-board chess features with plain python-chess: the reference that the package is checked against.

It shares no code with the package. Every feature is written from its definition, for a `chess.Board` with its moves.
"""

from collections import Counter

import chess

NAMES = {kind: chess.piece_name(kind) for kind in chess.PIECE_TYPES}
POINTS = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 100}
CENTRE = [chess.D4, chess.E4, chess.D5, chess.E5]
COLOURS = ((chess.WHITE, "white"), (chess.BLACK, "black"))
DIRECTIONS = [(f, r) for f in (-1, 0, 1) for r in (-1, 0, 1) if f or r]
SLIDES = {
    chess.BISHOP: [d for d in DIRECTIONS if d[0] and d[1]],
    chess.ROOK: [d for d in DIRECTIONS if not (d[0] and d[1])],
    chess.QUEEN: DIRECTIONS,
}


def line(board, square, direction):
    """Pieces met from a square in a direction, as squares, nearest first."""
    file, rank = chess.square_file(square), chess.square_rank(square)
    found = []
    while True:
        file, rank = file + direction[0], rank + direction[1]
        if not (0 <= file < 8 and 0 <= rank < 8):
            return found
        if board.piece_type_at(chess.square(file, rank)):
            found.append(chess.square(file, rank))


def at_least(held, name, number, thresholds):
    """Count features; `name` has {k} and {s}."""
    for k in thresholds:
        if number >= k:
            held.add(name.format(k=k, s="s" * (k > 1)))


def features(board):
    """Names of all whole-board features that hold."""
    held = set()
    state(board, held)
    moves(board, held)
    last_move(board, held)
    draws(board, held)
    material(board, held)
    pawns(board, held)
    pieces(board, held)
    kings(board, held)
    pins_and_lines(board, held)
    forks(board, held)
    attacked(board, held)
    return held


def side_name(colour):
    return "white" if colour else "black"


def state(board, held):
    turn = side_name(board.turn)
    held.add(f"{turn} to move")
    if board.is_check():
        held |= {"check", f"{turn} in check"}
        checkers = list(board.checkers())
        if len(checkers) >= 2:
            held.add("double check")
        if board.move_stack:
            move = board.peek()
            moved = {move.to_square}
            before = board.copy()
            before.pop()
            if before.is_castling(move):
                rook = chess.F1 if before.is_kingside_castling(move) else chess.D1
                moved.add(rook if before.turn else chess.square_mirror(rook))
            if set(checkers) - moved:
                held.add("discovered check")
        for square in checkers:
            held.add(f"check from a {NAMES[board.piece_type_at(square)]}")
    for colour, side in COLOURS:
        if board.has_kingside_castling_rights(colour):
            held |= {f"{side} kingside castling right", f"{side} castling right"}
        if board.has_queenside_castling_rights(colour):
            held |= {f"{side} queenside castling right", f"{side} castling right"}
    for move in board.legal_moves:
        if board.is_kingside_castling(move):
            held.add(f"{turn} can castle kingside")
        if board.is_queenside_castling(move):
            held.add(f"{turn} can castle queenside")
    if board.has_legal_en_passant():
        held |= {"legal en passant", f"{turn} can capture en passant"}
    elif board.has_pseudo_legal_en_passant():
        held.add("en passant ruled out")
    past = board.copy()
    while past.move_stack:
        move = past.pop()
        for wing, castles in (("kingside", past.is_kingside_castling), ("queenside", past.is_queenside_castling)):
            if castles(move):
                held.add(f"{side_name(past.turn)} has castled {wing}")


def moves(board, held):
    legal = list(board.legal_moves)
    at_least(held, "at least {k} legal move{s}", len(legal), range(1, 100))
    if len(legal) == 1:
        held.add("forced move")
    captures, checks = 0, 0
    ways = {}
    for move in legal:
        kind = board.piece_type_at(move.from_square)
        name = NAMES[kind]
        held.add(f"a {name} can move")
        if move.promotion:
            held.add("can promote")
        if board.is_capture(move):
            captures += 1
            taken = chess.PAWN if board.is_en_passant(move) else board.piece_type_at(move.to_square)
            held.add(f"can capture a {NAMES[taken]}")
        if kind not in (chess.PAWN, chess.KING):
            ways.setdefault((kind, move.to_square), set()).add(move.from_square)
        moved = {move.to_square}
        if board.is_castling(move):
            rook = chess.F1 if board.is_kingside_castling(move) else chess.D1
            moved.add(rook if board.turn else chess.square_mirror(rook))
        capture = board.is_capture(move)
        board.push(move)
        checkers = set(board.checkers())
        if checkers:
            checks += 1
            held |= {"can give check", f"can give check with a {name}"}
            if checkers - moved:
                held.add("can give discovered check")
            if len(checkers) >= 2:
                held.add("can give double check")
            if capture:
                held.add("can capture with check")
            if board.is_checkmate():
                held.add("mate in one")
        board.pop()
    at_least(held, "at least {k} legal capture{s}", captures, range(1, 100))
    at_least(held, "at least {k} checking moves", checks, range(2, 100))
    for (kind, _), origins in ways.items():
        if len(origins) > 1:
            held |= {"ambiguous move", f"ambiguous {NAMES[kind]} move"}
    if board.is_checkmate():
        held.add("checkmate")
    if not board.is_check():
        board.push(chess.Move.null())
        if any(gives_mate(board, move) for move in list(board.legal_moves)):
            held.add("mate threat")
        board.pop()


def gives_mate(board, move):
    board.push(move)
    found = board.is_checkmate()
    board.pop()
    return found


def what_happened(before, move):
    """(kind moved, kind captured or None, castled wing or None)."""
    kind = before.piece_type_at(move.from_square)
    taken = None
    if before.is_capture(move):
        taken = chess.PAWN if before.is_en_passant(move) else before.piece_type_at(move.to_square)
    wing = None
    if before.is_castling(move):
        wing = "kingside" if before.is_kingside_castling(move) else "queenside"
    return kind, taken, wing


def last_move(board, held):
    if not board.move_stack:
        return
    before = board.copy()
    move = before.pop()
    kind, taken, wing = what_happened(before, move)
    held.add(f"last move by a {NAMES[kind]}")
    if taken:
        held |= {"last move captured", f"last move captured a {NAMES[taken]}"}
        if before.is_en_passant(move):
            held.add("last move captured en passant")
    if move.promotion:
        held |= {"last move promoted", f"last move promoted to a {NAMES[move.promotion]}"}
    if wing:
        held |= {"last move castled", f"last move castled {wing}"}
    if kind == chess.PAWN and abs(move.to_square - move.from_square) == 16:
        held.add("last move was a double step")
    if before.move_stack:
        two = before.copy()
        answered = two.pop()
        if taken and what_happened(two, answered)[1] and answered.to_square == move.to_square:
            held.add("last move recaptured")
        if two.move_stack:
            own = two.peek()
            if own.to_square == move.from_square:
                held.add("last move by the same piece again")
                if own.from_square == move.to_square:
                    held.add("last move went back")


def draws(board, held):
    if board.is_stalemate():
        held.add("stalemate")
    if board.is_insufficient_material():
        held.add("insufficient material")
    for colour, side in COLOURS:
        if board.has_insufficient_material(colour):
            held.add(f"{side} cannot mate")
    if board.is_repetition(2):
        held.add("position occurred before")
    if board.is_repetition(3):
        held.add("threefold repetition")
    if board.can_claim_threefold_repetition():
        held.add("can claim repetition")
    if board.can_claim_fifty_moves():
        held.add("can claim fifty moves")
    if board.can_claim_draw():
        held.add("can claim a draw")
    at_least(held, "at least {k} quiet plies", board.halfmove_clock, range(1, 200))
    ply = len(board.move_stack)
    first = 0 if ply <= 8 else (ply - 1) // 8 * 8 + 1
    held.add(f"ply {first} to {first + 7 + (first == 0)}")


def material(board, held):
    counts = {c: {k: len(board.pieces(k, c)) for k in chess.PIECE_TYPES} for c in chess.COLORS}
    points = {c: sum(POINTS[k] * n for k, n in counts[c].items() if k != chess.KING) for c in chess.COLORS}
    rest = {c: points[c] - counts[c][chess.PAWN] for c in chess.COLORS}
    at_least(held, "at least {k} pieces", chess.popcount(board.occupied), range(2, 33))
    if points[chess.WHITE] == points[chess.BLACK]:
        held.add("level material")
    for colour, side in COLOURS:
        own, other = counts[colour], counts[not colour]
        for kind in (chess.PAWN, chess.KNIGHT, chess.BISHOP, chess.ROOK):
            at_least(held, f"at least {{k}} {side} {NAMES[kind]}{{s}}", own[kind], range(1, 9))
        at_least(held, f"{side} ahead by at least {{k}} point{{s}}", points[colour] - points[not colour], range(1, 99))
        if own[chess.PAWN] > other[chess.PAWN]:
            held.add(f"{side} has more pawns")
        minor, minor_other = (c[chess.KNIGHT] + c[chess.BISHOP] for c in (own, other))
        if minor > minor_other:
            held.add(f"{side} has more minor pieces")
        if own[chess.ROOK] - other[chess.ROOK] == 1 == minor_other - minor and own[chess.QUEEN] == other[chess.QUEEN]:
            held.add(f"{side} has the exchange")
        if own[chess.QUEEN]:
            held.add(f"{side} has a queen")
        if own[chess.QUEEN] >= 2:
            held.add(f"{side} has two queens")
        if sum(own.values()) == 1:
            held.add(f"bare {side} king")
    both = {k: counts[True][k] + counts[False][k] for k in chess.PIECE_TYPES}
    if not both[chess.QUEEN]:
        held.add("queens off")
    if max(rest.values()) <= 13:
        held.add("endgame")
    kinds = {k for k in both if both[k] and k not in (chess.PAWN, chess.KING)}
    if not kinds:
        held.add("pawn endgame")
    if kinds == {chess.ROOK} and all(counts[c][chess.ROOK] for c in chess.COLORS):
        held.add("rook endgame")
    if kinds == {chess.QUEEN} and all(counts[c][chess.QUEEN] for c in chess.COLORS):
        held.add("queen endgame")
    if kinds and kinds <= {chess.KNIGHT, chess.BISHOP}:
        held.add("minor piece endgame")


def relative_rank(square, colour):
    """Rank from 1 to 8 as a side sees it."""
    rank = chess.square_rank(square) + 1
    return rank if colour else 9 - rank


def pawns(board, held):
    on_file = {c: Counter(chess.square_file(s) for s in board.pieces(chess.PAWN, c)) for c in chess.COLORS}
    for file in range(8):
        letter = "abcdefgh"[file]
        if not on_file[True][file] and not on_file[False][file]:
            held |= {f"{letter}-file open", "an open file"}
        for colour, side in COLOURS:
            if not on_file[colour][file] and on_file[not colour][file]:
                held.add(f"{letter}-file half-open for {side}")
    for square in board.pieces(chess.PAWN, chess.WHITE):
        if board.piece_at(square + 8) == chess.Piece(chess.PAWN, chess.BLACK):
            held.add(f"rammed pawns on the {'abcdefgh'[chess.square_file(square)]}-file")
        if board.attacks(square) & board.pieces(chess.PAWN, chess.BLACK):
            held.add("pawn tension")
    for colour, side in COLOURS:
        own, theirs = list(board.pieces(chess.PAWN, colour)), list(board.pieces(chess.PAWN, not colour))
        passed = [s for s in own if not any(in_front(s, t, colour, 1) for t in theirs)]
        found = {
            "passed": passed,
            "doubled": [s for s in own if on_file[colour][chess.square_file(s)] > 1],
            "isolated": [s for s in own if not any(on_file[colour][chess.square_file(s) + d] for d in (-1, 1))],
        }
        for kind, squares in found.items():
            for square in squares:
                held.add(f"{side} {kind} pawn")
                held.add(f"{side} {kind} pawn on the {'abcdefgh'[chess.square_file(square)]}-file")
        forward = 8 if colour else -8
        for square in own:
            neighbours = [p for p in own if abs(chess.square_file(p) - chess.square_file(square)) == 1]
            behind = [p for p in neighbours if relative_rank(p, colour) <= relative_rank(square, colour)]
            stopped = board.attackers(not colour, square + forward) & board.pieces(chess.PAWN, not colour)
            if neighbours and not behind and stopped:
                held.add(f"{side} backward pawn")
            if relative_rank(square, colour) == 7:
                held.add(f"{side} pawn on the seventh")
            guards = board.attackers(colour, square) & board.pieces(chess.PAWN, colour)
            if guards and square in passed:
                held.add(f"{side} protected passed pawn")
            if any(board.attackers(colour, g) & board.pieces(chess.PAWN, colour) for g in guards):
                held.add(f"{side} pawn chain")
        files = {chess.square_file(s) for s in passed}
        if any(f + 1 in files for f in files):
            held.add(f"{side} connected passed pawns")
        islands = sum(1 for f in range(8) if on_file[colour][f] and not on_file[colour][f - 1])
        at_least(held, f"at least {{k}} {side} pawn islands", islands, range(2, 5))
        for wing, wing_files in (("kingside", range(4, 8)), ("queenside", range(4))):
            if sum(on_file[colour][f] for f in wing_files) > sum(on_file[not colour][f] for f in wing_files):
                held.add(f"{side} {wing} majority")


def in_front(square, other, colour, width):
    """`other` is on a higher rank as `colour` sees it, at most `width` files away."""
    near = abs(chess.square_file(square) - chess.square_file(other)) <= width
    return near and relative_rank(other, colour) > relative_rank(square, colour)


def pieces(board, held):
    pawn_files = {c: {chess.square_file(s) for s in board.pieces(chess.PAWN, c)} for c in chess.COLORS}
    bishops = {c: list(board.pieces(chess.BISHOP, c)) for c in chess.COLORS}
    if len(bishops[True]) == 1 == len(bishops[False]) and is_light(bishops[True][0]) != is_light(bishops[False][0]):
        held.add("opposite-coloured bishops")
    for colour, side in COLOURS:
        for rook in board.pieces(chess.ROOK, colour):
            for other in board.attacks(rook) & board.pieces(chess.ROOK, colour):
                held.add(f"{side} connected rooks")
                if chess.square_file(rook) == chess.square_file(other):
                    held.add(f"{side} doubled rooks")
            if relative_rank(rook, colour) == 7:
                held.add(f"{side} rook on the seventh")
            file = chess.square_file(rook)
            if file not in pawn_files[True] | pawn_files[False]:
                held.add(f"{side} rook on an open file")
            if file not in pawn_files[colour] and file in pawn_files[not colour]:
                held.add(f"{side} rook on a half-open file")
            for pawn in board.attacks(rook) & board.pieces(chess.PAWN, colour):
                passed = not any(in_front(pawn, t, colour, 1) for t in board.pieces(chess.PAWN, not colour))
                if passed and in_front(rook, pawn, colour, 0):
                    held.add(f"{side} rook behind a passed pawn")
        for bishop in bishops[colour]:
            held.add(f"{side} {'light' if is_light(bishop) else 'dark'}-squared bishop")
        if len({is_light(b) for b in bishops[colour]}) == 2:
            held.add(f"{side} bishop pair")
        for wing, square in (("kingside", chess.G2), ("queenside", chess.B2)):
            bishop, pawn = square, square + 8
            if not colour:
                bishop, pawn = chess.square_mirror(bishop), chess.square_mirror(pawn)
            if board.piece_at(bishop) == chess.Piece(chess.BISHOP, colour) and board.piece_at(pawn) == chess.Piece(
                chess.PAWN, colour
            ):
                held.add(f"{side} {wing} fianchetto")
        for knight in board.pieces(chess.KNIGHT, colour):
            if chess.square_file(knight) in (0, 7):
                held.add(f"{side} knight on the rim")
            if knight in CENTRE:
                held.add(f"{side} knight in the centre")
            guarded = board.attackers(colour, knight) & board.pieces(chess.PAWN, colour)
            chased = any(
                in_front(knight, t, colour, 1) and chess.square_file(t) != chess.square_file(knight)
                for t in board.pieces(chess.PAWN, not colour)
            )
            if guarded and not chased and 4 <= relative_rank(knight, colour) <= 6:
                held.add(f"{side} knight outpost")
        for kind in (chess.BISHOP, chess.ROOK):
            for piece in board.pieces(kind, colour):
                if board.attacks(piece) & board.pieces(chess.QUEEN, colour):
                    held.add(f"{side} {NAMES[kind]} and queen battery")


def is_light(square):
    return (chess.square_file(square) + chess.square_rank(square)) % 2 == 1


def kings(board, held):
    pawn_files = {chess.square_file(s) for c in chess.COLORS for s in board.pieces(chess.PAWN, c)}
    for colour, side in COLOURS:
        king = board.king(colour)
        file, rank = chess.square_file(king), relative_rank(king, colour)
        near = [s for s in chess.SQUARES if chess.square_distance(s, king) == 1]
        front = [s for s in near if relative_rank(s, colour) == rank + 1]
        if rank == 1:
            held.add(f"{side} king on its back rank")
            if all(board.color_at(s) == colour for s in front):
                held.add(f"{side} back rank weak")
        if file in (3, 4):
            held.add(f"{side} king in the middle")
        if any(0 <= f < 8 and f not in pawn_files for f in (file - 1, file, file + 1)):
            held.add(f"open file at the {side} king")
        if all(board.color_at(s) == colour or board.is_attacked_by(not colour, s) for s in near):
            held.add(f"{side} king has no flight square")
        shield = sum(board.piece_at(s) == chess.Piece(chess.PAWN, colour) for s in front)
        at_least(held, f"at least {{k}} shield pawn{{s}} of {side}", shield, range(1, 4))
        pressed = sum(board.is_attacked_by(not colour, s) for s in near)
        at_least(held, f"at least {{k}} attacked square{{s}} at the {side} king", pressed, range(1, 6))
        centre = sum(board.piece_at(s) == chess.Piece(chess.PAWN, colour) for s in CENTRE)
        at_least(held, f"at least {{k}} {side} centre pawn{{s}}", centre, range(1, 3))
        control = sum(board.is_attacked_by(colour, s) for s in CENTRE)
        at_least(held, f"{side} attacks at least {{k}} centre square{{s}}", control, range(1, 5))
        home = {chess.B1: chess.KNIGHT, chess.G1: chess.KNIGHT, chess.C1: chess.BISHOP, chess.F1: chess.BISHOP}
        gone = 0
        for square, kind in home.items():
            square = square if colour else chess.square_mirror(square)
            gone += board.piece_at(square) != chess.Piece(kind, colour)
        at_least(held, f"at least {{k}} {side} minor piece{{s}} developed", gone, range(1, 5))
    a, b = board.king(chess.WHITE), board.king(chess.BLACK)
    apart = sorted((abs(chess.square_file(a) - chess.square_file(b)), abs(chess.square_rank(a) - chess.square_rank(b))))
    if apart == [0, 2]:
        held.add("kings in opposition")


def pins_and_lines(board, held):
    for colour, side in COLOURS:
        other = side_name(not colour)
        for square in chess.SquareSet(board.occupied_co[colour]):
            if board.piece_type_at(square) != chess.KING and board.is_pinned(colour, square):
                held |= {f"{side} piece pinned", f"{side} {NAMES[board.piece_type_at(square)]} pinned"}
        for kind, directions in SLIDES.items():
            for slider in board.pieces(kind, colour):
                for direction in directions:
                    met = line(board, slider, direction)[:2]
                    if len(met) < 2:
                        continue
                    first, second = (board.piece_at(s) for s in met)
                    if first.color == colour:
                        if second == chess.Piece(chess.KING, not colour):
                            held.add(f"{side} discovered check threat")
                            held.add(f"{side} discovered check threat by a {NAMES[first.piece_type]}")
                        if second == chess.Piece(chess.QUEEN, not colour) and kind != chess.QUEEN:
                            held.add(f"{side} discovered attack on the queen")
                        continue
                    if second.color == colour:
                        continue
                    if (
                        second.piece_type == chess.QUEEN
                        and kind != chess.QUEEN
                        and first.piece_type not in (chess.KING, chess.QUEEN)
                    ):
                        held.add(f"{other} piece pinned to the queen")
                    front, back = POINTS[first.piece_type], POINTS[second.piece_type]
                    valuable = second.piece_type not in (chess.PAWN, chess.KING)
                    if front > POINTS[kind] and valuable and back <= front and not board.is_pinned(colour, slider):
                        held |= {f"{side} skewer", f"{side} {NAMES[kind]} skewer"}


def forks(board, held):
    for colour, side in COLOURS:
        for square in chess.SquareSet(board.occupied_co[colour]):
            kind = board.piece_type_at(square)
            if kind != chess.KING and board.is_pinned(colour, square):
                continue
            hit = [s for s in board.attacks(square) if board.color_at(s) == (not colour)]
            greater = [s for s in hit if POINTS[board.piece_type_at(s)] > POINTS[kind]]
            loose = [
                s for s in hit
                if board.piece_type_at(s) != chess.KING and not board.is_attacked_by(not colour, s)
            ]  # fmt: skip
            if kind <= chess.ROOK and len(greater) >= 2:
                held |= {f"{side} fork", f"{side} {NAMES[kind]} fork"}
                held.add("fork by the side to move" if board.turn == colour else "fork of the side to move")
            if len(set(greater) | set(loose)) >= 2:
                held |= {f"{side} double attack", f"{side} {NAMES[kind]} double attack"}
            if kind == chess.KNIGHT:
                kinds = {NAMES[board.piece_type_at(s)] for s in hit}
                for a, b in (("king", "queen"), ("king", "rook"), ("queen", "rook")):
                    if {a, b} <= kinds:
                        held.add(f"{side} knight forks {a} and {b}")


def attacked(board, held):
    for colour, side in COLOURS:
        hanging = 0
        for square in chess.SquareSet(board.occupied_co[colour]):
            kind = board.piece_type_at(square)
            if kind == chess.KING:
                continue
            attackers = board.attackers(not colour, square)
            if not attackers:
                continue
            held.add(f"{side} {NAMES[kind]} attacked")
            if not board.is_attacked_by(colour, square):
                hanging += 1
                held |= {f"{side} piece hanging", f"{side} {NAMES[kind]} hanging", f"{side} piece en prise"}
            if any(POINTS[board.piece_type_at(a)] < POINTS[kind] for a in attackers):
                held.add(f"{side} {NAMES[kind]} attacked by a lesser one")
                held |= {f"{side} piece attacked by a lesser one", f"{side} piece en prise"}
        if hanging >= 2:
            held.add(f"two {side} pieces hanging")
