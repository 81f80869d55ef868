"""Methods below the features on real events; skipped where the reference data are absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample, Window, make_method, performance
from overdensity.processors import DijetProcessor, LhcoSource, process

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "reference" / "rnd_events_13k.h5"
FEATURES = ("j1_constituents_30", "j2_constituents_30", "j1_image", "j2_image")
WINDOW = Window(3500.0, 3300.0, 3700.0, 2800.0, 4200.0)

pytestmark = [
    pytest.mark.slow(seconds=55),
    pytest.mark.skipif(not REFERENCE.is_file(), reason="needs the reference data"),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """All events; about 15 seconds."""
    out = tmp_path_factory.mktemp("columns")
    processor = DijetProcessor(features=("constituents_30", "image"))
    report = process(str(REFERENCE), str(out), source=LhcoSource(), processor=processor)
    return Sample.from_parquet(report.columns, features=FEATURES)


def test_constituents_in_gev_tell_the_mass_and_normalised_ones_do_not(sample):
    """About a second; R² is 0.37 and 0.02."""
    blocks = {name: each for name, each in sample.blocks.items() if each.kind == "constituents"}
    raw = replace(sample.take(np.arange(10_000)), blocks={})
    raw = replace(raw, blocks={name: each.take(np.arange(10_000)) for name, each in blocks.items()})
    with pytest.raises(InputError, match="mass can be computed from j1_constituents_30"):
        raw.refuse_known_mass()
    raw.showing(("constituents",), method="any").refuse_known_mass()


def test_particle_flow_networks_know_two_prongs_from_one(sample):
    """About 15 seconds: half of the events to learn from, by their labels."""
    hyper = {"phi": [32, 32], "f": [32], "particles": 30, "device": "cpu"}
    training = {"epochs": 20, "batch": 100, "learning_rate": 3e-3, "patience": 6}
    method = make_method(
        "supervised",
        classifier={
            "kind": "pfn",
            "inner_folds": 2,
            "members": 1,
            "pfn": hyper | {"training": training},
        },
    )
    learnt = np.arange(len(sample)) < 6500
    method.fit(method.shown(sample.take(learnt)), WINDOW, seed=1)
    test = sample.take(~learnt & WINDOW.signal(sample.mass))
    assert performance(method.score(test), test.label, eps_b=(0.1,)).auc > 0.75


def test_jets_of_a_decay_are_more_regular_than_those_of_qcd_in_kt_order(sample):
    """About 22 seconds; AUC 0.74, and 0.38 in pT order."""
    training = {"epochs": 8, "batch": 256, "learning_rate": 3e-3}
    hyper = {"particles": 30, "training": training, "device": "cpu"}
    reached = {}
    background = np.flatnonzero(sample.label == 0)[:6000]
    test = sample.take(np.setdiff1d(np.arange(len(sample)), background))
    for order in ("kt", "pt"):
        method = make_method("vrnn", order=order, **hyper)
        method.fit(method.shown(sample.take(background)), WINDOW, seed=1)
        scores = method.score(method.shown(test))
        reached[order] = performance(scores, test.label, eps_b=(0.1,)).auc
    assert reached["kt"] > 0.65
    assert reached["kt"] > reached["pt"] + 0.02
