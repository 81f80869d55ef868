"""A datacard says the same as the likelihood it was written from, read as combine reads it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import uproot

from overdensity.stats import log_edges
from overdensity.stats.limits.cls import asymptotic_limit
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.categories import Categories, categories
from overdensity.stats.workspaces.datacard import write_datacard
from overdensity.stats.workspaces.shape import factors_of

from .combine_card import read_card
from .whole_range import EDGES, MODEL, known, peak, strong, thrown, with_functions


@pytest.mark.parametrize(
    ("model", "limits"),
    [(known, False), (partial(known, simulated=True), True), (with_functions, True)],
)
def test_the_likelihood_is_rebuilt_from_the_datacard(
    model: Callable[[], Categories], limits: bool, tmp_path: Path
) -> None:
    found = model()
    card = read_card(write_datacard(found, tmp_path / "datacard.txt"))
    assert discovery(card).z == pytest.approx(discovery(found).z, rel=0.01)
    if not limits:
        return
    theirs, ours = asymptotic_limit(card), asymptotic_limit(found)
    assert theirs.observed == pytest.approx(ours.observed, rel=0.01)
    assert theirs.expected == pytest.approx(ours.expected, rel=0.01)


def test_the_histograms_have_the_edges_of_the_fits(tmp_path: Path) -> None:
    folder = tmp_path / "a::b"  # which uproot takes for an object in a file
    write_datacard(known(), folder / "datacard.txt")
    with (folder / "datacard.root").open("rb") as content, uproot.open(content) as file:
        observed = file["pass/data_obs"]
        np.testing.assert_allclose(observed.axis().edges(), EDGES)
        np.testing.assert_array_equal(observed.values(), known().observed[:16])


def test_a_card_of_one_category_has_no_ratio(tmp_path: Path) -> None:
    alone = categories(EDGES, thrown()[1], None, signal=peak(), model=MODEL)
    text = write_datacard(alone, tmp_path / "one.txt").read_text()
    assert "efficiency" not in text
    assert "imax 1" in text


@pytest.mark.slow(seconds=6)
@pytest.mark.parametrize("seed", [3, 4])
def test_limits_expected_beneath_a_strong_signal_are_those_of_the_functions(
    seed: int, tmp_path: Path
) -> None:
    found = strong(seed)
    card = read_card(write_datacard(found, tmp_path / "datacard.txt"))
    assert discovery(card).z == pytest.approx(discovery(found).z, rel=2e-3)
    theirs, ours = asymptotic_limit(card), asymptotic_limit(found)
    assert theirs.observed == pytest.approx(ours.observed, rel=0.01)
    assert theirs.expected == pytest.approx(ours.expected, rel=0.01)


def test_more_than_a_hundred_bins_keep_their_factors(tmp_path: Path) -> None:
    edges = log_edges(2632, 6000, 120)
    counts = np.round(2e5 * (edges[:-1] / 2632) ** -7 / 120)
    signal = np.exp(-(((edges[:-1] - 3500) / 140) ** 2) / 2)
    many = categories(edges, counts, None, signal=signal, model=MODEL)
    path = write_datacard(many, tmp_path / "datacard.txt")
    rows = [line.split() for line in path.read_text().splitlines()]
    process = next(row[1:] for row in rows if row[0] == "process")
    written = {row[0]: dict(zip(process, row[2:], strict=True)) for row in rows if "lnN" in row}
    for name, log in factors_of(many).log.items():
        of_bins = [float(written[name][f"background_{i:02d}"]) for i in range(120)]
        np.testing.assert_allclose(of_bins, np.exp(log[0]), rtol=1e-8)
