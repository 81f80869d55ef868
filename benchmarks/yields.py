"""Is the number of signal events before selection right? Whole searches of one window; Markdown.

python -P benchmarks/yields.py docs/receipts --searches 10   # of each, adding to those there
python -P benchmarks/yields.py docs/receipts                 # the table of those that are there

A box is drawn from the reference sample (``../shared/data/reference``, or ``--data``): 100 000
background events and signal of 3.5 TeV. CWoLa is trained, cross-fitted, in the window of the signal.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overdensity.core import Record
from overdensity.core.identity import splitmix64
from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import Folding, Sample, make_method, scan_windows, train_fold
from overdensity.stats import log_edges, selection_levels, subdivide
from overdensity.stats.selection.conformal import conformal_p, conformal_p_of_new
from overdensity.stats.selection.efficiency import passes
from overdensity.stats.signal.peak_template import peak_template
from overdensity.stats.signal.yields import (
    NumberOfEvents,
    passing_failing_yield,
    sample_template,
    simulated_yield,
    unselected_yield,
)

FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
LOW, HIGH, BINS, EVENTS, FOLDS = 2632.0, 6000.0, 16, 100_000, 5
SELECTIONS, BEST = (0.1, 0.01, 0.002), 0.01
INJECTED = (240, 1000)
SIMULATED = 20_000  # signal events that stand for the simulation; others are injected
WAYS = ("unselected", "passing_failing", "simulated")


@dataclass(frozen=True)
class Found(Record):
    """The numbers of one search, and the truth.

    Attributes
    ----------
    injected : int
        Expected number of signal events.
    number : int
        Of the box.
    true : int
        Signal events in the range of the scan.
    unselected, passing_failing, simulated : NumberOfEvents
        The estimates.
    cpu : float
        Seconds.
    """

    injected: int
    number: int
    true: int
    unselected: NumberOfEvents
    passing_failing: NumberOfEvents
    simulated: NumberOfEvents
    cpu: float


def in_scan(data: Path, name: str) -> Sample:
    """Read events of the reference sample."""
    sample = Sample.from_parquet([data / name], mass="mjj", features=FEATURES)
    return sample.take((sample.mass >= LOW) & (sample.mass < HIGH)).without_label()


def one_search(background: Sample, signal: Sample, injected: int, number: int) -> Found:
    """Train in the window of the signal, select, and count the signal in three ways."""
    started = time.process_time()
    rng = np.random.default_rng([injected, number])
    true = int(rng.poisson(injected))
    sample = Sample.concatenated(
        background.take(rng.choice(len(background), EVENTS, replace=False)),
        signal.take(SIMULATED + rng.choice(len(signal) - SIMULATED, true, replace=False)),
    )
    sample = sample.take(rng.permutation(len(sample)))
    simulation = signal.take(np.arange(SIMULATED))
    window = min(
        scan_windows(low=LOW, high=HIGH, bins=BINS),
        key=lambda each: abs(each.low + each.high - 2 * 3500.0),
    )
    folding = Folding(seed=number, folds=FOLDS)
    fold, method = folding.of(sample.event), make_method("cwola", classifier={"members": 1})
    scores, of_signal = np.empty(len(sample), np.float32), []
    for each in range(FOLDS):
        model = train_fold(method, sample, window, each, folding)
        rows = np.flatnonzero(fold == each)
        scores[rows] = model.score(sample.take(rows))
        of_signal.append(model.score(simulation))
    region, event = (window.low, window.high), splitmix64(sample.event)
    cut_on = -conformal_p(scores, sample.mass, fold, window=region, events=event)
    levels = selection_levels(cut_on, fold, SELECTIONS, events=event)
    edges = subdivide(log_edges(LOW, HIGH, BINS), 2)
    shells = np.array([np.histogram(sample.mass[levels == k], edges)[0] for k in range(4)])
    passing = _passing(scores, sample, fold, region, simulation=simulation, of_signal=of_signal)
    in_shell = -np.diff(np.vstack([passing, np.zeros(len(simulation))]), axis=0)
    templates = np.array([sample_template(edges, simulation.mass, each) for each in in_shell])
    level = 1 + SELECTIONS.index(BEST)
    peak = passing_failing_yield(
        edges,
        [shells[:level].sum(axis=0), shells[level:].sum(axis=0)],
        mass=(window.low + window.high) / 2,
        width=140.0,
        low=window.low,
        high=window.high,
    )
    shape = peak_template(edges, peak.mass, peak.width)
    return Found(
        injected=injected,
        number=number,
        true=true,
        unselected=unselected_yield(edges, shells.sum(axis=0), shape),
        passing_failing=peak.number,
        simulated=simulated_yield(edges, shells, templates),
        cpu=round(time.process_time() - started, 1),
    )


def _passing(
    scores: NDArray,
    sample: Sample,
    fold: NDArray,
    region: tuple[float, float],
    *,
    simulation: Sample,
    of_signal: list[NDArray],
) -> NDArray:
    """Return the probability of each simulated event to pass, in a fold drawn at random."""
    passing = np.ones((1 + len(SELECTIONS), FOLDS, len(simulation)))
    event, new_event = splitmix64(sample.event), splitmix64(simulation.event)
    for each, new_scores in enumerate(of_signal):
        rows = np.flatnonzero(fold == each)
        in_fold = {
            "mass": sample.mass[rows],
            "events": event[rows],
            "new_mass": simulation.mass,
            "new_events": new_event,
        }
        cut_on = -conformal_p(
            scores[rows], in_fold["mass"], fold[rows], window=region, events=event[rows]
        )
        new = -conformal_p_of_new(scores[rows], window=region, new_scores=new_scores, **in_fold)
        for level, efficiency in enumerate(SELECTIONS, start=1):
            passing[level, each] = passes(
                cut_on, event[rows], efficiency, new_cut_on=new, new_events=new_event
            )
    return passing.mean(axis=1)


def read(folder: Path) -> list[Found]:
    """Return the searches of all runs so far."""
    return [Found.from_dict(each) for each in read_lines(folder / "yields.jsonl")]


def make(folder: Path, data: Path, searches: int) -> None:
    """Make the searches that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    background = in_scan(data, "rnd_background.parquet")
    signal = in_scan(data, "rnd_signal.parquet")
    done = {(each.injected, each.number) for each in read(folder)}
    for number in range(searches):
        for injected in INJECTED:
            if (injected, number) not in done:
                found = one_search(background, signal, injected, number)
                add_line(folder / "yields.jsonl", found.to_dict())


