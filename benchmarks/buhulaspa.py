"""BuHuLaSpa on the reference sample: where the stopping rule ends, and where it had better ended.

    python -P benchmarks/buhulaspa.py [--seeds 1 2 3 4 5] [--learnt 50000]

For each seed, 49 500 random background and 500 signal events are learnt, whatever their mass, in batches of
1000: as many steps as the published 500 000 events in batches of 10 000; with --learnt so many, and batches to
match. Other 30 000 background and 10 000 signal events are scored after each epoch. The stopping rule sees no label.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from overdensity.ml import Sample, Window, make_method, performance
from overdensity.ml.anomaly.outliers.buhulaspa import BumpHuntInLatentSpace

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
FEATURES = tuple(f"{jet}_{name}" for jet in ("j1", "j2") for name in ("mass", "tau21", "tau32"))
STEPS, FRACTION, TEST_BACKGROUND, TEST_SIGNAL = 50, 0.01, 30_000, 10_000  # steps of an epoch
TRAINING = {"epochs": 50, "keep": "last", "optimizer": "adadelta"}
MODELS: dict[str, dict[str, Any]] = {
    "published": {"training": TRAINING | {"learning_rate": 1e-3}, "center": False},
    "from the median": {"training": TRAINING | {"learning_rate": 1e-3}},
    "from the median, learning rate 1": {"training": TRAINING | {"learning_rate": 1.0}},
}


def read(kind: str) -> NDArray[np.float64]:
    """Return mass and features of the background or the signal, one event a row."""
    table = pq.read_table(REFERENCE / f"rnd_{kind}.parquet", columns=["mjj", *FEATURES])
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def events(background: NDArray[np.float64], signal: NDArray[np.float64]) -> Sample:
    """Return labelled events."""
    rows = np.concatenate([background, signal])
    label = np.repeat([0, 1], [len(background), len(signal)])
    return Sample.from_arrays(rows[:, 0], rows[:, 1:], FEATURES, label=label)


def measure(model: str, seed: int, learnt: int) -> list[float]:
    """Return AUC at the chosen, the best and the last epoch; SIC(1 %) and number of the chosen one; CPU seconds."""
    rng = np.random.default_rng([17, seed])
    background, signal = (rng.permutation(read(kind)) for kind in ("background", "signal"))
    n_signal = round(FRACTION * learnt)
    data = events(background[: learnt - n_signal], signal[:n_signal]).without_label()
    test = events(background[-TEST_BACKGROUND:], signal[-TEST_SIGNAL:])
    hyper = MODELS[model] | {"training": MODELS[model]["training"] | {"batch": learnt // STEPS}}
    method = make_method("buhulaspa", **hyper)
    assert isinstance(method, BumpHuntInLatentSpace)
    began = time.process_time()
    method.fit(data, WINDOW, seed=seed)
    spent = time.process_time() - began
    assert test.label is not None  # they have been given one
    found = [
        performance(scores, test.label, eps_b=(0.01,))
        for scores in method.scores_of_epochs(test, data)
    ]
    auc = [each.auc for each in found]
    chosen = found[method.epoch]
    return [chosen.auc, max(auc), auc[-1], chosen.sic[0].sic, method.epoch + 1.0, spent]


def main() -> None:
    """Print a row for each model and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--learnt", type=int, default=50_000)
    given = parser.parse_args()
    heads = "model | seed | chosen epoch | AUC there | best epoch | last epoch | SIC(1 %) | CPU s"
    print(f"| {heads} |\n|{' --- |' * 8}")
    for model in given.models:
        for seed in given.seeds:
            chosen, best, last, sic, epoch, spent = measure(model, seed, given.learnt)
            cells = (
                f"{epoch:.0f} | {chosen:.3f} | {best:.3f} | {last:.3f} | {sic:.1f} | {spent:.0f}"
            )
            print(f"| {model} | {seed} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
