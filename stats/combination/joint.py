"""Channels with their fits and pseudo-experiments, put side by side at every mass hypothesis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ...core.identity import text_digest
from ..p_values.local import z_of_log_p, z_of_p
from ..search.pseudo_experiments import Mapper, Toys, is_enough, join_toys, rounds_of, throw_toys
from ..search.statistical_step import StatisticalStep, settled_step, statistical_step
from ..selection.patterns import Patterns
from ..spectra.fit_model import FitModel
from .statistic import JointTail, joint_statistic, joint_tail

__all__ = ["Combination", "HuntChannel", "combine_channels"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HuntChannel:
    """Events of a channel, and how they are searched.

    Attributes
    ----------
    patterns : Patterns or sequence of Patterns
        Its events, counted in the bins of the fits; one column of levels per mass hypothesis. Of
        each partition into folds, where there are several.
    efficiencies : sequence of float
        Its selections, decreasing. With 1 in front, the unselected spectrum is searched too.
    model : FitModel, optional
        How its background is fitted, and which fits may be quoted; by default ``FitModel()``.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal as a fraction of the background.
    refused : array_like of bool, shape ([n_repeats,] n_windows, n_selections), optional
        Selections that sculpt the spectrum.
    variance : array_like of shape (n_windows, n_selections + 1), optional
        Of the mean over partitions, from the events that they share
        (:func:`~overdensity.stats.p_values.repeats.shared_variance`).
    searched : array_like of bool, shape (n_windows,), optional
        Mass hypotheses for which this channel is searched; by default all.
    """

    patterns: Patterns | Sequence[Patterns]
    efficiencies: Sequence[float]
    model: FitModel | None = None
    spurious: ArrayLike | None = None
    refused: ArrayLike | None = None
    variance: ArrayLike | None = None
    searched: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class Combination:
    """Data and pseudo-experiments of all channels, at all mass hypotheses.

    Attributes
    ----------
    steps : dict of str to StatisticalStep
        The channels with their fits.
    toys : dict of str to Toys
        Pseudo-experiments of each; equal rows are one pseudo-experiment.
    """

    steps: dict[str, StatisticalStep]
    toys: dict[str, Toys]

    @property
    def pairs(self) -> list[tuple[StatisticalStep, Toys]]:
        """Each channel with its pseudo-experiments."""
        return [(step, self.toys[name]) for name, step in self.steps.items()]

    @cached_property
    def z(self) -> Array:
        """Significances of the data, shape (n_windows, n_channels); -8.2 where there is none."""
        log_p = [step.best_of_windows(toys)[1] for step, toys in self.pairs]
        return np.stack([z_of_log_p(each) for each in log_p], axis=-1)

    @cached_property
    def z_toys(self) -> Array:
        """Significances of the pseudo-experiments, shape (n, n_windows, n_channels)."""
        smallest = [step.smallest_of_windows(toys) for step, toys in self.pairs]
        return np.stack([z_of_p(each) for each in smallest], axis=-1)

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

    def enough(self) -> bool:
        """Say whether all global p-values are known well enough."""
        alone = (step.smallest(toys) for step, toys in self.pairs)
        return all(is_enough(*smallest) for smallest in (self.smallest(), *alone))


def combine_channels(
    channels: Mapping[str, HuntChannel],
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
    goals = rounds_of(pseudo_experiments)

    first = {
        name: settled_step(
            _step(name, channel, windows), n=goals[0], seed=_seed_of(seed, name, 0), mapper=mapper
        )
        for name, channel in channels.items()
    }
    steps = {name: step for name, (step, _) in first.items()}
    thrown = {name: [toys] for name, (_, toys) in first.items()}
    combined = Combination(steps, {name: toys for name, (_, toys) in first.items()})
    for index in range(1, len(goals)):
        if combined.enough():
            break
        for name, step in steps.items():
            n, own = goals[index] - goals[index - 1], _seed_of(seed, name, index)
            thrown[name].append(throw_toys(step.scan, step.null, n=n, seed=own, mapper=mapper))
        combined = Combination(steps, {name: join_toys(toys) for name, toys in thrown.items()})
    return combined


def _step(name: str, channel: HuntChannel, windows: ArrayLike) -> StatisticalStep:
    """Fit a channel; errors name it."""
    try:
        return statistical_step(
            channel.patterns,
            windows,
            channel.efficiencies,
            model=channel.model,
            spurious=channel.spurious,
            refused=channel.refused,
            variance=channel.variance,
            searched=channel.searched,
        )
    except (FitError, InputError) as error:
        msg = f"channel {name!r}: {error}"
        raise type(error)(msg) from None


def _seed_of(seed: int, name: str, index: int) -> int:
    """Return a seed of its own for a channel: independent, and not changed by the others."""
    return text_digest(f"{seed}:{index}:{name}")
