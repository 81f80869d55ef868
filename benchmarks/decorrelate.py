"""Features that follow the mass, as they are and decorrelated: what a search quotes. Prints Markdown.

    python -P benchmarks/decorrelate.py searches [--boxes 10] [--events 50000] [--mass mjj|mjjj]
                                 [--of two|three|octet] [--signal 0 150 300] [--by quantiles|flow] [--start 2900]
    python -P benchmarks/decorrelate.py information    # what the features know of a signal
    python -P benchmarks/decorrelate.py together       # what their ties know of the mass

Boxes of the reference sample (different events in each), searched three times in ten windows:
`plain` with the baseline features; `added` with |Δη| (mass mjj), or |Δη| and the least of the three Dalitz
variables (mass mjjj; two of them are tied, and refused), beside them; `decorrelated` with the same under ``decorrelate:``. The mass
of three jets turns on within the scan, so that its fits want ``--start 2900``. Each search
leaves its result in the folder and is not done again, so that the study can be interrupted, and
several runs add up.

The second part asks whether there is anything to be gained. Classifiers that are told the truth, and
CWoLa on boxes as those above, learn in the window of the signal from the baseline features, with the added
ones, and with these decorrelated; what they reach is asked of other events of that signal region. Signals are
those of the reference sample, of two and three prongs at 3.5 TeV, and a color octet of 4.2 TeV to a gluon and
R, R of 2.2 TeV to two gluons: three jets of one prong, simulated once.

The third part takes all events of the sample at once: half teach the quantiles of features one by one, a quarter CWoLa, and of
the other quarter it selects 10 % beside the signal region. What it selects in excess there is due to how features go together.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.core.progress_bar import set_quiet
from overdensity.core.records import atomic_path, write_text_atomic
from overdensity.ml import Sample, make_method, scan_windows
from overdensity.ml.decorrelation.decorrelated import OneByOne, decorrelated
from overdensity.processors import LhcoSource, MultijetProcessor, process
from overdensity.simulation import read_recipe, simulate_recipe
from overdensity.workflow import parse_config, run_search

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT.parent / "shared" / "data" / "reference"
RECIPE = ROOT / "examples" / "recipes" / "gluon_decays.yaml"
SIGNALS = {"two": 3500.0, "three": 3500.0, "octet": 4200.0}  # and their masses, GeV
OCTETS = 6000  # events that are simulated
BASE = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
DALITZ = ("dalitz_low", "dalitz_mid", "dalitz_high")  # they add up to one
ADDED = {"mjj": ("delta_eta",), "mjjj": ("delta_eta", "dalitz_low")}  # two of Dalitz are refused
KINDS = ("plain", "added", "decorrelated")
TOGETHER = (  # sets of features of the third part, whose quantiles are learnt from half the sample
    ("delta_eta", "dalitz_low"),
    ("dalitz_low", "dalitz_high"),
    ("delta_eta", "dalitz_low", "dalitz_high"),
)
LEARNT_FROM = (*KINDS, "decorrelated alone")
CASES = (
    ("two", "mjj"),
    ("two", "mjjj"),
    ("octet", "mjjj"),
)  # signals and masses of the second part
LOW, HIGH = 2632.0, 6000.0
PASSING = (0.3, 0.1, 0.01)
TAUGHT, TESTED = 100_000, 120_000  # background events for a supervised classifier, and to ask all
INJECTED = 300  # signal events in a box of CWoLa

Array = NDArray[np.float64]


def signal_file(of: str, folder: Path) -> Path:
    """Return the file of a signal; octets are simulated where they are not there."""
    if of != "octet":
        name = {"two": "rnd_signal", "three": "rnd_signal_3prong"}[of]
        return REFERENCE / f"{name}.parquet"
    path = folder / "octet.parquet"
    if not path.is_file():
        recipe = read_recipe(RECIPE, beside=("out",)).with_events({"dijets": 0, "trijets": OCTETS})
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            simulate_recipe(recipe, Path(place) / "events.h5", seed=101, workers=1)
            how = MultijetProcessor(min_jets=2, event_features=())
            process(f"{place}/events.h5", place, source=LhcoSource(), processor=how)
            with atomic_path(path) as temporary:
                pq.write_table(pq.read_table(f"{place}/columns"), temporary)
    return path


@cache
def columns_of(file: Path) -> dict[str, Array]:
    """Return the features of a file of jets, and both masses (GeV)."""
    names = [f"j{i}_{k}" for i in (1, 2, 3) for k in ("pt", "eta", "phi", "mass")]
    table = pq.read_table(file, columns=[*names, "mjj", *BASE[2:]])
    read = {key: table[key].to_numpy().astype(float) for key in table.column_names}
    jets = [
        _momentum(*(read[f"j{i}_{k}"] for k in ("pt", "eta", "phi", "mass"))) for i in (1, 2, 3)
    ]
    whole = _square(jets[0] + jets[1] + jets[2])
    # Dalitz variables of three massive bodies, which add up to one
    norm = whole + sum(_square(jet) for jet in jets)
    pairs = [_square(jets[a] + jets[b]) / norm for a, b in ((0, 1), (0, 2), (1, 2))]
    ordered = dict(zip(DALITZ, np.sort(np.stack(pairs), axis=0), strict=True))
    found = {key: read[key] for key in (*BASE, "mjj")} | ordered
    found["mjjj"] = np.where(read["j3_pt"] > 0, np.sqrt(np.maximum(whole, 0)), 0.0)
    found["delta_eta"] = np.abs(read["j1_eta"] - read["j2_eta"])
    return found


def _momentum(pt: Array, eta: Array, phi: Array, mass: Array) -> Array:
    p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return np.vstack([np.sqrt((p**2).sum(axis=0) + mass**2), p])


def _square(p: Array) -> Array:
    return p[0] ** 2 - (p[1:] ** 2).sum(axis=0)


def write_box(path: Path, box: int, signal: int, arguments: argparse.Namespace) -> None:
    """Write background events that no other box has, and some of the signal."""
    if path.is_file():
        return
    background = columns_of(REFERENCE / "rnd_background.parquet")
    order = shuffled(background[arguments.mass], arguments)
    chosen = order[box * arguments.events : (box + 1) * arguments.events]
    if len(chosen) < arguments.events:
        msg = f"{len(order)} events make {len(order) // arguments.events} boxes"
        raise SystemExit(msg)
    other = columns_of(signal_file(arguments.of, arguments.out))
    drawn = np.random.default_rng([arguments.seed, box]).permutation(len(other["mjj"]))[:signal]
    table = {
        key: np.concatenate([background[key][chosen], other[key][drawn]]).astype(np.float32)
        for key in background
    }
    ids = np.concatenate([chosen, 10**7 + drawn]).astype(np.uint64)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"event": ids, **table}), path)


def shuffled(mass: Array, arguments: argparse.Namespace) -> NDArray[np.int64]:
    """Return the rows of the background in the scan, in the order in which boxes take them."""
    inside = np.flatnonzero((mass >= LOW) & (mass < HIGH))
    return np.random.default_rng(arguments.seed).permutation(inside)


def searched(box: int, signal: int, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what a search of a box gave; what is done is read."""
    setting = f"{arguments.mass}-{arguments.of}-n{arguments.events}-{arguments.seed}"
    if arguments.start is not None:
        setting += f"-from{arguments.start:g}"
    of_kind = f"{kind}-{arguments.by}" if kind == "decorrelated" else kind
    folder = arguments.out / setting
    done = folder / f"box{box:02d}-s{signal}-{of_kind}.json"
    if done.is_file():
        return json.loads(done.read_text())
    events = folder / f"box{box:02d}-s{signal}.parquet"
    write_box(events, box, signal, arguments)
    added = ADDED[arguments.mass]
    values: dict[str, Any] = {
        "events": {"format": "columns", "files": [str(events)]},
        "mass": arguments.mass,
        "features": [*BASE, *(() if kind == "plain" else added)],
        "decorrelate": {"features": list(added), "by": arguments.by}
        if kind == "decorrelated"
        else [],
        "scan": {"low": LOW, "high": HIGH},
        "fit": {"spurious": "none", "start": arguments.start},
        "pseudo_experiments": 1000,
        "repeats": 1,
        "seed": box + 1,
        "cluster": "threads",
        "workers": 1,
        "out": str(folder / f"run-box{box:02d}-s{signal}-{of_kind}"),
    }
    results = run_search(parse_config(values))
    best = results.best
    near = [
        max((row.z_local for row in w.selections if row.z_local is not None), default=-1.0)
        for w in results.windows
        if w.low < SIGNALS[arguments.of] < w.high
    ]
    found = {
        "windows": len(results.windows),
        "quotable": sum(
            any(row.p_local is not None for row in w.selections) for w in results.windows
        ),
        "refused": sum(row.refused for w in results.windows for row in w.selections),
        "z": [row.z_local for w in results.windows for row in w.selections],
        "z_near": max(near, default=-1.0),
        "p_global": 1.0 if best is None else best.p_global,
    }
    done.write_text(json.dumps(found))
    return found


