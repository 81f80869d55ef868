"""The house keeps its shape: who may import whom, how large its parts are, what is installed."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "processors", "ml", "stats", "simulation", "workflow")
ALLOWED = {
    "core": set(),
    "processors": {"core"},
    "ml": {"core"},
    "stats": {"core"},
    "simulation": {"core"},
    "workflow": {"core", "processors", "ml", "stats", "simulation"},
}
MOST_LINES, MOST_CODE, MOST_MODULES = 400, 60, 15
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})


def name(path: Path) -> str:
    """Path below the root, as it stands in the names of tests."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path, root: Path = ROOT) -> str:
    """Dotted name of a module without the distribution, such as ``stats.search.hunting``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    """A module as it is parsed, once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Dotted names of all that a module imports from the house, at any level, also in functions."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            if not node.level:
                if base[:1] != ["overdensity"]:
                    continue
                base = base[1:]
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("overdensity."):
                    yield alias.name.removeprefix("overdensity.")


def rooms_imported_by(path: Path, root: Path = ROOT) -> set[str]:
    """Other rooms that a module imports from."""
    rooms = {imported.split(".")[0] for imported in imports_of(path, root)}
    return rooms & set(ROOMS) - {module_of(path, root).split(".")[0]}


def modules_imported(root: Path, paths: list[Path]) -> dict[str, set[str]]:
    """Modules of the house that each module imports; front doors stand for themselves."""
    known = {module_of(path, root) for path in paths}

    def found(imported: str) -> str | None:
        parts = imported.split(".")
        names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        return next((each for each in names if each in known), None)

    return {
        module_of(path, root): {found(each) for each in imports_of(path, root)} - {None}
        for path in paths
        if path.name != "__init__.py"
    }


@cache
def imports_of_the_house() -> dict[str, set[str]]:
    """Modules of the house that each module imports."""
    return modules_imported(ROOT, MODULES)


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of a graph as a list of its nodes; empty if there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            if circle := walk(other, [*way, node]):
                return circle
        done.add(node)
        return []

    return next((circle for node in sorted(graph) if (circle := walk(node, []))), [])


def unit_of(module: str) -> str:
    """What the table of arrows calls the place of a module: its folder, or a file beside a door."""
    parts = module.split(".")
    is_folder = (ROOT / Path(*parts)).is_dir()
    return "/".join(parts if is_folder or len(parts) <= 2 else parts[:-1])


