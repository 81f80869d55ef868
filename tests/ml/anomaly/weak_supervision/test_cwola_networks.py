"""CWoLa hunting with networks, as published."""

from __future__ import annotations

from overdensity.ml import make_method


def test_defaults_are_the_published_ones():
    """arXiv:2101.08320, section 4.1.1."""
    hyper = make_method("cwola_networks").hyper
    networks = hyper.classifier.settings
    assert not hyper.sort
    assert (hyper.classifier.inner_folds, hyper.classifier.members) == (4, 1)
    assert (networks.layers, networks.width, networks.dropout) == (4, 128, 0.1)
    assert (networks.beta1, networks.beta2, networks.decay) == (0.8, 0.99, 5e-4)
    assert (networks.batch, networks.restarts, networks.judge) == (5000, 3, "cut")
