"""Does a limit cover? Whole searches with signal among their events; Markdown.

python -P benchmarks/limits.py docs/receipts --limits 20   # of each kind, adding to those there
python -P benchmarks/limits.py docs/receipts               # the table of those that are there

Every limit is the whole of ``overdensity limits`` on a box of its own: a search, and a campaign of
injections with the training repeated. It leaves a line in the folder, so that several runs add up.
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
from overdensity.stats.p_values.shares import share_of
from overdensity.workflow import parse_config
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.limits import limits_run
from overdensity.workflow.limits.limits_result import LimitsResults, StrengthLimit
from overdensity.workflow.stages.run import open_run
from overdensity.workflow.stages.scoring import make_scores

LOW, HIGH, EVENTS, MASS = 2800.0, 5200.0, 5000, 3800.0
STRENGTHS, REPEATS, LEVEL = (20, 40, 70, 130, 240), 5, 0.95
MULTIPLES = (0.0, 1.0, 2.0)  # of the expected limit
FIRST = 10  # limits without signal, which tell the expected one
INTO = {
    "smeared": "the data with smeared masses",
    "simulation": "simulated background",
    "data": "the data as they are",
}


@dataclass(frozen=True)
class Made(Record):
    """One limit, and the truth.

    Attributes
    ----------
    into : str
        What signal was injected into.
    multiple : float
        Of the expected limit, which the true signal is.
    number : int
        Of the box.
    true : float
        Expected number of signal events in it.
    fixed, injected : float or None
        Limits with the training of the run, and with the training repeated; None beyond the
        largest strength, or where no fit may be quoted.
    expected : tuple of float or None
        Of the limit with the training repeated, at -2, -1, 0, 1, 2 σ; empty without.
    cpu : float
        Seconds.
    """

    into: str
    multiple: float
    number: int
    true: float
    fixed: float | None
    injected: float | None
    expected: tuple[float | None, ...]
    cpu: float


def write_events(
    path: Path, rng: np.random.Generator, *, background: int = 0, signal: int = 0
) -> str:
    """Write events with a falling mass spectrum and two features, and a resonance at 3.8 TeV."""
    power = -5.0  # dN/dm ~ m^-6 between the edges
    u = rng.uniform(size=background)
    mass = (LOW**power + u * (HIGH**power - LOW**power)) ** (1 / power)
    columns = {
        "mjj": np.r_[mass, rng.normal(MASS, 80.0, signal)],
        "j1_mass": np.r_[rng.gamma(3.0, 60.0, background), rng.normal(500, 30, signal)],
        "j1_tau21": np.r_[rng.beta(5, 4, background), rng.beta(3, 12, signal)],
    }
    order = rng.permutation(background + signal)
    table = {name: column[order].astype(np.float32) for name, column in columns.items()}
    pq.write_table(pa.table(table), path)
    return str(path)


def one_limit(client: Client, into: str, multiple: float, number: int, expected: float) -> Made:
    """Make a box with signal in it, search it, and set the limit."""
    started, true = time.process_time(), multiple * expected
    rng = np.random.default_rng([17, round(10 * multiple), number])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_signal = int(rng.poisson(true))
        box = write_events(
            folder / "box.parquet", rng, background=int(rng.poisson(EVENTS)), signal=n_signal
        )
        limits: dict[str, Any] = {
            "level": LEVEL,
            "signals": {"A": write_events(folder / "signal.parquet", rng, signal=1500)},
            "injections": {"strengths": STRENGTHS, "repeats": REPEATS},
        }
        if into == "simulation":
            pool = write_events(folder / "pool.parquet", rng, background=5 * EVENTS)
            limits["background"] = pool
        config = parse_config(
            {
                "events": {"format": "columns", "files": [box]},
                "features": ["j1_mass", "j1_tau21"],
                "method": {"name": "cwola", "classifier": {"members": 1, "inner_folds": 2}},
                "scan": {"low": LOW, "high": HIGH, "bins": 10},
                "selections": [0.1, 0.02],
                "folds": 3,
                "repeats": 1,
                "fit": {"function": "dijet3", "spurious": "none"},
                "pseudo_experiments": 200,
                "limits": limits,
                "seed": number,
                "out": str(folder / "run"),
            }
        )
        run = open_run(config)
        make_scores(run, client)
        found = limits_run.make_limits(run, client)
    cpu = round(time.process_time() - started, 1)
    return _made(found, into=into, multiple=multiple, number=number, true=true, cpu=cpu)


def _made(found: LimitsResults, **of_box: Any) -> Made:
    (signal,) = found.signals

    def observed(limit: StrengthLimit | None) -> float | None:
        return None if limit is None else limit.observed

    return Made(
        **of_box,
        fixed=observed(signal.fixed),
        injected=observed(signal.injected),
        expected=() if signal.injected is None else signal.injected.expected,
    )


def read(folder: Path) -> list[Made]:
    """Return the limits of all runs so far."""
    return [Made.from_dict(each) for each in read_lines(folder / "limits.jsonl")]


def expected_limit(found: list[Made]) -> float:
    """Return the median expected limit of the first boxes without signal, in events."""
    first = [
        each.expected[2]
        for each in found
        if each.multiple == 0 and each.into == "smeared" and each.number < FIRST and each.expected
    ]
    known = [np.inf if value is None else value for value in first]
    return float(np.round(np.median(known)))


def make(folder: Path, limits: int, into: str, multiples: list[float]) -> None:
    """Make the limits that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with connect("threads", 1) as client:
        for kind, multiple, most in (
            ("smeared", 0.0, FIRST),
            *((into, multiple, limits) for multiple in multiples),
        ):
            done = {e.number for e in read(folder) if (e.into, e.multiple) == (kind, multiple)}
            expected = expected_limit(read(folder)) if multiple else 0.0
            for number in range(most):
                if number not in done:
                    made = one_limit(client, kind, multiple, number, expected)
                    add_line(folder / "limits.jsonl", made.to_dict())


