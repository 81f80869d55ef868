"""From scores to selections that do not bend the mass spectrum."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core import FitError, InputError
from ...core.identity import splitmix64
from ...ml import Sample, Window
from ...stats import (
    Independence,
    Sculpting,
    choose_start,
    conformal_p,
    count_patterns,
    fabricated_excess,
    independence_test,
    refuse_fabricated,
    selection_levels,
)
from ...stats.search.fit_start import FitStart
from ...stats.search.hunt_result import HuntResult
from ...stats.selection.conformal import conformal_p_of_new
from ...stats.selection.efficiency import passes
from ...stats.spectra.functions import n_parameters
from ..models.written_files import START_FILE
from .run import Run
from .scores import Scores, read_scores

__all__ = [
    "Selected",
    "about_start",
    "calibrated",
    "calibrated_scores",
    "check_selections",
    "independence_of",
    "levels_of",
    "passing_new",
    "sculpting_of",
    "selected_events",
    "with_start",
]

_NO_START = "no start of the fits is good enough; choose another function or a narrower scan"
_NEVER = 1e9  # of a fake excess, in units of its statistical error
_BULK = 0.9  # the fraction of events, lowest in score, that shows how a score knows the mass


class Selected(NamedTuple):
    """What one partition into folds selects.

    Attributes
    ----------
    scores, cut_on : Scores
        As the models gave them, and as `calibrated_scores` has them.
    levels : ndarray of int8, shape (n_events, n_windows)
        Selections that events pass (`levels_of`).
    bent : Sculpting
        How these bend the spectrum (`sculpting_of`).
    both : ndarray of int8, shape (2, n_events), or None
        Selections that events pass in each of two scores, for ``fit.background: abcd``.
    """

    scores: Scores
    cut_on: Scores
    levels: NDArray[np.int8]
    bent: Sculpting
    both: NDArray[np.int8] | None = None


def selected_events(run: Run) -> Selected:
    """Read the scores of a run in its partition, and select by them.

    Raises
    ------
    InputError
        If scores are missing, or a fold has too few events beside a signal region.
    FitError
        If there are too few events to fit.
    """
    scores = read_scores(run)
    if scores.both is not None:
        both = _levels_of_both(run, scores)
        levels = np.tile(both.min(axis=0)[:, None], (1, len(run.windows)))
        return Selected(scores, scores, levels, sculpting_of(run, scores), both)
    cut_on = calibrated_scores(run, scores)
    return Selected(scores, cut_on, levels_of(run, cut_on), sculpting_of(run, cut_on))


def _levels_of_both(run: Run, scores: Scores) -> NDArray[np.int8]:
    """Return how many selections each event passes in each of two scores, of which a cut on both is made.

    Background that is independent in both passes both as often as a selection says.
    """
    check_selections(run, len(scores.sample))
    ids, cuts = splitmix64(scores.sample.event), np.sqrt(run.config.cuts).tolist()
    both = [] if scores.both is None else scores.both
    return np.stack([selection_levels(each, scores.fold, cuts, events=ids) for each in both])


def check_selections(run: Run, n_events: int) -> None:
    """Refuse a selection that keeps no event of a fold.

    Raises
    ------
    InputError
        If the tightest selection rounds to none of the events in the range of the scan.
    """
    tightest, folds = run.config.selections[-1], run.config.folds
    if tightest * n_events / folds < 0.5:
        msg = (
            f"selections: {tightest:g} of {n_events} events in {folds} folds keeps none of a fold; "
            f"give {1.05 * folds / n_events:.1g} or more"
        )
        raise InputError(msg)


def calibrated(
    run: Run,
    values: NDArray[np.float32],
    *,
    mass: NDArray,
    fold: NDArray[np.int64],
    event: NDArray[np.uint64],
    window: Window,
) -> NDArray[np.float32]:
    """Return what the selections of one window cut on; larger is more anomalous.

    With ``calibration: conformal`` it is the conformal p-value, negative: the same fraction of
    background passes a cut at every mass. Else it is the score itself.

    Parameters
    ----------
    run : Run
        The search.
    values : ndarray of shape (n_events,)
        Scores of the window.
    mass, fold, event : ndarray of shape (n_events,)
        Resonant mass in GeV, outer fold and id of each event.
    window : Window
        The window, whose signal region does not calibrate.

    Raises
    ------
    InputError
        If a fold has too few events beside the signal region.
    """
    if run.config.calibration == "none":
        return values
    ids = splitmix64(event)  # a user's own ids may be in order of anything
    return -conformal_p(values, mass, fold, window=(window.low, window.high), events=ids)


def passing_new(
    run: Run,
    values: NDArray[np.float32],
    *,
    sample: Sample,
    fold: NDArray[np.int64],
    window: Window,
    new: Sample,
    new_values: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return which new events pass the selections of one window, had they been in each fold.

    Parameters
    ----------
    run : Run
        The search.
    values, fold : ndarray of shape (n_events,)
        Scores of the window, and outer fold of each event.
    sample : Sample
        The events of the scan range.
    window : Window
        The window.
    new : Sample
        Events in the scan range that no model saw, such as simulated signal.
    new_values : ndarray of shape (n_folds, n_new)
        Their scores by the model of each fold.

    Returns
    -------
    ndarray of bool, shape (n_selections, n_folds, n_new)
        From the loosest selection on.

    Raises
    ------
    InputError
        If a fold has too few events beside the signal region.
    """
    event, new_event = splitmix64(sample.event), splitmix64(new.event)
    cut_on = calibrated(run, values, mass=sample.mass, fold=fold, event=sample.event, window=window)
    passing = np.empty((len(run.config.cuts), *new_values.shape), dtype=np.bool_)
    for each, scores in enumerate(new_values):
        rows, new_cut_on = np.flatnonzero(fold == each), scores
        if run.config.calibration != "none":
            new_cut_on = -conformal_p_of_new(
                values[rows],
                sample.mass[rows],
                window=(window.low, window.high),
                events=event[rows],
                new_scores=scores,
                new_mass=new.mass,
                new_events=new_event,
            )
        for index, efficiency in enumerate(run.config.cuts):
            passing[index, each] = passes(
                cut_on[rows],
                event[rows],
                efficiency,
                new_cut_on=new_cut_on,
                new_events=new_event,
            )
    return passing


