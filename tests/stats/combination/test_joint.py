"""Channels side by side at every mass hypothesis."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.stats.combination.joint import combine_channels
from overdensity.stats.p_values.local import z_of_log_p

from .test_channels_hunt import WINDOWS, make_channels


@pytest.fixture(scope="module")
def found():
    return combine_channels(make_channels(31), WINDOWS, pseudo_experiments=500, seed=2)


def test_every_channel_has_as_many_pseudo_experiments(found):
    assert {name: len(toys.p_local) for name, toys in found.toys.items()} == {
        "mjj": 500,
        "mjjj": 500,
    }


def test_significances_are_those_of_the_best_selections(found):
    for c, (step, toys) in enumerate(found.pairs):
        _, log_p = step.best_of_windows(toys)
        np.testing.assert_array_equal(found.z[:, c], z_of_log_p(log_p))
        assert found.z_toys.shape == (500, len(WINDOWS), 2)


def test_local_p_values_of_pseudo_experiments_are_uniform_in_the_tail(found):
    p = np.exp(found.log_p_toys)
    for w in range(len(WINDOWS)):
        assert (p[:, w] < 0.1).mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 500))


def test_a_channel_is_thrown_alike_whatever_other_channels_there_are(found):
    alone = combine_channels(
        {"mjj": make_channels(31)["mjj"]}, WINDOWS, pseudo_experiments=500, seed=2
    )
    np.testing.assert_array_equal(alone.toys["mjj"].p_local, found.toys["mjj"].p_local)
