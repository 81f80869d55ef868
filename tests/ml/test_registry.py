"""Classes are found by their decorator, without being imported before they are asked for."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from overdensity.core import ConfigError
from overdensity.ml import MethodInfo, methods, registry
from overdensity.ml.method import METHODS
from overdensity.ml.registry import Registry

WITHOUT_TORCH = """
import json, sys
class Blocked:  # None in sys.modules would make scipy stumble
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "nflows"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import overdensity.ml as ml
from overdensity.core import MissingExtraError
ml.check_method("cwola")
ml.make_method("idealised", classifier={"kind": "trees"})
told = {}
for name in ("cathode", "mflow", "sa_cwola", "cwola_networks", "salad"):
    try:
        ml.make_method(name)
    except MissingExtraError as error:
        told[name] = str(error)
print(json.dumps([told, [info.to_dict() for info in ml.methods()]]))
"""


@pytest.fixture(scope="module")
def without_torch():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True
    )
    told, infos = json.loads(done.stdout)
    return told, {info["name"]: MethodInfo.from_dict(info) for info in infos}


def test_method_that_needs_torch_names_the_command_without_it(without_torch):
    told, _ = without_torch
    assert set(told) == {"cathode", "mflow", "sa_cwola", "cwola_networks", "salad"}
    for sentence in told.values():
        assert sentence.endswith("pip install 'overdensity[networks]'")


def test_all_methods_are_listed_without_torch(without_torch):
    _, infos = without_torch
    assert {info.name for info in methods()} == set(infos)
    assert infos["cathode"].missing == "torch: pip install 'overdensity[networks]'"
    assert infos["cathode"].summary.startswith("CATHODE: ")
    assert infos["cathode"].source.startswith("CATHODE, A. Hallin")
    assert infos["salad"].needs == ("features", "simulation")
    assert infos["cwola"].missing == ""


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
    found = Registry("tree", package="forest", decorator="decorated", group="forest.trees")
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


def test_unknown_name_gets_the_nearest(forest):
    with pytest.raises(ConfigError, match="no tree is called 'oka'; did you mean 'oak'"):
        forest["oka"]


def test_class_that_is_defined_again_in_its_place_replaces_the_old_one(forest):
    first, second = (type("Elm", (), {"__module__": "notebook"}) for _ in range(2))
    forest.add("elm", first)
    forest.add("elm", second)
    assert forest["elm"] is second


def test_broken_plugin_is_named_with_its_reason_when_it_is_asked_for(forest, monkeypatch, caplog):
    class Entry:
        name, value = "yew", "nowhere:Yew"

        def load(self):
            msg = "no module named nowhere"
            raise ImportError(msg)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()])
    with pytest.raises(ConfigError, match="tree 'yew' of 'nowhere:Yew' cannot be used: no module"):
        forest["yew"]
    assert forest.usable() == ["oak"]
    assert "nowhere" in caplog.text


def test_methods_of_the_project_are_found_by_reading():
    assert {"cwola", "cathode", "pca"} <= set(METHODS.listings)
