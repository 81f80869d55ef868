"""What travels to workers by value: which files a package is, and whether a worker has the same."""

from __future__ import annotations

from pathlib import Path

from overdensity.workflow.cluster.shipped import content_digest, install, package_files


def files(folder: Path, text: str) -> dict[str, Path]:
    """Write a file, and return it by its name in a package."""
    folder.mkdir()
    (folder / "a.py").write_text(text)
    return {"room/inner/a.py": folder / "a.py"}


def test_files_are_named_by_their_rooms_without_what_python_left() -> None:
    names = list(package_files(["core", "no_such_room"]))
    assert {"__init__.py", "core/errors.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("no_such")]


def test_digest_depends_on_the_content_and_not_on_the_place(tmp_path: Path) -> None:
    here, there = files(tmp_path / "here", "x = 1"), files(tmp_path / "there", "x = 1")
    assert content_digest(here) == content_digest(there)
    (tmp_path / "here" / "a.py").write_text("x = 2")
    assert content_digest(here) != content_digest(there)


def test_a_process_that_has_the_same_files_installs_nothing(tmp_path: Path) -> None:
    digest = content_digest(package_files(["core"]))
    assert not install(b"no archive", digest, ["core"], tmp_path)
    assert list(tmp_path.iterdir()) == []
