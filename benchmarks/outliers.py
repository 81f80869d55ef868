"""How well detectors of outliers on columns tell two signals from background. Prints Markdown.

    python -P benchmarks/outliers.py [ROW ...] [--seeds 1 2 3] [--train 100000] [--test 50000]
    python -P benchmarks/outliers.py ROW --hunt 0 400 [--boxes 20] [--events 20000] [--keep 0.1]

Trained on background of the reference sample, whatever its mass, with another random subset for each
seed; tested with other background and both signals of the reference, 20 000 events each. AUC and
SIC at 1 % background efficiency are those of the test, with no window of the mass. dCorr is the distance
correlation of score and mass of the test background: how much of the mass a score knows.

With --hunt, a method trained so (the first seed alone) goes through the bump hunt in boxes of other
background, to which so many events of the two-prong signal are added. The events of the largest scores
are hunted in 40 bins from 2700 to 7000 GeV. `shaping function`: half of the box gives it (fourth-order
polynomial), and the other half is compared with its own spectrum before the cut, reshaped, as if that
were known without error, as published. `refitted`: the five-parameter dijet function, fitted to the
selected events of the whole box outside each interval, in every pseudo-experiment too.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from overdensity.ml import Sample, Window, make_method
from overdensity.ml.evaluation.metrics import performance
from overdensity.ml.losses.distance_correlation import distance_correlation
from overdensity.stats.bumphunt.one_mass import bump_hunt, bump_hunt_given_reference
from overdensity.stats.spectra.transfer import shaping_function

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
SIGNALS = {"two-prong": "rnd_signal", "three-prong": "rnd_signal_3prong"}
SIGNAL_EVENTS = 20_000
TEST_FROM = 250_000  # first row of the test background
JETS = ("j1", "j2")
LOW, HIGH, BINS = 2700.0, 7000.0, 40  # of the bump hunt of GAN-AE, GeV
EDGES = np.linspace(LOW, HIGH, BINS + 1)
SIX = ("mass", "tau21", "tau32")
EIGHT = ("mass", "tau1", "tau2", "tau3", "tau21", "tau32", "n", "pt")
NINE = (*EIGHT, "eta")


@dataclass(frozen=True)
class Row:
    """A method with its features and what was published of it."""

    method: str
    features: tuple[str, ...] = SIX
    hyper: dict[str, Any] = field(default_factory=dict)
    published: str = "-"


COLUMNS = {
    "mahalanobis": Row("mahalanobis"),
    "mahalanobis, by mass": Row("mahalanobis", hyper={"sort": True}),
    "mahalanobis, 8 inputs": Row("mahalanobis", EIGHT),
    "pca": Row("pca"),
    "pca, by pT": Row("pca", hyper={"sort": False}),
    "autoencoder": Row("autoencoder"),
    "autoencoder, by pT": Row("autoencoder", hyper={"sort": False}),
    "autoencoder, 8 inputs": Row("autoencoder", EIGHT),
    "autoencoder, 8 inputs, by pT": Row("autoencoder", EIGHT, {"sort": False}),
}
_SHORT = {"training": {"epochs": 56, "patience": 0}}  # four cycles
_LATER = {  # of arXiv:2305.15179, without tied weights and first training: five cycles
    "nodes": (84, 14),
    "judge": (300, 200, 100, 50),
    "distance": 6.0,
    "decorrelation": 65.0,
    "turns": (5, 7),
    "training": {"epochs": 60, "batch": 2048, "patience": 0},
}
OTHERS = {
    "gan_ae": Row("gan_ae", NINE, _SHORT, "0.905; 0.869"),
    "gan_ae, α = 0": Row("gan_ae", NINE, {"decorrelation": 0.0, **_SHORT}),
    "gan_ae, α = 10": Row("gan_ae", NINE, {"decorrelation": 10.0, **_SHORT}),
    "gan_ae, to the end": Row("gan_ae", NINE),
    "gan_ae, later version": Row("gan_ae", NINE, _LATER),
    "mahalanobis, 9 inputs": Row("mahalanobis", NINE),
}
ROWS = COLUMNS | OTHERS


def events(name: str, features: tuple[str, ...], first: int, last: int) -> Sample:
    """Return rows of a file of the reference sample."""
    columns = [f"{jet}_{feature}" for jet in JETS for feature in features]
    table: pa.Table = pq.read_table(REFERENCE / f"{name}.parquet", columns=["mjj", *columns])
    table = table.slice(first, last - first)
    x = np.stack([table[column].to_numpy() for column in columns], axis=1)
    return Sample.from_arrays(table["mjj"].to_numpy(), x, columns)


def measured(row: Row, seed: int, *, train: int, test: int) -> NDArray[np.float64]:
    """Train once; returns AUC and SIC(1 %) of both signals, dCorr, and the CPU time in seconds."""
    pool = events("rnd_background", row.features, 0, TEST_FROM)
    chosen = np.random.default_rng(seed).choice(len(pool), min(train, len(pool)), replace=False)
    method = make_method(row.method, **row.hyper)
    began = time.process_time()
    method.fit(pool.take(chosen), WINDOW, seed=seed)
    spent = time.process_time() - began
    background = events("rnd_background", row.features, TEST_FROM, TEST_FROM + test)
    scores = method.score(background)
    found = []
    for name in SIGNALS.values():
        signal = method.score(events(name, row.features, 0, SIGNAL_EVENTS))
        label = np.repeat([0, 1], [len(scores), len(signal)])
        said = performance(np.concatenate([scores, signal]), label, eps_b=(0.01,))
        found += [said.auc, said.sic[0].sic]
    rank = torch.as_tensor(rankdata(scores))
    mass = torch.as_tensor(rankdata(background.mass))
    return np.array([*found, float(distance_correlation(rank, mass)), spent])


def selected(
    mass: NDArray[np.float64], score: NDArray[np.float32], keep: float
) -> NDArray[np.bool_]:
    """Return which events of the range have the largest scores."""
    inside = (mass >= LOW) & (mass < HIGH)
    return inside & (score >= np.quantile(score[inside], 1 - keep))


def by_shaping(mass: NDArray[np.float64], passed: NDArray[np.bool_], seed: int) -> float:
    """Return the global p-value of one half over the shape that the other one gives."""
    first = np.random.default_rng(seed).random(len(mass)) < 0.5

    def counts(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.histogram(mass[which], EDGES)[0]

    shape = shaping_function(
        EDGES, counts(first & passed), counts(first), counts(~first), seed=seed
    )
    reference = np.maximum(shape.expected, 1e-3)
    return bump_hunt_given_reference(
        EDGES, counts(~first & passed), reference, seed=seed
    ).global_p.p_global


def hunted(row: Row, arguments: argparse.Namespace) -> None:
    """Print a row for each number of signal events and each background."""
    learnt = events("rnd_background", row.features, 0, arguments.train)
    method = make_method(row.method, **row.hyper)
    method.fit(learnt, WINDOW, seed=arguments.seeds[0])
    found: dict[tuple[int, str], list[float]] = {}
    for box in range(arguments.boxes):
        first = arguments.train + box * arguments.events
        background = events("rnd_background", row.features, first, first + arguments.events)
        for n in arguments.hunt:
            data = background
            if n:
                signal = events("rnd_signal", row.features, box * n, (box + 1) * n)
                data = Sample.concatenated(background, signal)
            passed = selected(data.mass, method.score(data), arguments.keep)
            refitted = bump_hunt(EDGES, np.histogram(data.mass[passed], EDGES)[0], seed=box)
            found.setdefault((n, "refitted"), []).append(refitted.global_p.p_global)
            shaped = by_shaping(data.mass, passed, box)
            found.setdefault((n, "shaping function"), []).append(shaped)
    print("| signal events | background | boxes | p_global > 0.05 | smallest | median |")
    print("|" + " --- |" * 6)
    for (n, name), values in sorted(found.items()):
        p = np.array(values)
        cells = [len(p), np.count_nonzero(p > 0.05), f"{p.min():.2g}", f"{np.median(p):.2g}"]
        print(f"| {n} | {name} | " + " | ".join(map(str, cells)) + " |", flush=True)


def main() -> None:
    """Print a row for each method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", default=list(COLUMNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--train", type=int, default=100_000)
    parser.add_argument("--test", type=int, default=50_000)
    parser.add_argument("--hunt", type=int, nargs="+", metavar="SIGNAL")
    parser.add_argument("--boxes", type=int, default=20)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--keep", type=float, default=0.1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.hunt:
        hunted(ROWS[arguments.rows[0]], arguments)
        return
    heads = [f"{what}, {name}" for name in SIGNALS for what in ("AUC", "SIC(1 %)")]
    print("| method | inputs a jet | published AUC |", " | ".join([*heads, "dCorr", "CPU s"]), "|")
    print("|" + " --- |" * (3 + len(heads) + 2))
    for name in arguments.rows:
        row = ROWS[name]
        several = [
            measured(row, seed, train=arguments.train, test=arguments.test)
            for seed in arguments.seeds
        ]
        means, spread = np.mean(several, axis=0), np.std(several, axis=0)
        places = (3, 2, 3, 2, 2)
        cells = [
            f"{mean:.{n}f} ± {std:.{n}f}"
            for mean, std, n in zip(means[:-1], spread[:-1], places, strict=True)
        ]
        shown = [name, str(len(row.features)), row.published, *cells, f"{means[-1]:.0f}"]
        print("| " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
