"""The pytest plugin: unseen where it is not used, and in a user's suite everything that the documentation says."""

import os
import subprocess
import sys
import time

import fiducial
import pytest
from _pytest import pytester as nested

pytest_plugins = ["pytester"]

HEAVY = "{'torch', 'numpy', 'scipy', 'pandas', 'sae_lens', 'transformer_lens', 'matplotlib'}"
SUITE = """
import pytest
from fiducial.models.controls import random_dictionary
from fiducial.testing import assert_recovers

pytestmark = pytest.mark.fiducial(world="superposition-half", games=20)

def test_of_chance(synthetic_world):
    dictionary = random_dictionary(synthetic_world.x, 16, 2, seed=1, name="by chance")
    assert_recovers(dictionary, synthetic_world, coverage=0.9)

def test_of_the_truth(synthetic_world):
    assert_recovers(synthetic_world.oracle, synthetic_world, coverage=0.9)
"""


class OwnModules:
    """What a nested run imports is kept, but for its own tests: large libraries cannot be imported twice."""

    def __init__(self, preserve=None):
        self.before = set(sys.modules)

    def restore(self):
        for name in set(sys.modules) - self.before:
            if name.startswith(("test_", "conftest")):
                del sys.modules[name]


@pytest.fixture(autouse=True)
def imported_once(monkeypatch):
    monkeypatch.setattr(nested, "SysModulesSnapshot", OwnModules)


def alone(folder, *arguments, **variables):
    """pytest in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    env = {**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_loading_it_imports_nothing_heavy():
    code = f"import sys, fiducial.pytest_plugin, fiducial.testing.session; print({HEAVY} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_suite_that_does_not_use_it_does_not_see_it(tmp_path):
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n"
    )
    (tmp_path / "test_one.py").write_text(f"import sys\ndef test_one():\n    assert not {HEAVY} & set(sys.modules)\n")
    # Other plugins import numpy, so that they are left out here.
    done = alone(tmp_path, "-p", "fiducial.pytest_plugin", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout
    assert "fiducial" not in done.stdout
    assert not (tmp_path / ".pytest_cache" / "d" / "fiducial").exists()


def test_it_can_be_left_out(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_one(fiducial_testbed): pass\n")
    done = alone(tmp_path, "-p", "no:fiducial", "-p", "no:cacheprovider")
    assert done.returncode == 1
    assert "fixture 'fiducial_testbed' not found" in done.stdout


def test_jaxtyping_can_instrument_the_package_that_holds_the_plugin(tmp_path):
    (tmp_path / "test_one.py").write_text(
        "import fiducial.suggestions\n"
        "def test_one(pytestconfig):\n"
        "    assert 'jaxtyping' in type(fiducial.suggestions.__loader__).__module__\n"
        "    assert pytestconfig.pluginmanager.hasplugin('fiducial')\n"
    )
    done = alone(tmp_path, "--jaxtyping-packages=fiducial,beartype.beartype")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--fiducial-games=3", "fiducial_games must be at least 8, got 3"),
        ("--fiducial-seed=-1", "fiducial_seed must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_runs(pytester, option, says):
    pytester.makepyfile("def test_one(): pass")
    done = pytester.runpytest_inprocess(option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{says}*"])


def test_ini_values_count_and_options_win(pytester):
    pytester.makeini("[pytest]\nfiducial_games = 12\nfiducial_seed = five\n")
    pytester.makepyfile("""
        def test_one(pytestconfig, fiducial_testbeds):
            from fiducial.testing.session import current
            assert (current().games, current().seed) == (12, 7)
            assert current().folder == pytestconfig.rootpath / ".pytest_cache" / "d" / "fiducial"
    """)
    pytester.runpytest_inprocess("--fiducial-seed=7").assert_outcomes(passed=1)
    refused = pytester.runpytest_inprocess()
    refused.stderr.fnmatch_lines(["*fiducial_seed must be a whole number, got 'five'*"])


def test_a_failure_hides_the_package_and_the_summary_shows_the_scores(pytester):
    pytester.makepyfile(SUITE)
    done = pytester.runpytest_inprocess("--strict-markers")
    done.assert_outcomes(passed=1, failed=1)
    said = done.stdout.str()
    done.stdout.fnmatch_lines(
        [
            ">       assert_recovers(dictionary, synthetic_world, coverage=0.9)",
            "E       AssertionError: by chance on superposition-half*",
            "E*what to try*",
            "*= fiducial =*",
            "F  by chance *",
            "*oracle *coverage *",
            "cache: * made in * s*",
        ]
    )
    assert "assertions.py:" not in said  # no frame of this package
    again = pytester.runpytest_inprocess()
    again.assert_outcomes(passed=1, failed=1)
    again.stdout.fnmatch_lines(["cache: * entries read in * s*"])
    assert " made in " not in again.stdout.str()


def test_without_a_cache_nothing_is_kept(pytester):
    pytester.makepyfile(SUITE)
    for option in ("--fiducial-no-cache", "-pno:cacheprovider"):
        pytester.runpytest_inprocess(option).assert_outcomes(passed=1, failed=1)
    assert not list(pytester.path.rglob("scores-*"))
    pytester.runpytest_inprocess("--fiducial-cache=kept", "-pno:cacheprovider")
    assert list((pytester.path / "kept").glob("scores-*"))


def test_a_page_about_all_scores(pytester):
    pytester.makepyfile(SUITE)
    done = pytester.runpytest_inprocess("--fiducial-report=out/scores.html")
    done.stdout.fnmatch_lines(["wrote *scores.html: 2 dictionaries on 1 testbeds"])
    page = (pytester.path / "out" / "scores.html").read_text()
    assert "by chance" in page
    assert "oracle" in page
    pytester.makepyfile("def test_one(): pass")
    done = pytester.runpytest_inprocess("--fiducial-report=none.html")
    done.stdout.fnmatch_lines(["no page written to *none.html: no test asked for a score"])


@pytest.mark.parametrize(
    ("marker", "fixture", "says"),
    [
        ('testbed="otello-6x6"', "fiducial_testbed", "no testbed named 'otello-6x6'; did you mean othello-6x6"),
        ('world="hierarchicl"', "synthetic_world", "no testbed named 'hierarchicl'; did you mean hierarchical"),
        ("games=3", "synthetic_world", "at least 8 games*got n_games=3"),
        (
            '"othello-6x6"',
            "fiducial_testbed",
            "takes testbed, world, sae, games, seed, each by name; got 'othello-6x6'",
        ),
        ("game=20", "fiducial_testbed", "takes testbed, world, sae, games, seed, each by name; got game"),
        ('testbed="chess-pgn-small"', "shipped_sae", "no SAEs ship with chess-pgn-small"),
        ('testbed="independent"', "shipped_sae", "no SAEs ship with independent"),
        ('sae="topkk"', "shipped_sae", "no SAE 'topkk' ships with othello-6x6; did you mean topk"),
    ],
)
def test_slips_in_a_marker_are_one_sentence(pytester, marker, fixture, says):
    pytester.makepyfile(f"import pytest\n@pytest.mark.fiducial({marker})\ndef test_one({fixture}): pass\n")
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"*{says}*"])
    assert "Traceback" not in done.stdout.str()
    assert "kept_testbed.py" not in done.stdout.str()


def test_the_nearest_marker_wins_and_parameters_win_over_it(pytester):
    pytester.makepyfile("""
        import pytest

        pytestmark = pytest.mark.fiducial(world="superposition-half", games=10, seed=2)

        def test_module(synthetic_world, synthetic_worlds):
            assert repr(synthetic_world) == "SyntheticTestbed('superposition-half', n_games=10, seed=2)"
            assert synthetic_worlds("superposition-half", games=10, seed=2) is synthetic_world

        @pytest.mark.fiducial(games=12)
        def test_function(synthetic_world):
            assert repr(synthetic_world) == "SyntheticTestbed('superposition-half', n_games=12, seed=2)"

        @pytest.mark.parametrize("synthetic_world", ["superposition-1"], indirect=True)
        def test_parameter(synthetic_world):
            assert repr(synthetic_world) == "SyntheticTestbed('superposition-1', n_games=10, seed=2)"

        def test_store(fiducial_cache):
            import numpy as np
            made = [fiducial_cache.arrays("mine", {"a": 1}, lambda: {"x": np.ones(2)}) for _ in range(2)]
            assert made[0]["x"].sum() == made[1]["x"].sum() == 2
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=4)


