"""ROOT files as coffea-style events: CMS NanoAOD with PF candidates, and Delphes energy flow."""

from __future__ import annotations

import os
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.deserialization import DeserializationError

from ..core import ConfigError, InputError, nearest_names
from .chunks import Chunk, FileSummary, event_ids, file_identity, mix64
from .momentum import Jagged, momenta

__all__ = ["VIEWS", "DelphesEFlow", "PFNano", "RootSource", "RootView"]


class RootView(Protocol):
    """Where the particles are in one kind of tree; also what `DijetProcessor.view` takes."""

    tree: ClassVar[str]

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that are read."""
        ...

    def normal(self, events: Jagged, identity: int, start: int) -> ak.Array:
        """Return events as `LhcoSource.read` describes them, without a label."""
        ...


@dataclass(frozen=True)
class PFNano:
    """Particle-flow candidates of CMS NanoAOD (``PFCands``), by PUPPI weight if asked.

    The event id is made of run, luminosity block and event number.

    Attributes
    ----------
    puppi : bool
        Scale each candidate by its weight against pile-up (Bertolini et al., arXiv:1407.6013), as
        the stored fat jets of CMS do; those of weight zero are left out.
    """

    puppi: bool = True
    tree: ClassVar[str] = "Events"

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that are read."""
        names = ("pt", "eta", "phi", "mass", "puppiWeight")
        candidates = (f"PFCands_{name}" for name in names[: 5 if self.puppi else 4])
        return (*candidates, "run", "luminosityBlock", "event")

    def __call__(self, events: ak.Array) -> ak.Array:
        """Return NanoEvents (base or NanoAOD schema) in the form that a processor reads."""
        return self.normal(events, 0, 0)

    def normal(self, events: Jagged, identity: int, start: int) -> ak.Array:  # noqa: ARG002 - see RootView
        """Return events with ``particles`` and ``event``."""
        pt, eta, phi, mass = (_field(events, "PFCands", x) for x in ("pt", "eta", "phi", "mass"))
        if self.puppi:
            weight = _field(events, "PFCands", "puppiWeight")
            kept = weight > 0
            pt, eta, phi, mass = (pt * weight)[kept], eta[kept], phi[kept], (mass * weight)[kept]
        run, block, number = (
            ak.to_numpy(events[name]).astype(np.uint64)
            for name in ("run", "luminosityBlock", "event")
        )
        return _events(pt, eta, phi, mass, mix64(mix64((run << np.uint64(32)) | block) + number))


@dataclass(frozen=True)
class DelphesEFlow:
    """Energy flow of Delphes: tracks, photons and neutral hadrons, all massless.

    The event id is made of the UUID of the ROOT file, which a copy keeps, and the entry.
    """

    tree: ClassVar[str] = "Delphes"

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that are read."""
        objects = {"EFlowTrack": "PT", "EFlowPhoton": "ET", "EFlowNeutralHadron": "ET"}
        return tuple(f"{name}.{x}" for name, pt in objects.items() for x in (pt, "Eta", "Phi"))

    def __call__(self, events: ak.Array) -> ak.Array:
        """Return NanoEvents (base schema) of coffea's Runner in the form a processor reads."""
        metadata: Any = events.metadata
        identity = file_identity(uuid.UUID(str(metadata["fileuuid"])).bytes)
        return self.normal(events, identity, metadata["entrystart"])

    def normal(self, events: Jagged, identity: int, start: int) -> ak.Array:
        """Return events with ``particles`` and ``event``."""
        columns = [_field(events, *branch.split(".")) for branch in self.branches]
        pt, eta, phi = (ak.concatenate(columns[i::3], axis=1) for i in range(3))
        ids = event_ids(identity, np.arange(start, start + len(events)))
        return _events(pt, eta, phi, ak.zeros_like(pt), ids)


