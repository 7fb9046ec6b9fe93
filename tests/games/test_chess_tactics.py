"""Whole-board chess features against plain python-chess: games, random placements, constructed positions, mirrors."""

from functools import cache

import chess
import numpy as np
import pytest
from fiducial.games import chess_structure, chess_tactics, chess_threats
from fiducial.games.blocks import feature_set
from fiducial.games.chess_board import Boards
from fiducial.games.chess_play import moves_of, play_random, replay
from fiducial.games.chess_scalars import scalar_blocks
from fiducial.games.chess_view import View
from fiducial.games.chess_whole import scalars
from hypothesis import given, settings
from hypothesis import strategies as st

from . import plain_chess_tactics as plain
from .chess_positions import constructed, placements

PLIES = 64
BLOCKS = scalar_blocks(PLIES)
FEATURES = feature_set(BLOCKS)
NAMES = np.array(FEATURES.names)
KNOWN = frozenset(FEATURES.names)
HISTORY = ("last ", "has castled", "ply ", "discovered check")  # what a position alone does not tell


def table(view):
    """All features of a view, bool [plies, games, F]."""
    found = scalars(view, PLIES)
    assert found.keys() == {block.key for block in BLOCKS}
    return np.moveaxis(view.by_ply(np.concatenate([found[block.key] for block in BLOCKS])), 0, -1)


def held(board):
    """Names that hold in one position without history, by the package."""
    return set(NAMES[table(View.of_boards(Boards.of([board])))[0, 0]])


def wrong_boards(boards, limit=10):
    """(position, feature) where package and reference differ, on positions without history."""
    found = []
    for row, board in zip(table(View.of_boards(Boards.of(boards)))[0], boards, strict=True):
        expected = plain.features(board) & KNOWN
        found += [(board.fen(), name) for name in set(NAMES[row]) ^ expected]
        if len(found) >= limit:
            break
    return found


def wrong_games(record, starts=None, limit=10):
    """(game, ply, feature) where package and reference differ, and the number of positions tried."""
    labels = table(View.of_record(record))
    found, tried = [], 0
    for game in range(labels.shape[1]):
        board = chess.Board() if starts is None else starts[game].copy()
        for ply, move in enumerate([None, *record.uci(game)]):
            if move is not None:
                board.push_uci(move)
            tried += 1
            found += [(game, ply, name) for name in set(NAMES[labels[ply, game]]) ^ (plain.features(board) & KNOWN)]
        if len(found) >= limit:
            break
    return found, tried


def record_of(games, starts=None):
    return replay(*moves_of(games), start=None if starts is None else Boards.of(starts))


@cache
def sparse_games(n, plies, seed):
    """Games from random placements: promotions, mates, stalemates and bare kings come soon."""
    starts = tuple(placements(n, seed))
    return play_random(n, plies, np.random.default_rng(seed), start=Boards.of(starts)), starts


def test_games_against_plain_python():
    wrong, tried = wrong_games(play_random(5, 64, np.random.default_rng(0)))
    assert wrong == []
    assert tried > 300


def test_games_from_random_placements_against_plain_python():
    wrong, tried = wrong_games(*sparse_games(30, 12, 0))
    assert wrong == []
    assert tried > 250


def test_constructed_positions_against_plain_python():
    # One of them has the side in check that is not to move; there no answer means anything.
    assert wrong_boards([board for board in constructed() if not board.was_into_check()]) == []
    assert wrong_boards([chess.Board(fen) for fen, _, _ in TACTICS]) == []


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_random_placements_against_plain_python(seed):
    assert wrong_boards(placements(3, seed)) == []


@pytest.mark.slow
def test_many_games_against_plain_python():
    total = 0
    for seed in range(4):
        wrong, tried = wrong_games(play_random(40, 64, np.random.default_rng(seed)))
        assert wrong == []
        total += tried
        wrong, tried = wrong_games(*sparse_games(400, 20, seed))
        assert wrong == []
        total += tried
    assert total > 30_000


