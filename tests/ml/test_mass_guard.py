"""How well the mass can be computed from what a method sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chatterjeexi

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.contract import toy_sample
from overdensity.ml.mass_guard import rank_correlation, regressed_share


@pytest.fixture(scope="module")
def jets():
    """Two jets whose pT gives the mass, and numbers that do not."""
    rng = np.random.default_rng(0)
    pt = rng.uniform(1000, 2000, (4000, 2))
    return 2 * np.sqrt(pt[:, 0] * pt[:, 1]), pt, rng.normal(size=(4000, 6))


@pytest.fixture(scope="module")
def toy() -> Sample:
    """Toy events with constituents alone, in GeV."""
    sample = toy_sample()
    blocks = {name: each for name, each in sample.blocks.items() if each.kind == "constituents"}
    return replace(sample, features=sample.features[:, :0], names=(), blocks=blocks)


def test_rank_correlation_is_that_of_scipy(jets):
    mass, pt, _ = jets
    assert rank_correlation(mass, pt[:, 0]) == pytest.approx(
        chatterjeexi(mass, pt[:, 0]).statistic, abs=1e-3
    )


def test_mass_made_of_the_inputs_is_explained_wholly(jets):
    mass, pt, noise = jets
    assert regressed_share(mass, np.hstack([np.log(pt), noise])) > 0.99


def test_half_of_the_variance_is_explained_by_one_of_two_jets(jets):
    mass, pt, noise = jets
    share = regressed_share(mass, np.hstack([np.log(pt[:, :1]), noise]))
    assert share == pytest.approx(0.5, abs=0.05)


def test_unrelated_inputs_explain_nothing(jets):
    mass, _, noise = jets
    assert abs(regressed_share(mass, noise)) < 0.02


def test_constituents_in_gev_are_refused(toy):
    with pytest.raises(InputError, match=r"mass can be computed from j1_constituents.*R² = 1\.00"):
        toy.refuse_known_mass()


def test_normalised_constituents_are_taken(toy):
    toy.showing(("constituents",), method="any").refuse_known_mass()


def test_normalised_constituents_beside_the_masses_of_their_jets_are_refused(toy):
    seen = toy.showing(("constituents",), method="any")
    of_jets = [toy.mass / 2 * np.exp(block.summaries()[:, 5] / 2) for block in seen.blocks.values()]
    both = replace(
        seen, features=np.stack(of_jets, axis=1).astype(np.float32), names=("j1_mass", "j2_mass")
    )
    with pytest.raises(InputError, match="leave out masses and momenta of jets"):
        both.refuse_known_mass()


def test_images_are_taken():
    sample = toy_sample().showing(("images",), method="any")
    replace(sample, features=sample.features[:, :0], names=()).refuse_known_mass()
