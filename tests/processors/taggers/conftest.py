"""Small ONNX models of another's making."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def linear(
    path: Path, shapes: dict[str, list[Any]], /, *, called: str = "sums", **declared: Any
) -> Path:
    """A model whose output is the sum of all numbers of each of its inputs, side by side."""
    nodes, names = [], []
    for name, shape in shapes.items():
        axes = numpy_helper.from_array(np.arange(1, len(shape)), f"axes of {name}")
        nodes.append((helper.make_node("ReduceSum", [name, axes.name], [f"{name} sum"], keepdims=0), axes))  # fmt: skip
        names.append(f"{name} sum")
    last = numpy_helper.from_array(np.array([-1]), "last")
    columns = [helper.make_node("Unsqueeze", [n, "last"], [f"{n} column"]) for n in names]
    joined = helper.make_node("Concat", [f"{n} column" for n in names], [called], axis=1)
    graph = helper.make_graph(
        [*(node for node, _ in nodes), *columns, joined],
        "sums",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        [helper.make_tensor_value_info(called, TensorProto.FLOAT, ["n", len(shapes)])],
        [last, *(axes for _, axes in nodes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if declared:
        helper.set_model_props(model, {"overdensity": json.dumps(declared)})
    onnx.save(model, path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Make such a model in the folder of the test."""

    def make(shapes: dict[str, list[Any]], /, **declared: Any) -> Path:
        return linear(tmp_path / "sums.onnx", shapes, **declared)

    return make
