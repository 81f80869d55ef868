"""What methods on images reach, over seeds. Prints Markdown.

    python -P benchmarks/images.py deep [--seeds 1 2 3] [--out runs/images]
    python -P benchmarks/images.py medoids [--seeds 1 2 3] [--out runs/images]
    python -P benchmarks/images.py vae [--seeds 1 2 3] [--out runs/images]
    python -P benchmarks/images.py normalised [--seeds 1 2 3] [--out runs/images]

``deep``: a deep ensemble and the same trees on columns alone learn half of 8000 simulated QCD dijets and
8000 events of the R&D signal (Z' of 3.5 TeV to X and Y of 500 and 100 GeV) by the truth, and score the
others; once with momenta and masses in GeV among the columns, and once with numbers without a scale.
The others learn from 5000 QCD jets of 550 to 650 GeV. ``medoids`` and ``vae`` give the AUC of 1500 top jets and of
1500 jets of W bosons against 1500 QCD jets; ``medoids`` also learns from tops, and gives those of QCD and W.
``normalised`` looks for tops, and learns tops and looks for QCD, on images of half as many pixels a side, with the
plain training alone and with negative samples. Events are made where they are missing. The seed decides
what is learnt, and the networks; errors are standard deviations over the seeds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from overdensity.ml import Images, Sample, Window, make_method, performance
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    fit_classifier,
    inputs_for,
)
from overdensity.ml.classifiers.images.deep_ensemble import DeepEnsembleHyper
from overdensity.ml.classifiers.trees import BoostingHyper
from overdensity.ml.hyperparameters import replaced
from overdensity.ml.training.watching import watch
from overdensity.processors import JetProcessor, LhcoSource, MultijetProcessor, process
from overdensity.simulation import read_recipe, simulate, simulate_recipe

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


JETS, W_JETS = 16_000, 2000  # QCD and top jets, half of each
LEARNT, TESTED = 5000, 1500
NO_WINDOW = Window(0.5, 0.0, 1.0, -1.0, 2.0)  # jets have no resonant mass

MEDOIDS: dict[str, tuple[str, dict[str, Any], tuple[float, float]]] = {
    "EMD, p = 1, mean image": ("qcd", {"medoids": 0}, (0.806, 0.618)),
    "EMD, p = 1, 1 medoid": ("qcd", {"medoids": 1}, (0.831, 0.656)),
    "EMD, p = 1, 3 medoids": ("qcd", {"medoids": 3}, (0.853, 0.675)),
    "EMD, p = 1, 5 medoids": ("qcd", {"medoids": 5}, (0.866, 0.596)),
    "EMD, p = 5, 5 medoids": ("qcd", {"medoids": 5, "power": 5.0}, (0.708, 0.426)),
    "MSE, mean image": ("qcd", {"medoids": 0, "metric": "mse"}, (0.832, 0.712)),
    "MSE, 1 medoid": ("qcd", {"medoids": 1, "metric": "mse"}, (0.820, 0.711)),
    "MSE, 5 medoids": ("qcd", {"medoids": 5, "metric": "mse"}, (0.829, 0.668)),
    "EMD, p = 1, 5 medoids of tops": ("top", {"medoids": 5}, (0.45, 0.84)),
}
"""What is learnt from, hyperparameters, and the published AUC of tops (or QCD) and of W."""

VAE: dict[str, Any] = {
    "filters": 5,
    "latent": 16,
    "training": {"epochs": 12, "batch": 64, "learning_rate": 2e-3},
    "device": "cpu",
}
SCORES: dict[str, dict[str, Any]] = {
    "loss": {},
    "MSE": {"score": "mse"},
    "MAE": {"score": "mae"},
    "EMD, p = 0.5": {"score": "emd", "power": 0.5},
    "EMD, p = 1": {"score": "emd", "power": 1.0},
    "EMD, p = 2": {"score": "emd", "power": 2.0},
}
PUBLISHED_VAE = {
    1: ((0.823, 0.610), (0.820, 0.603), (0.793, 0.480), (0.819, 0.446), (0.828, 0.411), (0.807, 0.388)),
    2: ((0.833, 0.654), (0.832, 0.652), (0.802, 0.529), (0.816, 0.509), (0.815, 0.506), (0.809, 0.543)),
    3: ((0.837, 0.647), (0.837, 0.647), (0.808, 0.533), (0.828, 0.522), (0.836, 0.518), (0.817, 0.539)),
}  # fmt: skip
"""AUC of tops and W for each number of blocks, in the order of the scores."""

PIXELS = 20  # a side, for the normalised autoencoder: four of an image in one
NORMALISED: dict[str, Any] = {
    "smoothing": 1.0,
    "output": "linear",
    "first": {"epochs": 30, "batch": 128},
    "training": {"epochs": 3, "batch": 128, "learning_rate": 1e-4},
    "chains": {"latent_steps": 10, "steps": 10},  # a third of the published ones, as far each
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


def jets_of(folder: Path) -> dict[str, Sample]:
    """Return the images of QCD, top and W jets of 550 to 650 GeV; what is missing is made."""
    folder.mkdir(parents=True, exist_ok=True)
    tops = read_recipe("top_jets").scaled(JETS)
    of_w = read_recipe("w_jets")
    signal = tuple(replace(each, events=W_JETS) for each in of_w.processes if each.labelled)
    bosons = replace(of_w, processes=signal, selection=tops.selection)
    found = {}
    for name, recipe in (("top_jets", tops), ("w_jets", bosons)):
        file, columns = folder / f"{name}.h5", folder / name
        if not file.is_file():
            simulate_recipe(recipe, file)
        if not columns.is_dir():
            processor = JetProcessor(radius=0.8, n_jets=1, min_jet_pt=550.0, features=("image",))
            process(str(file), str(columns), source=LhcoSource(), processor=processor)
        found[name] = Sample.from_parquet(columns / "columns", features=("image",))
    label = found["top_jets"].label
    assert label is not None  # of both processes
    kinds = {"qcd": label == 0, "top": label == 1}
    jets = {name: found["top_jets"].take(mine) for name, mine in kinds.items()}
    jets["w"] = found["w_jets"]
    return {name: replace(each, mass=np.full(len(each), 0.5)) for name, each in jets.items()}


def divided(jets: dict[str, Sample], learnt: str, seed: int) -> tuple[Sample, dict[str, Sample]]:
    """Return the jets to learn from, and those of each kind to test with."""
    rng = np.random.default_rng(seed)
    order = {name: rng.permutation(len(each)) for name, each in jets.items()}
    train = jets[learnt].take(np.sort(order[learnt][TESTED:][:LEARNT])).without_label()
    return train, {name: jets[name].take(order[name][:TESTED]) for name in jets}


def auc_of(scores: dict[str, np.ndarray], background: str, signal: str) -> float:
    """Return the AUC of one kind of jets against another."""
    both = np.concatenate([scores[background], scores[signal]])
    label = np.repeat([0, 1], [len(scores[background]), len(scores[signal])])
    return performance(both, label, eps_b=(0.1,)).auc


def medoids(seeds: list[int], folder: Path) -> None:
    """Print the AUC of distances from what stands for all, beside the published ones."""
    jets = jets_of(folder)
    table(("distance", "AUC tops (QCD)", "published", "AUC W", "published", "CPU s"))
    for what, (learnt, hyper, published) in MEDOIDS.items():
        rows = []
        for seed in seeds:
            train, test = divided(jets, learnt, seed)
            start = time.process_time()
            model = make_method("medoids", **{"jets": 200} | hyper)
            model.fit(train, NO_WINDOW, seed=seed)
            scores = {name: model.score(each) for name, each in test.items()}
            other = "top" if learnt == "qcd" else "qcd"
            aucs = [auc_of(scores, learnt, signal) for signal in (other, "w")]
            rows.append([*aucs, time.process_time() - start])
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
        cells = [
            f"{m:.3f} ± {s:.3f} | {p:.3f}" for m, s, p in zip(mean, spread, published, strict=False)
        ]
        print(f"| {what} | {' | '.join(cells)} | {mean[2]:.0f} |", flush=True)


def vae(seeds: list[int], folder: Path) -> None:
    """Print the AUC of each score for each number of blocks, beside the published ones."""
    jets = jets_of(folder)
    table(
        ("blocks", "best validation loss", "score", "AUC tops", "published", "AUC W", "published")
    )
    for blocks, published in PUBLISHED_VAE.items():
        found, losses = [], []
        for seed in seeds:
            train, test = divided(jets, "qcd", seed)
            with watch() as seen:
                model = make_method("image_vae", **VAE | {"blocks": blocks})
                model.fit(train, NO_WINDOW, seed=seed)
            losses.append(min(seen.curves[-1].validation))
            arrays, rows = model.arrays(), []
            for hyper in SCORES.values():
                other = make_method("image_vae", **VAE | {"blocks": blocks} | hyper)
                other.restore(arrays)
                scores = {name: other.score(each) for name, each in test.items()}
                rows.append([auc_of(scores, "qcd", signal) for signal in ("top", "w")])
            found.append(rows)
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
        loss = f"{np.mean(losses):.2f} ± {np.std(losses, ddof=1):.2f}"
        for what, m, s, p in zip(SCORES, mean, spread, published, strict=True):
            cells = [f"{m[i]:.3f} ± {s[i]:.3f} | {p[i]:.3f}" for i in (0, 1)]
            print(f"| {blocks} | {loss} | {what} | {' | '.join(cells)} |", flush=True)


def coarse(jets: Sample) -> Sample:
    """Return jets whose images have fewer pixels."""
    blocks = {}
    for name, block in jets.blocks.items():
        pixels = np.asarray(block[np.arange(len(jets))], np.float32)
        by = pixels.shape[1] // PIXELS
        pixels = pixels.reshape(len(jets), PIXELS, by, PIXELS, by).sum(axis=(2, 4))
        blocks[name] = Images.from_array(pixels)
    return replace(jets, blocks=blocks)


def normalised(seeds: list[int], folder: Path) -> None:
    """Print the AUC of autoencoders without and with negative samples, both ways round."""
    jets = {name: coarse(each) for name, each in jets_of(folder).items()}
    table(
        ("learnt", "looked for", "autoencoder", "AUC", "10³ E learnt", "10³ E looked for", "CPU s")
    )
    for learnt, other in (("qcd", "top"), ("top", "qcd")):
        for what in ("plain", "normalised"):
            rows = []
            for seed in seeds:
                train, test = divided(jets, learnt, seed)
                start = time.process_time()
                hyper = NORMALISED | {"normalise": what == "normalised"}
                model = make_method("normalised_image_autoencoder", **hyper)
                model.fit(train, NO_WINDOW, seed=seed)
                spent = time.process_time() - start
                scores = {name: model.score(test[name]) for name in (learnt, other)}
                energies = [1e3 * np.median(scores[name]) for name in (learnt, other)]
                rows.append([auc_of(scores, learnt, other), *energies, spent])
            mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
            digits = (3, 2, 2)
            cells = [
                f"{m:.{d}f} ± {s:.{d}f}" for m, s, d in zip(mean, spread, digits, strict=False)
            ]
            print(
                f"| {learnt} | {other} | {what} | {' | '.join(cells)} | {mean[3]:.0f} |", flush=True
            )


COMMANDS = {"deep": deep, "medoids": medoids, "vae": vae, "normalised": normalised}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=tuple(COMMANDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("runs/images"))
    given = parser.parse_args()
    COMMANDS[given.what](given.seeds, given.out)


if __name__ == "__main__":
    main()
