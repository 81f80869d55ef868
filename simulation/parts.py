"""Finished chunks on disk, so that a simulation that was stopped goes on where it was."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from ..core.arrays import read_arrays, write_arrays
from ..core.identity import json_digest
from .chunks import ChunkResult, ChunkTask
from .selection import Events

__all__ = ["PACKAGES", "Parts"]

PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy", "h5py")  # that determine the events
_OF_A_CHUNK = ("generated", "cross_section", "weight")
_SCHEMA = 2  # of the files, and of what makes the events


@dataclass
class Parts:
    """A folder of finished chunks, beside the file that they are for.

    Attributes
    ----------
    folder : Path
        Made with the first chunk. A chunk is known by all that determines its events, so that
        those of other settings are not used.
    reused : int
        Chunks that were there.
    """

    folder: Path
    reused: int = 0

    @classmethod
    def of(cls, path: Path) -> Parts:
        """Return the parts of a file to be: the folder ``<name>.parts`` beside it."""
        return cls(path.with_name(f"{path.name}.parts"))

    def find(self, task: ChunkTask) -> ChunkResult | None:
        """Return a chunk that is there already, or None."""
        stored = read_arrays(self._path(task))
        if stored is None:
            return None
        self.reused += 1
        generated, *others = (stored.pop(f"chunk_{name}") for name in _OF_A_CHUNK)
        return ChunkResult(Events(**stored), int(generated), *map(float, others))

    def keep(self, task: ChunkTask, result: ChunkResult) -> None:
        """Store a finished chunk."""
        numbers = {f"chunk_{name}": getattr(result, name) for name in _OF_A_CHUNK}
        write_arrays(self._path(task), **asdict(result.events), **numbers)

    def remove(self) -> None:
        """Remove all of them: the file is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, task: ChunkTask) -> Path:
        made_with = {name: version(name) for name in PACKAGES}
        key = json_digest([_SCHEMA, made_with, task.to_dict()], size=16)
        return self.folder / f"{task.process}-{task.index}-{key}.npz"
