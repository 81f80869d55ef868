"""What the choice of the background function leaves open in each window of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import Record
from ..spectra.spurious import SpuriousSignal
from .bias import FunctionBias, function_bias
from .envelope import FunctionEnvelope, function_envelope

__all__ = ["FunctionNuisances", "background_fractions", "function_nuisances"]


@dataclass(frozen=True)
class FunctionNuisances(Record):
    """The envelope of several functions, and the bias of that of the search.

    Attributes
    ----------
    envelope : FunctionEnvelope
        Of the background in each window.
    bias : FunctionBias
        Against those that describe the data.
    """

    envelope: FunctionEnvelope
    bias: FunctionBias

    @property
    def fractions(self) -> dict[str, NDArray[np.float64]]:
        """Standard deviations as fractions of the background of each window, by the nuisance's name."""
        found = {"background_function": np.array(self.envelope.fraction)}
        if any(self.bias.fraction):
            found["function_bias"] = np.array(self.bias.fraction)
        return found


def function_nuisances(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    *,
    function: str,
    others: Sequence[str],
) -> FunctionNuisances:
    """Fit the functions that might be right, and compare them with that of the search.

    Parameters
    ----------
    edges, counts, windows, function, others
        As in `function_envelope`.

    Raises
    ------
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> found = function_nuisances(edges, counts, [(edges[4], edges[7])], function="dijet4",
    ...                            others=["dijet3"])
    >>> list(found.fractions)
    ['background_function']
    """
    return FunctionNuisances(
        function_envelope(edges, counts, windows, function=function, others=others),
        function_bias(edges, counts, windows, function=function, others=others),
    )


def background_fractions(
    spurious: SpuriousSignal | None, functions: FunctionNuisances | None
) -> dict[str, NDArray[np.float64]]:
    """Return what the background function may fabricate in each window, by the nuisance's name.

    Parameters
    ----------
    spurious : SpuriousSignal or None
        What was measured on simulation (`spurious_signal`).
    functions : FunctionNuisances or None
        What other functions say (`function_nuisances`).

    Returns
    -------
    dict of str to ndarray of shape (n_windows,)
        Standard deviations as fractions of the background.

    Examples
    --------
    >>> background_fractions(None, None)
    {}
    """
    found = {} if spurious is None else {"spurious_signal": np.array(spurious.fraction)}
    return found if functions is None else found | functions.fractions
