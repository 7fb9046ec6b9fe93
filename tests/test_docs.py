"""Python in the documentation: what it imports is there, and a snippet that is pasted alone knows all of its names."""

import ast
import builtins
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^(?:    .*)?\n)+", re.MULTILINE)


def snippets(text):
    """Fenced Python, and indented blocks that begin with an import."""
    fenced = FENCED.findall(text)
    blocks = (re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") for block in INDENTED.findall(text))
    return [*fenced, *(block + "\n" for block in blocks if block.startswith(("from ", "import ")))]


def unknown_names(code):
    tree = ast.parse(code)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    known = {node.id for node in names if isinstance(node.ctx, ast.Store)} | set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            known |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            known |= {node.name} if not isinstance(node, ast.Lambda) else set()
            known |= {arg.arg for arg in node.args.args} if not isinstance(node, ast.ClassDef) else set()
    return sorted({node.id for node in names} - known)


def missing(code):
    """Modules or names that are imported and do not exist."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fiducial"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    try:
                        importlib.import_module(f"{node.module}.{alias.name}")
                    except ModuleNotFoundError:
                        found.append(f"{node.module}.{alias.name}")
    return found


PAGES = [page for page in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md") if snippets(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_can_be_pasted(page):
    for code in snippets(page.read_text()):
        assert unknown_names(code) == [], code
        assert missing(code) == [], code


def test_a_snippet_without_an_import_is_noticed():
    assert unknown_names("from a import b\nb(Path('x'))\n") == ["Path"]
    assert missing("from fiducial.metrics import METRICS, nothing_of_that_name\n") == [
        "fiducial.metrics.nothing_of_that_name"
    ]
    assert snippets("text\n\n    from a import b\n\n    b()\n\ntext\n\n    1 2 3\n") == ["from a import b\n\nb()\n"]


WRITTEN = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md"]
NOT_RUN = re.compile(r"<!-- not run: \S.*-->\n\Z")
ELSEWHERE = {
    "paper-figures": "reads results of the reader's; tests/figures draw from made ones",
    "judges-judged": "minutes; tests/judging run its parts",
    "sae-similarity": "minutes; tests/judging run its parts",
    "serialisation": "minutes; tests/judging run its parts",
}


def runnable(text):
    """Fenced Python that says that it can be run: no file of the reader's in it, and not marked."""
    for match in FENCED.finditer(text):
        if "path/to/" not in match[1] and not NOT_RUN.search(text[: match.start()]):
            yield match[1]


RUNNABLE = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in WRITTEN
    if page.stem not in ELSEWHERE and page.parent.name not in ("extending", "games")
    for number, code in enumerate(runnable(page.read_text()))
]


@pytest.mark.parametrize("code", RUNNABLE)
def test_snippets_run(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})
    if "print(" in code:
        assert capsys.readouterr().out.strip()


def test_what_is_not_run_is_marked():
    page = "x\n\n<!-- not run: asks an endpoint -->\n```python\na\n```\n\n```python\nb\n```\n"
    assert list(runnable(page)) == ["b\n"]
    assert RUNNABLE


LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = [link.split("#")[0] for link in LINK.findall(text) if "://" not in link and not link.startswith("#")]
    made = ("metrics", "api", "exercises", "readme.md", "changelog.md", "benchmarks.md")  # pages of the site alone
    missing = [
        t for t in targets if not (page.parent / t).exists() and not (page.parent.name == "docs" and t.startswith(made))
    ]
    assert missing == []


COMMAND = re.compile(
    r"\b(fiducial [a-z]+|python (-m )?[\w./-]+|pytest [\w./-]+|mkdocs build|examples/\w+\.py)|No command of"
)
MEASURED = re.compile(r"^\|.*(?<![\w.])\d*\.\d+.*\|$", re.MULTILINE)


def without_command(text):
    """Sections with a table of measured numbers, and no command in them or at the head of the page."""
    head, *parts = re.split(r"(?m)^(?=## )", text)
    if COMMAND.search(head):
        return []
    return [part.splitlines()[0] for part in parts if len(MEASURED.findall(part)) > 2 and not COMMAND.search(part)]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_numbers_stand_beside_a_command(page):
    assert without_command(page.read_text()) == []


def test_numbers_without_a_command_are_noticed():
    table = "## A\n\n| a | .5 |\n| b | 0.25 |\n| c | 1.5 |\n"
    assert without_command(f"# Page\n\n{table}") == ["## A"]
    assert without_command(f"# Page\n\n{table}\n`fiducial score`") == []
    assert without_command(f"# Page\n\n    fiducial demo\n\n{table}") == []
