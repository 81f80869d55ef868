"""What a window may know before its signal region is looked at: the events beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError
from ...ml import Sample, Window
from ...stats import fit, spectrum_of
from ...stats.reach.blind_background import BlindBackground, blind_background
from ...stats.spectra.binning import window_bins
from ...stats.spectra.functions import basis
from ...stats.spectra.spurious import fit_outside
from ..calibrate.retraining import with_new_masses
from ..stages.background_function import fabricated_fraction, spurious_of
from ..stages.run import Run
from ..stages.samples import load_sample

__all__ = ["background_of", "blind_fit", "blind_sample", "check_blind", "sideband_p_value"]

Array = NDArray[np.float64]


def check_blind(run: Run) -> None:
    """Refuse what would look at the signal regions.

    Raises
    ------
    ConfigError
        If the spurious signal is measured on the data, the start of the fits chosen by them, or the
        background counted there.
    """
    run.config.fit.check_fitted("the expected reach")
    if run.config.fit.start == "auto":
        msg = (
            "fit.start: auto asks where the largest excess of the data is, which the expected reach must "
            "not see; give the mass at which fits begin"
        )
        raise ConfigError(msg)
    if run.config.fit.spurious == "data":
        msg = (
            "fit.spurious: data measures the function on the signal regions too, which the expected "
            "reach must not see; name simulated background there, or none"
        )
        raise ConfigError(msg)


def blind_fit(run: Run, window: int) -> tuple[tuple[float, ...], Array]:
    """Fit the spectrum of the data outside a signal region.

    Parameters
    ----------
    run : Run
        The search.
    window : int
        Index of the window.

    Returns
    -------
    theta : tuple of float
        Parameters of the background on the bins of the fits.
    expected : ndarray of shape (n_bins,)
        Events that it expects, the signal region included.
    """
    function, (counts, _) = basis(run.config.fit.function, run.fit_edges), _seen(run, window)
    theta = fit_outside(function, counts, np.array(run.regions)[[window]]).theta[0, 0]
    return tuple(theta.tolist()), function.expected(theta)


def sideband_p_value(run: Run, window: int) -> float:
    """Return the goodness of the fit outside a signal region."""
    counts, masked = _seen(run, window)
    function, seed = run.config.fit.function, run.config.seed
    return fit(run.fit_edges, counts, masked=masked, function=function, seed=seed).p_value


def background_of(run: Run, window: int) -> BlindBackground:
    """Return the background of a window before and after selection, with all its uncertainties.

    Parameters
    ----------
    run : Run
        The search.
    window : int
        Index of the window; what the data hold in its signal region changes nothing.
    """
    config, (counts, masked) = run.config, _seen(run, window)
    # what others say of a window is asked of the spectrum that is expected in it
    whole = np.where(masked, np.round(blind_fit(run, window)[1]), counts)
    return blind_background(
        run.fit_edges,
        counts,
        run.regions,
        window,
        config.selections,
        model=run.fit_model,
        spurious=fabricated_fraction(run, whole, spurious_of(run, whole)),
        windowed=run.method.windowed,
        seed=config.seed,
    )


def blind_sample(
    run: Run, window: Window, inside: float, theta: Sequence[float], index: int
) -> Sample:
    """Make pseudo-data of the events outside a signal region, with new masses in all of the scan.

    For those of the signal region, of which a Poisson number is missing, others are taken a second
    time: with another mass, and with the id of the first, so that both are in one fold and no model
    scores an event whose twin it has learnt from.

    Parameters
    ----------
    run : Run
        The search.
    window : Window
        The one that is blind.
    inside : float
        Events expected in its signal region.
    theta : sequence of float
        Parameters of the background (`blind_fit`).
    index : int
        Number of the pseudo-dataset, from which its randomness comes.

    Returns
    -------
    Sample
    """
    data = load_sample(run)
    seen = data.take(~window.signal(data.mass))
    rng = np.random.default_rng(np.random.SeedSequence(run.config.seed, spawn_key=(index, 4)))
    missing = int(rng.poisson(inside))
    again = rng.choice(len(seen), missing, replace=missing > len(seen))
    origin = np.concatenate([np.arange(len(seen)), again])
    made = with_new_masses(run, seen.take(origin), theta, index)
    return replace(made, event=made.event[origin])


def _seen(run: Run, window: int) -> tuple[Array, NDArray[np.bool_]]:
    """Return the unselected spectrum with nothing in the signal region, and which bins that is."""
    masked = window_bins(run.fit_edges, np.array(run.regions))[window]
    mass = load_sample(run, features=()).mass
    return np.where(masked, 0.0, spectrum_of(mass, run.fit_edges).counts), masked
