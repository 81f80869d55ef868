"""Pythia 8: batches of stable particles for QCD dijets and for Z' → X Y.

``Pythia.nextBatch`` hands whole batches to awkward; nothing here loops over particles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import awkward as ak
import numpy as np

from ..core import InputError, require
from .particles import Particles
from .settings import GeneratorSettings, ZprimeMasses

__all__ = ["Batch", "Process", "Signal", "generate", "open_pythia", "require_pythia"]

Process = Literal["background", "signal"]

_MILLIMETRE = 1e-3
_PICOBARN_PER_MILLIBARN = 1e9


@dataclass(frozen=True)
class Signal:
    """Which signal: masses in GeV, and how many quarks X and Y decay to (2 or 3)."""

    masses: ZprimeMasses = field(default_factory=ZprimeMasses)
    prongs: int = 2

    def __post_init__(self) -> None:
        if self.prongs not in (2, 3):
            msg = f"prongs must be 2 (X → q q) or 3 (X → q q q), not {self.prongs}"
            raise InputError(msg)


@dataclass(frozen=True)
class Batch:
    """One batch of generated events.

    Attributes
    ----------
    particles : Particles
        Stable particles, neutrinos included.
    generated : int
        Number of events.
    cross_section : float
        Pythia's estimate, pb.
    """

    particles: Particles
    generated: int
    cross_section: float


def require_pythia() -> ModuleType:
    """Return the module ``pythia8mc``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return require("pythia8mc", by="simulation")


def generate(
    process: Process, events: int, seed: int, settings: GeneratorSettings, signal: Signal
) -> Batch:
    """Generate events.

    Parameters
    ----------
    process : {"background", "signal"}
        QCD dijets or Z' → X Y.
    events : int
        How many.
    seed : int
        Seed of Pythia, from 1 to 900 000 000.
    settings : GeneratorSettings
        Settings of both processes.
    signal : Signal
        Masses and decays, for ``"signal"``.

    Returns
    -------
    Batch
        Stable particles of all events.
    """
    pythia, owned = open_pythia(process, seed, settings, signal)
    record = pythia.nextBatch(events)
    del owned  # Pythia keeps a bare pointer to a process of ours: it had to live until here
    return Batch(
        particles=_stable(record.prt, pythia),
        generated=len(record),
        cross_section=pythia.infoPython().sigmaGen() * _PICOBARN_PER_MILLIBARN,
    )


def open_pythia(
    process: Process, seed: int, settings: GeneratorSettings, signal: Signal
) -> tuple[Any, Any]:
    """Return an initialised Pythia, and what must be kept alive as long as it is used.

    The common settings are those that reproduce the official R&D sample: no multiparton
    interactions, and only particles with short lifetimes decayed by the generator.
    """
    pythia = require_pythia().Pythia("", printBanner=False)  # "": the installed data
    lines = [
        "Print:quiet = on",
        "Random:setSeed = on",
        f"Random:seed = {seed}",
        f"Beams:eCM = {settings.collision_energy}",
        "PartonLevel:MPI = off",
        "ParticleDecays:limitTau0 = on",
        f"ParticleDecays:tau0Max = {settings.tau0_max}",
    ]
    owned = None
    if process == "background":
        lines += ["HardQCD:all = on", f"PhaseSpace:pTHatMin = {settings.pt_hat_min}"]
        if settings.m_hat_min is not None:
            lines.append(f"PhaseSpace:mHatMin = {settings.m_hat_min}")
        if settings.m_hat_max is not None:
            lines.append(f"PhaseSpace:mHatMax = {settings.m_hat_max}")
    else:
        from .zprime import ZprimeToXY, particle_lines  # noqa: PLC0415 - imports pythia8mc

        lines += particle_lines(
            signal.masses, signal.prongs, settings.zprime_width, settings.xy_width
        )
        owned = ZprimeToXY(
            signal.masses.zprime,
            settings.zprime_width,
            polarised=settings.xy_polarised and signal.prongs == 2,
        )
        pythia.setSigmaPtr(owned)
    for line in (*lines, *settings.pythia):
        if not pythia.readString(line):
            msg = f"Pythia refuses the setting {line!r}"
            raise InputError(msg)
    if not pythia.init():
        msg = f"Pythia cannot be initialised with {settings} and {signal}"
        raise InputError(msg)
    return pythia, owned


def _stable(prt: ak.Array, pythia: Any) -> Particles:
    """Flatten the event records, and keep what reaches the detector."""
    counts = ak.num(prt, axis=1).to_numpy()
    flat = ak.flatten(prt, axis=1)
    rows = np.flatnonzero(flat.status.to_numpy() > 0)
    pdg_id = flat.id.to_numpy()[rows].astype(np.int64)
    species, which = np.unique(pdg_id, return_inverse=True)
    charges = np.array([pythia.particleData.charge(int(pdg)) for pdg in species], dtype=float)
    vertex = flat.vProd
    return Particles(
        event=np.repeat(np.arange(len(counts)), counts)[rows],
        pdg_id=pdg_id,
        charge=charges[which],
        px=flat.p.px.to_numpy()[rows],
        py=flat.p.py.to_numpy()[rows],
        pz=flat.p.pz.to_numpy()[rows],
        energy=flat.p.e.to_numpy()[rows],
        x=ak.fill_none(vertex.px, 0.0).to_numpy()[rows] * _MILLIMETRE,
        y=ak.fill_none(vertex.py, 0.0).to_numpy()[rows] * _MILLIMETRE,
        z=ak.fill_none(vertex.pz, 0.0).to_numpy()[rows] * _MILLIMETRE,
    )
