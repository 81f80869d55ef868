"""What travels to workers by value: which files a package is, and whether a worker has the same."""

from __future__ import annotations

from pathlib import Path

from overdensity.workflow.cluster.shipped import content_digest, install, room_files, room_folders


def package(folder: Path, text: str) -> dict[str, Path]:
    """Write a room of one module, beside what Python leaves there."""
    room = folder / "room"
    (room / "__pycache__").mkdir(parents=True)
    (room / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"compiled")
    (room / "inner").mkdir()
    (room / "inner" / "a.py").write_text(text)
    return {"room": room}


def test_files_of_a_room_are_named_inside_it_without_what_python_left(tmp_path: Path) -> None:
    folders = package(tmp_path, "x = 1")
    assert list(room_files(folders["room"])) == ["inner/a.py"]


def test_digest_depends_on_the_content_and_not_on_the_place(tmp_path: Path) -> None:
    here, there = package(tmp_path / "here", "x = 1"), package(tmp_path / "there", "x = 1")
    assert content_digest(here) == content_digest(there)
    (here["room"] / "inner" / "a.py").write_text("x = 2")
    assert content_digest(here) != content_digest(there)


def test_rooms_are_found_where_they_are_installed() -> None:
    folders = room_folders(["core", "no_such_room"])
    assert list(folders) == ["core"]
    assert (folders["core"] / "errors.py").is_file()


def test_a_process_that_has_the_same_files_installs_nothing(tmp_path: Path) -> None:
    digest = content_digest(room_folders(["core"]))
    assert not install(b"no archive", digest, ["core"], tmp_path)
    assert list(tmp_path.iterdir()) == []
