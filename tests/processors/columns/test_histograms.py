"""Histograms as plain JSON values."""

from __future__ import annotations

import json

import hist
import numpy as np
import pytest
import uhi.schema
from hist.storage import Weight

from overdensity.processors.columns.histograms import from_uhi, to_uhi


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "axis",
    [hist.axis.Regular(4, 0, 8, name="mjj", label="$m_{jj}$"), hist.axis.Integer(0, 4, name="n")],
    ids=["regular", "integer"],
)
def test_a_histogram_survives_json(axis, weighted) -> None:
    histogram = hist.Hist(axis, storage=Weight()) if weighted else hist.Hist(axis)
    options = {"weight": [0.5, 2.0, -1.0]} if weighted else {}
    histogram.fill([1, 2, 9], **options)
    again = from_uhi(json.loads(json.dumps(to_uhi(histogram))))
    assert again == histogram
    assert again.axes[0].label == histogram.axes[0].label


def test_the_form_is_that_of_uhi() -> None:
    histogram = hist.Hist.new.Reg(4, 0, 8, name="mjj").Double().fill([1, 1, 2, 9])
    uhi.schema.validate({"mjj": to_uhi(histogram)})
    np.testing.assert_array_equal(to_uhi(histogram)["storage"]["values"], [0, 2, 1, 0, 0, 1])
