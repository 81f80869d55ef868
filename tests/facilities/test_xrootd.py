"""Events read from, and partitions written to, a real XRootD server on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from coffea.processor import DaskExecutor, FuturesExecutor
from distributed import Client, LocalCluster

from overdensity.core import InputError
from overdensity.processors import DijetProcessor
from overdensity.processors.sources.remote import read_bytes, write_bytes

from .event_files import FORMATS, columns, run

pytestmark = pytest.mark.facilities

ORDINARY_USER, ORDINARY_GROUP = "nobody", "nogroup"  # xrootd refuses to run as root


@dataclass(frozen=True)
class Server:
    """A folder of this machine, and the URL under which the server shows it."""

    folder: Path
    url: str


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return there.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            pytest.fail(f"xrootd ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"xrootd does not answer: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """XRootD on loopback, with a folder of its own that is removed with it."""
    if (xrootd := shutil.which("xrootd")) is None:
        pytest.skip("no xrootd on this machine (Debian: apt-get install xrootd-server)")
    pytest.importorskip("fsspec_xrootd", reason="pip install fsspec-xrootd xrootd")
    root = Path(tempfile.mkdtemp(prefix="overdensity-xrootd-"))  # pytest's are root's alone
    port = free_port()
    for name in ("data", "admin"):
        (root / name).mkdir()
    # It listens on all interfaces, there is no setting for that; it answers this machine only.
    (root / "server.cfg").write_text(
        f"all.export /data\noss.localroot {root}\nxrd.port {port}\nxrd.allow host localhost\n"
        f"all.adminpath {root}/admin\nall.pidpath {root}/admin\n"
    )
    identity = {}
    if os.getuid() == 0:
        for path in (root, root / "data", root / "admin"):
            shutil.chown(path, ORDINARY_USER, ORDINARY_GROUP)
        identity = {"user": ORDINARY_USER, "group": ORDINARY_GROUP, "extra_groups": []}
    log = root / "admin" / "log"
    running = subprocess.Popen(
        [xrootd, "-c", root / "server.cfg", "-l", log], cwd=root, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **identity,
    )  # fmt: skip
    try:
        wait_for(port, running, log)
        yield Server(root / "data", f"root://localhost:{port}//data")
    finally:
        running.terminate()
        running.wait(timeout=20)
        shutil.rmtree(root)


@pytest.fixture(params=sorted(FORMATS))
def kind(request) -> str:
    return request.param


@pytest.fixture
def file(server, kind) -> str:
    """The name of an event file in the server's folder."""
    name = f"events.{kind}"
    FORMATS[kind][1](server.folder / name, seed=7)
    return name


@pytest.fixture
def expected(server, tmp_path, file, kind) -> list[bytes]:
    """The partitions of the same events without a server."""
    run(str(server.folder / file), str(tmp_path / "local"), kind)
    return columns(tmp_path / "local")


@pytest.fixture
def out(server) -> Iterator[str]:
    """A folder on the server that is not there yet, below one that is not there either."""
    yield "runs/mine"
    shutil.rmtree(server.folder / "runs")


def test_a_file_goes_there_and_back(server) -> None:
    for content in (b"one", b"", b"three" * 1_000_000):
        write_bytes(f"{server.url}/a.json", content)
        assert read_bytes(f"{server.url}/a.json") == content
    assert not list(server.folder.glob(".*"))


def test_events_and_partitions_lie_on_the_server(server, kind, file, out, expected) -> None:
    report = run(f"{server.url}/{file}", f"{server.url}/{out}", kind)
    assert columns(server.folder / out) == expected
    assert (report.events_read, len(report.partitions), report.bad_files) == (60, 3, {})
    assert (server.folder / out / "processing.json").is_file()


def test_a_run_goes_on_where_it_stopped(server, kind, file, out, expected) -> None:
    first = run(f"{server.url}/{file}", f"{server.url}/{out}", kind)
    lost = server.folder / out / "columns" / first.partitions[1]
    lost.unlink()
    (lost.parent / f".{lost.name}.0123.tmp").write_bytes(b"half")
    second = run(f"{server.url}/{file}", f"{server.url}/{out}", kind)
    assert (second.reused, second.cutflow, second.hists) == (2, first.cutflow, first.hists)
    assert columns(server.folder / out) == expected
    assert not list(lost.parent.glob(".*"))


