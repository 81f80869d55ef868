"""What the choice of the background function may fabricate in each window, as nuisances by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bias import function_bias
from .envelope import function_envelope

__all__ = ["function_fractions"]

Array = NDArray[np.float64]


def function_fractions(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    *,
    function: str,
    others: Sequence[str],
) -> dict[str, Array]:
    """Return the envelope of other functions, and the bias against them where there is one.

    Parameters
    ----------
    edges, counts : array_like of shape (n_bins + 1,), (n_bins,)
        Bin edges in GeV, and the unselected events.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each, GeV, on bin edges.
    function : str
        That of the search.
    others : sequence of str
        Those that might be right too.

    Returns
    -------
    dict of str to ndarray of shape (n_windows,)
        Standard deviations as fractions of the background; nothing without other functions.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> names = {"function": "dijet4", "others": ["dijet3"]}
    >>> sorted(function_fractions(edges, counts, [(edges[4], edges[7])], **names))
    ['background_function']
    """
    if not others:
        return {}
    envelope = function_envelope(edges, counts, windows, function=function, others=others)
    found = {"background_function": np.array(envelope.fraction)}
    bias = function_bias(edges, counts, windows, function=function, others=others)
    if any(bias.fraction):
        found["function_bias"] = np.array(bias.fraction)
    return found
