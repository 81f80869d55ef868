r"""The bump hunt in one mass: the least probable of all intervals, background fitted or given.

The statistic is that of BumpHunter (Choudalakis, arXiv:1101.0390): the smallest local p-value of
all intervals. Defaults are those of LHCO §3.4 and §3.7 (arXiv:2101.08320): intervals of 2 to 7
bins, with 40 bins, and 10 000 pseudo-experiments.
"""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spectra.binning import checked_edges
from ..spectra.functions import basis
from ..spectra.poisson import Constraint, checked_counts
from .engine import BumpHuntResult, HuntOptions, hunt_reference, hunt_refitted
from .regions import checked_reference, grid

__all__ = ["BumpHuntResult", "bump_hunt", "bump_hunt_given_reference", "checked_line"]

Array = NDArray[np.float64]


def bump_hunt(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    function: str = "dijet5",
    widths: tuple[int, int] = (2, 7),
    constraint: Constraint | None = None,
    **options: Unpack[HuntOptions],
) -> BumpHuntResult:
    r"""Hunt for a bump over a background that is fitted, in every pseudo-experiment as in the data.

    For each interval the function is fitted to all bins outside, and the p-value is that of
    `local_p`: the error of the fit is part of it. An interval with no more events than expected
    has p = 1. Deficits are compared with :math:`P(N \le n)`, by the same binomial test from the
    other side.

    Pseudo-experiments are Poisson about the fit outside the most significant interval.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events in each bin.
    function : str
        Background function (`background_functions`).
    widths : (int, int)
        Narrowest and widest interval, in bins.
    constraint : Constraint, optional
        Constraint of the parameters; without, they are free.
    **options : HuntOptions
        What is looked for, pseudo-experiments, seed and mapper (`HuntOptions`).

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    InputError
        If the spectrum or the widths cannot be used.
    ConfigError
        If the function or the direction is unknown.
    FitError
        If the fit of the data does not converge.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 3000, 11)
    >>> counts = [90, 75, 60, 50, 70, 65, 30, 24, 20, 16]
    >>> found = bump_hunt(
    ...     edges, counts, function="dijet3", widths=(1, 3), pseudo_experiments=250
    ... )
    >>> found.interval, round(found.z_local, 1)
    (((1800.0, 2200.0),), 4.5)
    """
    axes, column = checked_line(edges, counts)
    regions, model = grid(axes, (widths,), None), basis(function, axes[0])
    return hunt_refitted(regions, column, model, constraint=constraint, **options)


def bump_hunt_given_reference(
    edges: ArrayLike,
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[int, int] = (2, 7),
    sidebands: int | None = None,
    **options: Unpack[HuntOptions],
) -> BumpHuntResult:
    """Hunt for a bump over a background known beforehand, as pyBumpHunter does.

    The reference must not come from the same events: fitted to them, it makes the global p-value
    too large (a fit follows the data), or too small (its error is ignored); use `bump_hunt`.

    Parameters
    ----------
    edges, counts, widths, **options
        As in `bump_hunt`.
    reference : array_like of shape (n_bins,)
        Expected background in each bin, without error.
    sidebands : int, optional
        Scale the reference, for each interval, to the events outside of it; this many bins at
        either end are used for that alone (``use_sideband`` of pyBumpHunter). Without, the
        reference is absolute.

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    InputError
        If the spectrum, the reference or the widths cannot be used.
    ConfigError
        If the direction is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 3000, 11)
    >>> counts = [90, 75, 60, 50, 70, 65, 30, 24, 20, 16]
    >>> known = [90, 75, 60, 50, 43, 36, 30, 24, 20, 16]
    >>> found = bump_hunt_given_reference(
    ...     edges, counts, known, widths=(1, 3), pseudo_experiments=250
    ... )
    >>> found.interval, found.expected
    (((1800.0, 2200.0),), 79.0)
    """
    axes, column = checked_line(edges, counts)
    known = checked_reference(column[:, 0], reference)[:, None]
    regions = grid(axes, (widths,), sidebands)
    return hunt_reference(regions, column, known, sidebands=sidebands, **options)


def checked_line(edges: ArrayLike, counts: ArrayLike) -> tuple[tuple[Array], Array]:
    """Return edges and counts of one mass as the hunt takes them, or say what is wrong with them.

    Returns
    -------
    axes : tuple of one ndarray
        The bin edges, GeV.
    column : ndarray of shape (n_bins, 1)
        The counts.

    Examples
    --------
    >>> axes, column = checked_line([1000, 2000, 3000], [5, 3])
    >>> column.tolist()
    [[5.0], [3.0]]
    """
    edges = checked_edges(edges)
    return (edges,), checked_counts(counts, edges)[:, None]
