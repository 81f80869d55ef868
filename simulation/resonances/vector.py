"""A vector resonance made of a quark and its antiquark, as a hard process for Pythia."""

from __future__ import annotations

from typing import Any

import pythia8mc

__all__ = ["VectorResonance", "new_particle", "sine_squared"]

_WINDOW = 10.0  # half-widths of the mass windows, in units of the width


def new_particle(
    pdg_id: int, name: str, spin_states: int, mass: float, relative_width: float, *, color: int = 0
) -> list[str]:
    """Return the lines that make a neutral, self-conjugate resonance.

    Parameters
    ----------
    pdg_id : int
        Its number.
    name : str
        Its name.
    spin_states : int
        2s + 1.
    mass : float
        In GeV.
    relative_width : float
        Width over mass.
    color : int
        0 for a singlet, 2 for an octet.

    Returns
    -------
    list of str
        Lines for ``Pythia.readString``; decays are still to be added.
    """
    width = relative_width * mass
    low, high = mass - _WINDOW * width, mass + _WINDOW * width
    numbers = f"{spin_states} 0 {color} {mass} {width} {max(low, 1.0)} {high} 0"
    return [f"{pdg_id}:new = {name} void {numbers}", f"{pdg_id}:isResonance = on"]


class VectorResonance(pythia8mc.Sigma1Process):
    """q qbar → V with a vector coupling of equal strength to all quarks.

    The couplings of a new particle are unknown, so the cross section has the shape of a
    Breit-Wigner and an arbitrary norm. A spin-1 resonance made from massless quarks has helicity
    ±1 along the beam.

    Parameters
    ----------
    pdg_id : int
        Of the resonance.
    mass : float
        In GeV.
    relative_width : float
        Width over mass.
    octet : bool
        Whether it has color.
    """

    def __init__(
        self, pdg_id: int, mass: float, relative_width: float, *, octet: bool = False
    ) -> None:
        super().__init__()
        self.pdg_id = pdg_id
        self.mass2 = mass**2
        self.relative_width = relative_width
        self.octet = octet
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
        """Set the resonance, and the color flow: from quark to antiquark, or through the octet."""
        self.setId(self.id1, self.id2, self.pdg_id)
        flow = (1, 0, 0, 2, 1, 2) if self.octet else (1, 0, 0, 1, 0, 0)
        if self.id1 < 0:  # the antiquark comes first
            flow = (flow[2], flow[3], flow[0], flow[1], flow[4], flow[5])
        self.setColAcol(*flow)

    def name(self) -> str:
        """Return the name in Pythia's statistics."""
        return f"q qbar -> {self.pdg_id}"

    def code(self) -> int:
        """Return the code in Pythia's statistics, beyond its own."""
        return 10_001

    def inFlux(self) -> str:  # noqa: N802 - Pythia's name
        """Return that the beams give a quark and its antiquark."""
        return "qqbarSame"

    def resonanceA(self) -> int:  # noqa: N802 - Pythia's name
        """Return the resonance whose shape the phase space follows."""
        return self.pdg_id

    def isSChannel(self) -> bool:  # noqa: N802 - Pythia's name
        """Return that the process is a single resonance."""
        return True


def sine_squared(momentum: Any, axis: Any, frame: Any) -> float:
    """Return sin² of the angle between an axis and a momentum boosted to the rest of ``frame``."""
    boosted = pythia8mc.Vec4(momentum)
    boosted.bstback(frame)
    along = boosted.px() * axis.px() + boosted.py() * axis.py() + boosted.pz() * axis.pz()
    return 1.0 - along**2 / (boosted.pAbs2() * axis.pAbs2())
