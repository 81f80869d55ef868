"""Damaged inputs: does one end in a traceback, a hang, or another number without a word? Prints Markdown.

python -P benchmarks/mutations.py run --inputs 2000     # 6 to 10 minutes of CPU; goes on where it stopped
python -P benchmarks/mutations.py table                 # what all of them did

Valid files are made once (LHC Olympics HDF5, ROOT, Parquet of events and of columns, a configuration, a finished
search) and damaged by a seeded generator: flipped bits, zeroed, repeated, exchanged and cut parts; for text
also lines twice or away and values that nobody expects. Each input is read by a forked child as the command line reads
it. Of a finished search one artefact is damaged and the search is run again: its result is compared with that
of the undamaged one to the last digit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from overdensity.core.json_lines import add_line, read_lines
from overdensity.processors import DijetProcessor, make_source, process
from overdensity.simulation import read_recipe, simulate_recipe
from overdensity.workflow import load_config
from overdensity.workflow.commands.door import exit_code_and_sentence
from overdensity.workflow.search_run import run_search
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import load_sample

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds of wall time, on a busy machine
SHARE = {"hdf5": 4, "root": 4, "events": 4, "columns": 4, "yaml": 3, "artefacts": 1}
KINDS = tuple(SHARE)
READ, REFUSED, UNTOLD, CHANGED = 0, 2, 1, 3  # exit codes of a child
WORDS = {READ: "read", REFUSED: "refused", UNTOLD: "traceback", CHANGED: "changed"}
VALUES = (
    "1e999", ".nan", "~", "[]", "{}", '"x"', "-1", "0", "1:30", "1e-3", "null", "9" * 40, "true", "*a",
    "&a [*a]", "!!python/object:os.system x", "!!binary eA==", "2001-01-01", "{a: {b: {c: 1}}}", "\t", "../..",
)  # fmt: skip


def valid_files(folder: Path, kinds: Sequence[str] = KINDS) -> dict[str, Path]:
    """Make the files that are damaged, where they are missing; the search only if its artefacts are."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {
        "hdf5": folder / "box.h5",
        "root": folder / "box.root",
        "events": folder / "events.parquet",
        "columns": folder / "columns.parquet",
        "yaml": folder / "search.yaml",
        "artefacts": folder / "run",
    }
    recipe = read_recipe("rnd").with_events({"qcd": 120, "signal": 10})
    for kind in ("hdf5", "root"):
        if not found[kind].is_file():
            simulate_recipe(recipe, found[kind], workers=1)
    rng = np.random.default_rng(1)
    pt = np.sort(rng.uniform(200, 2000, (300, 2)))[:, ::-1]
    jets = {"pt": pt, "eta": rng.normal(0, 1, (300, 2)), "phi": rng.uniform(-3, 3, (300, 2))}
    pq.write_table(
        pa.table({f"fat_jets_{name}": list(values) for name, values in jets.items()}),
        found["events"],
    )
    mass = np.minimum(2500 * (1 + rng.pareto(6, 6000)), 8000)
    columns = {"mjj": mass, "j1_mass": rng.gamma(3, 60, 6000), "j1_tau21": rng.beta(5, 4, 6000)}
    pq.write_table(
        pa.table({name: each.astype(np.float32) for name, each in columns.items()}),
        found["columns"],
    )
    values = {
        "events": {"format": "columns", "files": [str(found["columns"])]},
        "features": ["j1_mass", "j1_tau21"],
        "method": {"name": "cwola", "classifier": {"members": 1}},
        "scan": {"low": 2600, "high": 5000, "bins": 9},
        "selections": [1, 0.1],
        "folds": 3,
        "fit": {"function": "dijet3"},
        "pseudo_experiments": 500,
        "seed": 1,
        "cluster": "threads",
        "out": str(found["artefacts"]),
    }
    for name in ("yaml", "columns"):
        found[name].with_suffix(".yaml").write_text(yaml.safe_dump(values))
    if "artefacts" in kinds and not (found["artefacts"] / "results.json").is_file():
        said = folder / "said.txt"
        if (outcome := forked(lambda: search(found["yaml"]), said, 10 * PATIENCE)) != WORDS[READ]:
            msg = f"{outcome}: {said.read_text()}"
            raise SystemExit(msg)
    return found


