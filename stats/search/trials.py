"""From the best local significance of a scan to a global p-value, in three ways side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record
from ..p_values.local import LEAST_P, p_of_z, z_of_p
from .pseudo_experiments import GlobalP

__all__ = [
    "NOT_COUNTED",
    "Trials",
    "beyond_pseudo_experiments",
    "gross_vitells",
    "mean_upcrossings",
    "sidak",
    "trials",
]

Array = NDArray[np.float64]

NOT_COUNTED = -8.0
"""Significance of what is not counted or holds no event: nothing at or below is a test."""

_SAME = 1e-9  # significances this close are equal up to rounding


@dataclass(frozen=True)
class Trials(Record):
    """Global p-values of the largest local significance of a scan.

    Attributes
    ----------
    pseudo_experiments, pseudo_experiments_error : float
        (1 + k) / (1 + n) for k of n pseudo-experiments with at least as large a largest
        significance, and its binomial error. It knows all correlations, and goes no lower than
        1 / (1 + n).
    gross_vitells, gross_vitells_error : float
        Up-crossings extrapolated to the observed significance (`gross_vitells`), and the error
        from the number of crossings seen. Selections are added up: an upper bound.
    sidak : float
        As if all tests were independent; an upper bound where they are positively correlated.
    n_tests : int
        Windows times selections that are counted in at least one pseudo-experiment.
    upcrossings : float
        Mean number of up-crossings of a pseudo-experiment, summed over the selections.
    threshold : float
        The significance at which they were counted.

    Examples
    --------
    >>> import numpy as np
    >>> found = trials(3.0, np.random.default_rng(1).normal(size=(500, 10, 1)))
    >>> found.n_tests, round(found.sidak, 4)
    (10, 0.0134)
    """

    pseudo_experiments: float
    pseudo_experiments_error: float
    gross_vitells: float
    gross_vitells_error: float
    sidak: float
    n_tests: int
    upcrossings: float
    threshold: float


def trials(z_local: float, toys_z: ArrayLike, *, threshold: float = 1.0) -> Trials:
    """Correct the largest local significance of a scan for all places it could have been in.

    Parameters
    ----------
    z_local : float
        Largest local significance of the data.
    toys_z : array_like of shape (n, n_windows, n_selections)
        Local significances of pseudo-experiments without signal; windows (or mass hypotheses) in
        order of mass. `NOT_COUNTED` or less where a test is not counted.
    threshold : float
        Significance at which up-crossings are counted: low, so that there are many, but not so
        low that a window is wider than the swings that cross it.

    Returns
    -------
    Trials

    Raises
    ------
    InputError
        If the significances cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> found = trials(3.0, np.random.default_rng(1).normal(size=(500, 10, 1)))
    >>> bool(abs(found.pseudo_experiments - found.sidak) < 4 * found.pseudo_experiments_error)
    True
    """
    toys = np.asarray(toys_z, dtype=float)
    if toys.ndim != 3 or 0 in toys.shape:
        msg = (
            "the significances of pseudo-experiments must have the shape (n, n_windows, "
            f"n_selections), none of them zero, got {toys.shape}"
        )
        raise InputError(msg)
    if np.isnan(toys).any() or not np.isfinite(z_local):
        msg = (
            f"z_local is {z_local:g}, and {int(np.isnan(toys).sum())} significances of "
            f"pseudo-experiments are NaN: give {NOT_COUNTED:g} for what is not counted"
        )
        raise InputError(msg)
    counted = (toys > NOT_COUNTED).any(axis=0)
    n, k = len(toys), int((toys.max(axis=(1, 2)) >= z_local - _SAME).sum())
    p = (1 + k) / (1 + n)
    mean, error = mean_upcrossings(np.moveaxis(toys, 1, 2), threshold)
    extrapolated, extrapolated_error = gross_vitells(
        z_local, mean, threshold, upcrossings_error=error, n_fields=int(counted.any(axis=0).sum())
    )
    return Trials(
        pseudo_experiments=p,
        pseudo_experiments_error=float(np.sqrt(p * (1 - p) / n)),
        gross_vitells=extrapolated,
        gross_vitells_error=extrapolated_error,
        sidak=sidak(float(p_of_z(z_local)), int(counted.sum())),
        n_tests=int(counted.sum()),
        upcrossings=mean,
        threshold=threshold,
    )


def beyond_pseudo_experiments(found: GlobalP, corrected: Trials) -> GlobalP:
    """Continue a global p-value where no pseudo-experiment comes up to the data.

    There, 1 / (1 + n) is all that n pseudo-experiments can say. The up-crossings that they have at
    a lower significance say more (`gross_vitells`), and are quoted where they give less than that.

    Parameters
    ----------
    found : GlobalP
        From pseudo-experiments.
    corrected : Trials
        The same in three ways.

    Returns
    -------
    GlobalP
        Marked as extrapolated, and as a limit where it is below `LEAST_P`; the same as before where a
        pseudo-experiment came up to the data.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.search.pseudo_experiments import global_p
    >>> z = np.random.default_rng(1).normal(size=(500, 10, 1))
    >>> found = global_p(float(p_of_z(5.0)), p_of_z(z.max(axis=(1, 2))))
    >>> beyond = beyond_pseudo_experiments(found, trials(5.0, z))
    >>> found.is_limit, beyond.is_limit, beyond.extrapolated, beyond.p_global < 1e-4
    (True, False, True, True)
    """
    if not found.is_limit or corrected.gross_vitells >= found.p_global:
        return found
    p = max(corrected.gross_vitells, LEAST_P)
    return replace(
        found,
        p_global=p,
        z_global=float(z_of_p(p)),
        p_global_error=corrected.gross_vitells_error,
        is_limit=corrected.gross_vitells < LEAST_P,
        extrapolated=True,
    )


def sidak(p_local: float, n_tests: int) -> float:
    r"""Return the probability that the least of n independent p-values is p, :math:`1 - (1 - p)^n`.

    Šidák, J. Am. Stat. Assoc. 62 (1967) 626; an upper bound for positively correlated Gaussian
    tests, by Slepian's inequality.

    Examples
    --------
    >>> round(sidak(0.01, 10), 4)
    0.0956
    """
    if p_local >= 1:
        return 1.0
    return float(-np.expm1(n_tests * np.log1p(-p_local)))


def mean_upcrossings(z_fields: ArrayLike, threshold: float) -> tuple[float, float]:
    """Count how often significance rises from below a threshold to or above it.

    What is not counted is below any threshold, so that the bound of `gross_vitells` holds with
    holes too.

    Parameters
    ----------
    z_fields : array_like of shape (n, …, n_windows)
        Significances of n pseudo-experiments along the ordered windows; crossings of what lies in
        between, such as selections, are added up.
    threshold : float
        The significance crossed.

    Returns
    -------
    mean, error : float
        Crossings of a pseudo-experiment, and the error from the spread over pseudo-experiments
        (correlations of selections included), not less than that of one crossing in all.

    Raises
    ------
    InputError
        If there are no pseudo-experiments.

    Examples
    --------
    >>> mean_upcrossings([[0.0, 2.0, 0.0, 2.0], [0.0, 0.0, 0.0, 2.0]], 1.0)[0]
    1.5
    """
    fields = np.asarray(z_fields, dtype=float)
    if fields.ndim < 2 or len(fields) == 0:
        msg = f"up-crossings need fields of shape (n, …, n_windows) with n > 0, got {fields.shape}"
        raise InputError(msg)
    above = fields >= threshold
    crossings = (above[..., 1:] & ~above[..., :-1]).reshape(len(fields), -1).sum(axis=1)
    n = len(fields)
    return float(crossings.mean()), float(max(crossings.std() / np.sqrt(n), 1 / n))


def gross_vitells(
    z_local: float,
    upcrossings: float,
    threshold: float,
    *,
    upcrossings_error: float = 0.0,
    n_fields: int = 1,
) -> tuple[float, float]:
    r"""Return the global p-value from up-crossings at a lower threshold.

    .. math:: p \le n\,P(Z > z) + \langle N(z_0) \rangle\, e^{-(z^2 - z_0^2)/2}

    (Gross and Vitells, arXiv:1005.1891, eq. 3 for one degree of freedom, one-sided;
    :math:`q_0 = z^2`). It is exact in the limit of large z for one smooth Gaussian field. For n
    fields, here selections, both terms are summed: the union bound. Where windows are so far
    apart that they are independent, crossings fall by another factor :math:`z_0 / z`, and the
    result is too large by at most that.

    Parameters
    ----------
    z_local : float
        Largest local significance.
    upcrossings : float
        Mean number of up-crossings of the threshold, all fields together.
    threshold : float
        The threshold z0; a local significance below gives no more than a bound.
    upcrossings_error : float
        Error of ``upcrossings``.
    n_fields : int
        Number of fields.

    Returns
    -------
    p_global, error : float
        At most 1, and the error from that of the up-crossings.

    Examples
    --------
    >>> p, error = gross_vitells(4.0, 2.0, 1.0, upcrossings_error=0.1)
    >>> round(1e3 * p, 2), round(1e3 * error, 3)
    (1.14, 0.055)
    """
    decay = float(np.exp(-(z_local**2 - threshold**2) / 2)) if z_local > 0 else 1.0
    p = n_fields * float(p_of_z(z_local)) + upcrossings * decay
    return min(p, 1.0), upcrossings_error * decay
