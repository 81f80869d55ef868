from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from overdensity.core import MissingExtraError
from overdensity.core.lazy import lazy_imports

DOOR = """
from typing import TYPE_CHECKING

from overdensity.core.lazy import lazy_door

if TYPE_CHECKING:
    from math import sqrt as root
    from .inner import broken, first
    from .networks import Network

__all__ = ["Network", "broken", "first", "root"]

__getattr__, __dir__ = lazy_door(__name__)
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a package with a lazy door."""
    folder = tmp_path / "a_house"
    folder.mkdir()
    (folder / "__init__.py").write_text(DOOR)
    (folder / "inner.py").write_text("first = 1\n")
    (folder / "networks.py").write_text("import nflows\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "a_house"
    for name in [name for name in sys.modules if name.partition(".")[0] == "a_house"]:
        del sys.modules[name]


def test_a_module_is_imported_when_its_name_is_asked_for(house: str) -> None:
    import a_house

    assert "a_house.inner" not in sys.modules
    assert a_house.first == 1
    assert "a_house.inner" in sys.modules


def test_a_name_may_be_another_one_where_it_is_defined(house: str) -> None:
    from a_house import root

    assert root(9) == 3


def test_dir_lists_the_public_names_also_after_imports(house: str) -> None:
    import a_house
    import a_house.inner

    assert a_house.first
    assert dir(a_house) == ["Network", "broken", "first", "root"]


def test_modules_behind_the_door_can_still_be_imported(house: str) -> None:
    from a_house import inner

    assert inner.first == 1


def test_a_name_that_is_not_there_fails_as_in_any_module(house: str) -> None:
    import a_house

    with pytest.raises(AttributeError, match="module 'a_house' has no attribute 'fist'") as failed:
        a_house.fist  # noqa: B018
    assert (failed.value.name, failed.value.obj) == ("fist", a_house)  # Python suggests 'first'
    with pytest.raises(ImportError, match="cannot import name 'fist'"):
        from a_house import fist  # noqa: F401


def test_a_missing_extra_is_said_at_the_door(house: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nflows", None)
    with pytest.raises(MissingExtraError, match=r"a_house.Network needs nflows: pip install"):
        from a_house import Network  # noqa: F401


def test_only_what_stands_under_type_checking_is_imported_on_demand() -> None:
    text = "from .a import b\nif TYPE_CHECKING:\n    from ..c.d import e, f as g\n    import h\n"
    assert lazy_imports(text) == {"e": ("..c.d", "e"), "g": ("..c.d", "f")}


def test_a_door_in_a_zip_archive_opens(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "house.zip", "w") as archive:
        archive.writestr("a_house/__init__.py", DOOR)
        archive.writestr("a_house/inner.py", "first = 1\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'house.zip')!r})\n"
    code += "from a_house import first; assert first == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