def calibrated_scores(run: Run, scores: Scores) -> Scores:
    """Return the scores of all windows as `calibrated` ones."""
    sample = scores.sample
    values = [
        calibrated(run, row, mass=sample.mass, fold=scores.fold, event=sample.event, window=window)
        for row, window in zip(scores.values, run.windows, strict=True)
    ]
    return replace(scores, values=np.stack(values))


def levels_of(run: Run, scores: Scores) -> NDArray[np.int8]:
    """Return how many selections each event passes in each window, (n_events, n_windows).

    The scores are those of `calibrated_scores`.

    Raises
    ------
    InputError
        If a selection keeps no event.
    """
    check_selections(run, len(scores.sample))
    ids = splitmix64(scores.sample.event)
    return np.stack(
        [
            selection_levels(values, scores.fold, run.config.cuts, events=ids)
            for values in scores.values
        ],
        axis=1,
    )


def sculpting_of(run: Run, scores: Scores) -> Sculpting:
    """Measure how selections on `calibrated_scores` bend the spectrum, and which are refused.

    Raises
    ------
    FitError
        If there are too few events to fit.
    """
    config = run.config
    fitted = scores.sample.mass >= run.start
    found = fabricated_excess(
        scores.values[:, fitted].T,
        scores.sample.mass[fitted],
        scores.fold[fitted],
        edges=run.fit_edges,
        windows=run.regions,
        efficiencies=config.cuts,
        events=splitmix64(scores.sample.event[fitted]),
        model=run.fit_model,
        bulk=min(_BULK, 1 - config.cuts[0]),
    )
    if config.fit.background == "abcd":  # nothing is fitted beside a window: shown, and not refused
        return refuse_fabricated(found, tolerance=_NEVER)
    return refuse_fabricated(found)


def independence_of(run: Run, scores: Scores) -> tuple[Independence, ...]:
    """Test in each window and its sidebands whether the score is independent of the mass."""
    sample = scores.sample
    return tuple(
        independence_test(
            values,
            sample.mass,
            scores.fold,
            region=(window.sideband_low, window.sideband_high),
            events=splitmix64(sample.event),
            seed=run.config.seed,
        )
        for values, window in zip(scores.values, run.windows, strict=True)
    )


def with_start(run: Run) -> tuple[Run, FitStart | None]:
    """Return the run with the start of its fits, and what was tried where it is to be chosen.

    The fits of the first partition decide (`choose_start`). The choice is written for the commands
    that go on with the run.

    Raises
    ------
    InputError
        If scores are missing.
    FitError
        If there are too few events to fit.
    """
    path = run.folder / START_FILE
    path.unlink(missing_ok=True)
    if run.config.fit.start != "auto":
        return run, None
    whole = run.for_training
    scores = calibrated_scores(whole, read_scores(whole))
    found = _start(whole, scores.sample.mass, levels_of(whole, scores))
    found.to_json(path)
    return run.starting_at(found.start), found


def about_start(
    run: Run, result: HuntResult, found: FitStart | None, selected: Selected
) -> tuple[str, ...]:
    """Say where a chosen start does not hold, and where fits that fail might begin."""
    if run.config.fit.background == "abcd":
        return ()
    if found is not None:
        return () if found.holds else (f"{found}: {_NO_START}",)
    threshold = run.config.fit.gof_threshold
    goodness = [row.fit_p_value for window in result.windows for row in window.rows]
    if run.config.fit.start is not None or min(result.unselected_p_value, *goodness) >= threshold:
        return ()
    try:
        better = _start(run, selected.scores.sample.mass, selected.levels)
    except FitError:
        return ()
    if not better.holds or better.start <= run.start:
        return ()
    first = better.candidates[0]
    advice = (
        f"{first.bad} of {first.fits} fits do not describe what lies outside their windows; from "
        f"{better.start:.0f} GeV on they do: set fit.start: auto, or that mass"
    )
    return (advice,)


def _start(run: Run, mass: NDArray[np.floating], levels: NDArray[np.int8]) -> FitStart:
    """Choose the start among the edges of a scan that is fitted from its lower end, where fits can be tested."""
    config, scan = run.config, run.config.scan
    most = n_parameters(config.fit.function) if config.fit.fits_function else 0
    return choose_start(
        count_patterns(mass, levels, run.fit_edges),
        run.regions,
        run.config.selections,
        starts=[edge for k, edge in enumerate(run.edges) if config.tested_bins(k) > most],
        below=max(1, scan.sideband_bins // 2) * run.config.fit.bins_per_bin,
        model=run.fit_model,
    )
