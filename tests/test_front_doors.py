"""The front doors: what they show, and what opening one loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from overdensity.core.lazy import lazy_imports

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "processors", "ml", "stats", "simulation", "workflow")
DOORS = ("overdensity", *(f"overdensity.{room}" for room in ROOMS))
LAZY = tuple(door for door in DOORS if door != "overdensity.core")
HEAVY = ("awkward", "coffea", "dask", "distributed", "matplotlib", "numba", "scipy", "torch")

EVERYTHING = """
import importlib, pkgutil
import overdensity.core, overdensity.processors, overdensity.ml, overdensity.stats
import overdensity.simulation, overdensity.workflow

for room in ("core", "processors", "ml", "stats", "simulation", "workflow"):
    package = importlib.import_module(f"overdensity.{room}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def outcome(code: str) -> object:
    """Run code in a process of its own, and return what it prints as JSON."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def loaded_by(code: str) -> set[str]:
    """Top-level packages that code loads in a fresh process."""
    loaded = outcome(f"{code}\nimport json, sys; print(json.dumps(list(sys.modules)))")
    assert isinstance(loaded, list)
    return {name.partition(".")[0] for name in loaded}


SHOWN = f"""
import importlib, json
doors = {{name: importlib.import_module(name) for name in {DOORS!r}}}
shown = {{name: [dir(door), sorted(door.__all__)] for name, door in doors.items()}}
"""


def source(door: str) -> str:
    folder = ROOT / (door.partition(".")[2] or door)
    return (folder / "__init__.py").read_text()


@pytest.fixture(scope="module")
def after_everything() -> tuple[dict[str, list[list[str]]], list[str]]:
    """What doors show once every module was imported, and names that are not what theirs define."""
    origins = {door: lazy_imports(source(door)) for door in LAZY}
    code = f"""{EVERYTHING}{SHOWN}
wrong = []
for door, names in {origins!r}.items():
    package = importlib.import_module(door)
    for name in package.__all__:
        found = getattr(package, name)
        if type(found) is type(json) or name in names and found is not getattr(
            importlib.import_module(names[name][0], door), names[name][1]
        ):
            wrong.append(f"{{door}}.{{name}}")
"""
    found: dict[str, Any] = {}
    exec(code, found)  # in this process, which has imported most of it
    return found["shown"], found["wrong"]


def test_a_door_shows_its_public_names_and_no_others() -> None:
    doors = outcome(f"{SHOWN}print(json.dumps(shown))")
    assert isinstance(doors, dict)
    assert {name: doors[name][0] for name in DOORS} == {name: doors[name][1] for name in DOORS}


def test_a_door_shows_the_same_after_everything_was_imported(after_everything) -> None:
    doors, _ = after_everything
    assert {name: doors[name][0] for name in DOORS} == {name: doors[name][1] for name in DOORS}


def test_every_public_name_is_what_its_module_defines_after_everything_was_imported(
    after_everything,
) -> None:
    _, wrong = after_everything
    assert wrong == []


@pytest.mark.parametrize("door", ["overdensity", "overdensity.processors", "overdensity.workflow"])
def test_opening_a_door_loads_nothing_heavy(door: str) -> None:
    assert not loaded_by(f"import {door}") & set(HEAVY)


def test_statistics_load_neither_torch_nor_coffea() -> None:
    code = "import overdensity.stats as stats\nfor name in stats.__all__: getattr(stats, name)"
    assert not loaded_by(code) & {"torch", "coffea", "awkward", "dask", "distributed"}


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["rnu"], ["run", "--help"]])
def test_a_command_line_that_only_answers_loads_nothing_heavy(words: list[str]) -> None:
    code = f"""
from overdensity.workflow.commands import main
try:
    main({words!r})
except SystemExit:
    pass
"""
    loaded = loaded_by(code)
    assert "typer" in loaded
    assert not loaded & set(HEAVY)
