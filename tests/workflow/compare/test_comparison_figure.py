"""The figure of a comparison."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import Comparison, FeatureDifference, RegionComparison, Sample
from overdensity.workflow.compare.comparison_figure import plot_comparison


@pytest.mark.figures
def test_simulation_is_normalised_to_the_data_of_the_region() -> None:
    rng = np.random.default_rng(1)
    group, x = np.repeat([1, 2], 100), rng.normal(size=(200, 1))
    data = Sample.from_arrays(np.ones(200), x, ("met",), group=group)
    simulation = Sample.from_arrays(
        np.ones(200), x, ("met",), group=group, weight=np.repeat([3.0, 7.0], 100)
    )
    features = (FeatureDifference("met", 0.1),)
    regions = tuple(
        RegionComparison(name, 100, 100, 300.0, 100.0, 0.5, p, 0.0, features)
        for name, p in (("1", 0.5), ("2", 0.1))
    )
    result = Comparison(regions, 0.19, 0.9, False, 99, 4, 1, ())
    left, right = plot_comparison(result, data, simulation).axes
    assert [text.get_text() for text in left.get_xticklabels()] == ["1", "2"]
    (drawn,) = right.patches
    (points, *_) = right.lines
    assert np.allclose(drawn.get_data().values, points.get_ydata())
    assert right.get_xlabel() == "met [GeV]"
    assert right.get_title().startswith("region 2")
