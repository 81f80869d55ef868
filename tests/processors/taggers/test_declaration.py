"""What a declaration may hold, and the sentences of what it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.processors.taggers.declaration import Declaration

JET = {"constituents": "constituents_50"}


def test_each_feature_is_needed_once() -> None:
    inputs = {"a": JET, "b": JET | {"variables": ["mask"]}, "c": {"features": ["n", "tau21"]}}
    declared = Declaration.of({"inputs": inputs, "logit": True}, origin="a.onnx")
    assert declared.needs == ("constituents_50", "n", "tau21")
    assert (declared.inputs["b"].width, declared.inputs["c"].width) == (1, 2)


def test_numbers_are_standardised() -> None:
    given = {"features": ["n", "tau21"], "mean": [10, 0.5], "std": [5, 0.25]}
    each = Declaration.of({"inputs": {"x": given}}, origin="a.onnx").inputs["x"]
    assert each.standardised(np.float32([[20.0, 0.0]]), 1).tolist() == [[2.0, -2.0]]
    turned = each.standardised(np.float32([[[20.0], [0.0]]]), 1)
    assert turned.tolist() == [[[2.0], [-2.0]]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schema": 2}, "its declaration is of schema 2, and this version of overdensity reads"),
        ({"input": {}}, "a tagger has no 'input': did you mean 'inputs'?"),
        ({"inputs": ["x"]}, "inputs are names with keys"),
        ({"inputs": {"x": {"features": ["n"], "constituents": "c"}}}, "'x' reads either"),
        ({"inputs": {"x": {}}}, "'x' reads either 'constituents'"),
        ({"inputs": {"x": JET | {"variables": ["ptt"]}}}, "constituents have no 'ptt': did you mean 'pt'"),
        ({"inputs": {"x": JET | {"mean": [1.0]}}}, "has 3 numbers, and 1 of mean"),
        ({"inputs": {"x": {"features": ["n"], "std": [0]}}}, "a number of it cannot be used"),
        ({"inputs": {"x": {"features": ["n"], "mean": [float("nan")]}}}, "a number of it cannot be"),
        ({"inputs": {"x": {"features": ["n"], "mean": ["a"]}}}, "a number of it cannot be used"),
        ({"inputs": {"x": JET | {"particles": "many"}}}, "a number of it cannot be used"),
        ({"inputs": {"x": JET | {"particles": 2.5}}}, "a number of it cannot be used"),
        ({"inputs": {"x": JET | {"least": 10**9}}}, "particles and least are at most 10000"),
        ({"inputs": {"x": JET | {"channels_first": "no"}}}, "channels_first true or false"),
        ({"inputs": {"x": {"constituents": ["a"]}}}, "a number of it cannot be used, or a name"),
        ({"inputs": {"x": {"features": [1]}}}, "a number of it cannot be used, or a name"),
        ({"rows": -5}, "rows is -5; it must be at least 1"),
        ({"column": -1}, "column is -1; it must be at least 0"),
        ({"logit": "yes"}, "logit is 'yes'; it must be of the type bool"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.onnx: ") as refused:
        Declaration.of(values, origin="a.onnx")
    assert said in str(refused.value)
