"""Limits and spectra of a run as a submission to HEPData."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np

from ...core import OverdensityError
from ...stats import SpectrumFit
from ...stats.search.printed import selection_name
from ..stages.search_result import SearchResults
from .limits_result import LimitsResults, SignalLimits, StrengthLimit, WindowLimits

with warnings.catch_warnings():  # they import what jsonschema is about to drop
    warnings.simplefilter("ignore", DeprecationWarning)
    from hepdata_lib import Submission, Table, Uncertainty, Variable
    from hepdata_validator.full_submission_validator import FullSubmissionValidator

__all__ = ["column_of", "expected_columns", "new_table", "write_hepdata", "write_submission"]

_MISSING = "-"  # HEPData's sign of a value that is not there
_BANDS = ("-2 s.d.", "-1 s.d.", "median", "+1 s.d.", "+2 s.d.")
_DIGITS = 5


def write_hepdata(results: SearchResults, limits: LimitsResults, out: Path) -> Path:
    """Write the folder ``limits.hepdata`` of a run, and ``submission.tar.gz`` in it.

    The tables are limits on selected yields (one for each selection), limits on signal models, the
    injections behind them, and the mass spectra of the best window with their fits.

    Parameters
    ----------
    results : SearchResults
        Of the run.
    limits : LimitsResults
        Its limits.
    out : Path
        The run's folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OverdensityError
        If the validator of HEPData refuses the submission.
    """
    comment = (
        "Upper limits and mass spectra of an anomaly search with the method "
        f"{limits.provenance.configuration['method']['name']}, made by overdensity "
        f"{limits.provenance.versions['overdensity']}."
    )
    return write_submission(_tables(results, limits), out / "limits.hepdata", comment)


def write_submission(tables: Sequence[Table], folder: Path, comment: str) -> Path:
    """Write tables into a folder, in place of older ones, and ``submission.tar.gz`` beside them.

    Parameters
    ----------
    tables : sequence of Table
        In this order.
    folder : Path
        The folder.
    comment : str
        What the submission is.

    Raises
    ------
    OverdensityError
        If the validator of HEPData refuses the submission.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (*folder.glob("*.yaml"), *folder.glob("*.tar.gz")):
        stale.unlink()
    submission = Submission()
    submission.comment = comment
    for table in tables:
        submission.add_table(table)
    with chdir(folder), warnings.catch_warnings():  # the archive goes where one stands
        for noise in (DeprecationWarning, ResourceWarning):  # the validator leaves files open
            warnings.simplefilter("ignore", noise)
        submission.create_files(".", validate=False)
        _validate("submission.tar.gz")
    return folder


def _validate(archive: str) -> None:
    validator = FullSubmissionValidator()
    if validator.validate(archive=archive):
        return
    complaints = [
        f"{name}: {message.message}"
        for name, messages in validator.messages.items()
        for message in messages
    ]
    msg = f"HEPData would refuse the submission: {complaints[0]} ({len(complaints)} complaints)"
    raise OverdensityError(msg)


def _tables(results: SearchResults, limits: LimitsResults) -> list[Table]:
    tables = [
        _yield_table(limits.windows, index, limits.level)
        for index in range(len(limits.windows[0].selections))
    ]
    for kind, chosen in (
        ("without retraining", [signal.fixed for signal in limits.signals]),
        ("with retraining", [signal.injected for signal in limits.signals]),
    ):
        if any(limit is not None for limit in chosen):
            tables.append(_signal_table(limits, chosen, kind))
    tables.extend(
        _injection_table(signal, number)
        for number, signal in enumerate(limits.signals, start=1)
        if len(signal.points) > 1
    )
    if results.best is not None:
        tables.extend(
            _spectrum_table(quality.efficiency, fit, (results.best.low, results.best.high))
            for quality, fit in zip(results.fit, results.spectra, strict=True)
            if fit is not None
        )
    return tables


def _yield_table(windows: Sequence[WindowLimits], index: int, level: float) -> Table:
    rows = [window.selections[index] for window in windows]
    efficiency = rows[0].efficiency
    selection = f"after the selection of the {selection_name(efficiency)} most anomalous events"
    table = new_table(
        f"Limits on events at background efficiency {efficiency:g}",
        f"{100 * level:g} % CL upper limits (CLs) on the number of signal events in the signal "
        f"region {'before any selection' if efficiency == 1 else selection}.",
    )
    table.add_variable(_bins("Signal region", [(w.low, w.high) for w in windows]))
    table.add_variable(column_of("Observed events", [row.selection.observed for row in rows]))
    background = column_of("Expected background", [row.selection.expected for row in rows])
    background.add_uncertainty(_error("fit", [row.selection.total_error for row in rows]))
    table.add_variable(background)
    table.add_variable(column_of("Observed limit", [row.observed for row in rows], "events"))
    for column in expected_columns([row.expected for row in rows], "events"):
        table.add_variable(column)
    return table


