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
