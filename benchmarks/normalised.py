"""Normalised autoencoders against plain ones, both ways round. Prints Markdown.

    python -P benchmarks/normalised.py [--seeds 1 2 3] [--train 12000] [--first 30] [--epochs 5]

One kind of event of the reference sample is learnt, and the other looked for: QCD dijets (one prong)
and the three-prong signal. The same network ends after the plain training, or goes on with negative
samples. AUC of the other kind, of events that were not learnt.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from sklearn.metrics import roc_auc_score

from overdensity.ml import Sample, Window, make_method

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
COLUMNS = [f"{jet}_{name}" for jet in ("j1", "j2") for name in ("mass", "tau21", "tau32", "n")]
KINDS = {"QCD": "rnd_background", "three-prong": "rnd_signal_3prong"}
TEST = 5000  # events of each kind


def events(name: str) -> Sample:
    """Return all events of a file of the reference sample."""
    table = pq.read_table(REFERENCE / f"{name}.parquet", columns=["mjj", *COLUMNS]).slice(0, 60_000)
    x = np.stack([table[column].to_numpy() for column in COLUMNS], axis=1)
    return Sample.from_arrays(table["mjj"].to_numpy(), x, COLUMNS)


def main() -> None:
    """Print a row for each kind that is learnt and each training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--train", type=int, default=12_000)
    parser.add_argument("--first", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    samples = {kind: events(name) for kind, name in KINDS.items()}
    print("| learnt | looked for | autoencoder | AUC | E learnt | E looked for | CPU s |")
    print("|" + " --- |" * 7)
    for learnt, looked_for in (("QCD", "three-prong"), ("three-prong", "QCD")):
        for normalise in (False, True):
            found = []
            for seed in arguments.seeds:
                method = make_method(
                    "normalised_autoencoder",
                    sort=False,
                    normalise=normalise,
                    first={"epochs": arguments.first, "batch": 512},
                    training={"epochs": arguments.epochs, "batch": 512},
                )
                began = time.process_time()
                data = samples[learnt]
                own = np.random.default_rng(seed).permutation(len(data) - TEST)[: arguments.train]
                method.fit(data.take(TEST + own), WINDOW, seed=seed)
                spent = time.process_time() - began
                scores = [
                    method.score(samples[k].take(np.arange(TEST))) for k in (learnt, looked_for)
                ]
                auc = roc_auc_score(np.repeat([0, 1], TEST), np.concatenate(scores))
                found.append([auc, *(np.median(s) for s in scores), spent])
            means, spread = np.mean(found, axis=0), np.std(found, axis=0)
            cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(means[:3], spread[:3], strict=True)]
            name = "normalised" if normalise else "plain"
            cells = [learnt, looked_for, name, *cells, f"{means[3]:.0f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
