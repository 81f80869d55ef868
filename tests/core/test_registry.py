"""Finding things by name: ours, those of a program, and those of installed packages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from overdensity.core import ConfigError, registry
from overdensity.core.registry import Listing, Registry


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


def test_a_thread_waits_for_what_another_one_imports(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "late_shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("SHAPES = None\n")
    (package / "disc.py").write_text(
        "import time\nimport late_shapes_of_a_test\ntime.sleep(0.2)\n"
        "late_shapes_of_a_test.SHAPES.add('disc', 0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = empty(package=package.name)
    monkeypatch.setattr(importlib.import_module(package.name), "SHAPES", shapes)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(shapes.find, ["disc"] * 4)) == [0] * 4
    for name in [name for name in sys.modules if name.startswith(package.name)]:
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


def test_an_entry_point_may_lead_to_the_thing_itself(monkeypatch) -> None:
    shapes = empty(group="test.shapes")
    disc = Listing("disc", "their_package", "", {})
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry("disc", lambda: disc)])
    assert shapes["disc"] is disc


def test_what_is_removed_is_unknown() -> None:
    shapes = empty()
    shapes.add("disc", 0)
    shapes.remove("disc")
    assert "disc" not in shapes
    with pytest.raises(ConfigError, match="no shape 'disc'"):
        shapes.remove("disc")


def test_two_objects_of_one_name_are_refused_without_a_place() -> None:
    shapes = empty()
    shapes.add("disc", 0)
    with pytest.raises(ConfigError, match="two shapes are called 'disc'; rename one"):
        shapes.add("disc", 1)


@pytest.fixture
def forest(tmp_path, monkeypatch):
    """A package with one class below it, and a file that is not to be imported."""
    deep = tmp_path / "forest" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "forest" / "__init__.py").write_text("")
    (deep / "__init__.py").write_text("")
    (deep / "oak.py").write_text(
        "from __future__ import annotations\n"
        "from . import trees\n"
        "@trees.decorated('oak')\n"
        "class Oak:\n"
        '    """An oak.\n\n    Tall."""\n'
        "    height = 30\n"
    )
    (tmp_path / "forest" / "ash.py").write_text("this is not Python")
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry[Any]("tree", package="forest", decorator="decorated", group="forest.trees")
    monkeypatch.setattr(importlib.import_module("forest.deep"), "trees", found, raising=False)
    yield found
    for name in [name for name in sys.modules if name.split(".")[0] == "forest"]:
        del sys.modules[name]


def test_class_is_listed_before_its_module_is_imported(forest):
    listing = forest.listings["oak"]
    assert (listing.module, listing.summary) == ("forest.deep.oak", "An oak.")
    assert listing.attributes == {"height": 30}
    assert "forest.deep.oak" not in sys.modules
    assert forest["oak"].name == "oak"
    assert "forest.deep.oak" in sys.modules


def test_a_misspelt_name_of_what_is_not_imported_gets_the_nearest(forest):
    with pytest.raises(ConfigError, match="no tree 'oka': did you mean 'oak'"):
        forest.find("oka")


def test_class_that_is_defined_again_in_its_place_replaces_the_old_one(forest):
    first, second = (type("Elm", (), {"__module__": "notebook"}) for _ in range(2))
    forest.add("elm", first)
    forest.add("elm", second)
    assert forest["elm"] is second


def test_a_class_in_another_place_than_the_listed_one_is_refused_without_an_import(forest):
    with pytest.raises(ConfigError, match=r"two trees are called 'oak': forest\.deep\.oak and "):
        forest.add("oak", Path)
    assert "forest.deep.oak" not in sys.modules


def test_broken_plugin_is_named_with_its_reason_when_it_is_asked_for(forest, monkeypatch, caplog):
    class Entry:
        name, value = "yew", "nowhere:Yew"

        def load(self):
            msg = "no module named nowhere"
            raise ImportError(msg)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()])
    with pytest.raises(ConfigError, match="tree 'yew' of 'nowhere:Yew' cannot be used: no module"):
        forest["yew"]
    assert forest.names() == ["oak", "yew"]
    assert list(forest) == ["oak"]
    assert list(forest) == ["oak"]
    assert caplog.text.count("nowhere:Yew") == 1
