"""What methods on constituents reach: AUC, SIC and correlations, over seeds. Prints Markdown.

    python -P benchmarks/jets.py vrnn graph_autoencoder [--seeds 1 2 3] [--out runs/jets]
    python -P benchmarks/jets.py ucluster [--seeds 1 2 3] [--out runs/jets]
    python -P benchmarks/jets.py lstm [--seeds 1 2 3] [--out runs/jets]
    python -P benchmarks/jets.py memory [--methods vrnn ucluster] [--events 50000 500000]
    python -P benchmarks/jets.py published

A simulated box of 40 000 QCD dijets and 4000 events of the R&D signal (Z' of 3.5 TeV to X and Y of 500
and 100 GeV), made where they are missing. For each seed one half of the background and 100 signal
events (0.5 %) are learnt from, and all others are scored; the seed decides the halves, and the
networks. Errors are standard deviations over the seeds. Z is what the events from 3.3 to 3.7 TeV are
worth at the published numbers of events, all of them and those above a cut that keeps 1 % of the
background, with a background uncertainty of 15 %. ``ucluster`` learns with 1 % of signal and without, and
looks into the clusters of the other half. ``lstm`` learns the R&D signal by the truth from jets of radius
0.7, and scores it and a signal with the masses of Black Box 1. ``memory`` learns from events with 100
constituents a jet and scores them, each number in a process of its own. ``published`` tells what a step of
the training of ``examples/published/`` keeps for its gradient, in single precision, from two events with all
constituents.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import norm, spearmanr

from overdensity.ml import Constituents, Sample, Window, make_method, performance
from overdensity.ml.anomaly.substructure.ucluster import UCluster, UClusterHyper
from overdensity.ml.blocks.mapped import forget
from overdensity.ml.classifiers.ensemble import ClassifierHyper, balance_classes, fit_classifier
from overdensity.ml.classifiers.lstm import LstmHyper
from overdensity.ml.hyperparameters import replaced
from overdensity.processors import DijetProcessor, LhcoSource, MultijetProcessor, process
from overdensity.simulation import ZprimeMasses, simulate
from overdensity.workflow import load_config

PUBLISHED_SIZES = Path(__file__).resolve().parents[1] / "examples" / "published"
BACKGROUND, SIGNAL, LEARNT = 40_000, 4000, 100
FEATURES = ("j1_pt", "j1_constituents_50", "j2_constituents_50")
PUBLISHED, UNCERTAINTY = (895_113, 4498), 0.15
WINDOW = Window(3500.0, 3300.0, 3700.0, 2800.0, 4200.0)

VRNN = {"training": {"epochs": 10, "batch": 256, "learning_rate": 3e-3}}
GRAPH = {"particles": 15, "training": {"epochs": 3, "batch": 256, "learning_rate": 2e-3}}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "vrnn": {"kT order": VRNN, "pT order": VRNN | {"order": "pt"}},
    "graph_autoencoder": {
        "MSE": GRAPH,
        "Chamfer": GRAPH | {"loss": "chamfer"},
    },
}
"""What is compared of each method: names and hyperparameters."""

UCLUSTER = {
    "phi": [32, 32],
    "f": [64],
    "particles": 20,
    "pretraining": {"epochs": 6, "batch": 256, "learning_rate": 3e-3},
    "training": {
        "epochs": 8,
        "batch": 256,
        "learning_rate": 3e-3,
        "keep": "last",
        "schedule": "cosine",
    },
}
CLUSTERS = (10, 30)

ONE_EPOCH: dict[str, Any] = {"epochs": 1, "batch": 4096, "keep": "last"}
MEMORY: dict[str, dict[str, Any]] = {
    "vrnn": {"particles": 20, "training": ONE_EPOCH},
    "graph_autoencoder": {"particles": 10, "training": ONE_EPOCH | {"batch": 1024}},
    "ucluster": {
        "particles": 100,
        "phi": [8],
        "f": [8],
        "pretraining": ONE_EPOCH,
        "training": ONE_EPOCH,
    },
}
"""What memory is measured with: an epoch of small networks."""

LSTM = {
    "memory": [32, 64],
    "dense": [64, 64],
    "training": {"epochs": 12, "batch": 256, "learning_rate": 3e-3, "patience": 4},
}
BB1 = (3823.0, 732.0, 378.0)  # GeV


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of background and signal, which are made where they are missing."""
    files = {name: folder / f"{name}.h5" for name in ("background", "signal")}
    for (name, file), events in zip(files.items(), (BACKGROUND, SIGNAL), strict=True):
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            simulate(file, **{"background": 0, "signal": 0, name: events}, seed=100)
    return files


