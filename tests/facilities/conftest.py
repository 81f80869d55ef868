"""Real batch systems and gateways for the tests: on loopback, in temporary folders."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest
import yaml

from overdensity.workflow import parse_config
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.stages.processing.columns import make_columns
from overdensity.workflow.stages.run import Run

from ..conftest import write_search
from .event_files import columns, rows

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Daemons:
    """Servers with their logs in a folder, stopped last to first by their own pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str | Path, **environment: str) -> Path:
        log = self.folder / f"{Path(command[0]).name}.log"
        with log.open("wb") as output:
            self.processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=os.environ | environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        return log

    def stop(self) -> None:
        for process in reversed(self.processes):
            stop(process)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SLURM with one node, as root on this machine; the folder of its logs."""
    for program in ("munged", "slurmctld", "slurmd", "sbatch"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("slurmd needs to run as root")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, munge = folder / "munge.key", folder / "munge.socket"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    conf = folder / "slurm.conf"
    name = socket.gethostname().split(".")[0]
    conf.write_text(
        "\n".join(
            [
                "ClusterName=overdensity",
                f"SlurmctldHost={name}({HOST})",
                "SlurmUser=root",
                "SlurmdUser=root",
                "AuthType=auth/munge",
                f"AuthInfo=socket={munge}",
                f"SlurmctldPort={free_port()}",
                f"SlurmdPort={free_port()}",
                "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",  # loopback, not 0.0.0.0
                f"StateSaveLocation={folder}/state",
                f"SlurmdSpoolDir={folder}/spool",
                f"SlurmctldPidFile={folder}/slurmctld.pid",
                f"SlurmdPidFile={folder}/slurmd.pid",
                "ProctrackType=proctrack/linuxproc",
                "TaskPlugin=task/none",
                "MpiDefault=none",
                "SelectType=select/cons_tres",
                "SelectTypeParameters=CR_Core_Memory",
                "SlurmdParameters=config_overrides",
                "SchedulerParameters=sched_interval=1,bf_interval=1",
                "ReturnToService=2",
                "KillWait=2",
                f"NodeName=localhost NodeAddr={HOST} NodeHostname={name} CPUs=4 RealMemory=8000",
                "PartitionName=test Nodes=localhost Default=YES MaxTime=INFINITE State=UP",
            ]
        )
    )
    daemons = Daemons(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(conf))
        daemons.start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}",
            f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munge.log",
            f"--seed-file={folder}/munged.seed",
        )  # fmt: skip
        try:
            wait_until(munge.exists, "munged opens its socket")
            daemons.start("slurmctld", "-D", "-f", str(conf))
            daemons.start("slurmd", "-D", "-N", "localhost", "-f", str(conf))
            wait_until(lambda: "idle" in slurm_says("sinfo", "-h", "-o", "%T"), "slurmd is idle")
            yield folder
            slurm_says("scancel", "--me")
            wait_until(lambda: not slurm_says("squeue", "-h"), "the queue is empty")
        finally:
            daemons.stop()


def slurm_says(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.fixture
def search_on(box: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the search of the box, to run on a cluster."""

    def write(name: str, cluster: object, **changes: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        path = write_search(folder, box)
        values = yaml.safe_load(path.read_text()) | {"cluster": cluster} | changes
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture(scope="session")
def event_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many events as take two workers some seconds, in the format of the LHC Olympics."""
    path = tmp_path_factory.mktemp("events") / "events.h5"
    with h5py.File(path, "w") as file:
        padded = rows(6000, seed=3, width=300)
        file.create_dataset("df/block0_values", data=padded, chunks=(200, padded.shape[1]))
    return path


def processing_on(event_file: Path, cluster: object, out: Path) -> Run:
    """Return what makes forty partitions of the event file on a cluster."""
    events = {"files": [str(event_file)], "chunk_events": 150}
    return Run(parse_config({"events": events, "cluster": cluster, "out": str(out)}))


@pytest.fixture(scope="session")
def columns_made_here(event_file: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The partitions of the event file, made on this machine."""
    out = tmp_path_factory.mktemp("here")
    run = processing_on(event_file, {"kind": "local", "workers": 2}, out)
    with connect(run.config.cluster) as client:
        make_columns(run, client)
    made = columns(out)
    assert len(made) == 40
    return made


def python_without_the_package(folder: Path) -> Path:
    """Return an interpreter that has all packages but this one, as on a facility."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    # A .pth file inside that folder is not followed: no editable install of this package.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"
