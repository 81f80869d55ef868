"""ROOT files as events that processors read, through coffea's `Runner` or by themselves."""

from __future__ import annotations

import logging
import os
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import awkward as ak
import numpy as np
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import CheckpointerABC, DaskExecutor, ProcessorABC, Runner, accumulate
from coffea.processor.executor import ExecutorBase, WorkItem

from ...core import ConfigError, InputError, OverdensityError, nearest_names
from ..jets.momentum import Jagged
from .chunks import FINGERPRINT_EVENTS, PARTICLES, Chunk, Executor, FileSummary, Writer
from .known_layouts import LAYOUTS
from .layout import Layout, find_columns, spelled
from .remote import is_missing, reason, unreadable

__all__ = ["RootSource", "candidate_layouts", "choose_layout", "normal_events"]

logger = logging.getLogger(__name__)

_FLOAT64 = 2  # bytes in memory for one in the file: most are float32 there and float64 here


@dataclass(frozen=True)
class RootSource:
    """Reads events from ROOT trees (TTree or RNTuple).

    Attributes
    ----------
    layout : str or Layout
        The kind of file: a key of `layouts.LAYOUTS`, a layout of one's own, or ``auto``: the kind
        that the file is, by the names of its trees and branches. The files of one dataset are of
        one kind.
    timeout : int
        Seconds to wait for a server to answer.
    retries : int
        How often a file that cannot be opened is tried again; after 1, 2, 4, … seconds.
    """

    layout: str | Layout = "auto"
    timeout: int = 60
    retries: int = 2

    def __post_init__(self) -> None:
        """Refuse an unknown kind."""
        candidate_layouts(self.layout)

    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file itself."""
        # Whole layouts and not their names: where one changes, so do the events.
        layouts = [layout.settings() for layout in self.candidates]
        return {"format": "root", "layouts": layouts}

    @property
    def candidates(self) -> tuple[Layout, ...]:
        """The kinds of file that are looked for."""
        return candidate_layouts(self.layout)

    def inspect(
        self, path: str | os.PathLike[str], collections: Sequence[str] = PARTICLES
    ) -> FileSummary:
        """Open a file and say what it holds.

        Raises
        ------
        InputError
            If the file is missing, is not ROOT or is truncated, or lacks the collections.
        """
        path = os.fspath(path)
        with self.opened(path) as file:
            layout, tree = self.find(file, path, collections)
            names = _leaves(tree)
            first = _columns(tree, layout.fingerprint(names), 0, FINGERPRINT_EVENTS)
            n_events = int(tree.num_entries)
            read = layout.branches(collections) & names.keys()
            stored = sum(int(tree[names[x]].uncompressed_bytes) for x in read)
            generated = _sum_of_generated(file, layout)
            stored_weights = _columns(
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
        """Read a chunk, see `layout.Layout.normal`.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        with self.opened(chunk.path) as file:
            layout, tree = self.find(file, chunk.path, collections)
            columns = _columns(tree, layout.branches(collections), chunk.start, chunk.stop)
        return normal_events(layout, columns, chunk, collections)

    def execute(
        self, executor: Executor, chunks: Mapping[str, Chunk], writer: Writer
    ) -> dict[str, Any]:
        """Let the writer write every chunk through coffea's `Runner`.

        A file that cannot be opened by a worker does not stop the others: its chunks are tried
        again, and at last stand under ``bad`` in what is returned, as those that the writer could
        not read do.

        Parameters
        ----------
        executor : coffea.processor.executor.ExecutorBase
            Any of coffea's.
        chunks : mapping of str to Chunk
            By name of the partition.
        writer : Writer
            What is done with each.

        Raises
        ------
        ConfigError
            If the executor is not one of coffea's.
        """
        if not isinstance(executor, ExecutorBase):
            msg = f"ROOT files are read through coffea's Runner, not by a {type(executor).__name__}"
            raise ConfigError(msg)
        if not isinstance(executor, DaskExecutor):  # whose retries are for dead workers
            executor = executor.copy(retries=0)
        items, bad = self._items(chunks, writer.collections)
        work = _Chunks(self, writer)
        written: Any = {}
        for attempt in range(self.retries + 1):
            if attempt and items:
                logger.info("%d chunks could not be opened, trying again", len(items))
                time.sleep(2 ** (attempt - 1))
            if items:
                result = self._run(executor, list(items.values()), work, probe=attempt > 0)
                if result["stopped"]:
                    raise result["stopped"][0]
                items = {name: x for name, x in items.items() if name not in result["done"]}
                written = accumulate([written, result["written"]])
        bad |= {name: f"{chunks[name].path}: no worker could open it" for name in items}
        listed = {_range(chunks[name]): why for name, why in bad.items()}
        return {**written, "bad": {**written.get("bad", {}), **listed}}

    def _items(
        self, chunks: Mapping[str, Chunk], collections: Sequence[str]
    ) -> tuple[dict[str, WorkItem], dict[str, str]]:
        """Return the work for coffea's Runner, and what cannot be worked on, with the reason."""
        trees: dict[str, str] = {}
        errors: dict[str, str] = {}
        for path, dataset in {chunk.path: chunk.dataset for chunk in chunks.values()}.items():
            if dataset not in trees:
                try:
                    trees[dataset] = self._tree_name(path, collections)
                except InputError as error:
                    errors[path] = str(error)
        no_uuid: Any = b""  # annotated as text, taken as bytes; empty where it is not known
        items = {
            name: WorkItem(
                chunk.dataset,
                chunk.path,
                trees[chunk.dataset],
                chunk.start,
                chunk.stop,
                no_uuid,
                usermeta={"partition": name, "chunk": chunk.to_dict()},
            )
            for name, chunk in chunks.items()
            if chunk.dataset in trees
        }
        return items, {x: errors[c.path] for x, c in chunks.items() if x not in items}

    def _tree_name(self, path: str, collections: Sequence[str]) -> str:
        if len(names := {name for layout in self.candidates for name in layout.trees}) == 1:
            return names.pop()  # nothing to look up
        with self.opened(path) as file:
            tree = self.find(file, path, collections)[1]
            return tree.object_path.strip("/").partition(";")[0]

    def _run(
        self, executor: ExecutorBase, items: list[WorkItem], work: _Chunks, *, probe: bool
    ) -> dict[str, Any]:
        """Run all items once; those of files that cannot be opened are missing in the result."""
        schema: Any = BaseSchema  # annotated as an instance, taken as a class
        run = Runner(
            executor=executor,
            schema=schema,
            xrootdtimeout=self.timeout,
            skipbadfiles=(Exception,),  # of opening: those of the writer are not raised
            checkpointer=_Finished(probe=probe),
        )
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Skipping bad file|Performed attempt")
                return run.run(
                    items,
                    processor_instance=work,
                    iteritems_options={"filter_name": self.wanted(work.writer.collections)},
                )["out"]  # pyright: ignore[reportIndexIssue] - no Result without use_result_type
        except ValueError as error:
            if "No chunks returned results" not in str(error):
                raise
            return {"written": {}, "done": set(), "stopped": []}

    def wanted(self, collections: Sequence[str]) -> Callable[[str], bool]:
        """Return whether a branch is read, by its name: what uproot filters by."""
        names = (layout.branches(collections) for layout in self.candidates)
        return frozenset[str]().union(*names).__contains__

    def find(self, file: Any, path: str, collections: Sequence[str]) -> tuple[Layout, Any]:
        """Return what kind of file an opened one is, and its tree."""
        trees: dict[str, Any] = {}
        for name in dict.fromkeys(name for layout in self.candidates for name in layout.trees):
            if name in file:
                trees[name] = file[name]
        there = {name: _leaves(tree).keys() for name, tree in trees.items()}
        layout, name = choose_layout(self.candidates, there, collections, path)
        return layout, trees[name]

    @contextmanager
    def opened(self, path: str) -> Iterator[Any]:
        """Open a ROOT file, with errors a user can act on, also those of reading it later."""
        with _readable(path), self._handle(path) as file:
            yield file

    def _handle(self, path: str) -> Any:
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


