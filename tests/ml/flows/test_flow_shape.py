"""The shape of a flow, which the flow of a stream shares with all others."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.flows.conditional import FlowHyper
from overdensity.ml.flows.flow_shape import FlowShape
from overdensity.ml.streams.online_hyper import OnlineHyper


@pytest.mark.parametrize("kind", [FlowShape, FlowHyper, OnlineHyper])
def test_a_shape_that_cannot_be_is_refused(kind: type[FlowShape]) -> None:
    with pytest.raises(ConfigError, match="no family is called 'rsq_coupling'"):
        kind(family="rsq_coupling")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="flow: layers = 0 cannot be used"):
        kind(layers=0)


def test_how_a_flow_is_trained_is_not_its_shape() -> None:
    names = {"family", "layers", "width", "depth", "bins", "tail"}
    assert set(FlowHyper(epochs=3).shape()) == set(OnlineHyper(batch=10).shape()) == names
    assert FlowHyper(epochs=3).shape() == FlowShape().shape()
