"""Ensembles of recurrent networks on jets: what they are standardised by."""

from __future__ import annotations

import numpy as np

from overdensity.ml.classifiers.lstm import LstmHyper
from overdensity.ml.classifiers.lstm_ensemble import fit_lstm
from overdensity.ml.training.training_hyper import TrainingHyper


def test_inputs_are_standardised_by_the_jets_that_are_there():
    rng = np.random.default_rng(0)
    jets = rng.uniform(0.5, 1.5, (200, 2, 4))
    jets[:100, 1] = 0.0
    hyper = LstmHyper(
        memory=(2, 2),
        dense=(2,),
        relative=False,
        training=TrainingHyper(epochs=1, batch=200),
        device="cpu",
    )
    x, y = jets.reshape(200, 8).astype(np.float32), np.arange(200) % 2 == 0
    inner = np.arange(200) // 2 % 2
    fitted = fit_lstm(x, y, np.ones(200), inner, hyper=hyper, members=1, seed=1)
    network = fitted[0].networks[0]
    there = jets[jets[..., 0] > 0]
    np.testing.assert_allclose(network.mean[[0, 1, 3]], there[:, [0, 1, 3]].mean(0), rtol=1e-5)
    np.testing.assert_allclose(network.width[3], there[:, 3].std(ddof=1), rtol=1e-5)