def show(found: list[Made]) -> None:
    """Print how often the truth lies below the limit."""
    print(
        "| injected into | true signal | limits | cover, training repeated | 95 % interval "
        "| cover, training of the run | median limit, repeated | of the run |"
    )
    print("| --- " * 8 + "|")
    for into, words in INTO.items():
        for multiple in sorted({each.multiple for each in found if each.into == into}):
            some = [each for each in found if (each.into, each.multiple) == (into, multiple)]
            true, n = some[0].true, len(some)
            repeated = [_or_infinite(each.injected) for each in some]
            fixed = [_or_infinite(each.fixed) for each in some]
            inside = sum(limit >= true for limit in repeated)
            _, low, high = share_of(inside, n, level=0.95)
            print(
                f"| {words} | {true:.0f} | {n} | {inside} | {100 * low:.0f}-{100 * high:.0f} % "
                f"| {sum(limit >= true for limit in fixed)} | {_events(np.median(repeated))} "
                f"| {_events(np.median(fixed))} |"
            )
    cpu = [each.cpu for each in found]
    print(f"\nCPU time of a limit: {np.median(cpu):.0f} s, {max(cpu):.0f} s at most")


def _or_infinite(limit: float | None) -> float:
    return np.inf if limit is None else limit


def _events(limit: float) -> str:
    return f"{limit:.0f}" if np.isfinite(limit) else f"> {STRENGTHS[-1]}"


def main() -> None:
    """Make what is asked for, and show what is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limits", type=int, default=0, help="of each kind, those there included")
    parser.add_argument("--into", choices=list(INTO), default="smeared")
    parser.add_argument(
        "--true", type=float, nargs="+", default=MULTIPLES, help="in expected limits"
    )
    arguments = parser.parse_args()
    if arguments.limits < 0 or not all(0 <= each <= 2 for each in arguments.true):
        parser.error("the number of limits is not negative, and --true lies between 0 and 2")
    if arguments.limits:
        if arguments.into == "data":  # what the command no longer does
            setattr(limits_run, "_pseudo_data", lambda *_: {})  # noqa: B010
        make(arguments.folder, arguments.limits, arguments.into, list(arguments.true))
    found = read(arguments.folder)
    if not found:
        parser.error(f"{arguments.folder}: no limits yet; ask for some with --limits 20")
    show(found)


if __name__ == "__main__":
    main()
