"""Whole searches with methods that read constituents and images, from raw events.

    python -P benchmarks/blocks.py searches [--seeds 1 2] [--methods particle_flow vrnn] [--boxes rnd none signal]
        [--events 25000] [--share 0.01] [--complete] [--workers 1]
    python -P benchmarks/blocks.py memory [--events 25000 100000]

``searches`` takes the configurations of ``examples/below_features/`` through `overdensity run`: on the 13 000
events of the reference sample, and for each seed on a simulated box without signal and on the same box with 1 % of
signal added (``--share``, each in a folder of its own), of 40 000 events or of ``--events``; ``--boxes`` chooses among
them. ``--complete`` scans all windows that a search has by default, in place of three. What is in the folder of ``--out``
already is not done again; the CPU time that it took, workers and all, lies beside it. ``memory`` scores images in a process of
its own and prints the most memory that it held.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from overdensity.ml import Sample, SampleStream, Window, make_method
from overdensity.simulation import simulate
from overdensity.workflow import SearchResults, load_config, run_search
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import read_scores
from overdensity.workflow.stages.selecting import calibrated_scores, levels_of

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "below_features"
REFERENCE = ROOT.parent / "shared" / "data" / "reference" / "rnd_events_13k.h5"
EVENTS, SHARE = 40_000, 0.01
METHODS = (
    *("particle_flow", "image_autoencoder", "vrnn", "graph_autoencoder", "ucluster"),
    *("image_vae", "medoids", "tag_n_train", "lstm", "deep_ensemble"),
    *("pcnn", "particlenet", "part", "lorentznet"),
)
BOXES = ("rnd", "none", "signal")
PIXELS, LIT = 40, 30


def simulated(seed: int, events: int, signal: int, folder: Path, workers: int) -> tuple[Path, Path]:
    """Return the files of background and of signal of a seed; they are made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    first, second = (folder / f"{kind}_{seed}_{events}.h5" for kind in ("background", "signal"))
    if not first.is_file():
        simulate(first, background=events, signal=0, seed=100 * seed, workers=workers)
    if not second.is_file():
        simulate(second, background=0, signal=signal, seed=seed, workers=workers)
    return first, second


def search(
    method: str, files: list[Path], columns: Path, out: Path, given: argparse.Namespace
) -> tuple[SearchResults, Run]:
    """Search files with the example of a method; those of two jets share the columns."""
    example = EXAMPLES / f"{method}.yaml"
    overrides = [f"events.files={[str(file) for file in files]}", f"workers={given.workers}"]
    if given.complete:
        overrides.append("scan={}")
    if load_config(example).processor.name == "dijet":
        of_all = ["constituents_30", "image", "tau21", "n"]
        overrides += [f"processor.features={of_all}", f"columns={columns}"]
    config = load_config(example, overrides, out=str(out))
    finished, began = (out / "results.json").is_file(), cpu_seconds()
    results = run_search(config)
    if not finished:
        spent = cpu_seconds() - began + (cost_of(out) or 0.0)
        out.with_suffix(".cpu").write_text(f"{spent}", "utf-8")
    return results, Run(config)


def cost_of(out: Path) -> float | None:
    """Return the CPU time that a search took, in seconds, if it was noted."""
    noted = out.with_suffix(".cpu")
    return float(noted.read_text("utf-8")) if noted.is_file() else None


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def kept(run: Run) -> tuple[float, float]:
    """Return the fractions of signal and background that the loosest selection keeps at the signal."""
    scores = calibrated_scores(run, read_scores(run))
    sample, window = scores.sample, run.windows[0]
    inside = (sample.mass >= window.low) & (sample.mass < window.high)
    passed = levels_of(run, scores)[inside, 0] >= 1
    signal = np.zeros(len(passed), bool) if sample.label is None else sample.label[inside] == 1
    return (float(passed[signal].mean()) if signal.any() else np.nan, float(passed[~signal].mean()))


def boxes_of(given: argparse.Namespace, folder: Path) -> dict[str, tuple[str, list[Path]]]:
    """Return what is searched: the name, and what it is and its files."""
    boxes = {"rnd_13k": ("reference, 1000 of 13 000", [REFERENCE])}
    events, added = given.events, round(given.share * given.events)
    for seed in given.seeds:
        background, signal = simulated(seed, events, added, folder / "events", given.workers)
        boxes[f"none_{seed}_{events}"] = (f"box {seed}, none", [background])
        boxes[f"signal_{seed}_{events}"] = (
            f"box {seed}, {added} of {events:_}".replace("_", " "),
            [background, signal],
        )
    return {name: box for name, box in boxes.items() if name.split("_")[0] in given.boxes}


