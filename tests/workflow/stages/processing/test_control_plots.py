"""Control plots, checked by the data they carry."""

from __future__ import annotations

import json

import hist
import numpy as np
import pytest

from overdensity.processors import ColumnSet, ProcessingReport, from_uhi, to_uhi
from overdensity.workflow.stages.processing.control_plots import (
    cutflow_figure,
    histogram_figure,
    write_control_plots,
)

AXIS = hist.axis.Regular(20, 0, 2000, name="mjj", label="$m_{jj}$ [GeV]")


def filled(masses, weight=None) -> hist.Hist:
    if weight is None:
        return hist.Hist(AXIS).fill(masses)
    return hist.Hist(AXIS, storage=hist.storage.Weight()).fill(masses, weight=weight)


def heights(artist) -> list[float]:
    return artist.get_data().values.tolist()


def test_a_histogram_is_drawn_from_its_first_to_its_last_bin() -> None:
    figure = histogram_figure({"nominal": filled([450, 460, 750])})
    first = figure.axes[0].patches[0]
    assert heights(first) == [0, 2, 0, 0, 1, 0]
    assert first.get_data().edges.tolist() == [300, 400, 500, 600, 700, 800, 900]


def test_what_lies_beyond_the_edges_is_said() -> None:
    figure = histogram_figure({"nominal": filled([450, 5000, 6000])})
    assert figure.axes[0].get_title(loc="right") == "2 beyond the edges"


def test_variations_are_drawn_over_the_nominal_histogram_and_as_ratios() -> None:
    nominal, up = filled([450, 450, 550, 550]), filled([450, 550, 550, 550])
    upper, lower = histogram_figure({"nominal": nominal, "jes_up": up}).axes
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["nominal", "jes_up"]
    ratio = np.array(heights(lower.patches[0]))
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], [0.5, 1.5])


def test_errors_of_weighted_events_are_those_of_their_weights() -> None:
    figure = histogram_figure({"nominal": filled([450, 450], weight=[3.0, 4.0])})
    (bars,) = figure.axes[0].containers
    _, _, (lines,) = bars.lines
    low, high = lines.get_segments()[1][:, 1]
    assert (high - low) / 2 == pytest.approx(5.0)  # sqrt(3² + 4²)
    assert figure.axes[0].get_ylabel() == "weighted events"


def test_an_empty_histogram_can_be_drawn() -> None:
    assert histogram_figure({"nominal": filled([])}).axes


def test_the_cutflow_shows_counts_and_shares() -> None:
    axes = cutflow_figure({"events read": 2000, "two jets": 500}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2000, 500]
    assert [text.get_text() for text in axes.texts] == ["2,000  (100 %)", "500  (25 %)"]


@pytest.mark.figures
def test_all_sets_of_columns_are_written_down(tmp_path) -> None:
    nominal, up = filled([450, 550]), filled([650])
    flow = {"events read": 2}
    report = ProcessingReport(
        columns="c",
        rows=2,
        cutflow=flow,
        cutflow_weighted={},
        hists={"mjj": to_uhi(nominal)},
        partitions=("a",),
        events_read=2,
        events_kept=2,
        reused=0,
        bad_files={},
        seconds=1.0,
        variations={"jes_up": ColumnSet("v", 1, {"events read": 1}, {}, {"mjj": to_uhi(up)})},
    )
    pictures = write_control_plots(report, tmp_path / "control")
    assert [path.name for path in pictures] == ["cutflow.png", "mjj.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    stored = json.loads((tmp_path / "control" / "histograms.json").read_text())
    assert from_uhi(stored["jes_up"]["mjj"]) == up
    cutflows = json.loads((tmp_path / "control" / "cutflow.json").read_text())
    assert cutflows["jes_up"] == {"events": {"events read": 1}, "weighted": {}}