def search(config: Path, out: Path | None = None) -> None:
    """Search as the command does."""
    run_search(load_config(config, out=None if out is None else str(out)))


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes with one to three kinds of damage."""
    for _ in range(rng.integers(1, 4)):
        n = len(data)
        at, size = int(rng.integers(max(n, 1))), int(rng.integers(1, 2 + n // 4))
        match rng.integers(6):
            case 0:  # one bit
                data = (
                    data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
                    if n
                    else data
                )
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + bytes(min(size, n - at)) + data[at + size :]
            case 3:
                data = data[: at + size] + data[at:]
            case 4:
                noise = rng.bytes(min(64, n - at))
                data = data[:at] + noise + data[at + len(noise) :]
            case _:
                data = data[:at] + data[at + size :]
    return data


def damaged_text(text: str, rng: np.random.Generator) -> bytes:
    """Return a configuration with a line or a value that nobody expects."""
    lines = text.splitlines()
    for _ in range(rng.integers(1, 3)):
        at = int(rng.integers(len(lines)))
        key = lines[at].partition(":")[0]
        match rng.integers(6):
            case 0:
                lines.insert(at, lines[int(rng.integers(len(lines)))])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at] = " " * int(rng.integers(4)) + lines[at]
            case 3:
                return damaged("\n".join(lines).encode(), rng)
            case _:
                lines[at] = f"{key}: {VALUES[int(rng.integers(len(VALUES)))]}"
    return "\n".join(lines).encode()


def read(kind: str, path: Path) -> None:
    """Read an input as a command does."""
    if kind in {"hdf5", "root", "events"}:
        source = make_source({"hdf5": "lhco", "root": "root", "events": "parquet"}[kind])
        cheap = DijetProcessor(
            collection="fat_jets" if kind == "events" else "particles",
            features=() if kind == "events" else ("n",),
        )
        process(path, path.parent / "out", source=source, processor=cheap, monitor=lambda _: None)
    elif kind == "columns":
        load_sample(Run(load_config(path.with_suffix(".yaml"))))
    else:
        run = Run(load_config(path))
        _ = run.windows, run.method


def forked(task: Callable[[], object], said: Path, patience: float = PATIENCE) -> str:
    """Run a task in a child; returns what came of it."""
    child = os.fork()
    if child == 0:
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        code = READ
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - what a child does is the subject
            code, sentence = exit_code_and_sentence(error)
            print(f"error: {sentence}", flush=True)
        os._exit(code)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return WORDS.get(code, f"signal {-code}")
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang"


def result_of(folder: Path) -> dict | None:
    """Return the numbers of a search, without times and keys."""
    try:
        values = json.loads((folder / "results.json").read_text())
    except (OSError, ValueError):
        return None
    return {name: values[name] for name in ("best", "windows", "flags") if name in values}


def try_artefact(valid: dict[str, Path], folder: Path, rng: np.random.Generator) -> tuple[str, str]:
    """Damage one file of a finished search, run it again, and compare."""
    run = folder / "run"
    shutil.copytree(valid["artefacts"], run)
    files = sorted(
        path
        for path in run.rglob("*")
        if path.is_file() and path.suffix in {".parquet", ".json", ".npy"}
    )
    victim = files[int(rng.integers(len(files)))]
    victim.write_bytes(damaged(victim.read_bytes(), rng))
    for result in ("results.json", "report.html"):  # so that it is made again from what is there
        if victim.name != result:
            (run / result).unlink(missing_ok=True)
    outcome = forked(lambda: search(valid["yaml"], run), folder / "said.txt", 10 * PATIENCE)
    if outcome == WORDS[READ] and result_of(run) != result_of(valid["artefacts"]):
        outcome = WORDS[CHANGED]
    return outcome, str(victim.relative_to(run))


def try_input(kind: str, index: int, seed: int, valid: dict[str, Path], folder: Path) -> dict:
    """Damage an input, read it, and say what came of it."""
    rng = np.random.default_rng([seed, KINDS.index(kind), index])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    said, what = folder / "said.txt", ""
    if kind == "artefacts":
        outcome, what = try_artefact(valid, folder, rng)
    else:
        path = folder / f"input{valid[kind].suffix}"
        if kind == "yaml":
            path.write_bytes(damaged_text(valid[kind].read_text(), rng))
        else:
            path.write_bytes(damaged(valid[kind].read_bytes(), rng))
        if kind == "columns":
            text = valid["yaml"].read_text().replace(str(valid["columns"]), str(path))
            path.with_suffix(".yaml").write_text(text)
        outcome = forked(lambda: read(kind, path), said)
    line = {"kind": kind, "index": index, "seed": seed, "outcome": outcome, "what": what}
    if outcome not in {"read", "refused"} and said.is_file():
        line["said"] = said.read_text(errors="replace")[-500:]
    return line


def check(valid: dict[str, Path], folder: Path) -> None:
    """Make sure that what is not damaged can be read."""
    for kind in set(KINDS) - {"artefacts"}:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        outcome = forked(lambda kind=kind: read(kind, valid[kind]), folder / "said.txt")
        if outcome != WORDS[READ]:
            msg = f"{valid[kind]}: {outcome}: {(folder / 'said.txt').read_text()}"
            raise SystemExit(msg)


def table(lines: list[dict]) -> None:
    """Print what came of the inputs of each kind."""
    print(
        "| input | damaged | read | refused in a sentence | traceback | hang | killed | changed without a word |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        found = Counter(line["outcome"] for line in lines if line["kind"] == kind)
        known = ("read", "refused", "traceback", "hang", "changed")
        others = sum(n for outcome, n in found.items() if outcome not in known)
        counts = [found[each] for each in known[:4]] + [others, found["changed"]]
        print(f"| {kind} | {sum(found.values())} | {' | '.join(map(str, counts))} |")


def main() -> None:
    """Damage inputs, or show what became of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", choices=["run", "table"])
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/mutations"))
    given = parser.parse_args()
    results = given.out / "mutations.jsonl"
    if given.study == "run":
        valid = valid_files((given.out / "valid").absolute(), given.kinds)
        check(valid, given.out.absolute() / "now")
        done = {
            (line["kind"], line["index"])
            for line in read_lines(results)
            if line["seed"] == given.seed
        }
        parts = sum(SHARE[kind] for kind in given.kinds)
        for kind in given.kinds:
            for index in range(max(1, given.inputs * SHARE[kind] // parts)):
                if (kind, index) not in done:
                    line = try_input(kind, index, given.seed, valid, given.out.absolute() / "now")
                    add_line(results, line)
        shutil.rmtree(given.out / "now", ignore_errors=True)
    table(
        [
            line
            for line in read_lines(results)
            if line["seed"] == given.seed and line["kind"] in given.kinds
        ]
    )


if __name__ == "__main__":
    main()
