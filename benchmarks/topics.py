"""Topic models on the reference sample: what they find at several strengths, and without signal.

    python -P benchmarks/topics.py [--seeds 1 2 3]

For each seed and fraction of signal, 400 000 random events of the reference sample are learnt, whatever
their mass; other 100 000 background and 10 000 signal events are scored. Without signal the score is
still measured on signal events: what it is then, it owes to the background alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from overdensity.ml import Sample, Window, make_method, performance
from overdensity.ml.anomaly.topics.factorized_topics import FactorizedTopics

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
FEATURES = ("j1_mass", "j2_mass")
LEARNT, TEST_BACKGROUND, TEST_SIGNAL = 400_000, 100_000, 10_000
FRACTIONS = (0.1, 0.01, 0.005, 0.002, 0.0)
MODELS = {
    "default": {},
    "all events": {"region": "all"},
    "published": {"region": "all", "against": "background"},
}


def events(background: NDArray[np.float64], signal: NDArray[np.float64]) -> Sample:
    """Return labelled events."""
    rows = np.concatenate([background, signal])
    label = np.repeat([0, 1], [len(background), len(signal)])
    return Sample.from_arrays(rows[:, 0], rows[:, 1:], FEATURES, label=label)


def read(kind: str) -> NDArray[np.float64]:
    """Return mass and features of the background or the signal, one event a row."""
    table = pq.read_table(REFERENCE / f"rnd_{kind}.parquet", columns=["mjj", *FEATURES])
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def measure(model: str, fraction: float, seed: int) -> list[float]:
    """Return AUC of all events; AUC and SIC at 1 % in the signal region; both daughter masses."""
    rng = np.random.default_rng([11, seed])
    background, signal = (rng.permutation(read(kind)) for kind in ("background", "signal"))
    n_signal = round(fraction * LEARNT)
    data = events(background[: LEARNT - n_signal], signal[:n_signal]).without_label()
    test = events(background[-TEST_BACKGROUND:], signal[-TEST_SIGNAL:])
    method = make_method("factorized_topics", **MODELS[model]).fit(data, WINDOW, seed=seed)
    assert isinstance(method, FactorizedTopics)
    score, inside = method.score(test), WINDOW.signal(test.mass)
    assert test.label is not None  # they have been given one
    anywhere = performance(score, test.label)
    here = performance(score[inside], test.label[inside], eps_b=(0.01,))
    return [anywhere.auc, here.auc, here.sic[0].sic, *method.daughters]


def cell(values: NDArray[np.float64], digits: int) -> str:
    """Return median, smallest and largest of the seeds."""
    median, least, largest = np.median(values), values.min(), values.max()
    return f"{median:.{digits}f} ({least:.{digits}f} to {largest:.{digits}f})"


def main() -> None:
    """Print a row for each model and fraction."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    seeds = parser.parse_args().seeds
    print("| model | signal | AUC, all events | AUC | SIC(1 %) | lighter, GeV | heavier, GeV |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model in MODELS:
        for fraction in FRACTIONS:
            found = np.array([measure(model, fraction, seed) for seed in seeds])
            cells = [cell(column, n) for column, n in zip(found.T, (3, 3, 1, 0, 0), strict=True)]
            print(f"| {model} | {100 * fraction:g} % | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
