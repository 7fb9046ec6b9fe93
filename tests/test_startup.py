"""What comes before the libraries: slips are refused, games are sampled, and nothing heavy is imported for it."""

import subprocess
import sys

import numpy as np
import pytest
from fiducial.startup import check_saes, known_metrics, sampled
from fiducial.testbed_catalogue import testbed

HEAVY = ("torch", "sae_lens", "transformer_lens", "sklearn", "scipy.stats", "pandas", "matplotlib")


def without_libraries(code, *, stops=False):
    """Run code in a fresh interpreter in which importing a heavy library fails; what it printed."""
    blocked = f"import sys\nfor name in {HEAVY!r}: sys.modules[name] = None\n"
    done = subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True, check=False)
    assert done.returncode == (2 if stops else 0), done.stderr
    return done.stderr if stops else done.stdout


def test_games_are_sampled_before_any_library_is_imported():
    code = """
from fiducial.startup import check_saes, known_metrics, sampled
check_saes(["topk"], "othello-6x6")
for name in ("othello-6x6", "chess-small", "ioi-tiny"):
    print(known_metrics(["coverage"]), len(sampled(name, 8, 0)))
"""
    assert without_libraries(code).split() == ["True", "8", "True", "8", "True", "160"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["topkk", "-t", "othello-6x6"], "no SAE of that name ships with othello-6x6; did you mean topk?"),
        (["./topkk", "-t", "othello-6x6"], "topkk does not exist"),
        (["topk", "-t", "othello-6x6", "--kind", "sae_len"], None),
        (["./topk", "--kind", "sae_len"], "did you mean sae_lens?"),
    ],
)
def test_score_refuses_slips_before_any_library_is_imported(arguments, says, tmp_path):
    if says is None:
        check_saes([arguments[0]], arguments[2], arguments[4])  # of a shipped SAE the kind is known
        return
    code = f"from fiducial.cli import main; main(['score', *{arguments!r}, '-o', {str(tmp_path / 'out')!r}])"
    error = without_libraries(code, stops=True)
    assert says in error
    assert "Traceback" not in error


def test_games_given_are_the_ones_that_the_testbed_would_sample():
    given = sampled("othello-6x6", 8, 3)
    bed = testbed("othello-6x6", n_games=8, seed=3, transcripts=given)
    own = testbed("othello-6x6", n_games=8, seed=3)
    assert bed.transcripts is given
    assert bed.twin.transcripts is given
    for name in ("tokens", "labels", "scored"):
        np.testing.assert_array_equal(getattr(own.transcripts, name), getattr(given, name))


def test_other_testbeds_make_their_own_games():
    assert sampled("synthsaebench-64", 8, 0) is None
    assert not known_metrics(["tasks"])  # a name of several; the libraries tell
    assert known_metrics(None)
