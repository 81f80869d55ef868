"""Formats by name: ours, and one from outside that is one class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.core.identity import content_ids_of_lists, integer_digest
from overdensity.processors import DijetProcessor, datasets, process
from overdensity.processors.jets.momentum import momenta
from overdensity.processors.sources.chunks import PARTICLES, Chunk, FileSummary
from overdensity.processors.sources.lhco import LhcoSource
from overdensity.processors.sources.root import RootSource
from overdensity.processors.sources.source import (
    SOURCES,
    Source,
    formats_of_suffixes,
    make_source,
    read_events,
    register_source,
)


@dataclass(frozen=True)
class TextSource(Source):
    """Lines of pt, eta, phi; an empty line ends an event."""

    def inspect(self, path: str | os.PathLike[str], collections: Any = PARTICLES) -> FileSummary:
        content = Path(path).read_bytes()
        return FileSummary(str(path), len(content.split(b"\n\n")), integer_digest(content))

    def read(self, chunk: Chunk, collections: Any = PARTICLES) -> ak.Array:
        events = Path(chunk.path).read_text().split("\n\n")[chunk.start : chunk.stop]
        rows = [np.loadtxt(event.splitlines(), ndmin=2) for event in events]
        counts = np.array([len(row) for row in rows])
        particles = momenta(*np.concatenate(rows).T, counts)
        event = content_ids_of_lists(counts, *np.concatenate(rows).T)
        return ak.zip({"particles": particles, "event": event}, depth_limit=1)

    def settings(self) -> dict[str, Any]:
        return {"format": "text"}


@pytest.fixture
def text_format() -> Iterator[type[Source]]:
    """A format that this test adds, and takes away again."""
    yield register_source("text", suffixes=(".dat",))(TextSource)
    SOURCES.remove("text")


@pytest.fixture
def text_file(tmp_path: Path) -> str:
    """Two events; the first has two jets."""
    path = tmp_path / "one.dat"
    path.write_text("600 0.5 0\n500 -0.5 3\n\n40 0 1\n")
    return str(path)


def test_our_formats_are_there() -> None:
    assert list(SOURCES) == ["lhco", "parquet", "root"]


def test_a_source_from_outside_reads_through_process(text_format, text_file, tmp_path) -> None:
    report = process(
        text_file,
        tmp_path / "out",
        source=make_source("text"),
        processor=DijetProcessor(features=()),
        chunk_events=1,
    )
    assert list(report.cutflow.values()) == [2, 2, 1]
    assert len(report.partitions) == 2


def test_a_folder_is_searched_for_the_suffix_of_a_source_from_outside(
    text_format, text_file
) -> None:
    folder = os.path.dirname(text_file)
    (dataset,) = datasets(folder)
    assert dataset.files == (text_file,)


def test_a_format_that_is_not_there_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="no format 'lhoc': did you mean 'lhco'"):
        make_source("lhoc")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lhco", {"layout": "nano"}, r"events\.layout goes with format parquet or root, not lhco"),
        ("root", {"key_file": "k"}, r"events\.key_file goes with format lhco, not root"),
        ("root", {"layout": "nanoo"}, "no layout 'nanoo': did you mean 'nano'"),
    ],
)
def test_options_of_another_format_are_refused(name, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make_source(name, ["a"], **options)


def test_one_key_file_does_not_go_with_two_boxes() -> None:
    with pytest.raises(ConfigError, match=r"events\.key_file goes with one event file, not 2"):
        make_source("lhco", ["a.h5", "b.h5"], key_file="a.key")


def test_options_become_those_of_the_source() -> None:
    assert make_source("lhco", ["/a.h5"], key_file="k") == LhcoSource(keys={"/a.h5": "k"})
    assert make_source("root", layout="delphes") == RootSource("delphes")


def test_suffixes_lead_to_formats() -> None:
    assert formats_of_suffixes() == {
        ".h5": ("lhco",),
        ".hdf5": ("lhco",),
        ".parquet": ("parquet",),
        ".root": ("root",),
    }


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ConfigError, match="two formats are called 'lhco'"):
        register_source("lhco")(TextSource)


def test_a_range_is_cut_at_the_end_of_the_file(text_file) -> None:
    assert len(read_events(TextSource(), text_file, 1, 99)) == 1


def test_the_writer_gets_every_chunk_and_its_events(text_file) -> None:
    class Counter:
        collections = PARTICLES

        def finished(self, name: str, chunk: Chunk) -> None:
            return None

        def write(self, name: str, chunk: Chunk, events: Any) -> dict[str, Any]:
            return {name: len(events().particles[0])}

    def executor(items: Any, function: Any, accumulator: Any) -> Any:
        for item in items:
            accumulator |= function(item)
        return accumulator, 0

    chunks = {"first": Chunk(text_file, 0, 1), "second": Chunk(text_file, 1, 2)}
    counted = TextSource().execute(executor, chunks, Counter())
    assert counted == {"first": 2, "second": 1}


def test_particles_of_an_official_file_are_all_that_there_is(lhco_file) -> None:
    with pytest.raises(InputError, match="have particles and no jets"):
        read_events(LhcoSource(), lhco_file, collections=("jets",))