def print_table(arguments: argparse.Namespace) -> None:
    """Print a line for each number of signal events and each search."""
    for box in range(arguments.boxes):  # all of a box first: a study cut off can be read
        for signal in arguments.signal:
            for kind in arguments.kinds:
                searched(box, signal, kind, arguments)
    print(
        f"\n| {arguments.boxes} boxes of {arguments.events:,} events, mass {arguments.mass}, signal | "
        "search | quotable windows, median (least) | refused selections a box | "
        "mean z and rms of quoted selections | z > 3 | KS p of the global p-values | "
        f"largest z at {SIGNALS[arguments.of] / 1000:g} TeV |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for signal in arguments.signal:
        for kind in arguments.kinds:
            found = [searched(box, signal, kind, arguments) for box in range(arguments.boxes)]
            quotable = np.array([each["quotable"] for each in found])
            refused = np.mean([each["refused"] for each in found])
            z = np.array([v for each in found for v in each["z"] if v is not None], dtype=float)
            near = np.array([each["z_near"] for each in found])
            p = [each["p_global"] for each in found]
            error = near.std(ddof=1) / np.sqrt(len(near)) if len(near) > 1 else np.nan
            windows = {pick(each["windows"] for each in found) for pick in (min, max)}
            uniform = kstest(p, "uniform").pvalue if signal == 0 else np.nan
            print(
                f"| {signal} | {kind} | {np.median(quotable):.0f} ({quotable.min()}) of "
                f"{'-'.join(map(str, sorted(windows)))} | "
                f"{refused:.1f} | {z.mean() if z.size else np.nan:.2f}, "
                f"{z.std() if z.size else np.nan:.2f} | {(z > 3).sum()} of {z.size} | "
                f"{'' if np.isnan(uniform) else f'{uniform:.2g}'} | "
                f"{near.mean():.2f} ± {error:.2f} |",
                flush=True,
            )


def sample_of(columns: dict[str, Array], mass: str, features: list[str], *, label: int) -> Sample:
    """Return the events in the scan for a method."""
    inside = (columns[mass] >= LOW) & (columns[mass] < HIGH)
    rows = np.stack([columns[name][inside] for name in features], axis=1)
    number = np.arange(len(rows), dtype=np.uint64) + np.uint64(10**7 * label)
    truth = np.full(len(rows), label)
    return Sample.from_arrays(columns[mass][inside], rows, features, event=number, label=truth)


def taught(name: str, kind: str, box: int, arguments: argparse.Namespace) -> list[float]:
    """Return what a classifier reaches that learnt from some of the background and of the signal.

    What is done is read.
    """
    case = f"{arguments.of}-{arguments.mass}-{arguments.by}-{arguments.seed}"
    done = arguments.out / f"information-{case}" / f"{name}-{kind.replace(' ', '-')}-{box}.json"
    if done.is_file():
        return json.loads(done.read_text())
    added = list(ADDED[arguments.mass])
    features = {"plain": list(BASE), "decorrelated alone": added}.get(kind, [*BASE, *added])
    files = REFERENCE / "rnd_background.parquet", signal_file(arguments.of, arguments.out)
    background, signal = (
        sample_of(columns_of(file), arguments.mass, features, label=label)
        for label, file in enumerate(files)
    )
    order = shuffled(background.mass, arguments)
    half = len(signal) // 2
    known = name == "supervised"
    n, injected = (TAUGHT, half) if known else (arguments.events, INJECTED)
    chosen = np.random.default_rng([arguments.seed, box]).permutation(half)[:injected]
    rows = order[box * n : (box + 1) * n]
    data = Sample.concatenated(background.take(rows), signal.take(chosen))
    window = min(
        scan_windows(LOW, HIGH, 16), key=lambda each: abs(each.center - SIGNALS[arguments.of])
    )
    method = make_method(name)
    if kind.startswith("decorrelated"):
        method = decorrelated(method, added, among=background.names, by=arguments.by)
    learnt = method.fit(data if known else data.without_label(), window, seed=box + 1)
    scores = [
        learnt.score(each.take(window.signal(each.mass)))
        for each in (background.take(order[-TESTED:]), signal.take(np.arange(half, 2 * half)))
    ]
    cuts = [np.quantile(scores[0], 1 - efficiency) for efficiency in PASSING]
    found = [
        float((scores[1] > cut).mean() / np.sqrt(efficiency))
        for cut, efficiency in zip(cuts, PASSING, strict=True)
    ]
    done.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(done, json.dumps(found))
    return found


def print_information(arguments: argparse.Namespace) -> None:
    """Print what is reached with and without the added features, told the truth and not."""
    names = " | ".join(f"S/√B gained at {100 * efficiency:g} %" for efficiency in PASSING)
    print(f"| signal, mass | classifier | features | {names} |")
    print("| --- " * (3 + len(PASSING)) + "|")
    for arguments.of, arguments.mass in CASES:
        for name, boxes in (("supervised", 1), ("cwola", arguments.boxes)):
            for kind in LEARNT_FROM:
                found = [taught(name, kind, box, arguments) for box in range(boxes)]
                mean = [f"{x:.2f}" for x in np.mean(found, axis=0)]
                if boxes > 1:
                    error = np.std(found, axis=0, ddof=1) / np.sqrt(boxes)
                    mean = [f"{x} ± {y:.2f}" for x, y in zip(mean, error, strict=True)]
                row = " | ".join([f"{arguments.of}, {arguments.mass}", name, kind, *mean])
                print(f"| {row} |", flush=True)


def print_together(arguments: argparse.Namespace) -> None:
    """Print what CWoLa selects of background in whose features only their ties follow the mass."""
    columns = columns_of(REFERENCE / "rnd_background.parquet")
    inside = (columns["mjjj"] >= LOW) & (columns["mjjj"] < HIGH)
    mass = columns["mjjj"][inside]
    rng = np.random.default_rng(arguments.seed)
    part = rng.integers(4, size=len(mass))  # two teach maps, one the classifier, one is asked
    print(
        "| window [GeV] | features | below it [%] | in the signal region [%] | above it [%] | "
        "signal region over the mean of both [%] |"
    )
    print("| --- " * 6 + "|")
    for window in scan_windows(LOW, HIGH, 16)[1::3]:
        teaching = (part < 2) & ~window.signal(mass)
        for names in (BASE, *TOGETHER):
            x = np.stack([columns[name][inside] for name in names], axis=1)
            if names != BASE:
                ties = rng.random(x.shape)
                taught_from = x[teaching], mass[teaching], ties[teaching]
                learnt = OneByOne.learn(*taught_from, window, arguments.seed)
                x = learnt.quantiles(x, mass, ties)
            sample = Sample.from_arrays(mass, x, names)
            method = make_method("cwola").fit(sample.take(part == 2), window, seed=arguments.seed)
            asked = sample.take(part == 3)
            score = method.score(asked)
            beside = window.lower(asked.mass) | window.upper(asked.mass)
            passing = score > np.quantile(score[beside], 0.9)
            regions = [region(asked.mass) for region in (window.lower, window.signal, window.upper)]
            low, here, high = (passing[region].mean() for region in regions)
            errors = [np.sqrt(0.09 / region.sum()) for region in regions]
            excess = here / ((low + high) / 2) - 1
            error = np.hypot(errors[1], np.hypot(errors[0], errors[2]) / 2) / 0.1
            print(
                f"| {window.low:.0f}-{window.high:.0f} | {', '.join(names)} | {100 * low:.1f} | "
                f"{100 * here:.1f} | {100 * high:.1f} | {100 * excess:+.1f} ± {100 * error:.1f} |",
                flush=True,
            )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=("searches", "information", "together"))
    parser.add_argument("--out", type=Path, default=Path("runs/decorrelate"))
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--mass", choices=tuple(ADDED), default="mjj")
    parser.add_argument("--of", choices=tuple(SIGNALS), default="two", help="kind of signal")
    parser.add_argument("--signal", type=int, nargs="+", default=[0, 100, 200])
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS, help="of searches")
    parser.add_argument("--by", choices=("quantiles", "flow"), default="quantiles")
    parser.add_argument("--start", type=float, help="where fits begin, GeV: above a turn-on")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable()
    set_quiet(quiet=True)
    parts = {"searches": print_table, "information": print_information, "together": print_together}
    parts[arguments.part](arguments)


if __name__ == "__main__":
    main()
