"""The results of a benchmark: a record for each training, and a table over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import Record
from ...ml import MassSculpting, Performance, SmallestSignificance, smallest_significance
from ...stats.search.printed import selection_name
from ..stages.provenance import Provenance

__all__ = [
    "EPS_S",
    "BenchmarkResults",
    "BenchmarkRow",
    "BenchmarkRun",
    "Spread",
    "as_markdown",
    "summary",
]

EPS_S = tuple((np.arange(1, 101) / 100).tolist())  # signal efficiencies of the curves


@dataclass(frozen=True)
class BenchmarkRun(Record):
    """One training and its test.

    Attributes
    ----------
    method : str
        Its name in the table.
    seed : int
        The seed of training and of the drawn signal.
    n_signal : int, optional
        Signal events among the data, at all masses; None for methods that learn from labels.
    signal, background : int, optional
        Events of the data in the signal region; None for methods that learn from labels.
    test_signal, test_background : int
        Test events in the signal region.
    performance : Performance
        On the test events.
    curve : tuple of float or None
        SIC at the signal efficiencies `EPS_S`; None where too little background is kept.
    sculpting : tuple of MassSculpting
        Of the test background, in the order of the selections.
    seconds : float
        Wall time of training and scoring.
    """

    made_by = "'overdensity benchmark'"

    method: str
    seed: int
    n_signal: int | None
    signal: int | None
    background: int | None
    test_signal: int
    test_background: int
    performance: Performance
    curve: tuple[float | None, ...]
    sculpting: tuple[MassSculpting, ...]
    seconds: float


@dataclass(frozen=True)
class Spread(Record):
    """A figure over the seeds.

    Attributes
    ----------
    median, low, high : float
        Median, smallest and largest.
    error : float, optional
        Median of the statistical errors that the test events leave.
    """

    median: float
    low: float
    high: float
    error: float | None = None

    @classmethod
    def of(cls, values: Sequence[float], errors: Sequence[float | None] = ()) -> Spread:
        """Summarise values of several seeds; an error is None where no signal is kept."""
        known = [error for error in errors if error is not None and np.isfinite(error)]
        error = float(np.median(known)) if known else None
        return cls(float(np.median(values)), float(min(values)), float(max(values)), error)


@dataclass(frozen=True)
class BenchmarkRow(Record):
    """A method at one strength, over the seeds.

    Attributes
    ----------
    method : str
        Its name in the table.
    n_signal : int, optional
        Signal events among the data; None for methods that learn from labels.
    signal_to_background, significance : float, optional
        S/B and S/√B in the signal region of the data, median over the seeds.
    seeds : int
        The number of trainings.
    sic : tuple of Spread
        At the background efficiencies of the selections.
    max_sic, auc : Spread
        Maximum SIC with enough background kept, and area under the ROC curve.
    chi2_per_ndf, distance : tuple of Spread
        Sculpting by each selection.
    seconds : float
        Median wall time of a training with its scoring.
    """

    method: str
    n_signal: int | None
    signal_to_background: float | None
    significance: float | None
    seeds: int
    sic: tuple[Spread, ...]
    max_sic: Spread
    auc: Spread
    chi2_per_ndf: tuple[Spread, ...]
    distance: tuple[Spread, ...]
    seconds: float


@dataclass(frozen=True)
class BenchmarkResults(Record):
    """A whole benchmark.

    Attributes
    ----------
    provenance : Provenance
        Configuration, inputs, versions.
    selections : tuple of float
        Background efficiencies of the figures.
    min_background : int
        Background events that the maximum SIC keeps at least.
    eps_s : tuple of float
        Signal efficiencies of the curves.
    rows : tuple of BenchmarkRow
        The table.
    smallest : dict of str to SmallestSignificance
        S/√B from which a method reaches 5σ, where it was trained at several strengths.
    runs : tuple of BenchmarkRun
        All trainings.
    """

    made_by = "'overdensity benchmark'"

    provenance: Provenance
    selections: tuple[float, ...]
    min_background: int
    eps_s: tuple[float, ...]
    rows: tuple[BenchmarkRow, ...]
    smallest: dict[str, SmallestSignificance]
    runs: tuple[BenchmarkRun, ...]

    def runs_of(self, row: BenchmarkRow) -> list[BenchmarkRun]:
        """Return the trainings behind a row of the table."""
        key = (row.method, row.n_signal)
        return [run for run in self.runs if (run.method, run.n_signal) == key]

    def curves_of(self, row: BenchmarkRow) -> NDArray[np.float64]:
        """Return the SIC curves behind a row, shape (n_seeds, n_points); NaN without a value."""
        return np.array([run.curve for run in self.runs_of(row)], dtype=float)


def summary(
    runs: Sequence[BenchmarkRun],
) -> tuple[tuple[BenchmarkRow, ...], dict[str, SmallestSignificance]]:
    """Return the rows of the table, and the smallest significance that reaches 5σ by method.

    Parameters
    ----------
    runs : sequence of BenchmarkRun
        In the order that the rows shall have.
    """
    groups: dict[tuple[str, int | None], list[BenchmarkRun]] = {}
    for run in runs:
        groups.setdefault((run.method, run.n_signal), []).append(run)
    rows = tuple(_row(group) for group in groups.values())
    scans: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.significance:
            scans.setdefault(row.method, []).append((row.significance, row.max_sic.median))
    smallest = {
        method: smallest_significance([z for z, _ in scan], [sic for _, sic in scan])
        for method, scan in scans.items()
        if len(scan) > 1
    }
    return rows, smallest


def as_markdown(results: BenchmarkResults) -> str:
    """Return the table in Markdown, with the sentence that says how to read it."""
    header = _header(results)
    reading = (
        "Median over the seeds ± statistical error of the test events (smallest to largest of the "
        f"seeds). The maximum SIC keeps at least {results.min_background} background events. χ²/ndf "
        "compares the mass spectra of background before and after the selection; 1 is none but "
        "random change."
    )
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + " --- |" * len(header),
        *("| " + " | ".join(_cells(row)) + " |" for row in results.rows),
        "",
        reading,
    ]
    if results.smallest:
        lines += ["", "| method | smallest S/√B that reaches 5σ |", "| --- | --- |"]
        lines += [
            f"| {method} | {_smallest(found)} |" for method, found in results.smallest.items()
        ]
    return "\n".join(lines) + "\n"


def _header(results: BenchmarkResults) -> list[str]:
    """Return the names of the columns."""
    names = [selection_name(efficiency) for efficiency in results.selections]
    return [
        "method",
        "signal",
        "S/B",
        "S/√B",
        "seeds",
        *(f"SIC({name})" for name in names),
        "max SIC",
        "AUC",
        *(f"χ²/ndf({name})" for name in names),
        "s",
    ]


def _cells(row: BenchmarkRow) -> list[str]:
    """Return a row of the table in words."""
    return [
        row.method,
        "labels" if row.n_signal is None else str(row.n_signal),
        "" if row.signal_to_background is None else f"{100 * row.signal_to_background:.2g} %",
        "" if row.significance is None else f"{row.significance:.2f}",
        str(row.seeds),
        *(_words(spread, 1) for spread in (*row.sic, row.max_sic)),
        _words(row.auc, 3),
        *(_words(spread, 1) for spread in row.chi2_per_ndf),
        f"{row.seconds:.0f}",
    ]


def _row(runs: Sequence[BenchmarkRun]) -> BenchmarkRow:
    first, found = runs[0], [run.performance for run in runs]
    ratios = [
        (run.signal / run.background, run.signal / run.background**0.5)
        for run in runs
        if run.signal is not None and run.background
    ]
    n_selections = range(len(first.sculpting))
    return BenchmarkRow(
        method=first.method,
        n_signal=first.n_signal,
        signal_to_background=float(np.median([r[0] for r in ratios])) if ratios else None,
        significance=float(np.median([r[1] for r in ratios])) if ratios else None,
        seeds=len(runs),
        sic=tuple(
            Spread.of([p.sic[i].sic for p in found], [p.sic[i].sic_error for p in found])
            for i in n_selections
        ),
        max_sic=Spread.of([p.max_sic.sic for p in found], [p.max_sic.sic_error for p in found]),
        auc=Spread.of([p.auc for p in found]),
        chi2_per_ndf=tuple(
            Spread.of([run.sculpting[i].chi2 / max(run.sculpting[i].ndf, 1) for run in runs])
            for i in n_selections
        ),
        distance=tuple(
            Spread.of([run.sculpting[i].distance for run in runs]) for i in n_selections
        ),
        seconds=float(np.median([run.seconds for run in runs])),
    )


def _words(spread: Spread, digits: int) -> str:
    error = "" if spread.error is None else f" ± {spread.error:.{digits}f}"
    return (
        f"{spread.median:.{digits}f}{error} ({spread.low:.{digits}f} to {spread.high:.{digits}f})"
    )


def _smallest(found: SmallestSignificance) -> str:
    if found.value is None:
        return "not reached"
    return f"{'≤ ' if found.is_bound else ''}{found.value:.2f}"
