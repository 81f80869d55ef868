"""Scores beside columns: what is written, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.evaluation.metrics import auc
from overdensity.ml.tagging.tagger import Tagger
from overdensity.ml.tagging.tagger_file import load_tagger
from overdensity.workflow.taggers.applying import score_files

from .conftest import write_jets


@pytest.fixture(scope="module")
def tagger(tagger_file: Path) -> Tagger:
    return load_tagger(tagger_file)


def test_scores_stand_beside_all_columns(tagger: Tagger, tmp_path: Path) -> None:
    write_jets(tmp_path / "in" / "a.parquet", 300, first=9000)
    write_jets(tmp_path / "in" / "b.parquet", 100, first=8000)
    found = score_files(tagger, [str(tmp_path / "in")], tmp_path / "a::b", column="prongs")
    assert [path.name for path in found.files] == ["a.parquet", "b.parquet"]
    assert (found.jets, found.known) == (400, 0)
    old, new = (
        pq.read_table(pa.BufferReader((tmp_path / where / "a.parquet").read_bytes()))
        for where in ("in", "a::b")  # which pyarrow would take for a URL
    )
    assert new.drop_columns("prongs").equals(old)
    assert auc(new["prongs"].to_numpy(), np.asarray(new["label"])) > 0.85


def test_jets_that_taught_it_are_counted(tagger: Tagger, jet_file: Path, tmp_path: Path) -> None:
    assert 350 < score_files(tagger, [str(jet_file)], tmp_path).known < 500


def test_nothing_is_written_where_a_file_cannot_be_used(tagger: Tagger, tmp_path: Path) -> None:
    good = write_jets(tmp_path / "in" / "a.parquet", 20)
    bad = tmp_path / "in" / "bad.parquet"
    bad.write_bytes(b"PAR1")
    same = write_jets(tmp_path / "other" / "a.parquet", 20)

    def refused(error: type[Exception], said: str, *paths: Path, **options: object) -> None:
        words = {"out": tmp_path / "out"} | options
        with pytest.raises(error, match=said):
            score_files(tagger, [str(path) for path in paths], **words)
        assert not (tmp_path / "out").exists()

    refused(InputError, "bad.parquet: not a Parquet file", good, bad)
    refused(InputError, "none: no such file", good, tmp_path / "none")
    refused(ConfigError, "two files are called a.parquet", good, same)
    refused(ConfigError, "would be overwritten", good, out=good.parent)
    refused(ConfigError, "has a column 'mjj' already", good, column="mjj")
    refused(ConfigError, "--column 'weight': a search reads something else", good, column="weight")
    for name in ("j1_pt", ""):  # of the first, ids of events are made
        refused(ConfigError, f"--column '{name}': a search reads", good, column=name)
    (tmp_path / "nothing").mkdir()
    refused(InputError, r"a folder without \*.parquet", tmp_path / "nothing")


def test_damage_in_a_column_that_is_only_copied_is_told(tagger: Tagger, tmp_path: Path) -> None:
    path = tmp_path / "jets.parquet"
    pq.write_table(pq.read_table(write_jets(path, 20)), path, write_page_checksum=True)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(k).path_in_schema: group.column(k) for k in range(group.num_columns)}
    content, run = bytearray(path.read_bytes()), columns["run"]
    content[run.dictionary_page_offset + run.total_compressed_size - 1] ^= 16
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"jets\.parquet: not a Parquet file that .* CRC checksum"):
        score_files(tagger, [str(path)], tmp_path / "out")
    assert not (tmp_path / "out").exists()
