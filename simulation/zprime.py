"""The hard process q qbar → Z' → X Y, with X and Y of any mass.

Pythia has no resonance that decays to two unequal new particles, so the process is given to it as
a class; the showers, X → q q and hadronisation are Pythia's own.
"""

from __future__ import annotations

from typing import Any

import pythia8mc

from .settings import ZprimeMasses

__all__ = ["X_ID", "Y_ID", "ZPRIME_ID", "ZprimeToXY", "particle_lines"]

# In the block that the PDG numbering scheme leaves to generators.
ZPRIME_ID, X_ID, Y_ID = 9_900_032, 9_900_033, 9_900_034

_SPIN_STATES = {2: 3, 3: 2}  # 2s + 1 of X and Y by prongs: q qbar is a boson, q q q a fermion
_TWO_PRONG = [(flavour, -flavour) for flavour in (1, 2, 3, 4, 5)]
# Neutral three-quark states of three different flavours, and their antiparticles.
_THREE_QUARKS = [(2, 1, 3), (2, 1, 5), (2, 3, 5), (4, 1, 3), (4, 1, 5), (4, 3, 5)]
_THREE_PRONG = _THREE_QUARKS + [tuple(-quark for quark in quarks) for quarks in _THREE_QUARKS]

_WINDOW = 10.0  # half-widths of the mass windows, in units of the width


def particle_lines(
    masses: ZprimeMasses, prongs: int, zprime_width: float, xy_width: float
) -> list[str]:
    """Return the Pythia settings that define Z', X and Y.

    Parameters
    ----------
    masses : ZprimeMasses
        In GeV.
    prongs : int
        2: X, Y → q qbar; 3: X, Y → q q q; all flavours but top, with equal probability.
    zprime_width, xy_width : float
        Width over mass of the Z', and of X and Y.

    Returns
    -------
    list of str
        Lines for ``Pythia.readString``.
    """
    channels = _TWO_PRONG if prongs == 2 else _THREE_PRONG
    lines = [
        _new(ZPRIME_ID, "Zprime", 3, masses.zprime, zprime_width),
        f"{ZPRIME_ID}:isResonance = on",
        f"{ZPRIME_ID}:oneChannel = 1 1.0 101 {X_ID} {Y_ID}",
    ]
    for pdg_id, name, mass in ((X_ID, "X", masses.x), (Y_ID, "Y", masses.y)):
        lines += [
            _new(pdg_id, name, _SPIN_STATES[prongs], mass, xy_width),
            f"{pdg_id}:isResonance = on",
        ]
        for index, quarks in enumerate(channels):
            verb = "addChannel" if index else "oneChannel"
            products = " ".join(str(quark) for quark in quarks)
            lines.append(f"{pdg_id}:{verb} = 1 {1 / len(channels)} 101 {products}")
    return lines


def _new(pdg_id: int, name: str, spin_states: int, mass: float, relative_width: float) -> str:
    """Return the line that makes a neutral, colorless, self-conjugate particle."""
    width = relative_width * mass
    low, high = mass - _WINDOW * width, mass + _WINDOW * width
    return f"{pdg_id}:new = {name} void {spin_states} 0 0 {mass} {width} {max(low, 1.0)} {high} 0"


class ZprimeToXY(pythia8mc.Sigma1Process):
    """q qbar → Z' → X Y with a vector coupling of equal strength to all quarks.

    The couplings of a new particle are unknown, so the cross section has the shape of a
    Breit-Wigner and an arbitrary norm. A spin-1 resonance made from massless quarks has helicity
    ±1 along the beam, so that its decay to two scalars, or two longitudinal vector bosons, goes as
    sin²θ; a longitudinal boson decays to massless quarks as sin² of the angle to its flight.
    """

    def __init__(self, mass: float, relative_width: float, *, polarised: bool) -> None:
        super().__init__()
        self.mass2 = mass**2
        self.relative_width = relative_width
        self.polarised = polarised
        self.breit_wigner = 0.0

    def initProc(self) -> None:  # noqa: N802 - Pythia's name
        """Prepare nothing."""

    def sigmaKin(self) -> None:  # noqa: N802 - Pythia's name
        """Store the part of the cross section that all flavours share, with a running width."""
        s = self.sH
        self.breit_wigner = 1e-6 * s / ((s - self.mass2) ** 2 + (s * self.relative_width) ** 2)

    def sigmaHat(self) -> float:  # noqa: N802 - Pythia's name
        """Return the cross section for one pair of incoming quarks."""
        return self.breit_wigner

    def setIdColAcol(self) -> None:  # noqa: N802 - Pythia's name
        """Set the Z' and the color flow from quark to antiquark."""
        self.setId(self.id1, self.id2, ZPRIME_ID)
        if self.id1 > 0:
            self.setColAcol(1, 0, 0, 1, 0, 0)
        else:
            self.setColAcol(0, 1, 1, 0, 0, 0)

    def weightDecay(self, process: Any, first: int, last: int) -> float:  # noqa: N802 - Pythia's name
        """Return the weight, at most 1, of the decays of entries first to last.

        Entry 5 of the hard process is the Z', made by beams along z; 6 and 7 are X and Y.
        """
        if first == 5:
            return _sine_squared(process[6].p(), pythia8mc.Vec4(0, 0, 1, 0), process[5].p())
        if not self.polarised:
            return 1.0
        weight = 1.0
        for index in range(first, last + 1):
            boson = process[index]
            against = pythia8mc.Vec4(process[5].p())
            against.bstback(boson.p())
            weight *= _sine_squared(process[boson.daughter1()].p(), against, boson.p())
        return weight

    def name(self) -> str:
        """Return the name in Pythia's statistics."""
        return "q qbar -> Z' -> X Y"

    def code(self) -> int:
        """Return the code in Pythia's statistics, beyond its own."""
        return 10_001

    def inFlux(self) -> str:  # noqa: N802 - Pythia's name
        """Return that the beams give a quark and its antiquark."""
        return "qqbarSame"

    def resonanceA(self) -> int:  # noqa: N802 - Pythia's name
        """Return the resonance whose shape the phase space follows."""
        return ZPRIME_ID

    def isSChannel(self) -> bool:  # noqa: N802 - Pythia's name
        """Return that the process is a single resonance."""
        return True


def _sine_squared(momentum: Any, axis: Any, frame: Any) -> float:
    """Return sin² of the angle between an axis and a momentum boosted to the rest of ``frame``."""
    boosted = pythia8mc.Vec4(momentum)
    boosted.bstback(frame)
    along = boosted.px() * axis.px() + boosted.py() * axis.py() + boosted.pz() * axis.pz()
    return 1.0 - along**2 / (boosted.pAbs2() * axis.pAbs2())