@pytest.mark.slow
def test_many_placements_against_plain_python():
    assert wrong_boards(placements(20_000, 1)) == []


# Position, features that hold, features that do not: judged by eye.
TACTICS = [
    # One knight on king and queen.
    ("r1bqk2r/ppN2ppp/8/8/8/8/PPP2PPP/R3K2R b KQkq - 0 1",
     {"white knight forks king and rook", "white knight fork", "white fork", "fork of the side to move", "check",
      "check from a knight", "white double attack"},
     {"white knight forks king and queen", "fork by the side to move", "black fork"}),
    # Two knights on one rook are no fork.
    ("4k3/8/8/3r4/1N6/4N3/8/4K3 w - - 0 1", {"black rook attacked", "black rook hanging"}, {"white fork"}),
    # Nor is a rook for each of them.
    ("4k3/8/8/r6r/8/1N4N1/8/4K3 w - - 0 1", {"black rook attacked"}, {"white fork", "white double attack"}),
    # A pinned knight does not fork.
    ("4r1k1/8/8/2q3q1/4N3/8/8/4K3 w - - 0 1", {"white knight pinned", "white piece pinned"}, {"white fork"}),
    # The same, free to go.
    ("6k1/8/8/2q3q1/4N3/8/8/4K3 w - - 0 1", {"white knight fork", "fork by the side to move"}, {"white piece pinned"}),
    # A pawn forks knight and bishop; the king is a target too.
    ("4k3/8/2n1b3/3P4/8/8/8/4K3 b - - 0 1", {"white pawn fork"}, {"white bishop fork"}),
    ("8/8/2n1k3/3P4/8/8/8/4K3 b - - 0 1", {"white pawn fork", "check from a pawn"}, {"white knight fork"}),
    # A queen forks nothing, but attacks two loose pieces.
    ("4k3/8/8/8/r2Q2b1/8/8/4K3 w - - 0 1", {"white queen double attack", "black bishop hanging"}, {"white fork"}),
    # Rook behind a king in check; a bishop skewers queen and rook.
    ("4r3/8/8/8/4k3/8/8/K3R3 b - - 0 1", {"white rook skewer", "check from a rook"}, {"black piece pinned"}),
    ("6rk/8/8/3q4/8/1B6/8/4K3 b - - 0 1", {"white bishop skewer", "black queen attacked by a lesser one"},
     {"white rook skewer"}),
    # A pawn behind is no skewer; a knight in front of the queen is pinned to her instead.
    ("7k/5p2/8/3q4/8/1B6/8/4K3 b - - 0 1", {"black queen attacked"}, {"white skewer"}),
    ("6qk/8/8/3n4/8/1B6/8/4K3 b - - 0 1", {"black piece pinned to the queen"}, {"white skewer", "black piece pinned"}),
    # Discovered check: by the bishop in front of the rook, and double if it checks itself.
    ("4k3/8/8/8/4B3/8/8/4RK2 w - - 0 1",
     {"white discovered check threat by a bishop", "can give discovered check", "can give double check",
      "can give check with a bishop"}, {"black discovered check threat", "can give check with a rook"}),
    # Castling gives check; it is the king's move and uncovers nothing.
    ("5k2/8/8/8/8/8/8/4K2R w K - 0 1", {"white can castle kingside", "can give check with a king"},
     {"can give discovered check"}),
    # Mate in one for White, and the same threat seen from Black's move.
    ("6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1", {"mate in one", "black back rank weak"}, {"mate threat", "check"}),
    ("6k1/5ppp/8/8/8/8/8/R3K3 b - - 0 1", {"mate threat"}, {"mate in one"}),
    # No threat counts while in check.
    ("4k3/8/8/8/8/8/5PPP/r5K1 w - - 0 1", {"checkmate", "check", "white in check"}, {"mate threat", "stalemate"}),
    ("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", {"stalemate"}, {"checkmate", "at least 1 legal move"}),
    # Two rooks reach one square, two queens too, but a pinned knight does not.
    ("4k3/8/8/8/8/8/8/RR2K3 w - - 0 1", {"white connected rooks"}, {"ambiguous rook move", "white doubled rooks"}),
    ("4k3/8/8/8/8/7R/8/R3K3 w - - 0 1", {"ambiguous rook move", "ambiguous move"}, {"white connected rooks"}),
    ("1q2k3/8/1N6/8/1K6/8/8/5N2 w - - 0 1", {"white knight pinned"}, {"ambiguous knight move"}),
    ("4k3/8/1N6/8/1K6/8/8/5N2 w - - 0 1", set(), {"ambiguous knight move"}),
    ("4k3/8/8/1N6/1K6/8/8/5N2 w - - 0 1", set(), {"ambiguous knight move"}),
    ("4k3/8/8/1K6/8/1N6/8/5N2 w - - 0 1", {"ambiguous knight move"}, {"ambiguous bishop move"}),
    # En passant that would bare the king.
    ("8/8/8/K2pP2r/8/8/8/4k3 w - d6 0 1", {"en passant ruled out"}, {"legal en passant"}),
    ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1", {"legal en passant", "white can capture en passant", "can capture a pawn"},
     {"en passant ruled out"}),
    # Pawns: a4 and b4 passed and connected, h-pawns rammed and isolated, f doubled.
    ("4k3/8/8/7p/PP5P/5P2/5P2/4K3 w - - 0 1",
     {"white connected passed pawns", "rammed pawns on the h-file", "black isolated pawn on the h-file",
      "white doubled pawn on the f-file", "at least 3 white pawn islands", "c-file open", "a-file half-open for black"},
     {"white isolated pawn on the a-file", "at least 4 white pawn islands", "white passed pawn on the h-file",
      "pawn tension"}),
    # A backward pawn on d3: its neighbours have gone ahead, e5 attacks d4.
    ("4k3/8/8/4p3/2P1P3/3P4/8/4K3 w - - 0 1", {"white backward pawn"}, {"white isolated pawn on the d-file"}),
    ("4k3/8/8/8/2P1P3/3P4/8/4K3 w - - 0 1", {"at least 3 white pawns"}, {"white backward pawn"}),
    # Rooks, bishops, knights.
    ("4k3/P7/8/8/8/8/8/R3K3 w - - 0 1", {"white rook behind a passed pawn", "white pawn on the seventh", "can promote"},
     {"white rook on an open file", "white rook on a half-open file"}),
    ("4k3/8/8/8/8/8/8/2B1KB2 w - - 0 1", {"white bishop pair", "white dark-squared bishop"}, {"black bishop pair"}),
    ("4k3/8/8/8/8/4B3/8/2B1K3 w - - 0 1", {"at least 2 white bishops"}, {"white bishop pair"}),
    ("2b1k3/8/8/8/8/8/8/2B1K3 w - - 0 1", {"opposite-coloured bishops", "endgame", "minor piece endgame"}, set()),
    ("3qk3/8/8/8/8/8/3Q4/4K3 w - - 0 1", {"queen endgame", "endgame"}, {"queens off", "pawn endgame"}),
    ("4k3/5p2/8/3N4/2P5/8/8/4K3 w - - 0 1", {"white knight outpost", "white knight in the centre"}, set()),
    ("4k3/4p3/8/3N4/2P5/8/8/4K3 w - - 0 1", set(), {"white knight outpost"}),
    # Draws.
    ("7k/8/8/8/8/8/8/KB6 w - - 0 1", {"insufficient material", "bare black king"}, {"bare white king"}),
    ("7k/8/8/8/8/8/8/KBN5 w - - 99 90", {"can claim fifty moves", "can claim a draw"}, {"white cannot mate"}),
    ("7k/8/8/8/8/8/8/KBN5 w - - 98 90", set(), {"can claim fifty moves", "can claim a draw"}),
]  # fmt: skip


