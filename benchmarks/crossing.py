"""CWoLa against autoencoder at falling signal strength (arXiv:2101.08320, section 4.2.2, figure 37).

    python -P benchmarks/crossing.py [--signal COLUMNS] [--work FOLDER] [--seeds 0 1 2 3 4] [--figure FILE]
                                     [--strengths 0 6e-4 1.2e-3 2e-3 3e-3 4e-3 6e-3]

At each S/B in the signal region and for each seed, a random subset of the signal is added to the
500 000 background events of the reference sample; both methods are trained on four fifths of them
and measured on the last fifth and on the signal that was left over. Results are kept in FOLDER, one
line each, and an interrupted run goes on. COLUMNS is a folder of `overdensity process` with another
signal; without it, that of the reference sample.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import Folding, Sample, Window, make_method, train_fold
from overdensity.ml.anomaly.outliers.autoencoder import Autoencoder
from overdensity.ml.evaluation.metrics import auc
from overdensity.stats import log_edges
from overdensity.stats.p_values.local import asimov_z

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
STRENGTHS = (0.0, 6e-4, 1.2e-3, 2e-3, 3e-3, 4e-3, 6e-3)  # S/B; published: 1.2e-3 to 6e-3
TESTED = 10_000  # signal events of the signal region that are left over, at most
FOLDS = 5
EDGES = log_edges(2800.0, 5200.0, 15)  # published: 15 bins, three of them the signal region
WINDOW = Window(3513.5, EDGES[4], EDGES[7], EDGES[2], EDGES[9])
JET = ("mass", "tau1", "tau21", "tau32", "n")
CWOLA = tuple(f"{jet}_{name}" for jet in ("j1", "j2") for name in JET)
AUTOENCODER = tuple(f"{jet}_{name}" for jet in ("j1", "j2") for name in (*JET, "pt", "eta"))
SELECTION = 0.003  # published: best for CWoLa
CUTS = (0.025, 0.8)  # published: best for the autoencoders, lighter and heavier jet
SELECTIONS = (0.1, 0.03, 0.01, 0.003, 0.001)


def read(path: Path, first_id: int) -> Sample:
    """Return the events of a Parquet file or folder in the published range of the mass."""
    columns = pq.read_table(path, columns=["mjj", *AUTOENCODER, "label"])
    features = np.stack([columns[name].to_numpy() for name in AUTOENCODER], axis=1)
    ids = np.arange(first_id, first_id + len(columns), dtype=np.uint64)
    sample = Sample.from_arrays(
        columns["mjj"], features, AUTOENCODER, event=ids, label=columns["label"]
    )
    return sample.take((sample.mass >= EDGES[0]) & (sample.mass < EDGES[-1]))


def join(a: Sample, b: Sample) -> Sample:
    """Return the events of both samples; truth is not needed."""
    event, mass, features = (
        np.concatenate([getattr(a, key), getattr(b, key)]) for key in ("event", "mass", "features")
    )
    return Sample(event, mass, features, a.names)


def only(sample: Sample, names: tuple[str, ...]) -> Sample:
    """Return the sample with some of its features."""
    columns = [sample.names.index(name) for name in names]
    return replace(sample, features=sample.features[:, columns], names=names)


def measure(background: Sample, signal: Sample, strength: float, seed: int) -> dict[str, float]:
    """Return the figures of both methods for one subset of the signal."""
    inside = WINDOW.signal(background.mass)
    in_signal = WINDOW.signal(signal.mass).mean()
    n = round(strength * inside.sum() / in_signal)
    chosen = np.zeros(len(signal), bool)
    chosen[np.random.default_rng(seed).choice(len(signal), n, replace=False)] = True
    data = join(background, signal.take(chosen))
    rest = signal.take(~chosen)
    folding = Folding(seed=seed, folds=FOLDS, scheme="all")
    test_b = background.take(folding.rows(background.event, 0))
    test_s = rest.take(np.flatnonzero(WINDOW.signal(rest.mass))[:TESTED])
    found: dict[str, float] = {"strength": strength, "seed": seed, "injected": n}
    n_b, n_s = float(inside.sum()), strength * inside.sum()
    found["z all"] = float(asimov_z(n_s, n_b, 0.0))

    def z(kept_b: NDArray[np.bool_], kept_s: NDArray[np.bool_]) -> float:
        eps_b = max(kept_b[WINDOW.signal(test_b.mass)].mean(), 1 / n_b)
        return float(asimov_z(n_s * kept_s.mean(), n_b * eps_b, 0.0))

    def compare(name: str, b: NDArray[np.float32], s: NDArray[np.float32]) -> None:
        at_signal, beside = b[WINDOW.signal(test_b.mass)], b[~WINDOW.signal(test_b.mass)]
        found[f"auc {name}"] = _auc(at_signal, s)
        found[f"sr-sb {name}"] = _auc(beside, at_signal)
        for selection in SELECTIONS:
            cut = np.quantile(b, 1 - selection)
            found[f"z {name} {selection:g}"] = z(b > cut, s > cut)

    for name, columns in (("cwola", CWOLA), ("autoencoder", AUTOENCODER)):
        method = train_fold(make_method(name), only(data, columns), WINDOW, 0, folding)
        b, s = only(test_b, columns), only(test_s, columns)
        if not isinstance(method, Autoencoder):
            compare(name, method.score(b), method.score(s))
            continue
        error_b, error_s = method.errors(b), method.errors(s)
        compare(name, error_b.mean(axis=1), error_s.mean(axis=1))
        for jet, mine_b, mine_s in zip(("light", "heavy"), error_b.T, error_s.T, strict=True):
            compare(jet, mine_b, mine_s)
        cut = [np.quantile(e, 1 - kept) for e, kept in zip(error_b.T, CUTS, strict=True)]
        found["z cuts"] = z((error_b > cut).all(axis=1), (error_s > cut).all(axis=1))
    return found


def _auc(b: NDArray[np.float32], s: NDArray[np.float32]) -> float:
    label = np.r_[np.zeros(len(b), np.int8), np.ones(len(s), np.int8)]
    return auc(np.r_[b, s], label)


def run(
    signal: Sample, store: Path, seeds: list[int], strengths: list[float]
) -> list[dict[str, float]]:
    """Measure what is not in the store yet, and return what was asked for."""
    asked = [(k, seed) for seed in seeds for k in strengths]
    known = {(each["strength"], each["seed"]) for each in read_lines(store)}
    missing = [pair for pair in asked if pair not in known]
    background = read(REFERENCE / "rnd_background.parquet", 0) if missing else signal
    for strength, seed in missing:
        add_line(store, measure(background, signal, strength, seed))
    return [each for each in read_lines(store) if (each["strength"], each["seed"]) in asked]


def strengths_of(results: list[dict[str, float]]) -> list[float]:
    """Return the strengths of the results, from none to the largest."""
    return sorted({each["strength"] for each in results})


def column(results: list[dict[str, float]], key: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and standard deviation over the seeds, one a strength; 0 for a single seed."""
    groups = [
        [r[key] for r in results if r["strength"] == strength] for strength in strengths_of(results)
    ]
    std = [np.std(g, ddof=1) if len(g) > 1 else 0.0 for g in groups]
    return np.array([np.mean(g) for g in groups]), np.array(std)


