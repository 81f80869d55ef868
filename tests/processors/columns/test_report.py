"""What became of event files."""

from __future__ import annotations

import json

import hist
import pytest

from overdensity.processors import Dataset, DijetProcessor, ProcessingReport
from overdensity.processors.columns.report import report_of
from overdensity.processors.columns.writer import ColumnWriter

AXIS = hist.axis.Regular(4, 0, 8, name="mjj")


@pytest.fixture
def report() -> ProcessingReport:
    counted = {
        "cutflow": {"events read": 30, "two jets": 7},
        "weighted": {},
        "hists": {"mjj": hist.Hist(AXIS).fill([1.0, 1.0, 5.0])},
        "rows": {"b.parquet": 3, "a.parquet": 4},
        "empty": 2,
    }
    writer = ColumnWriter(DijetProcessor(), "/run")
    return report_of(
        writer,
        {"sets": {"nominal": counted}, "reused": 1, "bad": {}},
        bad={"/x.root": "no such file"},
        datasets=(Dataset("", ("/a.root",)),),
        flags=("noticed",),
        seconds=2.0,
    )


def test_numbers_are_those_of_the_cutflow(report) -> None:
    assert (report.events_read, report.events_kept, report.rows) == (30, 7, 7)
    assert report.reused == 1
    assert report.columns == "/run/columns"


def test_what_was_noticed_is_flagged(report) -> None:
    noticed, empty = report.flags
    assert noticed == "noticed"
    assert empty.startswith("2 of 30 events hold no particle at all: are the files complete?")


def test_partitions_are_in_order(report) -> None:
    assert report.partitions == ("a.parquet", "b.parquet")


def test_histograms_come_back(report) -> None:
    assert report.histogram("mjj").values().tolist() == [2.0, 0.0, 1.0, 0.0]


def test_a_report_survives_json(report) -> None:
    again = ProcessingReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report
