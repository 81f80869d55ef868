"""Where networks run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml import make_method
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.training.device import pick_device

THERE = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


def test_what_is_no_device_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="no device 'gpu'; give auto, cpu, cuda or mps"):
        pick_device("gpu")


@pytest.mark.parametrize("name", [name for name, there in THERE.items() if not there])
def test_device_that_is_not_there_is_refused(name):
    with pytest.raises(ConfigError, match=f"'{name}' cannot be used here"):
        pick_device(name)


@pytest.mark.parametrize("device", [name for name, there in THERE.items() if there])
@pytest.mark.parametrize("method", ["graph_autoencoder", "image_vae", "ucluster", "vrnn"])
def test_scores_are_those_of_the_cpu_within_float_error(method, device):
    """What was learnt on a CPU, scored on both: trainings draw other numbers on each device."""
    sample, fast = toy_sample(), make_method(method).fast
    here = make_method(method, **fast)
    there = make_method(method, **fast | {"device": device})
    here.fit(here.shown(sample), TOY_WINDOW, seed=1)
    there.restore(here.arrays())
    expected, found = (each.score(each.shown(sample)) for each in (here, there))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.std(expected))
    there.fit(there.shown(sample), TOY_WINDOW, seed=1)
    assert np.isfinite(there.score(there.shown(sample))).all()
