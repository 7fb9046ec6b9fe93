"""PGN files: whole games are read exactly, damaged ones are counted with a reason, other files refused."""

import io
import warnings

import chess
import chess.pgn
import numpy as np
import pytest
from fiducial.games import chess_pgn
from fiducial.games.chess_pgn import Damaged, PgnGames, read_pgn

SHORT = '[White "A"]\n[Black "B"]\n\n1. e4 e5 2. Nf3 Nc6 1/2-1/2\n\n'
CASTLING = "1. d4 d5 2. Nc3 Nc6 3. Bf4 Bf5 4. Qd2 Qd7 5. O-O-O O-O-O *\n"


def random_games(n, seed, plies=40):
    generator = np.random.default_rng(seed)
    games = []
    for _ in range(n):
        board = chess.Board()
        for _ in range(int(generator.integers(1, plies))):
            legal = list(board.legal_moves)
            if not legal:
                break
            board.push(legal[generator.integers(len(legal))])
        games.append([move.uci() for move in board.move_stack])
    return games


def as_pgn(moves, **headers):
    game = chess.pgn.Game.from_board(chess.Board())
    node = game
    for uci in moves:
        node = node.add_variation(chess.Move.from_uci(uci))
    game.headers.update(headers)
    return f"{game}\n\n"


def read(text, **options):
    return read_pgn(io.StringIO(text), progress=False, **options)


def read_damaged(text, **options):
    with pytest.warns(UserWarning, match="damaged and left out"):
        return read(text, **options)


def test_games_written_by_python_chess_are_read_back(tmp_path):
    games = random_games(30, 0)
    path = tmp_path / "games.pgn"
    path.write_text("".join(as_pgn(moves, White=f"player {i}") for i, moves in enumerate(games)))
    for source in (path, str(path), io.StringIO(path.read_text())):
        found = read_pgn(source, progress=False)
        assert found.moves == games
        assert found.damaged == []
        assert [headers["White"] for headers in found.headers] == [f"player {i}" for i in range(30)]
        assert found.summary == "30 games read"
        assert len(found) == 30


def test_a_list_of_sources_limits_and_cut_games(tmp_path):
    games = random_games(6, 1)
    text = "".join(map(as_pgn, games))
    path = tmp_path / "games.pgn"
    path.write_text(text)
    both = [path, io.StringIO(text)]
    assert read_pgn(both, progress=False).moves == games * 2
    assert read_pgn([str(path), io.StringIO(text)], max_games=8, progress=False).moves == (games * 2)[:8]
    assert read(text, max_games=6).moves == games
    assert read(text, plies=3).moves == [game[:3] for game in games]


def test_a_limit_leaves_the_stream_at_the_next_game():
    stream = io.StringIO(as_pgn(["e2e4"]) + as_pgn(["d2d4"]))
    assert read_pgn(stream, max_games=1, progress=False).moves == [["e2e4"]]
    assert read_pgn(stream, max_games=1, progress=False).moves == [["d2d4"]]


def test_comments_variations_and_marks_are_left_out():
    text = (
        '\ufeff[White "A"]\n[Annotator "x (y) {z}"]\n\n'
        "{before (1. d4)} 1. e4! {good [%clk 0:10:00]} e5 $1 (1... c5 2. Nf3 (2. c3 d5) 2... d6) "
        "2.Nf3?! ; to the end 3. a3\n"
        "% an escaped line 9. Kxh9\n2... Nc6$14 3. Bb5 a6 {a comment\n\nwith a blank line} 4. Bxc6 dxc6 1-0\n"
    )
    found = read(text)
    assert found.moves == [["e2e4", "e7e5", "g1f3", "b8c6", "f1b5", "a7a6", "b5c6", "d7c6"]]
    assert found.headers[0]["White"] == "A"


