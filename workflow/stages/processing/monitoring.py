"""What `overdensity process` shows while it runs: events, files, MB/s, workers, failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client

from ....core.progress_bar import live_table
from ....processors import Monitor, Status

__all__ = ["describe", "live_monitor"]


@contextmanager
def live_monitor(client: Client) -> Iterator[Monitor]:
    """Show the status of a run on a cluster as a table that changes in place.

    Parameters
    ----------
    client : distributed.Client
        Whose workers are counted.
    """
    with live_table("processing") as show:
        yield lambda status: show(describe(status, _n_workers(client)))


def describe(status: Status, n_workers: int) -> dict[str, str]:
    """Return a status in words; rates are of what was done since the run began."""
    done = status.chunks_done - status.reused
    share = done / status.chunks_done if status.chunks_done else 0.0
    events_per_second = status.events_done * share / status.seconds if status.seconds else 0.0
    megabytes_per_second = status.bytes_done * share / 1e6 / status.seconds if status.seconds else 0
    left = status.seconds * (status.chunks - status.chunks_done) / done if done else None
    rows = {
        "events": f"{status.events_done:,} of {status.events:,}, {events_per_second:,.0f}/s",
        "files": f"{status.files_done:,} of {status.files:,}",
        "data": f"{status.bytes_done / 1e6:,.0f} of {status.bytes / 1e6:,.0f} MB, "
        f"{megabytes_per_second:,.1f} MB/s",
        "chunks": f"{status.chunks_done:,} of {status.chunks:,}",
        "workers": str(n_workers),
        "failures": str(status.failures),
        "time": _clock(status.seconds) + ("" if left is None else f", {_clock(left)} left"),
    }
    if status.reused:
        rows["chunks"] += f", {status.reused:,} of them from before"
    return rows


def _n_workers(client: Client) -> int:
    return len(client.scheduler_info(n_workers=-1).get("workers", {}))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
