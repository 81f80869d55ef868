"""Time and sensitivity of CWoLa hunting; every part prints a Markdown table.

    python -P benchmarks/training.py [scan] [bank] [split] [gis] [study] [quiet] [few] [density] [--quick]

scan   a full scan with trees and with networks at equal data, and the SIC of each (default)
bank   networks together against one by one, and the fraction of BLAS peak (default)
split  the benchmark split of DATA.md: SIC and AUC of trees, per seed
gis    the same for GIS
study  significance before and after selection in boxes of 40 000 events, against injected signal
quiet  boxes without signal: excess in every window, and the shape outside of it
few    SALAD, and the idealised detector with as few background events as SALAD has simulated ones
density CATHODE, LaCATHODE and ANODE on the benchmark split, without and with a shift of the jet
       masses by 0.1 mjj: SIC, AUC, closure of the samples, and what is left of the spectrum

The full scan beside a plain loop of networks, and CATHODE beside sk_cathode: benchmarks/peers.py.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from overdensity.ml import (
    Folding,
    Performance,
    Sample,
    Window,
    cross_fit,
    fold_of,
    make_method,
    performance,
    scan_edges,
    scan_windows,
    score_fold,
)
from overdensity.ml.classifiers.ensemble import ClassifierHyper, balance_classes, fit_classifier
from overdensity.ml.evaluation.mass_dependence import mass_sculpting
from overdensity.ml.inputs.jet_columns import mass_difference, sort_jets
from overdensity.ml.training.bank import train_bank
from overdensity.ml.training.bank_hyper import BankHyper
from overdensity.stats import selection_levels
from overdensity.stats.selection.conformal import conformal_p

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
WORKERS = 2
FOLDS = 7
EPOCHS = 300  # of the networks that are timed: enough for the loss to settle
SELECTIONS = (1.0, 0.1, 0.01, 0.002)
SPLIT_WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
AT_3500 = 2  # the window of the default scan around 3.5 TeV


def read(name: str, features: tuple[str, ...] = FEATURES) -> Sample:
    """Return a file of the reference sample."""
    return _read_file(f"rnd_{name}", features)


def _read_file(name: str, features: tuple[str, ...] = FEATURES) -> Sample:
    table = pq.read_table(REFERENCE / f"{name}.parquet", columns=["mjj", *features, "label"])
    columns = np.stack([table[feature].to_numpy() for feature in features], axis=1)
    offset = 10**7 * ("rnd_background", "rnd_signal", "other_shower_background").index(name)
    ids = np.arange(offset, offset + len(table), dtype=np.uint64)
    return Sample.from_arrays(table["mjj"], columns, features, event=ids, label=table["label"])


def join(*samples: Sample) -> Sample:
    """Return the events of several samples as one."""
    return Sample(
        *(np.concatenate([getattr(s, key) for s in samples]) for key in ("event", "mass")),
        features=np.concatenate([s.features for s in samples]),
        names=samples[0].names,
        label=np.concatenate([s.label for s in samples if s.label is not None]),
    )


def box(
    n_background: int, n_signal: int, seed: int, features: tuple[str, ...] = FEATURES
) -> tuple[Sample, Sample]:
    """Return a box of random rows of the reference sample, and the rows left over."""
    rng = np.random.default_rng(seed)
    chosen, left = [], []
    for name, n in (("background", n_background), ("signal", n_signal)):
        sample = read(name, features)
        mine = np.isin(np.arange(len(sample)), rng.choice(len(sample), n, replace=False))
        chosen.append(sample.take(mine))
        left.append(sample.take(~mine))
    return join(*chosen), join(*left)


def parallel(function: Callable[..., Any], tasks: list[tuple[Any, ...]]) -> list[Any]:
    """Run tasks on all workers, in order."""
    with ProcessPoolExecutor(WORKERS, initializer=logging.disable) as pool:
        return list(pool.map(function, *zip(*tasks, strict=True)))


def table(header: str, rows: list[str]) -> None:
    """Print a Markdown table."""
    print(f"| {header} |\n|{' --- |' * (header.count('|') + 1)}")
    print("\n".join(f"| {row} |" for row in rows), flush=True)
    print()


def spread(values: list[float], digits: int = 1) -> str:
    """Return the median and the range."""
    low, mid, high = min(values), float(np.median(values)), max(values)
    return f"{mid:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


# --- a full scan with trees and with networks ----------------------------------------------------


def scan(*, quick: bool) -> None:
    """Time the scan at equal data, and measure the SIC of one fold's model on other events."""
    n_signal, epochs = 300, 100 if quick else EPOCHS
    data, rest = box(40_000, n_signal, seed=1)
    windows = scan_windows()
    window = windows[AT_3500]
    test = rest.take(window.signal(rest.mass))
    learnt = Folding(seed=1).training(data.event, 0)
    seen = data.without_label().take(learnt)
    rows, trainings = [], len(windows) * FOLDS * 4
    # windows differ in their events, and the cost of a training goes with their number
    inside = [
        np.count_nonzero((data.mass >= w.sideband_low) & (data.mass < w.sideband_high))
        for w in windows
    ]
    timed = windows[:2] if quick else windows
    scale = sum(inside) / sum(inside[: len(timed)])

    trees = make_method("cwola")
    score_fold(trees, data, windows[-1], 0, Folding(seed=1))  # compile
    cpu = time.process_time()
    for each in timed:
        cross_fit(trees, data, each, Folding(seed=1))
    cpu = (time.process_time() - cpu) * scale
    start = time.perf_counter()
    parallel(_task, [(trees, data, each, fold) for each in timed for fold in range(FOLDS)])
    wall = (time.perf_counter() - start) * scale
    found = _sic(trees.fit(seen, window, seed=1).score(test), test)
    part = f"{len(timed)} of {len(windows)} windows x {scale:.1f}" if quick else "all"
    rows.append(
        f"trees | {trainings} x {trees.hyper.classifier.members} | {part} | {cpu:.0f} | {wall:.0f} | {found}"
    )

    networks = make_method(
        "cwola_networks", classifier={"networks": {"epochs": epochs, "device": "cpu"}}
    )
    cpu, start = time.process_time(), time.perf_counter()
    fitted = networks.fit(seen, window, seed=1)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - start
    scale = FOLDS * sum(inside) / inside[AT_3500]
    found = _sic(fitted.score(test), test)
    rows.append(
        f"networks, {epochs} epochs | {trainings} x 3 | 1 window x fold x {scale:.0f} | {cpu * scale:.0f} "
        f"| {wall * scale / WORKERS:.0f} | {found}"
    )
    print(
        f"40 000 + {n_signal} events, 10 windows x {FOLDS} folds; SIC in the SR at 3.5 TeV, fold 0\n"
    )
    table(
        "classifier | inner trainings | timed | CPU s | wall s, 2 workers "
        "| SIC(1e-2) | SIC(1e-3) | max SIC | AUC",
        rows,
    )


