"""Finding methods by name, and keeping fitted ones."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Method, cross_fit, load_method, make_method, method, methods


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
    assert (published["layers"], published["width"], published["batch"]) == (4, 128, 5000)
    assert (published["inner_folds"], published["restarts"], published["patience"]) == (4, 3, 250)


def test_unknown_method_gets_the_nearest_names():
    with pytest.raises(ConfigError, match="no method is called 'cwolla'; did you mean 'cwola'"):
        make_method("cwolla")


def test_unknown_hyperparameter_gets_the_nearest_names():
    with pytest.raises(ConfigError, match="no hyperparameter 'leafs'; did you mean 'leaves'"):
        make_method("cwola", leafs=3)


def test_value_of_another_type_is_refused():
    with pytest.raises(ConfigError, match="members must be int"):
        make_method("cwola", members="three")


def test_whole_number_may_stand_for_a_float():
    assert make_method("cwola", learning_rate=1).hyper.learning_rate == 1.0


def test_name_cannot_be_taken_twice():
    class Impostor(Method):
        name = "cwola"
        source = ""

    with pytest.raises(ConfigError, match="two methods are called 'cwola'"):
        method.register(Impostor)


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

    monkeypatch.setattr(method, "_REGISTRY", dict(method._REGISTRY))
    monkeypatch.setattr(method, "entry_points", lambda group: [Entry()])
    assert isinstance(make_method("flat"), Flat)
    assert "flat" in [info.name for info in methods()]


def test_broken_plugin_is_named_and_left_out(monkeypatch, caplog):
    class Entry:
        name, value = "broken", "nowhere:Broken"

        def load(self):
            msg = "no module named nowhere"
            raise ImportError(msg)

    monkeypatch.setattr(method, "entry_points", lambda group: [Entry()])
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


def test_example_of_the_documentation_is_a_method(monkeypatch, tmp_path, sample, window):
    page = Path(__file__).parents[2] / "docs" / "methods" / "README.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.setattr(method, "_REGISTRY", dict(method._REGISTRY))
    exec(compile(code, page, "exec"), {"__name__": __name__})  # our own page
    scores = cross_fit(make_method("far"), sample, window, seed=1)
    assert scores.dtype == np.float32
    fitted = make_method("far").fit(sample, window, seed=1)
    stored = load_method(fitted.save(tmp_path / "far.npz"))
    np.testing.assert_array_equal(stored.score(sample), fitted.score(sample))


@pytest.mark.parametrize(
    ("key", "value"), [("members", 0), ("leaves", 1), ("learning_rate", -0.1), ("bins", 500)]
)
def test_hyperparameters_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key} = {value} cannot be used"):
        make_method("cwola", **{key: value})


def test_a_number_that_yaml_takes_for_text_is_a_number():
    assert make_method("cwola", learning_rate="1e-2").hyper.learning_rate == 0.01


@dataclass(frozen=True)
class Inner:
    epochs: int = 5
    rate: float = 0.1


@dataclass(frozen=True)
class Nested:
    flow: Inner = Inner(epochs=7)


@pytest.fixture
def nested(monkeypatch):
    class Known(Method):
        name = "nested"
        Hyper = Nested
        fit = score = arrays = restore = None

    monkeypatch.setitem(method._REGISTRY, "nested", Known)


@pytest.mark.usefixtures("nested")
def test_hyperparameters_within_hyperparameters_keep_the_other_defaults():
    assert make_method("nested", flow={"rate": 1}).hyper == Nested(Inner(epochs=7, rate=1.0))


@pytest.mark.usefixtures("nested")
def test_unknown_hyperparameter_within_another_is_named_with_its_place():
    with pytest.raises(ConfigError, match=r"'flow\.epoch'; did you mean 'epochs'"):
        make_method("nested", flow={"epoch": 3})
