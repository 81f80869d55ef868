"""From a run to the answer sheet of the challenge."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from ...core import InputError
from ...stats.search.printed import significances
from ...stats.signal.yields import NumberOfEvents
from ..stages.inputs.event_files import event_files, event_format
from ..stages.run import Run
from ..stages.search_result import BestResult, SearchResults, run_of_results
from .answer_sheet import ANSWER, JETS, AnsweredBox, AnswerSheet, Daughter, Measured
from .jets_of_excess import JetOfExcess, JetsOfExcess, jets_of_excess
from .score_rules import probability_of_signal
from .sealing import commitment_in
from .writing import writing_to

__all__ = ["answer_run", "write_answer"]

_SCALE = 0.01  # how far the mass of two jets lies from that of their resonance
_SCALE_NOTE = (
    f"the error of the resonance's mass includes {100 * _SCALE:.0f} % for the mass scale of two jets, "
    "which miss radiation and decay products"
)


def answer_run(
    folder: Path, *, name: str | None = None, box: Path | None = None, level: float = 0.05
) -> tuple[AnswerSheet, JetsOfExcess | None]:
    """Answer a box with a finished search of it.

    Parameters
    ----------
    folder : Path
        Of the run.
    name : str, optional
        Who answers; by default the method of the search.
    box : Path, optional
        The box; by default the event file of the search.
    level : float
        A signal is claimed where the global p-value is at most that.

    Returns
    -------
    AnswerSheet
        Without masses where no signal is found.
    JetsOfExcess or None
        What the masses of the daughters were made of; None without a signal.

    Raises
    ------
    InputError
        If there are no results or they may not be quoted, or columns or scores are missing.

    Examples
    --------
    >>> answer_run(Path("runs/none"))
    Traceback (most recent call last):
    overdensity.core.errors.InputError: runs/none: no results.json there; 'overdensity run' makes it
    """
    path = folder / "results.json"
    if not path.is_file():
        msg = f"{folder}: no results.json there; 'overdensity run' makes it"
        raise InputError(msg)
    results = SearchResults.from_json(path)
    if not results.quotable:
        msg = (
            f"{path}: not to be quoted, since fit.spurious: data lets a signal hide itself; set "
            "fit.spurious: none and run again"
        )
        raise InputError(msg)
    run, best = run_of_results(results, folder), results.best
    jets = None
    if best is not None and best.p_global <= level:
        jets = jets_of_excess(run, results, best)
    return _sheet(run, results, jets, name or run.config.method.name, _box_of(run, box)), jets


def write_answer(
    folder: Path,
    *,
    out: Path | None = None,
    name: str | None = None,
    box: Path | None = None,
    level: float = 0.05,
) -> AnswerSheet:
    """Write the answer of `answer_run` into the folder of the run, and to another file on request.

    Raises
    ------
    InputError
        As `answer_run`, or if a file cannot be written.
    """
    sheet, jets = answer_run(folder, name=name, box=box, level=level)
    with writing_to(out or folder):
        if out is not None:
            sheet.to_json(out)
        (folder / JETS).unlink(missing_ok=True)  # of an earlier answer
        if jets is not None:
            jets.to_json(folder / JETS)
        sheet.to_json(folder / ANSWER)
    return sheet


def _sheet(
    run: Run, results: SearchResults, jets: JetsOfExcess | None, name: str, box: AnsweredBox
) -> AnswerSheet:
    """Return the sheet; without jets no signal is claimed."""
    best = results.best
    if best is None or jets is None:
        return AnswerSheet(
            name=name,
            box=box,
            signal_found=False,
            p_value=None if best is None else best.p_global,
            p_value_is_limit=best is not None and best.p_global_is_limit,
            probability_of_signal=probability_of_signal(None if best is None else best.p_global),
            abstract=_about_the_search(run, results) + _nothing(best),
            notes=results.flags,
            key=results.key,
        )
    number, how = _number(results, best)
    daughters = _daughter(jets.heavier), _daughter(jets.lighter)
    modes = _decay_modes(*daughters)
    return AnswerSheet(
        name=name,
        box=box,
        signal_found=True,
        p_value=best.p_global,
        p_value_is_limit=best.p_global_is_limit,
        probability_of_signal=probability_of_signal(best.p_global),
        resonance_mass=_mass(best),
        heavier_daughter=daughters[0],
        lighter_daughter=daughters[1],
        n_signal=number,
        decay_modes=modes,
        abstract=_about_the_search(run, results) + _excess(best, number, modes),
        notes=(*results.flags, _SCALE_NOTE, *how, *jets.notes),
        key=results.key,
    )


def _box_of(run: Run, box: Path | None) -> AnsweredBox:
    """Return which box was searched, with the commitment where its file is there."""
    events = run.config.events
    files, kind = event_files(events), event_format(events)
    if box is None and len(files) == 1:
        if kind == "columns":
            with suppress(InputError):  # which are of no box, or of one that they do not tell
                return AnsweredBox(Path(files[0]).stem, commitment_in(Path(files[0])))
        box = Path(files[0]) if kind == "lhco" else None
    if box is None:
        return AnsweredBox(run.folder.resolve().name)
    try:
        return AnsweredBox(box.stem, commitment_in(box))
    except InputError:
        if box.is_file() and h5py.is_hdf5(box):
            return AnsweredBox(box.stem)  # an event file that was never sealed
        raise


def _mass(best: BestResult) -> Measured:
    """Return the mass of the resonance; a peak without an error of its own has that of its width."""
    error = best.width if best.mass_error is None else best.mass_error
    return Measured(best.mass, float(np.hypot(error, _SCALE * best.mass)))


def _number(results: SearchResults, best: BestResult) -> tuple[Measured | None, tuple[str, ...]]:
    """Return the number of signal events before selection, and how it was found.

    What a fit of all events may call a deficit holds at least the events of the peak that was found
    among the selected ones. The error stays: where the truth is at least that, the number moved is no further from it.
    """
    found = results.before_selection
    if found is None:
        return None, ()
    ways: tuple[tuple[str, NumberOfEvents | None], ...] = (
        ("the efficiency of simulated signal", found.simulated),
        ("events that pass and that fail the selection", found.passing_failing),
        ("the unselected spectrum", found.unselected),
    )
    for how, number in ways:
        if number is not None:
            fitted = Measured(number.value, number.error if number.error > 0 else None)
            said = [f"the number of signal events is from {how}; {'; '.join(found.assumptions)}"]
            if number.value < best.n_signal:
                said.append(
                    f"that fit gives {fitted.said()} signal events, fewer than the "
                    f"{Measured(best.n_signal, best.n_signal_error).said()} selected ones, of which there are "
                    "at least so many"
                )
            return replace(fitted, value=max(number.value, best.n_signal)), tuple(said)
    return None, found.problems


def _daughter(jet: JetOfExcess | None) -> Daughter | None:
    if jet is None or jet.peak.mass is None:
        return None
    mass = Measured(jet.peak.mass, jet.mass_error)
    return Daughter(mass, None if jet.prongs is None else jet.prongs.number)


def _decay_modes(heavier: Daughter | None, lighter: Daughter | None) -> tuple[str, ...]:
    """Return what decays to what, in words."""
    modes = []
    names = []
    for name, daughter in (("heavier", heavier), ("lighter", lighter)):
        if daughter is None or daughter.mass is None:
            names.append("a jet without a peak in its mass")
            continue
        names.append(f"a {name} particle of {daughter.mass.said('GeV')}")
        if daughter.prongs == 1:
            modes.append(f"{name} particle → one jet without prongs")
        elif daughter.prongs is not None:
            modes.append(f"{name} particle → {daughter.prongs} quarks or gluons")
    return (f"resonance → {' and '.join(names)}", *modes)


def _about_the_search(run: Run, results: SearchResults) -> str:
    config = run.config
    return (
        f"{results.n_events} events with {config.mass} between {config.scan.low:.0f} and "
        f"{config.scan.high:.0f} GeV were searched by {config.method.name} on "
        f"{', '.join(config.features)}, cross-fitted in {config.folds} folds; background was "
        f"estimated by {_background(run, results)} beside {len(results.windows)} windows. "
    )


def _background(run: Run, results: SearchResults) -> str:
    """Return what a selection was compared with, in words."""
    background = run.config.fit.background
    if background in {"function", "bump_hunt"}:
        return f"fits of {results.function}"
    if background == "abcd":
        return "events that pass one of two independent scores, or none,"
    counted = {"shaping": "events before selection", "transfer": "events that fail the selection"}
    return f"counted {counted[background]} and its efficiency, fitted"


def _nothing(best: BestResult | None) -> str:
    if best is None:
        return "No fit describes its sidebands, so that there is no result."
    return (
        f"No signal was found: the largest local significance is {best.z_local:.1f}σ, the global "
        f"p-value {_bound(best)}{best.p_global:.2g}."
    )


def _bound(best: BestResult) -> str:
    return "≤ " if best.p_global_is_limit else ""


def _excess(best: BestResult, number: Measured | None, modes: tuple[str, ...]) -> str:
    said = significances(
        best.z_local,
        best.z_global,
        is_limit=best.p_global_is_limit,
        extrapolated=best.p_global_extrapolated,
    )
    mass = _mass(best).said("GeV")
    relation = _bound(best) or "= "
    events = "" if number is None else f" About {number.said()} signal events are in the data."
    return (
        f"There is an excess at {mass}: {said}, global p-value {relation}{best.p_global:.2g}."
        f"{events} In the excess above the sidebands: {'; '.join(modes)}."
    )
