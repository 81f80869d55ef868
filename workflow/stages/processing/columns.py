"""First stage of a search: event files → Parquet columns, where they are not columns already."""

from __future__ import annotations

import awkward as ak
from distributed import Client

from ....core import InputError
from ....ml.blocks.other_weights import are_equal
from ....processors import ProcessingReport, process, read_events
from ...cluster.patience import PatientExecutor
from ...config.search import SearchConfig
from ..inputs.event_files import (
    event_files,
    event_processor,
    event_source,
    event_variations,
    file_set,
    processed_folder,
    processing_report,
)
from ..provenance import input_files
from ..run import Run
from .control_plots import write_control_plots
from .monitoring import live_monitor

__all__ = ["check_events", "make_columns", "refuse_weights"]

_WEIGHED = 1000  # events of a file, among which different weights show


def make_columns(run: Run, client: Client) -> ProcessingReport | None:
    """Process the event files into columns; finished partitions are not made again.

    The control histograms and the cutflow are drawn in ``out/control/``.

    Parameters
    ----------
    run : Run
        The search.
    client : distributed.Client
        Where the chunks run.

    Returns
    -------
    ProcessingReport or None
        None where the input is columns already.

    Raises
    ------
    InputError
        If a file cannot be read and bad files are not to be skipped, or no event is left.
    OverdensityError
        If no worker is left for longer than `connect` was told, or workers die again and again.
    """
    config, events = run.config, run.config.events
    source = event_source(events)
    if source is None:
        return None
    with live_monitor(client) as monitor:
        report = process(
            file_set(events),
            processed_folder(config, run.folder),
            source=source,
            processor=event_processor(config),
            variations=event_variations(config),
            executor=PatientExecutor(client=client, compression=None, retries=events.retries),
            chunk_events=events.chunk_events,
            chunk_memory=events.chunk_memory,
            skip_bad_files=events.skip_bad_files,
            monitor=monitor,
        )
    _refuse_nothing(report)
    run.forget_columns()  # those of an earlier configuration, if it had them
    write_control_plots(report, run.folder / "control")
    return report


def _refuse_nothing(report: ProcessingReport) -> None:
    """Say which cut took the last events, if none is left."""
    before = report.events_read
    for step, left in report.cutflow.items():
        if not left:
            what = f"the cut {step!r} takes all {before} events that are left before it"
            if not before:
                what = "the files hold no events"
            msg = f"{report.columns}: no event is left of {report.events_read}: {what}"
            raise InputError(msg)
        before = left


def refuse_weights(run: Run) -> None:
    """Refuse events with different weights before minutes of processing, where a look tells it.

    A file of this machine is looked at; one that cannot be read is named by the processing.

    Raises
    ------
    InputError
        If its first events differ in their weights, and these are not to be dropped.
    """
    config, source = run.config, event_source(run.config.events)
    local = [name for name in event_files(config.events) if "://" not in name]
    known = config.events.weights == "dropped" or processing_report(config, run.folder)
    if source is None or not local or known:
        return
    try:
        collections = event_processor(config).collections
        events = read_events(source, local[0], 0, _WEIGHED, collections=collections)
    except InputError:
        return
    if "weight" in events.fields and not are_equal(ak.to_numpy(events.weight)):
        msg = (
            f"{local[0]}: simulated events of different weights, and in a search each counts as one; to "
            "search simulation as if it were data, as a test, set events.weights=dropped"
        )
        raise InputError(msg)


def check_events(config: SearchConfig) -> None:
    """Refuse what is wrong with the files, their format or the processor, before a cluster starts.

    Files behind URLs are looked at by the workers.

    Raises
    ------
    InputError
        If a file of this machine is missing.
    ConfigError
        If a key cannot be used.
    """
    files = event_files(config.events)
    event_source(config.events)
    event_processor(config)
    event_variations(config)
    if not config.events.skip_bad_files:
        input_files([name for name in files if "://" not in name])