def test_promotions_en_passant_and_sloppy_writing():
    text = "1. e4 a6 2. e5 d5 3. exd6e.p. a5 4. dxc7 a4 5. cxb8Q h6 6. Qxa8 Nf6 7. 0-0-0 *"
    found = read_damaged(text + "\n\n" + text.replace(" 7. 0-0-0", ""))
    assert [bad.game for bad in found.damaged] == [0]
    assert found.moves == [
        ["e2e4", "a7a6", "e4e5", "d7d5", "e5d6", "a6a5", "d6c7", "a5a4", "c7b8q", "h7h6", "b8a8", "g8f6"]
    ]
    assert read("1.e4 e5 2.Nf3+ Nc6 *").moves == [["e2e4", "e7e5", "g1f3", "b8c6"]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1. e4 e5 2. Ke3 Nc6 *", "ply 2: illegal san: 'Ke3'"),
        ("1. e4 e5 2. Nd2 Nc6 *", "ply 2: illegal san: 'Nd2'"),
        ("1. Nf3 a6 2. d3 a5 3. Nd2 *", "ply 4: ambiguous san: 'Nd2'"),
        ("1. e4 e9 *", "ply 1: 'e9' is no move"),
        ("1. e4 Nzz e5 2. d4 *", "ply 1: 'Nzz' is no move"),
        # python-chess alone reads the next four as whole games.
        ("1. e4 e5 2. Nx?3 Nz6 3. d4 *", "ply 2: 'Nx?3' is no move"),
        ("1. e4 e5 3. Nf3 Nc6 *", "ply 2: move number 3 where 2 is due"),
        ("1. e4 e5 2. Nf3 Nc6", r"no result (1-0, 0-1, 1/2-1/2, *) after ply 3: cut off?"),
        ("1. e4 e5 2. Nf3 { never closed *", "ply 3: '{' is no move"),
        ("1. e4 -- 2. d4 *", "ply 1: passes the turn"),
        ('[White "A"]\n\n*', "no moves"),
        ('[White "A"]\n\n', "no moves"),
        ('[Variant "Atomic"]\n\n1. e4 e5 *', "variant 'Atomic', not standard chess"),
        ('[Variant "Chess960"]\n\n1. e4 e5 *', "variant 'Chess960', not standard chess"),
        ('[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]\n\n1. e4 Ke7 *', "begins from '4k3/8/8/8/8/8/4P3/4K3 w - - 0 1'"),
        ('[FEN "nonsense"]\n\n1. e4 e5 *', "begins from 'nonsense'"),
    ],
)
def test_damaged_games_are_left_out_with_a_reason(text, why):
    found = read_damaged(SHORT + text + "\n\n" + SHORT)
    assert found.moves == [["e2e4", "e7e5", "g1f3", "b8c6"]] * (2 if "never" not in text else 1)
    assert [bad.game for bad in found.damaged] == [1]
    assert why in found.damaged[0].reason
    assert "1 damaged and left out: game 1 (" in found.summary


def test_standard_variant_and_start_are_no_damage():
    headers = f'[Variant "Standard"]\n[SetUp "1"]\n[FEN "{chess.STARTING_FEN}"]\n\n'
    assert read(headers + "1. e4 e5 *\n").moves == [["e2e4", "e7e5"]]


def test_a_file_cut_anywhere_gives_no_wrong_move():
    # Cut inside O-O-O a legal O-O is left; cut before the result any move may be.
    whole = read(CASTLING).moves[0]
    for cut in range(1, len(CASTLING) - 2):
        try:
            found = read_damaged(SHORT + CASTLING[:cut])
        except pytest.fail.Exception:
            assert not CASTLING[:cut].strip()
            continue
        assert found.moves == [["e2e4", "e7e5", "g1f3", "b8c6"]]
        assert len(found.damaged) == 1
    assert read(SHORT + CASTLING).moves[1] == whole
    assert whole[-2:] == ["e1c1", "e8c8"]


def test_many_damaged_games_are_counted():
    found = read_damaged(SHORT + "1. e5 *\n\n" * 7 + SHORT)
    assert (len(found), len(found.damaged)) == (2, 7)
    assert found.summary.startswith("2 games read, 7 damaged and left out: game 1 (ply 0: illegal san: 'e5'")
    assert found.summary.endswith("; and 4 more")
    assert (
        PgnGames([[]], [{}], [Damaged(1, "no moves")]).summary
        == "1 game read, 1 damaged and left out: game 1 (no moves)"
    )


def test_damaged_games_do_not_count_towards_the_limit():
    found = read_damaged("1. e5 *\n\n" + SHORT * 3, max_games=2)
    assert len(found) == 2
    assert found.damaged[0].game == 0


def test_python_chess_logs_nothing(caplog):
    read_damaged("1. e5 *\n\n" + SHORT)
    assert not caplog.records


def test_files_that_are_no_pgn(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no PGN file at .*games\.pgn"):
        read_pgn(tmp_path / "games.pgn")
    with pytest.raises(FileNotFoundError, match="no PGN file"):
        read_pgn(tmp_path)
    path = tmp_path / "other"
    for content, why in (
        (b"", "holds no game"),
        (b"\n\n  \n", "holds no game"),
        (b"To be, or not to be,\n\nthat is the question.\n", "is not a PGN: no line such as"),
        (b"\x7fELF\0\0", "binary file"),
        (b"\x1f\x8b\x08", "unpack it with gunzip"),
        (b"\x28\xb5\x2f\xfd", "unpack it with zstd -d"),
        (b"PK\x03\x04", "unpack it with unzip"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=why):
            read_pgn(path, progress=False)
    with pytest.raises(ValueError, match=r"put it in io\.StringIO"):
        read_pgn(SHORT)
    with pytest.raises(ValueError, match="the stream holds no game"):
        read("")


def test_numbers_below_one():
    for name in ("max_games", "plies"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, or None for all, got 0"):
            read(SHORT, **{name: 0})


def test_names_in_another_encoding_do_no_harm(tmp_path):
    path = tmp_path / "latin.pgn"
    path.write_bytes(SHORT.replace("A", "Gr\u00fcnfeld").encode("latin-1"))
    assert read_pgn(path, progress=False).moves == [["e2e4", "e7e5", "g1f3", "b8c6"]]


def test_without_the_check_of_the_text_damage_passes(monkeypatch):
    text = SHORT + "1. e4 e5 2. Nx?3 Nz6 3. d4 *\n"
    assert len(read_damaged(text)) == 1
    monkeypatch.setattr(chess_pgn, "_damage", lambda game, text: "; ".join(game.errors))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(text).moves[1][2:] == ["d2d4"]
