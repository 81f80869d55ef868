"""The toy's jets have one prong or two."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.toy_events import TOY_FEATURES, toy_blocks, toy_events


def widths(block) -> np.ndarray:
    """The rms distance from the axis of normalised constituents."""
    offsets, values = block.normalised()[:]
    share, eta, phi = values.astype(float).T
    return np.sqrt(np.add.reduceat(share * (eta**2 + phi**2), offsets[:-1]))


def test_jets_of_two_prongs_are_wider():
    two = np.arange(400) % 2 == 1
    blocks = toy_blocks(two, np.full(400, 1700.0))
    for name in ("j1_constituents", "j2_constituents"):
        found = widths(blocks[name])
        assert found[two].mean() > 1.5 * found[~two].mean()


def test_constituents_add_up_to_the_pt_of_the_jet():
    pt = np.array([1200.0, 2400.0])
    offsets, values = toy_blocks(np.array([True, False]), pt)["j2_constituents"][:]
    np.testing.assert_allclose(np.add.reduceat(values[:, 0], offsets[:-1]), pt, rtol=1e-5)


def test_images_are_fractions():
    images = toy_blocks(np.array([True, False]), np.full(2, 1500.0))["j1_image"][:]
    assert images.sum(axis=(1, 2)) == pytest.approx(1, abs=2e-3)


def test_events_have_columns_groups_and_blocks():
    sample = toy_events(50, 10, seed=3)
    assert sample.names == TOY_FEATURES
    assert sample.label.sum() == 10
    assert set(sample.group.tolist()) == {0, 1}
    assert len(sample.blocks) == 4
