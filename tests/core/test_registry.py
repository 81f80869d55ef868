"""Finding things by name: ours, those of a program, and those of installed packages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from overdensity.core import ConfigError, registry
from overdensity.core.registry import Registry


def empty(package: str = "", group: str = "") -> Registry[Any]:
    return Registry("shape", package=package, group=group)


class Entry:
    """An entry point."""

    value = "their_package:Disc"

    def __init__(self, name: str, load: Callable[[], Any]) -> None:
        self.name, self.load = name, load


def test_names_are_in_order_whatever_came_first() -> None:
    shapes = empty()
    shapes.add("square", 4)
    shapes.add("disc", 0)
    assert dict(shapes) == {"disc": 0, "square": 4}
    assert list(shapes) == ["disc", "square"]
    assert len(shapes) == 2


def test_a_misspelt_name_gets_the_nearest() -> None:
    shapes = empty()
    shapes.add("disc", 0)
    with pytest.raises(ConfigError, match="no shape 'disk': did you mean 'disc'"):
        shapes.find("disk")


def test_words_with_a_meaning_of_their_own_are_offered() -> None:
    with pytest.raises(ConfigError, match="no shape 'atuo': did you mean 'auto'"):
        empty().find("atuo", beside=("auto",))


def test_two_things_of_one_name_are_refused() -> None:
    shapes = empty()
    shapes.add("disc", Path)
    shapes.add("disc", Path)
    with pytest.raises(ConfigError, match=r"two shapes are called 'disc': pathlib.*Entry; rename"):
        shapes.add("disc", Entry)


def test_the_modules_of_a_package_register_themselves(tmp_path: Path, monkeypatch) -> None:
    inner = tmp_path / "shapes_of_a_test" / "round"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("SHAPES = None\n")
    (inner / "__init__.py").touch()
    (inner / "disc.py").write_text(
        "import shapes_of_a_test\nshapes_of_a_test.SHAPES.add('disc', 0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = empty(package="shapes_of_a_test")
    import shapes_of_a_test  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr(shapes_of_a_test, "SHAPES", shapes)
    assert shapes.find("disc") == 0
    for name in [name for name in sys.modules if name.startswith("shapes_of_a_test")]:
        monkeypatch.delitem(sys.modules, name)


def test_entry_points_are_loaded_at_the_first_look_for_what_is_not_there(monkeypatch) -> None:
    shapes = empty(group="test.shapes")
    shapes.add("square", 4)
    entry = Entry("disc", lambda: shapes.add("disc", 0))
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    assert shapes["square"] == 4
    assert "disc" not in shapes._known
    assert shapes["disc"] == 0


def test_a_broken_entry_point_is_named_and_left_out(monkeypatch, caplog) -> None:
    entries = [Entry("disc", lambda: 1 / 0), Entry("ring", dict)]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    assert dict(empty(group="test.shapes")) == {}
    assert "shape 'disc' of 'their_package:Disc' cannot be used: division by zero" in caplog.text
    assert "'ring' of 'their_package:Disc' cannot be used: it registers nothing" in caplog.text
