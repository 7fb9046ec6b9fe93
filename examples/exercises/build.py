"""Make the notebooks of the exercises from their sources.

    python examples/exercises/build.py                 all students' notebooks, without outputs
    python examples/exercises/build.py 01 03 --run     of these two the solutions as well, executed
    python examples/exercises/build.py --check         whether the notebooks are what the sources make
    python examples/exercises/build.py --run --check   and whether the solutions run, which writes nothing

A source, `source/NN_name.py`, is a Python file in jupytext's percent format that holds everything, solutions included:

- What stands before the first `# %%` is about the source and goes into no notebook.
- In a code cell, what stands between `### BEGIN SOLUTION what to do` and `### END SOLUTION` becomes
  `raise NotImplementedError("your turn: what to do")`, indented as it was. Comments before it stay, as hints.
- If the first lines of such a region start with `#| `, the student gets these lines instead, without the mark:
  `#| answer = ...`. In the solution they are left out.
- A cell tagged `solution` (`# %% [markdown] tags=["solution"]`) is in the solution alone. For a markdown cell the
  student gets an empty place for an answer of his own.

`NN_name.ipynb` is the student's notebook and `solutions/NN_name.ipynb` the solution with outputs and figures. The same
source gives the same notebooks: cells are numbered, nothing is timed, and what a solution writes to stderr is not kept.
"""

import argparse
import os
import re
import resource
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BEGIN = re.compile(r"^(?P<indent> *)### BEGIN SOLUTION *(?P<task>.*)$")
END = re.compile(r"^ *### END SOLUTION *$")
ANSWER_HERE = "*Your answer:* (write it here; ours is in `solutions/`)"
ONE_FOLDER_UP = 'import sys\n\nsys.path.insert(0, "..")  # checks.py lies one folder up\n\n'
TIMEOUT = 600  # seconds a cell may take on a machine that is busy


class SourceError(ValueError):
    """A source that cannot be made into a notebook."""


@dataclass(frozen=True)
class Exercise:
    """One source and the two notebooks made of it."""

    source: Path

    @property
    def name(self) -> str:
        """Such as `01_by_hand`."""
        return self.source.stem

    @property
    def student(self) -> Path:
        """Where the notebook to fill in goes."""
        return self.source.parent.parent / f"{self.name}.ipynb"

    @property
    def solution(self) -> Path:
        """Where the executed solution goes."""
        return self.source.parent.parent / "solutions" / f"{self.name}.ipynb"


def exercises(names: Sequence[str] = (), folder: Path = HERE) -> list[Exercise]:
    """The exercises whose names begin with one of these; all by default.

    Raises:
        SourceError: a name that no source begins with.
    """
    every = [Exercise(path) for path in sorted((folder / "source").glob("[0-9][0-9]_*.py"))]
    for name in names:
        if not any(e.name.startswith(name) for e in every):
            raise SourceError(f"no exercise is called {name}; there are {', '.join(e.name for e in every) or 'none'}")
    return [e for e in every if not names or any(e.name.startswith(name) for name in names)]


def split_regions(code: str) -> tuple[str, str, bool]:
    """A code cell as the student gets it and as it is solved.

    Args:
        code: of the cell in the source.

    Returns:
        The student's code, the solution's, and whether there is anything to solve.

    Raises:
        SourceError: marks that do not pair, a region that tells no task or holds no solution.
    """
    student: list[str] = []
    solution: list[str] = []
    task: re.Match[str] | None = None
    given: list[str] = []
    found = False
    start = 0
    for line in code.splitlines():
        begin = BEGIN.match(line)
        if begin and task:
            raise SourceError(f"a region begins inside another: {line.strip()}")
        if begin:
            task, given, found, start = begin, [], True, len(solution)
            if not begin["task"]:
                raise SourceError("a region must say what to do: ### BEGIN SOLUTION what to do")
        elif END.match(line):
            if task is None:
                raise SourceError("### END SOLUTION without a beginning")
            if len(solution) == start:
                raise SourceError(f"the region {task['task']!r} holds no solution")
            student += given or [f'{task["indent"]}raise NotImplementedError("your turn: {task["task"]}")']
            task = None
        elif task and line.strip().startswith("#| ") and len(solution) == start:
            indent = line[: len(line) - len(line.lstrip())]
            given.append(indent + line.strip().removeprefix("#| "))
        else:
            solution.append(line)
            if task is None:
                student.append(line)
    if task:
        raise SourceError(f"the region {task['task']!r} has no ### END SOLUTION")
    return "\n".join(student), "\n".join(solution), found


