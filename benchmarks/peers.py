"""Our defaults beside what others use, in one run; every part prints a Markdown table.

    python -P benchmarks/peers.py cathode --sk-cathode CHECKOUT [--quick]
    python -P benchmarks/peers.py loop [--epochs 251] [--quick]

cathode  CATHODE from data to scores, beside the public sk_cathode package: the same data, the same
         flow, epochs, batches and learning rate; needs a checkout of the package
loop     the CWoLa scan of 500 000 events, beside the published 600 networks in a loop of plain
         PyTorch; of both a part is timed and scaled. 25 epochs are enough to time the networks, not
         to train them: 251 take an hour of CPU

Times are CPU seconds of one thread, which a busy machine disturbs less than wall time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from overdensity.ml import (
    Folding,
    Performance,
    Sample,
    Window,
    fold_of,
    make_method,
    performance,
    scan_windows,
    score_fold,
    train_fold,
)
from overdensity.ml.anomaly.weak_supervision.cwola import balanced_weights
from overdensity.ml.flows.conditional import FlowHyper
from overdensity.ml.inputs.jet_columns import mass_difference, rescale_masses, sort_jets

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
SPLIT_WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
THEIRS = "sk_cathode"
OURS = (
    "ours, same flow, batches and learning rate",
    "ours, same flow and epochs",
    "ours, default",
)
SEEDS = 3
# what sk_cathode has by default, in our words, with fewer epochs; its hidden layers are two a block
MAF = FlowHyper(
    family="maf",
    layers=15,
    width=128,
    depth=2,
    epochs=5,
    batch=256,
    learning_rate=1e-4,
    weight_decay=1e-6,
    schedule="constant",
    clip=0.0,
)
OWN = FlowHyper(family="maf", layers=15, width=128, depth=2, epochs=5)  # trained as ours are
AT_3500 = 2  # the window of the scan around 3.5 TeV
BESIDE = (5, 8)  # windows of which one fold is timed as well
INJECTED = 800  # of the signal, in 500 000: S/sqrt(B) = 2.2 in the signal region, as published
INNER, RESTARTS, OUTER = 4, 3, 5  # published
PUBLISHED_EPOCHS = 251  # at least: training ends 250 epochs after the best
LOOP_EPOCHS = 25  # of those that are timed


def read(name: str) -> Sample:
    """Return a file of the reference sample."""
    columns = pq.read_table(REFERENCE / f"rnd_{name}.parquet", columns=["mjj", *FEATURES, "label"])
    features = np.stack([columns[feature].to_numpy() for feature in FEATURES], axis=1)
    first = 10**7 if name == "signal" else 0
    ids = np.arange(first, first + len(columns), dtype=np.uint64)
    return Sample.from_arrays(columns["mjj"], features, FEATURES, event=ids, label=columns["label"])


def join(a: Sample, b: Sample) -> Sample:
    """Return the events of both samples."""
    assert a.label is not None
    assert b.label is not None
    event, mass, features = (
        np.concatenate([getattr(a, key), getattr(b, key)]) for key in ("event", "mass", "features")
    )
    return Sample(event, mass, features, a.names, label=np.concatenate([a.label, b.label]))


def table(header: str, rows: list[str]) -> None:
    """Print a Markdown table."""
    print(f"| {header} |\n|{' --- |' * (header.count('|') + 1)}")
    print("\n".join(f"| {row} |" for row in rows), end="\n\n", flush=True)


def spread(values: list[float], digits: int = 1) -> str:
    """Return the median and the range."""
    low, mid, high = min(values), float(np.median(values)), max(values)
    return f"{mid:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


# --- CATHODE from data to scores ------------------------------------------------------------------


def cathode(checkout: Path, *, quick: bool) -> None:
    """Time both packages on the split of DATA.md, one after the other for each seed."""
    background, signal = read("background"), read("signal")
    data = join(background.take(np.arange(250_000)), signal.take(np.arange(565)))
    test = join(
        background.take(np.arange(250_000, 500_000)), signal.take(np.arange(20_000, 50_000))
    )
    test = test.take(SPLIT_WINDOW.signal(test.mass))
    flow, own = (replace(each, epochs=1) if quick else each for each in (MAF, OWN))
    print(
        f"MAF of {flow.layers} blocks of {flow.depth} x {flow.width}, {flow.epochs} epochs; "
        f"batches of {flow.batch} at a rate of {flow.learning_rate:g}, or of {own.batch} from "
        f"{own.learning_rate:g} along a cosine; {len(data)} events; CPU seconds of one thread; "
        "median (range) of the seeds\n"
    )
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(1 if quick else SEEDS):
        rows = {THEIRS: _sk_cathode(checkout, data.without_label(), test, seed, flow.epochs)}
        for name, hyper in zip(OURS, (flow, own, None), strict=True):
            rows[name] = _ours(data.without_label(), test, seed, hyper)
        for name, row in rows.items():
            found.setdefault(name, []).append(row)
        print(f"{seed + 1} seeds\n")
        _report(found)


def _report(found: dict[str, list[tuple[float, ...]]]) -> None:
    """Print what was found so far."""
    digits = (0, 0, 0, 1, 1, 1, 3)
    rows = []
    for name, each in found.items():
        times = spread([b[2] / a[2] for a, b in zip(each, found[THEIRS], strict=True)])
        columns = zip(zip(*each, strict=True), digits, strict=True)
        cells = [spread(list(column), d) for column, d in columns]
        rows.append(f"{name} | {' | '.join([*cells[:3], times, *cells[3:]])}")
    table(
        "CATHODE | flow, s | samples, classifier, scores, s | all, s | times as fast | SIC(1e-2) "
        "| SIC(1e-3) | max SIC | AUC",
        rows,
    )


def _ours(data: Sample, test: Sample, seed: int, flow: FlowHyper | None) -> tuple[float, ...]:
    """Return the seconds of both halves and of all, and the figures."""
    method = make_method(
        "cathode", device="cpu", **({} if flow is None else {"flow": asdict(flow)})
    )
    start = time.process_time()
    outside = method.fit_outside(data, SPLIT_WINDOW, seed=seed)
    middle = time.process_time()
    score = method.fit_inside(outside, data, SPLIT_WINDOW, seed=seed).score(test)
    end = time.process_time()
    return middle - start, end - middle, end - start, *_figures(score, test)


def _sk_cathode(
    checkout: Path, data: Sample, test: Sample, seed: int, epochs: int
) -> tuple[float, ...]:
    """Do what demos/cathode_walkthrough.ipynb of sk_cathode does.

    One event in ten validates the flow, as ours does; one in four validates the classifier, as
    theirs does.
    """
    sys.path.insert(0, str(checkout))
    from sk_cathode.classifier_models.neural_network_classifier import NeuralNetworkClassifier
    from sk_cathode.generative_models.conditional_normalizing_flow_torch import (
        ConditionalNormalizingFlow,
    )
    from sk_cathode.utils.preprocessing import LogitScaler
    from sklearn.neighbors import KernelDensity
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    np.random.seed(seed)  # noqa: NPY002 - the package draws from the global state
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, test_x = (_published_features(sample) for sample in (data, test))
    inside = SPLIT_WINDOW.signal(data.mass)
    m = data.mass[:, None] / 1000  # TeV, as in its demos
    quiet = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as work,
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        start = time.process_time()
        order = rng.permutation(np.flatnonzero(~inside))
        check, learn = np.split(order, [len(order) // 10])
        scaler = make_pipeline(LogitScaler(), StandardScaler())
        z = scaler.fit_transform(x[learn])
        flow = ConditionalNormalizingFlow(
            save_path=f"{work}/flow", num_inputs=x.shape[1], epochs=epochs, no_gpu=True
        )
        flow.fit(z, m[learn], scaler.transform(x[check]), m[check])
        seconds_flow = time.process_time() - start

        start = time.process_time()
        masses = LogitScaler(epsilon=1e-8)
        density = KernelDensity(bandwidth=0.01, kernel="gaussian")
        density.fit(masses.fit_transform(m[inside]))
        n = 4 * np.count_nonzero(inside)
        drawn = density.sample(n, random_state=seed).astype(np.float32)
        samples = flow.sample(n_samples=n, m=masses.inverse_transform(drawn))
        both = np.concatenate([x[inside], scaler.inverse_transform(samples)])
        y = (np.arange(len(both)) < np.count_nonzero(inside)).astype(np.float32)
        order = rng.permutation(len(both))
        check, learn = np.split(order, [len(order) // 4])
        standard = StandardScaler().fit(x[inside])
        both, test_z = standard.transform(both), standard.transform(test_x)
        classifier = NeuralNetworkClassifier(
            save_path=f"{work}/networks",
            n_inputs=x.shape[1],
            early_stopping=True,
            epochs=None,
            no_gpu=True,
        )
        classifier.fit(both[learn], y[learn], both[check], y[check])
        score = classifier.predict(test_z)[:, 0]
        rest = time.process_time() - start
    return seconds_flow, rest, seconds_flow + rest, *_figures(score, test)


def _published_features(sample: Sample) -> NDArray[np.float32]:
    """Return lighter mass and mass difference in TeV, and tau21 of both jets."""
    features = mass_difference(sort_jets(sample)).features.copy()
    features[:, :2] /= 1000
    return features


def _figures(score: NDArray[np.floating], test: Sample) -> tuple[float, ...]:
    found = _performance(score, test)
    return *(point.sic for point in (*found.sic, found.max_sic)), found.auc


# --- the CWoLa scan -------------------------------------------------------------------------------


def loop(*, epochs: int, quick: bool) -> None:
    """Time parts of the scan with trees and of the loop of networks, and measure their SIC."""
    background, signal = read("background"), read("signal")
    chosen = np.zeros(len(signal), bool)
    chosen[np.random.default_rng(1).choice(len(signal), INJECTED, replace=False)] = True
    data, rest = join(background, signal.take(chosen)), signal.take(~chosen)
    windows = scan_windows()
    inside = np.array(
        [
            np.count_nonzero((data.mass >= w.sideband_low) & (data.mass < w.sideband_high))
            for w in windows
        ]
    )
    score_fold(
        make_method("cwola"), data.take(np.arange(0, len(data), 20)), windows[5], 0, Folding(seed=1)
    )
    parts = [
        _trees("trees, default folds", data, rest, inside, folding=Folding(seed=1), quick=quick),
        _trees(
            "trees, published folds",
            data,
            rest,
            inside,
            folding=Folding(seed=1, folds=OUTER, scheme="all"),
            quick=quick,
        ),
        _networks(data, rest, inside, epochs=2 if quick else epochs),
    ]
    print(
        f"{len(background)} background and {INJECTED} signal events, {len(windows)} windows; CPU "
        "seconds of one thread\n"
    )
    table(
        "classifier | trainings | timed, s | scaled by | full scan, h | loop / this",
        [
            f"{head} | {seconds / 3600:.2f} | {parts[-1][1] / seconds:.0f}"
            for head, seconds, _ in parts
        ],
    )
    print(
        "In the SR at 3.5 TeV, on signal and on background that the model has not seen; errors are "
        "those of the test events\n"
    )
    rows = []
    for head, _, found in parts:
        name = head.split(" |", maxsplit=1)[0]
        points = [(*each.sic, each.max_sic) for each in found]
        cells = [f"{p.sic:.1f} ± {p.sic_error:.1f}" for p in points[0]]
        rows.append(f"{name} | fold 0 | {' | '.join(cells)} | {found[0].auc:.3f}")
        if len(found) > 1:
            cells = [spread([p.sic for p in column]) for column in zip(*points, strict=True)]
            cells.append(spread([each.auc for each in found], 3))
            rows.append(f"{name} | median (range) of {len(found)} | {' | '.join(cells)}")
    table("classifier | fold | SIC(1e-2) | SIC(1e-3) | max SIC | AUC", rows)


def _trees(
    name: str,
    data: Sample,
    rest: Sample,
    inside: NDArray[np.int64],
    *,
    folding: Folding,
    quick: bool,
) -> tuple[str, float, list[Performance]]:
    """Return the first cells of a row, the seconds of the full scan, and the figures of the folds."""
    windows, method = scan_windows(), make_method("cwola")
    at_signal = 1 if quick else folding.folds
    timed = [(AT_3500, fold) for fold in range(at_signal)]
    timed += [] if quick else [(window, 0) for window in BESIDE]
    cpu, found = 0.0, []
    for window, fold in timed:
        start = time.process_time()
        fitted = train_fold(method, data, windows[window], fold, folding)
        fitted.score(data.take(folding.rows(data.event, fold)))
        cpu += time.process_time() - start
        if window == AT_3500:
            unseen = ~folding.training(data.event, fold)
            test = _test(data.take(unseen), rest)
            found.append(_performance(fitted.score(test), test))
    scale = folding.folds * inside.sum() / inside[[window for window, _ in timed]].sum()
    head = (
        f"{name} | {len(windows) * folding.folds * INNER} x {method.hyper.classifier.members} | {cpu:.0f}, {len(timed)} "
        f"windows and folds | {scale:.1f}"
    )
    return head, cpu * scale, found


def _networks(
    data: Sample, rest: Sample, inside: NDArray[np.int64], *, epochs: int
) -> tuple[str, float, list[Performance]]:
    """Return the same of the loop: one window and fold, trained for some of the epochs."""
    window = scan_windows()[AT_3500]
    held_out = fold_of(data.event, OUTER, seed=1) == 0
    ours = ~held_out & (data.mass >= window.sideband_low) & (data.mass < window.sideband_high)
    seen = data.take(ours)
    x = rescale_masses(seen).features
    mean, std = x.mean(axis=0), x.std(axis=0)
    inner = fold_of(seen.event, INNER, seed=1, salt="inner")
    columns = (
        torch.from_numpy((x - mean) / std),
        torch.from_numpy(window.signal(seen.mass).astype(np.float32)),
        torch.from_numpy(balanced_weights(seen, window).astype(np.float32)),
    )
    cpu = time.process_time()
    models = []
    for fold in range(INNER):
        learn, check = (torch.from_numpy(np.flatnonzero(w)) for w in (inner != fold, inner == fold))
        tried = [
            _train_one(columns, learn, check, epochs=epochs, seed=3 * fold + i)
            for i in range(RESTARTS)
        ]
        models.append(max(tried, key=lambda pair: pair[0])[1])
    cpu = time.process_time() - cpu
    test = _test(data.take(held_out), rest)
    test_x = torch.from_numpy((rescale_masses(test).features - mean) / std)
    with torch.no_grad():
        score = torch.stack([torch.sigmoid(model(test_x)[:, 0]) for model in models]).mean(dim=0)
    scale = OUTER * inside.sum() / inside[AT_3500] * PUBLISHED_EPOCHS / epochs
    networks = len(inside) * OUTER * INNER * RESTARTS
    head = (
        f"networks in a loop | {networks // RESTARTS} x {RESTARTS}, {PUBLISHED_EPOCHS} epochs "
        f"| {cpu:.0f}, 1 window and fold, {epochs} epochs | {scale:.0f}"
    )
    return head, cpu * scale, [_performance(score.numpy(), test)]


def _train_one(
    columns: tuple[torch.Tensor, ...],
    learn: torch.Tensor,
    check: torch.Tensor,
    *,
    epochs: int,
    seed: int,
) -> tuple[float, torch.nn.Module]:
    """Train a network as published (arXiv:2101.08320, section 4.1.1), and return its best epoch."""
    torch.manual_seed(seed)
    nn = torch.nn
    model = nn.Sequential(
        *(nn.Linear(columns[0].shape[1], 128), nn.LeakyReLU(0.1), nn.Dropout(0.1)),
        *(nn.Linear(128, 128), nn.ELU(), nn.Dropout(0.1)),
        *(nn.Linear(128, 128), nn.ELU(), nn.Dropout(0.1)),
        *(nn.Linear(128, 128), nn.ELU(), nn.Linear(128, 1)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.8, 0.99))
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + 5e-4 * step))
    x, y, weight = columns
    best, state = -math.inf, model.state_dict()
    for _ in range(epochs):
        model.train()
        for batch in learn[torch.randperm(len(learn))].split(5000):
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(
                model(x[batch])[:, 0], y[batch], weight=weight[batch]
            )
            loss.backward()
            optimizer.step()
            decay.step()
        model.eval()
        with torch.no_grad():
            score = model(x[check])[:, 0]
        inside, w = y[check] > 0, weight[check]
        order = score[~inside].argsort(descending=True)
        above = w[~inside][order].cumsum(dim=0) / w[~inside].sum()
        threshold = score[~inside][order][torch.searchsorted(above, 0.01)]
        efficiency = float(w[inside & (score > threshold)].sum() / w[inside].sum())
        if efficiency > best:
            best = efficiency
            state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return best, model.eval()


def _test(unseen: Sample, rest: Sample) -> Sample:
    """Return background of the signal region that was not trained on, and signal left over."""
    window = scan_windows()[AT_3500]
    assert unseen.label is not None
    background = unseen.take(window.signal(unseen.mass) & (unseen.label == 0))
    return join(background, rest.take(window.signal(rest.mass)))


def _performance(score: NDArray[np.floating], test: Sample) -> Performance:
    assert test.label is not None
    return performance(score, test.label)


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="+", choices=["cathode", "loop"])
    parser.add_argument("--sk-cathode", type=Path, metavar="CHECKOUT", help="of the package")
    parser.add_argument(
        "--epochs", type=int, default=LOOP_EPOCHS, help="of the loop, before it is scaled"
    )
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch")
    arguments: Any = parser.parse_args()
    torch.set_num_threads(1)
    checkout = arguments.sk_cathode
    if "cathode" in arguments.parts and not (checkout and (checkout / "sk_cathode").is_dir()):
        parser.error(
            f"no checkout of sk_cathode at {checkout}; get one by `git clone "
            "https://github.com/uhh-pd-ml/sk_cathode` and give its path by --sk-cathode"
        )
    for part in arguments.parts:
        if part == "cathode":
            cathode(checkout, quick=arguments.quick)
        else:
            loop(epochs=arguments.epochs, quick=arguments.quick)


if __name__ == "__main__":
    main()
