"""SIGKILL in every stage of a search: the same bytes after the same command again, and no process left? Prints Markdown.

python -P benchmarks/kills.py run      # 7 minutes of CPU; goes on where it stopped
python -P benchmarks/kills.py table    # what all of them did

A small search is done once (4000 events of two jets, processed, scored, hunted, with limits and pseudo-datasets), and
what it is made of is kept at each step. For each stage, the client, a worker of it or the scheduler is then killed
once the first file of the stage is there (the hunt, which writes at its end, after half of its time), the processes are
counted that are left 30 seconds later, the same command is given again, and all that it makes is compared. A scheduler
of its own with two workers stands for a cluster elsewhere; the hunt has the client alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from overdensity.core.json_lines import add_line, read_lines

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


def make_inputs(folder: Path) -> None:
    """Write the events, the signal and the configuration."""
    rng = np.random.default_rng(1)
    mass = np.minimum(2600 * (1 + rng.pareto(6, 4000)), 7000)
    jets = {
        "pt": np.stack([mass / 2, mass / 2], axis=1),
        "eta": np.zeros((4000, 2)),
        "phi": np.tile([0.0, np.pi], (4000, 1)),
        "mass": rng.gamma(3, 60, (4000, 2)),
        "tau1": rng.uniform(0.1, 1, (4000, 2)),
    }
    jets["tau2"] = jets["tau1"] * rng.beta(5, 4, (4000, 2))
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
            "chunk_events": 400,
        },
        "processor": {
            "name": "dijet",
            "options": {"collection": "fat_jets", "features": ["tau21"]},
        },
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
            "signals": [{"name": "x", "files": [str(folder / "signal.parquet")]}],
            "injections": {"strengths": [100], "repeats": 3},
        },
        "seed": 1,
        "cluster": cluster,
        "workers": None if "://" in cluster else 2,
        "out": str(folder / "run"),
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
        for path in sorted((folder / "run").glob(pattern)):
            data = path.read_bytes()
            if path.suffix == ".json":
                values = json.loads(data)
                values.pop("checksum", None)
                values.pop("provenance", None)
                data = json.dumps(values, sort_keys=True).encode()
            found[str(path.relative_to(folder / "run"))] = hashlib.sha256(data).hexdigest()
    return found


def keep(folder: Path, name: str) -> None:
    """Keep the run as it is."""
    kept = folder / "kept" / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder / "run", kept)


def restore(folder: Path, name: str | None) -> None:
    """Put the run back to what it was; times of change stay, for keys depend on them."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    if name is not None:
        shutil.copytree(folder / "kept" / name, folder / "run")


def reference(folder: Path) -> dict[str, float]:
    """Do the search once, keep it after each step; returns the seconds of each command."""
    stored = folder / "kept" / "seconds.json"
    if stored.is_file():
        return json.loads(stored.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    make_inputs(folder)
    config, seconds = write_config(folder, "local"), {}
    restore(folder, None)
    for stage, (command, _) in STAGES.items():
        restore(folder, BEFORE[stage])
        start = time.monotonic()
        if ended(started(config, command, folder / "log.txt")) != 0:
            raise SystemExit((folder / "log.txt").read_text()[-2000:])
        seconds[stage] = time.monotonic() - start
        keep(folder, command)
    stored.write_text(json.dumps(seconds))
    return seconds


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
    there = set((folder / "run").glob(first)) if first else set()
    while process.poll() is None:
        waited = time.monotonic() - start
        if (first and set((folder / "run").glob(first)) - there) or (
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


def try_kill(folder: Path, stage: str, victim: str, seconds: float) -> dict[str, object]:
    """Kill in a stage, give the command again, and compare."""
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


def table(lines: list[dict[str, object]]) -> None:
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


def main() -> None:
    """Kill, or show what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", choices=["run", "table"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--out", type=Path, default=Path("runs/kills"))
    given = parser.parse_args()
    folder = given.out.absolute()
    results = folder / "kills.jsonl"
    if given.study == "run":
        seconds = reference(folder)
        done = {(x["stage"], x["victim"], x["repeat"]) for x in read_lines(results)}
        for stage in given.stages:
            for victim in VICTIMS if stage != "hunting" else VICTIMS[:1]:
                for repeat in range(given.repeats):
                    if (stage, victim, repeat) not in done:
                        line = try_kill(folder, stage, victim, seconds[stage])
                        add_line(results, {**line, "repeat": repeat})
    table(read_lines(results))


if __name__ == "__main__":
    main()
