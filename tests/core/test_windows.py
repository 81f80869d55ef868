"""The windows of a scan."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.core.windows import geometric_center, log_edges
from overdensity.ml import Window, scan_edges, scan_windows


def test_default_scan_is_the_published_one():
    edges, windows = scan_edges(), scan_windows()
    assert len(windows) == 10
    assert edges[0] == pytest.approx(2632)
    assert edges[-1] == pytest.approx(6000)
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(6000 / 2632) / 16)
    # "starting centered at the fourth bin and ending centered at the 13th" (arXiv:2101.08320)
    for window, fourth_on in zip(windows, range(3, 13), strict=True):
        assert edges[fourth_on] < window.center < edges[fourth_on + 1]


def test_width_of_a_signal_region_is_about_15_percent():
    for window in scan_windows():
        assert (window.high - window.low) / window.center == pytest.approx(0.15, abs=0.01)


def test_regions_divide_the_window():
    window = scan_windows()[3]
    mass = np.linspace(2600, 6100, 7001)
    inside = (mass >= window.sideband_low) & (mass < window.sideband_high)
    times = sum(region(mass).astype(int) for region in (window.signal, window.lower, window.upper))
    np.testing.assert_array_equal(times, inside)


def test_neighbouring_windows_share_edges():
    first, second = scan_windows()[:2]
    assert second.sideband_low > first.sideband_low
    assert first.high == pytest.approx(second.high / (6000 / 2632) ** (1 / 16))


def test_window_survives_json(tmp_path):
    window = scan_windows()[0]
    assert Window.from_json(window.to_json(tmp_path / "window.json")) == window


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"low": 0.0}, "0 < low"),
        ({"low": 7000.0}, "0 < low < high"),
        ({"bins": 0}, "scan: cannot make 0 .* at least one bin"),
        ({"bins": 6}, "use at least 7 bins"),
        ({"signal_bins": 0}, "signal_bins"),
        ({"sideband_bins": 0}, "sideband_bins"),
    ],
)
def test_impossible_scan_is_refused(arguments, says):
    with pytest.raises(ConfigError, match=says):
        scan_windows(**arguments)


def test_window_without_sideband_is_refused():
    with pytest.raises(ConfigError, match="sideband_low < low"):
        Window(3500, 3300, 3700, 3300, 4000)


def test_log_bins_have_equal_ratios():
    edges = log_edges(2632, 6000, 16)
    np.testing.assert_allclose(edges[1:] / edges[:-1], (6000 / 2632) ** (1 / 16))
    assert edges[[0, -1]].tolist() == [2632, 6000]


@pytest.mark.parametrize("bad", [(0, 1, 2), (2, 1, 2), (1, 2, 0), (np.nan, 2, 1)])
def test_log_bins_that_cannot_be_are_refused(bad):
    with pytest.raises(InputError, match="logarithmic"):
        log_edges(*bad)


def test_center_is_the_geometric_mean_of_the_edges():
    edges = log_edges(2000, 8000, 2)
    np.testing.assert_allclose(geometric_center(edges[:-1], edges[1:]) ** 2, [8e6, 32e6])
    assert float(geometric_center(2, 8)) == 4
