"""The hard process q qbar → Z' → X Y, with X and Y scalars (or fermions) of any mass.

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

_SPIN_STATES = {2: 1, 3: 2}  # 2s + 1 of X and Y by prongs: scalar → q qbar, fermion → q q q
_TWO_PRONG = [(flavour, -flavour) for flavour in (1, 2, 3, 4, 5)]
# Neutral three-quark states of three different flavours, and their antiparticles.
_THREE_QUARKS = [(2, 1, 3), (2, 1, 5), (2, 3, 5), (4, 1, 3), (4, 1, 5), (4, 3, 5)]
_THREE_PRONG = _THREE_QUARKS + [tuple(-quark for quark in quarks) for quarks in _THREE_QUARKS]

_WINDOW = 10.0  # half-widths of the mass windows, in units of the width


def particle_lines(masses: ZprimeMasses, prongs: int, relative_width: float) -> list[str]:
    """Return the Pythia settings that define Z', X and Y.

    Parameters
    ----------
    masses : ZprimeMasses
        In GeV.
    prongs : int
        2: X, Y → q qbar; 3: X, Y → q q q; all flavours but top, with equal probability and flat
        in phase space.
    relative_width : float
        Width over mass of all three.

    Returns
    -------
    list of str
        Lines for ``Pythia.readString``.
    """
    channels = _TWO_PRONG if prongs == 2 else _THREE_PRONG
    lines = [
        _new(ZPRIME_ID, "Zprime", 3, masses.zprime, relative_width),
        f"{ZPRIME_ID}:isResonance = on",
        f"{ZPRIME_ID}:oneChannel = 1 1.0 101 {X_ID} {Y_ID}",
    ]
    for pdg_id, name, mass in ((X_ID, "X", masses.x), (Y_ID, "Y", masses.y)):
        lines += [
            _new(pdg_id, name, _SPIN_STATES[prongs], mass, relative_width),
            f"{pdg_id}:isResonance = on",
        ]
        for index, quarks in enumerate(channels):
            verb = "addChannel" if index else "oneChannel"
            products = " ".join(str(quark) for quark in quarks)
            lines.append(f"{pdg_id}:{verb} = 1 {1 / len(channels)} 101 {products}")
    return lines


def _new(pdg_id: int, name: str, spin_states: int, mass: float, relative_width: float) -> str:
    """Return the line that makes a neutral, colourless, self-conjugate particle."""
    width = relative_width * mass
    low, high = mass - _WINDOW * width, mass + _WINDOW * width
    return f"{pdg_id}:new = {name} void {spin_states} 0 0 {mass} {width} {max(low, 1.0)} {high} 0"


class ZprimeToXY(pythia8mc.Sigma1Process):
    """q qbar → Z' → X Y with a vector coupling of equal strength to all quarks.

    The couplings of a new particle are unknown, so the cross section has the shape of a
    Breit-Wigner and an arbitrary norm. A spin-1 resonance made from massless quarks has helicity
    ±1 along the beam, so that its decay to two scalars goes as sin²θ.
    """

    def __init__(self, mass: float, relative_width: float) -> None:
        super().__init__()
        self.mass2 = mass**2
        self.relative_width = relative_width
        self.breit_wigner = 0.0

    def initProc(self) -> None:  # noqa: N802 - Pythia's name
        """Have nothing to prepare."""

    def sigmaKin(self) -> None:  # noqa: N802 - Pythia's name
        """Store the part of the cross section that all flavours share, with a running width."""
        s = self.sH
        self.breit_wigner = 1e-6 * s / ((s - self.mass2) ** 2 + (s * self.relative_width) ** 2)

    def sigmaHat(self) -> float:  # noqa: N802 - Pythia's name
        """Return the cross section for one pair of incoming quarks."""
        return self.breit_wigner

    def setIdColAcol(self) -> None:  # noqa: N802 - Pythia's name
        """Set the Z' and the colour flow from quark to antiquark."""
        self.setId(self.id1, self.id2, ZPRIME_ID)
        if self.id1 > 0:
            self.setColAcol(1, 0, 0, 1, 0, 0)
        else:
            self.setColAcol(0, 1, 1, 0, 0, 0)

    def weightDecay(self, process: Any, first: int, _last: int) -> float:  # noqa: N802 - Pythia's name
        """Return sin²θ of X in the rest frame of the Z' (entry 5 of the hard process)."""
        if first != 5:
            return 1.0  # X and Y decay isotropically
        direction = pythia8mc.Vec4(process[6].p())
        direction.bstback(process[5].p())
        return 1.0 - direction.pz() ** 2 / direction.pAbs2()

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
