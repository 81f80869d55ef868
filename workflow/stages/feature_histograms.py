"""Histograms of the features of events, and a few numbers of constituents and images, for a report."""

from __future__ import annotations

import math
from collections.abc import Mapping

import hist
import numpy as np
from numpy.typing import NDArray

from ...ml import Sample, SampleStream
from ...processors.columns.histograms import to_uhi
from .run import Run
from .samples import first_events

__all__ = ["block_numbers", "feature_histograms"]

_FEWEST, _MOST = 8, 30  # bins
_ROWS = 8192  # events at a time
_SAME = 1e-3  # logarithms that differ by less are of rounding


def feature_histograms(
    run: Run, sample: Sample, groups: Mapping[str, NDArray[np.bool_]]
) -> dict[str, dict]:
    """Histogram the features of groups of events, the numbers of constituents and images among them.

    There are as many bins as the root of the events of the smallest group, so that it can be read;
    whole numbers have bins of as many of them each.

    Parameters
    ----------
    run : Run
        The search.
    sample : Sample
        Its events.
    groups : mapping of str to ndarray of bool, shape (n_events,)
        By what the figure calls them, which events they are. Bins reach as far as the first one.

    Returns
    -------
    dict of str to dict
        Per feature, uhi's JSON form of a histogram with the axes ``group`` and the feature.
    """
    first, *_ = groups.values()
    fewest = min(int(np.count_nonzero(members)) for members in groups.values())
    bins = min(max(math.isqrt(fewest), _FEWEST), _MOST)
    found = {}
    columns = dict(zip(sample.names, sample.features.T, strict=True))
    for name, column in (columns | block_numbers(run, sample.event)).items():
        filled = hist.Hist(
            hist.axis.StrCategory(list(groups), name="group"),
            hist.axis.Regular(*_bins(column[first], bins), label=name),
        )
        for group, members in groups.items():
            filled.fill(group, column[members])
        found[name] = to_uhi(filled)
    return found


def block_numbers(run: Run, event: NDArray[np.uint64]) -> dict[str, NDArray[np.float32]]:
    """Return the numbers that sum up the constituents and images of events, as a method sees these.

    The files are read once more, some rows at a time. Numbers that are the same for all events,
    such as the sum of the pixels of a normalised image, are left out. Logarithms of whole numbers,
    such as how many constituents there are, are these numbers.

    Parameters
    ----------
    run : Run
        The search.
    event : ndarray of uint64, shape (n_events,)
        Ids of the events.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_events,)
        By the names of column and number; empty where the features are numbers themselves.
    """
    if not first_events(run).blocks:
        return {}
    order = np.argsort(event)
    found: dict[str, NDArray[np.float32]] = {}
    for some in SampleStream(run.columns, run.config.features, run.config.mass, rows=_ROWS):
        place = np.searchsorted(event, some.event, sorter=order).clip(max=len(event) - 1)
        there = event[order[place]] == some.event
        rows = order[place[there]]
        for name, block in some.blocks.items():
            numbers = block.normalised().take(there).summaries()
            for number, column in zip(block.summary_names, numbers.T, strict=True):
                into = found.setdefault(f"{name}: {number}", np.zeros(len(event), np.float32))
                into[rows] = column
    return dict(_shown(name, column) for name, column in found.items() if np.ptp(column) > _SAME)


def _bins(column: NDArray[np.floating], most: int) -> tuple[int, float, float]:
    """Return the number of bins and their ends.

    Examples
    --------
    >>> _bins(np.array([3.0, 4.0, 8.0]), 4)
    (3, 2.5, 8.5)
    >>> _bins(np.array([0.25, 0.5]), 4)[:2]
    (4, 0.25)
    """
    low, high = (float(x) for x in np.quantile(column, [0.0, 0.999], method="higher"))
    if np.all(column == np.rint(column)):
        whole = round(high - low) + 1
        width = math.ceil(whole / most)
        n = math.ceil(whole / width)
        return n, low - 0.5, low - 0.5 + n * width
    return most, low, high + max(1e-6 * (high - low), 1e-6)  # the last edge is outside


def _shown(name: str, logarithm: NDArray[np.float32]) -> tuple[str, NDArray[np.float32]]:
    """Return a number as a figure has it: of whole numbers not the logarithm."""
    number = np.exp(logarithm)
    whole = np.rint(number)
    if np.allclose(number, whole, rtol=_SAME, atol=_SAME):
        return name.replace(": ln ", ": "), whole
    return name, logarithm
