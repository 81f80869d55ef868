"""Any set of methods over seeds and signal strengths, on the same events: table and figures."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, nearest_names
from ...core.files.locks import locked
from ...core.records import write_text_atomic
from ...ml import Folding, Sample, fit_guarded, make_method, mass_sculpting, performance, train_fold
from ...ml.decorrelation.decorrelated import decorrelated
from ...ml.evaluation.metrics import efficiency_in_fold, sic_at_efficiencies
from ..cluster.campaign import in_file_names, make_files
from ..cluster.connecting import connect
from ..config.benchmark import BenchmarkConfig
from ..stages.provenance import Provenance, file_states, stage_key
from .benchmark_figures import save_benchmark_figures
from .benchmark_result import EPS_S, BenchmarkResults, BenchmarkRun, as_markdown, summary
from .events import (
    check_benchmark,
    concatenated,
    is_cross_fitted,
    load_source,
    needs_of,
    source_files,
    source_states,
    sources_of,
    strengths_of,
    training_events,
)

__all__ = ["BenchmarkTask", "benchmark_tasks", "run_benchmark", "run_task", "training_file"]


@dataclass(frozen=True)
class BenchmarkTask:
    """One training and its test.

    Attributes
    ----------
    label : str
        The method's name in the table.
    n_signal : int, optional
        Signal events among the data; None for methods that learn from labels.
    seed : int
        Of the training, and of the drawn signal.
    """

    label: str
    n_signal: int | None
    seed: int

    def __str__(self) -> str:
        """Say the task in words."""
        signal = "labels" if self.n_signal is None else f"{self.n_signal} signal events"
        return f"{self.label}, {signal}, seed {self.seed}"


def run_benchmark(config: BenchmarkConfig, *, only: tuple[str, ...] = ()) -> BenchmarkResults:
    """Train and test all methods; what is there already is not made again.

    Parameters
    ----------
    config : BenchmarkConfig
        The benchmark.
    only : tuple of str
        Names of the methods to run, of those that the configuration has; by default all.

    Returns
    -------
    BenchmarkResults
        Also written to ``benchmark.json``, with ``benchmark.md`` and figures beside it, in the
        folder of the configuration.

    Raises
    ------
    OverdensityError
        If the configuration or the events cannot be used, or trainings failed; what is done is
        kept.
    """
    config = _chosen(config, only)
    check_benchmark(config)
    out = Path(config.out)
    with locked(out / ".lock", what=str(out)):
        return _run(config, out)


def _run(config: BenchmarkConfig, out: Path) -> BenchmarkResults:
    files = {
        task: out / "trainings" / training_file(config, task) for task in benchmark_tasks(config)
    }
    if any(BenchmarkRun.earlier(path) is None for path in files.values()):
        with connect(config.cluster, config.workers) as client:
            make_files(
                client,
                run_task,
                config,
                files,
                read=BenchmarkRun.earlier,
                description="benchmark",
                unit="trainings",
            )
    runs = tuple(  # the name in the table is none of the things that a training depends on
        dataclasses.replace(BenchmarkRun.from_json(path), method=task.label)
        for task, path in files.items()
    )
    rows, smallest = summary(runs)
    used = {name for label in config.methods for name in sources_of(config, label)}
    results = BenchmarkResults(
        provenance=Provenance.of(
            config.model_dump(mode="json"),
            config.seeds[0],
            sorted({file for name in used for file in source_files(getattr(config, name))}),
        ),
        selections=config.selections,
        min_background=config.min_background,
        eps_s=EPS_S,
        rows=rows,
        smallest=smallest,
        runs=runs,
    )
    results.to_json(out / "benchmark.json")
    write_text_atomic(out / "benchmark.md", as_markdown(results))
    save_benchmark_figures(results, config.window.window(), out)
    return results


def benchmark_tasks(config: BenchmarkConfig) -> list[BenchmarkTask]:
    """Return all trainings, seed by seed: one that is cut off has all methods at fewer seeds."""
    points: list[tuple[str, int | None]] = []
    for label, method in config.methods.items():
        labels = "labels" in needs_of(method)
        points += [(label, n_signal) for n_signal in ((None,) if labels else strengths_of(config))]
    return [BenchmarkTask(*point, seed) for seed in config.seeds for point in points]


def run_task(config: BenchmarkConfig, task: BenchmarkTask, path: Path) -> None:
    """Train a method, test it, and write its `BenchmarkRun`; runs on a worker.

    Raises
    ------
    InputError
        If the events cannot be used.
    """
    started = time.perf_counter()
    window, edges = config.window.window(), config.edges
    test, fold, score = _scored(config, task)
    seconds = time.perf_counter() - started
    label = test.label
    assert label is not None  # every source has them
    region = window.signal(test.mass)
    ranked = score[region]
    if is_cross_fitted(config, task.label):
        ranked = -efficiency_in_fold(ranked, label[region], fold[region])
    background = label == 0
    signal_in, background_in = _counted(config, task)
    BenchmarkRun(
        method=task.label,
        seed=task.seed,
        n_signal=task.n_signal,
        signal=signal_in,
        background=background_in,
        test_signal=int(np.count_nonzero(region & ~background)),
        test_background=int(np.count_nonzero(region & background)),
        performance=performance(
            ranked,
            label[region],
            eps_b=config.selections,
            min_background=config.min_background,
        ),
        curve=tuple(
            sic_at_efficiencies(
                ranked, label[region], np.array(EPS_S), min_background=config.min_background
            ).tolist()
        ),
        sculpting=mass_sculpting(
            test.mass[background],
            score[background],
            edges=edges,
            efficiencies=config.selections,
            fold=fold[background],
        ),
        seconds=seconds,
    ).to_json(path)


def _scored(
    config: BenchmarkConfig, task: BenchmarkTask
) -> tuple[Sample, NDArray[np.int64], NDArray[np.float32]]:
    """Return the test events, which model scores each, and the scores.

    A method that trains on the test background is cross-fitted: the model of a fold has not seen
    its background, and scores that fold's signal as well, so that the two can be compared.
    """
    test = _test_events(config, task.label)
    settings = config.methods[task.label]
    method = decorrelated(
        make_method(settings.name, **settings.hyperparameters),
        settings.decorrelate.features,
        among=config.features_of(task.label),
        by=settings.decorrelate.by,
    )
    data, simulation = training_events(config, task.label, n_signal=task.n_signal, seed=task.seed)
    window, shown = config.window.window(), test.without_label()
    if not is_cross_fitted(config, task.label):
        model = fit_guarded(method, data, window, simulation=simulation, seed=task.seed)
        return test, np.zeros(len(test), np.int64), model.score(shown)
    folding = Folding(seed=task.seed, folds=config.folds, scheme="all", salt="benchmark")
    # Only background is held out, and of data that are not the test background nothing is.
    never_scored = np.full(len(data), fill_value=True)
    if task.n_signal is None:
        never_scored = data.label != 0
    fold = folding.of(test.event)
    score = np.empty(len(test), np.float32)
    for each in range(config.folds):
        model = train_fold(
            method,
            data,
            window,
            each,
            folding,
            simulation=simulation,
            never_scored=never_scored,
        )
        mine = np.flatnonzero(fold == each)
        score[mine] = model.score(shown.take(mine))
    return test, fold, score


def _test_events(config: BenchmarkConfig, label: str) -> Sample:
    """Return signal of the signal region, and background of that and of the spectra."""
    features, window = config.features_of(label), config.window.window()
    low, high = config.mass_range
    background = load_source(config, "test_background", features)
    signal = load_source(config, "test_signal", features)
    in_spectrum = (background.mass >= low) & (background.mass < high)
    return concatenated(
        background.take(window.signal(background.mass) | in_spectrum),
        signal.take(window.signal(signal.mass)),
    )


def _counted(config: BenchmarkConfig, task: BenchmarkTask) -> tuple[int | None, int | None]:
    """Return how many signal and background events the data have in the signal region."""
    if task.n_signal is None:
        return None, None
    data, _ = training_events(config, task.label, n_signal=task.n_signal, seed=task.seed)
    assert data.label is not None  # every source has them
    region = config.window.window().signal(data.mass)
    n_signal = int(np.count_nonzero(region & (data.label != 0)))
    return n_signal, int(np.count_nonzero(region)) - n_signal


def _chosen(config: BenchmarkConfig, only: tuple[str, ...]) -> BenchmarkConfig:
    """Return the configuration with some of its methods."""
    for label in only:
        if label not in config.methods:
            msg = (
                f"--methods: no method of the benchmark is called {label!r}; "
                f"{nearest_names(label, config.methods)}"
            )
            raise ConfigError(msg)
    if not only:
        return config
    return config.model_copy(update={"methods": {each: config.methods[each] for each in only}})


def training_file(config: BenchmarkConfig, task: BenchmarkTask) -> str:
    """Return the name of the file of a training, which holds the key of all that it depends on."""
    settings = config.methods[task.label]
    method = make_method(settings.name, **settings.hyperparameters)
    features = config.features_of(task.label)
    key = stage_key(
        source_states(config, sources_of(config, task.label)),
        settings.name,
        dataclasses.asdict(method.hyper),
        settings.simulation,
        config.mass,
        features,
        [config.shift.get(feature, 0.0) for feature in features],
        config.window.model_dump(),
        config.edges.tolist(),
        config.selections,
        config.min_background,
        settings.decorrelate.model_dump(),
        config.draw if task.n_signal is not None else None,
        config.folds if is_cross_fitted(config, task.label) else None,
        EPS_S,
        dataclasses.astuple(task)[1:],
        *([file_states(method.learnt_files)] if method.learnt_files else []),
    )
    signal = "labels" if task.n_signal is None else f"s{task.n_signal}"
    return f"{in_file_names(task.label)}-{signal}-seed{task.seed}-{key}.json"
