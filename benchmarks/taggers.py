"""Taggers on top and QCD jets at the settings of the landscape of top taggers: one row each.

    python -P benchmarks/taggers.py --make [--jets 400000] --out runs/taggers
    python -P benchmarks/taggers.py [--taggers pfn pcnn particlenet part lorentznet] [--seeds 1 2 3]
        [--train 200000] [--test 100000] [--reduced] [--device cuda] --out runs/taggers
    python -P benchmarks/taggers.py --inside box.h5 [--taggers pfn pcnn particlenet part lorentznet] [--events 1000] [--repeats 3]

``--make`` simulates the preset ``top_jets`` (jets of 550 to 650 GeV, arXiv:1902.09914) and keeps 200 constituents of
each leading jet; what is there is not made again. Then each tagger learns with each seed, on all jets but those of the
test, a tenth of them to stop it, and is scored on the test. A row has accuracy, AUC, background rejection at 50 % and
30 % of the tops, parameters, and multiply-adds a jet of as many constituents as are read. What is done is in ``results.jsonl`` of the
folder and not done again. ``--sizes`` counts parameters and multiply-adds of the published widths alone. ``--reduced`` takes widths for a CPU.
``--inside`` makes columns of dijets of an LHC Olympics file as `overdensity process` does, on one core: with the features that it has by
default, and with the score of a tagger for both jets. Taggers have the published widths and are not trained, which takes as long. Times
are CPU times, those of the tagger with the padding of its input; the median of the repeats [smallest, largest].
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from overdensity.core.json_lines import add_line, read_lines
from overdensity.ml import Sample
from overdensity.ml.classifiers.kinds import CLASSIFIERS, Inputs
from overdensity.ml.classifiers.taggers.tagger_ensemble import TaggerEnsemble, fit_taggers
from overdensity.ml.hyperparameters import replaced
from overdensity.ml.tagging.onnx_export import export_tagger
from overdensity.ml.tagging.tagger import Reached, Tagger
from overdensity.ml.training.engine import seeded
from overdensity.processors import DijetProcessor, JetProcessor, LhcoSource, process, read_events
from overdensity.processors.taggers.onnx_model import OnnxTagger
from overdensity.simulation import read_recipe, simulate_recipe

COLUMN = "constituents_200"
REDUCED: dict[str, dict[str, Any]] = {
    "pfn": {"phi": [64, 64], "f": [64, 64]},
    "pcnn": {"first": 16, "stages": [16, 32], "dense": 64},
    "particlenet": {"edges": [16, 32], "neighbors": 8, "dense": 64},
    "part": {"embedding": [32, 32], "pairs": [16], "heads": 4, "layers": 2, "class_layers": 1},
    "lorentznet": {"hidden": 16, "layers": 3},
}
PUBLISHED = {  # G. Kasieczka, talk at ACAT 2022, ten classes; LorentzNet: arXiv:2201.08187
    "pfn": ("86.1 k", "4.62 M"),
    "pcnn": ("354 k", "15.5 M"),
    "particlenet": ("370 k", "540 M"),
    "part": ("2140 k", "340 M"),
    "lorentznet": ("224 k", "–"),
}
SMALL = {"particles": 40, "training": {"epochs": 8, "batch": 256, "learning_rate": 3e-3}}


def make(jets: int, folder: Path) -> None:
    """Simulate so many jets and write their columns; what is there is left."""
    file, columns = folder / "top_jets.h5", folder / "jets"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        simulate_recipe(read_recipe("top_jets").scaled(jets), file)
    if not columns.is_dir():
        processor = JetProcessor(radius=0.8, n_jets=1, min_jet_pt=550.0, features=(COLUMN,))
        process(str(file), str(columns), source=LhcoSource(), processor=processor)


def jets_of(folder: Path) -> tuple[Inputs, NDArray[np.bool_]]:
    """Return the constituents of all jets, and which are of tops."""
    sample = Sample.from_parquet(folder / "jets" / "columns", features=(COLUMN,))
    if sample.label is None:
        msg = f"the jets of {folder} have no label; simulate them with --make"
        raise SystemExit(msg)
    return Inputs(np.empty((len(sample), 0), np.float32), sample.blocks), sample.label == 1


def learnt(
    tagger: str, jets: Inputs, tops: NDArray[np.bool_], *, given: argparse.Namespace, seed: int
) -> dict[str, float]:
    """Train a tagger and return what it reaches on the test."""
    small = REDUCED[tagger] | SMALL if given.reduced else {}
    hyper = replaced(CLASSIFIERS.find(tagger).Hyper(), small | {"device": given.device}, of=tagger)
    order = np.random.default_rng([seed, 7]).permutation(len(tops))
    test, learn = order[: given.test], order[given.test :][: given.train]
    inner = (np.arange(len(learn)) % 10 == 0).astype(np.int64)
    began = time.process_time()
    fitted = fit_taggers(
        jets[learn],
        tops[learn],
        np.ones(len(learn)),
        inner,
        hyper=hyper,
        members=1,
        seed=seed,
        stopping=(1,),
    )
    spent, score = time.process_time() - began, fitted[1].score(jets[test])
    network = fitted[1].networks[0]
    reached = Reached.of(score, tops[test])
    return {
        "accuracy": reached.accuracy,
        "auc": reached.auc,
        "rejection_50": reached.rejection_50,
        "rejection_30": reached.rejection_30,
        "parameters": float(sum(each.numel() for each in network.parameters())),
        "multiply_adds": multiply_adds(network, hyper.particles),
        "cpu_s": spent,
    }


def multiply_adds(network: nn.Module, particles: int) -> float:
    """Return the multiply-adds of matrix products, convolutions and attention for a full jet."""
    jet = torch.rand(1, particles, 3)
    jet[..., 0] /= jet[..., 0].sum()
    with FlopCounterMode(display=False) as counted:
        network(torch.empty(1, 0), jet)
    return counted.get_total_flops() / 2


def sizes() -> None:
    """Print how large the published widths are, beside what was published of them."""
    header = ("tagger", "parameters", "published", "multiply-adds a jet", "published")
    print("Published widths, 128 constituents, nothing trained:\n")
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for tagger, published in PUBLISHED.items():
        hyper = CLASSIFIERS.find(tagger).Hyper()
        network = hyper.network(0, 1).eval()
        parameters = sum(each.numel() for each in network.parameters())
        adds = f"{multiply_adds(network, hyper.particles) / 1e6:.1f} M"
        print(
            f"| `{tagger}` | {parameters / 1e3:.1f} k | {published[0]} | {adds} | {published[1]} |"
        )


def table(given: argparse.Namespace) -> None:
    """Train what has not been trained, and print a row for each tagger."""
    kept = given.out / "results.jsonl"  # a line a training: two tables may be made at once
    jets, tops = jets_of(given.out)
    if len(tops) < given.train + given.test:
        msg = f"{given.out} has {len(tops)} jets; simulate more with --make, or ask for fewer"
        raise SystemExit(msg)
    width = "reduced" if given.reduced else "published"
    wanted = {
        tagger: [f"{tagger} {width} {given.train} {given.test} {seed}" for seed in given.seeds]
        for tagger in given.taggers
    }
    for tagger, keys in wanted.items():
        for key, seed in zip(keys, given.seeds, strict=True):
            if not any(line["training"] == key for line in read_lines(kept)):
                found = learnt(tagger, jets, tops, given=given, seed=seed)
                add_line(kept, {"training": key, **found})
    done = {line.pop("training"): line for line in read_lines(kept)}
    header = ("tagger", "accuracy", "AUC", "rejection, 50 %", "rejection, 30 %", "parameters", "multiply-adds a jet", "CPU s")  # fmt: skip
    print(
        f"{width.capitalize()} widths, {given.train} jets to learn from, {given.test} to test, {len(given.seeds)} seeds:\n"
    )
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for tagger, keys in wanted.items():
        runs = np.array([list(done[key].values()) for key in keys])
        mean = runs.mean(axis=0)
        cells = [f"{m:.{d}f}" for m, d in zip(mean[:4], (4, 4, 0, 0), strict=True)]
        if len(runs) > 1:
            with np.errstate(invalid="ignore"):  # no background passed
                spread = runs.std(axis=0, ddof=1)[:4]
            cells = [
                f"{cell} ± {e:.{d}f}"
                for cell, e, d in zip(cells, spread, (4, 4, 0, 0), strict=True)
            ]
        sizes = (f"{mean[4]:.0f}", f"{mean[5] / 1e6:.1f} M", f"{mean[6]:.0f}")
        print(f"| `{tagger}` | {' | '.join((*cells, *sizes))} |")


class Timed(OnnxTagger):
    """A model that counts the CPU seconds which it takes."""

    seconds = 0.0

    def score(self, columns: Any) -> NDArray[np.float32]:
        """Return the scores."""
        began = time.process_time()
        found = super().score(columns)
        Timed.seconds += time.process_time() - began
        return found


def untrained(tagger: str) -> Tagger:
    """Return a tagger of the published width with the weights that it begins with."""
    hyper = CLASSIFIERS.find(tagger).Hyper()
    with seeded(1):
        networks = (hyper.network(0, 1).eval(),)
    nothing = np.empty(0, np.float32)
    jet = f"constituents_{hyper.particles}"
    ensemble = TaggerEnsemble(networks, nothing, nothing, (jet,), hyper)
    return Tagger(tagger, hyper, ensemble, (), np.empty(0, np.uint64))


def inside(given: argparse.Namespace) -> None:
    """Print how many events a second a processor takes, without a tagger and with each."""
    print(f"{given.events} events, both jets; median of {given.repeats} [smallest, largest]:\n")
    header = ("tagger", "processor, events/s", "with the tagger, events/s", "tagger alone, events/s", "its share of the time")  # fmt: skip
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    features = DijetProcessor().features
    with tempfile.TemporaryDirectory() as folder:
        for tagger in given.taggers:
            file = Path(folder, f"{tagger}.onnx")
            export_tagger(untrained(tagger), file)
            model = Timed(tagger, str(file), file.read_bytes(), {})
            plain, tagged = DijetProcessor(), DijetProcessor(features=(*features, model))
            measured(plain, tagged, given.inside, 10)  # what is done once
            runs = [
                measured(plain, tagged, given.inside, given.events) for _ in range(given.repeats)
            ]
            cells = [
                f"{np.median(x):{d}} [{min(x):{d}}, {max(x):{d}}]"
                for x, d in zip(np.array(runs).T, (".0f", ".0f", ".0f", ".0%"), strict=True)
            ]
            print(f"| `{tagger}` | {' | '.join(cells)} |", flush=True)


def measured(
    plain: DijetProcessor, tagged: DijetProcessor, file: Path, n: int
) -> tuple[float, ...]:
    """Return events a second of both processors and of the model, and its share of the second."""
    spent = []
    for processor in (plain, tagged):
        Timed.seconds = 0.0
        began = time.process_time()
        processor.select(read_events(LhcoSource(), file, 0, n))
        spent.append(time.process_time() - began)
    return n / spent[0], n / spent[1], n / Timed.seconds, Timed.seconds / spent[1]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--make", action="store_true", help="simulate the jets, and no more")
    parser.add_argument("--sizes", action="store_true", help="count weights, and no more")
    parser.add_argument("--inside", type=Path, help="LHC Olympics file, in which jets are tagged")
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jets", type=int, default=400_000)
    parser.add_argument("--taggers", nargs="+", choices=tuple(REDUCED), default=list(REDUCED))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--train", type=int, default=200_000)
    parser.add_argument("--test", type=int, default=100_000)
    parser.add_argument("--reduced", action="store_true", help="widths for a CPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("runs/taggers"))
    given = parser.parse_args()
    if given.make:
        make(given.jets, given.out)
    elif given.sizes:
        sizes()
    elif given.inside is not None:
        torch.set_num_threads(1)
        inside(given)
    else:
        table(given)


if __name__ == "__main__":
    main()