@pytest.mark.parametrize(("fen", "yes", "no"), TACTICS)
def test_judged_by_eye(fen, yes, no):
    assert (yes | no) <= KNOWN
    found = held(chess.Board(fen))
    assert yes - found == set()
    assert found & no == set()


def test_repetitions_and_claims():
    shuffle = ["g1f3", "g8f6", "f3g1", "f6g8"]
    record = record_of([shuffle * 2 + ["e2e4"]])
    labels = table(View.of_record(record))[:, 0]
    names = ("position occurred before", "threefold repetition", "can claim repetition", "can claim a draw")
    column = {name: labels[:, FEATURES.index(name)].tolist() for name in names}
    assert column["position occurred before"] == [False] * 4 + [True] * 5 + [False]
    assert column["threefold repetition"] == [False] * 8 + [True, False]
    # Black can bring the position about for the third time before it stands on the board.
    assert column["can claim repetition"] == [False] * 7 + [True, True, False]
    assert column["can claim a draw"] == column["can claim repetition"]
    assert wrong_games(record) == ([], 10)


def test_repetition_needs_the_same_rights_and_en_passant():
    """The position after 1.e4 can capture nothing en passant, so it repeats; lost castling rights never come back."""
    knights = ["g8f6", "g1f3", "f6g8", "f3g1"]
    rook = ["e2e4", "e7e5", "g1f3", "g8f6", "h1g1", "h8g8", "g1h1", "g8h8", "h1g1", "h8g8", "g1h1", "g8h8"]
    passant = ["e2e4", "a7a6", "e4e5", "d7d5", "g1f3", "g8f6", "f3g1", "f6g8", "g1f3"]
    record = record_of([["e2e4", *knights, *knights], rook, passant])
    assert wrong_games(record)[0] == []
    labels = table(View.of_record(record))[..., FEATURES.index("position occurred before")]
    assert labels[5, 0]
    assert labels[:, 1].nonzero()[0].tolist() == [10, 11, 12]  # not the first return of the rooks
    assert not labels[8, 2]  # the first time a capture en passant was possible


