from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.container import ErrorbarContainer

from overdensity.stats.signal.daughters import DaughterMass
from overdensity.workflow.challenge.answer_figures import plot_answers, plot_jets
from overdensity.workflow.challenge.answer_sheet import AnswerSheet, Measured
from overdensity.workflow.challenge.jets_of_excess import JetOfExcess, JetsOfExcess, JetSpectrum
from overdensity.workflow.challenge.judging import QUANTITIES, BoxScore, judge

from .test_answer_sheet import FOUND, NOTHING
from .test_judging import FULL, KEYS, answer

OFF = dataclasses.replace(FOUND, resonance_mass=Measured(3900.0, 20.0))  # a pull of 20


def scored(*sheets: tuple[str, AnswerSheet]) -> list[BoxScore]:
    scores = judge([answer(sheet, FULL, name) for name, sheet in sheets], KEYS)
    return [each for each in scores.answers if each.box == "full"]


def test_four_panels_have_a_line_for_each_answer_and_the_truth() -> None:
    figure = plot_answers(scored(("good", FOUND), ("off", OFF), ("nothing", NOTHING)))
    values = figure.axes[::2]
    assert [axes.get_xlabel() for axes in values] == list(QUANTITIES.values())
    for axes in values:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "off", "nothing"]
    resonance = values[0]
    drawn = [box for box in resonance.containers if isinstance(box, ErrorbarContainer)]
    assert [box.lines[0].get_xdata()[0] for box in drawn] == [3500.0, 3900.0]
    assert resonance.lines[0].get_xdata()[0] == 3500.0  # the truth
    assert [text.get_text() for text in resonance.texts] == ["no answer"]


def test_pulls_stand_beside_the_values_and_none_leaves_the_panel() -> None:
    figure = plot_answers(scored(("good", FOUND), ("off", OFF)))
    pulls = figure.axes[1]
    low, high = pulls.get_xlim()
    points = {line.get_marker(): line.get_xdata()[0] for line in pulls.lines[1:]}
    assert points["o"] == pytest.approx(0.0)
    assert low < points[">"] < high
    assert [text.get_text() for text in pulls.texts] == ["20"]


@pytest.mark.parametrize("n", [1, 12])
def test_any_number_of_answers_is_drawn(n: int, tmp_path: Path) -> None:
    figure = plot_answers(scored(*((f"method {k}", FOUND) for k in range(n))))
    assert len(figure.axes) == 8
    assert len(figure.axes[0].get_yticks()) == n


def test_jets_are_drawn_over_the_sidebands() -> None:
    peak = DaughterMass("heavier jet", 500.0, 2.0, 20.0, 30, 12.0)
    spectrum = JetSpectrum((0.0, 250.0, 500.0, 750.0), (4, 6, 20), (5.0, 5.0, 2.0))
    jet = JetOfExcess(peak, 7.0, None, spectrum)
    figure = plot_jets(JetsOfExcess(jet, dataclasses.replace(jet, mass_error=None), ()))
    assert figure is not None
    first, second = figure.axes
    (points,) = first.containers
    assert np.array_equal(points.lines[0].get_ydata(), [4, 6, 20])
    names = [text.get_text() for text in first.get_legend().get_texts()]
    assert set(names) == {"from sidebands", "selected", "peak"}
    assert "peak" not in [text.get_text() for text in second.get_legend().get_texts()]
    assert not any(isinstance(each, PolyCollection) for each in second.collections)
    assert plot_jets(JetsOfExcess(None, None, ())) is None
