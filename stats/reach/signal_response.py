"""What a search makes of a signal event: where in mass it lies, and which selections it passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from ..spectra.binning import gaussian_fractions

__all__ = ["SignalResponse", "gaussian_response", "signal_efficiencies"]

Array = NDArray[np.float64]

_ROUNDING = 1e-9
_LEAST_KEPT = 1e-3  # of the background that a selection without signal would keep


@dataclass(frozen=True, eq=False)
class SignalResponse:
    """Fractions of the signal events that lie in each bin after each selection.

    Attributes
    ----------
    strengths : ndarray of shape (n_strengths,)
        Signal events before selection at which it is known, increasing from 0. A selection that is
        trained on the data learns from them.
    fractions : ndarray of shape (n_strengths, n_repeats, n_levels, n_bins)
        For each of several trainings; the first level is the unselected spectrum.
    takes_place : bool
        Whether a selection keeps a fixed fraction of all events, the signal among them, so that
        signal takes the place of background; else it keeps that fraction of the background.

    Raises
    ------
    InputError
        If shapes disagree, or fractions are no such numbers.

    Examples
    --------
    >>> grow = SignalResponse(np.array([0.0, 100.0]), np.array([[[[0.1, 0.0]]], [[[0.5, 0.2]]]]))
    >>> grow.at(50.0).round(3).tolist()
    [[[0.3, 0.1]]]
    """

    strengths: Array
    fractions: Array
    takes_place: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no response."""
        at, fractions = self.strengths, self.fractions
        if at.ndim != 1 or fractions.ndim != 4 or len(at) != len(fractions) or not at.size:
            msg = (
                f"{at.shape} strengths and {fractions.shape} fractions are no response to a signal"
            )
            raise InputError(msg)
        if at[0] != 0 or np.any(np.diff(at) <= 0):
            msg = f"the strengths of a response must increase from 0, got {at.tolist()}"
            raise InputError(msg)
        if not np.all((fractions >= 0) & (fractions <= 1 + _ROUNDING)):
            msg = "fractions of signal events must lie between 0 and 1"
            raise InputError(msg)

    @property
    def trained(self) -> bool:
        """Whether it depends on the strength, up to the largest at which it is known."""
        return self.strengths.size > 1

    def at(self, strength: float) -> Array:
        """Return the fractions at a strength, shape (n_repeats, n_levels, n_bins).

        Between two strengths they are interpolated linearly, training by training.
        """
        upper = int(np.searchsorted(self.strengths, strength))
        if upper == 0 or not self.trained:
            return self.fractions[0]
        if upper == len(self.strengths):
            return self.fractions[-1]
        low, high = self.strengths[upper - 1 : upper + 1]
        part = (strength - low) / (high - low)
        return (1 - part) * self.fractions[upper - 1] + part * self.fractions[upper]

    def kept_background(
        self, passing: Array, n_background: ArrayLike, efficiencies: Sequence[float]
    ) -> Array:
        r"""Return the fraction of the background that each selection keeps beside the signal.

        With B events of background and S of signal, of which s pass,
        :math:`\epsilon_b = [\epsilon (B + S) - s] / B` where a selection keeps the fraction ε of all.

        Parameters
        ----------
        passing : ndarray of shape (…, n_levels)
            Signal events in the scan range that pass; all of them at first.
        n_background : array_like of shape (…)
            Background events there.
        efficiencies : sequence of float
            1, then the selections.

        Returns
        -------
        ndarray of shape (…, n_levels)
            Never increasing.

        Examples
        --------
        >>> fixed = SignalResponse(np.zeros(1), np.ones((1, 1, 2, 1)), takes_place=True)
        >>> fixed.kept_background(np.array([50.0, 40.0]), 1000.0, (1.0, 0.1)).round(3).tolist()
        [1.0, 0.065]
        """
        wanted = np.broadcast_to(np.asarray(efficiencies, dtype=float), passing.shape)
        if not self.takes_place:
            return wanted
        total = np.asarray(n_background, dtype=float)[..., None]
        kept = (wanted * (total + passing[..., :1]) - passing) / total
        kept = np.clip(kept, _LEAST_KEPT * wanted, wanted)
        return np.minimum.accumulate(kept, axis=-1)


def gaussian_response(
    edges: ArrayLike, mass: float, width: float, efficiencies: Sequence[float]
) -> SignalResponse:
    """Return the response to a Gaussian resonance that no selection distorts.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges of the fits, GeV.
    mass : float
        Its mass, GeV.
    width : float
        Its standard deviation as a fraction of the mass.
    efficiencies : sequence of float
        Fractions of the signal events that pass the selections, from loose to tight.

    Returns
    -------
    SignalResponse
        The same at every strength.

    Examples
    --------
    >>> found = gaussian_response([900, 1000, 1100], 1000.0, 0.1, [0.5])
    >>> found.at(10.0).round(3).tolist()
    [[[0.341, 0.341], [0.171, 0.171]]]
    """
    shape = gaussian_fractions(edges, mass, width * mass)
    passing = np.array([1.0, *efficiencies])
    return SignalResponse(np.zeros(1), (passing[:, None] * shape)[None, None])


def signal_efficiencies(curve: Mapping[float, float], steps: Sequence[float]) -> list[float]:
    """Read the signal efficiency of selections off a curve, linearly in the logarithms of both.

    Parameters
    ----------
    curve : mapping of float to float
        Signal efficiency by background efficiency; 1 by 1 belongs to it.
    steps : sequence of float
        The selections, as background efficiencies.

    Returns
    -------
    list of float

    Raises
    ------
    InputError
        If an efficiency is zero, rises for a tighter selection, or a selection is tighter than all
        of the curve.

    Examples
    --------
    >>> signal_efficiencies({0.1: 0.5, 0.01: 0.25}, [0.1, 0.0316])[1:]
    [0.353...]
    """
    eps_b, eps_s = np.array(sorted(({1.0: 1.0} | dict(curve)).items())).T
    if not 0 < eps_b[0] <= eps_b[-1] <= 1:
        wrong = eps_b[0] if eps_b[0] <= 0 else eps_b[-1]
        msg = (
            f"no selection has the background efficiency {wrong:g}; give signal efficiencies by background "
            "efficiencies above 0 and up to 1"
        )
        raise InputError(msg)
    if np.any(eps_s <= 0):
        zero = eps_b[eps_s <= 0][0]
        msg = (
            f"the signal efficiency at the background efficiency {zero:g} is {eps_s[eps_s <= 0][0]:g}: "
            "a selection that keeps no signal finds none; give a fraction above 0, or leave it out"
        )
        raise InputError(msg)
    if np.any(np.diff(eps_s) < 0):
        k = int(np.argmax(np.diff(eps_s) < 0))
        msg = (
            f"the signal efficiency falls from {eps_s[k]:g} to {eps_s[k + 1]:g} where the background "
            f"efficiency rises from {eps_b[k]:g} to {eps_b[k + 1]:g}: a looser selection keeps more"
        )
        raise InputError(msg)
    beyond = [step for step in steps if step < eps_b[0] * (1 - 1e-9)]
    if beyond:
        msg = (
            f"no signal efficiency is given for the selection {beyond[0]:g}; the smallest background "
            f"efficiency of the curve is {eps_b[0]:g}"
        )
        raise InputError(msg)
    return np.exp(np.interp(np.log(steps), np.log(eps_b), np.log(eps_s))).tolist()
