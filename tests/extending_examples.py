"""The scripts of examples/extending as modules, and registries that are as they were once a test is over."""

import contextlib
import importlib
import sys
from pathlib import Path

import fiducial

FOLDER = Path(fiducial.__file__).parent / "examples" / "extending"


def example(name):
    """A script of the folder, imported as its own directory sees it."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


@contextlib.contextmanager
def restored(*registries):
    """What is registered meanwhile is forgotten afterwards, so that other tests see what ships."""
    before = [dict(registry) for registry in registries]
    try:
        yield
    finally:
        for registry, old in zip(registries, before, strict=True):
            registry.clear()
            registry.update(old)


class EntryPoint:
    """What a package says in its metadata."""

    def __init__(self, name, loaded, value="elsewhere:thing"):
        self.name, self.loaded, self.value = name, loaded, value

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded
