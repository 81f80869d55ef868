"""A result as a pyhf workspace: models others can rerun, combine and set limits with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ..core import FitError
from .results import HuntResult, SelectionResult
from .spectrum import SpectrumFit

__all__ = ["best_workspace", "counting_workspace", "shape_workspace"]

Array = NDArray[np.float64]
Workspace = dict[str, Any]

_LEAST = 1e-6  # events; pyhf takes logarithms of expectations
_VERSION = "1.0.0"


def best_workspace(result: HuntResult) -> Workspace:
    """Return the mass-shape model of the best window and selection.

    Raises
    ------
    FitError
        If the result has no best window.
    """
    if result.best is None:
        msg = "no window has a fit that may be quoted, so there is no model to write"
        raise FitError(msg)
    efficiencies = [1.0, *(row.efficiency for row in result.windows[0].selections)]
    spectrum = result.best.spectra[efficiencies.index(result.best.efficiency)]
    if spectrum is None:
        msg = "Minuit did not converge on the best spectrum, so there is no model to write"
        raise FitError(msg)
    peak = result.best.resonance
    return shape_workspace(spectrum, peak.mass, peak.width, n_signal=peak.n_signal)


def counting_workspace(row: SelectionResult, *, n_signal: float | None = None) -> Workspace:
    r"""Return the cut-and-count model of one window and selection.

    One bin; the background has a Poisson-constrained scale (``shapesys``), as if it were measured
    in a side region of :math:`(b/\sigma)^2` events: the model of `local_p`.

    Parameters
    ----------
    row : SelectionResult
        Counts of the window.
    n_signal : float, optional
        Events that ``mu = 1`` stands for; the excess (at least 1) by default.

    Returns
    -------
    dict
        A pyhf workspace with parameter of interest ``mu``.
    """
    excess = max(row.observed - row.expected, 1.0) if n_signal is None else n_signal
    background = max(row.expected, _LEAST)
    error = row.expected_error or 0.0
    modifiers = []
    if error > 0:
        modifiers = [{"name": "background", "type": "shapesys", "data": [error]}]
    return _assemble(
        "counting", [float(row.observed)], [background], modifiers, [max(excess, _LEAST)]
    )


def shape_workspace(
    spectrum: SpectrumFit, mass: float, width: float, *, n_signal: float
) -> Workspace:
    """Return the mass-shape model of a spectrum's signal region.

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

    Returns
    -------
    dict
        A pyhf workspace with parameter of interest ``mu``.

    Raises
    ------
    FitError
        If no bin is masked.
    """
    masked = np.array(spectrum.masked)
    if not masked.any():
        msg = "the spectrum was fitted in all its bins: there is no signal region to model"
        raise FitError(msg)
    background = np.maximum(np.array(spectrum.expected)[masked], _LEAST)
    covariance = np.array(spectrum.covariance)[np.ix_(masked, masked)]
    shape = np.diff(ndtr((np.array(spectrum.edges) - mass) / width))[masked]
    modifiers = [
        {
            "name": f"background_shape_{index}",
            "type": "histosys",
            "data": {
                # A variation beyond an empty bin stops short of it.
                "hi_data": np.maximum(background + variation, _LEAST).tolist(),
                "lo_data": np.maximum(background - variation, _LEAST).tolist(),
            },
        }
        for index, variation in enumerate(_eigen_variations(covariance))
    ]
    return _assemble(
        "mass",
        np.array(spectrum.counts, dtype=float)[masked].tolist(),
        background.tolist(),
        modifiers,
        np.maximum(max(n_signal, 1.0) * shape, _LEAST).tolist(),
    )


def _eigen_variations(covariance: Array, *, keep: float = 1e-4) -> Array:
    """Return one standard deviation along each eigenvector that matters, largest first."""
    values, vectors = np.linalg.eigh(covariance)
    order = [k for k in np.argsort(values)[::-1] if values[k] > keep * values.max()]
    return np.array([np.sqrt(values[k]) * vectors[:, k] for k in order])


def _assemble(
    channel: str,
    observed: list[float],
    background: list[float],
    modifiers: list[dict[str, Any]],
    signal: list[float],
) -> Workspace:
    """Put one channel together."""
    strength = {"name": "mu", "type": "normfactor", "data": None}
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    {"name": "signal", "data": signal, "modifiers": [strength]},
                    {"name": "background", "data": background, "modifiers": modifiers},
                ],
            }
        ],
        "observations": [{"name": channel, "data": observed}],
        "measurements": [
            {
                "name": "search",
                "config": {
                    "poi": "mu",
                    "parameters": [{"name": "mu", "bounds": [[0, 100]], "inits": [1]}],
                },
            }
        ],
        "version": _VERSION,
    }
