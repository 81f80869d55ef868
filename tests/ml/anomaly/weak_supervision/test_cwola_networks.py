"""CWoLa hunting with networks: what of a bank is kept, and the published defaults."""

from __future__ import annotations

from overdensity.ml import make_method
from overdensity.ml.anomaly.weak_supervision.cwola_networks import CwolaNetworksHyper


def test_the_defaults_are_the_published_ones():
    """arXiv:2101.08320, section 4.1.1: four inner folds, three restarts, batches of 5000."""
    hyper = CwolaNetworksHyper().classifier
    networks = hyper.settings
    assert (hyper.kind, hyper.inner_folds, networks.restarts, networks.batch) == (
        "networks",
        4,
        3,
        5000,
    )
    assert (networks.layers, networks.width, networks.dropout, networks.beta1) == (4, 128, 0.1, 0.8)


def test_networks_keep_the_best_restart_of_each_inner_fold(sample, window):
    method = make_method(
        "cwola_networks",
        classifier={
            "inner_folds": 3,
            "networks": {
                "epochs": 1,
                "patience": 1,
                "batch": 2000,
                "width": 8,
                "restarts": 2,
                "device": "cpu",
            },
        },
    )
    method.fit(sample.without_label(), window, seed=1)
    assert len(method.arrays()["weights.0"]) == 3
