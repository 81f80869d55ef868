"""Events that pass and fail a selection, with a peak, for the tests of models of all bins."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtr

from overdensity.stats import FitModel, log_edges
from overdensity.stats.workspaces.categories import Categories, Variation, categories

EDGES = log_edges(2632, 6000, 16)
MODEL = FitModel("dijet3", efficiency_order=2)


def peak(width=140.0, mass=3500.0, events=60.0):
    return events * np.diff(ndtr((EDGES - mass) / width))


def thrown(seed=3, *, n_signal=60.0, passing=0.01, n=30_000):
    """Return events that pass and that fail; the efficiency rises with the mass."""
    center = np.sqrt(EDGES[1:] * EDGES[:-1])
    mean = (1 - center / 13e3) ** 8 / center**5 * np.diff(EDGES)
    mean *= n / mean.sum()
    rng = np.random.default_rng(seed)
    eps = passing * (center / 3500) ** 0.3
    return rng.poisson(mean * eps + peak(events=n_signal)), rng.poisson(mean * (1 - eps))


def both_signals():
    """Return a signal of which half passes, its wider and narrower forms, and its luminosity."""
    signal = np.stack([peak(), peak()])
    return {
        "signal": signal,
        "variations": {
            "luminosity": Variation(1.05 * signal, signal / 1.05),
            "width": Variation(np.stack([peak(180.0)] * 2), np.stack([peak(110.0)] * 2)),
        },
    }


@cache
def with_functions() -> Categories:
    """Return the likelihood as a search with several functions has it, at its default freedom."""
    passing, failing = thrown()
    return categories(
        EDGES,
        passing,
        failing,
        fabricated={"spurious_signal": 2.0, "background_function": 5.0, "function_bias": 3.0},
        model=FitModel("dijet4"),
        odds_widths=(0.3, 0.2, 0.2, 0.2),
        **both_signals(),
    )


@cache
def known(*, simulated: bool = False) -> Categories:
    """Return the likelihood of all bins, with all that may be in it."""
    passing, failing = thrown()
    options = both_signals() if simulated else {"signal": peak()}
    return categories(
        EDGES,
        passing,
        failing,
        fabricated={"spurious_signal": 4.0},
        model=MODEL,
        odds_widths=(0.3, 0.2),
        **options,
    )


@cache
def strong(seed: int) -> Categories:
    """Return a likelihood whose fit without signal is far from that with it: 7σ, and wide priors."""
    passing, failing = thrown(seed, n_signal=150.0)
    return categories(
        EDGES,
        passing,
        failing,
        fabricated={"spurious_signal": 4.0},
        model=FitModel("dijet4", efficiency_order=4),
        odds_widths=(1.0,) * 4,
        **both_signals(),
    )
