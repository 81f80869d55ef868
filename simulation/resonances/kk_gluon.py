"""The hard process q qbar → G → g R with R → g g: a color octet that cascades to three gluons."""

from __future__ import annotations

from typing import Any

import pythia8mc

from .vector import VectorResonance, new_particle, sine_squared

__all__ = ["G_ID", "R_ID", "OctetToGluonR", "octet_lines"]

# In the block that the PDG numbering scheme leaves to generators.
G_ID, R_ID = 9_900_035, 9_900_036


def octet_lines(mass: float, mass_r: float, width: float, width_r: float) -> list[str]:
    """Return the Pythia settings that define the octet G and the neutral scalar R.

    Parameters
    ----------
    mass, mass_r : float
        In GeV.
    width, width_r : float
        Width over mass.

    Returns
    -------
    list of str
        Lines for ``Pythia.readString``.
    """
    return [
        *new_particle(G_ID, "G", 3, mass, width, color=2),
        f"{G_ID}:oneChannel = 1 1.0 101 {R_ID} 21",
        *new_particle(R_ID, "R", 1, mass_r, width_r),
        f"{R_ID}:oneChannel = 1 1.0 101 21 21",
    ]


class OctetToGluonR(VectorResonance):
    """q qbar → G → R g.

    The gluon has helicity ±1 and R none, so that the decay of a helicity ±1 along the beam goes as
    1 + cos²θ. R is a scalar and decays isotropically.

    Parameters
    ----------
    mass : float
        Of the octet, GeV.
    relative_width : float
        Width over mass.
    """

    def __init__(self, mass: float, relative_width: float) -> None:
        super().__init__(G_ID, mass, relative_width, octet=True)

    def weightDecay(self, process: Any, first: int, last: int) -> float:  # noqa: ARG002, N802 - Pythia's name
        """Return the weight, at most 1, of the decays of entries first to last."""
        if first != 5:
            return 1.0
        return 1 - sine_squared(process[6].p(), pythia8mc.Vec4(0, 0, 1, 0), process[5].p()) / 2
