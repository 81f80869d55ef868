"""ROOT files as events that processors read, through coffea's `Runner` or by themselves."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import uproot
from coffea.processor.executor import ExecutorBase
from uproot.behaviors.RNTuple import HasFields

from ...core import ConfigError, InputError
from ...core.files.file_errors import is_missing, reason
from .branches import spelled
from .chunks import FINGERPRINT_EVENTS, PARTICLES, Chunk, FileSummary
from .layout import Layout
from .recognise import LayoutSource, choose_layout
from .remote import readable
from .root_runner import ThroughRunner
from .source import Executor, Writer, register_source

__all__ = ["RootSource"]

logger = logging.getLogger(__name__)

_SIZED_EVENTS = 100  # of an RNTuple that tell how large events are
_FLOAT64 = 2  # bytes in memory for one in the file: most are float32 there and float64 here


@register_source("root", suffixes=(".root",))
@dataclass(frozen=True)
class RootSource(LayoutSource):
    """Reads events from ROOT trees (TTree or RNTuple).

    Attributes
    ----------
    layout : str or Layout
        The kind of file, see `LayoutSource`.
    timeout : int
        Seconds to wait for a server to answer.
    retries : int
        How often a file that cannot be opened is tried again; after 1, 2, 4, … seconds.

    Examples
    --------
    >>> import tempfile
    >>> from overdensity.processors import read_events
    >>> branches = {f"jets_{x}": ak.Array([[40.0, 30.0], [20.0]]) for x in ("pt", "eta", "phi")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.root")
    ...     with uproot.recreate(path) as file:
    ...         _ = file.mktree("events", branches)
    ...     events = read_events(RootSource("flat"), path, collections=("jets",))
    >>> events.jets.pt.tolist()
    [[40.0, 30.0], [20.0]]
    """

    timeout: int = 60
    retries: int = 2

    def inspect(
        self, path: str | os.PathLike[str], collections: Sequence[str] = PARTICLES
    ) -> FileSummary:
        """Open a file and say what it holds, see `Source.inspect`."""
        path = os.fspath(path)
        with self.opened(path) as file:
            layout, tree = self.find(file, path, collections)
            names = _leaves(tree)
            first = _branches(tree, layout.fingerprint(names), 0, FINGERPRINT_EVENTS)
            n_events = int(tree.num_entries)
            read = layout.branches(collections) & names.keys()
            stored = _stored_bytes(tree, {x: names[x] for x in read})
            generated = _sum_of_generated(file, layout)
            stored_weights = _branches(
                tree, layout.weights if generated is None else (), 0, n_events
            )
            return FileSummary(
                path,
                n_events,
                layout.identity(first, n_events),
                event_bytes=_FLOAT64 * max(stored / max(n_events, 1), 4.0 * len(read)),
                sum_weights=(
                    layout.sum_of_weights(stored_weights) if generated is None else generated
                ),
                knows_generated=layout.sum_weights is None or generated is not None,
            )

    def read(self, chunk: Chunk, collections: Sequence[str] = PARTICLES) -> ak.Array:
        """Read a chunk, see `Source.read`."""
        with self.opened(chunk.path) as file:
            layout, tree = self.find(file, chunk.path, collections)
            wanted = layout.to_read(_leaves(tree), collections)
            branches = _branches(tree, wanted, chunk.start, chunk.stop)
        return layout.of_chunk(branches, chunk, collections)

    def execute(
        self, executor: Executor, chunks: Mapping[str, Chunk], writer: Writer
    ) -> dict[str, Any]:
        """Let the writer write every chunk through coffea's `Runner`, see `ThroughRunner`.

        Raises
        ------
        ConfigError
            If the executor is not one of coffea's.
        """
        if not isinstance(executor, ExecutorBase):
            msg = f"ROOT files are read through coffea's Runner, not by a {type(executor).__name__}"
            raise ConfigError(msg)
        return ThroughRunner(self, writer).execute(executor, chunks)

    def find(self, file: Any, path: str, collections: Sequence[str]) -> tuple[Layout, Any]:
        """Return what kind of file an opened one is, and its tree."""
        trees: dict[str, Any] = {}
        for name in dict.fromkeys(name for layout in self.candidates for name in layout.trees):
            if name in file:
                trees[name] = _tree(file[name], name, path)
        there = {name: _leaves(tree).keys() for name, tree in trees.items()}
        layout, name = choose_layout(self.candidates, there, collections, path)
        return layout, trees[name]

    @contextmanager
    def opened(self, path: str) -> Iterator[Any]:
        """Open a ROOT file, with errors a user can act on, also those of reading it later."""
        with readable(path, "ROOT"), self._handle(path) as file:
            yield file

    def _handle(self, path: str) -> Any:
        if "::" in path and "://" not in path:
            msg = (
                f"{path}: uproot and fsspec take the '::' in its name for a chain of URLs; rename "
                "the file, or give a link to it"
            )
            raise InputError(msg)
        whole: Any = {path: None}  # so that a colon in the path is no name of an object
        for attempt in range(self.retries if "://" in path else 0):
            try:
                return uproot.open(whole, timeout=self.timeout)
            except OSError as error:
                if is_missing(error):
                    break
                logger.info("%s: %s; trying again", path, reason(error))
                time.sleep(2**attempt)
        return uproot.open(whole, timeout=self.timeout)


def _tree(found: Any, name: str, path: str) -> Any:
    """Return what goes by the name of a tree, if it is one."""
    if hasattr(found, "iterkeys") and hasattr(found, "num_entries"):
        return found
    kind = getattr(found, "classname", type(found).__name__)
    msg = f"{path}: its {name!r} is a {kind} and no tree of events"
    raise InputError(msg)


def _leaves(tree: Any) -> dict[str, str]:
    """Return the names of all branches, without those of the branches they are in, and with.

    The field ``pt`` of a list ``Jet`` of records, which an RNTuple calls ``Jet.pt``, is ``Jet_pt`` too.
    """
    names = {name.rpartition("/")[2]: name for name in tree.iterkeys()}
    if _of_fields(tree):
        names = {name.replace(".", "_"): place for name, place in names.items()} | names
    return names


def _of_fields(tree: Any) -> bool:
    """Return whether a tree is an RNTuple."""
    return isinstance(tree, HasFields)


def _stored_bytes(tree: Any, places: Mapping[str, str]) -> float:
    """Return how many bytes branches take; of an RNTuple, which does not say so, from its first events."""
    if not _of_fields(tree):
        return float(sum(int(tree[place].uncompressed_bytes) for place in places.values()))
    some = min(int(tree.num_entries), _SIZED_EVENTS)
    read = _branches(tree, places, 0, some).values()
    return sum(array.nbytes for array in read) / max(some, 1) * int(tree.num_entries)


def _branches(tree: Any, wanted: Collection[str], start: int, stop: int) -> dict[str, Any]:
    if _of_fields(tree):
        places = _leaves(tree)
        return {
            name: tree[places[name]].array(entry_start=start, entry_stop=stop)
            for name in sorted(wanted)
            if name in places
        }
    arrays = tree.arrays(
        filter_name=frozenset(wanted).__contains__, entry_start=start, entry_stop=stop, how=dict
    )
    return {name.rpartition("/")[2]: array for name, array in arrays.items()}


def _sum_of_generated(file: Any, layout: Layout) -> float | None:
    """Return the sum of the weights of all generated events, where the file has kept it."""
    if layout.sum_weights is None:
        return None
    name, branch = layout.sum_weights
    if name not in file or not isinstance(found := spelled(branch, file[name].keys()), str):
        return None
    return float(np.sum(file[name][found].array(library="np")))
