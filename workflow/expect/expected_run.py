"""``overdensity expect``: what a search can find, before its signal regions are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from distributed import Client

from ...core import ConfigError
from ...ml.thin_windows import not_searched
from ...stats.spectra.binning import window_bins
from ..cluster.campaign import in_file_names, make_files
from ..config.limits import LimitsConfig
from ..limits.injected_events import InjectionTask, check_pool, check_strengths
from ..limits.signal_models import SignalModel, read_signal_models
from ..stages.before_training import check_spurious, refuse_searched
from ..stages.inputs.event_files import column_paths
from ..stages.provenance import Provenance
from ..stages.run import Run
from ..stages.samples import load_sample
from .blind_data import blind_fit, check_blind
from .blind_training import BlindTraining, TrainedResponse, measure_response, training_key
from .expected_point import (
    PointTask,
    gaussian_tasks,
    make_point,
    point_key,
    stated_efficiencies,
)
from .expected_result import ExpectedPoint, ExpectedReach

__all__ = ["check_expected", "make_expected"]


def check_expected(run: Run) -> None:
    """Refuse what is wrong with the configuration, before anything is read.

    Raises
    ------
    ConfigError
        If there is no signal, a mass lies outside the scan, an efficiency is zero, or the signal
        regions would be looked at.
    """
    config, signals = run.config.expect, _limits(run).signals
    check_blind(run)
    if not config.efficiencies and not signals:
        msg = (
            "no signal whose reach could be expected: name simulated events under limits.signals, "
            "or state what the selections keep of a Gaussian resonance, such as "
            "expect: {efficiencies: {0.1: 0.6, 0.01: 0.4}}"
        )
        raise ConfigError(msg)
    if config.efficiencies:
        stated_efficiencies(run)
        gaussian_tasks(run, run.all_windows)
    elif not _strengths(run):
        msg = (
            "expect.strengths is missing: the numbers of signal events with which the search is "
            f"trained for limits.signals.{next(iter(signals))}, such as [20, 50, 100, 200]"
        )
        raise ConfigError(msg)


def make_expected(run: Run, client: Client) -> ExpectedReach:
    """Train where signals are simulated, throw toys, and write ``expected.json``.

    Every training and every signal leaves a file in ``expected/`` of the run; what is there already,
    made from the same input, is not made again.

    Parameters
    ----------
    run : Run
        The search, whose columns are there. It need not have been trained.
    client : distributed.Client
        Where the tasks run.

    Returns
    -------
    ExpectedReach

    Raises
    ------
    InputError
        If the signals cannot be used.
    OverdensityError
        If tasks failed; what is done is kept.
    """
    check_spurious(run)
    limits, signals = _limits(run), _signals(run)
    pool = None if limits.background is None else tuple(column_paths(limits.background))
    if pool is not None and signals:
        refuse_searched(run, load_sample(run, pool), "limits.background")
    trainings = {signal.name: _trainings(run, signal, pool) for signal in signals}
    folder = run.folder.absolute() / "expected"
    folder.mkdir(parents=True, exist_ok=True)
    trained = {
        task: folder / f"{in_file_names(task)}-{training_key(run, task)}.json"
        for some in trainings.values()
        for task in some
    }
    make_files(
        client,
        measure_response,
        run,
        trained,
        read=TrainedResponse.earlier,
        description="trainings with signal",
    )
    tasks = [
        PointTask(
            name=signal.name,
            mass=signal.config.mass or float(np.median(signal.sample.mass)),
            window=signal.window,
            share=signal.share,
            trainings=tuple(str(trained[task]) for task in trainings[signal.name]),
        )
        for signal in signals
    ]
    tasks += gaussian_tasks(run, run.windows)
    points = {task: folder / f"{in_file_names(task)}-{point_key(run, task)}.json" for task in tasks}
    make_files(
        client, make_point, run, points, read=ExpectedPoint.earlier, description="expected reach"
    )
    found = [ExpectedPoint.from_json(points[task]) for task in tasks]
    inputs = [*run.columns, *(name for signal in signals for name in signal.files), *(pool or ())]
    made = ExpectedReach(
        points=tuple(found),
        assumptions=tuple(_assumptions(run, found)),
        flags=tuple(_flags(run, found)),
        provenance=Provenance.of(run.config.model_dump(mode="json"), run.config.seed, inputs),
    )
    made.to_json(run.folder / "expected.json")
    return made


def _limits(run: Run) -> LimitsConfig:
    return run.config.limits or LimitsConfig()


def _strengths(run: Run) -> tuple[float, ...]:
    """Return the strengths at which simulated signals are trained with; none where none are given."""
    injections = _limits(run).injections
    return run.config.expect.strengths or (() if injections is None else injections.strengths)


def _signals(run: Run) -> list[SignalModel]:
    """Return the simulated signals; none where nobody has said how much of them is injected."""
    strengths = _strengths(run)
    signals = read_signal_models(run, _limits(run)) if strengths else []
    for signal in signals:
        check_strengths(signal.files, len(signal.sample), strengths)
    return signals


def _trainings(run: Run, signal: SignalModel, pool: tuple[str, ...] | None) -> list[BlindTraining]:
    """Return the trainings for a signal, on pseudo-data that know nothing of its signal region."""
    theta, expected = blind_fit(run, signal.window)
    masked = window_bins(run.fit_edges, np.array(run.regions))[signal.window]
    into: dict[str, Any] = {"base": run.columns, "pseudo_events": None, "theta": theta}
    if pool is not None:
        number = round(float(expected.sum()))
        check_pool(pool, len(load_sample(run, pool)), number)
        into = {"base": pool, "pseudo_events": number, "theta": None}
    return [
        BlindTraining(
            InjectionTask(
                model=signal.name,
                signal=signal.files,
                window=signal.window,
                strength=float(strength),
                repeat=repeat,
                spurious=0.0,
                refused=(),
                **into,
            ),
            inside=float(expected[masked].sum()),
        )
        for strength in (0.0, *_strengths(run))
        for repeat in range(run.config.expect.repeats)
    ]


def _assumptions(run: Run, points: Sequence[ExpectedPoint]) -> Iterator[str]:
    """Say what the numbers rest on."""
    yield (
        "the background of each window is that of the fit outside its signal region, and a "
        "selection keeps the same fraction of it at every mass"
    )
    if any(not point.trained for point in points):
        yield (
            f"{points[-1].name}: nothing is trained; the selections keep what expect.efficiencies "
            "states, however few signal events there are, while a method that learns from the data "
            "keeps less of a weaker signal"
        )
    if any(point.trained for point in points):
        limits = _limits(run)
        into = (
            "the events outside the signal region with smeared masses"
            if limits.background is None
            else "the simulated background of limits.background"
        )
        yield (
            f"simulated signals: every window is trained {run.config.expect.repeats} times at each "
            f"strength, on {into} with signal among them; between strengths the efficiency is "
            "interpolated"
        )
    if run.config.repeats > 1:
        yield (
            f"the reach is that of one partition into folds; the mean of {run.config.repeats}, as the "
            "search has it, varies less"
        )
    yield (
        "global significances count all windows and selections as trials, selections of different "
        "windows as independent, which is too many if anything"
    )


def _flags(run: Run, points: Sequence[ExpectedPoint]) -> Iterator[str]:
    """Say what a reader must know."""
    yield from not_searched(run.left_out)
    if run.config.expect.efficiencies and _limits(run).signals and not _strengths(run):
        yield (
            "limits.signals is left out: expect.strengths is missing, the numbers of signal events "
            "with which the search is trained"
        )
    threshold = run.config.fit.gof_threshold
    bad = {(each.low, each.high): each for each in points if each.sideband_p < threshold}
    for point in bad.values():
        yield (
            f"{point.low:.0f}-{point.high:.0f} GeV: {run.config.fit.function} does not describe the "
            f"spectrum outside the signal region (p = {point.sideband_p:.2g}), and the search will "
            "not quote this window; choose another fit.function"
        )
    for point in points:
        if point.curve.of(5.0, whole=False).median is None and point.largest is not None:
            yield (
                f"{point.name}: {point.largest:g} signal events, the largest of expect.strengths, "
                "are not expected to give 5σ; give larger strengths"
            )
