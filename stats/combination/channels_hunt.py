"""One resonance mass, several channels: combined local and global p-values.

Each channel is a search of its own, with its mass, scores, selections and sideband fits, on events
that no other channel has (`remove_overlap`). Only the mass hypothesis is common. Branching ratios
are unknown, so every channel has its own signal strength, which is not negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...core.windows import geometric_center
from ..p_values.local import z_of_log_p
from ..search.flags import inclusive_p
from ..search.hunt_result import SelectionResult
from ..search.pseudo_experiments import Mapper, global_p
from .joint import Combination, HuntChannel, combine_channels
from .joint_result import ChannelPeak, ChannelSummary, CombinedResult, Hypothesis
from .statistic import joint_statistic

__all__ = ["hunt_channels"]

_SEEN = 10  # pseudo-experiments beyond the data that make a local p-value a counted one


def hunt_channels(
    channels: Mapping[str, HuntChannel],
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
    channels : mapping of str to HuntChannel
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

    Examples
    --------
    >>> from overdensity.stats import FitModel, count_patterns, log_edges
    >>> edges, rng = log_edges(2500, 6000, 32), np.random.default_rng(1)
    >>> def channel():
    ...     mass = 2500 / rng.random(5000) ** 0.2
    ...     events = count_patterns(mass, (rng.random((5000, 1)) < 0.1) * 1, edges)
    ...     return HuntChannel(events, [0.1], model=FitModel("dijet3"))
    >>> channels = {"two jets": channel(), "three jets": channel()}
    >>> found = hunt_channels(channels, [edges[[8, 14]]], pseudo_experiments=250)
    >>> [row.efficiency for row in found.hypotheses[0].channels], found.global_p.p_global > 0.01
    ([0.1, 0.1], True)
    """
    combined = combine_channels(
        channels, windows, pseudo_experiments=pseudo_experiments, seed=seed, mapper=mapper
    )
    return _result(combined, seed)


def _result(combined: Combination, seed: int) -> CombinedResult:
    """Return the result of a combination."""
    chosen = np.stack([step.best_of_windows(toys)[0] for step, toys in combined.pairs], axis=-1)
    usable = chosen.max(axis=-1) >= 0
    best = int(np.where(usable, combined.log_p, np.inf).argmin()) if usable.any() else None
    channels = tuple(_summary(combined, name, seed) for name in combined.steps)
    rows = [step.rows(toys) for step, toys in combined.pairs]
    return CombinedResult(
        channels=channels,
        hypotheses=tuple(
            _hypothesis(
                combined,
                w,
                [None if k < 0 else of[k] for of, k in zip(rows, places, strict=True)],
            )
            for w, places in enumerate(chosen.tolist())
        ),
        best=best,
        peaks=() if best is None else _peaks(combined, chosen[best].tolist(), seed),
        global_p=None if best is None else global_p(*combined.smallest()),
        flags=tuple(f"{one.name}: {flag}" for one in channels for flag in one.flags),
    )


def _hypothesis(
    combined: Combination, w: int, rows: Sequence[SelectionResult | None]
) -> Hypothesis:
    """Return the row of one mass."""
    first, _ = combined.pairs[0]
    low, high = first.scan.windows[w].tolist()
    seen = int((combined.log_p_toys[:, w] <= combined.log_p[w]).sum())
    return Hypothesis(
        mass=float(geometric_center(low, high)),
        low=low,
        high=high,
        channels=tuple(rows),
        statistic=float(joint_statistic(combined.z[w])),
        p_local=float(np.exp(combined.log_p[w])),
        z_local=float(z_of_log_p(combined.log_p[w])),
        extrapolated=seen < _SEEN,
        searched=tuple(bool(step.searched[w]) for step, _ in combined.pairs),
    )


def _summary(combined: Combination, name: str, seed: int) -> ChannelSummary:
    """Return the summary of a channel on its own."""
    step, toys = combined.steps[name], combined.toys[name]
    best = step.best(toys)
    log_p = 0.0 if best is None else step.log_p[best]
    return ChannelSummary(
        name=name,
        function=step.model.function,
        n_events=int(step.scan.counts[0].sum()),
        window=None if best is None else best // step.scan.shape[1],
        p_local=1.0 if best is None else float(step.p_local[best]),
        z_local=float(z_of_log_p(log_p)),
        global_p=None if best is None else global_p(*step.smallest(toys)),
        unselected_p_value=inclusive_p(step.scan),
        flags=step.flags(toys, seed),
        repeats=step.repeats(toys) if step.number > 1 else None,
    )


def _peaks(combined: Combination, chosen: Sequence[int], seed: int) -> tuple[ChannelPeak, ...]:
    """Fit a peak in every channel that has a point at the best hypothesis."""
    peaks = []
    for (name, step), k in zip(combined.steps.items(), chosen, strict=True):
        if k < 0:
            continue
        shown = step.sources(combined.toys[name])[k]
        peaks.append(
            ChannelPeak(
                channel=name,
                efficiency=step.scan.efficiencies[k % step.scan.shape[1]],
                resonance=shown.peak(k),
                spectrum=shown.spectrum(k, seed),
            )
        )
    return tuple(peaks)
