r"""How many prongs the jets of an excess have, from their N-subjettiness.

The excess is what a signal region has above its sidebands, in windows around both peaks of the jet
masses and without a cut on any score: a score that has seen N-subjettiness would choose its answer.
The means of :math:`\tau_{21}` and :math:`\tau_{32}` over the excess are taken in units of those of
background jets of the same mass, since either depends on mass and momentum of a jet as much as on
its prongs. Of the two numbers :math:`t_{21}` and :math:`t_{32}`

- the ratio :math:`t_{32} / t_{21}` tells two prongs from three. Two axes describe two prongs well
  and a third gains nothing, so that :math:`\tau_{21}` is small and :math:`\tau_{32}` as of
  background; three prongs need the third axis, and it is the other way round;
- the product, which is of :math:`\tau_{31}`, tells prongs from none: it is 1 for jets like those of
  the background.

In the signals that the rule was made on (Z' of 3.5 TeV to X of 500 and Y of 100 GeV, Delphes)
the ratio is 1.6 and 1.3 for two prongs (X, Y), 0.7 and 1.0 for three; the product is 0.6 and 0.6 for
two, 0.8 and 0.8 for three. The cuts lie in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record

__all__ = ["Prongs", "count_prongs"]

Array = NDArray[np.float64]

_TWO_OR_THREE = 1.1  # of the ratio; above are two prongs
_ANY = 0.93  # of the product; above are none
_FEWEST = 10  # events of excess
_SIGNIFICANT = 3.0  # standard deviations of the excess
_RESAMPLED = 200


@dataclass(frozen=True)
class Prongs(Record):
    """The number of prongs of one jet of an excess.

    Attributes
    ----------
    number : int or None
        1, 2 or 3; None where the excess is too small to tell.
    agreement : float or None
        The share of resampled datasets that gives this number.
    tau21, tau32 : float or None
        Means over the excess, in units of background jets of the same mass.
    excess, excess_error : float
        Events in the windows above the sidebands.

    Examples
    --------
    >>> Prongs(2, 0.98, 0.65, 0.97, 300.0, 25.0).number
    2
    """

    number: int | None
    agreement: float | None
    tau21: float | None
    tau32: float | None
    excess: float
    excess_error: float


def count_prongs(
    inside: ArrayLike, beside: ArrayLike, reference: ArrayLike, *, transfer: float, seed: int
) -> Prongs:
    """Count the prongs of one jet of an excess.

    Parameters
    ----------
    inside : array_like of shape (n_inside, 2)
        τ21 and τ32 of the jet in the events of the signal region, in the windows of jet masses.
    beside : array_like of shape (n_beside, 2)
        Of the events of the sidebands in the same windows.
    reference : array_like of shape (n_reference, 2)
        Of background jets of the same mass, whatever the other jet weighs.
    transfer : float
        Background events in the signal region for each one in the sidebands.
    seed : int
        Of the resampling.

    Returns
    -------
    Prongs

    Raises
    ------
    InputError
        If a value is not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> qcd, two_prong = rng.normal([0.55, 0.7], 0.1, (900, 2)), rng.normal([0.3, 0.68], 0.1, (200, 2))
    >>> count_prongs(
    ...     np.r_[qcd[:100], two_prong], qcd[100:300], qcd[300:], transfer=0.5, seed=1
    ... ).number
    2
    """
    inside, beside, reference = (
        np.asarray(x, dtype=float).reshape(-1, 2) for x in (inside, beside, reference)
    )
    if not all(np.isfinite(x).all() for x in (inside, beside, reference)):
        msg = "N-subjettiness: some values are NaN or infinite"
        raise InputError(msg)
    excess = float(len(inside) - transfer * len(beside))
    error = float(np.sqrt(len(inside) + transfer**2 * len(beside)))
    if excess < max(_FEWEST, _SIGNIFICANT * error) or not len(reference):
        return Prongs(None, None, None, None, excess, error)
    unit = np.maximum(reference.mean(axis=0), 1e-6)
    taus = _mean_of_excess(inside, beside, transfer) / unit
    rng = np.random.default_rng(seed)
    again = [
        _number(_mean_of_excess(_drawn(inside, rng), _drawn(beside, rng), transfer) / unit)
        for _ in range(_RESAMPLED)
    ]
    number = _number(taus)
    tau21, tau32 = taus.tolist()
    return Prongs(number, float(np.mean(np.equal(again, number))), tau21, tau32, excess, error)


def _drawn(events: Array, rng: np.random.Generator) -> Array:
    """Return as many of the events as another experiment might have had, some of them twice."""
    return (
        events[rng.integers(len(events), size=rng.poisson(len(events)))] if len(events) else events
    )


def _mean_of_excess(inside: Array, beside: Array, transfer: float) -> Array:
    """Return the mean of each column over the events that the sidebands do not predict."""
    excess = max(len(inside) - transfer * len(beside), 1.0)
    return (inside.sum(axis=0) - transfer * beside.sum(axis=0)) / excess


def _number(taus: Array) -> int:
    """Return the number of prongs by the rule of this module; taus are in units of background."""
    tau21, tau32 = np.maximum(taus, 1e-6)
    if tau21 * tau32 > _ANY:
        return 1
    return 2 if tau32 / tau21 > _TWO_OR_THREE else 3
