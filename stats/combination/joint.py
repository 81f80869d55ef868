"""Channels with their fits and pseudo-experiments, put side by side at every mass hypothesis."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ..p_values.local import local_log_p, z_of_log_p, z_of_p
from ..search.null import Null, null_hypothesis
from ..search.pseudo_experiments import Mapper, Toys, is_enough, throw_toys
from ..search.scanning import Scan, scan
from ..selection.patterns import Patterns
from .statistic import JointTail, joint_statistic, joint_tail

__all__ = ["Channel", "ChannelSearch", "Combination", "combine_channels"]

Array = NDArray[np.float64]

_ROUNDS = (1000, 2000, 5000)  # pseudo-experiments after which to look whether there are enough


@dataclass(frozen=True, eq=False)
class Channel:
    """Events of a channel, and how they are fitted.

    Attributes
    ----------
    patterns : Patterns
        Its events, counted in the bins of the fits; one column of levels per mass hypothesis.
    efficiencies : sequence of float
        Its selections, decreasing. With 1 in front, the unselected spectrum is searched too.
    function, guard, sculpting, gof_threshold
        As in `hunt_patterns`.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal as a fraction of the background.
    refused : array_like of bool, shape (n_windows, n_selections), optional
        Selections that sculpt the spectrum.
    """

    patterns: Patterns
    efficiencies: Sequence[float]
    function: str = "dijet5"
    guard: int = 2
    sculpting: float = 1.0
    gof_threshold: float = 0.003
    spurious: ArrayLike | None = None
    refused: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class ChannelSearch:
    """A channel with its fits, on data and on pseudo-experiments.

    Attributes
    ----------
    name, channel
        As given.
    scan, null
        Fits of every window and selection, and the background-only hypothesis.
    counted : ndarray of bool, shape (n_spectra,)
        Spectra that are searched.
    """

    name: str
    channel: Channel
    scan: Scan
    null: Null
    counted: NDArray[np.bool_]

    def flagged(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which fits of the data may not be quoted, shape (n_spectra,)."""
        goodness = toys.goodness(self.scan.fits.deviance[0])
        bad = goodness < self.channel.gof_threshold
        return bad | ~self.scan.fits.converged[0] | self.refused

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which spectra are refused, shape (n_spectra,); the unselected ones never are."""
        refused = np.zeros(self.scan.shape, dtype=bool)
        if self.channel.refused is not None:
            refused[:, 1:] = self.channel.refused
        return refused.ravel()

    @property
    def log_p(self) -> Array:
        """Local p-values of the data, logarithms, shape (n_spectra,)."""
        fits, k = self.scan.fits, self.scan
        error = np.hypot(fits.error[0], k.spurious * fits.expected[0])
        return local_log_p(k.observed, fits.expected[0], error)

    def best(self, toys: Toys) -> tuple[NDArray[np.int64], Array]:
        """Return the best usable spectrum of each window, or -1, and its ln p, or 0."""
        use = self.counted & ~self.flagged(toys)
        log_p = np.where(use, self.log_p, 0.0).reshape(self.scan.shape)
        column = np.where(use.reshape(self.scan.shape), log_p, np.inf).argmin(axis=1)
        row = np.arange(len(log_p))
        found = use.reshape(self.scan.shape)[row, column]
        index = np.where(found, row * self.scan.shape[1] + column, -1)
        return index, np.where(found, log_p[row, column], 0.0)

    def best_toys(self, toys: Toys) -> Array:
        """Return the smallest local p of each window of the pseudo-experiments, (n, n_windows)."""
        use = self.counted & ~self.refused & ~toys.bad_fit(self.channel.gof_threshold)
        return np.where(use, toys.p_local, 1.0).reshape(-1, *self.scan.shape).min(axis=2)


@dataclass(frozen=True, eq=False)
class Combination:
    """Data and pseudo-experiments of all channels, at all mass hypotheses.

    Attributes
    ----------
    searches : tuple of ChannelSearch
        The channels with their fits.
    toys : tuple of Toys
        Pseudo-experiments of each; equal rows are one pseudo-experiment.
    """

    searches: tuple[ChannelSearch, ...]
    toys: tuple[Toys, ...]

    @cached_property
    def z(self) -> Array:
        """Significances of the data, shape (n_windows, n_channels); -8.2 where there is none."""
        pairs = zip(self.searches, self.toys, strict=True)
        return np.stack([z_of_log_p(search.best(toys)[1]) for search, toys in pairs], axis=-1)

    @cached_property
    def z_toys(self) -> Array:
        """Significances of the pseudo-experiments, shape (n, n_windows, n_channels)."""
        pairs = zip(self.searches, self.toys, strict=True)
        return np.stack([z_of_p(search.best_toys(toys)) for search, toys in pairs], axis=-1)

    @cached_property
    def tails(self) -> tuple[JointTail, ...]:
        """Distribution of the statistic at each hypothesis."""
        parts = np.maximum(self.z_toys, 0.0) ** 2
        top = np.maximum(joint_statistic(self.z), parts.sum(axis=-1).max(axis=0))
        return tuple(joint_tail(list(parts[:, w].T), top[w]) for w in range(len(top)))

    @cached_property
    def log_p(self) -> Array:
        """Combined local p-values of the data, logarithms, shape (n_windows,)."""
        statistic = joint_statistic(self.z)
        return np.array(
            [float(tail.log_p(t)) for tail, t in zip(self.tails, statistic, strict=True)]
        )

    @cached_property
    def log_p_toys(self) -> Array:
        """Those of the pseudo-experiments, shape (n, n_windows)."""
        statistic = joint_statistic(self.z_toys)
        return np.stack([tail.log_p(t) for tail, t in zip(self.tails, statistic.T, strict=True)], 1)

    def smallest(self) -> tuple[float, Array]:
        """Return the smallest combined local p of the data and of each pseudo-experiment."""
        return float(np.exp(self.log_p.min())), np.exp(self.log_p_toys.min(axis=1))

    def smallest_of(self, channel: int) -> tuple[float, Array]:
        """Return the smallest local p of a channel alone, in data and pseudo-experiments."""
        search, toys = self.searches[channel], self.toys[channel]
        return float(np.exp(search.best(toys)[1].min())), search.best_toys(toys).min(axis=1)

    def enough(self) -> bool:
        """Say whether all global p-values are known well enough."""
        alone = (self.smallest_of(c) for c in range(len(self.searches)))
        return all(is_enough(*smallest) for smallest in (self.smallest(), *alone))


def combine_channels(
    channels: Mapping[str, Channel],
    windows: ArrayLike,
    *,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> Combination:
    """Fit all channels and throw pseudo-experiments: what `hunt_channels` reports on.

    Parameters and errors are those of `hunt_channels`. Every channel throws from a seed of its own,
    made of its name, so that the channels are independent.

    Returns
    -------
    Combination
    """
    if not channels:
        msg = "there is no channel to search in"
        raise InputError(msg)
    searches = tuple(_search(name, channel, windows) for name, channel in channels.items())
    goals = [*(goal for goal in _ROUNDS if goal < pseudo_experiments), pseudo_experiments]
    thrown: list[list[Toys]] = [[] for _ in searches]
    combined, done = Combination(searches, ()), 0
    for index, goal in enumerate(goals):
        for search, toys in zip(searches, thrown, strict=True):
            own = _seed_of(seed, search.name, index)
            toys.append(
                throw_toys(search.scan, search.null, n=goal - done, seed=own, mapper=mapper)
            )
        done = goal
        combined = Combination(searches, tuple(_joined(toys) for toys in thrown))
        if combined.enough():
            break
    return combined


def _search(name: str, channel: Channel, windows: ArrayLike) -> ChannelSearch:
    """Fit a channel; errors name it."""
    try:
        fits = scan(
            channel.patterns,
            windows,
            channel.efficiencies,
            function=channel.function,
            sculpting=channel.sculpting,
            guard=channel.guard,
            spurious=channel.spurious,
        )
    except (FitError, InputError) as error:
        msg = f"channel {name!r}: {error}"
        raise type(error)(msg) from None
    counted = np.ones(fits.shape, dtype=bool)
    counted[:, 0] = float(channel.efficiencies[0]) == 1.0
    if channel.refused is not None:
        expected = (fits.shape[0], fits.shape[1] - 1)
        if np.shape(channel.refused) != expected:
            msg = f"channel {name!r}: refused has shape {np.shape(channel.refused)}, not {expected}"
            raise InputError(msg)
    null = null_hypothesis(channel.patterns, fits)
    return ChannelSearch(name, channel, fits, null, counted.ravel())


def _seed_of(seed: int, name: str, index: int) -> int:
    """Return a seed of its own for a channel: independent, and not changed by the others."""
    text = f"{seed}:{index}:{name}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _joined(rounds: Sequence[Toys]) -> Toys:
    """Put the rounds together."""
    return Toys(
        np.concatenate([toys.p_local for toys in rounds]),
        np.concatenate([toys.deviance for toys in rounds]),
    )