def notebooks(exercise: Exercise) -> tuple[Any, Any]:
    """The student's notebook and the solution, neither executed.

    Raises:
        SourceError: the source breaks a rule of this file.
    """
    import jupytext

    text = exercise.source.read_text()
    if "\n# %%" not in text:
        raise SourceError(f"{exercise.source.name}: no cell; a cell starts with # %%")
    cells = jupytext.reads(text[text.index("\n# %%") + 1 :], fmt="py:percent").cells
    student: list[Any] = []
    solution: list[Any] = []
    for number, cell in enumerate(cells):
        apart = "solution" in cell.metadata.get("tags", [])
        try:
            for_student, for_solution, _ = (
                split_regions(cell.source) if cell.cell_type == "code" else (cell.source,) * 3
            )
        except SourceError as error:
            raise SourceError(f"{exercise.source.name}, cell {number}: {error}") from None
        if not apart:
            student.append(_cell(cell.cell_type, for_student, number))
        elif cell.cell_type == "markdown":
            student.append(_cell("markdown", ANSWER_HERE, number))
        if cell.cell_type == "code" and all(c.cell_type != "code" for c in solution):
            for_solution = ONE_FOLDER_UP + for_solution
        solution.append(_cell(cell.cell_type, for_solution, number))
    solution.insert(1, _cell("markdown", f"*The solution of [{exercise.name}](../{exercise.student.name}).*", "of"))
    return _notebook(student), _notebook(solution)


def _cell(kind: str, source: str, number: int | str) -> Any:
    import nbformat.v4 as v4

    make = v4.new_code_cell if kind == "code" else v4.new_markdown_cell
    return make(source, id=f"cell-{number:02d}" if isinstance(number, int) else f"cell-{number}")


def _notebook(cells: list[Any]) -> Any:
    import nbformat.v4 as v4

    notebook = v4.new_notebook(cells=cells)
    notebook.metadata = _metadata()
    return notebook


def _metadata() -> Any:
    import nbformat

    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})


def write(notebook: Any, path: Path) -> None:
    """The notebook as a file, whole or not at all."""
    import nbformat

    nbformat.validate(notebook)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(nbformat.writes(notebook).rstrip("\n") + "\n")
    os.replace(partial, path)


def execute(notebook: Any, folder: Path) -> str:
    """Run all cells in place; what they wrote to stderr is taken out of the outputs.

    Args:
        notebook: is changed.
        folder: working directory.

    Returns:
        The text written to stderr.

    Raises:
        CellExecutionError: of nbclient; the notebook then holds the outputs so far.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    said = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            said += "".join(o.text for o in cell.outputs if o.get("name") == "stderr")
            cell.outputs = _joined(cell.outputs)
    notebook.metadata = _metadata()
    return said


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs without stderr; pieces of stdout that came in several messages are one, as how they come is chance."""
    kept: list[Any] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if kept and output.output_type == "stream" and kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def run(exercise: Exercise, *, keep: bool = True) -> str:
    """Execute and write a solution.

    Args:
        exercise: whose.
        keep: write what came out; otherwise only what went wrong is told.

    Returns:
        A line about it; it begins with `failed` where a cell raised.
    """
    from nbclient.exceptions import CellExecutionError

    _, solution = notebooks(exercise)
    exercise.solution.parent.mkdir(exist_ok=True)
    try:
        said = execute(solution, exercise.solution.parent)
    except CellExecutionError as error:
        return f"failed {exercise.name}: {error}"
    if keep:
        write(solution, exercise.solution)
    figures = sum("image/png" in o.get("data", {}) for c in solution.cells for o in c.get("outputs", []))
    return f"ran {exercise.name}: {figures} figures" + (f"; it also said:\n{said}" if said else "")


