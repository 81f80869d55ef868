"""What all detectors on images share: each jet has its own model, of images alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import make_method
from overdensity.ml.blocks.images import Images
from overdensity.ml.contract import TOY_WINDOW, toy_sample

FEW = {"medoids": 1, "jets": 20, "metric": "mse"}


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(300))


def test_images_are_all_that_is_read_and_add_up_to_one(sample):
    seen = make_method("medoids", **FEW).inputs_of(sample)
    assert (seen.names, sorted(seen.blocks)) == ((), ["j1_image", "j2_image"])
    np.testing.assert_allclose(seen.blocks["j1_image"][:].sum(axis=(1, 2)), 1, rtol=1e-5)


def test_images_of_another_size_are_refused(sample):
    method = make_method("medoids", **FEW)
    fitted = method.fit(method.shown(sample), TOY_WINDOW, seed=1)
    other = dict.fromkeys(("j1_image", "j2_image"), Images.from_array(np.ones((300, 8, 8))))
    with pytest.raises(InputError, match="images of 12 x 12 pixels, and is to score 8 x 8"):
        fitted.score(replace(sample, blocks=other))
