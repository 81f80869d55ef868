"""Finished chunks on disk, so that a simulation that was stopped goes on where it was."""

from __future__ import annotations

import logging
import shutil
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..core.identity import json_digest
from ..core.records import atomic_path
from .chunks import ChunkResult, ChunkTask
from .selection import Events

__all__ = ["PACKAGES", "Parts"]

logger = logging.getLogger(__name__)

PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy", "h5py")  # that determine the events
_SCHEMA = 1  # of the files, and of what makes the events


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
        try:
            with self._path(task).open("rb") as file, np.load(file) as arrays:
                stored = {name: arrays[name] for name in arrays.files}
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            logger.warning("%s: cannot be read, and is made again (%s)", self._path(task), error)
            return None
        self.reused += 1
        generated, cross_section = int(stored.pop("generated")), float(stored.pop("cross_section"))
        return ChunkResult(Events(**stored), generated, cross_section)

    def keep(self, task: ChunkTask, result: ChunkResult) -> None:
        """Store a finished chunk."""
        numbers = {"generated": result.generated, "cross_section": result.cross_section}
        arrays = {
            name: np.asarray(value) for name, value in (asdict(result.events) | numbers).items()
        }
        with atomic_path(self._path(task)) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]

    def remove(self) -> None:
        """Remove all of them: the file is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, task: ChunkTask) -> Path:
        made_with = {name: version(name) for name in PACKAGES}
        key = json_digest([_SCHEMA, made_with, task.to_dict()], size=16)
        return self.folder / f"{task.process}-{task.index}-{key}.npz"
