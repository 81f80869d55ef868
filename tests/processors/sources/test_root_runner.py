"""Chunks of ROOT files through coffea's Runner."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.processor import FuturesExecutor, IterativeExecutor

from overdensity.core import ConfigError, InputError
from overdensity.processors import RootSource, read_events
from overdensity.processors.sources.chunks import split
from overdensity.processors.sources.root_runner import ThroughRunner


class Counter:
    """A writer that counts events; `broken` is the chunk it cannot write."""

    collections = ("fat_jets",)

    def __init__(self, *, broken: str = "", there: tuple[str, ...] = ()) -> None:
        self.broken, self.there = broken, there

    def finished(self, name: str, chunk: Any) -> dict[str, Any] | None:
        return {"events": 0, "reused": 1} if name in self.there else None

    def write(self, name: str, chunk: Any, events: Any) -> dict[str, Any]:
        if name == self.broken:
            msg = "disk full"
            raise InputError(msg)
        try:
            return {"events": len(events()), "ids": {name: events().event.to_list()}}
        except InputError as error:
            return {"bad": {name: str(error)}}


@pytest.fixture
def files(shared_data, tmp_path) -> list[str]:
    names = [str(tmp_path / f"{name}.root") for name in "abc"]
    for name in names:
        shutil.copy(shared_data / "root" / "delphes_qcd.root", name)
    return names


def pieces(files: list[str]) -> dict[str, Any]:
    source = RootSource()
    return {c.name: c for f in files for c in split(source.inspect(f, ("fat_jets",)), 100)}


@pytest.fixture(params=["here", "elsewhere"])
def executor(request, pool) -> IterativeExecutor | FuturesExecutor:
    return IterativeExecutor() if request.param == "here" else FuturesExecutor(pool=pool)


def test_the_runner_reads_what_uproot_reads(files, executor) -> None:
    result = RootSource().execute(executor, pieces(files[:1]), Counter())
    expected = read_events(RootSource(), files[0], collections=("fat_jets",)).event.to_list()
    found = [x for name in sorted(result["ids"]) for x in result["ids"][name]]
    assert found == expected
    assert result["bad"] == {}


@pytest.mark.filterwarnings("ignore::UserWarning:coffea")
def test_files_lost_or_damaged_after_inspection_do_not_stop_the_others(files, executor) -> None:
    chunks = pieces(files)
    Path(files[1]).unlink()
    content = bytearray(Path(files[2]).read_bytes())
    content[2000:-60000] = bytes(len(content) - 62000)
    Path(files[2]).write_bytes(content)
    result = RootSource(retries=1).execute(executor, chunks, Counter())
    assert result["events"] == 250
    assert {name for name in result["bad"] if name.startswith(files[1])} == {
        f"{files[1]} [0:100]", f"{files[1]} [100:200]", f"{files[1]} [200:250]"
    }  # fmt: skip
    assert result["bad"][f"{files[1]} [0:100]"] == f"{files[1]}: no such file"
    assert len(result["bad"]) == 6


def test_an_error_of_the_writer_is_raised_as_it_is(files) -> None:
    writer = Counter(broken="a-000000100-000000200")
    with pytest.raises(InputError) as error:
        RootSource().execute(IterativeExecutor(), pieces(files[:1]), writer)
    assert str(error.value) == "disk full"


def test_a_finished_chunk_is_not_opened(files) -> None:
    chunks = pieces(files[:1])
    Path(files[0]).unlink()
    result = RootSource("delphes").execute(
        IterativeExecutor(), chunks, Counter(there=tuple(chunks))
    )
    assert result == {"events": 0, "reused": 3, "bad": {}}


def test_through_the_runner_is_what_the_source_does(files) -> None:
    chunks, executor = pieces(files[:1]), IterativeExecutor()
    assert ThroughRunner(RootSource(), Counter()).execute(executor, chunks) == RootSource().execute(
        executor, chunks, Counter()
    )


def test_of_several_trees_the_one_that_has_the_events_is_read(tmp_path) -> None:
    path = str(tmp_path / "two.root")
    jets = {f"fat_jets_{x}": ak.Array([[50.0], [40.0, 30.0]]) for x in ("pt", "eta", "phi", "mass")}
    with uproot.recreate(path) as file:
        file.mktree("Events", {"nothing": np.zeros(2)})
        file.mktree("events", jets)
    result = RootSource().execute(IterativeExecutor(), pieces([path]), Counter())
    assert (result["events"], result["bad"]) == (2, {})


def test_an_executor_that_is_not_of_coffea_is_refused(files) -> None:
    with pytest.raises(ConfigError, match="through coffea's Runner, not by a function"):
        RootSource().execute(lambda items, function, start: start, pieces(files[:1]), Counter())
