r"""The background-only hypothesis of a whole scan, with the overlaps that the events have.

Each group of events (a mass bin and a pattern of selections passed) becomes an independent
Poisson variable. Its mean is the number of events seen, times factors that make *every* spectrum
of the scan have its smooth fit as expectation: iterative proportional fitting (Deming and
Stephan, Ann. Math. Statist. 11 (1940) 427) in each mass bin, over the disjoint shells between
nested selections. Spectra thrown from it are each exactly Poisson about their fits, and share
events across windows and selections as the data do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ..selection.patterns import Patterns
from .scanning import Scan

__all__ = ["Null", "null_hypothesis"]


Array = NDArray[np.float64]

_BAD_MISMATCH = 0.1  # of a Poisson error, between the fits and what is thrown
_RARE = 0.02  # events put into patterns that may not have been seen in a bin
_SPARSE = 200  # events in a bin below which it borrows patterns from others
_OVERLAPS = 300  # how many
_LEAST_SHELL = 1e-3  # a selection keeps at most 99.9 % of the next looser one, in every bin
_NOTHING = 1e-4  # events of a shell in a bin below which its expectation need not be met
_SLACK = 1e-4  # by how much of its expectation a shell may miss it for each e-fold of its weights
_TOLERANCE = 1e-4  # of the expectation of a shell in a bin
_MAX_STEPS = 200
_MAX_HALVINGS = 30
_LARGEST_STEP = 3.0  # in the logarithm of a factor


@dataclass(frozen=True, eq=False)
class Null:
    """Independent Poisson groups that make up all spectra.

    Attributes
    ----------
    means : ndarray of shape (n_groups,)
        Poisson means.
    bins : ndarray of int, shape (n_groups,)
        Mass bin of each group.
    first : ndarray of int, shape (n_groups + 1,)
        Where the shells of a group begin in ``cells``.
    cells : ndarray of int, shape (n_entries,)
        Shells a group enters: (window × n_selections + level - 1) × n_bins + bin.
    shape : tuple of int
        (n_windows, n_selections, n_bins).
    mismatch : float
        Largest difference between the mean of a shell in a bin and its fit, in units of the
        Poisson error (or of 1 event where the fit expects less).
    converged : bool
        The background-only fits of all spectra found their maximum.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> null = null_hypothesis(patterns, fits)
    >>> null.throw(5, rng).shape
    (5, 2, 16)
    """

    means: Array
    bins: NDArray[np.int64]
    first: NDArray[np.int64]
    cells: NDArray[np.int64]
    shape: tuple[int, int, int]
    mismatch: float
    converged: bool

    @property
    def reason(self) -> str | None:
        """Why nothing thrown from it can be compared with the data; None where all is well."""
        if not self.converged:
            return (
                "a background-only fit did not converge: there is no p-value; use fewer parameters"
            )
        if self.mismatch > _BAD_MISMATCH:
            return (
                "pseudo-experiments could not be made to agree with all fits, they differ by up to "
                f"{self.mismatch:.2g} of a Poisson error in a bin: there is no p-value; use fewer windows"
            )
        return None

    def throw(self, n: int, rng: np.random.Generator) -> Array:
        """Throw pseudo-experiments.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        ndarray of shape (n, n_windows × (n_selections + 1), n_bins)
            All spectra of each, numbered as in `Scan`.
        """
        shells = np.zeros((n, int(np.prod(self.shape))))
        everything = np.zeros((n, self.shape[2]))
        _throw(
            rng,
            self.means,
            np.exp(-self.means),
            self.bins,
            self.first,
            self.cells,
            everything,
            shells,
        )
        return self.spectra(everything, shells)

    def expected(self) -> Array:
        """Return the means of all spectra, shape (n_windows × (n_selections + 1), n_bins)."""
        per_cell = np.repeat(self.means, np.diff(self.first))
        shells = np.zeros(int(np.prod(self.shape)))
        everything = np.zeros(self.shape[2])
        np.add.at(shells, self.cells, per_cell)
        np.add.at(everything, self.bins, self.means)
        return self.spectra(everything[None], shells[None])[0]

    def spectra(self, everything: Array, shells: Array) -> Array:
        """Add up shells to nested selections, and put the unselected spectrum in front."""
        n_windows, n_selections, n_bins = self.shape
        shells = shells.reshape(-1, n_windows, n_selections, n_bins)
        spectra = np.empty((len(shells), n_windows, n_selections + 1, n_bins))
        spectra[:, :, 1:] = np.cumsum(shells[:, :, ::-1], axis=2)[:, :, ::-1]
        spectra[:, :, 0] = everything[:, None]
        return spectra.reshape(len(shells), -1, n_bins)


def null_hypothesis(patterns: Patterns, scan: Scan) -> Null:
    """Build the background-only hypothesis of a scan.

    Parameters
    ----------
    patterns : Patterns
        The events, for how the spectra overlap.
    scan : Scan
        The background-only fit of every spectrum.

    Returns
    -------
    Null

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> null = null_hypothesis(patterns, fits)
    >>> bool(np.allclose(null.expected(), fits.null, rtol=1e-3, atol=0.1))
    True
    """
    n_windows, n_levels = scan.shape
    n_bins = patterns.edges.size - 1
    targets = _shells(scan.null.reshape(n_windows, n_levels, n_bins))
    bins, levels, means = _with_rare_groups(patterns, n_levels)
    for index in range(n_bins):
        of_bin = np.flatnonzero(bins == index)
        means[of_bin] = _matched(means[of_bin], levels[of_bin], targets[:, :, index])
    group, window = np.nonzero(levels)
    cells = (window * (n_levels - 1) + levels[group, window] - 1) * n_bins + bins[group]
    first = np.searchsorted(group, np.arange(len(means) + 1))
    cell = levels.astype(np.int64) * n_bins + bins[:, None]
    mismatch = 0.0
    for window in range(n_windows):
        target = targets[window].ravel()
        now = np.bincount(cell[:, window], weights=means, minlength=target.size)
        mismatch = max(mismatch, float(np.max(np.abs(now - target) / np.sqrt(target + 1.0))))
    shape, converged = (n_windows, n_levels - 1, n_bins), bool(scan.null_converged.all())
    return Null(means, bins, first, cells, shape, mismatch, converged)


def _matched(weights: Array, levels: NDArray[np.int8], target: Array) -> Array:
    r"""Return the means of the groups of one bin, next to their weights, that add up to the target.

    Of all means that do, those with the smallest :math:`\sum_g m_g \ln(m_g / w_g)` are
    :math:`w_g \exp(\sum_c \lambda_c)` over the shells c that g is in: iterative proportional fitting
    finds them window by window, Newton steps on the concave dual

    .. math:: D(\lambda) = \sum_c t_c \lambda_c - \sum_g m_g(\lambda) - \tfrac12 \sum_c \tau_c \lambda_c^2

    in all windows at once. The last term, with a small τ, gives way where windows do not find room
    side by side.

    Parameters
    ----------
    weights : ndarray of shape (n_groups,)
        Positive.
    levels : ndarray of int8, shape (n_groups, n_windows)
        Selections passed.
    target : ndarray of shape (n_windows, n_levels)
        Expectation of each shell; all windows have the same sum.
    """
    n_windows, n_levels = target.shape
    design = np.zeros((weights.size, 1 + n_windows * (n_levels - 1)))
    design[:, 0] = 1.0
    group, window = np.nonzero(levels)
    design[group, window * (n_levels - 1) + levels[group, window]] = 1.0
    wanted = np.r_[target[0].sum(), target[:, 1:].ravel()]
    scale = wanted + _NOTHING
    slack = _SLACK * scale
    factors = np.zeros(wanted.size)
    factors[0] = np.log(wanted[0] / weights.sum())
    means = weights * np.exp(factors[0])
    value = wanted @ factors - means.sum() - slack @ factors**2 / 2
    for _ in range(_MAX_STEPS):
        gradient = wanted - means @ design - slack * factors
        if np.max(np.abs(gradient) / scale) < _TOLERANCE:
            break
        information = (design * means[:, None]).T @ design
        information[np.diag_indices_from(information)] += slack
        step = cho_solve(cho_factor(information), gradient)
        step *= min(1.0, _LARGEST_STEP / np.abs(step).max())
        tried, moved, gained = factors, means, value
        for _ in range(_MAX_HALVINGS):
            tried = factors + step
            moved = weights * np.exp(design @ tried)
            gained = wanted @ tried - moved.sum() - slack @ tried**2 / 2
            if gained >= value:
                break
            step /= 2
        factors, means, value = tried, moved, gained
    return means


def _shells(expected: Array) -> Array:
    """Return what each shell between nested selections expects: (n_windows, n_levels, n_bins).

    Fits of nested selections may cross where there are hardly any events. The looser one, known
    better, is then kept, and the tighter one lowered.
    """
    nested = expected.copy()
    for level in range(1, nested.shape[1]):
        nested[:, level] = np.minimum(nested[:, level], (1 - _LEAST_SHELL) * nested[:, level - 1])
    inner = np.zeros_like(nested)
    inner[:, :-1] = nested[:, 1:]
    return nested - inner


def _with_rare_groups(
    patterns: Patterns, n_levels: int
) -> tuple[NDArray[np.int64], NDArray[np.int8], Array]:
    """Add a small weight in every bin to patterns that may not have been seen there.

    Without passing in one window alone, a shell in which no event was seen could never be thrown,
    and the shells of two windows that share their only event could not have different
    expectations. Without patterns of other bins, windows would not overlap enough in a bin with
    few events, and ten or forty of them may not find room there side by side.
    """
    n_bins, n_windows = patterns.edges.size - 1, patterns.n_windows
    everywhere = np.zeros((1 + n_windows * (n_levels - 1), n_windows), dtype=np.int8)
    for window in range(n_windows):
        for level in range(1, n_levels):
            everywhere[1 + window * (n_levels - 1) + level - 1, window] = level
    events = np.bincount(patterns.bins, weights=patterns.counts, minlength=n_bins)
    sparse = np.flatnonzero(events < _SPARSE)
    common = _overlaps(patterns)
    bins = [
        patterns.bins,
        *(
            np.repeat(where, len(extra))
            for where, extra in ((np.arange(n_bins), everywhere), (sparse, common))
        ),
    ]
    levels = [patterns.levels, np.tile(everywhere, (n_bins, 1)), np.tile(common, (sparse.size, 1))]
    weights = [patterns.counts.astype(float), np.full(bins[1].size + bins[2].size, _RARE)]
    return np.concatenate(bins), np.concatenate(levels), np.concatenate(weights)


def _overlaps(patterns: Patterns) -> NDArray[np.int8]:
    """Return patterns that pass in several windows, of events at all masses alike."""
    several = np.flatnonzero((patterns.levels > 0).sum(axis=1) > 1)
    seen = np.cumsum(patterns.counts[several])
    if not seen.size:
        return patterns.levels[several]
    chosen = np.searchsorted(seen, np.linspace(0, seen[-1], _OVERLAPS, endpoint=False), "right")
    return np.unique(patterns.levels[several[np.unique(chosen)]], axis=0)


@njit(cache=True, nogil=True)
def _throw(  # noqa: PLR0917  (bare arrays, for numba)
    rng, means, empty, bins, first, cells, everything, shells
):
    """Draw every group of every pseudo-experiment and add it to the spectra it belongs to."""
    for e in range(everything.shape[0]):
        for g in range(means.size):
            if means[g] < 20.0:  # by inversion: one random number, and mostly no event
                n = 0
                u = rng.random()
                p = empty[g]
                total = p
                while u > total and n < 200:
                    n += 1
                    p *= means[g] / n
                    total += p
            else:
                n = rng.poisson(means[g])
            if n > 0:
                everything[e, bins[g]] += n
                for c in range(first[g], first[g + 1]):
                    shells[e, cells[c]] += n
