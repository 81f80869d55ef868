"""Pseudo-experiments that repeat the whole statistical step, and the global p-value from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core import Record, progress
from ...core.local_workers import available_cores
from ..p_values.local import local_p, z_of_p
from ..selection.contradiction import contradicted
from .null import Null
from .scan_fits import ScanFits, ScanProblem, fit_scan
from .scanning import Scan

__all__ = [
    "BATCH",
    "GlobalP",
    "Mapper",
    "Toys",
    "exceedances",
    "global_p",
    "is_enough",
    "join_toys",
    "mispredicted",
    "rounds_of",
    "run_batches",
    "scan_batch",
    "throw_batch",
    "throw_toys",
    "toys_in_rounds",
]

Array = NDArray[np.float64]
BatchT = TypeVar("BatchT")

BATCH = 250
"""Pseudo-experiments of one task: some ten MB, a fraction of a second. Each has its own seed."""

_ENOUGH = 400  # exceedances after which p_global is known to 5 %, and no more are thrown
_ROUNDS = (1000, 2000, 5000)  # where to look whether there are enough


class Mapper(Protocol):
    """Anything that maps a function over tasks, in order: ``map``, or that of an executor.

    Examples
    --------
    >>> mapper: Mapper = map  # in this thread, one batch after the other
    """

    def __call__(self, function: Callable, tasks: Iterable, /) -> Iterable:
        """Return the results in the order of the tasks."""
        ...


@dataclass(frozen=True, eq=False)
class Toys:
    """What the scan of each pseudo-experiment gives.

    Attributes
    ----------
    p_local : ndarray of shape (n, n_spectra)
        Local p-values; 1 where the fit did not converge, or an excess contradicts the unselected
        spectrum (`contradicted`).
    deviance : ndarray of shape (n, n_spectra)
        Goodness of fit outside the signal region.

    Examples
    --------
    >>> import numpy as np
    >>> toys = Toys(np.array([[0.1], [0.5], [0.9]]), np.array([[8.0], [5.0], [3.0]]))
    >>> toys.goodness(np.array([6.0])).tolist()
    [0.5]
    """

    p_local: Array
    deviance: Array

    def goodness(self, observed: Array) -> Array:
        """Return the p-value of observed deviances, shape (n_spectra,), by counting."""
        return (1 + (self.deviance >= observed).sum(axis=0)) / (1 + len(self.deviance))

    def bad_fit(self, threshold: float) -> NDArray[np.bool_]:
        """Return which fits of the pseudo-experiments are themselves beyond the threshold."""
        return self.deviance > np.quantile(self.deviance, 1 - threshold, axis=0)


@dataclass(frozen=True)
class GlobalP(Record):
    """The global p-value, and how well it is known.

    Attributes
    ----------
    p_global, z_global : float
        (1 + k) / (1 + n) for k of n pseudo-experiments with at least as small a smallest local
        p-value, or what it is extrapolated to; one-sided significance.
    p_global_error : float
        Binomial error of p_global, or that of the extrapolation.
    is_limit : bool
        No pseudo-experiment came up to the data: p_global is an upper limit, z_global a lower. Where it
        is extrapolated, only if it is below all numbers (`~overdensity.stats.p_values.local.LEAST_P`).
    pseudo_experiments, exceedances : int
        n and k.
    largest_z : tuple of float
        Largest local significance anywhere in the scan of each pseudo-experiment, to three
        decimals: what the data are compared with.
    extrapolated : bool
        No pseudo-experiment came up to the data, and p_global goes on with their up-crossings
        (`beyond_pseudo_experiments`).

    Examples
    --------
    >>> import numpy as np
    >>> found = global_p(0.01, np.array([0.5, 0.2, 0.3]))
    >>> found.is_limit, found.p_global
    (True, 0.25)
    """

    p_global: float
    z_global: float
    p_global_error: float
    is_limit: bool
    pseudo_experiments: int
    exceedances: int
    largest_z: tuple[float, ...]
    extrapolated: bool = False


def throw_batch(
    index: int, *, null: Null, problem: ScanProblem, spurious: Array, seed: int
) -> Toys:
    r"""Throw, refit and scan one batch of pseudo-experiments.

    In each, the function mispredicts the background of a window by a factor
    :math:`1 + f\,\eta`, with :math:`\eta` standard normal and the same for all selections.

    The result depends on the seed and the index alone, not on where or in which order batches
    run. Arguments and result can be pickled.

    Parameters
    ----------
    index : int
        Number of the batch.
    null : Null
        What to throw.
    problem : ScanProblem
        What to fit.
    spurious : ndarray of shape (n_spectra,)
        Standard deviation f of the spurious signal (`Scan.spurious`).
    seed : int
        Seed of the whole set.

    Returns
    -------
    Toys
        With `BATCH` pseudo-experiments.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> from overdensity.stats.search.null import null_hypothesis
    >>> null = null_hypothesis(patterns, fits)
    >>> throw_batch(
    ...     0, null=null, problem=fits.problem, spurious=fits.spurious, seed=1
    ... ).p_local.shape
    (250, 2)
    """
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(index,))))
    return scan_batch(problem, null.throw(BATCH, rng), spurious, rng)


def scan_batch(
    problem: ScanProblem, counts: Array, spurious: Array, rng: np.random.Generator
) -> Toys:
    """Fit thrown datasets, whose background is mispredicted at random, and find their p-values.

    Parameters
    ----------
    problem : ScanProblem
        What to fit.
    counts : ndarray of shape (n_experiments, n_spectra, n_bins)
        The datasets.
    spurious : ndarray of shape (n_spectra,)
        Standard deviation of the spurious signal (`Scan.spurious`).
    rng : numpy.random.Generator
        Draws by how much each window is mispredicted.

    Returns
    -------
    Toys
        With p = 1 where the data would not count.
    """
    fits = fit_scan(problem, counts)
    observed = np.einsum("ekb,kb->ek", counts, problem.masked)
    eta = rng.normal(size=(len(counts), problem.shape[0]))
    p, may_count = mispredicted(observed, fits, spurious, eta)
    return Toys(np.where(may_count, p, 1.0), fits.deviance)


def mispredicted(
    observed: Array, fits: ScanFits, spurious: Array, eta: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Return local p-values where the function mispredicts the background, and which may count.

    Parameters
    ----------
    observed : ndarray of shape (n_experiments, n_spectra)
        Events in the signal regions.
    fits : ScanFits
        Of the same experiments.
    spurious : ndarray of shape (n_spectra,)
        Standard deviation of the spurious signal (`Scan.spurious`).
    eta : ndarray of shape (n_experiments, n_windows)
        By how many of these standard deviations each window is mispredicted.

    Returns
    -------
    p_local : ndarray of shape (n_experiments, n_spectra)
    may_count : ndarray of bool, shape (n_experiments, n_spectra)
        The fit converged, and the unselected spectrum does not contradict the excess.
    """
    n_levels = fits.expected.shape[1] // eta.shape[1]
    expected = fits.expected * np.maximum(1 + spurious * np.repeat(eta, n_levels, axis=1), 0.0)
    p_local = local_p(observed, expected, np.hypot(fits.error, spurious * fits.expected))
    against = contradicted(observed, expected, fits.error, n_levels=n_levels)
    return p_local, fits.converged & ~against


