"""How the background of a spectrum is fitted, and which fits may be quoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, Record, nearest_names

__all__ = ["Background", "FitModel"]

Background = Literal["function", "shaping", "transfer"]
"""What a selection is compared with: a function times its efficiency, or counted spectra."""

_WIDE = 1.0  # rms of the log-odds of passing over the scan range


@dataclass(frozen=True)
class FitModel(Record):
    r"""The settings that all fits of a search have in common.

    Attributes
    ----------
    function : str
        Background function (`background_functions`).
    guard : int
        Bins on either side of the signal region that are fitted but do not count in the goodness
        of fit, as a resonance leaks into them.
    efficiency_order : int
        Degree in ln m of the log-odds of passing a selection: how it may bend the spectrum.
    efficiency_prior : float or None
        Width of the Gaussian constraint of each of its terms, from the slope on, as the rms of the
        log-odds over the scan range; by default it is measured in all windows of a search
        (`overdensity.stats.search.odds_prior`), or 1 where the background is counted: with widths that
        were measured, boxes of a score that knows no window had too small p-values. At 1 it is far wider than what calibrated scores
        leave, and keeps the fit finite where hardly an event passes.
    background : {'function', 'shaping', 'transfer'}
        What the spectrum of a selection is expected to be: the function, fitted before selection, times
        the efficiency :math:`\epsilon(m)`; the events before selection times it, the shaping function
        of LHCO §3.4 (arXiv:2101.08320); or those that fail times the odds
        :math:`\epsilon / (1 - \epsilon)`, the transfer factor of §3.7. The last two need no function.
    gof_threshold : float
        A fit whose goodness of fit has a smaller p-value is flagged, in data and
        pseudo-experiments alike.

    Raises
    ------
    ConfigError
        If the guard or the order is negative, the prior not positive, the threshold not between
        0 and 1, or the background unknown.

    Examples
    --------
    >>> FitModel("dijet4").guard
    2
    >>> FitModel(efficiency_prior=0.0)
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: efficiency_prior is 0; it must be greater than 0
    """

    function: str = "dijet5"
    guard: int = 2
    efficiency_order: int = 4
    efficiency_prior: float | None = None
    background: Background = "function"
    gof_threshold: float = 0.003

    def __post_init__(self) -> None:
        """Refuse settings that no fit can have."""
        if self.background not in get_args(Background):
            msg = f"background {self.background!r}: {nearest_names(self.background, get_args(Background))}"
            raise ConfigError(msg)
        for name, value, good, rule in (
            ("guard", self.guard, self.guard >= 0, "not negative"),
            ("efficiency_order", self.efficiency_order, self.efficiency_order >= 0, "not negative"),
            ("efficiency_prior", self._width, self._width > 0, "greater than 0"),
            ("gof_threshold", self.gof_threshold, 0 <= self.gof_threshold < 1, "from 0 to below 1"),
        ):
            if not good:
                msg = f"{name} is {value:g}; it must be {rule}"
                raise ConfigError(msg)

    @property
    def _width(self) -> float:
        """Width of the constraints; where it is to be measured, the wide one to begin with."""
        return _WIDE if self.efficiency_prior is None else self.efficiency_prior

    @property
    def measures_bend(self) -> bool:
        """Whether the widths of the constraints are measured in a search.

        Examples
        --------
        >>> FitModel().measures_bend, FitModel(background="transfer").measures_bend
        (True, False)
        """
        return self.efficiency_prior is None and self.background == "function"

    def odds_precision(self) -> NDArray[np.float64]:
        r"""Return :math:`1/\sigma^2` of the constraints of the log-odds of passing.

        That of their mean has the width 10: the data fix it wherever there are events. Widths that
        are to be measured begin at 1.

        Examples
        --------
        >>> FitModel(efficiency_prior=0.5).odds_precision().tolist()
        [0.01, 4.0, 4.0, 4.0, 4.0]
        """
        return np.r_[10.0, np.full(self.efficiency_order, self._width)] ** -2.0
