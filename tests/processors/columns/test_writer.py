"""What a worker does with a chunk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors import Chunk, DijetProcessor
from overdensity.processors.columns.writer import NOMINAL, ColumnWriter
from overdensity.processors.jets.momentum import momenta

CHUNK = Chunk("/data/a.root", 10, 12)


def events() -> ak.Array:
    pt, eta, phi = np.array([600.0, 500.0, 40.0]), np.array([0.5, -0.5, 0.0]), np.array([0, 3.0, 1])
    jets = momenta(pt, eta, phi, np.array([2, 1]))
    return ak.zip({"fat_jets": jets, "event": np.array([7, 8], np.uint64)}, depth_limit=1)


class Doubled:
    """A variation that doubles the energy of jets."""

    names = ("up",)
    collections = ("fat_jets", "rho")
    varied = ("fat_jets",)

    def settings(self) -> dict[str, Any]:
        return {"factor": 2}

    def __call__(self, given: Any) -> Iterator[tuple[str, ak.Array]]:
        yield NOMINAL, given
        jets = ak.with_field(given.fat_jets, 2 * given.fat_jets.pt, "pt")
        yield "up", ak.with_field(given, jets, "fat_jets")


def make(out: Path, variations: Any = None) -> ColumnWriter:
    processor = DijetProcessor(collection="fat_jets", features=())
    writer = ColumnWriter(processor, str(out), variations)
    for folder in (*(writer.folder(name) for name in writer.names), writer.failures):
        Path(folder).mkdir(parents=True)
    return writer


def test_a_chunk_becomes_a_partition_and_what_is_counted(tmp_path) -> None:
    written = make(tmp_path).write("a.parquet", CHUNK, events)
    assert pq.read_table(tmp_path / "columns" / "a.parquet")["event"].to_pylist() == [7]
    assert written["sets"][NOMINAL]["rows"] == {"a.parquet": 1}
    assert written["sets"][NOMINAL]["cutflow"]["two jets"] == 1
    assert (written["reused"], written["bad"]) == (0, {})


def test_a_chunk_that_is_there_is_not_read_again(tmp_path) -> None:
    writer = make(tmp_path)
    first = writer.write("a.parquet", CHUNK, events)
    again = writer.write("a.parquet", CHUNK, lambda: pytest.fail("read again"))
    assert again == {**first, "reused": 1}


def test_a_chunk_that_cannot_be_read_leaves_a_note(tmp_path) -> None:
    def broken() -> ak.Array:
        msg = "/data/a.root: not a readable ROOT file"
        raise InputError(msg)

    written = make(tmp_path).write("a.parquet", CHUNK, broken)
    assert written["bad"] == {"/data/a.root [10:12]": "/data/a.root: not a readable ROOT file"}
    note = json.loads((tmp_path / "failures" / "a.parquet.json").read_text())
    assert note["chunk"]["start"] == 10
    assert not list((tmp_path / "columns").iterdir())


@pytest.mark.parametrize(
    "error", [KeyError("rho"), ValueError("no field 'rho'"), InputError("rho is not there")]
)
def test_events_that_cannot_be_selected_cost_their_chunk_alone(
    tmp_path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any) -> None:
        raise error

    writer = make(tmp_path)
    monkeypatch.setattr(DijetProcessor, "select", failing)
    written = writer.write("a.parquet", CHUNK, events)
    (said,) = written["bad"].values()
    assert said.startswith("/data/a.root: events 10 to 12 cannot be selected (")
    assert "rho" in said
    assert not list((tmp_path / "columns").iterdir())


@pytest.mark.parametrize("error", [OSError(28, "No space left"), AttributeError("typo"), NameError])
def test_faults_of_ours_or_of_the_disk_are_no_bad_events(
    tmp_path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(DijetProcessor, "select", failing)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        make(tmp_path).write("a.parquet", CHUNK, events)


def test_what_is_no_fault_of_the_events_ends_the_processing(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        msg = "disk"
        raise InputError(msg)

    monkeypatch.setattr("overdensity.processors.columns.writer.write_partition", failing)
    with pytest.raises(InputError, match="disk"):
        make(tmp_path).write("a.parquet", CHUNK, events)


def test_the_cross_section_of_a_dataset_becomes_the_weight(tmp_path) -> None:
    chunk = Chunk("/data/a.root", 0, 2, scale=0.25)
    make(tmp_path).write("a.parquet", chunk, events)
    assert pq.read_table(tmp_path / "columns" / "a.parquet")["weight"].to_pylist() == [0.25]


def test_variations_get_columns_of_their_own_from_the_same_events(tmp_path) -> None:
    writer = make(tmp_path, Doubled())
    written = writer.write("a.parquet", CHUNK, events)
    varied = tmp_path / "variations" / "up" / "columns" / "a.parquet"
    nominal = pq.read_table(tmp_path / "columns" / "a.parquet")
    np.testing.assert_allclose(
        pq.read_table(varied)["mjj"].to_numpy(), 2 * nominal["mjj"].to_numpy(), rtol=1e-6
    )
    assert set(written["sets"]) == {NOMINAL, "up"}
    assert writer.collections == ("fat_jets", "rho")
    assert writer.settings()["variations"] == {"factor": 2}


def test_variations_of_what_is_not_read_are_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match="all columns would be the same"):
        ColumnWriter(DijetProcessor(), str(tmp_path), Doubled())
