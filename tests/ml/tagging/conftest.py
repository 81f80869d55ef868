"""Toy jets of two prongs and of one, and a small tagger that has learnt to tell them."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import Sample
from overdensity.ml.classifiers.taggers.tagger_ensemble import TaggerEnsemble
from overdensity.ml.tagging.tagger import Tagger, tagger_hyper, train_tagger
from overdensity.ml.toy_events import toy_blocks
from overdensity.ml.training.engine import seeded

SMALL = {
    "phi": [16],
    "f": [16],
    "particles": 12,
    "device": "cpu",
    "training": {"epochs": 8, "batch": 50, "learning_rate": 1e-2},
}


def toy_jets(n: int = 500, seed: int = 0) -> Sample:
    """Jets with constituents and a number that tells nothing; every other has two prongs."""
    label = np.arange(n) % 2
    blocks = toy_blocks(label == 1, np.full(n, 1500.0), seed=seed)
    noise = np.random.default_rng(seed).normal(50.0, 3.0, (n, 1))
    ids = np.arange(n, dtype=np.uint64) + np.uint64(10_000 * seed)
    constituents = {"j1_constituents": blocks["j1_constituents"]}
    mass = np.full(n, 3000.0)
    return Sample.from_arrays(mass, noise, ("x",), event=ids, label=label, blocks=constituents)


@pytest.fixture(scope="session")
def jets() -> Sample:
    return toy_jets()


@pytest.fixture(scope="session")
def tagger(jets: Sample) -> Tagger:
    return train_tagger(jets, "pfn", SMALL)[0]


SHAPES = {
    "pfn": {"phi": [8], "f": [8]},
    "particlenet": {"edges": [8, 8], "neighbors": 3, "dense": 8},
    "part": {"embedding": [8], "pairs": [4], "heads": 2, "layers": 1, "class_layers": 1},
    "lorentznet": {"hidden": 8, "layers": 2},
    "pcnn": {"first": 8, "stages": [8, 8], "dense": 8},
}


def untrained(kind: str, *names: str, jet: str = "constituents", members: int = 2) -> Tagger:
    """A tagger with the weights that its networks begin with."""
    hyper = tagger_hyper(kind, SHAPES[kind] | {"particles": 12, "device": "cpu"})
    with seeded(7):
        networks = tuple(hyper.network(len(names), 1).eval() for _ in range(members))
    mean, std = np.full(len(names), 0.4, np.float32), np.full(len(names), 0.2, np.float32)
    ensemble = TaggerEnsemble(networks, mean, std, (jet,), hyper)
    return Tagger(kind, hyper, ensemble, names, np.empty(0, np.uint64))
