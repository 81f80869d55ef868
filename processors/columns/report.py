"""The report of a processing: the columns that were made, and all that was counted on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hist

from ...core import Record
from ..sources.filesets import Dataset
from .histograms import from_uhi, to_uhi
from .writer import NOMINAL, ColumnWriter

__all__ = ["ColumnSet", "ProcessingReport", "report_of"]


@dataclass(frozen=True)
class ColumnSet(Record):
    """Columns made with one systematic variation.

    Attributes
    ----------
    columns : str
        The folder of the partitions.
    rows : int
        Rows in them.
    cutflow : dict of str to int
        Events left after each step.
    cutflow_weighted : dict of str to float
        Sums of their weights; empty where events have none.
    hists : dict of str to dict
        Control histograms in uhi's JSON form.

    Examples
    --------
    >>> from overdensity.processors.columns.histograms import to_uhi
    >>> histogram = hist.Hist.new.Reg(2, 0, 1, name="tau21").Double().fill([0.1, 0.2])
    >>> columns = ColumnSet("run/columns", 2, {"two jets": 2}, {}, {"tau21": to_uhi(histogram)})
    >>> columns.histogram("tau21").values().tolist()
    [2.0, 0.0]
    """

    columns: str
    rows: int
    cutflow: dict[str, int]
    cutflow_weighted: dict[str, float]
    hists: dict[str, Any]

    def histogram(self, name: str) -> hist.Hist:
        """Return a control histogram."""
        return from_uhi(self.hists[name])


@dataclass(frozen=True)
class ProcessingReport(ColumnSet):
    """The report of a set of event files; the column set is the nominal one.

    Attributes
    ----------
    partitions : tuple of str
        Their names, in order of file and entry; the same in all sets of columns.
    events_read, events_kept : int
        Events in the chunks that could be read, and those left after the last step.
    reused : int
        How many partitions were there already.
    bad_files : dict of str to str
        Files, or ranges of files, that were skipped, with the error.
    seconds : float
        Wall time.
    variations : dict of str to ColumnSet
        The other sets of columns.
    datasets : tuple of Dataset
        The files.
    flags : tuple of str
        What a reader of the numbers has to know, in sentences.

    Examples
    --------
    >>> report = ProcessingReport(
    ...     columns="run/columns",
    ...     rows=2,
    ...     cutflow={"events read": 9, "two jets": 2},
    ...     cutflow_weighted={},
    ...     hists={},
    ...     partitions=("a-000000000-000000009-0123456789ab.parquet",),
    ...     events_read=9,
    ...     events_kept=2,
    ...     reused=0,
    ...     bad_files={},
    ...     seconds=0.5,
    ... )
    >>> ProcessingReport.from_dict(report.to_dict()) == report
    True
    """

    made_by = "'overdensity process'"

    partitions: tuple[str, ...]
    events_read: int
    events_kept: int
    reused: int
    bad_files: dict[str, str]
    seconds: float
    variations: dict[str, ColumnSet] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    flags: tuple[str, ...] = ()


def report_of(
    writer: ColumnWriter,
    result: Mapping[str, Any],
    *,
    bad: dict[str, str],
    datasets: tuple[Dataset, ...],
    flags: tuple[str, ...],
    seconds: float,
) -> ProcessingReport:
    """Return the report of a run.

    Parameters
    ----------
    writer : ColumnWriter
        Has written the columns.
    result : mapping
        What it returned for all chunks, added up.
    bad : dict of str to str
        Files, or ranges of files, that could not be read, with the error.
    datasets : tuple of Dataset
        The files.
    flags : tuple of str
        What was noticed beside `bad`.
    seconds : float
        Wall time.
    """
    sets = {name: _column_set(writer.folder(name), result["sets"][name]) for name in writer.names}
    nominal = sets.pop(NOMINAL)
    left = list(nominal.cutflow.values())
    return ProcessingReport(
        **{field.name: getattr(nominal, field.name) for field in dataclasses.fields(nominal)},
        partitions=tuple(sorted(result["sets"][NOMINAL]["rows"])),
        events_read=left[0],
        events_kept=left[-1],
        reused=result["reused"],
        bad_files=bad,
        seconds=seconds,
        variations=sets,
        datasets=datasets,
        flags=(*flags, *_empty(result["sets"][NOMINAL]["empty"], left[0])),
    )


def _empty(empty: int, read: int) -> tuple[str, ...]:
    """Say that events hold nothing, as those of a file that was not written to its end do."""
    if not empty:
        return ()
    said = f"{empty} of {read} events hold no particle at all: are the files complete?"
    return (f"{said} (Some keep those of their fat jets alone, as NanoAOD v15.)",)


def _column_set(folder: str, added: Mapping[str, Any]) -> ColumnSet:
    return ColumnSet(
        columns=folder,
        rows=sum(added["rows"].values()),
        cutflow=added["cutflow"],
        cutflow_weighted=added["weighted"],
        hists={name: to_uhi(histogram) for name, histogram in added["hists"].items()},
    )
