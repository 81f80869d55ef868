"""Pythia 8: batches of stable particles, and the partons they come from.

``Pythia.nextBatch`` hands whole batches to awkward; nothing here loops over particles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ..core import InputError, nearest_names, require
from .particles import Particles
from .processes.decay_tables import DecayTables, read_decay_tables
from .processes.kind import ProcessKind
from .settings import GeneratorSettings
from .truth import Partons, partons_of

__all__ = ["Batch", "check_process", "generate", "open_pythia", "require_pythia"]

_MILLIMETRE = 1e-3
_PICOBARN_PER_MILLIBARN = 1e9
_ROUNDED = 1e-3  # of branching ratios
_FLAGS = ("on", "off", "yes", "no", "true", "false", "ok", "1", "0")
_DECAY = re.compile(
    r"\s*(?P<mother>\d+):(?:(?:oneChannel|addChannel)\s*=\s*\d+\s+\S+\s+\d+|onIfMatch\s*=)"
    r"(?P<daughters>(?:\s+-?\d+)+)\s*$"
)


@dataclass(frozen=True)
class Batch:
    """One batch of generated events.

    Attributes
    ----------
    particles : Particles
        Stable particles, neutrinos included.
    partons : Partons
        Quarks and gluons of the hard process and of its resonances.
    generated : int
        Number of events.
    cross_section : float
        Pythia's estimate, pb.
    weights : NDArray[np.float64], shape (generated,)
        Of the generator: 1 unless its settings favor some events, such as
        ``PhaseSpace:bias2Selection``.
    """

    particles: Particles
    partons: Partons
    generated: int
    cross_section: float
    weights: NDArray[np.float64]


def require_pythia() -> ModuleType:
    """Return the module ``pythia8mc``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return require("pythia8mc", by="simulation")


def generate(
    kind: ProcessKind,
    events: int,
    seed: int,
    settings: GeneratorSettings,
    pythia: tuple[str, ...] = (),
) -> Batch:
    """Generate events.

    Parameters
    ----------
    kind : ProcessKind
        What is made.
    events : int
        How many.
    seed : int
        Seed of Pythia, from 1 to 900 000 000.
    settings : GeneratorSettings
        Settings of all processes.
    pythia : tuple of str
        Further settings of this one.

    Returns
    -------
    Batch
        Stable particles of all events.

    Raises
    ------
    InputError
        If Pythia cannot make such events.
    """
    opened, owned = open_pythia(kind, seed, settings, pythia)
    record = opened.nextBatch(events)
    del owned  # Pythia keeps a bare pointer to a process of ours: it had to live until here
    if not len(record):
        msg = f"Pythia made none of {events} events of {kind}: its settings leave no open decay"
        raise InputError(msg)
    return Batch(
        particles=_stable(record.prt, opened),
        partons=partons_of(record.prt),
        generated=len(record),
        cross_section=opened.infoPython().sigmaGen() * _PICOBARN_PER_MILLIBARN,
        weights=ak.to_numpy(record.info.weights[:, 0]).astype(np.float64),
    )


def open_pythia(
    kind: ProcessKind, seed: int, settings: GeneratorSettings, pythia: tuple[str, ...] = ()
) -> tuple[Any, Any]:
    """Return an initialised Pythia, and what must be kept alive as long as it is used.

    The common settings are those that reproduce the official R&D sample: no multiparton
    interactions, and only particles with short lifetimes decayed by the generator.

    Raises
    ------
    InputError
        If Pythia refuses a setting, a decay is impossible, or nothing can be made.
    """
    opened = check_process(kind, settings, pythia)
    opened.readString("Random:setSeed = on")
    opened.readString(f"Random:seed = {seed}")
    owned = kind.hard_process(settings)
    if owned is not None:
        opened.setSigmaPtr(owned)
    with ExitStack() as stack:
        if kind.slha:
            table = Path(stack.enter_context(TemporaryDirectory()), "table.slha")
            table.write_text(kind.slha, encoding="utf-8")
            opened.readString("SLHA:verbose = 0")
            opened.readString(f"SLHA:file = {table}")
        initialised = opened.init()
    if not initialised:
        further = f" and {', '.join(pythia)}" if pythia else ""
        msg = f"Pythia cannot be initialised with {settings} and {kind}{further}"
        raise InputError(msg)
    _check_taken(opened.particleData, read_decay_tables(kind.slha))
    return opened, owned


