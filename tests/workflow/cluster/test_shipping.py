from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from overdensity.core import ConfigError, nearest_names
from overdensity.workflow.cluster import shipped, shipping
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.cluster.shipping import ROOMS, pack

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"


class Machines:
    """A scheduler and workers started by hand, in an environment without this package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
        packages = next((folder / "env" / "lib").glob("python*/site-packages"))
        # A .pth file inside this folder is not followed: no editable install of this package.
        (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
        self.python = folder / "env" / "bin" / "python"
        self.processes: list[subprocess.Popen[bytes]] = []
        log = self.start("dask_scheduler", "--host", HOST, "--port", "0", "--no-dashboard")
        self.address = self.announced(log, r"Scheduler at: +(tcp://\S+)")

    def start(self, command: str, *words: str, path: Path | None = None) -> Path:
        log = self.folder / f"{len(self.processes)}.log"
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1"} | ({"PYTHONPATH": str(path)} if path else {})
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, "-m", f"distributed.cli.{command}", *words,
                 "--dashboard-address", f"{HOST}:0"],
                cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.processes.append(process)
        return log

    def start_worker(self, name: str, *, nanny: bool = False, path: Path | None = None) -> Path:
        return self.start(
            "dask_worker", self.address, "--host", HOST, "--name", name, "--nthreads", "1",
            "--nanny" if nanny else "--no-nanny", "--no-dashboard",
            "--local-directory", str(self.folder / name), path=path,
        )  # fmt: skip

    @staticmethod
    def announced(log: Path, pattern: str) -> str:
        for _ in range(300):
            if log.exists() and (found := re.search(pattern, log.read_text())):
                return found[1]
            time.sleep(0.1)
        pytest.fail(f"nothing like {pattern} in {log.read_text()}")

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    started = Machines(tmp_path)
    yield started
    started.stop()


def origin() -> str:
    import overdensity.core.errors

    return str(overdensity.core.errors.__file__)


def has_package() -> bool:
    import importlib.util

    return bool(importlib.util.find_spec("overdensity"))


for function in (origin, has_package):
    function.__module__ = "__main__"  # workers cannot import a test module: it travels by value


def on_workers(client: Client, function: Any) -> list[Any]:
    return sorted(client.run(function).values())


def test_workers_without_the_package_run_its_functions(machines: Machines, tmp_path: Path) -> None:
    machines.start_worker("one")
    with Client(machines.address) as client:
        client.wait_for_workers(1, timeout=60)
        assert on_workers(client, has_package) == [False]
    with connect(machines.address) as client:
        hint = client.submit(nearest_names, "scn", ["scan", "seed"]).result(timeout=60)
        assert hint == nearest_names("scn", ["scan", "seed"])
        # numba keeps compiled kernels beside real files
        (place,) = on_workers(client, origin)
        assert place.startswith(str(tmp_path / "one"))


def test_workers_that_come_later_or_again_have_the_package(
    machines: Machines, tmp_path: Path
) -> None:
    machines.start_worker("one", nanny=True)
    with connect(machines.address) as client:
        (before,) = on_workers(client, origin)
        client.restart(timeout=60)  # the nanny starts a new process
        (after,) = on_workers(client, origin)
        assert after != before
        machines.start_worker("two")
        client.wait_for_workers(2, timeout=60)
        assert any(str(tmp_path / "two") in place for place in on_workers(client, origin))


def test_another_version_on_a_worker_gives_way(machines: Machines, tmp_path: Path) -> None:
    old = tmp_path / "old" / "overdensity" / "core"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("OLD = True\n")
    (old / "errors.py").write_text("OLD = True\n")
    machines.start_worker("one", path=tmp_path / "old")
    with Client(machines.address) as client:
        client.wait_for_workers(1, timeout=60)
        assert on_workers(client, origin) == [str(old / "errors.py")]  # imported there already
    with connect(machines.address) as client:
        (place,) = on_workers(client, origin)
        assert place.startswith(str(tmp_path / "one"))


def test_the_same_files_are_not_sent(machines: Machines, tmp_path: Path) -> None:
    same = tmp_path / "same"
    with zipfile.ZipFile(io.BytesIO(pack())) as packed:
        packed.extractall(same)
    machines.start_worker("one", path=same)
    with connect(machines.address) as client:
        assert on_workers(client, origin) == [str(same / "overdensity/core/errors.py")]


def test_a_worker_that_lacks_a_package_is_refused(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.start_worker("one")
    monkeypatch.setattr(shipping, "required_packages", lambda: ("no-such-package",))
    complaint = r"worker tcp://\S+ lacks no-such-package"
    with pytest.raises(ConfigError, match=complaint), connect(machines.address):
        pass


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({}, None),
        ({"required": ("no-such-package",)}, "lacks no-such-package"),
        ({"python": (2, 7)}, f"has Python {sys.version.split()[0]}, the client 2.7"),
        ({"same": {"dask": "0.1"}}, f"has dask {version('dask')}, the client 0.1"),
    ],
)
def test_workers_that_come_later_check_themselves(
    changed: dict[str, Any], complaint: str | None
) -> None:
    here = {"python": sys.version_info[:2], "same": {}, "required": ()}
    plugin = shipped.PackageForWorkers(b"", "", ROOMS, **here | changed)
    assert plugin.complaint() == complaint


def test_archive_holds_what_is_installed() -> None:
    packed = set(zipfile.ZipFile(io.BytesIO(pack())).namelist())
    expected = {
        f"overdensity/{path.relative_to(ROOT)}"
        for room in ROOMS
        for path in ROOT.glob(f"{room}/**/*.py")
    }
    expected |= {"overdensity/__init__.py", "overdensity/__main__.py", "overdensity/py.typed"}
    assert expected <= packed
    assert any(name.endswith("templates/report.html") for name in packed)
    assert not [name for name in packed if "__pycache__" in name]


def test_rooms_are_those_that_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = project["tool"]["setuptools"]["package-dir"]
    assert {"overdensity", *(f"overdensity.{room}" for room in ROOMS)} == set(installed)


def test_what_travels_by_value_needs_nothing_that_is_missing() -> None:
    text = Path(shipped.__file__).read_text()
    imported = set(re.findall(r"^(?:from|import) ([\w.]+)", text, flags=re.MULTILINE))
    outside = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert outside == {"distributed"}
    assert "from ." not in text
