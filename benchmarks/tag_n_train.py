"""Tag N' Train with and without the window of the mass, beside its autoencoder. Prints Markdown.

    python -P benchmarks/tag_n_train.py columns [--seeds 1 2 3] [--signals 500 150 50]
    python -P benchmarks/tag_n_train.py images [--seeds 1 2] [--out runs/blocks]

``columns``: 50 000 background events of the reference sample (``../shared``) with so many of the R&D signal
are learnt from, masses, tau21 and tau32 of both jets, and 50 000 others with 10 000 of the signal are scored.
``images``: the same with 25 000 simulated dijets, images of both jets, small networks and 1 % of signal. The
background is that of two boxes without signal, which ``benchmarks/blocks.py searches --events 25000`` has left
in the folder; signal is made where it is missing. AUC and SIC are those of the events of the signal region; the
seed decides which events are learnt from, and the networks; errors are standard deviations over the seeds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from overdensity.ml import Sample, Window, make_method, performance
from overdensity.processors import DijetProcessor, LhcoSource, process
from overdensity.simulation import simulate

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "reference"
COLUMNS = tuple(f"j{jet}_{name}" for name in ("mass", "tau21", "tau32") for jet in (1, 2))
IMAGES = ("j1_mass", "j2_mass", "j1_image", "j2_image")
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
LEARNT, TESTED, TESTED_SIGNAL = 50_000, 50_000, 10_000
LEARNT_IMAGES, SIGNAL_IMAGES = 25_000, 2000

AUTOENCODER = {"epochs": 30, "batch": 200, "nodes": [32, 32, 16, 8], "members": 1}
OF_IMAGES: dict[str, Any] = {
    "filters": [8, 4, 2],
    "training": {"epochs": 6, "batch": 200, "learning_rate": 3e-3},
}
CNN: dict[str, Any] = {
    "kind": "cnn",
    "inner_folds": 2,
    "members": 1,
    "cnn": {
        "filters": [8, 4, 4, 2],
        "training": {"epochs": 8, "batch": 100, "learning_rate": 3e-3, "patience": 3},
    },
}
TAGGED = {"images": OF_IMAGES, "classifier": CNN}
VARIANTS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "columns": {
        "with the window": ("tag_n_train", {}),
        "without": ("tag_n_train", {"resonant": False}),
        "its autoencoder": ("autoencoder", AUTOENCODER),
    },
    "images": {
        "with the window": ("tag_n_train", TAGGED),
        "without": ("tag_n_train", TAGGED | {"resonant": False}),
        "its autoencoder": ("image_autoencoder", OF_IMAGES),
    },
}


def of_reference() -> tuple[Sample, Sample]:
    """Return the columns of background and signal events of the reference sample."""
    background, signal = (
        Sample.from_parquet(REFERENCE / f"rnd_{kind}.parquet", features=COLUMNS)
        for kind in ("background", "signal")
    )
    return labelled(background, 0), labelled(signal, 1)


def of_simulation(folder: Path) -> tuple[Sample, Sample]:
    """Return the images of background events of two boxes, and of signal events."""
    boxes = [folder / "columns" / f"none_{seed}_{LEARNT_IMAGES}" / "columns" for seed in (1, 2)]
    background = [Sample.from_parquet(each, features=IMAGES) for each in boxes]
    file, columns = folder / "events" / "signal.h5", folder / "columns" / "signal"
    if not file.is_file():
        simulate(file, background=0, signal=SIGNAL_IMAGES, seed=50)
    if not columns.is_dir():
        processor = DijetProcessor(features=("image",))
        process(str(file), str(columns), source=LhcoSource(), processor=processor)
    signal = Sample.from_parquet(columns / "columns", features=IMAGES)
    return labelled(Sample.concatenated(*background), 0), labelled(signal, 1)


def labelled(sample: Sample, label: int) -> Sample:
    """Return events with the label of a process."""
    return replace(sample, label=np.full(len(sample), label, np.int8))


def study(what: str, events: tuple[Sample, Sample], seeds: list[int], signals: list[int]) -> None:
    """Print a row for each number of signal events and variant."""
    header = ("signal", "variant", "AUC", "SIC(10 %)", "SIC(1 %)", "CPU s a training")
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}", flush=True)
    learnt = LEARNT if what == "columns" else LEARNT_IMAGES
    for number in signals:
        for variant, (method, hyper) in VARIANTS[what].items():
            rows = []
            for seed in seeds:
                train, test = divided(*events, learnt=learnt, signals=number, seed=seed)
                rows.append(reached(method, hyper, train, test, seed))
            mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
            cells = [
                f"{m:.{d}f} ± {s:.{d}f}" for m, s, d in zip(mean, spread, (3, 2, 2, 0), strict=True)
            ]
            strength = f"{number} ({100 * number / learnt:.1g} %)"
            print(f"| {strength} | {variant} | {' | '.join(cells)} |", flush=True)


def divided(
    background: Sample, signal: Sample, *, learnt: int, signals: int, seed: int
) -> tuple[Sample, Sample]:
    """Return the events to learn from, without labels, and those to test with."""
    rng = np.random.default_rng(seed)
    of_background, of_signal = (rng.permutation(len(each)) for each in (background, signal))
    train = Sample.concatenated(
        background.take(of_background[:learnt]), signal.take(of_signal[:signals])
    )
    test = Sample.concatenated(
        background.take(of_background[learnt:][:TESTED]),
        signal.take(of_signal[signals:][:TESTED_SIGNAL]),
    )
    return train.without_label(), test.take(WINDOW.signal(test.mass))


def reached(
    method: str, hyper: dict[str, Any], train: Sample, test: Sample, seed: int
) -> list[float]:
    """Learn and score: the numbers of a row."""
    model = make_method(method, device="cpu", **hyper) if hyper else make_method(method)
    start = time.process_time()
    model.fit(model.shown(train), WINDOW, seed=seed)
    seconds = time.process_time() - start
    found = performance(model.score(model.shown(test)), test.label, eps_b=(0.1, 0.01))
    return [found.auc, found.sic[0].sic, found.sic[1].sic, seconds]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=tuple(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--signals", type=int, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs/blocks"))
    given = parser.parse_args()
    if given.what == "columns":
        study("columns", of_reference(), given.seeds, given.signals or [500, 150, 50])
    else:
        study("images", of_simulation(given.out), given.seeds, given.signals or [250])


if __name__ == "__main__":
    main()
