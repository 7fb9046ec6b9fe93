"""A game from elsewhere: the example keeps the contract, breaks of it are named, and everything takes it by name."""

import dataclasses
import re
from pathlib import Path

import fiducial as fd
import numpy as np
import pytest
from extending_examples import EntryPoint, example, restored
from fiducial.games import WORLDS, Feature, FeatureSet, check_counterfactuals, check_game

ROOT = Path(fd.__file__).parent
tictactoe = example("tictactoe")
TicTacToe = tictactoe.TicTacToe
LINES = ("a1b1c1", "a2b2c2", "a3b3c3", "a1a2a3", "b1b2b3", "c1c2c3", "a1b2c3", "a3b2c1")


def test_the_example_keeps_the_contract():
    check_game(TicTacToe())
    check_counterfactuals(TicTacToe())


def test_what_it_says_of_a_position_is_what_a_player_sees():
    """By an implementation that shares nothing with it: sets of squares, one position after the other."""
    game = TicTacToe()
    sample = game.sample(60, seed=8)
    labels = sample.bool_labels()
    seen = set()
    for row, tokens in enumerate(sample.tokens):
        players = (set(), set())
        for ply, move in enumerate(game.tokenizer.decode(tokens)):
            players[ply % 2].add(move)
            yours, mine = players[ply % 2], players[(ply + 1) % 2]
            lines = [{line[i : i + 2] for i in (0, 2, 4)} for line in LINES]
            lost = any(line <= yours for line in lines)
            wins = [line for line in lines if not lost and len(line & mine) == 2 and not line & yours]
            threats = [line for line in lines if not lost and len(line & yours) == 2 and not line & mine]
            true = {game.features.names[i] for i in np.flatnonzero(labels[row, ply])}
            assert {name for name in true if name.startswith("mine")} == {f"mine on {s}" for s in mine}
            assert {name for name in true if name.startswith("yours")} == {f"yours on {s}" for s in yours}
            assert f"just played {move}" in true
            assert sum(name.startswith("can win") for name in true) == len(wins)
            assert sum(name.startswith("must block") for name in true) == len(threats)
            assert ("fork" in true) == (len(threats) >= 2 and not wins)
            assert ("lost" in true) == lost
            seen |= true
    assert seen == set(game.features.names)


def test_illegal_moves_are_refused_by_game_and_ply():
    with pytest.raises(ValueError, match="game 1, ply 2"):
        TicTacToe().label([["a1"], ["b2", "b2"]])
    with pytest.raises(ValueError, match=r"game 0, ply 6.*over"):
        TicTacToe().label([["a1", "a2", "b1", "b2", "c1", "c2"]])
    with pytest.raises(ValueError, match="no square"):
        TicTacToe().label([["d1"]])


class Forgetful(TicTacToe):
    def sample(self, n_games, seed):
        return super().sample(n_games, np.random.SeedSequence().entropy % 2**32)


class Generous(TicTacToe):
    def allowed(self, tokens):
        return np.ones_like(super().allowed(tokens))


class Seedless(TicTacToe):
    def next_moves(self, n_games, seed):
        return super().next_moves(n_games, seed if isinstance(seed, int) else seed[0])


class Unpadded(TicTacToe):
    def sample(self, n_games, seed):
        made = super().sample(n_games, seed)
        return dataclasses.replace(made, labels=np.full_like(made.labels, 1))


class Orphan(TicTacToe):
    @property
    def features(self):
        lone = Feature(name="x", group="g", rung=0, definition="It holds here.", parents=("y",))
        return FeatureSet([lone])


class Loud(TicTacToe):
    def sample(self, n_games, seed):
        return super().sample(max(1, n_games), seed)


