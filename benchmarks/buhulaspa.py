"""BuHuLaSpa on the reference sample: where the stopping rule ends, and where it had better ended.

    python -P benchmarks/buhulaspa.py [--seeds 1 2 3 4 5]

For each seed, 49 500 random background and 500 signal events are learnt, whatever their mass, in batches of
1000: as many steps as the published 500 000 events in batches of 10 000. Other 30 000 background and
10 000 signal events are scored after each epoch. The stopping rule sees no label.
"""

from __future__ import annotations

import argparse
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
LEARNT, N_SIGNAL, TEST_BACKGROUND, TEST_SIGNAL = 50_000, 500, 30_000, 10_000
TRAINING = {"epochs": 50, "batch": 1000, "keep": "last", "optimizer": "adadelta"}
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


def measure(model: str, seed: int) -> list[float]:
    """Return AUC at the chosen, the best and the last epoch; SIC(1 %) and the number of the chosen one."""
    rng = np.random.default_rng([17, seed])
    background, signal = (rng.permutation(read(kind)) for kind in ("background", "signal"))
    data = events(background[: LEARNT - N_SIGNAL], signal[:N_SIGNAL]).without_label()
    test = events(background[-TEST_BACKGROUND:], signal[-TEST_SIGNAL:])
    method = make_method("buhulaspa", **MODELS[model])
    assert isinstance(method, BumpHuntInLatentSpace)
    method.fit(data, WINDOW, seed=seed)
    assert test.label is not None  # they have been given one
    found = [
        performance(scores, test.label, eps_b=(0.01,))
        for scores in method.scores_of_epochs(test, data)
    ]
    auc = [each.auc for each in found]
    chosen = found[method.epoch]
    return [chosen.auc, max(auc), auc[-1], chosen.sic[0].sic, method.epoch + 1.0]


def main() -> None:
    """Print a row for each model and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    given = parser.parse_args()
    print("| model | seed | chosen epoch | AUC there | best epoch | last epoch | SIC(1 %) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model in given.models:
        for seed in given.seeds:
            chosen, best, last, sic, epoch = measure(model, seed)
            cells = f"{epoch:.0f} | {chosen:.3f} | {best:.3f} | {last:.3f} | {sic:.1f}"
            print(f"| {model} | {seed} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