def crossing(strengths: list[float], a: NDArray[Any], b: NDArray[Any]) -> str:
    """Return the S/B from which on a stays above b, between strengths linear in the logarithm."""
    below = np.flatnonzero(a <= b)
    i = below[-1] if len(below) else 0
    if i == 0:
        return f"below {strengths[1]:.1e}"
    if i == len(strengths) - 1:
        return f"above {strengths[-1]:.1e}"
    x = np.log(strengths[i : i + 2])
    gap = (a - b)[i : i + 2]
    return f"{np.exp(x[0] - gap[0] * (x[1] - x[0]) / (gap[1] - gap[0])):.1e}"


def report(results: list[dict[str, float]], figure: Path | None, title: str) -> None:
    """Print the tables and draw the figure."""
    print(
        f"Mean ± standard deviation of {len({r['seed'] for r in results})} subsets of the signal\n"
    )
    keys = {
        "AUC CWoLa": "auc cwola",
        "AUC AE": "auc autoencoder",
        "AE, lighter jet": "auc light",
        "AE, heavier jet": "auc heavy",
        "z, all": "z all",
        f"z, CWoLa {SELECTION:.1%}": f"z cwola {SELECTION:g}",
        "z, AE published cuts": "z cuts",
    }
    best = max(SELECTIONS, key=lambda s: column(results, f"z autoencoder {s:g}")[0].sum())
    keys[f"z, AE {best:.1%}"] = f"z autoencoder {best:g}"
    found = {name: column(results, key) for name, key in keys.items()}
    print(f"| S/B | {' | '.join(found)} |\n|{' --- |' * (1 + len(found))}")
    strengths = strengths_of(results)
    for i, strength in enumerate(strengths):
        cells = [
            f"{mean[i]:.{3 if 'z' not in name else 1}f} ± {std[i]:.{3 if 'z' not in name else 1}f}"
            for name, (mean, std) in found.items()
        ]
        print(f"| {strength:g} | {' | '.join(cells)} |")
    print(f"\nAUC cross at S/B = {crossing(strengths, found['AUC CWoLa'][0], found['AUC AE'][0])}")
    for name in ("z, AE published cuts", f"z, AE {best:.1%}", "z, all"):
        at = crossing(strengths, found[f"z, CWoLa {SELECTION:.1%}"][0], found[name][0])
        print(f"CWoLa passes {name!r} at S/B = {at}")
    for name in ("cwola", "autoencoder"):
        mean, std = column(results, f"sr-sb {name}")
        print(
            f"AUC of SR against the other background, no signal, {name}: {mean[0]:.3f} ± {std[0]:.3f}"
        )
    if figure is not None:
        draw(strengths[1:], found, best, title).savefig(figure, dpi=110)


