"""Does the expected reach hold? Whole searches with signal, read against what was expected; Markdown.

python -P benchmarks/expect.py docs/receipts --boxes 20   # of each strength, adding to those there
python -P benchmarks/expect.py docs/receipts              # the table of those that are there

``overdensity expect`` is asked of one box without signal, whose signal region it does not see. The
searches are of other boxes, each trained and scanned as a whole; every one leaves a line in the folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client

from overdensity.core import Record
from overdensity.core.json_lines import add_line, read_lines
from overdensity.workflow import SearchConfig, parse_config
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.expect.expected_run import make_expected
from overdensity.workflow.stages.hunting import make_results
from overdensity.workflow.stages.run import open_run
from overdensity.workflow.stages.scoring import make_scores

LOW, HIGH, EVENTS, MASS = 3000.0, 5000.0, 6000, 3850.0
STRENGTHS, REPEATS, TOYS = (40, 80, 120), 10, 1000
SELECTIONS = (0.1, 0.02)


@dataclass(frozen=True)
class Read(Record):
    """What one experiment reads, or what was expected of all.

    Attributes
    ----------
    kind : {"expected", "searched"}
        Whether it was expected, of the median experiment, or read by a search.
    strength : int
        Expected number of signal events.
    number : int
        Of the box.
    local : tuple of float
        Local significance of each selection in the window of the signal, 0 where it may not be
        quoted or there is a deficit.
    whole : float
        Global significance: expected of the window of the signal, read off the whole search.
    cpu : float
        Seconds, of the expected reach those of all strengths.
    """

    kind: str
    strength: int
    number: int
    local: tuple[float, ...]
    whole: float
    cpu: float


def box(path: Path, rng: np.random.Generator, background: int, signal: int) -> str:
    """Write events, of which background falls with the mass and has no peak in two features."""
    u, power = rng.random(background), -5.0
    smooth = (LOW**power + u * (HIGH**power - LOW**power)) ** (1 / power)
    table = pa.table(
        {
            "mjj": np.concatenate([smooth, rng.normal(MASS, 90, signal)]),
            "j1_mass": np.concatenate([rng.gamma(3, 60, background), rng.normal(450, 40, signal)]),
            "j1_tau21": np.concatenate([rng.beta(5, 4, background), rng.beta(3, 9, signal)]),
        }
    )
    pq.write_table(table, path)
    return str(path)


def config(folder: Path, events: str, number: int, **more: Any) -> SearchConfig:
    """Return the search of a box, of three windows."""
    return parse_config(
        {
            "events": {"format": "columns", "files": [events]},
            "features": ["j1_mass", "j1_tau21"],
            "method": {"name": "cwola", "classifier": {"members": 1, "inner_folds": 2}},
            "scan": {"low": LOW, "high": HIGH, "bins": 9},
            "selections": list(SELECTIONS),
            "folds": 3,
            "repeats": 1,
            "fit": {"function": "dijet3"},
            "pseudo_experiments": 1000,
            "seed": number,
            "out": str(folder / "run"),
            **more,
        }
    )


def expected(client: Client) -> list[Read]:
    """Return what is expected at each strength, of a box without signal."""
    started, rng = time.process_time(), np.random.default_rng([23, 0])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        limits = {"signals": {"A": box(folder / "signal.parquet", rng, 0, 1500)}}
        expect = {"strengths": list(STRENGTHS), "repeats": REPEATS, "toys": TOYS}
        events = box(folder / "box.parquet", rng, EVENTS, 0)
        run = open_run(config(folder, events, 1, limits=limits, expect=expect))
        (signal,) = make_expected(run, client).points
    cpu, points = round(time.process_time() - started, 1), signal.curve.points
    at = [point.strength for point in points]
    return [
        Read(
            "expected",
            strength,
            0,
            tuple(
                float(np.interp(strength, at, [point.local[k + 1][2] for point in points]))
                for k in range(len(SELECTIONS))
            ),
            float(np.interp(strength, at, [point.whole[2] for point in points])),
            cpu,
        )
        for strength in (0, *STRENGTHS)
    ]


def searched(client: Client, strength: int, number: int) -> Read:
    """Search a box of its own, training included."""
    started, rng = time.process_time(), np.random.default_rng([29, strength, number])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = rng.poisson([EVENTS, strength]).tolist()
        run = open_run(config(folder, box(folder / "box.parquet", rng, *sizes), number))
        make_scores(run, client)
        found = make_results(run)
    window = min(found.windows, key=lambda each: abs(each.center - MASS))
    z = tuple(max(row.z_local or 0.0, 0.0) for row in window.selections)
    whole = 0.0 if found.best is None else max(found.best.z_global, 0.0)
    cpu = round(time.process_time() - started, 1)
    return Read("searched", strength, number, z, whole, cpu)


def read(folder: Path) -> list[Read]:
    """Return what there is so far."""
    return [Read.from_dict(each) for each in read_lines(folder / "expect.jsonl")]


def make(folder: Path, boxes: int) -> None:
    """Expect, and search the boxes that have not been searched yet."""
    folder.mkdir(parents=True, exist_ok=True)
    there = {(each.kind, each.strength, each.number) for each in read(folder)}
    with connect("threads", 1) as client:
        if ("expected", 0, 0) not in there:
            for each in expected(client):
                add_line(folder / "expect.jsonl", each.to_dict())
        for number in range(boxes):
            for strength in (0, *STRENGTHS):
                if ("searched", strength, number) not in there:
                    add_line(folder / "expect.jsonl", searched(client, strength, number).to_dict())


def show(found: list[Read]) -> None:
    """Print medians of the searches beside what was expected."""
    print(
        "| signal events | boxes | 10 % expected | 10 % searched | 2 % expected | 2 % searched "
        "| global expected | global searched |"
    )
    print("| --- " * 8 + "|")
    for strength in (0, *STRENGTHS):
        of_strength = [each for each in found if each.strength == strength]
        wanted = next(each for each in of_strength if each.kind == "expected")
        some = [each for each in of_strength if each.kind == "searched"]
        cells = [f"{strength}", f"{len(some)}"]
        for k in range(len(SELECTIONS)):
            cells += [f"{wanted.local[k]:.2f}", _median([each.local[k] for each in some])]
        cells += [f"{wanted.whole:.2f}", _median([each.whole for each in some])]
        print("| " + " | ".join(cells) + " |")
    cpu = [each.cpu for each in found if each.kind == "searched"]
    once = next(each.cpu for each in found if each.kind == "expected")
    print(f"\nCPU time: {once:.0f} s for what is expected, {np.median(cpu):.0f} s for a search")


def _median(values: list[float]) -> str:
    """Return the median and its error, by drawing the experiments anew."""
    drawn = np.random.default_rng(1).choice(values, (1000, len(values)))
    return f"{np.median(values):.2f} ± {np.median(drawn, axis=1).std():.2f}"


def main() -> None:
    """Make what is asked for, and show what is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--boxes", type=int, default=0, help="of each strength, those there included"
    )
    arguments = parser.parse_args()
    if arguments.boxes > 0:
        make(arguments.folder, arguments.boxes)
    found = read(arguments.folder)
    if not any(each.kind == "searched" for each in found):
        parser.error(f"{arguments.folder}: no searches yet; ask for some with --boxes 20")
    show(found)


if __name__ == "__main__":
    main()
