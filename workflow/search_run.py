"""A search from end to end: events → columns → scores → results → report.

One function for each command, from a configuration to what is written into the run's folder; what
is there already, made from the same input, is not made again.
"""

from __future__ import annotations

from ..core import ConfigError
from ..core.extras import skipped_without_extra
from ..processors import ProcessingReport
from .calibrate.retrained import Retrained
from .calibrate.retraining import repeat_search
from .cluster.connecting import connect
from .config.search import SearchConfig
from .expect.expected_figures import save_expected_figures
from .expect.expected_result import ExpectedReach
from .expect.expected_run import check_expected, make_expected
from .limits.limits_figures import save_limits_figures
from .limits.limits_result import LimitsResults
from .limits.limits_run import check_limits, make_limits
from .report.report import write_report
from .stages.before_training import check_pseudo_datasets, check_simulation
from .stages.hunting import make_results
from .stages.inputs.event_files import processed_folder, varied_columns
from .stages.processing.columns import check_events, make_columns, refuse_weights
from .stages.run import Run, held_run
from .stages.scoring import make_scores
from .stages.search_result import SearchResults
from .uncertainties.uncertainties_run import make_uncertainties

__all__ = [
    "calibrate_search",
    "expect_reach",
    "hunt_search",
    "process_search",
    "run_limits",
    "run_search",
    "score_search",
    "validate_region",
]


def run_search(config: SearchConfig) -> SearchResults:
    """Do a whole search; what is there already, made from the same input, is not made again.

    Parameters
    ----------
    config : SearchConfig
        The search.

    Returns
    -------
    SearchResults
        Also written to ``results.json``, beside ``workspace.json``, ``histograms.json`` and
        ``report.html``, in the run's folder.

    Raises
    ------
    OverdensityError
        If the input cannot be used; partitions and scores finished by then stay.

    Examples
    --------
    Events without a signal, of which one feature is made up:

    >>> import numpy as np
    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> from tempfile import TemporaryDirectory
    >>> from overdensity.workflow import parse_config
    >>> rng = np.random.default_rng(1)
    >>> mass = 3000 * (1 - 0.92 * rng.uniform(size=3000)) ** -0.2
    >>> events = pa.table({"mjj": mass, "j1_mass": rng.gamma(3, 60, 3000)})
    >>> with TemporaryDirectory() as folder:
    ...     pq.write_table(events, f"{folder}/box.parquet")
    ...     values = {
    ...         "events": {"files": f"{folder}/box.parquet"},
    ...         "features": ["j1_mass"],
    ...         "scan": {"low": 3000, "high": 4900, "bins": 8},
    ...         "selections": [0.1],
    ...         "folds": 3,
    ...         "fit": {"function": "dijet3"},
    ...         "method": {"name": "cwola", "classifier": {"members": 1}},
    ...         "pseudo_experiments": 100,
    ...         "cluster": "threads",
    ...         "out": f"{folder}/run",
    ...     }
    ...     results = run_search(parse_config(values))
    >>> len(results.windows), results.n_events
    (2, 2985)
    """
    _check(config)
    with held_run(config) as run:
        _score(run, process=True)
        results = make_results(run)
        try:
            results = make_uncertainties(run, results)
        finally:  # the result stands, whatever is wrong with a simulated signal
            write_report(run.folder)
    return results


def process_search(config: SearchConfig) -> ProcessingReport | None:
    """Make the columns of a search; None where its input is columns already."""
    check_events(config)
    with held_run(config) as run, connect(config.cluster, config.workers) as client:
        return make_columns(run, client)


def score_search(config: SearchConfig, *, process: bool) -> None:
    """Score the events of a search, after processing them on request."""
    _check(config)
    with held_run(config) as run:
        _score(run, process=process)


def hunt_search(config: SearchConfig) -> SearchResults:
    """Take the scores of a search to its results, and write what its uncertainties do to them."""
    with held_run(config) as run:
        check_simulation(run.for_training)
        results = make_results(run)
        return make_uncertainties(run, results)


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
        If the search is not done or has no result, or the simulation cannot be used.
    ConfigError
        If the method cannot be repeated on pseudo-datasets.
    """
    check_pseudo_datasets(Run(config))
    with held_run(config) as run:
        results = make_results(run)
        with connect(config.cluster, config.workers) as client:
            found = repeat_search(run, results, client)
        write_report(run.folder)
    return found


def run_limits(config: SearchConfig) -> LimitsResults:
    """Set limits on a run whose columns are there; what is missing of its search is done first.

    Parameters
    ----------
    config : SearchConfig
        The search, with its section ``limits``.

    Returns
    -------
    LimitsResults
        Also written to ``limits.json``, beside figures in ``limits/`` and the tables of
        ``limits.hepdata/`` (with the extra ``hepdata``), in the run's folder; the report is
        written anew.

    Raises
    ------
    OverdensityError
        If the input cannot be used, or repetitions failed; what is done is kept.
    """
    check_limits(Run(config))
    with held_run(config) as run:
        with connect(config.cluster, config.workers) as client:
            make_scores(run, client)
            made = make_limits(run, client)
        save_limits_figures(run.folder)
        with skipped_without_extra("limits.hepdata"):
            from .limits.hepdata import write_hepdata  # noqa: PLC0415 - an extra

            write_hepdata(make_results(run), made, run.folder)
        write_report(run.folder)
    return made


def expect_reach(config: SearchConfig) -> ExpectedReach:
    """Say what a search can find, before its signal regions are looked at.

    Parameters
    ----------
    config : SearchConfig
        The search, which need not have been done; event files are processed first.

    Returns
    -------
    ExpectedReach
        Also written to ``expected.json``, beside figures in ``expected/``, in the run's folder; the
        report is written anew, if the run has results.

    Raises
    ------
    OverdensityError
        If the input cannot be used, or tasks failed; what is done is kept.
    """
    check_events(config)
    check_expected(Run(config))
    with held_run(config) as run:
        with connect(config.cluster, config.workers) as client:
            make_columns(run, client)
            made = make_expected(run, client)
        save_expected_figures(run.folder)
        if (run.folder / "results.json").is_file():
            write_report(run.folder)
    return made


def validate_region(config: SearchConfig) -> SearchResults:
    """Do the same search on the events outside its region, where no signal is expected.

    Parameters
    ----------
    config : SearchConfig
        The search, with its section ``region``; it need not have been done.

    Returns
    -------
    SearchResults
        Also written into the folder ``validation`` of the run, with all that a search writes; the
        report of the run is written anew, if it has results.

    Raises
    ------
    ConfigError
        If the search has no region.
    OverdensityError
        If the input cannot be used.
    """
    if config.region is None:
        msg = (
            "a search of all events has none left to validate it; say with region which are searched, "
            "such as region: {cuts: {delta_eta: {below: 1.3}}}"
        )
        raise ConfigError(msg)
    folder = Run(config).folder
    values = {"out": str(folder / "validation"), "columns": processed_folder(config, folder)}
    results = run_search(config.model_copy(update={**values, "region": config.region.opposite}))
    if (folder / "results.json").is_file():
        write_report(folder)
    return results


def _check(config: SearchConfig) -> None:
    """Say what is wrong with files and names before a cluster starts."""
    check_events(config)
    refuse_weights(Run(config))
    Run(config).method  # noqa: B018 - made to be refused
    for name in Run(config).varied:
        varied_columns(config.signal, name)


def _score(run: Run, *, process: bool) -> None:
    """Score the events of a run, after processing them on request."""
    with connect(run.config.cluster, run.config.workers) as client:
        if process:
            make_columns(run, client)
        make_scores(run, client)
