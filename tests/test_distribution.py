"""What an installation holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "processors", "ml", "stats", "simulation", "workflow")
KEPT = (".py", ".html", ".json", ".typed")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel of this tree, with a folder that is in no list."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for room in ("overdensity", *ROOMS):  # a copy: nothing built earlier is packed or left behind
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    new = source / "stats" / "quite" / "new"
    new.mkdir(parents=True)
    (new.parent / "__init__.py").touch()
    (new / "__init__.py").touch()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_holds_every_module_and_template(packed: set[str]) -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in KEPT]
    expected = {f"overdensity/{path.relative_to(ROOT).as_posix()}" for path in files}
    expected |= {"overdensity/__init__.py", "overdensity/__main__.py", "overdensity/py.typed"}
    assert expected <= packed
    for name in ("templates/report.html", "schemas/answer.schema.json"):
        assert any(each.endswith(name) for each in expected)


def test_a_new_folder_in_a_room_needs_no_line_anywhere(packed: set[str]) -> None:
    assert "overdensity/stats/quite/new/__init__.py" in packed


def test_wheel_leaves_nothing_generic_in_site_packages(packed: set[str]) -> None:
    assert all(name.startswith(("overdensity/", "overdensity-")) for name in packed)
