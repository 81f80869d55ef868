"""The whole search repeated on background-only pseudo-datasets, training included: its own p-value.

The global p-value of a search takes its scores as given. Here every pseudo-dataset is scored by
models trained on it, selected and scanned as the data were: expensive, and right whatever the
method does with the events.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from distributed import Client
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ...core import ConfigError, FitError, InputError
from ...core.records import atomic_path
from ...ml import Sample, fold_of, make_method, scan_edges, score_fold
from ...ml.folds import event_ids
from ...stats import count_patterns, subdivide, z_of_p
from ...stats.search.null import null_hypothesis
from ...stats.search.pseudo_datasets import Smallest, draw_events, smallest_p, smeared_masses
from ...stats.search.pseudo_experiments import global_p, throw_toys
from ...stats.search.scanning import Scan, scan
from ...stats.selection.patterns import Patterns
from ...stats.spectra.functions import basis
from ..cluster.connecting import connect, run_tasks
from ..config.search import SearchConfig
from ..report.report import write_report
from ..search_run import run_folder
from ..stages.columns import column_files
from ..stages.hunting import make_results
from ..stages.provenance import fingerprint, stage_key
from ..stages.scoring import (
    Scores,
    load_sample,
    load_simulation,
    read_scores,
    training_windows,
    windows_of,
)
from ..stages.search_result import SearchResults
from ..stages.selecting import calibrated_scores, levels_of, sculpting_of
from .retrained import PseudoDataset, Retrained

__all__ = ["calibrate_search", "pseudo_sample", "repeat_search"]

logger = logging.getLogger(__name__)

_WITHOUT_EFFECT = {
    "cluster",
    "workers",
    "out",
    "limits",
    "pseudo_datasets",
    "pseudo_experiments",
    "signal",
}
_TOYS = 1000  # pseudo-experiments behind the thresholds of the goodness of fit


@dataclass(frozen=True)
class _Recipe:
    """What a worker needs for a pseudo-dataset.

    Attributes
    ----------
    config : SearchConfig
        The search.
    columns : tuple of str
        Parquet files of the data.
    theta : tuple of float
        Parameters of the background on the bins of the fits.
    largest_deviance : tuple of float
        Per spectrum; a fit beyond it is not counted.
    spurious : tuple of float
        Per window, as a fraction of the background.
    key : str
        Hash of all that a pseudo-dataset depends on.
    """

    config: SearchConfig
    columns: tuple[str, ...]
    theta: tuple[float, ...]
    largest_deviance: tuple[float, ...]
    spurious: tuple[float, ...]
    key: str


def calibrate_search(config: SearchConfig) -> Retrained:
    """Repeat a finished search on pseudo-datasets; what is there already is not done again.

    Parameters
    ----------
    config : SearchConfig
        The search; `run_search` has done it, or `score_search` at least.

    Returns
    -------
    Retrained
        Also written to ``pseudodata.json`` in the run's folder; the report is written anew.

    Raises
    ------
    InputError
        If the search is not done or has no result.
    ConfigError
        If the method cannot be repeated on pseudo-datasets.
    """
    out = run_folder(config)
    columns = column_files(config, out)
    results = make_results(config, columns, out)
    with connect(config.cluster, config.workers) as client:
        found = repeat_search(config, columns, results, out, client)
    write_report(out)
    return found


def repeat_search(
    config: SearchConfig, columns: Sequence[str], results: SearchResults, out: Path, client: Client
) -> Retrained:
    """Train, select and scan every pseudo-dataset, and compare the data with them.

    Every window and fold of a pseudo-dataset is a task that leaves its scores in
    ``out/pseudodata/``; a pseudo-dataset that is complete leaves one JSON file in their place.

    Parameters
    ----------
    config, columns, out, client
        As for `make_scores`.
    results : SearchResults
        Those of the data.

    Returns
    -------
    Retrained
    """
    if results.best is None:
        msg = f"{out}: this search has no window with a quotable fit, so there is no p-value"
        raise InputError(msg)
    if "labels" in make_method(config.method.name, **config.method.hyperparameters).needs:
        msg = f"method {config.method.name!r} needs the truth, which pseudo-datasets have not"
        raise ConfigError(msg)
    recipe = _recipe(config, columns, results, out)
    files = [
        out.absolute() / "pseudodata" / f"dataset{index:04d}-{recipe.key}.json"
        for index in range(config.pseudo_datasets.number)
    ]
    _remove_stale(out / "pseudodata", recipe.key)
    missing = [index for index, path in enumerate(files) if not path.is_file()]
    made_in = training_windows(config)
    tasks_each = len(set(made_in)) * config.folds
    threads = sum(cast("dict[str, int]", client.nthreads()).values())
    batch = max(1, -(-2 * threads // tasks_each))  # enough to fill the cluster, no more on disk
    for first in range(0, len(missing), batch):
        now = missing[first : first + batch]
        name = f"pseudo-dataset {', '.join(str(index + 1) for index in now)} of {len(files)}"
        training = [
            (recipe, index, window, fold, path)
            for index in now
            for (window, fold), path in _score_files(config, files[index]).items()
            if made_in[window] == window and not path.is_file()
        ]
        run_tasks(client, _train_task, training, description=f"{name}: training", unit="folds")
        hunting = [(recipe, index, files[index]) for index in now]
        run_tasks(client, _hunt_task, hunting, description=f"{name}: scan", unit="datasets")
    retrained = _summary(config, results, [PseudoDataset.from_json(path) for path in files], recipe)
    retrained.to_json(out / "pseudodata.json")
    return retrained


def pseudo_sample(
    config: SearchConfig, columns: Sequence[str], theta: Sequence[float], index: int
) -> Sample:
    """Make a pseudo-dataset: the events of the data with new masses, or simulated events.

    There are as many as in the data, with event ids of their own, so that folds are divided anew;
    no event is used twice, and none knows the truth.

    Parameters
    ----------
    config : SearchConfig
        The search.
    columns : sequence of str
        Parquet files of the data.
    theta : sequence of float
        Parameters of the background on the bins of the fits.
    index : int
        Number of the pseudo-dataset, from which its randomness comes.

    Returns
    -------
    Sample
    """
    data = load_sample(config, columns)
    ids = event_ids(f"pseudo-dataset {index} of {config.seed}", 0, len(data))
    settings = config.pseudo_datasets
    if settings.simulation:
        pool = load_sample(config, settings.simulation)
        pool = pool.take(np.argsort(pool.event))
        drawn = pool.take(draw_events(len(pool), len(data), index, seed=config.seed))
        return Sample(ids, drawn.mass, drawn.features, drawn.names)
    ordered = data.take(np.argsort(data.event))  # the order of the files changes nothing
    model = basis(config.fit.function, _edges(config))
    masses = smeared_masses(
        ordered.mass, model, np.array(theta), smearing=settings.smearing, rng=_rng(config, index, 0)
    )
    return Sample(ids, masses, ordered.features, ordered.names)


def _recipe(
    config: SearchConfig, columns: Sequence[str], results: SearchResults, out: Path
) -> _Recipe:
    """Fit the background of the data, and find the thresholds of the goodness of fit."""
    scores = read_scores(config, columns, out)
    spurious = (
        np.zeros(len(windows_of(config)))
        if results.spurious is None
        else np.array(results.spurious.fraction)
    )
    patterns, fits = _scan(config, calibrated_scores(config, scores), spurious)
    toys = throw_toys(fits, null_hypothesis(patterns, fits), n=_TOYS, seed=config.seed)
    largest = np.quantile(toys.deviance, 1 - config.fit.gof_threshold, axis=0)
    settings = config.pseudo_datasets
    key = stage_key(
        fingerprint(columns),
        config.model_dump(exclude=_WITHOUT_EFFECT),
        settings.smearing,
        fingerprint(settings.simulation),
        fingerprint(config.simulation),
    )
    return _Recipe(
        config=config,
        columns=tuple(columns),
        theta=tuple(fits.problem.start[0].tolist()),
        largest_deviance=tuple(largest.tolist()),
        spurious=tuple(spurious.tolist()),
        key=key,
    )


def _scan(
    config: SearchConfig, scores: Scores, spurious: NDArray[np.float64]
) -> tuple[Patterns, Scan]:
    """Select and fit, as the search does; the scores are calibrated ones."""
    patterns = count_patterns(scores.sample.mass, levels_of(config, scores), _edges(config))
    return patterns, scan(
        patterns,
        [(window.low, window.high) for window in windows_of(config)],
        config.selections,
        function=config.fit.function,
        sculpting=config.fit.sculpting,
        guard=config.fit.bins_per_bin,
        spurious=spurious,
    )


def _train_task(recipe: _Recipe, index: int, window: int, fold: int, path: Path) -> None:
    """Train on other folds of a pseudo-dataset, score this one; runs on a worker."""
    config = recipe.config
    _, scores = score_fold(
        make_method(config.method.name, **config.method.hyperparameters),
        pseudo_sample(config, recipe.columns, recipe.theta, index),
        windows_of(config)[window],
        fold,
        folds=config.folds,
        scheme=config.cross_fitting,
        seed=_seed(config, index),
        simulation=load_simulation(config),
    )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, scores)


def _hunt_task(recipe: _Recipe, index: int, path: Path) -> None:
    """Select and scan a pseudo-dataset, write its result and remove its scores; on a worker."""
    config = recipe.config
    sample = pseudo_sample(config, recipe.columns, recipe.theta, index)
    fold = fold_of(sample.event, config.folds, seed=_seed(config, index))
    values = np.full((len(windows_of(config)), len(sample)), np.nan, np.float32)
    files = _score_files(config, path)
    for (window, each), file in files.items():
        values[window, fold == each] = np.load(file)
    eta = _rng(config, index, 1).normal(size=len(values))
    problem = None
    try:
        cut_on = calibrated_scores(config, Scores(sample, fold, values))
        _, fits = _scan(config, cut_on, np.array(recipe.spurious))
        largest = np.reshape(recipe.largest_deviance, fits.shape).copy()
        largest[:, 1:][sculpting_of(config, cut_on).refused] = -1.0  # as in the data: not counted
        smallest = smallest_p(fits, largest.ravel(), eta=eta)
    except FitError as error:
        logger.warning("pseudo-dataset %d: %s", index + 1, error)
        smallest, problem = Smallest(1.0, float(z_of_p(1.0)), None, None), str(error)
    PseudoDataset(index, len(sample), smallest, problem).to_json(path)
    for file in files.values():
        file.unlink(missing_ok=True)


def _summary(
    config: SearchConfig, results: SearchResults, datasets: list[PseudoDataset], recipe: _Recipe
) -> Retrained:
    """Compare the data with the pseudo-datasets."""
    best, settings = results.best, config.pseudo_datasets
    if best is None:
        msg = "a search without a result cannot be compared"
        raise ValueError(msg)
    found = global_p(best.p_local, np.array([each.smallest.p_local for each in datasets]))
    agreement: Any = ks_2samp(found.largest_z, results.pseudo_z)
    return Retrained(
        global_p=found,
        z_local=best.z_local,
        p_pseudo_experiments=best.p_global,
        ks_p_value=float(agreement.pvalue),
        datasets=tuple(datasets),
        source="simulation" if settings.simulation else "data",
        smearing=None if settings.simulation else settings.smearing,
        assumptions=_assumptions(config),
        key=recipe.key,
    )


def _assumptions(config: SearchConfig) -> tuple[str, ...]:
    """Say what the p-value rests on."""
    number = "all pseudo-datasets have as many events as the data"
    if config.pseudo_datasets.simulation:
        mass = "the spectrum of the background is that of the simulation"
        features = "so are its features, and their dependence on the mass"
        return number, mass, features
    mass = (
        f"the spectrum of the background is that of the {config.fit.function} fit with the most "
        "significant window left out"
    )
    features = (
        "features of background events change slowly with the resonant mass: events were moved "
        f"in ln(mass) by {config.pseudo_datasets.smearing:g} (standard deviation), which weakens "
        "their trends"
    )
    signal = (
        "a signal among the events stays in the pseudo-datasets, spread in mass, which can only "
        "make the p-value larger"
    )
    return number, mass, features, signal


def _edges(config: SearchConfig) -> NDArray[np.float64]:
    """Return the bin edges of the fits."""
    scan_range = config.scan
    edges = scan_edges(scan_range.low, scan_range.high, scan_range.bins)
    return subdivide(edges, config.fit.bins_per_bin)


def _rng(config: SearchConfig, index: int, stream: int) -> np.random.Generator:
    """Return a source of randomness of a pseudo-dataset."""
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(index, stream)))


def _seed(config: SearchConfig, index: int) -> int:
    """Return the seed of the folds and trainings of a pseudo-dataset."""
    sequence = np.random.SeedSequence(config.seed, spawn_key=(index, 2))
    return int(sequence.generate_state(1, np.uint32)[0])


def _score_files(config: SearchConfig, result: Path) -> dict[tuple[int, int], Path]:
    """Return where a pseudo-dataset keeps its scores until it has a result."""
    return {
        (window, fold): result.with_name(f"{result.stem}-window{made_in:02d}-fold{fold}.npy")
        for window, made_in in enumerate(training_windows(config))
        for fold in range(config.folds)
    }


def _remove_stale(folder: Path, key: str) -> None:
    """Remove what was made from other data or settings, which nobody will ask for again."""
    for path in folder.glob("dataset*-*"):
        if f"-{key}" not in path.name:
            path.unlink(missing_ok=True)
