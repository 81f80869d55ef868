"""Images in half precision."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.blocks.images import Images, ImagesReader


def test_pixels_are_kept_to_half_precision():
    images = np.random.default_rng(0).dirichlet(np.ones(16), 50).reshape(50, 4, 4)
    np.testing.assert_allclose(Images.from_array(images)[:], images, rtol=2e-3, atol=1e-7)


def test_normalised_images_add_up_to_one_unless_empty():
    images = Images.from_array(np.stack([np.full((3, 3), 7.0), np.zeros((3, 3))]))
    np.testing.assert_allclose(images.normalised()[:].sum(axis=(1, 2)), [1, 0], rtol=1e-6)


def test_batches_are_put_one_after_the_other():
    reader = ImagesReader(3, 2, 2)
    reader.add(np.zeros((1, 2, 2)))
    reader.add(np.ones((2, 2, 2)))
    assert reader.block()[:][:, 0, 0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("bad", [np.nan, 1e6])
def test_pixels_beyond_half_precision_are_refused(bad):
    with pytest.raises(InputError, match="1 pixels of images are NaN"):
        Images.from_array([[[bad, 1.0]]])


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"shape \(n_events, height, width\), found \(3, 4\)"):
        Images.from_array(np.zeros((3, 4)))
