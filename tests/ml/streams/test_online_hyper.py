"""Hyperparameters of an online flow."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.streams.online_hyper import OnlineHyper


def test_the_published_buffer_and_average_are_the_defaults() -> None:
    hyper = OnlineHyper()
    assert (hyper.batch, hyper.buffer, hyper.average, hyper.width) == (1000, 10, 0.2, 64)


@pytest.mark.parametrize(("name", "value"), [("buffer", 0), ("average", 0.0), ("margin", 0.0)])
def test_what_cannot_be_used_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"stream: {name} = {value} cannot be used"):
        OnlineHyper(**{name: value})
