"""The exercises: notebooks are what their sources make, and checks know right from wrong."""

import importlib
import json
import re
import sys
from pathlib import Path

import fiducial
import numpy as np
import pytest
import torch

FOLDER = Path(fiducial.__file__).parent / "examples" / "exercises"
SOURCES = sorted((FOLDER / "source").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module", autouse=True)
def _beside_the_notebooks():
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def module(name):
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def build():
    return module("build")


# --- the builder ---


def test_a_region_becomes_the_task(build):
    code = "def f(x):\n    # a hint\n    ### BEGIN SOLUTION double it\n    return 2 * x\n    ### END SOLUTION"
    student, solution, found = build.split_regions(code)
    assert student == 'def f(x):\n    # a hint\n    raise NotImplementedError("your turn: double it")'
    assert solution == "def f(x):\n    # a hint\n    return 2 * x"
    assert found


def test_a_region_can_give_the_student_lines_of_his_own(build):
    code = "### BEGIN SOLUTION a number\n#| answer = ...\nanswer = 2\n### END SOLUTION\ncheck(answer)"
    student, solution, _ = build.split_regions(code)
    assert student == "answer = ...\ncheck(answer)"
    assert solution == "answer = 2\ncheck(answer)"


def test_code_without_a_region_stays(build):
    assert build.split_regions("a = 1\n#| not a mark here") == ("a = 1\n#| not a mark here",) * 2 + (False,)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("### BEGIN SOLUTION a\nx = 1", "has no ### END"),
        ("x = 1\n### END SOLUTION", "without a beginning"),
        ("### BEGIN SOLUTION a\n### BEGIN SOLUTION b\nx\n### END SOLUTION", "inside another"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "must say what to do"),
        ("### BEGIN SOLUTION a\n### END SOLUTION", "holds no solution"),
        ("### BEGIN SOLUTION a\n#| x = ...\n### END SOLUTION", "holds no solution"),
    ],
)
def test_broken_marks_are_refused(build, code, told):
    with pytest.raises(build.SourceError, match=told):
        build.split_regions(code)


def lesson(folder, text):
    (folder / "source").mkdir()
    path = folder / "source" / "01_lesson.py"
    path.write_text(text)
    return path


LESSON = '''"""Nobody sees this."""

# %% [markdown]
# # A lesson

# %%
### BEGIN SOLUTION add
#| a = ...
a = 1 + 1
### END SOLUTION

# %% [markdown] tags=["solution"]
# The answer is two.

# %% tags=["solution"]
print(a)
'''


def test_both_notebooks_of_a_source(build, tmp_path):
    pytest.importorskip("jupytext")
    exercise = build.Exercise(lesson(tmp_path, LESSON))
    student, solution = build.notebooks(exercise)
    told = "\n".join(c.source for c in student.cells)
    assert "a = ..." in told
    assert "1 + 1" not in told
    assert "two" not in told
    assert "print(a)" not in told
    assert build.ANSWER_HERE in told
    assert "Nobody" not in told
    solved = "\n".join(c.source for c in solution.cells)
    assert "a = 1 + 1" in solved
    assert "The answer is two." in solved
    assert "..." not in solved.replace('".."', "")
    again = build.notebooks(exercise)
    assert [json.dumps(n, sort_keys=True) for n in (student, solution)] == [
        json.dumps(n, sort_keys=True) for n in again
    ]


def test_what_is_stale_is_said(build, tmp_path):
    pytest.importorskip("jupytext")
    exercise = build.Exercise(lesson(tmp_path, LESSON))
    assert {line.split()[0] for line in build.stale(exercise)} == {"01_lesson.ipynb", "solutions/01_lesson.ipynb"}
    student, solution = build.notebooks(exercise)
    build.write(student, exercise.student)
    build.write(solution, exercise.solution)
    (only,) = build.stale(exercise)
    assert "2 cells were not executed" in only
    student.cells[0].source += " changed"
    build.write(student, exercise.student)
    assert any("is not what source/01_lesson.py makes" in line for line in build.stale(exercise))


