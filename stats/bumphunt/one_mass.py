r"""The bump hunt in one mass: the least probable of all intervals, background fitted or given.

The statistic is that of BumpHunter (Choudalakis, arXiv:1101.0390): the smallest local p-value of
all intervals. Defaults are those of LHCO §3.4 and §3.7 (arXiv:2101.08320): intervals of 2 to 7
bins, with 40 bins, and 10 000 pseudo-experiments.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from ..search.pseudo_experiments import Mapper
from ..spectra.functions import basis, checked_edges
from ..spectra.spectrum import Constraint, checked_counts
from .engine import (
    BumpHuntResult,
    Direction,
    checked_reference,
    grid,
    hunt_reference,
    hunt_refitted,
)

__all__ = ["BumpHuntResult", "bump_hunt", "bump_hunt_given_reference"]


def bump_hunt(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    function: str = "dijet5",
    widths: tuple[int, int] = (2, 7),
    looking_for: Direction = "excess",
    constraint: Constraint | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
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
        Background function (`FUNCTIONS`).
    widths : (int, int)
        Narrowest and widest interval, in bins.
    looking_for : str
        ``"excess"`` or ``"deficit"``.
    constraint : Constraint, optional
        Constraint of the parameters; without, they are free.
    pseudo_experiments : int
        How many at most, rounded up to batches of 250; fewer where the global p-value is soon
        known to 5 %.
    seed : int
        Seed; the result does not depend on the number of threads.
    mapper : callable, optional
        Runs the batches; without, threads on all cores.

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
    """
    edges = checked_edges(edges)
    counts = checked_counts(counts, edges)
    return hunt_refitted(
        grid((edges,), (widths,), None),
        counts[:, None],
        basis(function, edges),
        looking_for=looking_for,
        constraint=constraint,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
        mapper=mapper,
    )


def bump_hunt_given_reference(
    edges: ArrayLike,
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[int, int] = (2, 7),
    looking_for: Direction = "excess",
    sidebands: int | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> BumpHuntResult:
    """Hunt for a bump over a background known beforehand, as pyBumpHunter does.

    The reference must not come from the same events: fitted to them, it makes the global p-value
    too large (a fit follows the data), or too small (its error is ignored); use `bump_hunt`.

    Parameters
    ----------
    edges, counts, widths, looking_for, pseudo_experiments, seed, mapper
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
    """
    edges = checked_edges(edges)
    counts = checked_counts(counts, edges)
    reference = checked_reference(counts, reference)
    return hunt_reference(
        grid((edges,), (widths,), sidebands),
        counts[:, None],
        reference[:, None],
        looking_for=looking_for,
        sidebands=sidebands,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
        mapper=mapper,
    )