def test_games_that_show_rare_history():
    games = [
        ["e2e4", "d7d5", "e4d5", "d8d5", "b1c3", "d5d8"],
        ["e2e4", "e7e5", "g1f3", "g8f6", "f1c4", "f8c5", "e1g1", "e8g8", "d2d4", "c5d4", "f3d4", "e5d4"],
        ["d2d4", "d7d5", "b1c3", "b8c6", "c1f4", "c8f5", "d1d2", "d8d7", "e1c1", "e8c8"],
        ["a2a4", "b7b5", "a4b5", "a7a6", "b5a6", "c8b7", "a6b7", "g8f6", "b7a8q"],
        ["a2a4", "h7h6", "a4a5", "b7b5", "a5b6"],
    ]
    record = record_of(games)
    assert wrong_games(record)[0] == []
    labels = table(View.of_record(record))
    last = {name: i for i, name in enumerate(FEATURES.names)}
    assert labels[4, 0, last["last move recaptured"]]
    assert labels[6, 0, last["last move went back"]]
    assert labels[12, 1, last["last move recaptured"]]
    assert labels[10, 2, [last["white has castled queenside"], last["black has castled queenside"]]].all()
    assert labels[9, 3, [last["last move promoted to a queen"], last["last move captured a rook"]]].all()
    assert labels[5, 4, last["last move captured en passant"]]


def swapped(name):
    """The name of a feature on the board with colours exchanged, which turns it top to bottom."""
    words = {"white": "black", "black": "white"}
    words |= {"light-squared": "dark-squared", "dark-squared": "light-squared"}
    return " ".join(words.get(word, word) for word in name.split(" "))


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_colours_exchanged(seed):
    boards = placements(8, seed)
    these, those = (table(View.of_boards(Boards.of(b)))[0] for b in (boards, [board.mirror() for board in boards]))
    order = [FEATURES.index(swapped(name)) for name in FEATURES.names]
    differing = NAMES[(these != those[:, order]).any(axis=0)]
    assert differing.tolist() == []