def check_process(
    kind: ProcessKind, settings: GeneratorSettings, pythia: tuple[str, ...] = ()
) -> Any:
    """Return a Pythia that has accepted all settings of a process, and is not initialised.

    Raises
    ------
    InputError
        Naming the setting that Pythia refuses, or the decay that is impossible.
    """
    opened = require_pythia().Pythia("", printBanner=False)  # "": the installed data
    ours = [
        *("Print:quiet = on", "Print:verbosity = 0"),  # the second is for Vincia
        f"Beams:eCM = {settings.collision_energy}",
        "PartonLevel:MPI = off",
        "ParticleDecays:limitTau0 = on",
        f"ParticleDecays:tau0Max = {settings.tau0_max}",
        *kind.lines(settings),
    ]
    lines = (*ours, *settings.pythia, *pythia)
    for line in lines:
        if not (opened.readString(line, warn=False) and _is_flag_value(opened, line)):
            msg = f"Pythia refuses the setting {line!r}{_hint(opened, line)}"
            raise InputError(msg)
    _refuse_impossible(opened.particleData, lines)
    _refuse_too_heavy(opened.particleData, read_decay_tables(kind.slha))
    return opened


def _is_flag_value(opened: Any, line: str) -> bool:
    """Return whether a line that sets a flag says on or off; Pythia takes all else for off."""
    name, _, value = (part.strip() for part in line.partition("="))
    return not opened.settings.isFlag(name) or value.lower() in _FLAGS


def _hint(opened: Any, line: str) -> str:
    """Return names that a misspelt one may have meant."""
    name = line.partition("=")[0].strip()
    settings = opened.settings
    kinds = ("Flag", "Mode", "Parm", "Word", "FVec", "MVec", "PVec", "WVec")
    known = [
        entry.name
        for each in kinds
        for entry in getattr(settings, f"get{each}Map")(name.partition(":")[0] + ":").values()
    ]
    if name.lower() in map(str.lower, known) or not known:
        return ""
    return f": {nearest_names(name, known)}"


def _refuse_impossible(particles: Any, lines: Iterable[str]) -> None:
    """Refuse decays that the settings open to particles that are together heavier.

    A resonance among them may be as light as Pythia lets it.
    """
    for line in lines:
        found = _DECAY.match(line)
        if not found or not particles.isParticle(int(found["mother"])):
            continue
        mother, products = int(found["mother"]), [int(each) for each in found["daughters"].split()]
        least = sum(
            particles.mMin(each) if particles.isResonance(each) else particles.m0(each)
            for each in products
        )
        if particles.m0(mother) <= least:
            names = " ".join(particles.name(each) for each in products)
            msg = (
                f"{line.strip()!r}: a {particles.name(mother)} of {particles.m0(mother):g} GeV cannot "
                f"decay to {names}, which have {least:g} GeV at least; make it heavier"
            )
            raise InputError(msg)


def _refuse_too_heavy(particles: Any, tables: DecayTables) -> None:
    """Refuse decays of a table to particles that are together heavier."""
    for mother, decays in tables.decays.items():
        mass = _mass(particles, tables, mother)
        for products in decays:
            least = sum(_mass(particles, tables, abs(each)) for each in products)
            if mass <= least:
                msg = (
                    f"slha: the particle {mother} of {mass:g} GeV cannot decay to "
                    f"{' '.join(map(str, products))}, which have {least:g} GeV; make it heavier"
                )
                raise InputError(msg)


def _mass(particles: Any, tables: DecayTables, code: int) -> float:
    """Return the mass of a particle, GeV, of a table or else of Pythia."""
    return tables.masses[code] if code in tables.masses else float(particles.m0(code))


def _check_taken(particles: Any, tables: DecayTables) -> None:
    """Refuse a table that Pythia has not taken, such as one of a particle of the standard model."""
    for mother, decays in tables.decays.items():
        found: dict[tuple[int, ...], float] = {}
        entry: Any = particles.particleDataEntryPtr(mother)
        for place in range(entry.sizeChannels() if particles.isParticle(mother) else 0):
            channel = entry.channel(place)
            products = tuple(channel.product(i) for i in range(channel.multiplicity()))
            found[products] = channel.bRatio()
        same = found.keys() == decays.keys() and all(
            abs(found[each] - ratio) < _ROUNDED for each, ratio in decays.items()
        )
        if not same:
            msg = (
                f"slha: Pythia does not take the decays of {mother} from the table; a new particle "
                "needs BLOCK QNUMBERS, and those of the standard model keep their decays"
            )
            raise InputError(msg)


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
