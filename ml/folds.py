"""Which fold an event belongs to: a hash of its 64-bit id, so nothing else can change it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError
from ..core.identity import splitmix64, text_digest

__all__ = ["CrossFitting", "fold_of", "training_folds"]

CrossFitting = Literal["tournament", "all"]


def fold_of(
    event: NDArray[np.uint64], folds: int, *, seed: int, salt: str = "outer"
) -> NDArray[np.int64]:
    """Return the fold of each event, from 0 to ``folds`` - 1.

    Parameters
    ----------
    event : ndarray of uint64, shape (n_events,)
        Event ids.
    folds : int
        The number of folds, at least 2.
    seed : int
        Another seed, another division.
    salt : str
        Names the division: inner folds take another salt, which makes them independent of the
        outer ones at the same seed.

    Returns
    -------
    ndarray of int64, shape (n_events,)

    Raises
    ------
    ConfigError
        If there are fewer than two folds.
    """
    if folds < 2:
        msg = f"cross-fitting needs at least 2 folds, not {folds}"
        raise ConfigError(msg)
    key = np.uint64(text_digest(f"{salt}:{seed}"))
    mixed = splitmix64(splitmix64(event) ^ key)
    # The high half: the modulus of a 64-bit number by a small k would be just as good.
    return ((mixed >> np.uint64(32)) % np.uint64(folds)).astype(np.int64)


def training_folds(fold: int, folds: int, scheme: CrossFitting = "tournament") -> tuple[int, ...]:
    """Return the folds that a model is trained on before it scores one.

    With ``"all"``, the published scheme, these are all others. Then any two folds learn from each
    other: where both fluctuate up in the same corner, each makes the other select it, and the yield
    of the selected events, though unbiased, varies by more than Poisson statistics. With
    ``"tournament"`` a fold learns from the next (folds - 1) / 2 in the circle, so that of any two at
    most one learns from the other. Given all events but those of fold g, the excess of g has mean
    zero, and no fold that g learns from has learnt from g: the excesses of two folds are
    uncorrelated, and their sum has the variance of Poisson.

    Parameters
    ----------
    fold : int
        The fold to be scored.
    folds : int
        Their number.
    scheme : {"tournament", "all"}
        Which others.

    Returns
    -------
    tuple of int

    Raises
    ------
    ConfigError
        If no fold would be left to train on.
    """
    reach = folds - 1 if scheme == "all" else (folds - 1) // 2
    if reach < 1:
        needed = 2 if scheme == "all" else 3
        msg = f"cross_fitting: {scheme} needs at least {needed} folds, not {folds}"
        raise ConfigError(msg)
    return tuple((fold + step) % folds for step in range(1, reach + 1))
