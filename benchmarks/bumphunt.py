"""Pseudo-experiments per second of the bump hunt, against pyBumpHunter; prints Markdown.

python -P benchmarks/bumphunt.py              # a minute or two
python -P benchmarks/bumphunt.py --repeats 9
python -P benchmarks/bumphunt.py --calibration 200   # uniformity of p_global, minutes

LHCO §3.4 and §3.7 (arXiv:2101.08320): 40 bins, intervals of 2 to 7 bins.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from iminuit import Minuit
from pyBumpHunter import BumpHunter1D, BumpHunter2D
from scipy.stats import kstest

from overdensity.stats import log_edges
from overdensity.stats.bumphunt.one_mass import bump_hunt, bump_hunt_given_reference
from overdensity.stats.bumphunt.regions import grid
from overdensity.stats.bumphunt.two_masses import bump_hunt_2d, bump_hunt_2d_given_reference
from overdensity.stats.p_values.local import local_log_p
from overdensity.stats.search.pseudo_experiments import BATCH, Mapper
from overdensity.stats.spectra.batch_fit import Problem, fit_free, refit
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, likelihood, seed_theta

EDGES = log_edges(2632.0, 6000.0, 40)
Y_EDGES = log_edges(100.0, 900.0, 20)
WIDTHS = (2, 7)
EVENTS = 30_000


def dijet(events: float) -> np.ndarray:
    """Return the mean counts of (1-y)^4 / y^3."""
    y = (EDGES[1:] + EDGES[:-1]) / 2 / 13e3
    shape = (1 - y) ** 4 / y**3 * np.diff(EDGES)
    return events * shape / shape.sum()


def plane(events: float) -> np.ndarray:
    """Return the mean counts of two masses, 20 × 20 bins."""
    y = (Y_EDGES[1:] + Y_EDGES[:-1]) / 2
    other = (y / 300) ** -1.5 * np.exp(-0.4 * np.log(y / 300) ** 2) * np.diff(Y_EDGES)
    mean = dijet(events).reshape(20, 2).sum(axis=1)[:, None] * other
    return events * mean / mean.sum()


def threads(n: int) -> Mapper:
    """Return a mapper over n threads."""

    def run(function: Callable, tasks: Iterable, /) -> Iterator:
        with ThreadPoolExecutor(n) as pool:
            yield from pool.map(function, tasks)

    return run


def measured(work: Callable[[], object], n: int, repeats: int) -> str:
    """Return pseudo-experiments per second of wall and of CPU time, medians and half spreads."""
    wall, cpu = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        work()
        wall.append(n / (time.perf_counter() - start))
        cpu.append(n / (time.process_time() - used))
    digits = 0 if np.median(wall) > 100 else 1
    return " | ".join(
        f"{np.median(rates):,.{digits}f} ± {(max(rates) - min(rates)) / 2:,.{digits}f}"
        for rates in (wall, cpu)
    )


def library(counts: np.ndarray, reference: np.ndarray, n: int, workers: int) -> None:
    """Let pyBumpHunter throw and scan."""
    options = {"npe": n, "nworker": workers, "seed": 1}
    if counts.ndim == 1:
        hunter = BumpHunter1D(bins=EDGES, width_min=WIDTHS[0], width_max=WIDTHS[1], **options)
    else:
        low, high = ([width] * 2 for width in WIDTHS)
        hunter = BumpHunter2D(bins=[EDGES[::2], Y_EDGES], width_min=low, width_max=high, **options)
    with contextlib.redirect_stdout(io.StringIO()):
        hunter.bump_scan(counts, reference, is_hist=True)


def given_reference(repeats: int) -> None:
    """Print the speed without refit. The data hold a bump, so that no run is cut short."""
    print("\n| reference given | threads | pseudo-experiments / s | / s of CPU |")
    print("| --- | --- | --- | --- |")
    reference = dijet(EVENTS)
    counts = reference.round()
    counts[15:19] *= 1.4
    both = plane(EVENTS)
    peak = both.round()
    peak[8:11, 5:8] *= 2
    edges = (EDGES[::2], Y_EDGES)
    for workers in (1, 2):
        cells = measured(lambda w=workers: library(counts, reference, 2000, w), 2000, repeats)
        print(f"| pyBumpHunter, 219 intervals | {workers} | {cells} |", flush=True)

        def ours(workers: int = workers) -> None:
            bump_hunt_given_reference(
                EDGES, counts, reference, pseudo_experiments=50_000, mapper=threads(workers)
            )

        print(f"| ours | {workers} | {measured(ours, 50_000, repeats)} |", flush=True)
    for workers in (1, 2):
        cells = measured(lambda w=workers: library(peak, both, 50, w), 50, repeats)
        print(f"| pyBumpHunter, 9801 rectangles | {workers} | {cells} |", flush=True)

        def ours_2d(workers: int = workers) -> None:
            bump_hunt_2d_given_reference(
                edges, peak, both, pseudo_experiments=2000, mapper=threads(workers)
            )

        print(f"| ours | {workers} | {measured(ours_2d, 2000, repeats)} |", flush=True)


def with_minuit(counts: np.ndarray, boxes: np.ndarray) -> None:
    """Fit outside of every interval with Minuit, analytic gradient: the straightforward loop."""
    model = basis("dijet5", EDGES)
    free = Constraint(np.zeros(5), np.zeros(5))
    for first, stop, _, _ in boxes:
        masked = np.zeros(40, dtype=bool)
        masked[first:stop] = True
        loss, gradient = likelihood(model, counts, masked, free)
        minuit = Minuit(loss, seed_theta(model, counts), grad=gradient)
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.migrad()
        slope = model.jacobian(np.array(minuit.values))[masked].sum(axis=0)
        total = model.expected(np.array(minuit.values))[masked].sum()
        local_log_p(counts[masked].sum(), total, np.sqrt(slope @ minuit.covariance @ slope))


def with_every_interval(counts: np.ndarray, boxes: np.ndarray) -> None:
    """Fit all intervals completely with the batched fit."""
    model, n = basis("dijet5", EDGES), len(boxes)
    masked = np.zeros((n, 40), dtype=bool)
    for k, (first, stop, _, _) in enumerate(boxes):
        masked[k, first:stop] = True
    start, free = np.tile(seed_theta(model, dijet(EVENTS)), (n, 1)), np.zeros((n, 5))
    fits = refit(
        Problem(model, masked, ~masked, start, free, free), np.repeat(counts[:, None], n, axis=1)
    )
    local_log_p(np.einsum("eb,kb->ek", counts, masked), fits.expected, fits.error)


def refitted(repeats: int) -> None:
    """Print the speed with a refit outside of every interval, dijet5."""
    print("\n| refit outside each region | threads | pseudo-experiments / s | / s of CPU |")
    print("| --- | --- | --- | --- |")
    boxes = grid((EDGES,), (WIDTHS,), None).boxes
    thrown = np.random.default_rng(1).poisson(dijet(EVENTS), (BATCH, 40)).astype(float)
    cells = measured(lambda: with_minuit(thrown[0], boxes), 1, repeats)
    print(f"| Minuit, one by one | 1 | {cells} |", flush=True)
    cells = measured(lambda: with_every_interval(thrown[:50], boxes), 50, repeats)
    print(f"| `refit` of all 219 intervals | 1 | {cells} |", flush=True)
    counts = dijet(EVENTS).round()
    counts[15:19] *= 1.4
    for workers in (1, 2):

        def ours(workers: int = workers) -> None:
            bump_hunt(EDGES, counts, pseudo_experiments=1000, mapper=threads(workers))

        print(f"| `bump_hunt` | {workers} | {measured(ours, 1000, repeats)} |", flush=True)
    peak = plane(EVENTS).round()
    peak[8:11, 5:8] *= 2

    def ours_2d() -> None:  # one batch, so one thread
        bump_hunt_2d((EDGES[::2], Y_EDGES), peak, pseudo_experiments=BATCH, mapper=threads(1))

    cells = measured(ours_2d, BATCH, min(repeats, 3))
    print(f"| `bump_hunt_2d`, 9801 rectangles | 1 | {cells} |", flush=True)


def calibrate(n: int) -> None:
    """Print how uniform p_global is on background alone, with and without a refit."""
    print(f"\n| {n} background-only datasets | KS p of p_global | mean | p_global < 0.05 |")
    print("| --- | --- | --- | --- |")
    for function, events in (("dijet5", EVENTS), ("dijet3", 300)):
        model = basis(function, EDGES)
        none = np.zeros((1, 40), dtype=bool)
        rows = {"refit of every interval": [], "fitted once, taken as given": [], "truth given": []}
        for seed in range(n):
            counts = np.random.default_rng(seed).poisson(dijet(events))
            fits = fit_free(model, counts, none)
            options = {"pseudo_experiments": 500, "seed": seed}
            results = (
                bump_hunt(EDGES, counts, function=function, **options),
                bump_hunt_given_reference(
                    EDGES, counts, model.expected(fits.theta[0, 0]), **options
                ),
                bump_hunt_given_reference(EDGES, counts, dijet(events), **options),
            )
            for values, result in zip(rows.values(), results, strict=True):
                values.append(result.global_p.p_global)
        for name, values in rows.items():
            print(
                f"| {events:,} events, {function}: {name} | {kstest(values, 'uniform').pvalue:.2g} | "
                f"{np.mean(values):.3f} | {np.mean(np.array(values) < 0.05):.3f} |",
                flush=True,
            )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="runs of each")
    parser.add_argument("--calibration", type=int, metavar="N", help="datasets to hunt in")
    arguments = parser.parse_args()
    if arguments.calibration:
        calibrate(arguments.calibration)
        return
    print(f"{len(os.sched_getaffinity(0))} cores, {EVENTS:,} events")
    given_reference(arguments.repeats)
    refitted(arguments.repeats)


if __name__ == "__main__":
    main()
