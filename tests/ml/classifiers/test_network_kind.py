"""Networks as a kind of classifier."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.ensemble import CLASSIFIERS
from overdensity.ml.classifiers.network_kind import NetworkHyper, Networks


def test_networks_are_found_by_their_name():
    assert CLASSIFIERS["networks"] is Networks
    assert Networks.requires == ("torch",)


@pytest.mark.parametrize("key", ["restarts", "batch"])
def test_less_than_one_is_refused(key):
    with pytest.raises(ConfigError, match=f"networks: {key} = 0 cannot be used"):
        NetworkHyper(**{key: 0})
