"""The published chess functions, faults included, against plain python-chess and on boards made by hand."""

import chess
import numpy as np
import pytest
from fiducial.games import chess_published, chess_published_flags
from fiducial.games.bitboards import popcount
from fiducial.games.chess_bits import flip
from fiducial.games.chess_board import Boards
from fiducial.games.chess_play import moves_of, play_random, replay
from fiducial.games.chess_published import PUBLISHED, PUBLISHED_PLIES, UNUSED, board_labels, published_labels
from fiducial.games.chess_view import View

from . import plain_chess_published as plain

SIZES = dict.fromkeys(PUBLISHED, 1) | {
    "piece": 832, "piece, blank masked": 832, "piece, blank and initial masked": 832, "piece colour": 192,
    "threat": 64, "legal moves": 64, "pseudo-legal moves": 64,
}  # fmt: skip
UNUSED_SIZES = {
    "stalemate": 1, "material": 40, "number of pieces": 16, "piece 25 plies back": 832, "last moved piece": 832,
}  # fmt: skip
# Positions that random games from the start seldom reach: (FEN, what it is there for).
CONSTRUCTED = [
    ("r3k2r/8/8/3q4/3Q4/8/8/R3K2R w KQkq - 0 1", "castling on both sides, through attack"),
    ("4k3/8/8/KPp4r/8/8/8/8 w - c6 0 1", "en passant pinned along the rank"),
    ("8/8/8/1k6/2Pp4/8/8/4KB2 b - c3 0 1", "en passant that opens a diagonal on the king"),
    ("8/2p1P1p1/8/8/1k4K1/8/2p1p1P1/8 w - - 0 1", "promotions"),
    ("r2qk2r/1P4P1/8/8/8/8/1p4p1/R2QK2R b KQkq - 0 1", "promotions by capture, loss of castling rights"),
    ("4r1k1/8/8/8/1b6/3N4/4N3/4K3 w - - 0 1", "pins"),
    ("6k1/5ppp/8/8/8/8/5PPP/R3R1K1 w - - 0 1", "mate in one, connected rooks, ambiguous moves"),
    ("q3q3/8/3N1N2/8/1k6/7K/3n1n2/Q3Q3 w - - 0 1", "several queens and knights"),
    ("4k3/3ppp2/2nbrqn1/3P1P2/4N3/2BRBQ2/3PPP2/4K3 w - - 0 1", "forks"),
    ("7k/8/5KQ1/8/8/8/8/8 b - - 0 1", "stalemate"),
    ("8/8/8/8/8/5k2/4q3/7K w - - 97 80", "fifty moves"),
    ("k7/8/K7/8/8/8/8/7R w - - 98 80", "fifty moves or mate"),
    ("kb6/p1p5/P1P5/8/8/p1p5/P1P5/KB6 w - - 0 1", "hardly a move left: repetitions"),
    ("8/8/p1p5/P1P2k2/5p2/p1p2P2/P1P2K2/8 b - - 0 1", "kings that shuffle: repetitions"),
    ("r3k3/p1p5/P1P5/8/8/p1p5/P1P5/R3K3 w Qq - 0 1", "repetitions with and without castling rights"),
]


def mismatches(record, starts, games=None, names=plain.FUNCTIONS):
    """How many positions were compared, and on which (function, FEN) batched and plain labels differ."""
    batched = {name: published_labels(record, name) for name in names}
    wrong, compared = [], 0
    for game in range(len(record.lengths)) if games is None else games:
        board, moves = starts[game].copy(), record.uci(game)
        for ply in range(len(moves) + 1):
            if ply:
                board.push_uci(moves[ply - 1])
            compared += 1
            wrong += [
                (name, board.fen())
                for name in names
                if not np.array_equal(batched[name][game, ply], np.array(plain.FUNCTIONS[name](board)))
            ]
        assert not any(labels[game, len(moves) + 1 :].any() for labels in batched.values())
    return compared, wrong


def from_start(n, plies, seed):
    return play_random(n, plies, np.random.default_rng(seed)), [chess.Board()] * n


