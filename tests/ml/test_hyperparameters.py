"""Hyperparameters are nested, checked, and told where they belong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from overdensity.core import ConfigError
from overdensity.ml import make_method
from overdensity.ml.hyperparameters import as_configured, replaced


@dataclass(frozen=True)
class Inner:
    epochs: int = 5
    rate: float = 0.1


@dataclass(frozen=True)
class Nested:
    flow: Inner = field(default_factory=lambda: Inner(epochs=7))
    masses: tuple[float, ...] = ()
    sort: bool = True


def given(**values):
    return replaced(Nested(), values, of="method 'nested'")


def test_hyperparameters_within_hyperparameters_keep_the_other_defaults():
    assert given(flow={"rate": 1}) == Nested(Inner(epochs=7, rate=1.0))


def test_a_slip_of_many_zeros_is_refused():
    assert given(flow={"epochs": 100_000}).flow.epochs == 100_000
    with pytest.raises(ConfigError, match=r"flow\.epochs = 1000000000 is far more than"):
        given(flow={"epochs": 10**9})


def test_list_stands_for_a_tuple_and_text_for_a_number():
    assert given(masses=[1, 2], flow={"rate": "1e-2"}) == Nested(Inner(7, 0.01), (1, 2))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"flow": {"epoch": 3}}, "no hyperparameter 'flow.epoch'; did you mean 'epochs'"),
        ({"epochs": 3}, "no hyperparameter 'epochs'; it is written flow.epochs"),
        ({"sort": "yes"}, "sort must be bool like its default True, found 'yes'"),
        ({"flow": {"epochs": "many"}}, "flow.epochs must be int like its default 7"),
        ({"flow": 3}, "flow holds hyperparameters of its own, such as flow.epochs, and is not 3"),
    ],
)
def test_value_that_cannot_be_used_is_named_with_its_place(values, complaint):
    with pytest.raises(ConfigError, match=f"method 'nested'.*{re.escape(complaint)}"):
        given(**values)


@pytest.mark.parametrize(
    ("name", "old", "place"),
    [
        ("cwola", {"leaves": 8}, "classifier.trees.leaves"),
        ("cwola", {"members": 2}, "classifier.members"),
        ("cwola_networks", {"epochs": 8}, "classifier.networks.epochs"),
        ("sa_cwola", {"epochs": 8}, "networks.epochs"),
        ("gis", {"bin_events": 400}, "flow.bin_events"),
    ],
)
def test_key_of_earlier_versions_is_refused_with_its_new_name(name, old, place):
    with pytest.raises(ConfigError, match=f"it is written {re.escape(place)}$"):
        make_method(name, **old)


def test_settings_of_a_kind_stand_under_its_name():
    method = make_method("cwola", classifier={"kind": "networks", "networks": {"width": 8}})
    assert method.hyper.classifier.settings.width == 8
    assert as_configured(method.hyper)["classifier"]["networks"]["width"] == 8


def test_another_kind_has_the_defaults_of_that_kind():
    hyper = make_method("salad", reweighting={"kind": "trees"}).hyper
    assert hyper.reweighting.settings.leaves == 31


def test_settings_of_a_kind_that_is_not_chosen_are_refused():
    with pytest.raises(ConfigError, match=r"classifier\.networks belongs to kind: networks"):
        make_method("cwola", classifier={"networks": {"width": 8}})


def test_unknown_kind_gets_the_nearest_names():
    with pytest.raises(ConfigError, match="no classifier is called 'tree'; did you mean 'trees'"):
        make_method("cwola", classifier={"kind": "tree"})


@pytest.mark.parametrize(("key", "value"), [("leaves", 1), ("learning_rate", -0.1), ("bins", 500)])
def test_hyperparameters_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key} = {value} cannot be used"):
        make_method("cwola", classifier={"trees": {key: value}})


@pytest.mark.parametrize("name", ["cwola", "cwola_networks", "salad", "gis", "anode"])
def test_all_hyperparameters_written_down_give_the_same_method(name):
    method = make_method(name)
    assert make_method(name, **as_configured(method.hyper)).hyper == method.hyper