def _task(method: Any, data: Sample, window: Window, fold: int) -> NDArray[np.float32]:
    return score_fold(method, data, window, fold, Folding(seed=1))[1]


def _sic(score: NDArray[np.float32], test: Sample) -> str:
    assert test.label is not None
    return _figures(performance(score, test.label))


def _figures(found: Performance) -> str:
    points = [*found.sic, found.max_sic]
    return " | ".join([*(f"{p.sic:.1f} ± {p.sic_error:.1f}" for p in points), f"{found.auc:.3f}"])


# --- networks together against one by one --------------------------------------------------------


def bank(*, quick: bool) -> None:
    """Time epochs of 12 networks, and a large matrix product in the same run."""
    rng = np.random.default_rng(1)
    n, steps, repeats, hyper = 20_000, 3, 3 if quick else 7, BankHyper(epochs=1)
    x, y = rng.normal(size=(n, 4)).astype(np.float32), rng.random(n) < 0.5
    train = rng.integers(0, 4, n) != np.repeat(np.arange(4), 3)[:, None]
    seeds, weight = list(range(12)), np.ones(n)
    a = torch.randn(3000, 3000)

    def one_by_one(device: str) -> None:
        for i in seeds:
            train_bank(
                x,
                y,
                weight,
                train[i : i + 1],
                seeds=[i],
                seed=1,
                steps=steps,
                hyper=hyper,
                device=device,
            )

    def together(device: str) -> None:
        train_bank(
            x, y, weight, train, seeds=seeds, seed=1, steps=steps, hyper=hyper, device=device
        )

    layers = 4 * hyper.width + (hyper.layers - 1) * hyper.width**2 + hyper.width
    operations = 2 * layers * (3 * train.sum() + (~train).sum())  # backward twice the forward
    rows = []
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        on = a.to(device)
        peaks, alone, all_in_one = [], [], []
        for _ in range(repeats):  # in turns, so that a busy machine is busy for all
            peaks.append(2 * 3000**3 / _seconds(lambda on=on: on @ on, device))
            alone.append(_seconds(lambda device=device: one_by_one(device), device))
            all_in_one.append(_seconds(lambda device=device: together(device), device))
        peak = max(peaks)
        for name, times in (("one by one", alone), ("bank", all_in_one)):
            fraction = operations / min(times) / peak
            rows.append(f"{device} | {name} | {spread(times, 2)} | {fraction:.0%}")
        rows.append(f"{device} | sgemm 3000 | {peak / 1e9:.0f} Gflop/s | 100%")
    print(f"12 networks of 4 x 128, {n} events, one epoch with validation; 1 thread\n")
    table("device | how | s, median (range) | fraction of sgemm, best of each", rows)