def from_constructed(copies, plies, seed):
    starts = [chess.Board(fen) for fen, _ in CONSTRUCTED] * copies
    return play_random(len(starts), plies, np.random.default_rng(seed), start=Boards.of(starts)), starts


def holds(fen, name):
    """The names of what holds on a position, without the function's name."""
    labels = board_labels(Boards.of([chess.Board(fen)]), name)[0]
    features = chess_published.published_features(name)
    return {n.removeprefix(f"{name}: ") for n, held in zip(features.names, labels, strict=True) if held}


def play(*moves):
    return replay(*moves_of([moves]))


def test_names_sizes_and_denominators():
    assert len(PUBLISHED) == 23
    assert set(plain.FUNCTIONS) == {*PUBLISHED, *UNUSED}
    for name, size in (SIZES | UNUSED_SIZES).items():
        features = chess_published.published_features(name)
        function = chess_published.published_function(name)
        assert len(features) == size
        assert all(f.counterpart and f.group == name for f in features)
        assert len(features.variables) == (0 if function.n_classes == 1 else size / function.n_classes)
        assert function.denominator == size * (12 / 13 if function.masked is not None else 1)
        masked = [f.name for f in features if f.name.endswith("blank")] if function.masked is not None else []
        assert not any(features[features.index(n)].reachable for n in masked)
    board_state = chess_published.published_denominators(chess_published.BOARD_STATE)
    assert board_state == {"piece, blank and initial masked": 768}
    strategy = chess_published.published_denominators(chess_published.STRATEGY)
    assert len(strategy) == 14
    assert sum(strategy.values()) == 140
    assert len(chess_published.published_features(*chess_published.BOARD_STATE).where(reachable=True)) == 704


def test_order_is_rank_major_then_class():
    names = chess_published.published_features("piece").names
    assert names[:2] == ("piece: a1 black king", "piece: a1 black queen")
    assert [names[13 * 63 + c] for c in (5, 6, 7, 12)] == [
        "piece: h8 black pawn", "piece: h8 blank", "piece: h8 white pawn", "piece: h8 white king",
    ]  # fmt: skip
    assert names[13 * 8] == "piece: a2 black king"
    assert chess_published.published_features("threat").names[8] == "threat: a2 attacked"
    assert chess_published.published_features("check").names == ("check: yes",)


def test_published_positions_have_white_to_move_and_begin_with_the_start():
    assert tuple(range(0, 40, 2)) == PUBLISHED_PLIES
    record, _ = from_start(3, 40, 0)
    assert record.boards.turn[list(PUBLISHED_PLIES)].all()
    labels = published_labels(record, "piece, blank and initial masked", PUBLISHED_PLIES)
    assert labels.shape == (3, 20, 832)
    assert not labels[:, 0].any()  # nothing differs from the start
    assert np.array_equal(labels, published_labels(record, "piece, blank and initial masked")[:, ::2][:, :20])


def test_equal_to_plain_on_random_games():
    compared, wrong = mismatches(*from_start(8, 60, 1))
    assert compared > 450
    assert wrong == []


def test_equal_to_plain_on_constructed_positions():
    assert [fen for fen, _ in CONSTRUCTED if not chess.Board(fen).is_valid()] == []
    compared, wrong = mismatches(*from_constructed(1, 22, 2))
    assert compared > 200
    assert wrong == []


@pytest.mark.slow
def test_equal_to_plain_on_many_positions():
    seen = [mismatches(*from_start(60, 110, 3)), mismatches(*from_constructed(8, 60, 4))]
    assert sum(compared for compared, _ in seen) > 10_000
    assert [wrong for _, wrong in seen] == [[], []]


def test_every_function_is_seen_true_and_false():
    records = from_constructed(4, 40, 5)[0], from_start(20, 60, 5)[0]
    for name in plain.FUNCTIONS:
        labels = np.concatenate([published_labels(r, name).reshape(-1, (SIZES | UNUSED_SIZES)[name]) for r in records])
        assert labels.any(), name
        assert not labels.all(), name


