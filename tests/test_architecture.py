"""The house keeps its shape: who may import whom, and what an installation holds."""

from __future__ import annotations

import ast
import re
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
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).glob("*.py"))


def rooms_imported_by(path: Path) -> set[str]:
    """Rooms of the house that a module imports, relatively or by name."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == 2:
                names = [module] if module else [alias.name for alias in node.names]
                rooms |= {name.split(".")[0] for name in names}
            elif node.level == 0 and module.split(".")[0] == "overdensity":
                names = [module] if "." in module else [f"{module}.{a.name}" for a in node.names]
                rooms |= {name.split(".")[1] for name in names}
        elif isinstance(node, ast.Import):
            rooms |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("overdensity.")
            }
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_rooms_import_only_what_the_design_allows(path: Path) -> None:
    assert rooms_imported_by(path) - {path.parent.name} <= ALLOWED[path.parent.name]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_module_says_what_it_is_for_and_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert "__all__" in names


def test_import_rule_catches_a_breach(tmp_path: Path) -> None:
    breach = tmp_path / "breach.py"
    breach.write_text("from ..stats.spectrum import fit\nimport overdensity.ml.sample\n")
    assert rooms_imported_by(breach) == {"stats", "ml"}


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
