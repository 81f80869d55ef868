"""Taggers that are to leave the mass alone: background rejection beside the sculpting of its mass. Prints Markdown.

    python -P benchmarks/decorrelated_taggers.py [--seeds 1 2 3] [--work runs/decorrelated-taggers]
    for m in 2750 3000 3500 4000 4500; do
      overdensity simulate runs/masses/$m.h5 --background 0 --signal 5000 --zprime $m
      overdensity process runs/masses/$m.h5 --features tau21,tau32,n --out runs/masses/$m
    done
    python -P benchmarks/decorrelated_taggers.py --masses runs/masses [--work runs/decorrelated-masses]

Networks learn to tell the signal of the reference sample (two prongs, 3.5 TeV) from its background, by ten columns of
both jets, pT and mass among them, so that a network knows the resonant mass. `planed`: background weighted to the mass spectrum of the
signal where it is learnt from (S. Chang, T. Cohen, B. Ostdiek, arXiv:1709.10106). `DisCo`: the squared distance correlation of
score and mass, of the background of a batch, times a strength, in the loss (G. Kasieczka, D. Shih, arXiv:2001.05310). `quantiles`:
each column is its conditional quantile given the mass. All are asked of other events, from 2.5 to 6 TeV: 1/JSD is one over the
divergence (base 2) between mass spectra of all background and of what passes. With --masses signals of several masses are learnt in
place of that of the reference sample, which remains the test, and one more tagger is `parametrised`: the mass of the generator is an
input, any of them for an event of background, and 3.5 TeV in the test (P. Baldi et al., arXiv:1601.07913). A random choice of as many events has
a divergence, too; its mean stands beside it, as 1/JSD of no sculpting. The median of the seeds [smallest, largest]; they
decide networks, batches and which part validates. What was learnt is in --work, as figures, and not learnt again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import Sample, Window
from overdensity.ml.decorrelation.decorrelated import OneByOne
from overdensity.ml.evaluation.mass_dependence import mass_sculpting
from overdensity.ml.evaluation.metrics import auc
from overdensity.ml.inputs.jet_columns import sort_jets
from overdensity.ml.losses.decorrelation_term import DecorrelationHyper, decorrelated_loss
from overdensity.ml.training.engine import seeded, train
from overdensity.ml.training.training_hyper import TrainingHyper

REFERENCE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "reference"
WINDOW = Window(3500.0, 3300.0, 3700.0, 2500.0, 6000.0)
FEATURES = tuple(f"j{k}_{name}" for k in (1, 2) for name in ("pt", "mass", "tau21", "tau32", "n"))
BACKGROUND, SIGNAL = 150_000, 25_000  # rows that are learnt from; the others are the test
STRENGTHS = (1.0, 10.0, 100.0)
PARAMETRISED = "parametrised"
TAGGERS = ("plain", "planed", *(f"DisCo, {strength:g}" for strength in STRENGTHS), "quantiles")
EFFICIENCIES = (0.5, 0.8)  # of the signal
EDGES = np.linspace(WINDOW.sideband_low, WINDOW.sideband_high, 31)
TRAINING = TrainingHyper(epochs=30, batch=2048, learning_rate=1e-3, schedule="cosine")

Array = NDArray[np.float64]


def reference(name: str, first: int, last: int | None) -> Sample:
    """Return rows of a file of the reference sample that are in the range of masses."""
    table = pq.read_table(REFERENCE / f"rnd_{name}.parquet", columns=["mjj", *FEATURES])
    return in_range(table.slice(first, None if last is None else last - first))


def in_range(table: pa.Table) -> Sample:
    """Return the events of a table that are in the range of masses, the lighter jet first."""
    x = np.stack([table[column].to_numpy() for column in FEATURES], axis=1)
    found = sort_jets(Sample.from_arrays(table["mjj"].to_numpy(), x, FEATURES))
    return found.take((found.mass >= EDGES[0]) & (found.mass < EDGES[-1]))


def signals_of(folder: Path) -> tuple[Sample, Array]:
    """Return the simulated signals of all masses, and the mass of the generator of each event."""
    found = {}
    for path in sorted(folder.glob("*/columns")):
        table = pq.read_table(path, columns=["mjj", *FEATURES])
        found[float(path.parent.name)] = in_range(table)
    if len(found) < 2:
        msg = f"{folder}: signals of at least two masses are needed, in <mass>/columns"
        raise SystemExit(msg)
    mass = np.repeat(list(found), [len(each) for each in found.values()])
    return Sample.concatenated(*found.values()), mass


def quantiles(learn: Sample, events: Sample, seed: int) -> NDArray[np.float32]:
    """Return the conditional quantiles of all features given the mass."""
    rng = np.random.default_rng([seed, 3])
    ties, of_events = rng.random(learn.features.shape), rng.random(events.features.shape)
    x, asked = learn.features.astype(np.float64), events.features.astype(np.float64)
    found = OneByOne.learn(x, learn.mass, ties, WINDOW, seed)
    return found.quantiles(asked, events.mass, of_events).astype(np.float32)


def planed(background: Array, signal: Array) -> Array:
    """Return weights by which background masses have the spectrum of the signal."""
    counts, wanted = np.histogram(background, EDGES)[0], np.histogram(signal, EDGES)[0]
    weight = wanted / np.maximum(counts, 1)
    return weight[np.digitize(background, EDGES) - 1]


def losses(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of each event, and its score."""
    log_odds = network(x).squeeze(1)
    entropy = nn.functional.binary_cross_entropy_with_logits(log_odds, y, reduction="none")
    return entropy, torch.sigmoid(log_odds)


