"""First contact: what `fiducial` alone says, help that is whole and in order, and forty slips of the pen.

A slip is answered with one line on stderr that names what was typed and what was probably meant; never a traceback.
"""

import subprocess
import sys
import time

import pytest
from command_line import assert_refused, inside, shell
from fiducial.cli import app
from fiducial.cli_help import MEANT, SECTIONS
from fiducial.suggestions import close_names, did_you_mean, either, nearby, no_such_file

NAMES = {command.name or command.callback.__name__ for command in app.registered_commands}
SLIPS = {  # what is typed, and what the answer has to say
    # commands
    "scor topk": ("'scor'", "score"),
    "evaluate topk": ("did you mean score?",),
    "test-beds": ("did you mean testbeds?",),
    "train": ("did you mean train-sae?",),
    "train_sae": ("did you mean train-sae?",),
    "SCORE topk": ("did you mean score",),
    "archs": ("did you mean architectures?",),
    "frobnicate": ("there is no command 'frobnicate'", "fiducial --help"),
    # options
    "score topk --testbd othello-6x6": ("no option --testbd", "--testbed"),
    "score topk --gamse 9": ("no option --gamse", "--games"),
    "score topk --metric l0": ("no option --metric", "--metrics"),
    "score topk --output x": ("no option --output", "--out"),
    "--testbed chess-small score topk": ("--testbed belongs after the command", "fiducial score --testbed"),
    "score topk --games": ("--games", "argument"),
    "score topk --games ten": ("--games", "integer", "got ten"),
    "score topk --games 3": ("--games", "8", "got 3"),
    "score": ("saes", "fiducial score --help"),
    # testbeds
    "score topk -t othelo-6x6": ("othello-6x6",),
    "score topk -t othello6x6": ("othello-6x6",),
    "score topk -t chess": ("chess-small",),
    "score topk -t Chess_Small": ("chess-small",),
    "score topk -t synthsae": ("synthsaebench-64",),
    "score topk -t sealed:hierarchcal": ("hierarchical",),
    "demo -t othello-smal": ("othello-small",),
    "capture -t ioi -o x.h5": ("ioi-tiny",),
    # metrics
    "score topk -m coverag": ("coverage",),
    "score topk -m Coverage,L0_": ("coverage",),
    "score topk -m explained_variance": ("explained_variance_score",),
    "score topk -m legal-top1": ("legal_top1_score",),
    # games, groups and features
    "features otello": ("othello",),
    "features tictactoe": ("no world named", "there are"),
    "features othello --group bord": ("board",),
    "features othello --rung 9": ("rung 9",),
    "sample ches": ("chess",),
    # SAEs and files
    "score topkk": ("no file or folder topkk", "topk"),
    "score p_anneal": ("chess-small", "-t chess-small"),
    "score othello-6x6/topkk": ("othello-6x6/topk",),
    "score mysae": ("did you mean my-sae?",),
    "score-arrays latens.npz": ("did you mean latents.npz?",),
    "score my-sae": ("my-sae",),
    # kinds of SAE and their training
    "score my-sae --kind saelens": ("sae_lens",),
    "train-sae --arch topkk": ("topk",),
    "zoo --archs batch_topk": ("batchtopk",),
    "zoo --l0 a,b": ("--l0 takes numbers",),
    "train-model othello": ("othello",),
}


@pytest.fixture
def place(tmp_path):
    """A folder with an SAE that is none and a file of arrays that is none."""
    (tmp_path / "my-sae").mkdir()
    (tmp_path / "latents.npz").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("typed", SLIPS)
def test_a_slip_is_answered_in_one_line(typed, place):
    assert_refused(inside(*typed.split(), cwd=place), *SLIPS[typed])
    assert {path.name for path in place.iterdir()} == {"my-sae", "latents.npz"}, "a refusal leaves nothing behind"


def test_fiducial_alone_says_what_to_do_first(tmp_path):
    done = inside(cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.index("fiducial demo") < done.stdout.index("fiducial score SAE") < done.stdout.index("--help")


def test_every_command_has_a_line_and_every_line_a_command():
    listed = [name for section in SECTIONS.values() for name in section]
    assert len(listed) == len(set(listed))
    assert set(listed) >= NAMES, "give a new command a line in cli_help.SECTIONS"
    assert set(MEANT.values()) <= set(listed)
    assert not set(MEANT) & set(listed)


@pytest.mark.parametrize("columns", [80, 120])
def test_help_is_whole_and_in_order(tmp_path, columns):
    shown = inside("--help", cwd=tmp_path, COLUMNS=str(columns)).stdout
    assert "..." not in shown.partition("Start here")[2]
    assert max(map(len, shown.splitlines())) <= 80
    order = [shown.index(f"\n{title}:") for title in SECTIONS if f"\n{title}:" in shown]
    assert order == sorted(order)
    for name in NAMES:
        assert f"\n  {name} " in shown


def test_help_and_module_in_real_processes(tmp_path):
    began = time.process_time()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fiducial", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert time.process_time() - began < 5
    assert done.returncode == 0
    assert "Start here" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "fiducial.cli" in imported
    assert not imported & {"torch", "numpy", "sae_lens", "transformer_lens", "pandas", "matplotlib", "scipy"}
    assert shell("--version", cwd=tmp_path).stdout == inside("--version", cwd=tmp_path).stdout


def test_close_names():
    assert close_names("Chess_Small", ["chess", "chess-small"])[0] == "chess-small"
    assert close_names("othello", ["chess-small", "othello-6x6", "othello-small"]) == ["othello-6x6", "othello-small"]
    assert close_names("small", ["othello-small", "chess"]) == ["othello-small"]
    assert close_names("", ["chess"]) == []
    assert close_names("chess", []) == []
    assert close_names("qqq", ["chess", "othello"]) == []
    assert close_names("x", [""]) == []


def test_a_list_is_cut_where_it_would_fill_the_screen():
    names = [f"name{i}" for i in range(100)]
    assert did_you_mean("qqq", names).endswith("name23 and 76 more")
    assert did_you_mean("qqq", []) == "there are none"
    assert either([]) == ""
    assert either(["a", "b"]) == "a or b"


def test_nearby_paths(tmp_path):
    (tmp_path / "results" / "run-1").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    assert nearby(tmp_path / "result" / "run-1") == [str(tmp_path / "results")]
    assert nearby(tmp_path / "results" / "run1") == [str(tmp_path / "results" / "run-1")]
    assert nearby(tmp_path / "hidden") == []
    assert no_such_file(tmp_path / "other") == ""
    assert no_such_file(tmp_path / "results") == "; that is a folder"
