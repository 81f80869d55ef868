"""Hyperparameters of recurrent networks on jets."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.lstm_hyper import LstmHyper


@pytest.mark.parametrize("bad", [{"memory": (4,)}, {"memory": (4, 0)}, {"dense": ()}])
def test_widths_that_cannot_be_used_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))} = .* cannot be used"):
        LstmHyper(**bad)