def searches(
    boxes: dict[str, tuple[str, list[Path]]], folder: Path, given: argparse.Namespace
) -> None:
    """Print a row a search."""
    header = (
        "method", "events, signal", "z unselected", "z local", "p global", "mass [GeV]",
        "signal kept at 10 %", "background kept", "refused", "p independent", "CPU s",
    )  # fmt: skip
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for method in given.methods:
        for name, (what, files) in boxes.items():
            out = folder / (f"{method}_{name}" + ("_complete" if given.complete else ""))
            results, run = search(method, files, folder / "columns" / name, out, given)
            spent = cost_of(out)
            rows = [row for window in results.windows for row in window.selections]
            unselected = [w.unselected.z_local for w in results.windows]
            best, (of_signal, of_background) = results.best, kept(run)
            found = ("–",) * 3
            if best is not None:
                bound = "≤ " if best.p_global_is_limit else ""
                found = (f"{best.z_local:.1f}", f"{bound}{best.p_global:.2g}", f"{best.mass:.0f}")
            cells = (
                f"`{method}`",
                what,
                f"{max((z for z in unselected if z is not None), default=np.nan):.1f}",
                *found,
                "–" if np.isnan(of_signal) else f"{100 * of_signal:.0f} %",
                f"{100 * of_background:.1f} %",
                f"{sum(row.refused for row in rows)} of {len(rows)}",
                f"{min(test.p_value for test in results.independence):.2g}",
                "–" if spent is None else f"{spent:.0f}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def memory(numbers: list[int]) -> None:
    """Print the most memory that scoring so many events with images takes, each in a process of its own."""
    print("| events | images on disk [GB] | before | while scoring | of it mapped files |")
    print("| --- | --- | --- | --- | --- |")
    for events in numbers:
        subprocess.run([sys.executable, "-P", __file__, "score", str(events)], check=True)


def score(events: int) -> None:
    """Score so many events of two images, and print what memory the process held: a row."""
    hyper = {"filters": [1, 1, 1], "training": {"epochs": 1, "batch": 200}, "device": "cpu"}
    method, window = make_method("image_autoencoder", **hyper), Window(3500, 3300, 3700, 2900, 4200)
    with tempfile.TemporaryDirectory() as folder:
        path = write_images(Path(folder) / "events.parquet", events)
        features = ("j1_image", "j2_image")
        method.fit(next(iter(SampleStream(path, features, rows=2000))), window, seed=1)
        with memory_of_process() as before:
            pass  # looked at once
        with memory_of_process() as most:
            method.score(Sample.from_parquet(path, features=features))
        size = 2 * 2 * PIXELS**2 * events / 1e9
        cells = (f"{events}", f"{size:.2f}", *(f"{x:.2f} GB" for x in (before[0], *most)))
        print(f"| {' | '.join(cells)} |", flush=True)


def write_images(path: Path, events: int) -> Path:
    """Write events with an image of each jet: a few pixels of noise."""
    rng = np.random.default_rng(1)
    image = pa.list_(pa.list_(pa.float16(), PIXELS), PIXELS)
    schema = pa.schema({"mjj": pa.float64(), "j1_image": image, "j2_image": image})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, events, 5000):
            n = min(5000, events - start)
            columns: list[pa.Array] = [pa.array(rng.uniform(2600, 6000, n))]
            for _ in range(2):
                pixels = np.zeros((n, PIXELS**2), np.float16)
                lit = rng.integers(0, PIXELS**2, (n, LIT))
                pixels[np.arange(n)[:, None], lit] = rng.random((n, LIT))
                rows = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), PIXELS)
                columns.append(pa.FixedSizeListArray.from_arrays(rows, PIXELS))
            writer.write_table(pa.table(columns, schema=schema))
    return path


@contextmanager
def memory_of_process() -> Iterator[list[float]]:
    """Yield the most memory in the context, in all and of mapped files, in GB; Linux only."""
    most, ended = [0.0, 0.0], threading.Event()

    def look() -> None:
        while True:
            lines = Path("/proc/self/status").read_text("ascii").splitlines()
            held = dict(line.split(":", 1) for line in lines)
            found = [int(held[key].split()[0]) / 1e6 for key in ("VmRSS", "RssFile")]
            if found[0] > most[0]:
                most[:] = found
            if ended.wait(0.05):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    of_searches = commands.add_parser("searches", help="search the reference and simulated boxes")
    of_searches.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    of_searches.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    of_searches.add_argument("--boxes", nargs="+", choices=BOXES, default=list(BOXES))
    of_searches.add_argument("--events", type=int, default=EVENTS)
    of_searches.add_argument("--complete", action="store_true", help="all windows, not three")
    of_searches.add_argument("--share", type=float, default=SHARE)
    of_searches.add_argument("--workers", type=int, default=2)
    of_searches.add_argument("--out", type=Path, default=Path("runs/blocks"))
    of_memory = commands.add_parser("memory", help="measure the memory of scoring images")
    of_memory.add_argument("--events", type=int, nargs="+", default=[25_000, 100_000])
    of_one = commands.add_parser("score", help="score so many events, as memory does")
    of_one.add_argument("events", type=int)
    given = parser.parse_args()
    if given.command == "searches":
        folder = given.out.absolute()
        boxes = boxes_of(given, folder)
        searches(boxes, folder, given)
    elif given.command == "memory":
        memory(given.events)
    else:
        score(given.events)


if __name__ == "__main__":
    main()
