"""A search from end to end: events → columns → scores → results → report."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..core.records import write_text_atomic
from ..ml import make_method
from .cluster.connecting import connect
from .config.search import SearchConfig
from .report.report import write_report
from .stages.columns import check_events, column_files, make_columns
from .stages.hunting import make_results
from .stages.scoring import make_scores
from .stages.search_result import SearchResults

__all__ = ["run_folder", "run_search", "score_search"]


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
    """
    out = run_folder(config)
    score_search(config, process=True)
    results = make_results(config, column_files(config, out), out)
    write_report(out)
    return results


def score_search(config: SearchConfig, *, process: bool) -> None:
    """Score the events of a search, after processing them on request."""
    # What is wrong with files and names is said before a cluster starts.
    check_events(config)
    make_method(config.method.name, **config.method.hyperparameters)
    out = run_folder(config)
    with connect(config.cluster, config.workers) as client:
        if process:
            make_columns(config, out, client)
        make_scores(config, column_files(config, out), out, client)


def run_folder(config: SearchConfig) -> Path:
    """Return the run's folder, made with a copy of the whole configuration in it."""
    out = Path(config.out or "runs/search")
    out.mkdir(parents=True, exist_ok=True)
    write_text_atomic(
        out / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    )
    return out
