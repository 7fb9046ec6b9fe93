"""The chess world beyond the contract that every world meets: forms, sources, selections, refusals."""

import chess
import numpy as np
import pytest
from fiducial.games import Chess, world
from fiducial.games.chess_characters import continuation_counts

MOVES, CHARACTERS = Chess(positions=30), Chess(tokens="characters", positions=120)
SCHOLAR = ["e2e4", "e7e5", "f1c4", "b8c6", "d1h5", "g8f6", "h5f7"]
SCHOLAR_TEXT = ";1.e4 e5 2.Bc4 Nc6 3.Qh5 Nf6 4.Qxf7# "


def true_names(transcripts, position):
    labels = transcripts.bool_labels()[0, position]
    return {name for name, yes in zip(transcripts.features.names, labels, strict=True) if yes}


def test_a_known_game_has_the_known_truth():
    transcripts = MOVES.label([SCHOLAR])
    assert transcripts.scored[0].tolist() == [False] + [True] * 7 + [False] * 22
    final = true_names(transcripts, 7)
    assert {"white queen on f7", "black king on e8", "e5 occupied", "checkmate", "moved to f7"} <= final
    assert "black pawn on f7" not in final
    before = true_names(transcripts, 6)
    assert {"black knight on f6", "white queen on h5", "legal move to f7"} <= before
    assert "checkmate" not in before


@pytest.mark.parametrize(
    "given", [[SCHOLAR], [" ".join(SCHOLAR)], [MOVES.tokenizer.encode(SCHOLAR)], [MOVES.tokenizer.encode(SCHOLAR)[1:]]]
)
def test_a_game_of_moves_may_be_written_in_four_ways(given):
    assert np.array_equal(MOVES.label(given).tokens, MOVES.label([SCHOLAR]).tokens)


@pytest.mark.parametrize("cut", [len(SCHOLAR_TEXT), len(SCHOLAR_TEXT) - 1, len(SCHOLAR_TEXT) - 4])
def test_a_text_may_be_cut_and_letters_carry_the_board_before_their_move(cut):
    all_characters = Chess(tokens="characters", positions=120, scored="all")
    transcripts = all_characters.label([SCHOLAR_TEXT[:cut]])
    position = SCHOLAR_TEXT.index("Qxf7")
    assert transcripts.ply[0, position] == 6
    assert true_names(transcripts, position) == true_names(MOVES.label([SCHOLAR]), 6)
    if cut == len(SCHOLAR_TEXT):
        assert true_names(transcripts, cut - 1) == true_names(MOVES.label([SCHOLAR]), 7)
    else:
        assert transcripts.ply.max() == 6


def test_both_forms_agree_on_every_board_before_white_moves():
    games = [MOVES.tokenizer.decode(row) for row in MOVES.sample(20, seed=3).tokens]
    moves = Chess(positions=61, scored="published").label(games)  # 60 plies, as 256 characters have: one vocabulary
    characters = Chess(tokens="characters").label(
        Chess(tokens="characters").from_uci(games)  # type: ignore[arg-type]
    )
    for game in range(20):
        by_ply = {
            int(p): row for p, row, s in zip(moves.ply[game], moves.labels[game], moves.scored[game], strict=True) if s
        }
        seen = 0
        for ply, row, scored in zip(
            characters.ply[game], characters.labels[game], characters.scored[game], strict=True
        ):
            if scored and int(ply) in by_ply:
                seen += 1
                assert np.array_equal(row, by_ply[int(ply)])
        assert seen >= 10


def test_published_positions_are_the_first_twenty_dots():
    transcripts = Chess(tokens="characters").sample(30, seed=0)
    dot = Chess(tokens="characters").tokenizer.vocabulary.index(".")
    assert (transcripts.tokens[transcripts.scored] == dot).all()
    assert (transcripts.scored.sum(1) == 20).all()
    assert np.array_equal(transcripts.ply[transcripts.scored].reshape(30, 20), np.tile(np.arange(0, 40, 2), (30, 1)))
    by_move = Chess(scored="published").sample(30, seed=0)
    assert np.array_equal(by_move.ply[by_move.scored].reshape(30, 20), np.tile(np.arange(0, 40, 2), (30, 1)))