def show(found: list[Found]) -> None:
    """Print mean, bias and pulls of the three ways."""
    print("| injected | from | searches | mean | mean error | mean pull | width of the pulls |")
    print("| --- " * 7 + "|")
    for injected in sorted({each.injected for each in found}):
        some = [each for each in found if each.injected == injected]
        true, n = np.array([each.true for each in some]), len(some)
        for way in WAYS:
            numbers = [getattr(each, way) for each in some]
            value = np.array([each.value for each in numbers])
            error = np.array([each.error for each in numbers])
            pull = (value - true) / error
            spread = max(float(pull.std(ddof=1)), 1e-9) if n > 1 else np.nan
            print(
                f"| {injected} | {way.replace('_', ' and ')} | {n} "
                f"| {value.mean():.0f} ± {value.std(ddof=min(1, n - 1)) / np.sqrt(n):.0f} "
                f"| {error.mean():.0f} | {pull.mean():+.2f} ± {spread / np.sqrt(n):.2f} "
                f"| {spread:.2f} |"
            )
    print(f"\nCPU time of a search: {np.median([each.cpu for each in found]):.0f} s")


def main() -> None:
    """Make what is asked for, and show what is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--searches", type=int, default=0, help="of each, those there included")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/reference"))
    arguments = parser.parse_args()
    if arguments.searches:
        make(arguments.folder, arguments.data, arguments.searches)
    found = read(arguments.folder)
    if not found:
        parser.error(f"{arguments.folder}: no searches yet; ask for some with --searches 10")
    show(found)


if __name__ == "__main__":
    main()
