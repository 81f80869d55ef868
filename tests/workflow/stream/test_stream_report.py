"""What became of a stream, as a file."""

from __future__ import annotations

from pathlib import Path

from overdensity.workflow.stream.stream_report import LossPoint, StreamReport


def test_a_report_is_read_back(tmp_path: Path) -> None:
    report = StreamReport(
        events=130,
        learned=100,
        beyond=1,
        partitions={"part0.parquet": 130},
        losses=(LossPoint(events=100, loss=12.5),),
        stream_bytes=2600,
        summary_bytes=1300,
        compression=2.0,
        events_per_second=None,
    )
    assert StreamReport.from_json(report.to_json(tmp_path / "stream.json")) == report