VIEWS: dict[str, RootView] = {
    "nano": PFNano(),
    "nano_unweighted": PFNano(puppi=False),
    "delphes": DelphesEFlow(),
}


@dataclass(frozen=True)
class RootSource:
    """Reads particles from ROOT trees.

    Attributes
    ----------
    particles : str
        The kind of tree, a key of `VIEWS`; ``auto`` takes the first that the file has.
    """

    particles: str = "auto"

    def __post_init__(self) -> None:
        """Refuse an unknown kind."""
        if self.particles not in (known := ["auto", *VIEWS]):
            msg = f"no particles {self.particles!r}: {nearest_names(self.particles, known)}"
            raise ConfigError(msg)

    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file itself."""
        return {"format": "root", "particles": self.particles}

    def inspect(self, path: str | os.PathLike[str]) -> FileSummary:
        """Open a file and say what it holds.

        Raises
        ------
        InputError
            If the file is missing, is not ROOT or is truncated, or has none of the trees wanted.
        """
        path = os.fspath(path)
        with _opened(path) as file:
            view = self._view(file, path)
            identity = file_identity(file.file.uuid.bytes)
            return FileSummary(path, int(file[view.tree].num_entries), identity)

    def read(self, chunk: Chunk) -> ak.Array:
        """Read a chunk as records with ``particles`` and ``event``, see `LhcoSource.read`.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        with _opened(chunk.path) as file:
            view = self._view(file, chunk.path)
            arrays = file[view.tree].arrays(
                list(view.branches), entry_start=chunk.start, entry_stop=chunk.stop
            )
        return view.normal(arrays, chunk.identity, chunk.start)

    def _view(self, file: Any, path: str) -> RootView:
        trees = file.keys(filter_classname="TTree", cycle=False)
        wanted = VIEWS if self.particles == "auto" else {self.particles: VIEWS[self.particles]}
        for view in wanted.values():
            if view.tree in trees:
                there = {name.rpartition("/")[2] for name in file[view.tree].iterkeys()}
                if there.issuperset(view.branches):
                    return view
        needs = "; or ".join(
            f"{name}: {', '.join(view.branches)} in {view.tree}" for name, view in wanted.items()
        )
        msg = (
            f"{path}: no particles in its trees {', '.join(trees) or '(none)'}; needed are {needs}"
        )
        raise InputError(msg)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a ROOT file, with errors a user can act on, also those of reading it later."""
    try:
        opened: Any = uproot.open(path)
        with opened as file:
            yield file
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise InputError(msg) from None
    except (OSError, ValueError, DeserializationError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"{path}: not a readable ROOT file, perhaps truncated; copy it again ({reason})"
        raise InputError(msg) from None


def _field(events: Jagged, collection: str, name: str) -> Jagged:
    """Find a column under the name that uproot or one of coffea's schemas gives it."""
    if collection in events.fields and name in events[collection].fields:
        return events[collection][name]
    spellings: Iterable[str] = (
        f"{collection}_{name}",
        f"{collection}.{name}",
        f"{collection}/{collection}.{name}",
    )
    for spelling in spellings:
        if spelling in events.fields:
            return events[spelling]
    msg = f"the events have no {collection} with {name}; what they have: {', '.join(events.fields)}"
    raise InputError(msg)


def _events(
    pt: Jagged, eta: Jagged, phi: Jagged, mass: Jagged, event: NDArray[np.uint64]
) -> ak.Array:
    there = pt != 0  # as in the padding of LHCO files; what has no pT has no direction
    pt, eta, phi, mass = pt[there], eta[there], phi[there], mass[there]
    counts = ak.to_numpy(ak.num(pt, axis=1))
    pt, eta, phi, mass = (ak.to_numpy(ak.flatten(x, axis=1)) for x in (pt, eta, phi, mass))
    particles = momenta(pt, eta, phi, counts, mass=mass)
    return ak.zip({"particles": particles, "event": event}, depth_limit=1)
