"""Pairs of vector-like leptons, which decay to a boson and a lepton."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import InputError
from ..settings import GeneratorSettings, require_positive
from .kind import DaughterFacts, KindFacts, ProcessKind, register_kind

__all__ = ["VectorLikeLeptons"]

# Pythia takes them for scalars with three hidden colors unless told otherwise.
_PAIRS = (
    "HiddenValley:ffbar2TAUvTAUvbar = on",
    "HiddenValley:spinFv = 1",
    "HiddenValley:Ngauge = 1",
    "HiddenValley:FSR = off",
)
_LEPTON = 4_900_015  # a heavy charged lepton of Pythia's hidden valley, whose own decay is replaced
_LIGHTEST = 130.0  # GeV: with the τ it is heavier than the Higgs boson
_GENERATIONS = {"e": (11, 12), "mu": (13, 14), "tau": (15, 16)}


@register_kind("vector_like_leptons")
@dataclass(frozen=True)
class VectorLikeLeptons(ProcessKind):
    """Pairs of heavy leptons L of spin 1/2 from a virtual photon; L → W ν, Z l and h l as 2 : 1 : 1.

    The branching fractions are those of a singlet far above the Z (Kumar and Martin,
    arXiv:1510.03456). Bosons decay as in the standard model. The cross section is that of the photon
    alone, times 1 + αs/π, as Pythia has it; the Z would change it by some per cent.

    Attributes
    ----------
    mass : float
        Of the heavy lepton, GeV.
    mixes_with : str
        ``e``, ``mu`` or ``tau``: the lepton it decays to.

    Examples
    --------
    >>> VectorLikeLeptons(mixes_with="mu").facts().decay
    'L L, L → W ν, Z μ, h μ'
    """

    mass: float = 700.0
    mixes_with: str = "tau"

    def __post_init__(self) -> None:
        require_positive(self, "mass")
        if self.mass < _LIGHTEST:
            msg = (
                f"a heavy lepton of {self.mass:g} GeV cannot decay to a Higgs boson and a lepton: "
                f"choose a mass of {_LIGHTEST:g} GeV at least"
            )
            raise InputError(msg)
        if self.mixes_with not in _GENERATIONS:
            msg = f"mixes_with must be e, mu or tau, not {self.mixes_with!r}"
            raise InputError(msg)

    def lines(self, settings: GeneratorSettings) -> list[str]:  # noqa: ARG002 - the ranges are of QCD
        """Return the settings of Pythia, see `ProcessKind.lines`."""
        charged, neutrino = _GENERATIONS[self.mixes_with]
        return [
            *_PAIRS,
            f"{_LEPTON}:m0 = {self.mass}",
            f"{_LEPTON}:oneChannel = 1 0.5 101 -24 {neutrino}",
            f"{_LEPTON}:addChannel = 1 0.25 101 23 {charged}",
            f"{_LEPTON}:addChannel = 1 0.25 101 25 {charged}",
        ]

    def facts(self) -> KindFacts:
        """Return the masses, see `ProcessKind.facts`."""
        lepton = {"mu": "μ", "tau": "τ"}.get(self.mixes_with, self.mixes_with)
        words = f"L L, L → W ν, Z {lepton}, h {lepton}"
        return KindFacts(words, None, (DaughterFacts("L", self.mass, 2),) * 2)
