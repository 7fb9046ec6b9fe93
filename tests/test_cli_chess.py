"""The commands about chess, published work and single latents, as a user runs them."""

import json
import shutil

import h5py
import pytest
from command_line import assert_refused
from fiducial.data.assets import asset
from fiducial.games import Chess
from fiducial.games.chess_engine import find_engine
from fiducial.models.transformers import TransformerConfig, build_transformer, save_transformer
from fiducial.reporting.latents import latents_from
from fiducial.testbed_catalogue import testbed

PGN = """[Event "first"]
[Result "1-0"]

1. e4 e5 2. Bc4 Nc6 3. Qh5 Nf6 4. Qxf7# 1-0

[Event "damaged"]
[Result "*"]

1. e4 e5 2. Ke4 *

[Event "third"]
[Result "1/2-1/2"]

1. d4 d5 2. c4 1/2-1/2
"""


def test_sample_chess_from_a_pgn_file_counts_what_is_damaged(tmp_path, run):
    (tmp_path / "games.pgn").write_text(PGN)
    done = run("sample", "chess", "--pgn", "games.pgn", "-o", "games.h5")
    assert done.returncode == 0, done.stderr
    assert "read 2 games, left out 1 damaged ones" in done.stderr
    assert "game 1 left out" in done.stderr
    assert "wrote 2 games, 10 positions" in done.stdout
    assert h5py.is_hdf5(tmp_path / "games.h5")
    shown = run("sample", "chess-characters", "--pgn", "games.pgn")
    assert "e4 e5 Bc4 Nc6 Qh5 Nf6 Qxf7#" in shown.stdout
    assert "checkmate" in shown.stdout


def test_sample_refuses(tmp_path, run):
    (tmp_path / "games.pgn").write_text(PGN)
    (tmp_path / "bad.pgn").write_text('[Event "x"]\n\n1. e4 Ke4 *\n')
    assert_refused(run("sample", "othello", "--pgn", "games.pgn"), "chess games", "othello-8x8")
    assert_refused(run("sample", "chess", "--pgn", "games.pgn", "--engine", "stockfish"), "not both")
    assert_refused(run("sample", "chess", "--pgn", "nowhere.pgn"), "nowhere.pgn")
    assert_refused(run("sample", "chess", "--engine", "no-such-engine"), "no-such-engine", "apt install stockfish")
    assert_refused(run("sample", "ches"), "chess")
    done = run("sample", "chess", "--pgn", "bad.pgn")
    assert done.returncode == 2
    assert "no whole game in bad.pgn" in done.stderr


def test_sample_chess_from_an_engine(run):
    try:
        find_engine()
    except FileNotFoundError:
        pytest.skip("NO STOCKFISH: this test did not run")
    shown = run("sample", "chess", "--engine", "stockfish", "-n", "1", "--nodes", "1", "-s", "3")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == run("sample", "chess", "--engine", "stockfish", "-n", "1", "--nodes", "1", "-s", "3").stdout


def test_latents_of_a_shipped_sae_as_a_page(tmp_path, run):
    done = run("latents", "topk", "-t", "othello-6x6", "-n", "12", "--best", "2", "--group", "board", "-o", "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") > 4
    blocks = latents_from(json.loads((tmp_path / "page.latents.json").read_text()))
    assert [len(one["examples"]) > 4 for one in blocks] == [True, True]
    assert_refused(run("latents", "topk", "-t", "othello-6x6", "-n", "12", "--latent", "99999"), "99999")


def test_reproduce_refuses(run):
    assert_refused(run("reproduce", "karvonen2025"), "karvonen2024")
    assert_refused(run("reproduce", "karvonen2024", "-t", "othello-smal"), "othello-small")
    assert_refused(run("reproduce", "karvonen2024", "--model", "nowhere/at/all"), "which game")


def test_a_model_of_ones_own_becomes_a_testbed(tmp_path, run):
    game = Chess()
    config = TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=32, n_ctx=64, d_vocab=1970)
    save_transformer(build_transformer(config, 0), config, tmp_path / "mine.safetensors")
    bed = testbed(tmp_path / "mine.safetensors", game="chess", layer=1, n_games=8)
    assert (bed.hook, bed.d_in, bed.game) == ("blocks.1.hook_out", 16, game)
    assert bed.x.shape == (int(bed.transcripts.scored.sum()), 16)
    with pytest.raises(ValueError, match=r"layer must say which block is read, from 0 to 1, got 2"):
        testbed(tmp_path / "mine.safetensors", game="chess", layer=2)
    with pytest.raises(ValueError, match=r"only with game"):
        testbed("othello-6x6", layer=2)
    with pytest.raises(ValueError, match=r"1970|vocabulary"):
        testbed(tmp_path / "mine.safetensors", game="othello", layer=1)
    shutil.copytree(asset("othello-6x6/topk"), tmp_path / "topk")
    done = run("score", "topk", "-t", "mine.safetensors", "--game", "chess", "--layer", "1", "-n", "8")
    assert_refused(done, "width 128", "width 16")


def test_names_of_what_ships_are_suggested(run):
    assert_refused(run("latents", "topp", "-t", "othello-6x6", "-n", "12"), "topp", "matryoshka")
    assert_refused(run("demo", "-t", "chess-pgn-small"), "no SAEs ship with chess-pgn-small")