def _seconds(function: Callable[[], Any], device: str) -> float:
    """Return CPU time on the CPU, which other processes disturb less, and wall time on a GPU."""
    if device == "cpu":
        start = time.process_time()
        function()
        return time.process_time() - start
    function()
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - start


# --- the benchmark split --------------------------------------------------------------------------


def split(*, quick: bool) -> None:
    """Measure trees on the split of DATA.md; published order of the jets and ordered by mass."""
    rows = []
    for name, hyper in (("jets by pt", {"sort": False}), ("jets by mass", {"sort": True})):
        results = parallel(_split, [("cwola", hyper, seed) for seed in range(1 if quick else 3)])
        for seed, found in enumerate(results):
            rows.append(f"{name} | {seed} | {_figures(found)}")
    table("trees | seed | SIC(1e-2) | SIC(1e-3) | max SIC | AUC", rows)


def gis(*, quick: bool) -> None:
    """Measure GIS on the split of DATA.md."""
    results = parallel(_split, [("gis", {}, seed) for seed in range(1 if quick else 5)])
    rows = [f"{seed} | {_figures(found)}" for seed, found in enumerate(results)]
    points = [[f.sic[0].sic, f.sic[1].sic, f.max_sic.sic] for f in results]
    middle = " | ".join(spread(list(column)) for column in zip(*points, strict=True))
    rows.append(f"median (range) | {middle} | {spread([f.auc for f in results], 3)}")
    table("seed | SIC(1e-2) | SIC(1e-3) | max SIC | AUC", rows)


def _split(name: str, hyper: dict[str, Any], seed: int) -> Performance:
    data, test = _split_samples()
    test = test.take(SPLIT_WINDOW.signal(test.mass))
    method = make_method(name, **hyper).fit(data, SPLIT_WINDOW, seed=seed)
    assert test.label is not None
    return performance(method.score(test), test.label)


def _split_samples() -> tuple[Sample, Sample]:
    """Return the data without the truth, and background and signal to test on."""
    background, signal = read("background"), read("signal")
    data = join(background.take(np.arange(250_000)), signal.take(np.arange(565)))
    test = join(
        background.take(np.arange(250_000, 500_000)), signal.take(np.arange(20_000, 50_000))
    )
    return data.without_label(), test


# --- boxes with and without signal ----------------------------------------------------------------


