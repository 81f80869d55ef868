"""The classifier kind ``networks``: its settings, its registration and its way back from arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.ensemble import ClassifierHyper
from overdensity.ml.classifiers.kinds import CLASSIFIERS
from overdensity.ml.classifiers.network_kind import NetworkHyper, Networks


def test_the_kind_is_known_by_its_name() -> None:
    assert CLASSIFIERS["networks"] is Networks
    assert isinstance(ClassifierHyper(kind="networks").settings, NetworkHyper)


def test_the_defaults_are_those_of_the_cathode_classifier() -> None:
    """arXiv:2109.00546, section III B: three layers of 64 nodes, the ten best of 100 epochs."""
    hyper = NetworkHyper()
    assert (hyper.layers, hyper.width, hyper.activation) == (3, 64, "relu")
    assert (hyper.epochs, hyper.average, hyper.batch, hyper.judge) == (100, 10, 128, "loss")


@pytest.mark.parametrize("key", ["restarts", "batch", "width"])
def test_a_value_that_cannot_be_used_is_refused_by_name(key: str) -> None:
    with pytest.raises(ConfigError, match=f"networks: {key} = 0 cannot be used"):
        NetworkHyper(**{key: 0})  # type: ignore[arg-type]


def test_settings_of_another_kind_are_refused() -> None:
    with pytest.raises(ConfigError, match="'trees' has settings of the type BoostingHyper"):
        ClassifierHyper(kind="trees", settings=NetworkHyper())


def test_naming_the_kind_loads_no_torch() -> None:
    code = (
        "import sys\nfrom overdensity.ml.classifiers.network_kind import Networks\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_the_ensemble_is_restored_where_the_settings_say() -> None:
    settings = NetworkHyper(layers=1, width=4, epochs=1, patience=1, average=1, device="cpu")
    hyper = ClassifierHyper(kind="networks", inner_folds=2, members=1, settings=settings)
    x = np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)
    made = Networks().fit(x, x[:, 0] > 0, np.ones(60), np.arange(60) % 2, hyper=hyper, seed=1)
    again = Networks().restore(made.arrays(), hyper=hyper)
    assert again.device == "cpu"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.score(x), made.score(x))
