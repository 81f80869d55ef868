"""What ``uncertainties:`` of the configuration may say: of the signal, and of the background."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from .registries import FunctionName
from .sections import Names, Section, each_once, listed

__all__ = ["UncertaintiesConfig"]

_Relative = Annotated[float, Field(ge=0, lt=1)]


class UncertaintiesConfig(Section):
    """Systematic uncertainties, relative and one standard deviation: nuisance parameters by name.

    Attributes
    ----------
    luminosity : float
        Of the number of signal events that a cross section stands for.
    tagger : float
        Of the efficiency of a selection for signal, from a control region. What the statistics of
        the simulation leave open comes beside it, as ``tagger_simulation``.
    position, width : float
        Of the mass at which the resonance is seen, and of its width.
    variations : tuple of str
        Names of varied columns of the simulated signal, such as ``jes`` and ``jer``, found beside
        its columns as ``overdensity process`` leaves them with ``systematics``.
    functions : tuple of str
        Background functions that might be right beside ``fit.function``: their envelope is a
        nuisance of the background, in every p-value.
    """

    luminosity: _Relative = 0.0
    tagger: _Relative = 0.0
    position: _Relative = 0.0
    width: _Relative = 0.0
    variations: Names = ()
    functions: Annotated[
        tuple[FunctionName, ...], BeforeValidator(listed), AfterValidator(each_once)
    ] = ()
