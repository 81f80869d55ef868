"""Which fold an event belongs to: a hash of its 64-bit id, so nothing else can change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError
from ..core.identity import keyed

__all__ = ["CrossFitting", "Folding", "fold_of", "training_folds"]

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

    Examples
    --------
    >>> fold_of(np.arange(6, dtype=np.uint64), 3, seed=1).tolist()
    [1, 2, 0, 1, 2, 1]
    """
    if folds < 2:
        msg = f"cross-fitting needs at least 2 folds, not {folds}"
        raise ConfigError(msg)
    mixed = keyed(event, f"{salt}:{seed}")
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

    Examples
    --------
    >>> training_folds(5, 7)
    (6, 0, 1)
    >>> training_folds(5, 7, "all")
    (6, 0, 1, 2, 3, 4)
    """
    reach = folds - 1 if scheme == "all" else (folds - 1) // 2
    if reach < 1:
        needed = 2 if scheme == "all" else 3
        msg = f"cross_fitting: {scheme} needs at least {needed} folds, not {folds}"
        raise ConfigError(msg)
    return tuple((fold + step) % folds for step in range(1, reach + 1))


@dataclass(frozen=True)
class Folding:
    """How events are divided for cross-fitting, and who learns from whom.

    Attributes
    ----------
    seed : int
        Decides the division and the trainings.
    folds : int
        The number of folds, at least 2.
    scheme : {"tournament", "all"}
        Which of the other folds a model is trained on (:func:`training_folds`).
    salt : str
        Names the division; another one is independent of it at the same seed.

    Raises
    ------
    ConfigError
        If the folds are too few.

    Examples
    --------
    >>> folding = Folding(seed=1, folds=3)
    >>> event = np.arange(6, dtype=np.uint64)
    >>> folding.of(event).tolist()
    [1, 2, 0, 1, 2, 1]
    >>> folding.rows(event, 0).tolist()
    [2]
    """

    seed: int
    folds: int = 7
    scheme: CrossFitting = "tournament"
    salt: str = "outer"

    def __post_init__(self) -> None:
        training_folds(0, self.folds, self.scheme)

    def of(self, event: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the fold of each event, from 0 to ``folds`` - 1."""
        return fold_of(event, self.folds, seed=self.seed, salt=self.salt)

    def rows(self, event: NDArray[np.uint64], fold: int) -> NDArray[np.int64]:
        """Return the indices of the events of a fold, which its model scores."""
        return np.flatnonzero(self.of(event) == self._checked(fold))

    def training(self, event: NDArray[np.uint64], fold: int) -> NDArray[np.bool_]:
        """Return which events the model of a fold is trained on, shape (n_events,)."""
        others: Any = training_folds(self._checked(fold), self.folds, self.scheme)
        return np.isin(self.of(event), others)

    @property
    def training_share(self) -> float:
        """The fraction of all folds that a model is trained on."""
        return len(training_folds(0, self.folds, self.scheme)) / self.folds

    def training_seed(self, fold: int) -> int:
        """Return the seed of the training for a fold."""
        return int(np.random.SeedSequence([self.seed, fold]).generate_state(1, np.uint64)[0])

    def _checked(self, fold: int) -> int:
        if not 0 <= fold < self.folds:
            msg = f"fold {fold} does not exist: {self.folds} folds are numbered from 0"
            raise ConfigError(msg)
        return fold
