"""Where networks run."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.training.device import pick_device


def test_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="'abacus' cannot be used here"):
        pick_device("abacus")
