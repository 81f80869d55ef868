"""A flow trained on a stream that is seen once: what is left of a signal, memory, speed. Prints Markdown.

    python -P benchmarks/streaming.py cwola [--signal 0.01] [--seeds 1 2 3 4 5] [--set updates=5 --set family=maf]
    python -P benchmarks/streaming.py memory [--events 1000000]

cwola   Background of the reference sample (rows 0 to 249 999 in random order) with signal as a fraction of
        the stream. CWoLa learns from the stream itself and from as many events drawn from the flow; both
        are tested on other events of the signal region. The median over the seeds [smallest, largest]; each
        seed has another order, another choice of signal, another flow and other trees. `of the stream`: the
        median over the seeds of the ratio of the maximum SIC on samples to that on the stream. Without a
        signal the test is background alone, events of the signal region against those of the
        sidebands: an AUC of 0.5 says that nothing was invented. What was measured stays in --work.
memory  As `overdensity stream`: events of a toy, made while they are streamed. The resident memory of the process,
        the CPU time, and the size of what is kept, after each tenth.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from overdensity.core.identity import json_digest
from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import OnlineFlow, OnlineHyper, Sample, Window, make_method, performance
from overdensity.ml.hyperparameters import replaced
from overdensity.ml.inputs.jet_columns import sort_jets
from overdensity.workflow.config.reading import apply_override
from overdensity.workflow.stream.partitions import Counted
from overdensity.workflow.stream.stream_run import run_stream

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
ROWS = 250_000  # of background in the stream, and as many in the test
SIGNAL_TEST_FROM = 20_000
EPS_B = (1e-2, 1e-3)
SOURCES = ("the stream", "samples of the flow")
PER_SAMPLE = 20_000  # events that come together


def reference(name: str, first: int, last: int) -> Sample:
    """Return rows of a file of the reference sample, the jets in the order of their masses."""
    table = pq.read_table(REFERENCE / f"rnd_{name}.parquet", columns=["mjj", *FEATURES])
    table = table.slice(first, last - first)
    x = np.stack([table[column].to_numpy() for column in FEATURES], axis=1)
    return sort_jets(Sample.from_arrays(table["mjj"].to_numpy(), x, FEATURES))


def streamed(fraction: float, seed: int) -> Sample:
    """Return background and so large a fraction of signal, in random order."""
    rng = np.random.default_rng([seed, 7])
    background = reference("background", 0, ROWS)
    n_signal = round(fraction / (1 - fraction) * ROWS)
    signal = reference("signal", 0, SIGNAL_TEST_FROM)
    signal = signal.take(rng.choice(len(signal), n_signal, replace=False))
    both = Sample.concatenated(background, signal)
    both = both.take(rng.permutation(len(both)))
    return Sample.from_arrays(both.mass, both.features, both.names)


def tested(*, signal: bool) -> tuple[Sample, NDArray[np.int8]]:
    """Return other events, and which of them are signal; without one, which lie in the signal region."""
    background = reference("background", ROWS, 2 * ROWS)
    inside = WINDOW.signal(background.mass)
    if not signal:
        low, high = WINDOW.sideband_low, WINDOW.sideband_high
        near = (background.mass >= low) & (background.mass < high)
        return background.take(near), inside[near].astype(np.int8)
    others = reference("signal", SIGNAL_TEST_FROM, 50_000)
    others = others.take(WINDOW.signal(others.mass))
    n = (np.count_nonzero(inside), len(others))
    return Sample.concatenated(background.take(inside), others), np.repeat([0, 1], n).astype(
        np.int8
    )


def figures(
    data: Sample, test: tuple[Sample, NDArray[np.int8]], seed: int, *, signal: bool
) -> list[float]:
    """Train CWoLa on events; return AUC, SIC at 1 % and 0.1 % and its maximum, on others."""
    method = make_method("cwola").fit(data, WINDOW, seed=seed)
    said = performance(method.score(test[0]), test[1], eps_b=EPS_B)
    return [said.auc, *(point.sic for point in said.sic), said.max_sic.sic][: 4 if signal else 1]


def learned(data: Sample, hyper: OnlineHyper, seed: int) -> OnlineFlow:
    """Return a flow that has seen the events once."""
    online = OnlineFlow(data.names, hyper=hyper, seed=seed)
    for start in range(0, len(data), PER_SAMPLE):
        online.learn(data.take(np.arange(start, min(start + PER_SAMPLE, len(data)))))
    return online


def measured(fraction: float, seeds: list[int], hyper: OnlineHyper, work: Path) -> None:
    """Add a line for each seed that is not in the file of these settings."""
    path = lines_of(fraction, hyper, work)
    test = tested(signal=fraction > 0)
    for seed in set(seeds) - {line["seed"] for line in read_lines(path)}:
        data = streamed(fraction, seed)
        began = time.process_time()
        online = learned(data, hyper, seed)
        speed = len(data) / (time.process_time() - began)
        drawn = online.summary().sample(seed=seed)
        rows = [figures(sample, test, seed, signal=fraction > 0) for sample in (data, drawn)]
        add_line(path, {"seed": seed, "speed": speed, **dict(zip(SOURCES, rows, strict=True))})


def lines_of(fraction: float, hyper: OnlineHyper, work: Path) -> Path:
    """Return the file of the seeds that were measured with these settings."""
    work.mkdir(parents=True, exist_ok=True)
    return (
        work / f"streaming-{json_digest([fraction, ROWS, FEATURES, asdict(hyper)], size=4)}.jsonl"
    )


def cwola(fraction: float, seeds: list[int], hyper: OnlineHyper, work: Path) -> None:
    """Print a row for CWoLa on the stream, and one for CWoLa on samples of the flow."""
    measured(fraction, seeds, hyper, work)
    lines = [each for each in read_lines(lines_of(fraction, hyper, work)) if each["seed"] in seeds]
    found = {name: [line[name] for line in lines] for name in SOURCES}
    names = ("AUC", "SIC(1 %)", "SIC(0.1 %)", "max SIC")[: len(found["the stream"][0])]
    of_stream = ("of the stream",) if fraction else ()
    speed = _spread(np.array([line["speed"] for line in lines]), 0)
    print(f"The flow learns from {speed} events a second of CPU time.\n")
    print("|", " | ".join(("signal", "updates", "seeds", "CWoLa on", *names, *of_stream)), "|")
    print("|" + " --- |" * (4 + len(names) + len(of_stream)))
    largest = {name: np.array(rows)[:, -1] for name, rows in found.items()}
    for name, rows in found.items():
        columns = zip(np.array(rows).T, (3, 1, 1, 1), strict=False)
        cells = [_spread(column, places) for column, places in columns]
        cells += [_spread(largest[name] / largest["the stream"], 2)] if fraction else []
        head = (f"{100 * fraction:g} %", str(hyper.updates), str(len(seeds)), name)
        print("|", " | ".join((*head, *cells)), "|", flush=True)


def _spread(values: NDArray[np.float64], places: int) -> str:
    """Return the median, the smallest and the largest."""
    low, middle, high = (f"{each:.{places}f}" for each in np.quantile(values, (0, 0.5, 1)))
    return f"{middle} [{low}, {high}]"


@dataclass
class Toy:
    """A source of events that are made when they are asked for, and notes the memory on the way."""

    events: int
    notes: list[tuple[int, float, float]]
    name: str = "toy"

    def partitions(self, counted: Mapping[str, Counted]) -> Iterator[Toy]:
        """Yield itself, once."""
        if not counted:
            yield self

    def key(self, first: str) -> str:
        """Return its name."""
        del first
        return self.name

    def samples(self) -> Iterator[Sample]:
        """Yield the events; a mass that falls, jet masses that scale with it, ratios between 0 and 1."""
        rng = np.random.default_rng(1)
        for start in range(0, self.events, PER_SAMPLE):
            if start % (self.events // 10) == 0:
                self.note(start)
            n = min(PER_SAMPLE, self.events - start)
            mass = 2600 + rng.exponential(700, n)
            jets = 30 + mass[:, None] * rng.gamma(2.0, 0.03, (n, 2))
            x = np.hstack([jets, rng.beta(4.0, 3.0, (n, 2))])
            event = np.arange(start, start + n, dtype=np.uint64)
            yield Sample.from_arrays(mass, x, FEATURES, event=event)
        self.note(self.events)

    def note(self, events: int) -> None:
        """Note the resident memory in MB and the CPU time in seconds."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.notes.append((events, memory, time.process_time()))


