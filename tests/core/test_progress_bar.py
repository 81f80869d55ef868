from __future__ import annotations

import logging

import pytest

from overdensity.core import progress
from overdensity.core.progress_bar import _Style, live_table, quietly


def test_progress_logs_a_plain_line_where_there_is_no_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.INFO, logger="overdensity.core.progress_bar"),
        progress("processing", 3, unit="chunks") as advance,
    ):
        for _ in range(3):
            advance(1)
    assert [record.getMessage()[:24] for record in caplog.records] == ["processing: 3 chunks in "]


def test_progress_does_not_claim_an_end_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> None:
        with progress("processing", 3) as advance:
            advance(1)
            msg = "broken"
            raise ValueError(msg)

    with (
        caplog.at_level(logging.INFO, logger="overdensity.core.progress_bar"),
        pytest.raises(ValueError, match="broken"),
    ):
        work()
    assert not caplog.records


def test_the_last_state_of_a_table_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overdensity.core.progress_bar._LOG_EVERY", 0.0)
    with (
        caplog.at_level(logging.INFO, logger="overdensity.core.progress_bar"),
        live_table("processing") as show,
    ):
        show({"events": "3 of 3"})
    assert [record.getMessage() for record in caplog.records] == ["processing: events 3 of 3"]


def test_a_task_that_stands_still_is_logged_more_rarely(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overdensity.core.progress_bar._LOG_EVERY", 0.0)
    with (
        caplog.at_level(logging.INFO, logger="overdensity.core.progress_bar"),
        progress("training", 3, unit="folds") as advance,
    ):
        for n in (0, 1, 0, 0, 2):
            advance(n)
    told = [record.getMessage() for record in caplog.records]
    assert told[:-1] == ["training: 1 of 3 folds", "training: 3 of 3 folds"]


def test_bars_come_back_after_a_quiet_context() -> None:
    with quietly():
        assert _Style.quiet
    assert not _Style.quiet