def study(*, quick: bool) -> None:
    """Count signal and background in the SR at 3.5 TeV, before and after each selection."""
    seeds = range(4 if quick else 10)
    rows = []
    for n_signal in (150, 200, 250, 300):
        counted = np.array(parallel(_counts, [(n_signal, seed) for seed in seeds]))
        z = significance(counted[..., 0], counted[..., 1])
        both = (z[:, 0] < 3) & (z[:, 1:].max(axis=1) > 5)
        cells = [spread(z[:, i].tolist()) for i in range(len(SELECTIONS))]
        rows.append(f"{n_signal} | {' | '.join(cells)} | {both.sum()} of {len(seeds)}")
    print("Significance in the SR at 3.5 TeV, 40 000 background events; median (range) of boxes\n")
    table("signal | all | 10 % | 1 % | 0.2 % | < 3 before and > 5 after", rows)


def significance(s: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the significance of s events over b known ones (arXiv:1007.1727, equation 97)."""
    b = np.maximum(b, 1)
    return np.sqrt(2 * ((s + b) * np.log1p(s / b) - s))


def _counts(n_signal: int, seed: int) -> list[tuple[int, int]]:
    data, _ = box(40_000, n_signal, seed)
    window = scan_windows()[AT_3500]
    scores = cross_fit(make_method("cwola"), data, window, Folding(seed=seed))
    counts = []
    for kept in _selections(data, scores, seed):
        inside = kept & window.signal(data.mass)
        n = int(data.label[inside].sum()) if data.label is not None else 0
        counts.append((n, int(inside.sum()) - n))
    return counts


def quiet(*, quick: bool) -> None:
    """Measure the excess in every window of boxes without signal, at two sizes."""
    for size, boxes in ((40_000, 2 if quick else 10), (250_000, 0 if quick else 2)):
        tasks = [(size, seed, window) for seed in range(boxes) for window in scan_windows()]
        if not tasks:
            continue
        result = np.array(parallel(_quiet, tasks)).reshape(boxes, 10, 3, 2)
        rows = []
        for i, efficiency in enumerate(SELECTIONS[1:]):
            z, chi2 = result[:, :, i, 0], result[:, :, i, 1]
            rows.append(
                f"{efficiency:.1%} | {z.mean():+.2f} ± {z.mean(axis=1).std() / boxes**0.5:.2f} "
                f"| {z.std():.2f} | {z.max():.1f} of {z.size} | {np.median(chi2) / 10:.2f}"
            )
        print(f"No signal, {size} events, {boxes} boxes x 10 windows\n")
        table("selection | mean z | spread of z | largest z | median chi2 / 10 outside", rows)


def _quiet(size: int, seed: int, window: Window) -> list[tuple[float, float]]:
    """Return, for each selection, z in the SR and chi2 of the efficiency outside of it.

    The efficiency in bins of the scan is fitted outside the SR, its logarithm as a parabola.
    """
    data, _ = box(size, 0, 1000 + seed)
    scores = cross_fit(make_method("cwola"), data, window, Folding(seed=seed))
    edges = scan_edges()
    total = np.histogram(data.mass, edges)[0]
    outside = (edges[:-1] < window.low - 1) | (edges[1:] > window.high + 1)
    x = np.log(edges[:-1] / window.center)
    powers = np.stack([np.ones_like(x), x, x**2], axis=1)
    found = []
    for kept in list(_selections(data, scores, seed))[1:]:
        n = np.histogram(data.mass[kept], edges)[0]

        def loss(p: NDArray[np.float64], n: NDArray[np.int64] = n) -> float:
            return float((total * np.exp(powers @ p) - n * (powers @ p))[outside].sum())

        p = minimize(loss, [np.log(n.sum() / total.sum()), 0, 0]).x
        mu = total * np.exp(powers @ p)
        information = (powers[outside].T * mu[outside]) @ powers[outside]
        slope = (mu[~outside, None] * powers[~outside]).sum(axis=0)
        expected = mu[~outside].sum()
        variance = expected + slope @ np.linalg.pinv(information) @ slope
        z = (n[~outside].sum() - expected) / np.sqrt(variance)
        chi2 = ((n - mu)[outside] ** 2 / np.maximum(mu[outside], 1)).sum()
        found.append((float(z), float(chi2)))
    return found


def _selections(data: Sample, scores: NDArray[np.float32], seed: int) -> Any:
    edges = scan_edges()
    inside = (data.mass >= edges[0]) & (data.mass < edges[-1])
    fold = fold_of(data.event, FOLDS, seed=seed)
    levels = selection_levels(scores, fold, SELECTIONS[1:], within=inside)
    return (inside & (levels >= passed) for passed in range(len(SELECTIONS)))


# --- how many simulated events a method needs ------------------------------------------------------


def few(*, quick: bool) -> None:
    """Measure the idealised detector with ever fewer background events, and SALAD beside it."""
    seeds = range(3 if quick else 10)
    found = parallel(_few, [(seed,) for seed in seeds])
    rows = []
    for name in found[0]:
        columns = np.array([each[name] for each in found]).T.tolist()
        rows.append(f"{name} | " + " | ".join(map(spread, columns)))
    print(f"Median (range) of {len(seeds)} seeds; tested on the other half of the background\n")
    table("method | SIC(1e-2) | SIC(1e-3) | max SIC", rows)


def _few(seed: int) -> dict[str, tuple[float, ...]]:
    torch.set_num_threads(1)
    data, rest = _split_samples()
    assert rest.label is not None
    for_test = (np.arange(len(rest)) % 2 == 0) | (rest.label == 1)
    true = rest.take(~for_test).without_label()
    test = rest.take(for_test & SPLIT_WINDOW.signal(rest.mass))
    simulation = _read_file("other_shower_background").without_label()
    n_simulated = np.count_nonzero(SPLIT_WINDOW.signal(simulation.mass))
    inside = np.flatnonzero(SPLIT_WINDOW.signal(true.mass))
    drawn = np.random.default_rng([seed, 9]).permutation(inside)
    by_trees = {"reweighting": {"kind": "trees"}}
    tasks: dict[str, tuple[str, dict[str, Any], Sample]] = {
        f"idealised, {n} background events": ("idealised", {}, true.take(np.sort(drawn[:n])))
        for n in (len(inside), n_simulated)
    }
    tasks[f"salad, {n_simulated} simulated events in the SR"] = ("salad", {}, simulation)
    tasks["the same with a correction by trees"] = ("salad", by_trees, simulation)
    found = {}
    for label, (name, hyper, of_background) in tasks.items():
        method = make_method(name, **hyper)
        method.fit(data, SPLIT_WINDOW, simulation=of_background, seed=seed)
        assert test.label is not None
        reached = performance(method.score(test), test.label)
        found[label] = tuple(point.sic for point in (*reached.sic, reached.max_sic))
    return found


# --- methods with an outer density ----------------------------------------------------------------


def density(*, quick: bool) -> None:
    """Measure the density-ratio methods on the split of DATA.md, all on one outer flow a seed."""
    for shift, seeds in ((0.0, 1 if quick else 5), (0.1, 1 if quick else 3)):
        found = parallel(_density, [(shift, seed) for seed in range(seeds)])
        rows = []
        for name in found[0]:
            columns = np.array([each[name] for each in found]).T.tolist()
            digits = (1, 1, 1, 3, 1, 1, 0)
            rows.append(
                f"{name} | "
                + " | ".join(spread(c, d) for c, d in zip(columns, digits, strict=True))
            )
        print(f"jet masses + {shift:g} mjj; median (range) of {seeds} seeds\n")
        table(
            "method | SIC(1e-2) | SIC(1e-3) | max SIC | AUC | chi2/ndf at 10 % | at 1 % | CPU s",
            rows,
        )

    boxes = 1 if quick else 5
    rows = []
    for name in ("cathode", "lacathode"):
        z = np.array(parallel(_calm, [(name, seed) for seed in range(boxes)])).T
        rows.append(f"{name} | " + " | ".join(spread(column.tolist()) for column in z))
    print("No signal, 40 000 events, window at 3.5 TeV, cross-fitted; scores calibrated outside\n")
    table("method | z at 1 %, median (range) of boxes | z at 0.1 %", rows)


def _calm(name: str, seed: int) -> list[float]:
    """Return the excess in the signal region of a box without signal, in standard deviations."""
    torch.set_num_threads(1)
    data, _ = box(40_000, 0, 2000 + seed)
    window = scan_windows()[AT_3500]
    scores = cross_fit(make_method(name), data, window, Folding(seed=seed))
    fold = fold_of(data.event, FOLDS, seed=seed)
    p = conformal_p(scores, data.mass, fold, window=(window.low, window.high))
    inside = window.signal(data.mass)
    share, z = inside.sum() / (~inside).sum(), []
    for efficiency in (0.01, 0.001):
        expected = efficiency * inside.sum()  # known from as many events outside as are kept there
        found = np.count_nonzero(p[inside] <= efficiency)
        z.append(float((found - expected) / np.sqrt(expected * (1 + share))))
    return z


def _density(shift: float, seed: int) -> dict[str, tuple[float, ...]]:
    torch.set_num_threads(1)
    data, test = (_shifted(part, shift) for part in _split_samples())
    ideal = [_idealised(data, test, half, seed) for half in range(2)]
    scored_by = np.arange(len(test)) % 2 == 0  # the first learnt from odd rows
    found = {"idealised": _density_row(test, np.where(scored_by, *ideal), 0.0)}
    start = time.process_time()
    flow = make_method("cathode").fit_outside(data, SPLIT_WINDOW, seed=seed)
    outside = time.process_time() - start
    for name in ("cathode", "lacathode", "anode"):
        start = time.process_time()
        method = make_method(name).fit_inside(flow, data, SPLIT_WINDOW, seed=seed)
        seconds = outside + time.process_time() - start
        found[name] = _density_row(test, method.score(test), seconds)
    return found


def _idealised(data: Sample, test: Sample, half: int, seed: int) -> NDArray[np.float32]:
    """Score by a classifier of data and true background, of which one half is left for the test."""
    assert test.label is not None
    ours = (np.arange(len(test)) % 2 != half) & (test.label == 0) & SPLIT_WINDOW.signal(test.mass)
    x = [mass_difference(sort_jets(part)).features for part in (data, test)]
    inside = x[0][SPLIT_WINDOW.signal(data.mass)]
    both = np.concatenate([inside, x[1][ours]])
    y = np.arange(len(both)) < len(inside)
    classifier = fit_classifier(
        both, y, weight=balance_classes(y), hyper=ClassifierHyper(), seed=seed
    )
    return classifier.log_odds(x[1])


def _shifted(data: Sample, shift: float) -> Sample:
    """Return the sample with jet masses that grow with the resonant mass."""
    of_masses = np.array([name.endswith("_mass") for name in data.names])
    moved = data.features + np.float32(shift) * data.mass[:, None] * of_masses
    return replace(data, features=moved.astype(np.float32))


def _density_row(test: Sample, score: NDArray[np.float32], seconds: float) -> tuple[float, ...]:
    assert test.label is not None
    inside, background = SPLIT_WINDOW.signal(test.mass), test.label == 0
    found = performance(score[inside], test.label[inside])
    shapes = mass_sculpting(
        test.mass[background], score[background], edges=scan_edges(), efficiencies=(0.1, 0.01)
    )
    points = (*found.sic, found.max_sic)
    return (*(p.sic for p in points), found.auc, *(s.chi2 / s.ndf for s in shapes), seconds)


PARTS = {
    "scan": scan,
    "bank": bank,
    "split": split,
    "gis": gis,
    "study": study,
    "quiet": quiet,
    "few": few,
    "density": density,
}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer seeds and epochs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # timings are per core; parallel tasks fill the machine
    for part in arguments.parts or ("scan", "bank"):
        start = time.perf_counter()
        print(f"### {part}\n")
        PARTS[part](quick=arguments.quick)
        print(f"({part}: {time.perf_counter() - start:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
