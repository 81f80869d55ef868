"""The whole search repeated on background-only pseudo-datasets, training included: its own p-value.

The global p-value of a search takes its scores as given. Here every pseudo-dataset is scored by
models trained on it, selected and scanned as the data were: expensive, and right whatever the
method does with the events.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from distributed import Client
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ...core import FitError, InputError
from ...core.arrays import read_arrays, write_arrays
from ...core.identity import row_ids
from ...ml import Folding, Sample, score_fold
from ...stats import count_patterns, z_of_p
from ...stats.p_values.repeats import shared_variance
from ...stats.search.null import null_hypothesis
from ...stats.search.pseudo_datasets import Smallest, draw_events, smallest_p, smeared_masses
from ...stats.search.pseudo_experiments import global_p, throw_toys
from ...stats.search.scanning import Scan, hiding, scan
from ...stats.selection.patterns import Patterns
from ...stats.spectra.functions import basis
from ..cluster.connecting import run_tasks
from ..config.search import SearchConfig
from ..stages.background_function import all_counts, fabricated_fraction
from ..stages.run import Run, derived_seed
from ..stages.samples import load_sample, load_simulation
from ..stages.scores import Scores, read_scores
from ..stages.search_result import SearchResults
from ..stages.selecting import calibrated_scores, levels_of, sculpting_of
from .retrained import PseudoDataset, Retrained

__all__ = [
    "background_parameters",
    "pseudo_sample",
    "repeat_search",
    "smeared_sample",
    "with_new_masses",
]

logger = logging.getLogger(__name__)

_TOYS = 1000  # pseudo-experiments behind the thresholds of the goodness of fit


@dataclass(frozen=True)
class _Recipe:
    """What a worker needs for a pseudo-dataset.

    Attributes
    ----------
    run : Run
        The search.
    theta : tuple of float
        Parameters of the background on the bins of the fits.
    largest_deviance : tuple of float
        Per spectrum; a fit beyond it is not counted.
    spurious : tuple of float
        Per window, as a fraction of the background.
    counted : tuple of bool
        Per spectrum; whether it is searched.
    key : str
        Hash of all that a pseudo-dataset depends on.
    """

    run: Run
    theta: tuple[float, ...]
    largest_deviance: tuple[float, ...]
    spurious: tuple[float, ...]
    counted: tuple[bool, ...]
    key: str


def repeat_search(run: Run, results: SearchResults, client: Client) -> Retrained:
    """Train, select and scan every pseudo-dataset, and compare the data with them.

    Every window and fold of a pseudo-dataset is a task that leaves its scores in ``pseudodata/`` of
    the run's folder; a pseudo-dataset that is complete leaves one JSON file in their place, and is
    not made again.

    Parameters
    ----------
    run : Run
        The search, with its scores.
    results : SearchResults
        Those of the data.
    client : distributed.Client
        Where the tasks run.

    Returns
    -------
    Retrained
        Also written to ``pseudodata.json`` in the run's folder.

    Raises
    ------
    InputError
        If the search has no result.
    ConfigError
        If the method cannot be repeated on pseudo-datasets, or no function is fitted.
    """
    config, out = run.config, run.folder
    config.fit.check_fitted("a pseudo-dataset")
    if results.best is None:
        msg = f"{out}: this search has no window with a quotable fit, so there is no p-value"
        raise InputError(msg)
    recipe = _recipe(run, results)
    files = [
        out.absolute() / "pseudodata" / f"dataset{index:04d}-{recipe.key}.json"
        for index in range(config.pseudo_datasets.number)
    ]
    _remove_stale(out / "pseudodata", recipe.key)
    missing = [index for index, path in enumerate(files) if PseudoDataset.earlier(path) is None]
    made_in = run.training_windows
    tasks_each = len(set(made_in)) * config.folds * config.repeats
    threads = sum(cast("dict[str, int]", client.nthreads()).values())
    batch = max(1, -(-2 * threads // tasks_each))  # enough to fill the cluster, no more on disk
    for first in range(0, len(missing), batch):
        now = missing[first : first + batch]
        name = f"pseudo-dataset {', '.join(str(index + 1) for index in now)} of {len(files)}"
        training = [
            (replace(recipe, run=part), index, window, fold, path)
            for index in now
            for part in run.partitions
            for (window, fold), path in _score_files(part, files[index]).items()
            if run.own_training[window] and read_arrays(path) is None
        ]
        run_tasks(client, _train_task, training, description=f"{name}: training", unit="folds")
        hunting = [(recipe, index, files[index]) for index in now]
        run_tasks(client, _hunt_task, hunting, description=f"{name}: scan", unit="datasets")
    retrained = _summary(config, results, [PseudoDataset.from_json(path) for path in files], recipe)
    retrained.to_json(out / "pseudodata.json")
    return retrained


def pseudo_sample(run: Run, theta: Sequence[float], index: int) -> Sample:
    """Make a pseudo-dataset: the events of the data with new masses, or simulated events.

    There are as many as in the data, with event ids of their own, so that folds are divided anew;
    no event is used twice, and none knows the truth.

    Parameters
    ----------
    run : Run
        The search.
    theta : sequence of float
        Parameters of the background on the bins of the fits.
    index : int
        Number of the pseudo-dataset, from which its randomness comes.

    Returns
    -------
    Sample
    """
    config, settings = run.config, run.config.pseudo_datasets
    if not settings.simulation:
        return smeared_sample(run, theta, index)
    pool, number = load_sample(run, settings.simulation), len(load_sample(run))
    pool = pool.take(np.argsort(pool.event))
    drawn = pool.take(draw_events(len(pool), number, index, seed=config.seed))
    ids = _new_ids(config, index, number)
    return dataclasses.replace(drawn.without_label(), event=ids, weight=None)


def smeared_sample(run: Run, theta: Sequence[float], index: int) -> Sample:
    """Make a pseudo-dataset of the events of the data, with new masses (`smeared_masses`).

    Parameters
    ----------
    run : Run
        The search.
    theta : sequence of float
        Parameters of the background on the bins of the fits (`background_parameters`).
    index : int
        Number of the pseudo-dataset, from which its randomness comes.

    Returns
    -------
    Sample
    """
    data = load_sample(run)
    ordered = data.take(np.argsort(data.event))  # the order of the files changes nothing
    return with_new_masses(run, ordered, theta, index)


def with_new_masses(run: Run, events: Sample, theta: Sequence[float], index: int) -> Sample:
    """Return events with masses thrown from the background near their own, and ids of their own.

    Parameters
    ----------
    run : Run
        The search.
    events : Sample
        Events in the range of the scan, in an order that no file can change.
    theta : sequence of float
        Parameters of the background on the bins of the fits.
    index : int
        Number of the pseudo-dataset, from which its randomness comes.

    Returns
    -------
    Sample
        Without truth and weights.
    """
    config = run.config
    masses, fitted = events.mass.copy(), events.mass >= run.start  # the others keep their own
    masses[fitted] = smeared_masses(
        events.mass[fitted],
        basis(config.fit.function, run.fit_edges),
        np.array(theta),
        smearing=config.pseudo_datasets.smearing,
        rng=_rng(config, index, 0),
    )
    ids = _new_ids(config, index, len(events))
    return dataclasses.replace(events.without_label(), event=ids, mass=masses, weight=None)


def background_parameters(run: Run) -> tuple[float, ...]:
    """Fit the background of the data, with the most significant window left out."""
    none = np.zeros(len(run.windows))
    _, fits = _scan(run, calibrated_scores(run, read_scores(run)), none)
    return tuple(fits.problem.start[0].tolist())


def _recipe(run: Run, results: SearchResults) -> _Recipe:
    """Fit the background of the data, and find the thresholds of the goodness of fit."""
    config, scores = run.config, read_scores(run)
    spurious = fabricated_fraction(run, all_counts(run, scores), results.spurious)
    rows = [row for window in results.windows for row in window.rows]
    patterns, fits = _scan(run, calibrated_scores(run, scores), spurious)
    if results.best is not None:
        fits = hiding(fits, results.best.window)
    toys = throw_toys(fits, null_hypothesis(patterns, fits), n=_TOYS, seed=config.seed)
    largest = np.quantile(toys.deviance, 1 - config.fit.gof_threshold, axis=0)
    return _Recipe(
        run=run,
        theta=tuple(fits.problem.start[0].tolist()),
        largest_deviance=tuple(largest.tolist()),
        spurious=tuple(spurious.tolist()),
        counted=tuple(row.searched for row in rows),
        key=run.key("pseudo_datasets"),
    )


def _scan(
    run: Run,
    scores: Scores,
    spurious: NDArray[np.float64],
) -> tuple[Patterns, Scan]:
    """Select and fit, as the search does; the scores are calibrated ones."""
    patterns = count_patterns(scores.sample.mass, levels_of(run, scores), run.fit_edges)
    return patterns, scan(
        patterns,
        run.regions,
        run.config.selections,
        model=run.fit_model,
        spurious=spurious,
    )


def _train_task(recipe: _Recipe, index: int, window: int, fold: int, path: Path) -> None:
    """Train on other folds of a pseudo-dataset, score this one; runs on a worker."""
    run = recipe.run
    _, scores = score_fold(
        run.method,
        pseudo_sample(run, recipe.theta, index),
        run.windows[window],
        fold,
        _folding(run, index),
        simulation=load_simulation(run),
    )
    write_arrays(path, scores=scores)


def _hunt_task(recipe: _Recipe, index: int, path: Path) -> None:
    """Select and scan a pseudo-dataset, write its result and remove its scores; on a worker."""
    run, config = recipe.run, recipe.run.config
    sample = pseudo_sample(run, recipe.theta, index)
    eta = _rng(config, index, 1).normal(size=len(run.windows))
    problem, fits, refused, levels = None, [], [], []
    try:
        for part in run.partitions:
            cut_on = calibrated_scores(run, _read(part, sample, index, path))
            fits.append(_scan(run, cut_on, np.array(recipe.spurious))[1])
            bent = sculpting_of(run, cut_on).refused  # as in the data: not counted
            refused.append(np.pad(bent, ((0, 0), (1, 0))).ravel())
            levels.append(levels_of(run, cut_on))
        n_selections = fits[0].shape[1] - 1
        shared = shared_variance(sample.mass, np.stack(levels), run.regions, n_selections)
        rule = {"counted": recipe.counted, "refused": refused, "variance": shared}
        smallest = smallest_p(fits, recipe.largest_deviance, eta=eta, **rule)
    except FitError as error:
        logger.warning("pseudo-dataset %d: %s", index + 1, error)
        smallest, problem = Smallest(1.0, float(z_of_p(1.0)), None, None), str(error)
    PseudoDataset(index, len(sample), smallest, problem).to_json(path)
    for part in run.partitions:
        for file in _score_files(part, path).values():
            file.unlink(missing_ok=True)


def _read(run: Run, sample: Sample, index: int, path: Path) -> Scores:
    """Return the scores of a pseudo-dataset in one partition into folds."""
    fold = _folding(run, index).of(sample.event)
    values = np.full((len(run.windows), len(sample)), np.nan, np.float32)
    for (window, each), file in _score_files(run, path).items():
        if (stored := read_arrays(file)) is None:
            msg = f"{file}: no scores since they were written; run 'overdensity calibrate' again"
            raise InputError(msg)
        values[window, fold == each] = stored["scores"]
    return Scores(sample, fold, values)


def _summary(
    config: SearchConfig, results: SearchResults, datasets: list[PseudoDataset], recipe: _Recipe
) -> Retrained:
    """Compare the data with the pseudo-datasets."""
    best, trials, settings = results.best, results.trials, config.pseudo_datasets
    if best is None or trials is None:
        msg = "a search without a result cannot be compared"
        raise ValueError(msg)
    found = global_p(best.p_local, np.array([each.smallest.p_local for each in datasets]))
    agreement: Any = ks_2samp(found.largest_z, results.pseudo_z)
    return Retrained(
        global_p=found,
        z_local=best.z_local,
        p_pseudo_experiments=trials.pseudo_experiments,
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


def _rng(config: SearchConfig, index: int, stream: int) -> np.random.Generator:
    """Return a source of randomness of a pseudo-dataset."""
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(index, stream)))


def _new_ids(config: SearchConfig, index: int, number: int) -> NDArray[np.uint64]:
    """Return the event ids of a pseudo-dataset, which no event of data has."""
    return row_ids(f"pseudo-dataset {index} of {config.seed}", 0, number)


def _folding(run: Run, index: int) -> Folding:
    """Return how a pseudo-dataset is divided: anew for each of them."""
    path = (index, 2, run.repeat) if run.repeat else (index, 2)
    return replace(run.folding, seed=derived_seed(run.config.seed, *path))


def _score_files(run: Run, result: Path) -> dict[tuple[int, int], Path]:
    """Return where a pseudo-dataset keeps its scores until it has a result."""
    stem = f"{result.stem}-partition{run.repeat}"
    return {
        (window, fold): result.with_name(f"{stem}-window{made_in:02d}-fold{fold}.npz")
        for window, made_in in enumerate(run.training_windows)
        for fold in range(run.config.folds)
    }


def _remove_stale(folder: Path, key: str) -> None:
    """Remove what was made from other data or settings, which nobody will ask for again."""
    for path in folder.glob("dataset*-*"):
        if f"-{key}" not in path.name:
            path.unlink(missing_ok=True)
