"""A result as a pyhf workspace: models others can rerun, combine and set limits with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import FitError
from ..search.hunt_result import HuntResult, SelectionResult
from ..spectra.binning import gaussian_fractions
from ..spectra.spectrum import SpectrumFit
from .pieces import (
    LEAST,
    Channel,
    Modifier,
    Sample,
    poisson_error,
    shape_variation,
    signal,
    spurious_variation,
    workspace,
)

__all__ = [
    "best_workspace",
    "counting_channel",
    "counting_workspace",
    "shape_channel",
    "shape_workspace",
]

Array = NDArray[np.float64]
Workspace = dict[str, Any]

_MATTERS = 1e-4  # of the largest variance: smaller ones are no nuisance


def best_workspace(result: HuntResult) -> Workspace:
    """Return the mass-shape model of the best window and selection, spurious signal included.

    Raises
    ------
    FitError
        If the result has no best window.

    Examples
    --------
    >>> from overdensity.stats import hunt, log_edges
    >>> import numpy as np
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 8)
    >>> mass = 2632 * rng.random(3000) ** (-1 / 8)
    >>> levels = (rng.random((3000, 1)) < 0.1).astype(int)
    >>> found = hunt(
    ...     mass, levels, edges=edges, windows=[(edges[2], edges[4])],
    ...     efficiencies=(1.0, 0.1), pseudo_experiments=250,
    ... )
    >>> model = best_workspace(found)
    >>> model['channels'][0]['name']
    'mass'
    """
    if result.best is None:
        msg = "no window has a fit that may be quoted, so there is no model to write"
        raise FitError(msg)
    window = result.windows[result.best.window]
    place = window.place_of(result.best.efficiency)
    spectrum = result.best.spectra[place]
    if spectrum is None:
        msg = "Minuit did not converge on the best spectrum, so there is no model to write"
        raise FitError(msg)
    peak = result.best.resonance
    return shape_workspace(
        spectrum,
        peak.mass,
        peak.width,
        n_signal=peak.n_signal,
        spurious=window.rows[place].spurious,
    )


def counting_workspace(
    row: SelectionResult, *, n_signal: float | None = None, nuisances: Sequence[Modifier] = ()
) -> Workspace:
    """Return the cut-and-count model of one window and selection (`counting_channel`).

    Examples
    --------
    >>> from overdensity.stats import hunt, log_edges
    >>> import numpy as np
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 8)
    >>> mass = 2632 * rng.random(3000) ** (-1 / 8)
    >>> levels = (rng.random((3000, 1)) < 0.1).astype(int)
    >>> found = hunt(
    ...     mass, levels, edges=edges, windows=[(edges[2], edges[4])],
    ...     efficiencies=(0.1,), pseudo_experiments=250,
    ... )
    >>> row = found.windows[0].selections[0]
    >>> counting_workspace(row)['observations'][0]['data'] == [row.observed]
    True
    """
    return workspace([counting_channel(row, n_signal=n_signal, nuisances=nuisances)])


def counting_channel(
    row: SelectionResult,
    *,
    n_signal: float | None = None,
    nuisances: Sequence[Modifier] = (),
    name: str = "counting",
) -> Channel:
    r"""Return one bin with the events of one window and selection.

    The background has a Poisson-constrained scale (``shapesys``), as if it were measured
    in a side region of :math:`(b/\sigma)^2` events: the model of `local_p`. The spurious signal
    of the row is a Gaussian number of background events.

    Parameters
    ----------
    row : SelectionResult
        Counts of the window.
    n_signal : float, optional
        Events that ``mu = 1`` stands for; the excess (at least 1) by default.
    nuisances : sequence of dict
        Modifiers of the signal, by name.
    name : str
        Name of the channel.

    Returns
    -------
    Channel

    Examples
    --------
    >>> from overdensity.stats import hunt, log_edges
    >>> import numpy as np
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 8)
    >>> mass = 2632 * rng.random(3000) ** (-1 / 8)
    >>> levels = (rng.random((3000, 1)) < 0.1).astype(int)
    >>> found = hunt(
    ...     mass, levels, edges=edges, windows=[(edges[2], edges[4])],
    ...     efficiencies=(0.1,), pseudo_experiments=250,
    ... )
    >>> counting_channel(found.windows[0].selections[0], n_signal=5.0).samples[0].data
    (5.0,)
    """
    excess = max(row.observed - row.expected, 1.0) if n_signal is None else n_signal
    background = max(row.expected, LEAST)
    modifiers: list[Modifier] = []
    error = row.expected_error or 0.0
    if error > 0:
        modifiers.append(poisson_error("background", [error]))
    if row.spurious > 0:
        modifiers.append(spurious_variation([background], [1.0], row.spurious))
    return Channel(
        name,
        (float(row.observed),),
        (
            signal([max(excess, LEAST)], *nuisances),
            Sample("background", (background,), tuple(modifiers)),
        ),
    )


def shape_workspace(
    spectrum: SpectrumFit, mass: float, width: float, *, n_signal: float, spurious: float = 0.0
) -> Workspace:
    """Return the mass-shape model of a spectrum's signal region (`shape_channel`).

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> from overdensity.stats import fit
    >>> inside = (edges[:-1] > 3200) & (edges[1:] < 3900)
    >>> spectrum = fit(edges, counts, masked=inside, function="dijet3")
    >>> shape_workspace(spectrum, 3500, 100, n_signal=50.0)["measurements"][0]["config"]["poi"]
    'mu'
    """
    return workspace([shape_channel(spectrum, mass, width, n_signal=n_signal, spurious=spurious)])


def shape_channel(
    spectrum: SpectrumFit,
    mass: float,
    width: float,
    *,
    n_signal: float,
    spurious: float = 0.0,
    name: str = "mass",
) -> Channel:
    """Return the bins of a spectrum's signal region.

    The bins are the masked ones, in which the sideband fit predicts the background without having
    seen them. The eigenvectors of its covariance there are independent correlated shape
    variations (``histosys``); the signal is a Gaussian.

    Parameters
    ----------
    spectrum : SpectrumFit
        Sideband fit.
    mass, width : float
        Position and standard deviation of the signal, GeV.
    n_signal : float
        Events that ``mu = 1`` stands for, over all masses.
    spurious : float
        Standard deviation of the signal that the background function fabricates in these bins,
        events: a nuisance parameter ``spurious_signal`` in the signal's shape.
    name : str
        Name of the channel.

    Returns
    -------
    Channel

    Raises
    ------
    FitError
        If no bin is masked.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import fit, log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> inside = (edges[:-1] > 3200) & (edges[1:] < 3900)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> spectrum = fit(edges, counts, masked=inside, function="dijet3")
    >>> bool(len(shape_channel(spectrum, 3500, 100, n_signal=50.0).observed) == inside.sum())
    True
    """
    masked = np.array(spectrum.masked)
    if not masked.any():
        msg = "the spectrum was fitted in all its bins: there is no signal region to model"
        raise FitError(msg)
    background = np.maximum(np.array(spectrum.expected)[masked], LEAST)
    covariance = np.array(spectrum.covariance)[np.ix_(masked, masked)]
    shape = gaussian_fractions(spectrum.edges, mass, width)[masked]
    modifiers = [
        shape_variation(f"background_shape_{index}", background + variation, background - variation)
        for index, variation in enumerate(_eigen_variations(covariance))
    ]
    if spurious > 0:
        modifiers.append(spurious_variation(background, shape, spurious))
    peak = np.maximum(max(n_signal, 1.0) * shape, LEAST)
    return Channel(
        name,
        tuple(np.array(spectrum.counts, dtype=float)[masked].tolist()),
        (signal(peak), Sample("background", tuple(background.tolist()), tuple(modifiers))),
    )


def _eigen_variations(covariance: Array) -> Array:
    """Return one standard deviation along each eigenvector that matters, largest first."""
    values, vectors = np.linalg.eigh(covariance)
    order = [k for k in np.argsort(values)[::-1] if values[k] > _MATTERS * values.max()]
    return np.array([np.sqrt(values[k]) * vectors[:, k] for k in order])