def draw(x: list[float], found: dict[str, Any], best: float, title: str) -> Figure:
    """Draw both panels of the published figure, at strengths x."""
    plot = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = plot.subplots(1, 2)
    lines = {
        left: {
            "AUC CWoLa": ("CWoLa", "C0", "-"),
            "AUC AE": ("autoencoders, both jets", "C1", "-"),
            "AE, heavier jet": ("heavier jet alone", "C5", "--"),
            "AE, lighter jet": ("lighter jet alone", "C2", "--"),
        },
        right: {
            f"z, CWoLa {SELECTION:.1%}": (f"CWoLa, {SELECTION:.1%} of the events", "C0", "-"),
            "z, AE published cuts": ("autoencoders, published cuts", "C1", "-"),
            f"z, AE {best:.1%}": (f"autoencoders, best: {best:.1%}", "C1", "--"),
            "z, all": ("all events", "C2", ":"),
        },
    }
    for axis, curves in lines.items():
        for name, (label, colour, style) in curves.items():
            mean, std = (values[1:] for values in found[name])
            axis.errorbar(
                x, mean, std, label=label, color=colour, linestyle=style, marker=".", capsize=2
            )
        axis.axvline(
            3e-3, color="0.7", linewidth=6, alpha=0.5, label="published crossing", zorder=0
        )
        axis.set_xscale("log")
        axis.set_xticks(x, [f"{1000 * strength:g}" for strength in x])
        axis.minorticks_off()
        axis.set_xlabel("S/B in the signal region / 0.001")
        axis.legend(frameon=False, fontsize="small")
    left.set_ylabel("AUC in the signal region")
    right.set_ylabel("expected significance in the signal region")
    plot.suptitle(title)
    return plot


def main() -> None:
    """Run the comparison for one signal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--signal", type=Path, help="columns of another signal")
    parser.add_argument("--work", type=Path, default=Path("runs/crossing"), help="kept results")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[*range(5)], help="subsets of the signal"
    )
    parser.add_argument(
        "--strengths", type=float, nargs="+", default=[*STRENGTHS], help="S/B, 0 among them"
    )
    parser.add_argument("--figure", type=Path, help="where the figure goes")
    parser.add_argument("--title", default="", help="above the figure")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.signal or REFERENCE / "rnd_signal.parquet"
    arguments.work.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    signal = read(path, 10**7)
    results = run(signal, arguments.work / "results.jsonl", arguments.seeds, arguments.strengths)
    report(results, arguments.figure, arguments.title)
    print(f"({time.process_time() - start:.0f} s of CPU)")


if __name__ == "__main__":
    main()
