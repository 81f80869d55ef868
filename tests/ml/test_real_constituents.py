"""Methods below the features on real events; skipped where the reference data are absent."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample, Window, make_method, performance
from overdensity.ml.classifiers.ensemble import ClassifierHyper, balance_classes, fit_classifier
from overdensity.ml.classifiers.lstm import LstmHyper
from overdensity.ml.training.training_hyper import TrainingHyper
from overdensity.processors import DijetProcessor, LhcoSource, MultijetProcessor, process

logger = logging.getLogger("overdensity.tests")

REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "reference" / "rnd_events_13k.h5"
FEATURES = ("j1_constituents_30", "j2_constituents_30", "j1_image", "j2_image")
WINDOW = Window(3500.0, 3300.0, 3700.0, 2800.0, 4200.0)

pytestmark = [
    pytest.mark.slow(seconds=105),
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


@pytest.fixture(scope="module")
def halves(sample):
    """Return 6000 background and 60 signal events to learn from, 1 %, and all others."""
    learnt = [np.flatnonzero(sample.label == label)[:n] for label, n in ((0, 6000), (1, 60))]
    others = np.setdiff1d(np.arange(len(sample)), np.concatenate(learnt))
    return sample.take(np.sort(np.concatenate(learnt))), sample.take(others)


def reached(name, halves, **hyper):
    """Return the AUC of a method, whatever the mass."""
    learnt, test = halves
    method = make_method(name, device="cpu", **hyper)
    method.fit(method.shown(learnt), WINDOW, seed=1)
    auc = performance(method.score(method.shown(test)), test.label, eps_b=(0.1,)).auc
    logger.info("%s %s: AUC %.3f", name, hyper, auc)
    return auc


def test_jets_of_a_decay_are_more_regular_than_those_of_qcd_in_kt_order(halves):
    """About 20 seconds."""
    hyper = {"particles": 30, "training": {"epochs": 8, "batch": 256, "learning_rate": 3e-3}}
    auc = {order: reached("vrnn", halves, order=order, **hyper) for order in ("kt", "pt")}
    assert auc["kt"] > 0.65
    assert auc["kt"] > auc["pt"] + 0.02


def test_particles_of_a_decay_are_rebuilt_worse_than_those_of_qcd(halves):
    """About 20 seconds."""
    hyper = {"particles": 15, "training": {"epochs": 4, "batch": 256, "learning_rate": 2e-3}}
    auc = {
        loss: reached("graph_autoencoder", halves, loss=loss, **hyper)
        for loss in ("mse", "chamfer")
    }
    assert auc["mse"] > 0.65


def test_a_cluster_is_rich_in_signal_and_the_one_that_peaks_is_among_the_rich(halves):
    """About 10 seconds; from 1 % of signal."""
    learnt, test = halves
    training = {"batch": 256, "learning_rate": 3e-3}
    method = make_method(
        "ucluster",
        clusters=30,
        phi=[32, 32],
        f=[64],
        particles=20,
        pretraining=training | {"epochs": 6},
        training=training | {"epochs": 8, "keep": "last", "schedule": "cosine"},
        device="cpu",
    )
    method.fit(method.shown(learnt), WINDOW, seed=1)
    cluster = method.cluster_of(method.shown(test))
    b, s = (np.bincount(cluster[test.label == label], minlength=30) for label in (0, 1))
    ratio = np.where(b >= 25, s / np.maximum(b, 1) * 0.01 * b.sum() / s.sum(), 0.0)
    chosen = method.excess.argmax()
    logger.info(
        "ucluster: S/B at most %.3f, chosen %.3f (%d background), z %.1f, p %.2g",
        *(ratio.max(), ratio[chosen], b[chosen], method.excess[chosen], method.p_value),
    )
    assert ratio.max() > 0.03


def test_recurrent_networks_on_jets_learn_the_signal_by_the_truth(tmp_path):
    """About 25 seconds: half of the events to learn from, by their labels."""
    processor = MultijetProcessor(
        radius=0.7, features=(), event_features=(), min_jets=2, described=6
    )
    report = process(str(REFERENCE), str(tmp_path), source=LhcoSource(), processor=processor)
    names = [f"j{i}_{each}" for i in range(1, 7) for each in ("pt", "eta", "phi", "mass")]
    jets = Sample.from_parquet(report.columns, features=names)
    learnt = np.arange(len(jets)) < 6500
    auc = {}
    for relative in (True, False):
        settings = LstmHyper(
            memory=(32, 64),
            dense=(64, 64),
            relative=relative,
            training=TrainingHyper(epochs=12, batch=128, learning_rate=3e-3, patience=4),
            device="cpu",
        )
        hyper = ClassifierHyper(kind="lstm", inner_folds=2, members=1, settings=settings)
        some, test = jets.take(learnt), jets.take(~learnt)
        y = some.label == 1
        classifier = fit_classifier(
            some.features, y, weight=balance_classes(y), hyper=hyper, seed=1, event=some.event
        )
        auc[relative] = performance(classifier.score(test.features), test.label, eps_b=(0.1,)).auc
        logger.info("lstm, relative %s: AUC %.3f", relative, auc[relative])
    assert auc[False] > 0.85
    assert auc[True] > 0.75
