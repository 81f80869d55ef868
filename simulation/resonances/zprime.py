"""The hard process q qbar → Z' → X Y, with X and Y of any mass.

Pythia has no resonance that decays to two unequal new particles, so the process is given to it as
a class; the showers, X → q q and hadronisation are Pythia's own.
"""

from __future__ import annotations

from typing import Any

import pythia8mc

from ..settings import ZprimeMasses
from .vector import VectorResonance, new_particle, sine_squared

__all__ = ["X_ID", "Y_ID", "ZPRIME_ID", "ZprimeToXY", "particle_lines"]

# In the block that the PDG numbering scheme leaves to generators.
ZPRIME_ID, X_ID, Y_ID = 9_900_032, 9_900_033, 9_900_034

_SPIN_STATES = {2: 3, 3: 2}  # 2s + 1 of X and Y by prongs: q qbar is a boson, q q q a fermion
_TWO_PRONG = [(flavour, -flavour) for flavour in (1, 2, 3, 4, 5)]
# Neutral three-quark states of three different flavours, and their antiparticles.
_THREE_QUARKS = [(2, 1, 3), (2, 1, 5), (2, 3, 5), (4, 1, 3), (4, 1, 5), (4, 3, 5)]
_THREE_PRONG = _THREE_QUARKS + [tuple(-quark for quark in quarks) for quarks in _THREE_QUARKS]


def particle_lines(
    masses: ZprimeMasses, prongs: tuple[int, int], zprime_width: float, xy_width: float
) -> list[str]:
    """Return the Pythia settings that define Z', X and Y.

    Parameters
    ----------
    masses : ZprimeMasses
        In GeV.
    prongs : tuple of int
        Of X and of Y, 2: to q qbar; 3: to q q q; all flavours but top, with equal probability.
    zprime_width, xy_width : float
        Width over mass of the Z', and of X and Y.

    Returns
    -------
    list of str
        Lines for ``Pythia.readString``.
    """
    lines = [
        *new_particle(ZPRIME_ID, "Zprime", 3, masses.zprime, zprime_width),
        f"{ZPRIME_ID}:oneChannel = 1 1.0 101 {X_ID} {Y_ID}",
    ]
    daughters = ((X_ID, "X", masses.x, prongs[0]), (Y_ID, "Y", masses.y, prongs[1]))
    for pdg_id, name, mass, quarks_each in daughters:
        channels = _TWO_PRONG if quarks_each == 2 else _THREE_PRONG
        lines += new_particle(pdg_id, name, _SPIN_STATES[quarks_each], mass, xy_width)
        for index, quarks in enumerate(channels):
            verb = "addChannel" if index else "oneChannel"
            products = " ".join(str(quark) for quark in quarks)
            lines.append(f"{pdg_id}:{verb} = 1 {1 / len(channels)} 101 {products}")
    return lines


class ZprimeToXY(VectorResonance):
    """q qbar → Z' → X Y.

    The decay of a helicity ±1 to two scalars, or two longitudinal vector bosons, goes as sin²θ; a
    longitudinal boson decays to massless quarks as sin² of the angle to its flight.

    Parameters
    ----------
    mass : float
        Of the Z', GeV.
    relative_width : float
        Width over mass.
    polarised : tuple of bool
        Whether X and Y are longitudinal bosons; else they decay flat in phase space.
    """

    def __init__(self, mass: float, relative_width: float, *, polarised: tuple[bool, bool]) -> None:
        super().__init__(ZPRIME_ID, mass, relative_width)
        self.polarised = polarised

    def weightDecay(self, process: Any, first: int, last: int) -> float:  # noqa: N802 - Pythia's name
        """Return the weight, at most 1, of the decays of entries first to last.

        Entry 5 of the hard process is the Z', made by beams along z; 6 and 7 are X and Y.
        """
        if first == 5:
            return sine_squared(process[6].p(), pythia8mc.Vec4(0, 0, 1, 0), process[5].p())
        weight = 1.0
        for index in range(first, last + 1):
            boson = process[index]
            if not self.polarised[boson.id() == Y_ID]:
                continue
            against = pythia8mc.Vec4(process[5].p())
            against.bstback(boson.p())
            weight *= sine_squared(process[boson.daughter1()].p(), against, boson.p())
        return weight