def stale(exercise: Exercise) -> list[str]:
    """What of the written notebooks is not as the source makes it, outputs aside."""
    student, solution = notebooks(exercise)
    found: list[str] = []
    for wanted, path in ((student, exercise.student), (solution, exercise.solution)):
        where = path.relative_to(exercise.source.parent.parent)
        if not path.exists():
            found.append(f"{where} is missing")
            continue
        there = _read(path)
        if _plain(there) != _plain(wanted):
            found.append(f"{where} is not what source/{exercise.source.name} makes; build it again")
        outputs = [c for c in there.cells if c.cell_type == "code" and (c.outputs or c.execution_count)]
        if path == exercise.student and outputs:
            found.append(f"{where} holds outputs; a student's notebook has none")
        if path == exercise.solution:
            n_code = sum(c.cell_type == "code" for c in there.cells)
            if len(outputs) != n_code:
                found.append(f"{where}: {n_code - len(outputs)} cells were not executed; build it with --run")
            if any(o.output_type == "error" for c in outputs for o in c.outputs):
                found.append(f"{where} holds an error")
    return found


def _read(path: Path) -> Any:
    import nbformat

    return nbformat.reads(path.read_text(), as_version=4)


def _plain(notebook: Any) -> list[tuple[str, str, str]]:
    return [(c.id, c.cell_type, c.source) for c in notebook.cells]


def stops_where_it_should(exercise: Exercise) -> str | None:
    """What is wrong with how an untouched notebook stops, or None.

    It should run up to the first exercise and say there, or in one of the two code cells after it (a function that is
    not written yet fails when it is called), that it is the student's turn.
    """
    from nbclient.exceptions import CellExecutionError

    student, _ = notebooks(exercise)
    code = [c for c in student.cells if c.cell_type == "code"]
    first = next((i for i, c in enumerate(code) if re.search(r"your turn: |= \.\.\.", c.source)), None)
    if first is None:
        return f"{exercise.name} has no exercise"
    student.cells = student.cells[: student.cells.index(code[min(first + 2, len(code) - 1)]) + 1]
    try:
        execute(student, exercise.student.parent)
    except CellExecutionError as error:
        stopped = max(i for i, c in enumerate(code) if c.outputs and c.outputs[-1].output_type == "error")
        if error.ename == "NotImplementedError" and error.evalue.startswith("your turn") and stopped >= first:
            return None
        return f"{exercise.name} stops with {error.ename}: {error.evalue}, in code cell {stopped}"
    return f"{exercise.name} runs past its first exercise although nothing was filled in"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="such as 01 or 03_first_sae; all by default")
    parser.add_argument("--run", action="store_true", help="execute the solutions, two side by side")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where notebooks are not as they should"
    )
    asked = parser.parse_args(arguments)
    try:
        chosen = exercises(asked.names)
        wrong = _check(chosen) if asked.check else _build(chosen)
        if asked.run:
            wrong += _run(chosen, keep=not asked.check)
    except SourceError as error:
        wrong = [str(error)]
    except ModuleNotFoundError as error:
        wrong = [f"{error}; the builder needs pip install 'fiducial[exercises]'"]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _build(chosen: list[Exercise]) -> list[str]:
    for exercise in chosen:
        write(notebooks(exercise)[0], exercise.student)
        print(f"wrote {exercise.student.name}")
    return []


def _run(chosen: list[Exercise], *, keep: bool) -> list[str]:
    wrong: list[str] = []
    with ThreadPoolExecutor(2) as pool:  # each waits for a kernel, which is a process of its own
        for line in pool.map(partial(run, keep=keep), chosen):
            (wrong.append if line.startswith("failed") else print)(line)
    print(f"the kernels used {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.0f} s CPU")
    return wrong


def _check(chosen: list[Exercise]) -> list[str]:
    wrong = [line for exercise in chosen for line in stale(exercise)]
    with ThreadPoolExecutor(2) as pool:
        wrong += [line for line in pool.map(stops_where_it_should, chosen) if line]
    print(f"checked {len(chosen)} exercises: {len(wrong) or 'nothing'} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
