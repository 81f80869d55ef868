"""Do a few features reach a network on all particles? DisCo-FFS beside a particle flow network; Markdown.

    python -P benchmarks/taggers.py --make --jets 220000    # jets: top_jets.h5 in runs/taggers
    overdensity process runs/taggers/top_jets.h5 --processor jets --features efps,efps_b2,constituents_40 --out runs/efps
        --set processor.n_jets=1 --set processor.radius=0.8 --set processor.min_jet_pt=550
    python -P benchmarks/few_features.py [--columns runs/efps/columns] [--most 10] [--seeds 1 2 3]

Energy flow polynomials of degree up to 5 are chosen one by one; the network has the published widths,
reads 40 constituents, and learns in 8 epochs. Both learn from the same file, and each is tested on jets of it that it has
not learnt: a third of them, and a tenth. What is in the folder of ``--out`` is not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from overdensity.ml.tagging.feature_choice import ChoiceHyper, FeatureChoice
from overdensity.ml.tagging.tagger import Reached
from overdensity.ml.tagging.tagger_file import load_tagger
from overdensity.workflow.tables import rejection_text
from overdensity.workflow.taggers.choosing import choose_to_file
from overdensity.workflow.taggers.training import labelled_jets, train_to_file

CONSTITUENTS = "constituents_40"
TRAINING = ("epochs=8", "batch=256", "learning_rate=3e-3")
NETWORK = ("particles=40", *(f"training.{each}" for each in TRAINING))


def chosen(columns: Path, out: Path, most: int, seed: int) -> FeatureChoice:
    """Return the features that were chosen with this seed; choose them where that was not done."""
    file = out / f"chosen-{seed}.json"
    if file.is_file():
        return FeatureChoice.from_json(file)
    lists, start = ("efps", "efps_b2"), ("mass", "pt")
    hyper = ChoiceHyper(most=most)
    return choose_to_file(
        [str(columns)], file, candidates=lists, start=start, hyper=hyper, seed=seed
    )


def network(columns: Path, out: Path, seed: int) -> Reached:
    """Return what a particle flow network reaches on the jets that it has not learnt."""
    file = out / f"pfn-{seed}.tagger"
    if not file.is_file():
        train_to_file(
            [str(columns)],
            file,
            columns=[CONSTITUENTS],
            kind="pfn",
            overrides=NETWORK,
            seed=seed,
            mass="mass",
        )
    tagger = load_tagger(file)
    jets = labelled_jets([str(columns)], [CONSTITUENTS], "mass")
    jets = jets.take(~np.isin(jets.event, tagger.event))
    return Reached.of(tagger.score(jets), np.asarray(jets.label) != 0)


def main() -> None:
    """Print a table for each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--columns", type=Path, default=Path("runs/efps/columns"))
    parser.add_argument("--most", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--out", type=Path, default=Path("runs/few_features"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        print(f"Seed {seed}:\n")
        print("| features | AUC | rejection, 50 % | rejection, 30 % |\n| --- | --- | --- | --- |")
        rounds = chosen(given.columns, given.out, given.most, seed).rounds
        for number, each in enumerate(rounds):
            name = each.name if number == 0 else f"{number + 2}: and `{each.name}`"
            cells = [
                rejection_text(r, each.background) for r in (each.rejection_50, each.rejection_30)
            ]
            print(f"| {name} | {each.auc:.4f} | {cells[0]} | {cells[1]} |")
        found = network(given.columns, given.out, seed)
        cells = [
            rejection_text(r, found.background) for r in (found.rejection_50, found.rejection_30)
        ]
        print(f"| `pfn`, 40 constituents | {found.auc:.4f} | {cells[0]} | {cells[1]} |\n")


if __name__ == "__main__":
    main()
