"""Toy jets of two prongs and of one, and a small tagger that has learnt to tell them."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import Sample
from overdensity.ml.tagging.tagger import Tagger, train_tagger
from overdensity.ml.toy_events import toy_blocks

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