def test_counts_are_those_of_python_chess():
    tokens, counts = CHARACTERS.next_counts(6, 4)
    for row, found in zip(tokens, counts, strict=True):
        plain = continuation_counts(CHARACTERS.tokenizer.text(row))
        assert np.array_equal(found[: len(plain)], plain)
        assert not found[len(plain) :].any()


def test_allowed_moves_are_those_of_python_chess():
    tokens, allowed = MOVES.next_moves(5, 4)
    for row, found in zip(tokens, allowed, strict=True):
        board = chess.Board()
        for position, token in enumerate(row):
            if position:
                board.push_uci(MOVES.tokenizer.vocabulary[token])
            names = {MOVES.tokenizer.vocabulary[i] for i in np.flatnonzero(found[position])}
            assert names == {move.uci() for move in board.legal_moves}


def test_published_functions_are_labelled_where_positions_are_scored():
    game = Chess(positions=30, scored="published")
    tokens = game.sample(15, seed=1).tokens
    for name in ("check", "piece, blank and initial masked", "can claim draw"):
        transcripts = game.published(name, tokens)
        assert transcripts.labels.shape == (15, 30, transcripts.features.n_bytes)
        assert not transcripts.labels[~transcripts.scored].any()
        assert all(feature.counterpart for feature in transcripts.features)
    masked = game.published("piece, blank and initial masked", tokens)
    board = game.label(tokens)
    columns = board.features.where(group="board", reachable=True)
    ours = board.features.unpack_columns(board.labels, columns)[board.scored]
    assert masked.bool_labels()[masked.scored].sum() == ours.sum()  # the group `board` is the masked board state
    with pytest.raises(KeyError, match="no published chess function 'chek'"):
        game.published("chek", tokens)


def test_squares_of_features():
    assert MOVES.square_of("white knight on f3") == chess.F3
    assert MOVES.square_of(MOVES.features[MOVES.features.index("white attacks a8")]) == chess.A8
    assert MOVES.square_of("checkmate") is None


def test_worlds_by_name():
    assert world("chess") == Chess()
    assert world("chess-characters") == Chess(tokens="characters")
    assert (Chess().n_positions, Chess(tokens="characters").n_positions) == (64, 256)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Chess(tokens="san"), r"chess tokens must be one of \('moves', 'characters'\), got 'san'"),
        (lambda: Chess(scored="some"), r"scored must be one of \('all', 'published'\), got 'some'"),
        (lambda: Chess(positions=1), r"at least 2 positions, got 1"),
        (lambda: MOVES.label("e2e4 e7e5"), r"got one text; put a single game in a list"),
        (lambda: MOVES.label([]), r"no games were given"),
        (lambda: MOVES.label(np.zeros(5, np.int64)), r"must be \[games, positions\], got \[5\]"),
        (lambda: MOVES.label([["e2e4"], ["e2e5"]]), r"game 1, ply 0: e2e5 is illegal for White"),
        (lambda: MOVES.label([["e4"]]), r"game 0, ply 0: 'e4' is no move"),
        (lambda: MOVES.label([[1, 99_999]]), r"game 0, position 1: token id 99999"),
        (lambda: CHARACTERS.label([";1.e4 e5 2.Ke3 "]), r"game 0, ply 2.*Ke3"),
        (lambda: CHARACTERS.label(["1.e4"]), r"game 0.*';'"),
        (lambda: CHARACTERS.label([["e2e4"]]), r"game 0, ply 0: 'e2e4' is no move in SAN.*sans_of"),
        (lambda: MOVES.render(SCHOLAR, 8), r"ply must be from 0 to 7, the length of this game, got 8"),
        (lambda: MOVES.render(SCHOLAR, 2, "png"), r"format must be 'text' or 'svg', got 'png'"),
        (lambda: CHARACTERS.from_uci([["e2e4", "e2e4"]]), r"game 0, ply 1: 'e2e4' is illegal"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_longer_games_are_cut():
    games = [MOVES.tokenizer.decode(row) for row in Chess(positions=60).sample(3, seed=2).tokens]
    assert MOVES.label(games).tokens.shape == (3, 30)
    assert np.array_equal(MOVES.label(games).tokens, Chess(positions=60).label(games).tokens[:, :30])
