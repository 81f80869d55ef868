"""How far a run is, told from its folders alone."""

from __future__ import annotations

import pytest

from overdensity.processors.columns.monitor import Status, watched
from overdensity.processors.sources.chunks import Chunk


@pytest.fixture
def folders(tmp_path) -> tuple[str, str]:
    for name in ("columns", "failures"):
        (tmp_path / name).mkdir()
    return f"{tmp_path}/columns", f"{tmp_path}/failures"


CHUNKS = {
    "a-0.parquet": Chunk("a.root", 0, 30),
    "a-30.parquet": Chunk("a.root", 30, 40),
    "b-0.parquet": Chunk("b.root", 0, 5),
}


def last(shown: list[Status]) -> Status:
    assert shown, "nothing was shown"
    return shown[-1]


def test_chunks_count_by_their_share_of_the_events(folders, tmp_path) -> None:
    shown: list[Status] = []
    with watched(*folders, CHUNKS, {"a.root": 800, "b.root": 100}, shown.append):
        (tmp_path / "columns" / "a-0.parquet").touch()
        (tmp_path / "columns" / "b-0.parquet").touch()
        (tmp_path / "failures" / "a-30.parquet.json").touch()
    status = last(shown)
    assert (status.chunks_done, status.chunks) == (2, 3)
    assert (status.events_done, status.events) == (35, 45)
    assert (status.files_done, status.files) == (1, 2)
    assert (status.bytes_done, status.bytes) == (700.0, 900.0)
    assert (status.failures, status.reused) == (1, 0)


def test_what_was_there_before_is_told_apart(folders, tmp_path) -> None:
    (tmp_path / "columns" / "a-0.parquet").touch()
    (tmp_path / "columns" / "of-another-run.parquet").touch()
    shown: list[Status] = []
    with watched(*folders, CHUNKS, {"a.root": 800, "b.root": 100}, shown.append):
        pass
    assert (last(shown).chunks_done, last(shown).reused) == (1, 1)


def test_the_end_is_shown_also_where_the_run_fails(folders) -> None:
    shown: list[Status] = []
    with (
        pytest.raises(ZeroDivisionError),
        watched(*folders, CHUNKS, {"a.root": 8, "b.root": 1}, shown.append),
    ):
        1 / 0  # noqa: B018
    assert last(shown).chunks_done == 0


def test_files_without_events_do_not_divide_by_zero(folders) -> None:
    shown: list[Status] = []
    with watched(*folders, {"e.parquet": Chunk("e.root", 0, 0)}, {"e.root": 9}, shown.append):
        pass
    assert (last(shown).events, last(shown).bytes) == (0, 9.0)