def test_draw_claims_of_games_that_repeat():
    knights = ("g1f3", "g8f6", "f3g1", "f6g8")
    games = [
        knights * 3,  # the start returns after 4 and 8 plies; it may be claimed one ply earlier
        ("e2e4", *("g8f6", "g1f3", "f6g8", "f3g1") * 2),  # an en passant square that nobody can use changes nothing
        ("e2e4", "a7a6", "e4e5", "d7d5", *knights * 3),  # one that White can use makes the first time another position
        ("e2e4", "e7e5", "e1e2", "e8e7", "e2e1", "e7e8", *knights * 2),  # castling rights lost on the way
        ("h2h4", "h7h5", "h1h3", "h8h6", "h3h1", "h6h8", *knights * 2),
    ]
    record = replay(*moves_of(games))
    compared, wrong = mismatches(record, [chess.Board()] * len(games), names=["can claim draw"])
    assert compared == record.lengths.sum() + len(games)
    assert wrong == []
    claims = [np.flatnonzero(row).tolist() for row in published_labels(record, "can claim draw")[..., 0]]
    assert claims[0] == [7, 8, 9, 10, 11, 12]
    assert claims[1][0] == 8
    assert claims[2][0] == 12  # 8 plies after the move after it; the position itself would have made it 11


def test_draw_claims_of_many_shuffling_games():
    starts = [chess.Board(fen) for fen, why in CONSTRUCTED if "repetition" in why or "fifty" in why] * 3
    record = play_random(len(starts), 50, np.random.default_rng(6), start=Boards.of(starts))
    _, wrong = mismatches(record, starts, names=["can claim draw"])
    assert wrong == []
    assert published_labels(record, "can claim draw").sum() > 100


@pytest.mark.parametrize("broken", [False, True])
def test_a_loose_comparison_of_positions_is_noticed(monkeypatch, broken):
    """Positions that differ only by a legal en passant capture are not the same."""
    if broken:
        monkeypatch.setattr(View, "legal_passant", property(lambda view: np.zeros_like(view.boards.ep)))
    record = play("e2e4", "a7a6", "e4e5", "d7d5", *("g1f3", "g8f6", "f3g1", "f6g8") * 3)
    _, wrong = mismatches(record, [chess.Board()], names=["can claim draw"])
    assert bool(wrong) == broken


@pytest.mark.parametrize("broken", [False, True])
def test_a_forgotten_attacker_is_noticed(monkeypatch, broken):
    if broken:
        monkeypatch.setitem(chess_published_flags._FORK_VICTIMS, chess.PAWN, ())
    _, wrong = mismatches(*from_constructed(1, 10, 2), names=["any fork"])
    assert bool(wrong) == broken


def test_functions_relative_to_the_mover_do_not_change_with_colours():
    record, _ = from_start(10, 60, 7)
    boards = record.boards.ravel()
    pieces = [flip(array) for array in boards.arrays()[:10]]
    pieces[6], pieces[7] = pieces[7], pieces[6]
    mirrored = Boards(*pieces, ~boards.turn, boards.halfmove)
    absolute = {"threat", "legal moves", "can capture queen", "can claim draw", *(n for n in PUBLISHED if "piece" in n)}
    for name in set(PUBLISHED) - absolute:
        ours, theirs = board_labels(boards, name), board_labels(mirrored, name)
        if name == "pseudo-legal moves":
            theirs = theirs.reshape(-1, 8, 8)[:, ::-1].reshape(-1, 64)
        assert np.array_equal(ours, theirs), name


def test_fault_e4_forks():
    # One knight on king and queen is no fork, two knights on one rook are.
    royal = "2q1k3/8/3N4/8/8/8/8/4K3 w - - 0 1"
    assert holds(royal, "specific fork") == {"yes"}
    assert holds(royal, "any fork") == set()
    shared = "7k/8/8/3r4/8/2N1N3/8/4K3 w - - 0 1"
    assert holds(shared, "specific fork") == {"yes"}
    assert holds(shared, "any fork") == {"yes"}
    # Two knights with one victim each as well.
    assert holds("6k1/4q3/8/1r1N4/8/2N5/8/4K3 w - - 0 1", "specific fork") == {"yes"}
    # A queen is no attacker, and a pinned knight does not count.
    assert holds("3rkr2/8/8/8/8/8/4Q3/4K3 b - - 0 1", "any fork") == set()
    assert holds("r3r1k1/2N5/8/8/8/8/8/4K3 w - - 0 1", "any fork") == {"yes"}
    assert holds("2r3k1/r7/8/2N5/4r3/8/8/2K5 w - - 0 1", "any fork") == set()


