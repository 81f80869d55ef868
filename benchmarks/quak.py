"""QUAK with none, one and two signal priors, beside a classifier of one prior.

    overdensity simulate runs/two_prong.h5 --background 0 --signal 12000 --zprime 4500 --x 500 --y 150
    overdensity process runs/two_prong.h5 --features tau21,tau32,n --out runs/two_prong
    overdensity simulate runs/three_prong.h5 --background 0 --signal 12000 --zprime 5000 --x 500 --y 500 --prongs 3 --seed 2
    overdensity process runs/three_prong.h5 --features tau21,tau32,n --out runs/three_prong
    python -P benchmarks/quak.py [--two runs/two_prong/columns --three runs/three_prong/columns] [--seeds 1 2 3]

The background prior is 40 000 events of the reference sample. Other 50 000 are the test background; the test signals
are those of the reference sample, which have other masses than the priors: Z' of 3.5 TeV to 500 and 100 GeV, of
two prongs and of three. The supervised classifier learns the background against the prior of two prongs, without the jet
masses (arXiv:2101.08320, figure 50).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from overdensity.ml import Sample, Window, make_method
from overdensity.ml.anomaly.priors.quak import Quak
from overdensity.ml.evaluation.metrics import auc

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
FEATURES = tuple(
    f"{jet}_{name}" for jet in ("j1", "j2") for name in ("mass", "tau21", "tau32", "n")
)
LEARNT, TEST, TEST_SIGNAL = 40_000, 50_000, 10_000
EPS_S = 0.3  # at which the background is compared


def read(path: Path) -> Sample:
    """Return the events of a Parquet file or folder."""
    table = pq.read_table(path, columns=["mjj", *FEATURES])
    features = np.stack([table[name].to_numpy() for name in FEATURES], axis=1)
    return Sample.from_arrays(table["mjj"].to_numpy(), features, FEATURES)


def drawn(name: str, n: int, rng: np.random.Generator) -> Sample:
    """Return some events of the reference sample."""
    sample = read(REFERENCE / f"rnd_{name}.parquet")
    return sample.take(rng.choice(len(sample), n, replace=False))


def fitted(background: Sample, priors: list[Path], seed: int) -> Quak:
    """Return QUAK, trained."""
    method = make_method("quak", priors=[str(path) for path in priors], score="density")
    assert isinstance(method, Quak)
    return method.fit(background, WINDOW, simulation=background, seed=seed)


def supervised(background: Sample, prior: Sample, seed: int) -> Any:
    """Return what a classifier of one prior gives events."""
    shown = [i for i, name in enumerate(FEATURES) if not name.endswith("mass")]
    x = np.concatenate([background.features[:, shown], prior.features[:, shown]])
    y = np.repeat([0, 1], [len(background), len(prior)])
    weight = np.where(y == 1, len(background) / len(prior), 1.0)
    trees = HistGradientBoostingClassifier(
        max_leaf_nodes=31, early_stopping=True, random_state=seed
    )
    trees.fit(x, y, sample_weight=weight)
    return lambda events: trees.predict_proba(events.features[:, shown])[:, 1]


def measure(two: Path, three: Path, seed: int) -> dict[str, list[float]]:
    """Return AUC and background efficiency at 30 % of signal, for both test signals, and CPU seconds of training."""
    rng = np.random.default_rng([19, seed])
    both = drawn("background", LEARNT + TEST, rng)
    background, test = both.take(np.arange(LEARNT)), both.take(np.arange(LEARNT, len(both)))
    signals = [drawn(name, TEST_SIGNAL, rng) for name in ("signal", "signal_3prong")]
    began = time.process_time()
    one = fitted(background, [two], seed)
    of_one = time.process_time() - began
    most = fitted(background, [two, three], seed)
    of_most = time.process_time() - began - of_one
    trees = supervised(background, read(two), seed)
    of_trees = time.process_time() - began - of_one - of_most

    def ratio(method: Quak, events: Sample) -> NDArray[np.float32]:
        losses = np.log(method.losses(events))
        return losses[:, 0] - losses[:, 1:].min(axis=1)

    scores = {
        "1D": (lambda events: one.losses(events)[:, 0], of_one),
        "2D, ratio": (lambda events: ratio(one, events), of_one),
        "2D, density": (one.score, of_one),
        "3D, ratio": (lambda events: ratio(most, events), of_most),
        "3D, density": (most.score, of_most),
        "supervised by the prior of two prongs": (trees, of_trees),
    }
    found: dict[str, list[float]] = {}
    for name, (score, spent) in scores.items():
        b, found[name] = score(test), []
        for signal in signals:
            s = score(signal)
            label = np.repeat([0, 1], [len(b), len(s)]).astype(np.int8)
            kept = (b > np.quantile(s, 1 - EPS_S)).mean()
            found[name] += [auc(np.concatenate([b, s]), label), 100 * kept]
        found[name].append(spent)
    return found


def cell(values: NDArray[np.float64], digits: int) -> str:
    """Return median, smallest and largest of the seeds."""
    median, least, largest = np.median(values), values.min(), values.max()
    return f"{median:.{digits}f} ({least:.{digits}f} to {largest:.{digits}f})"


def main() -> None:
    """Print a row for each score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--two", type=Path, default=Path("runs/two_prong/columns"))
    parser.add_argument("--three", type=Path, default=Path("runs/three_prong/columns"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    runs = [measure(given.two, given.three, seed) for seed in given.seeds]
    print("| score | AUC, two prongs | ε_B, % | AUC, three prongs | ε_B, % | CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in runs[0]:
        found = np.array([run[name] for run in runs])
        cells = [cell(column, n) for column, n in zip(found.T, (3, 2, 3, 2, 0), strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
