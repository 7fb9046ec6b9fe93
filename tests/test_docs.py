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
