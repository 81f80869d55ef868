from __future__ import annotations

import importlib.util
import logging
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from distributed import LocalCluster

from overdensity.core import ConfigError, MissingExtraError, OverdensityError
from overdensity.workflow import parse_config
from overdensity.workflow.cluster.connecting import connect, dry_run
from overdensity.workflow.config.cluster import ClusterConfig

JOB = {"cores": 4, "memory": "8GB", "interface": "lo"}


def described(**values: Any) -> ClusterConfig:
    return parse_config({"events": {"files": ["a.h5"]}, "cluster": values}).cluster


def test_a_word_stays_a_word_in_what_is_stored() -> None:
    for word in ("local", "threads", "tcp://127.0.0.1:8786"):
        config = parse_config({"events": {"files": ["a.h5"]}, "cluster": word})
        assert config.model_dump(mode="json")["cluster"] == word


def test_a_mapping_survives_being_stored() -> None:
    config = described(kind="slurm", jobs=3, options=JOB)
    assert ClusterConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"kind": "slrum"}, "did you mean 'slurm'"),
        ({"kind": "slurm", "worker": 3}, "unknown key 'cluster.worker': did you mean 'workers'"),
        ({"kind": "slurm", "workers": 3, "jobs": 3}, "workers and jobs say the size twice"),
        ({"kind": "local", "minimum": 3}, "minimum needs maximum"),
        ({"kind": "local", "minimum": 3, "maximum": 2}, "is below minimum"),
        ({"kind": "threads", "options": JOB}, "options means nothing for kind: threads"),
        ({"kind": "address"}, "needs the address of the scheduler"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        described(**values)


def test_words_and_gateways_are_described_too() -> None:
    assert dry_run("threads", 3) == "3 threads of this process"
    assert "tcp://10.0.0.1:8786" in dry_run("tcp://10.0.0.1:8786")
    gateway = described(
        kind="gateway", address="http://h:1", workers=5, options={"image": "coffea"}
    )
    assert dry_run(gateway) == (
        "a cluster of 5 workers from the gateway at http://h:1, with the options\n  image: coffea"
    )


def test_threads_listen_on_loopback_alone() -> None:
    with connect("threads", 1) as client:
        pages = [client.cluster.scheduler.http_server]
        pages += [worker.http_server for worker in client.cluster.workers.values()]
        assert [page.address for page in pages] == ["127.0.0.1", "127.0.0.1"]


def listening() -> set[tuple[str, int]]:
    """Return where this process and those it started take connections."""
    here = psutil.Process()
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Listen on a port, unless somebody does already."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def links(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the links to dashboards that the user was told."""
    told = [message.partition("dashboard: ") for message in caplog.messages]
    return [link for before, _, link in told if link and not before]


@pytest.mark.parametrize("kind", ["threads", "local"])
def test_dashboard_is_told_and_on_loopback_alone(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = ClusterConfig.model_validate({"kind": kind, "dashboard": True})
    before = listening()
    with caplog.at_level(logging.INFO), connect(config, 1):
        (link,) = links(caplog)
        with urllib.request.urlopen(link, timeout=10) as answer:
            assert answer.status == 200
            assert b"bokeh" in answer.read().lower()
        new = listening() - before
    assert link.startswith("http://127.0.0.1:")
    assert int(link.split(":")[2].split("/")[0]) in {port for _, port in new}
    assert {host for host, _ in new} == {"127.0.0.1"}


@pytest.mark.filterwarnings("ignore:Port 8787 is already in use", "ignore:unclosed <socket")
def test_dashboard_takes_another_port_where_its_own_is_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = ClusterConfig(kind="threads", dashboard=True)
    with taken(8787), caplog.at_level(logging.INFO), connect(config, 1):
        (link,) = links(caplog)
        assert ":8787/" not in link
        with urllib.request.urlopen(link, timeout=10) as answer:
            assert answer.status == 200


def test_without_being_asked_there_is_no_dashboard(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), connect("threads", 1) as client:
        assert not links(caplog)
        server = cast("Any", client.cluster).scheduler.http_server
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/status", timeout=10)


def test_performance_report_tells_what_ran(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "not" / "there" / "report.html"
    config = ClusterConfig(kind="threads", performance_report=str(path))
    with caplog.at_level(logging.INFO), connect(config, 1) as client:
        assert client.submit(sum, [1, 2], pure=False).result() == 3
    page = path.read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "Dask Performance Report" in page
    assert '<script src="http' not in page  # it can be read without a network
    assert f"performance report: {path}" in caplog.messages


@pytest.mark.parametrize("asked", [{"dashboard": True}, {"performance_report": "a.html"}])
def test_what_needs_bokeh_says_so(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bokeh" else find(name)
    )
    config = ClusterConfig.model_validate({"kind": "threads"} | asked)
    with pytest.raises(MissingExtraError, match=r"need bokeh.*overdensity\[facilities\]"):
        connect(config, 1).__enter__()


@pytest.mark.parametrize(
    ("package", "values"),
    [
        ("dask_jobqueue", {"kind": "slurm", "jobs": 1, "options": JOB}),
        ("dask_jobqueue", {"kind": "htcondor", "jobs": 1, "options": JOB}),
        ("dask_gateway", {"kind": "gateway", "workers": 1, "address": "http://127.0.0.1:1"}),
    ],
)
def test_a_facility_without_its_package_says_which(
    package: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    name = package.replace("_", "-")
    complaint = rf"needs {name}: pip install 'overdensity\[facilities\]'"
    with pytest.raises(MissingExtraError, match=complaint):
        connect(described(**values)).__enter__()
    with pytest.raises(MissingExtraError, match=complaint):
        dry_run(described(**values))


def test_a_local_cluster_grows_with_the_work() -> None:
    with connect(ClusterConfig(kind="local", minimum=1, maximum=2)) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == 1
        work = client.map(time.sleep, [0.5] * 40, pure=False)
        client.wait_for_workers(2, timeout=30)
        assert not all(future.done() for future in work)
        client.cancel(work)


def test_a_scheduler_to_which_no_worker_comes_is_not_waited_for_for_ever() -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as deserted:
        address = deserted.scheduler_address
        config = ClusterConfig(kind="address", address=address, patience=1)
        start = time.monotonic()
        with pytest.raises(
            OverdensityError, match=r"none of 1 workers has come in 1 s; .*patience"
        ):
            connect(config).__enter__()
    assert 1 < time.monotonic() - start < 10
