"""What can be chosen: signal masses, generator, detector and event selection."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..core import InputError, Record

__all__ = [
    "DetectorSettings",
    "GeneratorSettings",
    "Selection",
    "ZprimeMasses",
    "check_lines",
    "refuse_broad",
    "require_positive",
]

_BROADEST = 0.05  # width over mass
_PYTHIA_LINE = re.compile(r"\s*[\w*-]+:\S+\s*=\s*\S")


def require_positive(settings: Any, *names: str) -> None:
    """Refuse values, of all fields where none are named, that are no finite positive numbers."""
    for name in names or [field.name for field in fields(settings)]:
        value = getattr(settings, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and value > 0):
            msg = f"{type(settings).__name__}.{name} must be a positive number, not {value}"
            raise InputError(msg)


def refuse_broad(settings: Any, *names: str) -> None:
    """Refuse widths over mass with which a resonance is no peak and leaves its range of masses."""
    for name in names:
        value = getattr(settings, name)
        if value > _BROADEST:
            msg = (
                f"{type(settings).__name__}.{name} must be at most {_BROADEST}, not {value}: "
                "broader resonances leave the mass windows of the generator"
            )
            raise InputError(msg)


def check_lines(place: str, lines: Iterable[str]) -> None:
    """Refuse lines that Pythia would misread, or that would make all chunks alike.

    Raises
    ------
    InputError
        Naming the place and the line.
    """
    for line in lines:
        if not _PYTHIA_LINE.match(line):  # Pythia takes it for a comment and says nothing
            msg = f"{place}: {line!r} is no setting; write 'Group:name = value'"
            raise InputError(msg)
        if line.strip().lower().startswith("random:"):
            msg = f"{place}: {line!r} would make all chunks alike; leave it out"
            raise InputError(msg)


@dataclass(frozen=True)
class ZprimeMasses(Record):
    """Masses of the signal Z' → X Y, in GeV; the defaults are the LHC Olympics R&D signal.

    Attributes
    ----------
    zprime : float
        Mass of the resonance.
    x, y : float
        Masses of its two decay products, each of which decays to quarks.

    Raises
    ------
    InputError
        If a mass is not positive, or X and Y together are not lighter than the Z'.

    Examples
    --------
    >>> ZprimeMasses(zprime=4000.0, x=300.0).y
    100.0
    >>> ZprimeMasses(zprime=500.0)
    Traceback (most recent call last):
    overdensity.core.errors.InputError: a Z' of 500 GeV cannot decay to X of 500 GeV and Y of 100 GeV: choose x + y < zprime
    """

    zprime: float = 3500.0
    x: float = 500.0
    y: float = 100.0

    def __post_init__(self) -> None:
        require_positive(self)
        if self.x + self.y >= self.zprime:
            msg = (
                f"a Z' of {self.zprime:g} GeV cannot decay to X of {self.x:g} GeV and Y of "
                f"{self.y:g} GeV: choose x + y < zprime"
            )
            raise InputError(msg)
        if min(self.x, self.y) < 20:
            msg = (
                f"X and Y must weigh at least 20 GeV to decay to b quarks and shower, "
                f"not {min(self.x, self.y):g} GeV"
            )
            raise InputError(msg)


@dataclass(frozen=True)
class GeneratorSettings(Record):
    """Settings of Pythia that reproduce the LHC Olympics R&D sample.

    Attributes
    ----------
    collision_energy : float
        Of the protons in their center of mass, GeV.
    pt_hat_min : float
        Smallest transverse momentum of the hard QCD scattering, GeV.
    m_hat_min, m_hat_max : float, optional
        Range of the hard QCD scattering's invariant mass, GeV; no limit by default. For studies in
        one mass window: radiation moves the dijet mass, so the range must be wider than that.
    tau0_max : float
        Particles with a longer mean proper lifetime reach the detector undecayed, mm/c.
    zprime_width, xy_width : float
        Width over mass of the Z', and of X and Y.
    xy_polarised : bool
        X and Y → q q as of longitudinal vector bosons, with sin² of the angle to their flight; or
        isotropically. Decays to three quarks are always flat in phase space.
    pythia : tuple of str
        Further lines for Pythia, after our own, such as ``"TimeShower:alphaSvalue = 0.118"`` or
        ``"PartonShowers:model = 2"``: another shower, for methods that compare with simulation.

    Notes
    -----
    Widths and polarisation are not published. These were chosen because the jets then look as in
    the official signal (docs/simulation.md).

    Examples
    --------
    >>> GeneratorSettings(m_hat_min=2500.0, pythia=("PartonShowers:model = 2",)).pt_hat_min
    1100.0
    """

    collision_energy: float = 13_000.0
    pt_hat_min: float = 1_100.0
    m_hat_min: float | None = None
    m_hat_max: float | None = None
    tau0_max: float = 10.0
    zprime_width: float = 0.001
    xy_width: float = 0.026
    xy_polarised: bool = True
    pythia: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [name for name in ("m_hat_min", "m_hat_max") if getattr(self, name) is not None]
        require_positive(
            self, "collision_energy", "pt_hat_min", "tau0_max", "zprime_width", "xy_width", *given
        )
        low, high = self.m_hat_min, self.m_hat_max
        if low is not None and high is not None and low >= high:
            msg = (
                f"GeneratorSettings.m_hat_min ({low:g} GeV) must be below m_hat_max ({high:g} GeV)"
            )
            raise InputError(msg)
        check_lines("GeneratorSettings.pythia", self.pythia)
        refuse_broad(self, "zprime_width", "xy_width")


@dataclass(frozen=True)
class DetectorSettings(Record):
    """Geometry of the tracker, and factors on the CMS card for studies of a wrong detector.

    Attributes
    ----------
    radius, half_length : float
        Of the tracker's cylinder, metres.
    field : float
        Magnetic field, tesla.
    efficiency_scale : float
        Factor on the tracking efficiency.
    resolution_scale : float
        Factor on the resolutions of tracks and towers.
    track_resolution_scale, ecal_resolution_scale, hcal_resolution_scale : float
        Further factors on those of tracks, and of the towers of each calorimeter.

    Examples
    --------
    >>> DetectorSettings(resolution_scale=1.1).field
    3.8
    """

    radius: float = 1.29
    half_length: float = 3.0
    field: float = 3.8
    efficiency_scale: float = 1.0
    resolution_scale: float = 1.0
    track_resolution_scale: float = 1.0
    ecal_resolution_scale: float = 1.0
    hcal_resolution_scale: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self)


@dataclass(frozen=True)
class Selection(Record):
    """Which events are written: those with one hard anti-kT jet.

    Attributes
    ----------
    jet_radius : float
        Radius parameter of the jets.
    jet_pt_min : float
        At least one jet must have this transverse momentum, GeV.
    jet_pt_max : float, optional
        The leading jet must have less, GeV.
    matched : bool
        Where the kind of a process has a jet of its own, such as a top quark's, the leading jet
        must be one: with all quarks of the decay within its radius.

    Examples
    --------
    >>> Selection(jet_pt_min=-1.0)
    Traceback (most recent call last):
    overdensity.core.errors.InputError: Selection.jet_pt_min must be a positive number, not -1.0
    """

    jet_radius: float = 1.0
    jet_pt_min: float = 1_200.0
    jet_pt_max: float | None = None
    matched: bool = False

    def __post_init__(self) -> None:
        given = () if self.jet_pt_max is None else ("jet_pt_max",)
        require_positive(self, "jet_radius", "jet_pt_min", *given)
        if self.jet_pt_max is not None and self.jet_pt_max <= self.jet_pt_min:
            msg = (
                f"Selection.jet_pt_min ({self.jet_pt_min:g} GeV) must be below jet_pt_max "
                f"({self.jet_pt_max:g} GeV)"
            )
            raise InputError(msg)
