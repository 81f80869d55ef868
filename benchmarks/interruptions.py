"""Kills and full disks in every stage of a search: one sentence, nothing half, and then the same bytes? Prints Markdown.

python -P benchmarks/interruptions.py kills    # 7 minutes of CPU; goes on where it stopped
python -P benchmarks/interruptions.py disks    # 2 minutes of CPU, on Linux where a file system may be mounted

A small search is done once (8000 events of two jets, processed, scored, hunted, with limits and pseudo-datasets), and
what it is made of is kept at each step. *Kills*: for each stage, SIGKILL goes to the client, a worker of it or the
scheduler once the first file of the stage is there (in the hunt, which writes at its end, after half of its time); the
processes are counted that are left 30 seconds later, the same command is given again, and all that it makes is compared.
A scheduler of its own with two workers stands for a cluster elsewhere; the hunt has the client alone. *Disks*: the
run lies on a file system in memory that is full once none, a third or two thirds of what the stage writes is there; the
command has to end in one sentence with exit code 2, nothing half may be left, and with space it has to go on to the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from overdensity.core.json_lines import add_line, read_lines
from overdensity.workflow.commands import main as main_of_overdensity

STAGES = {  # command, what it writes first
    "processing": ("process", "columns/*.parquet"),
    "scoring": ("score", "scores/*.parquet"),
    "hunting": ("hunt", ""),
    "limits": ("limits", "limits/*.json"),
    "calibrate": ("calibrate", "pseudodata/*"),
}
BEFORE = {
    "processing": None,
    "scoring": "process",
    "hunting": "score",
    "limits": "hunt",
    "calibrate": "hunt",
}
VICTIMS = ("client", "worker", "scheduler")
COMPARED = (
    "columns/*.parquet",
    "scores/*.parquet",
    "results.json",
    "limits.json",
    "pseudodata.json",
)
PATIENCE = 300.0  # seconds of wall time, on a busy machine
LEFT_AFTER = 30.0
SHARES = (0.0, 1 / 3, 2 / 3)  # of what a stage writes, after which the disk is full
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # of unshare(2)


def run_of(folder: Path) -> Path:
    """Return the folder of the run; where the disk is full, a file system of its own is mounted above it."""
    return folder / "disk" / "run"


def make_inputs(folder: Path) -> None:
    """Write the events, the signal and the configuration."""
    rng = np.random.default_rng(1)
    mass, phi = 2600 * (1 + rng.pareto(6, 8000)), rng.uniform(-3, 0, 8000)
    jets = {
        "pt": np.stack([mass / 2, mass / 2], axis=1),
        "eta": np.zeros((8000, 2)),
        "phi": np.stack([phi, phi + np.pi], axis=1),
        "mass": rng.gamma(3, 60, (8000, 2)),
        "tau1": rng.uniform(0.1, 1, (8000, 2)),
    }
    jets["tau2"] = jets["tau1"] * rng.beta(5, 4, (8000, 2))
    table = {f"fat_jets_{name}": list(values) for name, values in jets.items()}
    pq.write_table(pa.table(table), folder / "events.parquet")
    signal_events = {
        "mjj": rng.normal(3500, 80, 800),
        "j1_mass": rng.normal(400, 15, 800),
        "j1_tau21": rng.beta(2, 8, 800),
    }
    pq.write_table(pa.table(signal_events), folder / "signal.parquet")


def write_config(folder: Path, cluster: str) -> Path:
    """Write the configuration for a cluster."""
    values = {
        "events": {
            "files": str(folder / "events.parquet"),
            "format": "parquet",
            "chunk_events": 800,
        },
        "processor": {"name": "dijet", "collection": "fat_jets", "features": ["tau21"]},
        "features": ["j1_mass", "j1_tau21"],
        "method": {"name": "cwola", "classifier": {"members": 1}},
        "scan": {"low": 2700, "high": 4900, "bins": 8},
        "selections": [1, 0.1],
        "folds": 3,
        "repeats": 1,
        "fit": {"function": "dijet3"},
        "pseudo_experiments": 100,
        "pseudo_datasets": {"number": 3},
        "limits": {
            "signals": {"x": {"files": [str(folder / "signal.parquet")]}},
            "injections": {"strengths": [100], "repeats": 5},
        },
        "seed": 1,
        "cluster": cluster,
        "workers": None if "://" in cluster else 2,
        "out": str(run_of(folder)),
    }
    path = folder / "search.yaml"
    path.write_text(yaml.safe_dump({name: x for name, x in values.items() if x is not None}))
    return path


def started(config: Path, command: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, by which its processes are known."""
    words = [sys.executable, "-P", "-m", "overdensity", command, str(config), "--quiet"]
    with log.open("ab") as handle:
        return subprocess.Popen(words, stdout=handle, stderr=handle, start_new_session=True)


