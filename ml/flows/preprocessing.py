"""Invertible preprocessing of features for density estimation, with its Jacobian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ...core import InputError

__all__ = ["Preprocessing"]

_MARGIN = 1e-3  # of a feature's range, on both sides: the logit of an extreme event stays finite


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Features scaled to their range, through a logit, standardised; each for itself.

    Jet features end in hard edges (masses and their differences at 0, ratios at 0 and 1), which a
    flow describes badly; the logit moves the edges to infinity. With the range [low, high]

        u = (x - low) / (high - low),  z = (log(u / (1 - u)) - mean) / std,
        log |dz/dx| = -log(u (1 - u)) - log(high - low) - log(std)

    summed over features. **Outside** of the range in which the training events lie (widened by
    0.1 % on both sides) the density is zero: the log-Jacobian is -inf there, and z is that of
    the nearest training value.

    Attributes
    ----------
    low, high : ndarray of float64, shape (n_features,)
        The range; infinite for features that are left as they are.
    mean, std : ndarray of float64, shape (n_features,)
        Of the logits of the training events; 0 and 1 for features that are left as they are.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def fit(cls, x: NDArray[Any], *, identity: Sequence[int] = (), margin: float = _MARGIN) -> Self:
        """Learn ranges, means and widths from events.

        Parameters
        ----------
        x : ndarray, shape (n_events, n_features)
            Training events.
        identity : sequence of int
            Columns that are to be left as they are.
        margin : float
            By how much of itself a range is wider than that of the events, on both sides.

        Raises
        ------
        InputError
            If there is no event, or a feature is constant or not finite.
        """
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or not len(x):
            msg = f"preprocessing: expected events of shape (n_events, n_features), found {x.shape}"
            raise InputError(msg)
        smallest, largest = x.min(axis=0), x.max(axis=0)
        width = largest - smallest
        for i in set(range(x.shape[1])) - set(identity):
            if not (np.isfinite(width[i]) and width[i] > 0):
                msg = (
                    f"preprocessing: feature {i} lies between {smallest[i]:g} and {largest[i]:g}; "
                    "constant features and values that are not finite have no density, leave it out"
                )
                raise InputError(msg)
        low, high = smallest - margin * width, largest + margin * width
        left = np.isin(np.arange(x.shape[1]), identity)
        low[left], high[left] = -np.inf, np.inf
        mean, std = np.zeros(x.shape[1]), np.ones(x.shape[1])
        raw = cls(low, high, mean, std).forward(x)[0]
        return cls(
            low,
            high,
            np.where(left, mean, raw.mean(axis=0)),
            np.where(left, std, raw.std(axis=0)),
        )

    def inside(self, x: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which events, shape (n_events,), lie where the density is not zero."""
        return np.all((x > self.low) & (x < self.high), axis=1)

    def forward(self, x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return z, shape (n_events, n_features), and log |dz/dx|, shape (n_events,)."""
        z = np.array(x, np.float64)
        log_jacobian = np.where(self.inside(z), -np.log(self.std).sum(), -np.inf)
        scaled = np.isfinite(self.low)
        low, width = self.low[scaled], (self.high - self.low)[scaled]
        u = (z[:, scaled] - low) / width
        edge = _MARGIN / (1 + 2 * _MARGIN)
        u = np.where(u <= 0, edge, np.where(u >= 1, 1 - edge, u))
        z[:, scaled] = np.log(u) - np.log1p(-u)
        log_jacobian -= (np.log(u) + np.log1p(-u) + np.log(width)).sum(axis=1)
        return (z - self.mean) / self.std, log_jacobian

    def inverse(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """Return the features x of given z, both of shape (n_events, n_features)."""
        x = np.asarray(z, np.float64) * self.std + self.mean
        scaled = np.isfinite(self.low)
        low, high = self.low[scaled], self.high[scaled]
        x[:, scaled] = low + (high - low) * expit(x[:, scaled])
        return x

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})
