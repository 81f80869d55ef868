from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from overdensity.workflow.suite.suite_figures import plot_suite
from overdensity.workflow.suite.suite_result import SuiteResult, suite_rates

from .test_suite_result import ANSWERS


def test_the_figure_shows_the_rates_with_their_intervals() -> None:
    rates = suite_rates(ANSWERS, ["us", "them"], 0.05)
    axes = plot_suite(SuiteResult(0.05, 100, {}, rates, (), (), {})).axes[0]
    us, them = (container.lines for container in axes.containers)
    line: Any = us[0]
    assert line.get_xdata() == pytest.approx([0, 2, 4], abs=0.05)
    assert line.get_ydata() == pytest.approx([0.2, 0.0, 0.75])
    bars: Any = us[2][0]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [
        pytest.approx([each.low, each.high]) for each in rates[:3]
    ]
    assert np.size(them[0].get_xdata()) == 1
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["level: 0.05", "us", "them"]
