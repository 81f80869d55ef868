"""The live table, in words."""

from __future__ import annotations

import logging

from overdensity.core.progress_bar import live_table
from overdensity.processors import Status
from overdensity.workflow.stages.processing.monitoring import describe

HALF = Status(
    chunks_done=6,
    chunks=10,
    events_done=6000,
    events=10_000,
    files_done=1,
    files=2,
    bytes_done=60e6,
    bytes=100e6,
    failures=1,
    seconds=20.0,
    reused=2,
)


def test_rates_are_of_this_run_and_not_of_what_was_there_before() -> None:
    rows = describe(HALF, n_workers=3)
    # 4 of the 6 chunks were made in 20 s: 4000 events, 40 MB; the other 4 take 20 s more
    assert rows["events"] == "6,000 of 10,000, 200/s"
    assert rows["data"] == "60 of 100 MB, 2.0 MB/s"
    assert rows["time"] == "0:20, 0:20 left"
    assert rows["chunks"] == "6 of 10, 2 of them from before"
    assert (rows["files"], rows["workers"], rows["failures"]) == ("1 of 2", "3", "1")


def test_a_run_that_has_just_begun_promises_nothing() -> None:
    begun = Status(0, 10, 0, 100, 0, 1, 0.0, 1e6, 0, 0.0, 0)
    assert describe(begun, n_workers=0)["time"] == "0:00"


def test_without_a_terminal_the_table_is_a_log_line(caplog) -> None:
    with caplog.at_level(logging.INFO), live_table("processing") as show:
        show({"events": "1 of 2"})
        show({"events": "2 of 2", "workers": "1"})
    assert caplog.messages == ["processing: events 2 of 2, workers 1"]
