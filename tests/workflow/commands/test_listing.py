from __future__ import annotations

import json
from collections.abc import Callable

import pytest

Call = Callable[..., tuple[int, str, str]]


def test_methods_json_lists_needs_and_sources(call: Call) -> None:
    code, out, _ = call("methods", "--json")
    assert code == 0
    listed = {method["name"]: method for method in json.loads(out)}
    assert {"cwola", "cwola_networks"} <= set(listed)
    assert all(method["needs"] and method["source"] for method in listed.values())


@pytest.mark.parametrize(
    ("name", "place"), [("cwola", "classifier.trees.leaves"), ("pfn", "training.epochs")]
)
def test_hyperparameters_of_a_method_or_a_kind_are_listed(
    call: Call, name: str, place: str
) -> None:
    code, out, _ = call("methods", name)
    assert code == 0
    assert place in out
    found = json.loads(call("methods", name, "--json")[1])
    for key in place.split("."):
        found = found[key]
    assert isinstance(found, int)


def test_an_unknown_method_has_the_nearest_of_methods_and_kinds(call: Call) -> None:
    code, _, err = call("methods", "pfnn")
    assert code == 2
    assert "did you mean 'pfn'" in err


@pytest.mark.parametrize(
    ("command", "names"),
    [("processors", {"dijet", "multijet", "jets", "leptons"}), ("features", {"n", "image"})],
)
def test_what_there_is_can_be_listed(call: Call, command: str, names: set[str]) -> None:
    code, out, _ = call(command)
    assert code == 0
    assert all(name in out for name in names)
    listed = json.loads(call(command, "--json")[1])
    found = listed if isinstance(listed, dict) else {row["name"] for row in listed}
    assert names <= set(found)