def _signal_table(
    limits: LimitsResults, chosen: Sequence[StrengthLimit | None], kind: str
) -> Table:
    table = new_table(
        f"Limits on signal models {kind}",
        f"{100 * limits.level:g} % CL upper limits (CLs) on signal models, {kind}: on the number "
        "of events before any selection of the search, and on the cross section where the "
        "luminosity is known.",
    )
    pairs = [(s, x) for s, x in zip(limits.signals, chosen, strict=True) if x is not None]
    table.add_variable(column_of("Model", [signal.name for signal, _ in pairs], independent=True))
    masses = [signal.mass for signal, _ in pairs]
    table.add_variable(column_of("Mass", masses, "GeV"))
    table.add_variable(column_of("Selection", [limit.efficiency for _, limit in pairs]))
    table.add_variable(column_of("Signal efficiency", [limit.eps_s for _, limit in pairs]))
    table.add_variable(column_of("Observed limit", [x.observed for _, x in pairs], "events"))
    for column in expected_columns([limit.expected for _, limit in pairs], "events"):
        table.add_variable(column)
    if limits.luminosity is not None:
        observed = [limit.cross_section_observed for _, limit in pairs]
        table.add_variable(column_of("Observed limit on the cross section", observed, "fb"))
        expected = [limit.cross_section_expected for _, limit in pairs]
        for column in expected_columns(expected, "fb", of=" on the cross section"):
            table.add_variable(column)
    return table


def _injection_table(signal: SignalLimits, number: int) -> Table:
    """Return significance and efficiency against strength, in the selection of the limit."""
    steps = [row.efficiency for row in signal.points[0].selections]
    index = 0 if signal.injected is None else steps.index(signal.injected.efficiency)
    rows = [point.selections[index] for point in signal.points]
    table = new_table(
        f"Injections {number}",
        f"The search repeated, training included, with events of the model {signal.name} in the "
        f"signal region {signal.low:.0f}-{signal.high:.0f} GeV; selection "
        f"{selection_name(steps[index])}. Medians and quantiles over the repeats.",
    )
    strengths = [point.strength for point in signal.points]
    table.add_variable(column_of("Injected signal events", strengths, independent=True))
    table.add_variable(column_of("Repeats", [point.repeats for point in signal.points]))
    for name, values in (
        ("Local significance", [row.z_local for row in rows]),
        ("Signal efficiency", [row.eps_s for row in rows]),
    ):
        for band, column in zip(_BANDS, np.array(values).T.tolist(), strict=True):
            table.add_variable(column_of(f"{name}, {band}", column))
    return table


def _spectrum_table(efficiency: float, fit: SpectrumFit, region: tuple[float, float]) -> Table:
    name = selection_name(efficiency)
    table = new_table(
        f"Mass spectrum at background efficiency {efficiency:g}",
        f"Spectrum of the resonant mass, selection: {name}, with the fit of the sidebands of the "
        f"signal region {region[0]:.0f}-{region[1]:.0f} GeV.",
    )
    table.add_variable(_bins("Resonant mass", list(zip(fit.edges, fit.edges[1:], strict=False))))
    table.add_variable(column_of("Events", list(fit.counts)))
    background = column_of("Fitted background", list(fit.expected))
    background.add_uncertainty(_error("fit", list(fit.expected_error)))
    table.add_variable(background)
    return table


def new_table(name: str, description: str) -> Table:
    """Return an empty table of a search."""
    table = Table(name)
    table.description = description
    table.location = "Made from the results of the search"
    table.keywords["observables"] = ["N", "SIG"]
    return table


def _bins(name: str, edges: Sequence[tuple[float, float]]) -> Variable:
    variable = Variable(name, is_independent=True, is_binned=True, units="GeV", values=list(edges))
    variable.digits = _DIGITS + 2
    return variable


def column_of(
    name: str,
    values: Sequence[float | str | None],
    units: str = "",
    *,
    independent: bool = False,
) -> Variable:
    """Return a column of numbers or words, with HEPData's sign for what is not there."""
    shown = [_MISSING if value is None else value for value in values]
    variable = Variable(
        name,
        is_independent=independent,
        is_binned=False,
        units=units,
        values=shown,
        zero_uncertainties_warning=False,
    )
    variable.digits = _DIGITS
    return variable


def expected_columns(
    bands: Sequence[Sequence[float | None]], units: str, *, of: str = ""
) -> list[Variable]:
    """Return a column for each quantile of expected limits."""
    full = [tuple(each) or (None,) * len(_BANDS) for each in bands]
    return [
        column_of(f"Expected limit{of}, {band}", [each[index] for each in full], units)
        for index, band in enumerate(_BANDS)
    ]


def _error(label: str, values: Sequence[float]) -> Uncertainty:
    uncertainty = Uncertainty(label, is_symmetric=True)
    uncertainty.values = list(values)
    return uncertainty
