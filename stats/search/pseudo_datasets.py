"""Background-only pseudo-datasets made of the data themselves, for searches that are trained anew.

The cheap pseudo-experiments (`pseudo_experiments`) take the scores as given. A pseudo-dataset is a
set of events that the whole search can be repeated on, training included: resonant masses thrown
from the smooth fit, and features of real events, each used once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ...core import ConfigError, InputError, Record
from ...core.windows import log_edges
from ..p_values.local import z_of_p
from ..p_values.repeats import combined_partitions
from ..spectra.functions import Basis
from .pseudo_experiments import mispredicted
from .scanning import Scan

__all__ = ["Smallest", "draw_events", "smallest_p", "smeared_masses", "throw_masses"]

Array = NDArray[np.float64]

_NODES = 64  # points of the cumulative spectrum in each bin


@dataclass(frozen=True)
class Smallest(Record):
    """The smallest local p-value of a scan.

    Attributes
    ----------
    p_local, z_local : float
        p-value and one-sided significance; 1 and -8.2 where no fit may be quoted.
    window : int or None
        Index of the window.
    efficiency : float or None
        The selection.

    Examples
    --------
    >>> Smallest(1e-3, 3.09, 2, 0.01).efficiency
    0.01
    """

    p_local: float
    z_local: float
    window: int | None
    efficiency: float | None


def throw_masses(model: Basis, theta: Array, n: int, rng: np.random.Generator) -> Array:
    """Throw masses from a smooth spectrum.

    Parameters
    ----------
    model : Basis
        The background function; masses lie within its edges.
    theta : ndarray of shape (n_parameters,)
        Its parameters.
    n : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (n,)
        GeV, in no order.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> mass = throw_masses(model, np.array([3.0, -1.0, 0.0]), 1000, np.random.default_rng(1))
    >>> bool(1000 <= mass.min() and mass.max() < 2000), mass.size
    (True, 1000)
    """
    bins = _NODES * (model.edges.size - 1)
    fine = log_edges(float(model.edges[0]), float(model.edges[-1]), bins)
    log_density = model.log_density(theta, fine)
    density = np.exp(log_density - log_density.max())
    cumulative = np.r_[0.0, np.cumsum(np.diff(fine) * (density[1:] + density[:-1]) / 2)]
    thrown = np.interp(rng.random(n) * cumulative[-1], cumulative, fine)
    return np.minimum(thrown, np.nextafter(model.edges[-1], 0.0))  # the upper edge is outside


def smeared_masses(
    mass: ArrayLike,
    model: Basis,
    theta: Array,
    *,
    smearing: float = 0.15,
    rng: np.random.Generator,
) -> Array:
    r"""Give every event a new mass, thrown from the smooth spectrum, not far from its own.

    The thrown masses, in order, are given to the events in the order of

    .. math:: \ln m + s\,g, \qquad g \sim N(0, 1).

    So the new masses are independent draws of the background's spectrum, with no resonance in
    them; every event, and with it its features, is used exactly once (a copy in a training fold of
    an event that is scored elsewhere would be a leak); and an event keeps its mass within about
    the factor :math:`e^{\pm s}`. What is local in mass, a resonance or a fluctuation, is spread
    over signal regions and sidebands alike; what changes slowly, the trends of features, mostly
    stays. In the scan of the LHC Olympics with a resonance of 3 % width, a tenth of its contrast
    and 70 % of a trend with :math:`\ln m` are left at s = 0.15 (a twentieth and 55 % at 0.2).

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant masses of the events, GeV. Their order counts: give them in that of the event ids.
    model : Basis
        The background function, on edges that span the scan.
    theta : ndarray of shape (n_parameters,)
        Parameters of the background: a fit with the most significant window left out.
    smearing : float
        s. Wider than a resonance, narrower than the trends of the background.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_events,)
        New masses, GeV, one an event.

    Raises
    ------
    InputError
        If a mass lies outside the edges.
    ConfigError
        If the smearing is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> theta, rng = np.array([3.0, -1.0, 0.0]), np.random.default_rng(1)
    >>> mass = throw_masses(model, theta, 1000, rng)
    >>> new = smeared_masses(mass, model, theta, rng=rng)
    >>> bool(np.corrcoef(mass, new)[0, 1] > 0.3)
    True
    """
    mass = np.asarray(mass, dtype=float)
    if not 0 < smearing < np.inf:
        msg = f"the smearing of pseudo-datasets must be positive, not {smearing:g}"
        raise ConfigError(msg)
    outside = np.count_nonzero(~((mass >= model.edges[0]) & (mass < model.edges[-1])))
    if outside:
        low, high = model.edges[[0, -1]]
        msg = f"{outside} of {mass.size} masses lie outside the scan, {low:g}-{high:g} GeV"
        raise InputError(msg)
    key = np.log(mass) + smearing * rng.normal(size=mass.size)
    new = np.empty_like(mass)
    new[np.argsort(key)] = np.sort(throw_masses(model, theta, mass.size, rng))
    return new


def draw_events(pool: int, n: int, index: int, *, seed: int) -> NDArray[np.int64]:
    """Choose the events of a pseudo-dataset from a simulated sample, none of them twice.

    The sample is shuffled and cut into datasets without a common event; when it is used up, it is
    shuffled anew.

    Parameters
    ----------
    pool : int
        Simulated events.
    n : int
        Events of a pseudo-dataset.
    index : int
        Number of the pseudo-dataset.
    seed : int
        Seed of all pseudo-datasets.

    Returns
    -------
    ndarray of int64, shape (n,)
        Rows of the sample.

    Raises
    ------
    InputError
        If the sample is too small for one dataset.

    Examples
    --------
    >>> first, second = draw_events(10, 5, 0, seed=1), draw_events(10, 5, 1, seed=1)
    >>> sorted([*first.tolist(), *second.tolist()])
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if not 0 < n <= pool:
        msg = (
            f"a pseudo-dataset takes {n} simulated background events, and there are {pool} in the "
            "range of the scan; simulate more, or leave pseudo_datasets.simulation out"
        )
        raise InputError(msg)
    deck, place = divmod(index, pool // n)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(deck,)))
    return rng.permutation(pool)[place * n : (place + 1) * n]


def smallest_p(
    scans: Scan | Sequence[Scan],
    largest_deviance: ArrayLike,
    *,
    counted: ArrayLike | None = None,
    refused: ArrayLike = False,
    eta: ArrayLike | None = None,
    variance: ArrayLike = 1.0,
) -> Smallest:
    """Return the smallest local p-value of all selections in all windows.

    The rule is that of the pseudo-experiments of a search: fits that do not converge or do not
    describe their sidebands do not count, nor do excesses that contradict the unselected spectrum.

    Parameters
    ----------
    scans : Scan or sequence of Scan
        Fits of a dataset; of several partitions into folds the combined significance counts
        (:func:`~overdensity.stats.p_values.repeats.combined_partitions`), as in a search.
    largest_deviance : array_like of shape ([n_repeats,] n_spectra)
        Deviance above which a fit is not counted: the quantile of the pseudo-experiments that
        belongs to the threshold of the goodness of fit.
    counted : array_like of bool, shape (n_spectra,), optional
        Spectra that are searched; by default all but the unselected ones.
    refused : array_like of bool, shape ([n_repeats,] n_spectra)
        Selections that sculpt the spectrum; none by default.
    eta : array_like of shape (n_windows,), optional
        Standard normal numbers: by how much of the spurious signal (`Scan.spurious`) the function
        mispredicts the background of each window, as in the pseudo-experiments (`throw_batch`).
        Masses thrown from the function itself have none.
    variance : array_like of shape (n_windows, n_selections + 1)
        Of the mean over partitions (:func:`~overdensity.stats.p_values.repeats.shared_variance`).

    Returns
    -------
    Smallest

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> found = smallest_p(fits, np.full(2, np.inf))
    >>> found.window, found.efficiency
    (0, 0.1)
    """
    parts = [scans] if isinstance(scans, Scan) else list(scans)
    n_levels, efficiencies = parts[0].shape[1], np.tile(parts[0].efficiencies, parts[0].shape[0])
    searched = efficiencies < 1 if counted is None else np.asarray(counted, dtype=bool)
    p_local, allowed = (
        np.array(each) for each in zip(*(_local(p, eta) for p in parts), strict=True)
    )
    allowed &= ~np.asarray(refused, dtype=bool)
    bad = np.array([part.fits.deviance[0] for part in parts]) > np.asarray(largest_deviance)
    p, good = p_local[0], allowed[0] & ~bad[0]
    if len(parts) > 1:
        z, good = combined_partitions(z_of_p(p_local), allowed, bad, np.ravel(variance))
        p = ndtr(-z)
    good = good & searched
    p = np.where(good, p, 1.0)
    best = int(p.argmin())
    smallest, z_local = float(p[best]), float(z_of_p(p[best]))
    if not good.any():
        return Smallest(smallest, z_local, None, None)
    return Smallest(smallest, z_local, best // n_levels, float(efficiencies[best]))


def _local(scan: Scan, eta: ArrayLike | None) -> tuple[Array, NDArray[np.bool_]]:
    """Return local p-values of a dataset whose background is mispredicted, and which may count."""
    shift = np.zeros(scan.shape[0]) if eta is None else np.asarray(eta, dtype=float)
    p_local, may_count = mispredicted(scan.observed[None], scan.fits, scan.spurious, shift[None])
    return p_local[0], may_count[0]