@pytest.mark.slow
def test_workers_share_the_store_and_send_their_scores(tmp_path):
    (tmp_path / "test_many.py").write_text(SUITE)
    (tmp_path / "test_more.py").write_text(SUITE)
    first = alone(tmp_path, "-n", "2", "--dist=loadfile", "--fiducial-report=scores.html")
    assert "2 failed, 2 passed" in first.stdout
    assert "F  by chance" in first.stdout
    assert "wrote" in first.stdout
    assert "by chance" in (tmp_path / "scores.html").read_text()
    second = alone(tmp_path, "-n", "2", "--dist=loadfile")
    assert "entries read in" in second.stdout
    assert " made in " not in second.stdout


@pytest.mark.slow
def test_a_killed_run_leaves_a_store_that_the_next_one_uses(tmp_path):
    (tmp_path / "test_one.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = tmp_path / ".pytest_cache" / "d" / "fiducial"
    try:
        while run.poll() is None and not list(store.rglob("*.json")):
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    done = alone(tmp_path)
    assert "1 failed, 1 passed" in done.stdout
    assert "damaged" not in done.stdout


def test_the_users_suite_uses_public_names_only():
    import ast
    from pathlib import Path

    folder = Path(fiducial.__file__).parent / "examples" / "user_suite"
    files = sorted(folder.glob("*.py"))
    assert len(files) >= 4
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not any(name.name.startswith("_") for name in node.names)
                assert "._" not in (node.module or "")


@pytest.mark.slow
def test_the_users_suite_passes(tmp_path):
    from pathlib import Path

    folder = Path(fiducial.__file__).parent / "examples" / "user_suite"
    done = alone(folder, "-rx", "-o", f"cache_dir={tmp_path}")
    assert done.returncode == 0, done.stdout
    assert "9 passed, 1 xfailed" in done.stdout
