"""The flags of a result: what a reader must know, in plain sentences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from .null import Null
from .pseudo_experiments import Toys
from .scan_fits import fit_scan
from .scanning import Scan, hide_window

__all__ = ["flag_sentences", "inclusive_p"]

_BAD_INCLUSIVE = 0.01  # p-value of the unselected fit below which the function itself is doubted
_STRONG = 3.0  # local significance above which an excess may explain the misfit of other windows
_TOYS = 1000
_MAY_BE_SIGNAL = " (a strong signal in or near the window can be the cause)"


def flag_sentences(
    scan: Scan,
    null: Null,
    toys: Toys,
    *,
    flagged: NDArray[np.bool_],
    refused: NDArray[np.bool_],
    contradicted: NDArray[np.bool_],
    threshold: float,
    best: int | None,
    z_best: float,
    seed: int,
) -> tuple[str, ...]:
    """Return the flags of a search.

    Parameters
    ----------
    scan, null, toys
        The search.
    flagged : ndarray of bool, shape (n_spectra,)
        Fits that were not counted although they should have been.
    refused : ndarray of bool, shape (n_spectra,)
        Selections that sculpt the spectrum.
    contradicted : ndarray of bool, shape (n_spectra,)
        Selections whose excess the unselected spectrum cannot hide.
    threshold : float
        Goodness of fit below which they are flagged.
    best : int or None
        The most significant spectrum, at ``z_best``. Where it is strong, the fits of windows
        that have it in their sidebands must fail; those that are good once it is hidden are not
        mentioned.
    seed : int
        Seed of the pseudo-experiments for that.

    Returns
    -------
    tuple of str
        Empty when all is well.

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
    >>> from overdensity.stats.search.pseudo_experiments import throw_toys
    >>> null, none = null_hypothesis(patterns, fits), np.zeros(2, bool)
    >>> toys = throw_toys(fits, null, n=250, seed=1)
    >>> flag_sentences(
    ...     fits,
    ...     null,
    ...     toys,
    ...     flagged=none,
    ...     refused=none,
    ...     contradicted=none,
    ...     threshold=0.01,
    ...     best=1,
    ...     z_best=1.0,
    ...     seed=1,
    ... )
    ()
    """
    sentences = _of_function(scan)
    mentioned = np.flatnonzero(flagged & ~refused & ~contradicted)
    if best is not None and z_best > _STRONG and mentioned.size:
        mentioned = mentioned[
            ~_explained(scan, null, mentioned, best=best, threshold=threshold, seed=seed)
        ]
    sentences += _of_fits(scan, toys, mentioned, threshold)
    sentences += _of_windows(
        scan,
        refused,
        "the score depends on the mass, so that a selection fabricates an excess ({which}); it is "
        "refused: leave features that follow the mass out, or name them under 'decorrelate'",
    )
    sentences += _of_windows(
        scan,
        contradicted,
        "a selection has an excess ({which}) that the spectrum of all events cannot hide; it is "
        "refused",
    )
    if null.reason is not None:
        sentences.append(null.reason)
    elif best is None:
        sentences.append("no window has a fit that may be quoted: there is no result")
    if (1 + len(toys.p_local)) * threshold <= 1:
        sentences.append(
            f"{len(toys.p_local)} pseudo-experiments cannot resolve a goodness of fit of "
            f"{threshold:g}: bad fits pass unnoticed; throw more"
        )
    return tuple(sentences)


def _of_function(scan: Scan) -> list[str]:
    """Say whether the function describes the spectrum of all events."""
    inclusive = inclusive_p(scan)
    if inclusive >= _BAD_INCLUSIVE:
        return []
    said = (
        f"{scan.problem.basis.name} does not describe the unselected spectrum "
        f"(p = {inclusive:.2g}): unless a resonance stands out in it, expect spurious excesses; use "
        "a function with more parameters, or a narrower scan"
    )
    return [said]


def _of_fits(scan: Scan, toys: Toys, bad: NDArray[np.int64], threshold: float) -> list[str]:
    """Say of each fit that may not be quoted why; of several partitions it need not be this one's."""
    goodness, sentences = toys.goodness(scan.fits.deviance[0]), []
    for k in bad:
        window, selection = divmod(int(k), scan.shape[1])
        low, high = scan.windows[window]
        if not scan.fits.converged[0, k]:
            why = "did not converge"
        elif goodness[k] < threshold:
            why = f"does not describe its sidebands (p = {goodness[k]:.2g})"
        else:
            why = "may not be quoted in most partitions into folds"
        sentences.append(
            f"window {low:.0f}-{high:.0f} GeV, efficiency {scan.efficiencies[selection]:g}: "
            f"the fit {why}; it is not counted{_MAY_BE_SIGNAL}"
        )
    return sentences


def _of_windows(scan: Scan, concerned: NDArray[np.bool_], sentence: str) -> list[str]:
    """Say a sentence of each window that has such selections."""
    sentences = []
    for (low, high), row in zip(scan.windows, concerned.reshape(scan.shape), strict=True):
        if row.any():
            which = ", ".join(f"{scan.efficiencies[k]:g}" for k in np.flatnonzero(row))
            said = sentence.format(which=f"efficiency {which}")
            sentences.append(f"window {low:.0f}-{high:.0f} GeV: {said}{_MAY_BE_SIGNAL}")
    return sentences


def inclusive_p(scan: Scan) -> float:
    """Return the χ² p-value of the unselected spectrum, fitted in all bins (well filled).

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.search.scanning import scan
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> patterns = count_patterns(mass, rng.random((5000, 1)) < 0.1, edges)
    >>> fits = scan(patterns, [(edges[5], edges[8])], (0.1,))
    >>> 0 < inclusive_p(fits) < 1
    True
    """
    n_bins, _, n_par = scan.problem.basis.design.shape
    return float(chi2.sf(scan.reference.deviance[0, 0], n_bins - n_par))


def _explained(
    scan: Scan,
    null: Null,
    spectra: NDArray[np.int64],
    *,
    best: int,
    threshold: float,
    seed: int,
) -> NDArray[np.bool_]:
    """Return which of the spectra are well described once the best window is hidden too."""
    without = scan.problem.hiding(hide_window(scan.problem, best))
    thrown = null.throw(
        _TOYS, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0)))
    )
    reference = fit_scan(without, thrown).deviance[:, spectra]
    data = fit_scan(without, scan.counts[None]).deviance[0, spectra]
    worse = (reference >= data).sum(axis=0)
    return (1 + worse) / (1 + _TOYS) >= threshold
