"""LaCATHODE: background keeps its spectrum where CATHODE sculpts it."""

from __future__ import annotations

import numpy as np

from overdensity.ml import make_method, performance
from overdensity.ml.evaluation.mass_dependence import mass_sculpting

FAST = {"classifier": {"inner_folds": 2, "members": 1}}


def test_selection_does_not_sculpt_where_that_of_cathode_does(moving, moving_flow, window):
    data = moving(20_000, 300, seed=1).without_label()
    background = moving(40_000, 0, seed=2)
    chi2 = {}
    for name in ("cathode", "lacathode"):
        method = make_method(name, **FAST).fit_inside(moving_flow, data, window, seed=1)
        (found,) = mass_sculpting(
            background.mass,
            method.score(background),
            edges=np.linspace(2800, 4400, 9),
            efficiencies=(0.05,),
        )
        chi2[name] = found.chi2 / found.ndf
    assert chi2["cathode"] > 20
    assert chi2["lacathode"] < chi2["cathode"] / 10


def test_signal_is_found_in_latent_space(moving, moving_flow, window):
    data, test = moving(20_000, 300, seed=1).without_label(), moving(20_000, 2000, seed=2)
    method = make_method("lacathode", **FAST).fit_inside(moving_flow, data, window, seed=1)
    test = test.take(window.signal(test.mass))
    assert performance(method.score(test), test.label, eps_b=(0.01,)).auc > 0.8
