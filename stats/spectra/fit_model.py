"""How the background of a spectrum is fitted, and which fits may be quoted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, Record

__all__ = ["FitModel"]


@dataclass(frozen=True)
class FitModel(Record):
    r"""The settings that all fits of a search have in common.

    Attributes
    ----------
    function : str
        Background function (`FUNCTIONS`).
    guard : int
        Bins on either side of the signal region that are fitted but do not count in the goodness
        of fit, as a resonance leaks into them.
    freedom : float
        How much a selection may change the shape of the spectrum: the width of the constraint of
        the slope, as the rms of the logarithm of the selection's efficiency over the scan range.
    gof_threshold : float
        A fit whose goodness of fit has a smaller p-value is flagged, in data and
        pseudo-experiments alike.

    Raises
    ------
    ConfigError
        If the guard is negative, the freedom not positive, or the threshold not between 0 and 1.

    Examples
    --------
    >>> FitModel("dijet4").guard
    2
    >>> FitModel(freedom=0.0)
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: freedom is 0; it must be greater than 0
    """

    function: str = "dijet5"
    guard: int = 2
    freedom: float = 1.0
    gof_threshold: float = 0.003

    def __post_init__(self) -> None:
        """Refuse settings that no fit can have."""
        for name, value, good, rule in (
            ("guard", self.guard, self.guard >= 0, "not negative"),
            ("freedom", self.freedom, self.freedom > 0, "greater than 0"),
            ("gof_threshold", self.gof_threshold, 0 <= self.gof_threshold < 1, "from 0 to below 1"),
        ):
            if not good:
                msg = f"{name} is {value:g}; it must be {rule}"
                raise ConfigError(msg)

    def precision(self, n_parameters: int) -> NDArray[np.float64]:
        r"""Return :math:`1/\sigma^2` of the constraints of a selected spectrum.

        The normalisation has the width 10, the k-th shape parameter ``freedom``
        :math:`/2^{k-1}`: far wider than the data wherever there are events, and finite where there
        are none.

        Examples
        --------
        >>> FitModel(freedom=2.0).precision(3).tolist()
        [0.01, 0.25, 1.0]
        """
        width = np.r_[10.0, self.freedom * 0.5 ** np.arange(n_parameters - 1)]
        return 1 / width**2