def with_hypothesis(x: list[NDArray[np.float32]], mass: Array, seed: int) -> list[NDArray[Any]]:
    """Return the features of learnt and tested background and signal with a mass of the signal beside them."""
    rng = np.random.default_rng([seed, 9])
    asked = [
        rng.choice(mass, len(x[0])),
        mass,
        *(np.full(len(each), WINDOW.center) for each in x[2:]),
    ]
    return [np.column_stack(both).astype(np.float32) for both in zip(x, asked, strict=True)]


def measured(
    tagger: str, seed: int, learn: list[Sample], test: list[Sample], of_generator: Array
) -> dict[str, float]:
    """Train one tagger; return what it reaches on the test."""
    shown = [each.features for each in (*learn, *test)]
    if tagger == "quantiles":
        shown = [quantiles(learn[0], each, seed) for each in (*learn, *test)]
    if tagger == PARAMETRISED:
        shown = with_hypothesis(shown, of_generator, seed)
    y = np.repeat([0.0, 1.0], [len(each) for each in learn])
    x, mass = np.concatenate(shown[:2]), np.concatenate([each.mass for each in learn])
    weight = np.ones(len(y))
    if tagger == "planed":
        weight[y == 0] = planed(learn[0].mass, learn[1].mass)
    for label in (0, 1):  # both classes count the same
        weight[y == label] /= weight[y == label].sum()
    mean, std = x[y == 0].mean(axis=0), x[y == 0].std(axis=0)
    strength = float(tagger.split(", ")[1]) if tagger.startswith("DisCo") else 0.0
    with seeded(seed):
        network = nn.Sequential(
            *(nn.Linear(x.shape[1], 64), nn.ReLU()),
            *(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)),
        )
    held = np.random.default_rng([seed, 5]).random(len(y)) < 0.2
    columns = ((x - mean) / std, y, np.log(mass), 1 - y)
    train(
        network,
        decorrelated_loss(losses, DecorrelationHyper(strength)),
        columns,
        train=np.flatnonzero(~held),
        validation=np.flatnonzero(held),
        hyper=TRAINING,
        seed=seed,
        device="cpu",
        weight=weight * len(y),
    )
    with torch.no_grad():
        background, signal = (
            network(torch.as_tensor((each - mean) / std)).squeeze(1).numpy() for each in shown[2:]
        )
    label = np.repeat([0, 1], [len(background), len(signal)]).astype(np.int8)
    found = {"auc": auc(np.concatenate([background, signal]), label)}
    for efficiency in EFFICIENCIES:
        passing = float(np.mean(background > np.quantile(signal, 1 - efficiency)))
        (sculpting,) = mass_sculpting(test[0].mass, background, edges=EDGES, efficiencies=[passing])
        found[f"rejection {efficiency}"] = 1 / passing
        found[f"1/JSD {efficiency}"] = sculpting.distance**-2
        found[f"random {efficiency}"] = sculpting.distance_expected**-2
    return found


def spread(values: list[float], digits: int = 0) -> str:
    """Write median, smallest and largest."""
    low, middle, high = (f"{x:.{digits}f}" for x in np.quantile(values, (0, 0.5, 1)))
    return f"{middle} [{low}, {high}]"


def main() -> None:
    """Train what has not been trained, and print a row for each tagger and efficiency."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--masses", type=Path, help="columns of signals: <mass>/columns")
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = given.work or Path(
        "runs", "decorrelated-masses" if given.masses else "decorrelated-taggers"
    )
    work.mkdir(parents=True, exist_ok=True)
    path = work / "taggers.jsonl"
    done = {(line["tagger"], line["seed"]) for line in read_lines(path)}
    taggers, of_generator = TAGGERS, np.empty(0)
    learn = [reference("background", 0, BACKGROUND), reference("signal", 0, SIGNAL)]
    if given.masses:
        taggers = (*TAGGERS, PARAMETRISED)
        learn[1], of_generator = signals_of(given.masses)
    test = [reference("background", BACKGROUND, None), reference("signal", SIGNAL, None)]
    for seed in given.seeds:
        for tagger in taggers:
            if (tagger, seed) not in done:
                found = measured(tagger, seed, learn, test, of_generator)
                add_line(path, {"tagger": tagger, "seed": seed, **found})
    lines = [line for line in read_lines(path) if line["seed"] in given.seeds]
    print(f"{len(test[0])} events of background in the test, {len(given.seeds)} seeds\n")
    header = ("signal kept", "tagger", "AUC", "rejection", "1/JSD", "1/JSD of no sculpting")
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for efficiency in EFFICIENCIES:
        for tagger in taggers:
            mine = [line for line in lines if line["tagger"] == tagger]
            cells = [spread([line["auc"] for line in mine], 3)]
            cells += [
                spread([line[f"{name} {efficiency}"] for line in mine])
                for name in ("rejection", "1/JSD", "random")
            ]
            print(f"| {100 * efficiency:.0f} % | {tagger} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
