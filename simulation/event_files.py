"""Events of several processes, in a random order, to one file: LHC Olympics HDF5 or ROOT."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import InputError
from .lhco_file import FrameWriter, frame_writer, padded_rows
from .root_file import tree_writer
from .selection import MAX_OBJECTS, Events

__all__ = ["EventQueue", "check_output", "key_of", "shuffled", "write_events"]

_BLOCK = 1024  # rows written at a time
_SHUFFLE = 2  # spawn key of the order of the events
HDF5, _ROOT, _DELPHES = (".h5", ".hdf5", ".hdf"), ".root", ".delphes"


class EventQueue:
    """Events of a stream of chunks, taken in any number."""

    def __init__(self, chunks: Iterator[Events], advance: Callable[[int], None]) -> None:
        self._chunks = chunks
        self._advance = advance
        self._ready = Events.empty()

    def take(self, n: int) -> Events:
        """Return the next n events, waiting for as many chunks as it needs."""
        parts = [self._ready]
        while sum(map(len, parts)) < n:
            parts.append(next(self._chunks))
            self._advance(len(parts[-1]))
        taken, self._ready = Events.concatenate(parts).split(n)
        return taken


def check_output(path: Path) -> None:
    """Refuse a path that cannot be written, before anything starts.

    Raises
    ------
    InputError
        Saying why.
    """
    if path.is_dir():
        msg = f"{path} is a folder: give the name of an HDF5 or ROOT file"
        raise InputError(msg)
    if path.suffix not in (*HDF5, _ROOT):
        msg = f"{path}: give a name that ends in .h5 (LHC Olympics) or .root"
        raise InputError(msg)
    if not path.parent.is_dir():
        msg = f"{path.parent}: no such folder to write {path.name} to; make it first"
        raise InputError(msg)
    probe = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        probe.touch(exist_ok=False)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another folder"
        raise InputError(msg) from None
    probe.unlink()


def key_of(path: Path) -> Path:
    """Return the file with the truth of a black box."""
    return path.with_suffix(".key.h5")


def shuffled(numbers: Sequence[int], seed: int) -> NDArray[np.int16]:
    """Return the places of processes in a recipe, each as often as it has events, in random order.

    Parameters
    ----------
    numbers : sequence of int
        Events of each process.
    seed : int
        Of the recipe.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SHUFFLE,)))
    return rng.permutation(np.repeat(np.arange(len(numbers), dtype=np.int16), numbers))


def write_events(
    path: Path,
    order: NDArray[np.int16],
    labels: NDArray[np.int8],
    streams: Sequence[EventQueue],
    *,
    key_file: bool,
) -> None:
    """Write events in the order of their processes.

    Events of one process are independent and alike, so that a random order of the processes is a
    random order of the events, and needs no memory.

    Parameters
    ----------
    path : Path
        The file; its suffix says which format.
    order : NDArray[np.int16], shape (n_events,)
        The process of each event.
    labels : NDArray[np.int8], shape (n_processes,)
        The label of each process.
    streams : sequence of EventQueue
        The events of each process.
    key_file : bool
        Write the labels to a file of their own, and nothing of the truth with the events.
    """
    with ExitStack() as stack:
        if path.suffix == _ROOT:
            layout = "delphes" if path.stem.endswith(_DELPHES) else "flat"
            write = stack.enter_context(tree_writer(path, truth=not key_file, layout=layout)).append
        else:
            columns = 3 * MAX_OBJECTS + (not key_file)
            frame = stack.enter_context(frame_writer(path, len(order), columns))
            write = partial(_append, frame, with_labels=not key_file)
        key: Any = None
        if key_file:
            key = stack.enter_context(frame_writer(key_of(path), len(order), 1))
        for block in np.split(order, range(_BLOCK, len(order), _BLOCK)):
            write(_taken(block, streams), block, labels[block])
            if key:
                key.append(labels[block][:, None].astype(np.float64))


def _append(
    frame: FrameWriter,
    events: Events,
    block: NDArray[np.int16],  # noqa: ARG001 - which the format has no place for
    labels: NDArray[np.int8],
    *,
    with_labels: bool,
) -> None:
    """Write events to a frame."""
    if np.any(events.weight != 1):
        msg = "the generator gives events weights, for which an .h5 file has no place; write a .root file"
        raise InputError(msg)
    frame.append(padded_rows(events, labels if with_labels else None))


def _taken(block: NDArray[np.int16], streams: Sequence[EventQueue]) -> Events:
    """Return the next events of the processes of a block, in its order."""
    numbers = np.bincount(block, minlength=len(streams))
    events = Events.concatenate(
        [stream.take(int(n)) for stream, n in zip(streams, numbers, strict=True)]
    )
    places = np.empty(len(block), np.int64)
    places[np.argsort(block, kind="stable")] = np.arange(len(block))
    return events.ordered(places)
