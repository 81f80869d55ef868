"""The section of a search that says how a selection may bend the mass spectrum."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .sections import Section

__all__ = ["EfficiencyConfig"]


class EfficiencyConfig(Section):
    """How a selection may bend the spectrum: log-odds of passing, a polynomial of ln(mass).

    Attributes
    ----------
    order : int
        Its degree.
    prior : {'measured'} or float
        Width of the Gaussian constraint of each term, from the slope on, as the rms of the log-odds over the
        scan range: a number, or as all windows of the search show it. Where no function is fitted
        (``fit.background``) nothing is measured, and the terms are as good as free: the width is 1.
    """

    order: Annotated[int, Field(ge=0, le=6)] = 4
    prior: Literal["measured"] | Annotated[float, Field(gt=0)] = "measured"
