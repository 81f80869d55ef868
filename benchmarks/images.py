"""What methods on images reach, over seeds. Prints Markdown.

    python -P benchmarks/images.py deep [--seeds 1 2 3] [--out runs/images]

``deep``: a deep ensemble and the same trees on columns alone learn half of 8000 simulated QCD dijets and
8000 events of the R&D signal (Z' of 3.5 TeV to X and Y of 500 and 100 GeV) by the truth, and score the
others; once with momenta and masses in GeV among the columns, and once with numbers without a scale. Events
are made where they are missing. The seed decides the halves and the networks; errors are standard
deviations over the seeds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from overdensity.ml import Sample, performance
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    fit_classifier,
    inputs_for,
)
from overdensity.ml.classifiers.images.deep_ensemble import DeepEnsembleHyper
from overdensity.ml.classifiers.trees import BoostingHyper
from overdensity.ml.hyperparameters import replaced
from overdensity.processors import LhcoSource, MultijetProcessor, process
from overdensity.simulation import simulate

EVENTS = 8000  # of background, and of signal
COLUMNS = {
    "in GeV, with mjj": ("j1_pt", "j1_eta", "j1_mass", "j2_pt", "j2_eta", "j2_mass", "mjj"),
    "without a scale": ("j1_mass_over_pt", "j2_mass_over_pt"),
}
DEEP: dict[str, Any] = {
    "widths": [8, 16, 32],
    "blocks": [1, 1, 1],
    "dense": 32,
    "training": {
        "epochs": 6,
        "batch": 128,
        "learning_rate": 3e-3,
        "schedule": "one_cycle",
        "keep": "last",
    },
    "device": "cpu",
}


def events_of(folder: Path) -> Path:
    """Return the columns of all events; what is missing is made."""
    folder.mkdir(parents=True, exist_ok=True)
    file, columns = folder / "events.h5", folder / "events"
    if not file.is_file():
        simulate(file, background=EVENTS, signal=EVENTS, seed=1)
    if not columns.is_dir():
        processor = MultijetProcessor(min_jets=2, features=(), event_features=("event_image",))
        process(str(file), str(columns), source=LhcoSource(), processor=processor)
    return columns / "columns"


def table(header: tuple[str, ...]) -> None:
    """Print the head of a table."""
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}", flush=True)


def deep(seeds: list[int], folder: Path) -> None:
    """Print what images add to each choice of columns."""
    columns = events_of(folder)
    table(("columns", "AUC of trees", "AUC with images", "gain", "accuracy with images", "CPU s"))
    for what, names in COLUMNS.items():
        sample = Sample.from_parquet(columns, features=(*names, "event_image"))
        runs = np.array([with_and_without(sample, seed) for seed in seeds])
        mean, spread = runs.mean(axis=0), runs.std(axis=0, ddof=1)
        digits = (4, 4, 4, 3, 0)
        cells = [f"{m:.{d}f} ± {s:.{d}f}" for m, s, d in zip(mean, spread, digits, strict=True)]
        print(f"| {what} | {' | '.join(cells)} |", flush=True)


def with_and_without(sample: Sample, seed: int) -> list[float]:
    """Learn one half by the truth, without images and with: numbers of a row."""
    assert sample.label is not None  # of both processes
    learnt = np.random.default_rng(seed).random(len(sample)) < 0.5
    train, test = sample.take(learnt), sample.take(~learnt)
    assert train.label is not None
    assert test.label is not None
    settings = replaced(DeepEnsembleHyper(), DEEP, of="deep_ensemble")
    start = time.process_time()
    found, accuracy = [], 0.0
    for kind, of_kind in (("trees", BoostingHyper(leaves=8)), ("deep_ensemble", settings)):
        hyper = ClassifierHyper(kind=kind, inner_folds=2, members=1, settings=of_kind)
        made = fit_classifier(
            inputs_for(hyper, train.features, train.blocks),
            train.label == 1,
            weight=balance_classes(train.label == 1),
            hyper=hyper,
            seed=seed,
            event=train.event,
        )
        scores = made.score(inputs_for(hyper, test.features, test.blocks))
        found.append(performance(scores, test.label, eps_b=(0.1,)).auc)
        accuracy = float(np.mean((scores > 0.5) == (test.label == 1)))
    return [*found, found[1] - found[0], accuracy, time.process_time() - start]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("deep",))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("runs/images"))
    given = parser.parse_args()
    deep(given.seeds, given.out)


if __name__ == "__main__":
    main()
