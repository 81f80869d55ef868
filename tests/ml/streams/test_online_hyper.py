"""Hyperparameters of an online flow."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.streams.online_hyper import OnlineHyper


def test_the_published_recipe_is_the_default() -> None:
    hyper = OnlineHyper()
    assert (hyper.family, hyper.layers, hyper.width) == ("maf", 5, 64)
    assert (hyper.batch, hyper.buffer, hyper.updates, hyper.average) == (1000, 10, 5, 0.2)


@pytest.mark.parametrize(("name", "value"), [("buffer", 0), ("average", 0.0), ("margin", 0.0)])
def test_what_cannot_be_used_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"stream: {name} = {value} cannot be used"):
        OnlineHyper(**{name: value})
