"""A Dask gateway with processes of this machine as its workers."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import overdensity.processors
from overdensity.core import ConfigError, nearest_names
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.config.cluster import ClusterConfig
from overdensity.workflow.stages.processing.columns import make_columns

from .conftest import (
    HOST,
    Daemons,
    free_port,
    processing_on,
    python_without_the_package,
    wait_until,
)
from .event_files import columns

pytestmark = pytest.mark.facilities

CONFIGURATION = """
from dask_gateway_server.options import Integer, Options
c.DaskGateway.address = "{host}:{own}"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.Proxy.address = "{host}:{port}"
c.Backend.cluster_options = Options(
    Integer("threads", 1, min=1, max=2), handler=lambda options: {{"worker_cores": options.threads}}
)
c.ClusterConfig.scheduler_cmd = ["{python}", "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["{python}", "-m", "distributed.cli.dask_worker"]
c.UnsafeLocalBackend.clusters_directory = "{folder}"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for package in ("dask_gateway_server", "sqlalchemy"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package} here: pip install dask-gateway-server sqlalchemy")
    folder = tmp_path_factory.mktemp("gateway")
    port = free_port()
    file = folder / "config.py"
    values = {"host": HOST, "own": free_port(), "port": port, "folder": folder}
    python = python_without_the_package(folder / "env")
    file.write_text(CONFIGURATION.format(python=python, **values))
    daemons = Daemons(folder)
    log = daemons.start(Path(sys.executable).parent / "dask-gateway-server", "-f", file)
    try:
        wait_until(lambda: "GET /api/v1/routes" in log.read_text(), "the gateway starts")
        yield f"http://{HOST}:{port}"
    finally:
        daemons.stop()


def test_tasks_run_on_workers_of_a_gateway(gateway: str) -> None:
    config = ClusterConfig(
        kind="gateway", address=gateway, workers=1, options={"auth": "basic", "threads": 1}
    )
    with connect(config) as client:
        hint = client.submit(nearest_names, "scn", ["scan"]).result(timeout=60)
    assert hint == nearest_names("scn", ["scan"])


def origin() -> str:
    import overdensity.processors

    return str(overdensity.processors.__file__)


origin.__module__ = "__main__"  # workers cannot import a test module: it travels by value


def test_columns_made_behind_a_gateway_are_those_made_here(
    gateway: str, event_file: Path, columns_made_here: list[bytes], tmp_path: Path
) -> None:
    """Its workers do not have this package; it is sent to them."""
    options = {"auth": "basic"}
    cluster = {"kind": "gateway", "address": gateway, "workers": 2, "options": options}
    run = processing_on(event_file, cluster, tmp_path)
    with connect(run.config.cluster) as client:
        client.wait_for_workers(2, timeout=60)
        places = {Path(place) for place in client.run(origin).values()}
        make_columns(run, client)
    assert Path(overdensity.processors.__file__) not in places
    assert len(places) == 2
    assert columns(tmp_path) == columns_made_here


def test_a_closed_gateway_is_collected_without_a_word(gateway: str) -> None:
    config = ClusterConfig(kind="gateway", address=gateway, workers=1, options={"auth": "basic"})
    words: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda trouble: words.append(str(trouble.exc_value)))
        with connect(config):
            pass
        gc.collect()
    assert not words


def test_options_that_the_gateway_does_not_offer_are_named(gateway: str) -> None:
    config = ClusterConfig(
        kind="gateway", address=gateway, workers=1, options={"auth": "basic", "thread": 1}
    )
    with pytest.raises(ConfigError, match="'thread': did you mean 'threads'"), connect(config):
        pass


def test_a_gateway_that_does_not_answer_is_named() -> None:
    config = ClusterConfig(kind="gateway", address=f"http://{HOST}:1", workers=1)
    with pytest.raises(ConfigError, match=f"no Dask gateway answers at http://{HOST}:1"):
        connect(config).__enter__()