class Bare(TicTacToe):
    def render(self, game, ply, format="text"):
        return "board"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Forgetful, "must carry game, version and seed"),
        (Generous, "padding is no move"),
        (Seedless, "ignores a part of its seeds"),
        (Unpadded, "labels must be 0 where nothing is scored"),
        (Orphan, "a parent that is no feature: 'y'"),
        (Loud, r"sample\(0, seed=0\) must raise a ValueError"),
        (Bare, "needs a <title>"),
    ],
)
def test_a_break_of_the_contract_is_named(broken, words):
    with pytest.raises(ValueError, match=words):
        check_game(broken())


def test_what_is_no_game_at_all_is_told_what_it_lacks():
    with pytest.raises(TypeError, match="lacks allowed, counterfactuals"):
        check_game(object())


def test_a_registered_game_goes_by_its_name():
    with restored(WORLDS):
        fd.games.register("tic-tac-toe", TicTacToe)
        assert fd.games.world("tic-tac-toe") == TicTacToe()
        assert "fork" in fd.games.known_features("tic-tac-toe").names
        with pytest.raises(KeyError, match="did you mean tic-tac-toe"):
            fd.games.world("tictactoe")
    with pytest.raises(KeyError, match="no game named"):
        fd.games.world("tic-tac-toe")


def test_names_of_this_package_are_not_for_sale():
    with pytest.raises(ValueError, match="a name of its own"):
        fd.games.register("chess", TicTacToe)
    with pytest.raises(ValueError, match="lower case"):
        fd.games.register("TicTacToe", TicTacToe)
    with pytest.raises(TypeError, match="what makes a game"):
        fd.games.register("tic-tac-toe", TicTacToe())


def test_packages_bring_games_by_entry_points(monkeypatch):
    points = [EntryPoint("tic-tac-toe", TicTacToe), EntryPoint("broken", ImportError("no module named x"))]
    monkeypatch.setattr(fd.games, "entry_points", lambda group: points if group == "fiducial.games" else [])
    assert fd.games.world("tic-tac-toe") == TicTacToe()
    assert "tic-tac-toe" in fd.games.game_names()
    with pytest.raises(ValueError, match=r"'broken'.*cannot be loaded: no module named x"):
        fd.games.world("broken")
    with pytest.raises(KeyError, match="did you mean tic-tac-toe"):
        fd.games.known_features("tic-tac-to")


def test_the_script_goes_from_rules_to_a_score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with restored(WORLDS):
        report = example("game").main(games=2560, rows=8192)
    score = report.score("coverage")
    assert score.low <= score.value <= score.high
    assert {"neurons", "PCA"} <= set(score.floors)
    assert {"probes", "least squares"} <= set(score.ceilings)
    assert set(score.groups) == set(TicTacToe().features.groups)
    assert report.score("legal_top1_score").value > 0.5


def test_a_game_needs_a_model_that_plays_it():
    with pytest.raises(ValueError, match="a model that plays it"):
        fd.testbed(game=TicTacToe(), layer=0)
    with pytest.raises(ValueError, match="needs the game it plays"):
        fd.testbed(object())
    with pytest.raises(ValueError, match=r"only fiducial's own|cfg"):
        fd.testbed(type("Model", (), {"cfg": None, "to": lambda s, d: s, "eval": lambda s: s})(), game=TicTacToe())


def quotations():
    """Python that the pages quote from a script: page, name of the script, lines."""
    for page in sorted((ROOT / "docs" / "extending").glob("*.md")):
        for script, lines in re.findall(r'^```python title="(\w+\.py)"\n(.*?)^```$', page.read_text(), re.M | re.S):
            yield page.name, script, lines


def bare(text):
    """Lines without what a formatter of pages decides: indentation and empty lines."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def test_pages_quote_the_scripts_as_they_are():
    found = list(quotations())
    assert {page for page, _, _ in found} == {"game.md", "metric.md", "architecture.md", "reference.md"}
    for page, script, lines in found:
        assert bare(lines) in bare((ROOT / "examples" / "extending" / script).read_text()), (page, script, lines)