def test_other_settings_replace_the_partitions(server, kind, file, out) -> None:
    first = run(f"{server.url}/{file}", f"{server.url}/{out}", kind)
    options = {"processor": DijetProcessor(radius=0.8)}
    second = run(f"{server.url}/{file}", f"{server.url}/{out}", kind, **options)
    assert not set(first.partitions) & set(second.partitions)
    there = {path.name for path in (server.folder / out / "columns").iterdir()}
    assert there == set(second.partitions)


@pytest.mark.parametrize("kind", ["root"])
def test_worker_processes_speak_to_the_server(server, kind, file, out, expected) -> None:
    run(f"{server.url}/{file}", f"{server.url}/{out}", kind, executor=FuturesExecutor(workers=2))
    assert columns(server.folder / out) == expected


def test_dask_workers_speak_to_the_server(server, kind, file, out, expected) -> None:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        executor = DaskExecutor(client=client)
        run(f"{server.url}/{file}", f"{server.url}/{out}", kind, executor=executor)
    assert columns(server.folder / out) == expected


def test_a_missing_file_is_one_sentence(server, kind, tmp_path) -> None:
    path = f"{server.url}/nowhere.x"
    with pytest.raises(InputError, match="no such file") as caught:
        run(path, str(tmp_path), kind)
    assert str(caught.value).startswith(f"{path}: no such file")
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_sentence(server, kind, file, tmp_path) -> None:
    content = (server.folder / file).read_bytes()
    (server.folder / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="perhaps truncated") as caught:
        run(f"{server.url}/cut", str(tmp_path), kind)
    assert "\n" not in str(caught.value)


@pytest.fixture
def impatient() -> Iterator[None]:
    """The client gives up at once; by default it tries for ten minutes (XRD_CONNECTIONRETRY)."""
    from XRootD.client import EnvGetInt, EnvPutInt

    short = {"ConnectionWindow": 1, "ConnectionRetry": 1}
    before = {name: EnvGetInt(name) for name in short}
    for name, value in short.items():
        EnvPutInt(name, value)
    yield
    for name, value in before.items():
        EnvPutInt(name, value)


def test_a_server_that_is_not_there_is_one_sentence(kind, tmp_path, impatient) -> None:
    with pytest.raises(InputError, match="its server does not answer") as caught:
        run(f"root://localhost:{free_port()}//data/a", str(tmp_path), kind)
    assert "\n" not in str(caught.value)


@pytest.fixture
def small_disk(server) -> Iterator[str]:
    """A folder of the server with room for 256 kB."""
    folder = server.folder / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield f"{server.url}/small"
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


@pytest.mark.parametrize("size", [300_000, 5_000_000])
def test_a_full_disk_leaves_no_part_of_a_file(server, small_disk, size) -> None:
    """Of 300 kB the server takes what fits and reports success; the larger one it refuses."""
    write_bytes(f"{small_disk}/a", b"x" * 100_000)
    with pytest.raises(InputError, match=r"(?i)b: cannot be written .*no space left on device"):
        write_bytes(f"{small_disk}/b", b"x" * size)
    assert [path.name for path in (server.folder / "small").iterdir()] == ["a"]


def test_the_server_answers_this_machine_only(server) -> None:
    """It listens on all interfaces; through another than loopback it closes the connection."""
    port = int(server.url.split(":")[2].split("/")[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram socket sends nothing by this
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    handshake = struct.pack("!5i", 0, 0, 0, 4, 2012)
    answers = []
    for host in ("127.0.0.1", address):
        with socket.create_connection((host, port), timeout=5) as connection:
            try:
                connection.sendall(handshake)
                answers.append(connection.recv(16))
            except ConnectionError:
                answers.append(b"")
    assert len(answers[0]) > 0
    assert answers[1] == b""