def toys_in_rounds(
    scan: Scan, null: Null, *, n: int, seed: int, mapper: Mapper | None = None
) -> Iterator[Toys]:
    """Throw pseudo-experiments, and show all that there are after 1000, 2000, 5000 and n.

    Whoever asks for the next ones decides whether more are wanted.

    Parameters
    ----------
    scan : Scan
        The scan to repeat.
    null : Null
        The background-only hypothesis.
    n : int
        How many at most, rounded up to batches of `BATCH`.
    seed : int
        Seed.
    mapper : callable, optional
        Runs the batches; without, threads on all cores of this machine.

    Yields
    ------
    Toys

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> from overdensity.stats.search.null import null_hypothesis
    >>> null = null_hypothesis(patterns, fits)
    >>> [len(toys.p_local) for toys in toys_in_rounds(fits, null, n=1400, seed=1)]
    [1000, 1500]
    """
    task = partial(throw_batch, null=null, problem=scan.problem, spurious=scan.spurious, seed=seed)
    goals = [-(-goal // BATCH) for goal in rounds_of(n)]
    done: list[Toys] = []
    with progress("pseudo-experiments", goals[-1] * BATCH) as advance:
        for goal in goals:
            for batch in run_batches(task, range(len(done), goal), mapper):
                done.append(batch)
                advance(BATCH)
            try:
                yield join_toys(done)
            except GeneratorExit:  # no more are wanted
                return


def throw_toys(scan: Scan, null: Null, *, n: int, seed: int, mapper: Mapper | None = None) -> Toys:
    """Throw all pseudo-experiments; parameters are those of `toys_in_rounds`.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> from overdensity.stats.search.null import null_hypothesis
    >>> toys = throw_toys(fits, null_hypothesis(patterns, fits), n=400, seed=1)
    >>> len(toys.p_local)  # full batches
    500
    """
    *_, toys = toys_in_rounds(scan, null, n=n, seed=seed, mapper=mapper)
    return toys


def global_p(observed: float, smallest: Array) -> GlobalP:
    """Return the global p-value of the smallest local one.

    Parameters
    ----------
    observed : float
        The smallest local p-value of the data.
    smallest : ndarray of shape (n,)
        That of each pseudo-experiment.

    Returns
    -------
    GlobalP

    Examples
    --------
    >>> import numpy as np
    >>> global_p(0.02, np.linspace(0.01, 1, 99)).p_global
    0.02
    """
    n, k = smallest.size, exceedances(observed, smallest)
    p = (1 + k) / (1 + n)
    return GlobalP(
        p_global=p,
        z_global=float(z_of_p(p)),
        p_global_error=float(np.sqrt(p * (1 - p) / n)),
        is_limit=k == 0,
        pseudo_experiments=n,
        exceedances=k,
        largest_z=tuple(np.round(z_of_p(smallest), 3).tolist()),
    )


def exceedances(observed: float, smallest: Array) -> int:
    """Count pseudo-experiments at least as extreme; equal up to rounding counts."""
    return int((smallest <= observed * (1 + 1e-9)).sum())


def rounds_of(n: int) -> list[int]:
    """Return after how many of n pseudo-experiments to look whether there are enough, n the last.

    Examples
    --------
    >>> rounds_of(3000)
    [1000, 2000, 3000]
    """
    return [*(goal for goal in _ROUNDS if goal < n), n]


def is_enough(observed: float, smallest: Array) -> bool:
    """Say whether p_global is known well enough."""
    return exceedances(observed, smallest) >= _ENOUGH


def join_toys(batches: Sequence[Toys]) -> Toys:
    """Put batches together."""
    return Toys(
        np.concatenate([batch.p_local for batch in batches]),
        np.concatenate([batch.deviance for batch in batches]),
    )


def run_batches(
    task: Callable[[int], BatchT], tasks: range, mapper: Mapper | None
) -> Iterator[BatchT]:
    """Run tasks with a mapper, or in threads: the compiled code holds no lock."""
    if mapper is not None:
        yield from mapper(task, tasks)
        return
    with ThreadPoolExecutor(available_cores()) as pool:
        yield from pool.map(task, tasks)