def arrows_between_units(imported: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Arrows between the units of each room that its imports make; front doors left out."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, others in imported.items():
        for other in others:
            here, there = unit_of(module), unit_of(other)
            same_room = here.split("/")[0] == there.split("/")[0]
            if same_room and here != there and there not in ROOMS:
                arrows[here].add(there)
    return arrows


def allowed_arrows() -> dict[str, set[str]]:
    """The table of CONTRIBUTING: what each unit may import inside its room."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.split('<a id="arrows"></a>')[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w/]+)` \| (.*) \|$", table, re.MULTILINE)
    return {unit: set(re.findall(r"`([\w/]+)`", may)) for unit, may in rows}


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Lines of a function that hold code: no docstring, no comments, no blank lines."""
    first = function.body[0]
    skipped: set[int] = set()
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        skipped = set(range(first.lineno, (first.end_lineno or 0) + 1))
    numbers = set(range(function.lineno, (function.end_lineno or 0) + 1)) - skipped
    return sum(bool(re.match(r"\s*[^\s#]", lines[number - 1])) for number in numbers)


def modules_of(room: str) -> list[Path]:
    return [path for path in MODULES if module_of(path).split(".")[0] == room]


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_the_design_allows(room: str) -> None:
    found = {name(path): rooms_imported_by(path) - ALLOWED[room] for path in modules_of(room)}
    assert not {module: rooms for module, rooms in found.items() if rooms}


@pytest.mark.parametrize("folder", ["", "folder/"], ids=["in the room", "in a folder of it"])
@pytest.mark.parametrize("room", ROOMS)
def test_import_rule_catches_a_breach_in_each_room(room: str, folder: str, tmp_path: Path) -> None:
    breach = tmp_path / room / folder / "breach.py"
    breach.parent.mkdir(parents=True)
    others = sorted(set(ROOMS) - ALLOWED[room] - {room}) or ["nothing"]
    dots = "..." if folder else ".."
    breach.write_text(
        f"def f():\n    from {dots}{others[0]}.some.module import name\n"
        f"from {dots} import {others[-1]}\n"
        f"import overdensity.{others[0]}.module\n"
        f"from overdensity import {others[-1]}\n"
    )
    assert rooms_imported_by(breach, tmp_path) == {others[0], others[-1]} - {"nothing"}


def says_what_it_is(path: Path) -> bool:
    """Whether a module has a docstring and, unless it is the folder of a room, ``__all__``."""
    tree = tree_of(path)
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    is_folder_of_a_room = path.name == "__init__.py" and path.parent.parent != ROOT
    return bool(ast.get_docstring(tree)) and ("__all__" in names or is_folder_of_a_room)


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_says_what_it_is_for_and_what_it_offers(room: str) -> None:
    assert not [name(path) for path in modules_of(room) if not says_what_it_is(path)]


def test_imports_make_no_circle() -> None:
    assert not circle_in(imports_of_the_house())


def test_no_module_goes_through_the_front_door_of_its_own_room() -> None:
    imported = imports_of_the_house()
    assert not {module for module, others in imported.items() if module.split(".")[0] in others}


@pytest.mark.parametrize("room", ROOMS)
def test_a_planted_circle_is_found_in_each_room(room: str, tmp_path: Path) -> None:
    files = {
        "one/a.py": "from ..two.b import name\n",
        "two/b.py": "def f():\n    from ..three import c\n",
        "three/c.py": f"import overdensity.{room}.one.a\n",
    }
    for file, text in files.items():
        path = tmp_path / room / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
    graph = modules_imported(tmp_path, sorted(tmp_path.rglob("*.py")))
    circle = [f"{room}.one.a", f"{room}.two.b", f"{room}.three.c", f"{room}.one.a"]
    assert circle_in(graph) == circle


def test_arrows_between_folders_are_those_of_the_table() -> None:
    allowed = allowed_arrows()
    made = arrows_between_units(imports_of_the_house())
    extra = {
        f"{here} -> {there}"
        for here, others in made.items()
        for there in others - allowed.get(here, set())
    }
    assert not extra


def test_the_table_of_arrows_has_every_folder_and_no_circle() -> None:
    allowed = allowed_arrows()
    folders = {name(folder) for folder in FOLDERS if folder.parent != ROOT}
    places = {unit_of(module_of(path)) for path in MODULES} - set(ROOMS)
    assert folders <= set(allowed) <= places | folders
    assert not circle_in(allowed)


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_holds_two_subjects(room: str) -> None:
    long = {}
    for path in modules_of(room):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES:
            long[name(path)] = len(lines)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = lines_of_code(node, lines)
                if length > MOST_CODE:
                    long[f"{name(path)}: {node.name}"] = length
    assert not long


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_no_folder_is_too_flat(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_MODULES


def test_no_two_modules_of_a_room_have_one_name() -> None:
    stems = defaultdict(list)
    for path in MODULES:
        if path.name != "__init__.py":
            stems[module_of(path).split(".")[0], path.stem].append(name(path))
    assert not {key: paths for key, paths in stems.items() if len(paths) > 1}


def mirror_of(path: Path) -> Path:
    """Test file of a module: ``stats/search/hunting.py`` has ``tests/stats/search/test_hunting.py``."""
    return ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.stem}.py"


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_every_module_has_its_mirror_test(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if not path.stem.startswith("__")]
    mirrors = {name(path): mirror_of(path) for path in modules}
    assert not {module: name(test) for module, test in mirrors.items() if not test.is_file()}
    without = [
        name(test) for test in mirrors.values() if "\ndef test_" not in test.read_text("utf-8")
    ]
    assert not without


@pytest.mark.parametrize("room", ROOMS)
def test_no_test_of_a_module_lies_beside_the_mirror_of_its_folder(room: str) -> None:
    homes = {path.stem: mirror_of(path) for path in MODULES if module_of(path).startswith(room)}
    tests = (ROOT / "tests" / room).rglob("test_*.py")
    found = {name(test): homes.get(test.stem.removeprefix("test_"), test) for test in tests}
    assert not {test: name(home) for test, home in found.items() if ROOT / test != home}


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_has_the_name_of_something_behind_the_door_of_its_room(room: str) -> None:
    names = set(importlib.import_module(f"overdensity.{room}").__all__)
    modules = modules_of(room)
    stems = {path.stem for path in modules} | {path.parent.name for path in modules}
    assert not stems & names


def casts_to(names: Iterable[str], tree: ast.Module) -> list[int]:
    """Lines on which something is declared to be of one of these types."""
    words = re.compile(rf"\b({'|'.join(names)})\b")
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    return [
        node.lineno
        for node in calls
        if ast.unparse(node.func) in {"cast", "typing.cast"}
        and "." not in (target := ast.unparse(node.args[0]))  # a type of a library
        and words.search(target)
    ]


def test_nothing_is_declared_to_be_of_a_type_of_our_own() -> None:
    trees = {name(path): tree_of(path) for path in MODULES}
    classes = (node for tree in trees.values() for node in ast.walk(tree))
    ours = {"Self", *(node.name for node in classes if isinstance(node, ast.ClassDef))}
    assert not {path: found for path, tree in trees.items() if (found := casts_to(ours, tree))}
    planted = ast.parse('x = cast("SelectionResult", y)\nz = cast("dict[str, Any]", y)')
    assert casts_to(ours, planted) == [1]


def test_no_page_holds_a_placeholder() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        lines = page.read_text(encoding="utf-8").splitlines()
        assert not [
            line
            for line in lines
            if re.fullmatch(r"[A-Z]{4,}|<!--.*-->|([<>=])\1{6}.*", line.strip())
        ]


def test_every_figure_of_a_page_is_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), f"{page}: {link}"