def sample_of(folder: Path) -> Sample:
    """Return all events; files and columns are made where they are missing."""
    parts = []
    for name, file in files_of(folder).items():
        columns = folder / name
        if not columns.is_dir():
            processor = DijetProcessor(features=("tau21", "constituents_50"))
            process(str(file), str(columns), source=LhcoSource(), processor=processor)
        parts.append(Sample.from_parquet(columns / "columns", features=FEATURES))
    return Sample.concatenated(*parts)


def compare(methods: list[str], seeds: list[int], folder: Path) -> None:
    """Print a row for each variant of each method."""
    header = (
        "method", "variant", "AUC", "SIC(10 %)", "SIC(1 %)", "Z of all", "Z at 1 %",
        "ρ(score, mjj)", "ρ(score, pT)", "CPU s a training",
    )  # fmt: skip
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    sample = sample_of(folder)
    for method in methods:
        for variant, hyper in VARIANTS[method].items():
            runs = np.array([one(method, hyper, sample, seed) for seed in seeds])
            mean, spread = runs.mean(axis=0), runs.std(axis=0, ddof=1)
            cells = [
                f"{m:.{d}f} ± {s:.{d}f}"
                for m, s, d in zip(mean, spread, (3, 2, 2, 2, 1, 3, 3, 0), strict=True)
            ]
            print(f"| `{method}` | {variant} | {' | '.join(cells)} |", flush=True)