@cache
def many():
    """Features of many games of both kinds, bool [positions, F] each."""
    record = play_random(400, 64, np.random.default_rng(3))
    labels = table(View.of_record(record))
    played = np.arange(PLIES + 1)[:, None] <= record.lengths
    sparse = table(View.of_record(sparse_games(400, 20, 5)[0]))
    return labels[played], sparse.reshape(-1, len(FEATURES))


def test_parents_hold_and_names_of_a_variable_exclude_each_other():
    for labels in many():
        for child, feature in enumerate(FEATURES):
            for parent in feature.parents:
                if parent in KNOWN:
                    orphans = labels[:, child] & ~labels[:, FEATURES.index(parent)]
                    assert not orphans.any(), (feature.name, parent)
        for name, indices in FEATURES.variables.items():
            assert labels[:, indices].sum(axis=1).max() <= 1, name


def test_most_features_occur_and_unreachable_ones_do_not_in_games():
    games, sparse = many()
    for feature, seen in zip(FEATURES, games.any(axis=0), strict=True):
        assert feature.reachable or not seen, feature.name
    shown = games.any(axis=0) | sparse.any(axis=0)
    for fen, _, _ in TACTICS:
        shown |= table(View.of_boards(Boards.of([chess.Board(fen)])))[0, 0]
    history = record_of([["g1f3", "g8f6", "f3g1", "f6g8"] * 2,
                         ["d2d4", "d7d5", "b1c3", "b8c6", "c1f4", "c8f5", "d1d2", "d8d7", "e1c1", "e8c8"]])  # fmt: skip
    shown |= table(View.of_record(history)).any(axis=(0, 1))
    assert [name for name in NAMES[~shown] if FEATURES[FEATURES.index(name)].reachable] == []


def broken_pins(monkeypatch):
    monkeypatch.setattr(chess_tactics.Side, "pinned", property(lambda side: np.zeros(len(side.view), np.uint64)))


def broken_forks(monkeypatch):
    """Attacks of several pieces are summed, as in the published function."""
    twice = chess_tactics._twice

    def summed(us, targets):
        out = twice(us, targets)
        both = chess_tactics.knight_attacks(us.kinds["knight"]) & targets["knight"]
        out["knight"] = us.kinds["knight"] * chess_structure.several(both)
        return out

    monkeypatch.setattr(chess_tactics, "_twice", summed)


def broken_mates(monkeypatch):
    """The turn is passed, but the old en passant square and turn stay: the threat is looked for on the wrong side."""
    monkeypatch.setattr(chess_threats, "null_move", lambda boards: boards)


def broken_passed(monkeypatch):
    monkeypatch.setattr(chess_structure, "sideways", lambda b: b << np.uint64(1))


@pytest.mark.parametrize("broken", [broken_pins, broken_forks, broken_mates, broken_passed])
def test_broken_features_are_noticed(monkeypatch, broken):
    boards = [chess.Board(fen) for fen, _, _ in TACTICS] + placements(20, 9)
    assert wrong_boards(boards) == []
    broken(monkeypatch)
    assert wrong_boards(boards) != []


def test_too_few_plies_are_refused():
    with pytest.raises(ValueError, match="at least 8"):
        scalar_blocks(4)


@pytest.mark.parametrize("plies", [8, 60, 64, 200])
def test_move_number_bands_cover_every_ply_once(plies):
    record = record_of([["g1f3", "g8f6", "f3g1", "f6g8"] * (plies // 4)])
    bands = scalars(View.of_record(record), plies)["move number"]
    assert (bands.sum(axis=0) == 1).all()


def test_the_fifty_move_rule_is_in_reach_of_long_games_only():
    assert not FEATURES[FEATURES.index("can claim fifty moves")].reachable
    longer = feature_set(scalar_blocks(120))
    assert longer[longer.index("can claim fifty moves")].reachable
    assert longer[longer.index("at least 100 quiet plies")].reachable
