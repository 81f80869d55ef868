"""One resonance mass, several channels: combined local and global p-values.

Each channel is a search of its own, with its mass, scores, selections and sideband fits, on events
that no other channel has (`remove_overlap`). Only the mass hypothesis is common. Branching ratios
are unknown, so every channel has its own signal strength, which is not negative.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core import FitError
from ..p_values.local import z_of_log_p
from ..search.flags import flag_sentences, inclusive_p
from ..search.pseudo_experiments import Mapper, global_p
from ..spectra.resonance import fit_resonance
from ..spectra.spectrum import Constraint, SpectrumFit, fit
from .joint import Channel, ChannelSearch, Combination, combine_channels
from .joint_result import ChannelPeak, ChannelPoint, ChannelSummary, CombinedResult, Hypothesis
from .statistic import joint_statistic

__all__ = ["hunt_channels"]

logger = logging.getLogger(__name__)

_SEEN = 10  # pseudo-experiments beyond the data that make a local p-value a counted one


def hunt_channels(
    channels: Mapping[str, Channel],
    windows: ArrayLike,
    *,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> CombinedResult:
    r"""Search several channels for one resonance, with a global p-value.

    At each mass hypothesis every channel gives the largest significance of its selections. The
    statistic is :math:`T = \sum_c \max(z_c, 0)^2` (`joint_statistic`). Its local p-value is taken from
    pseudo-experiments of all channels (`joint_tail`); the global one is the fraction of
    pseudo-experiments, each thrown and refitted in all channels, whose smallest local p-value
    anywhere is as small.

    Parameters
    ----------
    channels : mapping of str to Channel
        The channels by name. They must have no event in common.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of the signal region of each mass hypothesis, GeV, on bin edges of every
        channel.
    pseudo_experiments : int
        How many at most; fewer once the global p-values of the combination and of every channel
        are known to 5 %.
    seed : int
        Seed of the pseudo-experiments.
    mapper : callable, optional
        Runs batches of them, such as ``executor.map``.

    Returns
    -------
    CombinedResult

    Raises
    ------
    InputError, ConfigError
        If the input cannot be used.
    FitError
        If a channel has too few events to fit; the message names it.
    """
    combined = combine_channels(
        channels, windows, pseudo_experiments=pseudo_experiments, seed=seed, mapper=mapper
    )
    return _Report(combined, seed).result()


@dataclass(frozen=True, eq=False)
class _Report:
    """Writes a combination down."""

    combined: Combination
    seed: int

    def result(self) -> CombinedResult:
        """Return all of it."""
        combined = self.combined
        chosen = [
            search.best(toys)[0]
            for search, toys in zip(combined.searches, combined.toys, strict=True)
        ]
        usable = np.stack(chosen, axis=-1).max(axis=-1) >= 0
        best = int(np.where(usable, combined.log_p, np.inf).argmin()) if usable.any() else None
        channels = tuple(self.summary(c) for c in range(len(combined.searches)))
        peaks = () if best is None else self.peaks([int(index[best]) for index in chosen])
        sentences = [f"{one.name}: {flag}" for one in channels for flag in one.flags]
        return CombinedResult(
            channels=channels,
            hypotheses=tuple(
                self.hypothesis(w, [int(index[w]) for index in chosen]) for w in range(len(usable))
            ),
            best=best,
            peaks=peaks,
            global_p=None if best is None else global_p(*combined.smallest()),
            flags=tuple(sentences),
        )

    def hypothesis(self, w: int, chosen: Sequence[int]) -> Hypothesis:
        """Write down one mass."""
        combined = self.combined
        low, high = combined.searches[0].scan.windows[w].tolist()
        seen = int((combined.log_p_toys[:, w] <= combined.log_p[w]).sum())
        return Hypothesis(
            mass=float(np.sqrt(low * high)),
            low=low,
            high=high,
            channels=tuple(
                None if k < 0 else _point(search, k)
                for search, k in zip(combined.searches, chosen, strict=True)
            ),
            statistic=float(joint_statistic(combined.z[w])),
            p_local=float(np.exp(combined.log_p[w])),
            z_local=float(z_of_log_p(combined.log_p[w])),
            extrapolated=seen < _SEEN,
        )

    def summary(self, c: int) -> ChannelSummary:
        """Write down a channel on its own."""
        search, toys = self.combined.searches[c], self.combined.toys[c]
        index, log_p = search.best(toys)
        found = bool((index >= 0).any())
        window = int(np.where(index >= 0, log_p, np.inf).argmin())
        z = float(z_of_log_p(log_p[window]))
        return ChannelSummary(
            name=search.name,
            function=search.channel.function,
            n_events=int(search.channel.patterns.counts.sum()),
            window=window if found else None,
            p_local=float(np.exp(log_p[window])),
            z_local=z,
            global_p=global_p(*self.combined.smallest_of(c)) if found else None,
            unselected_p_value=inclusive_p(search.scan),
            flags=flag_sentences(
                search.scan,
                search.null,
                toys,
                flagged=search.flagged(toys) & search.counted,
                refused=search.refused,
                threshold=search.channel.gof_threshold,
                best=int(index[window]) if found else None,
                z_best=z if found else -np.inf,
                seed=self.seed,
            ),
        )

    def peaks(self, chosen: Sequence[int]) -> tuple[ChannelPeak, ...]:
        """Fit a peak in every channel that has a point at the best hypothesis."""
        pairs = zip(self.combined.searches, chosen, strict=True)
        return tuple(_peak(search, k, self.seed) for search, k in pairs if k >= 0)


def _point(search: ChannelSearch, k: int) -> ChannelPoint:
    """Write down one selection of a channel."""
    fits, log_p = search.scan.fits, search.log_p[k]
    return ChannelPoint(
        efficiency=search.scan.efficiencies[k % search.scan.shape[1]],
        observed=int(search.scan.observed[k]),
        expected=float(fits.expected[0, k]),
        expected_error=float(fits.error[0, k]),
        spurious=float(search.scan.spurious[k] * fits.expected[0, k]),
        p_local=float(np.exp(log_p)),
        z_local=float(z_of_log_p(log_p)),
    )


def _peak(search: ChannelSearch, k: int, seed: int) -> ChannelPeak:
    """Fit a peak, and the sidebands with all errors."""
    problem, counts = search.scan.problem, search.scan.counts[k]
    edges, function = problem.basis.edges, problem.basis.name
    low, high = search.scan.windows[k // search.scan.shape[1]].tolist()
    free = not problem.precision[k].any()
    constraint = None if free else Constraint(problem.centre[k], problem.precision[k])
    try:
        spectrum: SpectrumFit | None = fit(
            edges,
            counts,
            masked=problem.masked[k],
            function=function,
            constraint=constraint,
            seed=seed,
        )
    except FitError as error:  # the p-values stand without it
        logger.warning("channel %s, %.0f-%.0f GeV: %s", search.name, low, high, error)
        spectrum = None
    return ChannelPeak(
        channel=search.name,
        efficiency=search.scan.efficiencies[k % search.scan.shape[1]],
        resonance=fit_resonance(edges, counts, low, high, function=function, constraint=constraint),
        spectrum=spectrum,
    )