def halves(sample: Sample, signals: int, seed: int) -> NDArray[np.bool_]:
    """Return which events are learnt from: half of the background, and so many of the signal."""
    assert sample.label is not None  # of both files
    rng, signal = np.random.default_rng(seed), sample.label != 0
    learnt = np.zeros(len(sample), bool)
    for kind, n in ((~signal, np.count_nonzero(~signal) // 2), (signal, signals)):
        learnt[rng.permutation(np.flatnonzero(kind))[:n]] = True
    return learnt


def one(method: str, hyper: dict[str, Any], sample: Sample, seed: int) -> list[float]:
    """Learn from one half and score the other: the numbers of a row."""
    learnt = halves(sample, LEARNT, seed)
    model = make_method(method, **hyper)
    start = time.process_time()
    model.fit(model.shown(sample.take(learnt)), WINDOW, seed=seed)
    seconds = time.process_time() - start
    test = sample.take(~learnt)
    assert test.label is not None
    scores = model.score(model.shown(test))
    found = performance(scores, test.label, eps_b=(0.1, 0.01))
    background = test.label == 0
    correlations = [
        float(spearmanr(scores[background], of[background]).statistic)
        for of in (test.mass, test.features[:, 0])
    ]
    inside = WINDOW.signal(test.mass)
    cut = np.quantile(scores[background], 0.99)
    z = [expected_z(inside & kept, background) for kept in (scores > -np.inf, scores > cut)]
    return [found.auc, found.sic[0].sic, found.sic[1].sic, *z, *correlations, seconds]


def expected_z(kept: NDArray[np.bool_], background: NDArray[np.bool_]) -> float:
    """Return the significance of what a selection keeps, with the numbers and errors published.

    Of 895 113 background and 4498 signal events, with a background uncertainty of 15 % (VRNN,
    arXiv:2101.08320, section 3.1.2): the binomial Z of R. D. Cousins, J. T. Linnemann, J. Tucker,
    arXiv:physics/0702156.
    """
    b = PUBLISHED[0] * kept[background].mean()
    n = b + PUBLISHED[1] * kept[~background].mean()
    tau = 1 / (b * UNCERTAINTY**2)
    return float(norm.isf(betainc(n, b * tau + 1, 1 / (1 + tau))))


def clusters(seeds: list[int], folder: Path) -> None:
    """Print a row for each number of clusters, and one without signal."""
    header = (
        "clusters", "signal", "largest S/B", "S/√B × there", "S/B of the chosen", "S/√B × there",
        "p of the chosen, with trials", "CPU s a training",
    )  # fmt: skip
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    sample = sample_of(folder)
    for n, signals in [*((n, 2 * LEARNT) for n in CLUSTERS), (CLUSTERS[-1], 0)]:
        runs = np.array([clustered(n, signals, sample, seed) for seed in seeds])
        mean, spread = runs.mean(axis=0), runs.std(axis=0, ddof=1)
        purities = [
            f"{m:.{d}f} ± {s:.{d}f}{unit}"
            for m, s, d, unit in zip(
                mean[:4], spread[:4], (1, 1, 1, 1), (" %", "", " %", ""), strict=True
            )
        ]
        cells = [*(purities if signals else ["–"] * 4), ", ".join(f"{p:.2g}" for p in runs[:, 4])]
        print(
            f"| {n} | {'1 %' if signals else 'none'} | {' | '.join(cells)} | {mean[5]:.0f} |",
            flush=True,
        )


def clustered(n: int, signals: int, sample: Sample, seed: int) -> list[float]:
    """Learn so many clusters from one half and look into those of the other: numbers of a row."""
    learnt = halves(sample, signals, seed)
    model = UCluster(replaced(UClusterHyper(), UCLUSTER | {"clusters": n}, of="ucluster"))
    start = time.process_time()
    model.fit(model.shown(sample.take(learnt)), WINDOW, seed=seed)
    seconds = time.process_time() - start
    test = sample.take(~learnt)
    assert test.label is not None
    cluster = model.cluster_of(model.shown(test))
    b, s = (np.bincount(cluster[test.label == each], minlength=n) for each in (0, 1))
    s = s * 0.01 * b.sum() / s.sum()  # 1 % of signal
    ratio = np.where(b >= 25, s / np.maximum(b, 1), 0.0)
    gain = s / np.sqrt(np.maximum(b, 1)) / (s.sum() / np.sqrt(b.sum()))
    best, chosen = int(ratio.argmax()), int(model.excess.argmax())
    both = [number for each in (best, chosen) for number in (100 * ratio[each], gain[each])]
    return [*both, model.p_value, seconds]


def sequences(seeds: list[int], folder: Path) -> None:
    """Print what recurrent networks on jets reach on the signal they learnt, and on another."""
    files_of(folder)
    other = folder / "bb1.h5"
    if not other.is_file():
        simulate(other, background=0, signal=2000, seed=100, masses=ZprimeMasses(*BB1))
    found = {name: jets_of(folder, name) for name in ("background", "signal", "bb1")}
    header = ("momenta", "AUC, R&D", "SIC(1 %), R&D", "AUC, masses of BB1", "SIC(1 %), masses of BB1", "CPU s")  # fmt: skip
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for relative, what in ((True, "over that of the first jet"), (False, "in GeV, as published")):
        runs = np.array([learnt_sequences(found, relative=relative, seed=seed) for seed in seeds])
        mean, spread = runs.mean(axis=0), runs.std(axis=0, ddof=1)
        cells = [
            f"{m:.{d}f} ± {s:.{d}f}" for m, s, d in zip(mean, spread, (3, 1, 3, 1, 0), strict=True)
        ]
        print(f"| {what} | {' | '.join(cells)} |", flush=True)


def jets_of(folder: Path, name: str) -> NDArray[np.float32]:
    """Return pT, eta, phi and mass of eight jets of radius 0.7; columns are made if missing."""
    columns = folder / f"{name}_r07"
    if not columns.is_dir():
        processor = MultijetProcessor(
            radius=0.7, features=(), event_features=(), min_jets=2, described=8
        )
        process(str(folder / f"{name}.h5"), str(columns), source=LhcoSource(), processor=processor)
    names = [f"j{i}_{each}" for i in range(1, 9) for each in ("pt", "eta", "phi", "mass")]
    return Sample.from_parquet(columns / "columns", features=names).features


def learnt_sequences(
    found: dict[str, NDArray[np.float32]], *, relative: bool, seed: int
) -> list[float]:
    """Learn half of the background and of the R&D signal and score the rest: numbers of a row."""
    rng = np.random.default_rng(seed)
    order = {name: rng.permutation(len(found[name])) for name in ("background", "signal")}
    half = {name: len(each) // 2 for name, each in order.items()}
    learnt = [found[name][order[name][: half[name]]] for name in order]
    x, y = np.concatenate(learnt), np.repeat([False, True], [len(each) for each in learnt])
    weight = balance_classes(y, None)
    settings = replaced(LstmHyper(relative=relative), LSTM, of="lstm")
    hyper = ClassifierHyper(kind="lstm", inner_folds=2, members=1, settings=settings)
    start = time.process_time()
    event = np.arange(len(x), dtype=np.uint64)
    made = fit_classifier(x, y, weight=weight, hyper=hyper, seed=seed, event=event)
    seconds = time.process_time() - start
    background, signal = (made.score(found[name][order[name][half[name] :]]) for name in order)
    row = []
    for scores in (signal, made.score(found["bb1"])):
        label = np.repeat([0, 1], [len(background), len(scores)])
        reached = performance(np.concatenate([background, scores]), label, eps_b=(0.01,))
        row += [reached.auc, reached.sic[0].sic]
    return [*row, seconds]


def memory(methods: list[str], numbers: list[int]) -> None:
    """Print the most memory that training and scoring so many events takes, each in a process."""
    print("| method | events of two jets | constituents on disk [GB] | most memory [GB] | CPU s |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for method in methods:
        for events in numbers:
            command = [sys.executable, "-P", __file__, "score", "--methods", method]
            subprocess.run([*command, "--events", str(events)], check=True)


def score(method: str, events: int) -> None:
    """Train for an epoch and score so many events, and print what it took: a row."""
    model = make_method(method, **MEMORY[method] | {"device": "cpu"})
    with tempfile.TemporaryDirectory() as folder:
        sample = toy(events, Path(folder))
        model.fit(sample, WINDOW, seed=1)
        model.score(sample)
        size = sum(block.stores[0].values.nbytes for block in sample.blocks.values()) / 1e9
        own = resource.getrusage(resource.RUSAGE_SELF)
        print(
            f"| `{method}` | {events} | {size:.2f} | {own.ru_maxrss / 1e6:.2f} | {own.ru_utime:.0f} |"
        )


def published() -> None:
    """Print what a step of each tagger of its published size keeps in memory."""
    header = ("kind", "parameters", "constituents", "batch", "kept a step [GB]")
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    rng, few = np.random.default_rng(1), 2
    for kind in ("pcnn", "particlenet", "part", "lorentznet"):
        method = load_config(PUBLISHED_SIZES / f"{kind}.yaml").method
        settings = make_method(method.name, **method.hyperparameters).hyper.classifier.settings
        shape = (few, settings.particles)
        share = rng.dirichlet(np.ones(shape[1]), few)
        jet = torch.tensor(np.stack([share, *rng.normal(0, 0.2, (2, *shape))], axis=2)).float()
        network, kept = settings.network(0, 2), {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network(torch.empty(few, 0), jet, jet)
        numbers = [weight.numel() for weight in network.parameters()]
        size = (sum(kept.values()) - 4 * sum(numbers)) / few * settings.training.batch / 1e9
        cells = (sum(numbers), settings.particles, settings.training.batch)
        print(f"| `{kind}` | {' | '.join(map(str, cells))} | {size:.0f} |")


def toy(events: int, folder: Path) -> Sample:
    """Return events of two jets of 100 constituents, which lie in memory maps."""
    blocks = {}
    for jet in (1, 2):
        shape = (events * 100, 3)
        values = np.memmap(folder / f"j{jet}", np.float32, "w+", shape=shape)
        rng = np.random.default_rng(jet)
        for start in range(0, len(values), 1_000_000):
            some = values[start : start + 1_000_000]
            some[:, 0] = rng.exponential(20.0, len(some)) + 0.1
            some[:, 1:] = rng.normal(0, 0.2, (len(some), 2))
            forget(values)
        offsets = np.arange(events + 1) * 100
        blocks[f"j{jet}_constituents"] = Constituents.from_arrays(offsets, values).normalised()
    mass = np.random.default_rng(0).uniform(2600, 6000, events)
    return Sample.from_arrays(mass, np.empty((events, 0)), (), blocks=blocks)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "what", nargs="+", choices=(*VARIANTS, "ucluster", "lstm", "memory", "published", "score")
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", choices=MEMORY, default=list(MEMORY))
    parser.add_argument("--events", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--out", type=Path, default=Path("runs/jets"))
    given = parser.parse_args()
    if given.what == ["memory"]:
        memory(given.methods, given.events)
    elif given.what == ["published"]:
        published()
    elif given.what == ["score"]:
        score(given.methods[0], given.events[0])
    elif given.what == ["ucluster"]:
        clusters(given.seeds, given.out)
    elif given.what == ["lstm"]:
        sequences(given.seeds, given.out)
    else:
        compare(given.what, given.seeds, given.out)


if __name__ == "__main__":
    main()
