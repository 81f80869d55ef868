"""Chunks of ROOT files through coffea's `Runner`, on any of its executors."""

from __future__ import annotations

import logging
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import awkward as ak
from coffea.nanoevents import BaseSchema
from coffea.processor import CheckpointerABC, DaskExecutor, ProcessorABC, Runner, accumulate
from coffea.processor.executor import ExecutorBase, WorkItem

from ...core import InputError
from ..jets.momentum import Jagged
from .chunks import Chunk
from .layout import Layout
from .recognise import choose_layout
from .remote import readable
from .schemas import find_branches
from .source import Writer

__all__ = ["RootReader", "ThroughRunner"]

logger = logging.getLogger(__name__)

# Runs that an error of the writer has ended in this process: their other chunks are not begun.
_STOPPED: set[str] = set()


class RootReader(Protocol):
    """What is asked of the source of the files, see `root.RootSource`."""

    @property
    def candidates(self) -> tuple[Layout, ...]:
        """The kinds of file that are looked for."""
        ...

    @property
    def timeout(self) -> int:
        """Seconds to wait for a server to answer."""
        ...

    @property
    def retries(self) -> int:
        """How often a file that cannot be opened is tried again."""
        ...

    def opened(self, path: str) -> AbstractContextManager[Any]:
        """Open a file, with errors a user can act on."""
        ...

    def find(self, file: Any, path: str, collections: Sequence[str]) -> tuple[Layout, Any]:
        """Return what kind of file an opened one is, and its tree."""
        ...

    def read(self, chunk: Chunk, collections: Sequence[str]) -> ak.Array:
        """Read a chunk without coffea."""
        ...


@dataclass(frozen=True)
class ThroughRunner:
    """Reads chunks through coffea's `Runner` and hands them to a writer.

    A file that cannot be opened by a worker does not stop the others: its chunks are tried again,
    after 1, 2, 4, … seconds, and at last stand under ``bad`` in what is returned, as those that
    the writer could not read do.

    Attributes
    ----------
    source : RootReader
        Where the files come from.
    writer : Writer
        What is done with each chunk.
    """

    source: RootReader
    writer: Writer

    def execute(self, executor: ExecutorBase, chunks: Mapping[str, Chunk]) -> dict[str, Any]:
        """Return what `Writer.write` returned for all chunks, added up.

        Parameters
        ----------
        executor : coffea.processor.executor.ExecutorBase
            Any of coffea's.
        chunks : mapping of str to Chunk
            By name of the partition.
        """
        if not isinstance(executor, DaskExecutor):  # whose retries are for dead workers
            executor = executor.copy(retries=0)
        items, bad = self._items(chunks)
        work = _Chunks(self.source, self.writer)
        written: Any = {}
        for attempt in range(self.source.retries + 1):
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
        listed = {chunks[name].place: why for name, why in bad.items()}
        return {**written, "bad": {**written.get("bad", {}), **listed}}

    def _items(self, chunks: Mapping[str, Chunk]) -> tuple[dict[str, WorkItem], dict[str, str]]:
        """Return the work for coffea's Runner, and what cannot be worked on, with the reason."""
        trees: dict[str, str] = {}
        errors: dict[str, str] = {}
        for path, dataset in {chunk.path: chunk.dataset for chunk in chunks.values()}.items():
            if dataset not in trees:
                try:
                    trees[dataset] = self._tree_name(path)
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

    def _tree_name(self, path: str) -> str:
        if len(names := {name for layout in self.source.candidates for name in layout.trees}) == 1:
            return names.pop()  # nothing to look up
        with self.source.opened(path) as file:
            if len(there := [name for name in names if name in file]) == 1:
                return there[0]  # without reading the tree, which takes a second
            tree = self.source.find(file, path, self.writer.collections)[1]
            return tree.object_path.strip("/").partition(";")[0]

    def _run(
        self, executor: ExecutorBase, items: list[WorkItem], work: _Chunks, *, probe: bool
    ) -> dict[str, Any]:
        """Run all items once; those of files that cannot be opened are missing in the result."""
        schema: Any = BaseSchema  # annotated as an instance, taken as a class
        run = Runner(
            executor=executor,
            schema=schema,
            xrootdtimeout=self.source.timeout,
            skipbadfiles=(Exception,),  # of opening: those of the writer are not raised
            checkpointer=_Finished(probe=probe),
        )
        names = (layout.readable(self.writer.collections) for layout in self.source.candidates)
        wanted = frozenset[str]().union(*names).__contains__  # what uproot filters branches by
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Skipping bad file|Performed attempt")
                return run.run(
                    items, processor_instance=work, iteritems_options={"filter_name": wanted}
                )["out"]  # pyright: ignore[reportIndexIssue] - no Result without use_result_type
        except ValueError as error:
            if "No chunks returned results" not in str(error):
                raise
            return {"written": {}, "done": set(), "stopped": []}


class _Chunks(ProcessorABC):
    """Hands what coffea's Runner reads to the writer."""

    def __init__(self, source: RootReader, writer: Writer) -> None:
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
        except Exception as error:  # noqa: BLE001 - raised again by `ThroughRunner.execute`
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
        try:
            layout, _ = choose_layout(
                self.source.candidates, {tree: there}, collections, chunk.path
            )
        except InputError:  # lists of records of an RNTuple, which coffea's schemas leave out
            return self.source.read(chunk, collections)
        with readable(chunk.path, "ROOT"):  # the columns are virtual: they are read here
            branches = find_branches(events, layout.to_read(there, collections))
            branches = {name: ak.materialize(column) for name, column in branches.items()}
        return layout.of_chunk(branches, chunk, collections)


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
                bad = {"bad": {chunk.place: str(error)}}
                out = {"written": bad, "done": {name}, "stopped": []}
        return None if out is None else {"out": out, "processed": set()}

    def save(self, output: Any, metadata: Any, processor_instance: ProcessorABC) -> None:
        """Do nothing: the writer has written."""