def candidate_layouts(layout: str | Layout) -> tuple[Layout, ...]:
    """Return the kinds of file that a source looks for.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if isinstance(layout, Layout):
        return (layout,)
    if layout == "auto":
        return tuple(LAYOUTS.values())
    if layout not in LAYOUTS:
        msg = f"no layout {layout!r}: {nearest_names(layout, ['auto', *LAYOUTS])}"
        raise ConfigError(msg)
    return (LAYOUTS[layout],)


def choose_layout(
    candidates: Sequence[Layout],
    trees: Mapping[str, Collection[str]],
    collections: Sequence[str],
    path: str,
) -> tuple[Layout, str]:
    """Return which kind of file has these trees, and the tree to read.

    Parameters
    ----------
    candidates : sequence of Layout
        The kinds of file it may be.
    trees : mapping of str to collection of str
        The names of the trees that are there and of their branches.
    collections : sequence of str
        What will be read.
    path : str
        The file, for the message.

    Raises
    ------
    InputError
        If none of the kinds has the collections in such a file; says what it has.
    """
    pairs = [(layout, name) for layout in candidates for name in layout.trees if name in trees]
    fitting = [(x, name) for x, name in pairs if not x.missing(trees[name], collections)]
    if fitting:  # of those that fit, the one that explains most of the file
        return max(fitting, key=lambda pair: len(pair[0].available(trees[pair[1]])))
    asked = ", ".join(collections)
    kinds = [(x, name, x.available(trees[name])) for x, name in pairs]
    kinds = [kind for kind in kinds if kind[2]] or kinds
    if not kinds:
        known = dict.fromkeys(name for layout in candidates for name in layout.trees)
        msg = f"{path}: no {asked}: it has none of the trees {', '.join(known)}"
        raise InputError(msg)
    layout, name, has = max(kinds, key=lambda kind: len(kind[2]))
    lacks = layout.missing(trees[name], collections)
    msg = (
        f"{path}: no {asked} in its tree {name}, read as {layout.name}; it lacks "
        f"{'; '.join(lacks)}; the collections it has are {', '.join(has) or '(none)'}"
    )
    raise InputError(msg)


# Runs that an error of the writer has ended in this process: their other chunks are not begun.
_STOPPED: set[str] = set()


class _Chunks(ProcessorABC):
    """Hands what coffea's Runner reads to the writer."""

    def __init__(self, source: RootSource, writer: Writer) -> None:
        self.source, self.writer, self.run = source, writer, uuid.uuid4().hex

    def process(self, events: ak.Array) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - coffea annotates nothing
        """Write one chunk."""
        metadata: Any = events.metadata
        name, chunk = metadata["partition"], Chunk.from_dict(metadata["chunk"])
        read = partial(self._read, events, metadata["treename"], chunk)
        return self.attempt(name, partial(self.writer.write, name, chunk, read)) or {}

    def attempt(
        self, name: str, work: Callable[[], dict[str, Any] | None]
    ) -> dict[str, Any] | None:
        """Return what the writer returns, or its error: raised, coffea would blame the file."""
        if self.run in _STOPPED:
            return {"written": {}, "done": set(), "stopped": []}
        try:
            written = work()
        except Exception as error:  # noqa: BLE001 - raised again by `RootSource.execute`
            _STOPPED.add(self.run)
            error.add_note(traceback.format_exc())
            return {"written": {}, "done": set(), "stopped": [error]}
        return None if written is None else {"written": written, "done": {name}, "stopped": []}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what was added up, as it is."""
        return accumulator

    def _read(self, events: Jagged, tree: str, chunk: Chunk) -> ak.Array:
        there = {name.rpartition("/")[2]: name for name in events.fields}
        collections = self.writer.collections
        layout, _ = choose_layout(self.source.candidates, {tree: there}, collections, chunk.path)
        with _readable(chunk.path):  # the columns are virtual: they are read here
            columns = find_columns(events, layout.branches(collections))
            columns = {name: ak.materialize(column) for name, column in columns.items()}
        return normal_events(layout, columns, chunk, collections)


class _Finished(CheckpointerABC):
    """What coffea's Runner asks before it opens a file: a finished chunk is not read again."""

    def __init__(self, *, probe: bool) -> None:
        self.probe = probe

    def load(self, metadata: Any, processor_instance: ProcessorABC) -> dict[str, Any] | None:
        """Return what there is of a chunk; when it failed before, why it cannot be opened."""
        name, chunk = metadata["partition"], Chunk.from_dict(metadata["chunk"])
        work: Any = processor_instance
        out = work.attempt(name, partial(work.writer.finished, name, chunk))
        if out is None and self.probe:
            try:
                with work.source.opened(chunk.path) as file:
                    work.source.find(file, chunk.path, work.writer.collections)
            except InputError as error:
                bad = {"bad": {_range(chunk): str(error)}}
                out = {"written": bad, "done": {name}, "stopped": []}
        return None if out is None else {"out": out, "processed": set()}

    def save(self, output: Any, metadata: Any, processor_instance: ProcessorABC) -> None:
        """Do nothing: the writer has written."""


@contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn what missing, damaged or foreign files raise into errors a user can act on."""
    try:
        yield
    except (OverdensityError, MemoryError):
        raise
    except Exception as error:  # damaged bytes raise whatever the decoders choose
        raise unreadable(path, error, "ROOT") from error


def _range(chunk: Chunk) -> str:
    return f"{chunk.path} [{chunk.start}:{chunk.stop}]"


def _leaves(tree: Any) -> dict[str, str]:
    """Return the names of all branches, without those of the branches they are in, and with."""
    return {name.rpartition("/")[2]: name for name in tree.iterkeys()}


def _columns(tree: Any, wanted: Collection[str], start: int, stop: int) -> dict[str, Any]:
    arrays = tree.arrays(
        filter_name=frozenset(wanted).__contains__, entry_start=start, entry_stop=stop, how=dict
    )
    return {name.rpartition("/")[2]: array for name, array in arrays.items()}


def normal_events(
    layout: Layout, columns: Mapping[str, Any], chunk: Chunk, collections: Sequence[str]
) -> ak.Array:
    """Return the events of a chunk, see `layout.Layout.normal`; errors name the file."""
    try:
        return layout.normal(columns, collections, chunk.identity, chunk.start)
    except InputError as error:
        msg = f"{chunk.path}: {error}"
        raise InputError(msg) from None


def _sum_of_generated(file: Any, layout: Layout) -> float | None:
    """Return the sum of the weights of all generated events, where the file has kept it."""
    if layout.sum_weights is None:
        return None
    name, branch = layout.sum_weights
    if name not in file or not isinstance(found := spelled(branch, file[name].keys()), str):
        return None
    return float(np.sum(file[name][found].array(library="np")))