def of_session(session: int) -> dict[int, str]:
    """Return the processes of a session that are no zombies, with their command lines."""
    found: dict[int, str] = {}
    for each in Path("/proc").iterdir():
        if not each.name.isdigit():
            continue
        try:
            fields = (each / "stat").read_text().rpartition(")")[2].split()
            words = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found[int(each.name)] = words
    return found


def ended(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for a command; None where it did not end."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


@contextmanager
def cluster_of_its_own(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a scheduler and two workers; they end with it."""
    address, log = folder / "scheduler.json", (folder / "cluster.log").open("ab")
    address.unlink(missing_ok=True)
    dask = [sys.executable, "-P", "-m", "dask"]
    words = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    scheduler = subprocess.Popen(
        [*words, "--scheduler-file", str(address)], stdout=log, stderr=log, start_new_session=True
    )
    workers = [
        subprocess.Popen(
            [*dask, "worker", "--scheduler-file", str(address), "--nthreads", "1", "--no-nanny",
             "--no-dashboard", "--death-timeout", "10", "--local-directory", str(folder / "dask")],
            stdout=log, stderr=log, start_new_session=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE
        while not address.is_file() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)
        yield json.loads(address.read_text())["address"], scheduler
        until = time.monotonic() + LEFT_AFTER
        while any(each.poll() is None for each in workers) and time.monotonic() < until:
            if scheduler.poll() is None:
                break
            time.sleep(0.2)
    finally:
        for each in (scheduler, *workers):
            each.kill()
            each.wait()
        log.close()


def made(folder: Path) -> dict[str, str]:
    """Return digests of what a run has made, without times and the cluster it was made on."""
    found: dict[str, str] = {}
    for pattern in COMPARED:
        for path in sorted((run_of(folder)).glob(pattern)):
            data = path.read_bytes()
            if path.suffix == ".json":
                values = json.loads(data)
                values.pop("checksum", None)
                values.pop("provenance", None)
                data = json.dumps(values, sort_keys=True).encode()
            found[str(path.relative_to(run_of(folder)))] = hashlib.sha256(data).hexdigest()
    return found


def keep(folder: Path, name: str) -> None:
    """Keep the run as it is."""
    kept = folder / "kept" / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run_of(folder), kept)


def restore(folder: Path, name: str | None) -> None:
    """Put the run back to what it was; times of change stay, for keys depend on them."""
    shutil.rmtree(run_of(folder), ignore_errors=True)
    if name is not None:
        shutil.copytree(folder / "kept" / name, run_of(folder))


def reference(folder: Path, stages: Sequence[str] = tuple(STAGES)) -> None:
    """Do the search once on threads, each command in a child, and keep it after each."""
    if (folder / "kept").is_dir():
        return
    (folder / "disk").mkdir(parents=True, exist_ok=True)
    make_inputs(folder)
    config = write_config(folder, "threads")
    for stage in stages:
        restore(folder, BEFORE[stage])
        command = STAGES[stage][0]

        def go(command: str = command) -> None:
            code, sentence = in_this_process(config, command)
            if code:
                raise SystemExit(sentence)
            keep(folder, command)

        in_a_child(go, folder / "log.txt")
        if not (folder / "kept" / command).is_dir():
            raise SystemExit((folder / "log.txt").read_text()[-2000:])


def in_a_child(task: Callable[[], object], log: Path) -> None:
    """Do something in a forked child."""
    child = os.fork()
    if child == 0:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 2)
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - a child of a study has no caller
            os.write(2, f"{error!r}\n".encode())
        os._exit(0)
    os.waitpid(child, 0)


def seconds_of(folder: Path, stage: str) -> float:
    """Return how long the command of a stage takes by itself."""
    restore(folder, BEFORE[stage])
    start = time.monotonic()
    ended(started(write_config(folder, "local"), STAGES[stage][0], folder / "log.txt"))
    return time.monotonic() - start


def victim_of(process: subprocess.Popen[bytes], victim: str) -> int | None:
    """Return the process to kill."""
    if victim == "client":
        return process.pid
    workers = [pid for pid, words in of_session(process.pid).items() if "spawn_main" in words]
    return min(workers, default=None)


def killed(
    folder: Path, config: Path, stage: str, victim: str, *, seconds: float, scheduler: int | None
) -> dict[str, object]:
    """Run a stage, kill, wait, and say what is left."""
    command, first = STAGES[stage]
    process, start = started(config, command, folder / "log.txt"), time.monotonic()
    there = set((run_of(folder)).glob(first)) if first else set()
    while process.poll() is None:
        waited = time.monotonic() - start
        if (first and set((run_of(folder)).glob(first)) - there) or (
            not first and waited > seconds / 2
        ):
            break
        time.sleep(0.02)
    if process.poll() is not None:
        return {"killed": False}
    target = scheduler if victim == "scheduler" else victim_of(process, victim)
    if target is None:
        os.killpg(process.pid, signal.SIGKILL)
        return {"killed": False}
    os.kill(target, signal.SIGKILL)
    at = time.monotonic()
    code = ended(process)
    while of_session(process.pid) and time.monotonic() < at + LEFT_AFTER:
        time.sleep(0.1)
    left = of_session(process.pid)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return {"killed": True, "code": code, "left": len(left)}


def try_kill(folder: Path, stage: str, victim: str) -> dict[str, object]:
    """Kill in a stage, give the command again, and compare."""
    seconds = 0.0 if STAGES[stage][1] else seconds_of(folder, stage)
    restore(folder, BEFORE[stage])
    command = STAGES[stage][0]
    if victim == "scheduler":
        with cluster_of_its_own(folder) as (address, scheduler):
            config = write_config(folder, address)
            said = killed(folder, config, stage, victim, seconds=seconds, scheduler=scheduler.pid)
    else:
        config = write_config(folder, "local")
        said = killed(folder, config, stage, victim, seconds=seconds, scheduler=None)
    config = write_config(folder, "local")
    again = ended(started(config, command, folder / "log.txt"))
    now = made(folder)
    restore(folder, command)
    return {"stage": stage, "victim": victim, **said, "again": again, "same": now == made(folder)}


def table_of_kills(lines: list[dict[str, object]]) -> None:
    """Print what came of the kills."""
    print("| stage | " + " | ".join(f"{victim} killed" for victim in VICTIMS) + " |")
    print("| --- " * (len(VICTIMS) + 1) + "|")
    for stage in STAGES:
        cells = []
        for victim in VICTIMS:
            tried = [
                x for x in lines if (x["stage"], x["victim"]) == (stage, victim) and x["killed"]
            ]
            if not tried:
                cells.append("no such process" if stage == "hunting" else "not tried")
                continue
            same = sum(bool(x["same"]) and x["again"] == 0 for x in tried)
            left = sum(int(str(x["left"])) for x in tried)
            cells.append(f"same bytes {same} of {len(tried)}, processes left {left}")
        print(f"| {stage} | {' | '.join(cells)} |")


def mounted(folder: Path, size: int) -> None:
    """Mount a file system of so many bytes above the place of the run, for this process alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    as_root = os.getuid() == 0
    refused = libc.unshare(_NEW_MOUNTS if as_root else _NEW_MOUNTS | _NEW_USER)
    private, place, options = 0x44000, str(folder / "disk").encode(), f"size={size}".encode()
    refused = refused or libc.mount(None, b"/", None, private, None)
    if refused or libc.mount(b"tmpfs", place, b"tmpfs", 0, options):
        msg = f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}"
        raise SystemExit(msg)


def halves(run: Path) -> list[str]:
    """Return the files of a run that are there in part."""
    found = [path for path in run.rglob("*") if path.name.endswith(".tmp")]
    for path in run.rglob("*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            found.append(path)
    for path in run.rglob("*.parquet"):
        try:
            pq.read_table(path)
        except (OSError, ValueError):
            found.append(path)
    return [str(path.relative_to(run)) for path in found]


def in_this_process(config: Path, command: str) -> tuple[int, str]:
    """Give a command in this process; returns its exit code and what it says of an error."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            main_of_overdensity([command, str(config), "--quiet"])
        except SystemExit as stopped:
            code = stopped.code
    return int(code or 0), said.getvalue().partition("error: ")[2] or said.getvalue()


def fill(folder: Path, stage: str, share: float, report: Path) -> None:
    """Run a stage on a disk that is too small, then on one that is not; for a child process."""
    command, kept = STAGES[stage][0], folder / "kept"
    after = kept / command
    before = BEFORE[stage]
    needed = sum(path.stat().st_size for path in after.rglob("*") if path.is_file())
    needed -= sum(p.stat().st_size for p in (kept / before).rglob("*")) if before else 0
    mounted(folder, 200_000_000)
    restore(folder, before)
    run_of(folder).mkdir(parents=True, exist_ok=True)
    config = write_config(folder, "threads")
    free = os.statvfs(folder / "disk")
    rest = max(0, free.f_bavail * free.f_frsize - int(share * needed))
    filler = folder / "disk" / "filler"
    with filler.open("wb") as file:
        file.write(bytes(rest))
    code, sentence = in_this_process(config, command)
    found = {"code": code, "sentence": sentence, "halves": halves(run_of(folder))}
    filler.unlink()
    again, _ = in_this_process(config, command)
    now = made(folder)
    restore(folder, command)
    report.write_text(json.dumps({**found, "again": again, "same": now == made(folder)}))


def try_disk(folder: Path, stage: str, share: float) -> dict[str, object]:
    """Fill the disk in a stage, in a child that has the file system for itself."""
    report = folder / "filled.json"
    report.unlink(missing_ok=True)
    in_a_child(lambda: fill(folder, stage, share, report), folder / "log.txt")
    line = {"stage": stage, "share": round(share, 2)}
    return {**line, **(json.loads(report.read_text()) if report.is_file() else {"code": None})}


def table_of_disks(lines: list[dict[str, object]]) -> None:
    """Print what came of the full disks."""
    print(
        "| stage | tried | one sentence, exit code 2 | files left in part | the same bytes with space |"
    )
    print("| --- " * 5 + "|")
    for stage in STAGES:
        tried = [x for x in lines if x["stage"] == stage and x["code"] is not None]
        told = sum(x["code"] == 2 and "space" in str(x["sentence"]) for x in tried)
        parts = sum(len(list(x["halves"])) for x in tried)  # pyright: ignore[reportArgumentType]
        same = sum(bool(x["same"]) and x["again"] == 0 for x in tried)
        print(f"| {stage} | {len(tried)} | {told} | {parts} | {same} |")


def main() -> None:
    """Kill, or fill disks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", choices=["kills", "disks"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/interruptions"))
    given = parser.parse_args()
    folder = given.out.absolute()
    results = folder / f"{given.study}.jsonl"
    reference(folder)
    lines = read_lines(results)
    for stage in STAGES:
        victims = VICTIMS if stage != "hunting" else VICTIMS[:1]
        ways = victims if given.study == "kills" else SHARES
        for way in ways:
            for repeat in range(given.repeats):
                if any((x["stage"], x["way"], x["repeat"]) == (stage, way, repeat) for x in lines):
                    continue
                if given.study == "kills":
                    line = try_kill(folder, stage, str(way))
                else:
                    line = try_disk(folder, stage, float(way))
                lines.append({**line, "way": way, "repeat": repeat})
                add_line(results, lines[-1])
    (table_of_kills if given.study == "kills" else table_of_disks)(lines)


if __name__ == "__main__":
    main()