def test_names_of_exercises(build, tmp_path):
    lesson(tmp_path, LESSON)
    assert [e.name for e in build.exercises(["01"], tmp_path)] == ["01_lesson"]
    with pytest.raises(build.SourceError, match="no exercise is called 07; there are 01_lesson"):
        build.exercises(["07"], tmp_path)


# --- what is there ---


def test_there_are_exercises():
    assert [path.name[:2] for path in SOURCES][:4] == ["01", "02", "03", "04"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_notebooks_are_what_the_source_makes(build, path):
    pytest.importorskip("jupytext")
    assert build.stale(build.Exercise(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_solution_has_figures_and_says_right(path):
    cells = json.loads((FOLDER / "solutions" / f"{path.stem}.ipynb").read_text())["cells"]
    outputs = [o for cell in cells for o in cell.get("outputs", [])]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 2
    assert sum(line.startswith("right: ") for o in outputs for line in "".join(o.get("text", [])).splitlines()) >= 4
    told = "".join("".join(o.get("text", [])) for o in outputs)
    assert not re.search(r"0x[0-9a-f]{6,}|/root/|/home/|/tmp/", told), "an address or a path of one machine"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_an_exercise_has_four_to_ten_tasks_and_no_answers_for_the_student(path):
    text = path.read_text()
    assert 4 <= len(re.findall(r"\*\*Exercise \d+\.\*\*", text)) <= 10
    student = (FOLDER / f"{path.stem}.ipynb").read_text()
    assert "BEGIN SOLUTION" not in student
    assert "your turn" in student


@pytest.mark.slow
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_an_untouched_notebook_stops_at_its_first_exercise(build, path):
    pytest.importorskip("nbclient")
    assert build.stops_where_it_should(build.Exercise(path)) is None


@pytest.mark.slow
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_solution_runs(build, path):
    pytest.importorskip("nbclient")
    _, solution = build.notebooks(build.Exercise(path))
    build.execute(solution, FOLDER / "solutions")


# --- the checks ---


def test_a_number():
    checks = module("checks")
    checks.check_number("a", 0.2001, 0.2)
    with pytest.raises(NotImplementedError, match="your turn: a"):
        checks.check_number("a", ..., 0.2)
    with pytest.raises(checks.Wrong, match="you forgot the root"):
        checks.check_number("a", 0.04, 0.2, hints={0.04: "you forgot the root"})
    with pytest.raises(checks.Wrong, match="should be one number, got list"):
        checks.check_number("a", [1, 2], 0.2)


def test_a_hint_never_holds_the_answer():
    checks = module("checks")
    with pytest.raises(checks.Wrong) as raised:
        checks.check_number("a", 3.0, 0.1234567)
    assert "0.12" not in str(raised.value)


def test_a_function_that_changes_its_arguments_is_told():
    checks = module("checks")

    def spoils(x):
        x -= 1
        return x + 1

    with pytest.raises(checks.Wrong, match="changes its arguments"):
        checks.check_function("f", spoils, [(np.ones(3),)], lambda x: x)
    with pytest.raises(checks.Wrong, match="returns nothing"):
        checks.check_function("f", lambda x: None, [(np.ones(3),)], lambda x: x)
    with pytest.raises(checks.Wrong, match="raised ZeroDivisionError"):
        checks.check_function("f", lambda x: 1 / 0, [(np.ones(3),)], lambda x: x)
    with pytest.raises(checks.Wrong, match=r"shape \[3\], but has \[2\]"):
        checks.check_function("f", lambda x: x[:2], [(np.ones(3),)], lambda x: x)


def test_a_wrong_answer_shows_one_line_in_a_notebook():
    assert module("checks").Wrong("look there")._render_traceback_() == ["\x1b[31mnot yet:\x1b[0m look there"]


def units(d):
    return d / d.norm(dim=1, keepdim=True)


WRONG = {
    ("checks_by_hand", "check_project"): [
        (lambda x, d: x @ d.T, "must not be negative"),
        (lambda x, d: np.abs(x @ d.T), "not the size"),
        (lambda x, d: np.maximum(x @ d.T, 0) / 2, "inner product"),
    ],
    ("checks_by_hand", "check_f1"): [
        (lambda f, h: (f & h).sum() / f.sum(), "precision"),
        (lambda f, h: (f & h).sum() / h.sum(), "recall"),
        (lambda f, h: (f == h).mean(), "accuracy"),
    ],
    ("checks_by_hand", "check_mmcs"): [
        (lambda a, b: (b @ a.T).max(0).mean(), "over the latents"),
        (lambda a, b: abs(b @ a.T).max(1).mean(), "opposite direction"),
    ],
    ("checks_by_hand", "check_update"): [
        (lambda x, c: np.linalg.lstsq(c, x, rcond=None)[0], "length 1"),
        (lambda x, c: (c.T @ x) / np.linalg.norm(c.T @ x, axis=1, keepdims=True), "all of them at once"),
    ],
    ("checks_by_hand", "check_pursuit"): [
        (lambda x, d, k: np.maximum(x @ d.T, 0) * ((x @ d.T) == (x @ d.T).max(1, keepdims=True)), "first pick"),
    ],
    ("checks_superposition", "check_restore"): [
        (lambda x, w, b: x @ w.T @ w + b, "ReLU"),
        (lambda x, w, b: torch.relu(x @ w.T @ w), "bias is missing"),
    ],
    ("checks_superposition", "check_loss"): [
        (lambda x, y, w: (w * (x - y) ** 2).mean(), "sum over the features"),
        (lambda x, y, w: ((x - y) ** 2).sum(1).mean(), "importance is missing"),
    ],
    ("checks_superposition", "check_dimensionality"): [
        (lambda w: (w**2).sum(0) / ((w.T @ w) ** 2).sum(1), "length 1"),
    ],
    ("checks_superposition", "check_noise"): [
        (lambda k, d: k / d, "variance"),
        (lambda k, d: k / d**0.5, "standard deviations do not"),
        (lambda k, d: d**-0.5, "k of them"),
    ],
    ("checks_first_sae", "check_encode"): [
        (lambda x, e, b, k: x @ e + b, "only the k largest"),
        (lambda x, e, b, k: torch.relu(x @ e + b), "positive readings"),
        (
            lambda x, e, b, k: torch.relu(x @ e) * ((x @ e) >= torch.relu(x @ e).topk(k, dim=1).values[:, -1:]),
            "bias is missing",
        ),
    ],
    ("checks_first_sae", "check_loss"): [(lambda x, y: ((x - y) ** 2).mean(), "sum over the coordinates")],
    ("checks_first_sae", "check_unit_rows"): [(lambda d: d / d.norm(dim=0, keepdim=True), "rows, not the columns")],
    ("checks_l0", "check_l0"): [
        (lambda z: (z != 0).float().mean(), "share"),
        (lambda z: z.sum(1).mean(), "L1"),
    ],
    ("checks_l0", "check_explained"): [
        (lambda x, y: 1 - ((x - y) ** 2).sum() / (x**2).sum(), "about the mean"),
        (lambda x, y: 1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum(), "each coordinate"),
    ],
    ("checks_l0", "check_truth_at"): [
        (lambda s, k: torch.zeros_like(s).scatter(1, s.topk(k, dim=1).indices, s.topk(k, dim=1).values), "every row"),
    ],
    ("checks_l0", "check_decoder_cosine"): [
        (lambda d: (units(d) @ units(d).T).abs().mean(), "diagonal"),
    ],
    ("checks_l0", "check_at"): [
        (lambda a, b, x: np.interp(x, a, b), "rising order"),
        (lambda a, b, x: np.interp(x, np.sort(a), b[np.argsort(a)]), "NaN"),
    ],
}


@pytest.mark.parametrize(
    ("name", "check", "wrong", "hint"),
    [(*key, wrong, hint) for key, cases in WRONG.items() for wrong, hint in cases],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_answer_gets_its_hint(name, check, wrong, hint):
    with pytest.raises(module("checks").Wrong, match=re.escape(hint)):
        getattr(module(name), check)(wrong)


def not_written(*arguments):
    raise NotImplementedError("your turn: write it")


@pytest.mark.parametrize(("name", "check"), WRONG, ids=lambda value: value)
def test_a_function_that_is_not_written_says_whose_turn_it_is(name, check):
    with pytest.raises(NotImplementedError, match="your turn"):
        getattr(module(name), check)(not_written)
