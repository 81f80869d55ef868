"""Finding methods by name, and keeping fitted ones."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import (
    Method,
    MethodInfo,
    load_method,
    make_method,
    methods,
)
from overdensity.ml.method import METHODS


@dataclass(frozen=True)
class NoHyper:
    pass


def test_all_methods_are_listed_with_needs_source_and_defaults():
    listed = {info.name: info for info in methods()}
    assert {"cwola", "cwola_networks"} <= set(listed)
    for info in listed.values():
        assert info.needs
        assert info.source
        assert info.summary.endswith(".")
        json.dumps(info.to_dict())
    published = listed["cwola_networks"].hyperparameters
    ensemble = published["classifier"]
    networks = ensemble["networks"]
    assert (ensemble["kind"], ensemble["inner_folds"], ensemble["members"]) == ("networks", 4, 1)
    assert (networks["layers"], networks["width"], networks["batch"]) == (4, 128, 5000)
    assert (networks["restarts"], networks["patience"]) == (3, 250)


def test_unknown_method_gets_the_nearest_names():
    with pytest.raises(ConfigError, match="no method is called 'cwolla'; did you mean 'cwola'"):
        make_method("cwolla")


def test_method_of_another_package_is_found(monkeypatch):
    class Flat(Method):
        """Scores by the first feature."""

        name, source, Hyper = "flat", "another package", NoHyper

        def fit(self, data, window, *, simulation=None, seed):
            return self

        def score(self, data):
            return data.features[:, 0]

        def arrays(self):
            return {}

        def restore(self, arrays):
            pass

    class Entry:
        name = "flat"

        def load(self):
            return Flat

    monkeypatch.setattr(METHODS, "_others", {"flat": Entry()})
    try:
        assert isinstance(make_method("flat"), Flat)
        assert "flat" in [info.name for info in methods()]
    finally:
        METHODS.remove("flat")


def test_broken_plugin_is_named_and_left_out(monkeypatch, caplog):
    class Entry:
        name, value = "broken", "nowhere:Broken"

        def load(self):
            msg = "no module named nowhere"
            raise ImportError(msg)

    monkeypatch.setattr(METHODS, "_others", {"broken": Entry()})
    assert "broken" not in [info.name for info in methods()]
    assert "nowhere" in caplog.text


def test_pickle_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    bomb = np.empty(1, object)
    bomb[0] = Bomb()
    meta = json.dumps({"method": "cwola", "hyper": {}})
    try:
        np.savez(tmp_path / "bomb.npz", meta=np.array(meta), names=bomb)
    except (pickle.PicklingError, AttributeError):
        pytest.skip("cannot be pickled here")
    with pytest.raises(InputError, match="not a stored method"):
        load_method(tmp_path / "bomb.npz")


@pytest.mark.parametrize("content", [b"", b"something else"])
def test_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a stored method"):
        load_method(tmp_path / "a.npz")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_method(tmp_path / "none.npz")


WITHOUT_TORCH = """
import json, sys
class Blocked:  # None in sys.modules would make scipy stumble
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "nflows"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import overdensity.ml as ml
from overdensity.core import MissingExtraError
ml.make_method("cwola")  # tests/test_core_alone.py searches with it
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


def test_methods_of_the_project_are_found_by_reading():
    assert {"cwola", "cathode", "pca"} <= set(METHODS.listings)
