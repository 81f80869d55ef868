"""What ``expect:`` of the configuration may say: the signal whose reach is expected, and how much of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from .sections import Section, each_once

__all__ = ["ExpectConfig"]

_FEWEST_REPEATS = 2

_Efficiency = Annotated[float, Field(ge=0, le=1)]


class ExpectConfig(Section):
    """The expected reach: ``overdensity expect``.

    The signals are those of ``limits.signals``, for which the search is trained on pseudo-data that
    hold them; with `efficiencies`, also a Gaussian resonance for which nothing is trained.

    Attributes
    ----------
    strengths : tuple of float
        Numbers of signal events before selection with which simulated signals are trained, in
        increasing order; 0 is always there. By default those of ``limits.injections``. The reach
        is followed up to the largest.
    repeats : int
        Trainings at each strength.
    efficiencies : dict of float to float
        Signal efficiency by background efficiency, between which it is interpolated: what the
        selections are taken to keep of a Gaussian resonance.
    masses : tuple of float
        Of the Gaussian resonance, GeV; by default the centers of the windows.
    width : float
        Its standard deviation as a fraction of the mass.
    toys : int
        Datasets thrown at each strength.
    """

    strengths: tuple[Annotated[float, Field(gt=0)], ...] = ()
    repeats: Annotated[int, Field(ge=_FEWEST_REPEATS, le=1000)] = 5
    efficiencies: dict[_Efficiency, _Efficiency] = Field(default_factory=dict)
    masses: tuple[Annotated[float, Field(gt=0)], ...] = ()
    width: Annotated[float, Field(gt=0, lt=1)] = 0.03
    toys: Annotated[int, Field(ge=100, le=10_000_000)] = 1000

    @field_validator("strengths", "masses")
    @classmethod
    def _values_increase(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(each_once(value)))
