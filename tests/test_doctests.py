"""Doctests, run under the package's own name so that no module is imported twice."""

import doctest
import importlib
import pkgutil

import fiducial
import pytest

SKIPPED = ("fiducial.tests", "fiducial.benchmarks", "fiducial.examples")
MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(fiducial.__path__, "fiducial.")
    if not name.startswith(SKIPPED) and "setup" not in name
)


def test_modules_are_found():
    assert {"fiducial.metrics.coverage", "fiducial.games.othello", "fiducial.cli"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
