"""The background function on the spectrum without selection: what it fabricates, and which is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...stats import FunctionChoice, SpuriousSignal, choose_function, spectrum_of, spurious_signal
from ...stats.uncertainties.of_functions import (
    FunctionNuisances,
    background_fractions,
    function_nuisances,
)
from .run import Run
from .samples import load_masses
from .scores import Scores

__all__ = ["all_counts", "fabricated_fraction", "function_choice", "functions_of", "spurious_of"]


def all_counts(run: Run, scores: Scores) -> NDArray[np.int64]:
    """Return the events before selection in the bins of the fits, shape (n_bins,)."""
    return np.array(spectrum_of(scores.sample.mass, run.fit_edges).counts)


def spurious_of(run: Run, counts: NDArray[Any]) -> SpuriousSignal | None:
    """Measure the spurious signal of the background function in each window, if it is asked for.

    Parameters
    ----------
    run : Run
        The search.
    counts : ndarray of shape (n_bins,)
        Its events before selection, in the bins of the fits (`all_counts`).

    Raises
    ------
    InputError
        If the simulated background cannot be read.
    FitError
        If there are too few events to fit.
    """
    fit, source = run.config.fit, run.config.fit.spurious
    if source == "none":
        return None
    if source != "data":
        sample = load_masses(run, source)
        counts = np.array(spectrum_of(sample.mass, run.fit_edges, sample.weight).counts)
    return spurious_signal(
        run.fit_edges,
        counts,
        run.regions,
        function=fit.function,
        guard=fit.bins_per_bin,
    )


def functions_of(run: Run, counts: NDArray[Any]) -> FunctionNuisances | None:
    """Ask the other background functions of the configuration, if there are any.

    Parameters are those of `spurious_of`.

    Raises
    ------
    FitError
        If a fit does not converge.
    """
    others, function = run.config.uncertainties.functions, run.config.fit.function
    if not others:
        return None
    return function_nuisances(run.fit_edges, counts, run.regions, function=function, others=others)


def fabricated_fraction(
    run: Run, counts: NDArray[Any], spurious: SpuriousSignal | None
) -> NDArray[np.float64]:
    """Return `background_fractions` in quadrature, shape (n_windows,); zero where there are none."""
    fractions = background_fractions(spurious, functions_of(run, counts))
    return np.sqrt(sum((each**2 for each in fractions.values()), np.zeros(len(run.windows))))


def function_choice(run: Run, counts: NDArray[Any]) -> FunctionChoice | None:
    """Ask the F-test how many parameters the unselected spectrum needs, if it is fitted."""
    if not run.config.fit.fits_function:
        return None
    return choose_function(run.fit_edges, counts, seed=run.config.seed)
