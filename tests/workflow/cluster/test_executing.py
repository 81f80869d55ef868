"""A Dask cluster as an executor."""

from __future__ import annotations

import pytest

from overdensity.core import InputError, OverdensityError
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.cluster.executing import ClusterExecutor
from overdensity.workflow.cluster.patience import set_patience


def fail(what: str) -> None:
    raise InputError(what)


def test_functions_run_on_workers_and_their_errors_come_back() -> None:
    with connect("threads", 2) as client:
        executor = ClusterExecutor(client, "simulating")
        futures = [executor.submit(pow, k, 2) for k in range(4)]
        assert [future.result() for future in futures] == [0, 1, 4, 9]
        with pytest.raises(InputError, match="refused"):
            executor.submit(fail, "refused").result()
        assert executor.submit(pow, 2, 3).cancel()


def test_without_workers_the_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overdensity.workflow.cluster.executing._LOOK_EVERY", 0.1)
    with connect("threads", 1) as client:
        client.retire_workers()
        set_patience(client, 0.2)
        with pytest.raises(OverdensityError, match="simulating: no worker has been left for 0 s"):
            ClusterExecutor(client, "simulating").submit(pow, 2, 2).result()
