"""The examples in the docstrings run, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import re
from functools import cache
from pathlib import Path
from types import FunctionType

import pytest
from iminuit import Minuit

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "processors", "ml", "stats", "simulation", "workflow")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def module_name(path: Path) -> str:
    """Dotted name under which a file of a room is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("overdensity", *(parts[:-1] if parts[-1] == "__init__" else parts)))


MODULES = [module_name(path) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


WITH_EXAMPLES = [
    module_name(path)
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@cache
def examples_of(module: str) -> tuple[doctest.DocTest, ...]:
    """Docstrings of a module that hold at least one example."""
    found = doctest.DocTestFinder().find(importlib.import_module(module), module)
    return tuple(test for test in found if test.examples)


def failures(module: str) -> str:
    """Run the examples of a module; returns what went wrong."""
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report: list[str] = []
    for test in examples_of(module):
        runner.run(test, out=report.append, clear_globs=False)
    return "".join(report)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_of_a_module_give_what_they_show(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # examples may write files
    Minuit(abs, 1.0).print_level = 0  # of the whole process: cabinetry's fits leave it at 1
    report = failures(module)
    assert not report, report


def test_an_example_that_shows_another_value_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "with_example.py").write_text('"""One and one.\n\n>>> 1 + 1\n3\n"""\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert "Expected:\n    3\nGot:\n    2" in failures("with_example")


def has_example(room: str, name: str) -> bool:
    """Whether an example runs for a public name.

    It stands in the docstring of the class or function, or of a method of the class. A constant
    or an alias of a type has no docstring of its own: an example of its room uses it.
    """
    value = getattr(importlib.import_module(f"overdensity.{room}"), name)
    if isinstance(value, FunctionType | type):
        start = f"{value.__module__}.{value.__qualname__}"
        return any(
            test.name == start or test.name.startswith(f"{start}.")
            for test in examples_of(value.__module__)
        )
    word = re.compile(rf"\b{re.escape(name)}\b")
    return any(
        word.search(example.source)
        for module in MODULES
        if module.split(".")[1] == room
        for test in examples_of(module)
        for example in test.examples
    )


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_an_example(room: str) -> None:
    names = importlib.import_module(f"overdensity.{room}").__all__
    without = sorted(name for name in names if not has_example(room, name))
    assert not without, f"write an example in the docstring of: {', '.join(without)}"


def test_a_class_a_function_and_a_constant_without_example_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = importlib.import_module("overdensity.core")
    for value in (pytest.ExitCode, pytest.fail, 42):
        monkeypatch.setattr(door, "without", value, raising=False)
        assert not has_example("core", "without")