def test_fault_e5_mate_threat_is_mate_in_one_of_the_mover():
    assert holds("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", "mate threat") == {"yes"}
    assert holds("6k1/5ppp/8/8/8/8/8/R5K1 b - - 0 1", "mate threat") == set()  # here White threatens mate


def test_fault_e10_threat_is_by_black_and_legal_moves_are_whites():
    threatened = holds(chess.STARTING_FEN, "threat")
    assert threatened == holds(chess.STARTING_FEN.replace(" w ", " b "), "threat")
    assert {f"{f}6 attacked" for f in "abcdefgh"} <= threatened
    assert not any("3" in name for name in threatened)
    assert len(holds(chess.STARTING_FEN, "legal moves")) == 16
    assert holds(chess.STARTING_FEN.replace(" w ", " b "), "legal moves") == set()


def test_fault_e11_only_the_queen_on_the_highest_square():
    assert holds("q6k/8/8/8/8/8/4q3/4K3 w - - 0 1", "can capture queen") == set()
    assert holds("7k/8/8/8/8/8/4q3/4K3 w - - 0 1", "can capture queen") == {"yes"}


def test_readings_that_differ_from_the_plain_words():
    assert holds("4k3/8/8/8/8/8/3B1B2/4K3 w - - 0 1", "bishop pair") == {"yes"}  # both on dark squares
    assert holds("4k3/8/8/3p4/2P1P3/8/8/4K3 w - - 0 1", "ambiguous moves") == {"yes"}  # cxd5 and exd5 are not
    assert holds("4k3/8/8/8/8/8/8/R3K3 w Q - 0 1", "castling rights") == {"yes"}
    start = holds(chess.STARTING_FEN, "piece")
    assert len(start) == 64
    assert {"e1 white king", "d8 black queen", "e4 blank"} <= start
    assert len(holds(chess.STARTING_FEN, "piece, blank masked")) == 32
    assert holds(chess.STARTING_FEN, "piece, blank and initial masked") == set()
    moved = chess.Board()
    moved.push_san("Nf3")
    assert holds(moved.fen(), "piece, blank and initial masked") == {"f3 white knight"}


def test_boards_of_any_shape_and_none():
    boards = Boards.start(6).reshape(2, 3)
    assert board_labels(boards, "piece").shape == (2, 3, 832)
    assert board_labels(boards, "check").shape == (2, 3, 1)
    nothing = Boards.start(0)
    for name in set(PUBLISHED) - {"can claim draw"}:
        assert board_labels(nothing, name).shape == (0, SIZES[name])


def test_what_is_refused():
    with pytest.raises(KeyError, match="no published chess function 'fork'; there are piece;"):
        chess_published.published_features("fork")
    with pytest.raises(ValueError, match="'can claim draw' looks at the game so far"):
        board_labels(Boards.start(1), "can claim draw")
    record, _ = from_start(1, 10, 0)
    with pytest.raises(ValueError, match=r"plies must be from 0 to 10, .* got \[0, 12\]"):
        published_labels(record, "piece", [0, 12])


def test_unreachable_classes_never_hold():
    for name in ("piece", "piece, blank masked", "piece, blank and initial masked", "last moved piece"):
        never = chess_published.published_features(name).where(reachable=False)
        assert not published_labels(from_start(40, 80, 8)[0], name)[..., never].any()


def test_masked_pieces_are_the_pieces_that_moved():
    record, _ = from_start(20, 60, 9)
    pieces = published_labels(record, "piece, blank masked").sum(-1)
    assert np.array_equal(pieces, popcount(record.boards.occupied).T * (np.arange(61) <= record.lengths[:, None]))
