"""Double DisCo: closure of its ABCD estimate, and an injected signal that it sees. Prints Markdown.

    python -P benchmarks/double_disco.py [--seeds 1 2 3 4 5] [--train 100000] [--epochs 20]
                                         [--strength 50 50] [--learning-rate 0.003] [--batch 2048]
                                         [--injected 0 300]

Trained on background and two-prong signal of the reference sample, four to one, from 2500 to 6000 GeV,
each seed with other events; tested with 100 000 events of other background, to which other
signal is added. A working point keeps the same fraction of background on both scores; its row has the
seeds one after the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pyhf
import torch

from overdensity.core import FitError
from overdensity.ml import Sample, Window, make_method
from overdensity.ml.anomaly.references.double_disco import DoubleDisco
from overdensity.stats.limits.discoveries import discovery
from overdensity.stats.workspaces.abcd import (
    abcd_closure,
    abcd_counts,
    abcd_estimate,
    abcd_workspace,
)

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 2500.0, 6000.0, 2400.0, 6100.0)
COLUMNS = [f"{jet}_{name}" for jet in ("j1", "j2") for name in ("mass", "tau21", "tau32", "n")]
POINTS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.03)  # background efficiency of each of the two cuts
TEST = (250_000, 350_000)  # rows of the background
VALIDATION = (350_000, 450_000)


def events(name: str, rows: tuple[int, int], label: int) -> Sample:
    """Return rows of a file of the reference sample, those in the range of masses."""
    table = pq.read_table(REFERENCE / f"{name}.parquet", columns=["mjj", *COLUMNS])
    table = table.slice(rows[0], rows[1] - rows[0])
    x = np.stack([table[column].to_numpy() for column in COLUMNS], axis=1)
    mass = table["mjj"].to_numpy()
    made = Sample.from_arrays(mass, x, COLUMNS, label=np.full(len(mass), label, np.int8))
    return made.take(WINDOW.signal(mass))


def trained(seed: int, arguments: argparse.Namespace) -> DoubleDisco:
    """Train once."""
    n = arguments.train // 5
    first = (seed - 1) * 4 * n % (TEST[0] - 4 * n)
    background = events("rnd_background", (first, first + 4 * n), 0)
    signal = events("rnd_signal", (0, n), 1)
    training = {
        "epochs": arguments.epochs,
        "batch": arguments.batch,
        "learning_rate": arguments.learning_rate,
    }
    method = make_method(
        "double_disco",
        decorrelation=arguments.strength[0],
        decorrelation_above=arguments.strength[1],
        training=training,
    )
    assert isinstance(method, DoubleDisco)
    method.fit(Sample.concatenated(background, signal), WINDOW, seed=seed)
    return method


def fitted(model: dict[str, Any]) -> str:
    """Return the significance of a workspace as text; signal that lies as background does has none."""
    try:
        return f"{discovery(model).z:.1f}"
    except FitError:
        return "no fit"


def main() -> None:
    """Print a row for each working point and number of signal events, with what each seed has."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--train", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--strength", type=float, nargs=2, default=[50.0, 50.0])
    parser.add_argument("--injected", type=int, nargs="+", default=[0, 300])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pyhf.set_backend("numpy")
    background, other = (events("rnd_background", rows, 0) for rows in (TEST, VALIDATION))
    signal = events("rnd_signal", (40_000, 50_000), 1)
    found = {(point, n): [] for point in POINTS for n in arguments.injected}
    for seed in arguments.seeds:
        method = trained(seed, arguments)
        scores, validation, of_signal = (method.both(x) for x in (background, other, signal))
        for (point, n), of_seeds in found.items():
            cuts = (-np.log(point), -np.log(point))
            closure = abcd_closure(abcd_counts(*validation.T, cuts))
            share = np.array(abcd_counts(*of_signal.T, cuts)) / len(of_signal)
            counts = abcd_counts(*np.concatenate([scores, of_signal[:n]]).T, cuts)
            estimate = abcd_estimate(counts, closure=closure)
            model = abcd_workspace(counts, signal_events=list(share * 3000), closure=closure)
            cells = [f"{closure:.3f}", f"{estimate.z_local:.1f}", fitted(model), f"{share[0]:.2f}"]
            of_seeds.append(cells)
    print("| each cut | signal | closure | z | z of pyhf | signal in A |\n|" + " --- |" * 6)
    for (point, n), of_seeds in found.items():
        cells = [", ".join(cell) for cell in zip(*of_seeds, strict=True)]
        print(f"| {point:g} | {n} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
