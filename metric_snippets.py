"""Code that asks a metric, for its page: on a testbed, and on arrays as the doctest of its function does."""

import ast
import doctest
from importlib import import_module
from inspect import getdoc
from types import ModuleType

from .metric_homes import HOME_OF


def testbed_snippet(name: str) -> str:
    """How a metric is asked on a testbed that has it."""
    return (
        "import fiducial as fd\n\n"
        f'tb = fd.testbed("{HOME_OF[name].example}", n_games=200)\n'
        'sae = fd.load_dictionary("path/to/sae")\n'
        f'score = fd.evaluate(sae, tb, metrics=["{name}"]).scores["{name}"]\n'
        "print(score)  # value, interval, floors and ceilings"
    )


def array_snippet(function: str) -> str:
    """The example of a function's docstring as a script that prints what the docstring says; empty where it has none.

    Args:
        function: as `module.function` of `fiducial.metrics`.
    """
    module, short = function.rsplit(".", 1)
    home = import_module(f".metrics.{module}", __package__)
    examples = doctest.DocTestParser().get_examples(getdoc(getattr(home, short)) or "")
    if not examples:
        return ""
    body: list[str] = []
    for example in examples:
        source, wanted = example.source.rstrip("\n"), example.want.strip()
        code, _, comment = source.partition("  # ") if "\n" not in source else (source, "", "")
        if wanted and not code.startswith("print("):
            wanted = _printed(code, wanted)
            source = f"print({code})" + (f"  # {comment}" if comment else "")
        body += [source, *(f"# {line}" for line in wanted.splitlines())]
    own = [short, *_needed("\n".join(body), home, short)]
    imports = [line for line in body if line.startswith(("import ", "from "))]
    rest = [line for line in body if line not in imports]
    imports = sorted(imports, key=lambda line: (line.startswith("from"), line))
    return "\n".join([*imports, f"from fiducial.metrics.{module} import {', '.join(sorted(own))}", "", *rest])


def _printed(code: str, wanted: str) -> str:
    """What `print` says of an expression whose value the interpreter shows so."""
    shown = ast.literal_eval(wanted)
    several = isinstance(ast.parse(code, mode="eval").body, ast.Tuple)
    return " ".join(str(one) for one in shown) if several else str(shown)


def _needed(code: str, home: ModuleType, short: str) -> list[str]:
    """Other names of the module that an example reads and does not make."""
    loaded: set[str] = set()
    made: set[str] = {short}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in node.names}
    return [name for name in loaded - made if hasattr(home, name)]