def memory(events: int, hyper: OnlineHyper) -> None:
    """Print the memory after each tenth of a stream."""
    toy = Toy(events, [])
    with TemporaryDirectory() as folder:
        report = run_stream(
            toy, Path(folder), features=FEATURES, mass="mjj", hyper=hyper, seed=1, device="cpu"
        )
    print(f"{hyper.updates} updates a batch\n")
    print("| events | resident memory, MB | events a second of CPU time | stream, MB | kept, MB |")
    print("|" + " --- |" * 5)
    for (before, _, began), (n, megabytes, ended) in pairwise(toy.notes):
        speed = f"{(n - before) / (ended - began):.0f}"
        size, kept = 4e-6 * n * (1 + len(FEATURES)), report.summary_bytes / 1e6
        print(f"| {n} | {megabytes:.0f} | {speed} | {size:.1f} | {kept:.3f} |")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["cwola", "memory"])
    parser.add_argument("--signal", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, default=Path("runs/streaming"))
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    given: dict[str, Any] = {}
    for override in arguments.overrides:
        apply_override(given, override)
    hyper = replaced(OnlineHyper(), given, of="stream")
    if arguments.what == "cwola":
        cwola(arguments.signal, arguments.seeds, hyper, arguments.work)
    else:
        memory(arguments.events, hyper)


if __name__ == "__main__":
    main()
