"""Change of mass spectra against hand-made selections, scipy and the expectation of random ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from overdensity.core import ConfigError, InputError
from overdensity.ml import MassSculpting, mass_sculpting

EDGES = np.geomspace(2600, 6000, 13)


def masses(n: int, seed: int) -> np.ndarray:
    return 2600 + np.random.default_rng(seed).exponential(600, n).clip(max=3300)


def test_random_scores_give_the_expected_chi2_and_distance():
    rng = np.random.default_rng(1)
    mass = masses(5000, 0)
    found = [
        mass_sculpting(mass, rng.random(5000), edges=EDGES, efficiencies=(0.02,))[0]
        for _ in range(400)
    ]
    chi2 = np.array([each.chi2 for each in found])
    # mean ndf, of some 400 the spread of which is sqrt(2 ndf) or a bit more: few events a bin
    assert chi2.mean() == pytest.approx(found[0].ndf, abs=4 * chi2.std() / 20)
    rms = np.sqrt(np.mean([each.distance**2 for each in found]))
    assert rms == pytest.approx(found[0].distance_expected, rel=0.1)


def test_selection_by_the_mass_is_seen():
    mass = masses(5000, 0)
    (found,) = mass_sculpting(mass, -np.abs(mass - 3500), edges=EDGES, efficiencies=(0.05,))
    assert found.chi2 / found.ndf > 50
    assert found.distance > 5 * found.distance_expected  # it cannot exceed 1


def test_chi2_of_two_bins_is_that_of_the_difference_of_proportions():
    mass = np.repeat([1.0, 3.0], [60, 40])
    score = np.concatenate([np.arange(60) < 20, np.arange(40) < 5]).astype(float)
    (found,) = mass_sculpting(mass, score, edges=[0, 2, 4], efficiencies=(0.25,))
    assert found.before == (60, 40)
    assert found.after == (20, 5)
    # 25 of 100 selected: (20 - 15)^2 / (15 x 0.75) + (5 - 10)^2 / (10 x 0.75)
    assert found.chi2 == pytest.approx(25 / 11.25 + 25 / 7.5)
    assert found.ndf == 1


def test_distance_is_that_of_scipy():
    mass, score = masses(2000, 2), masses(2000, 3)
    for each in mass_sculpting(mass, mass + score, edges=EDGES, efficiencies=(0.5, 0.1)):
        assert each.distance == pytest.approx(jensenshannon(each.before, each.after, base=2))


def test_each_fold_keeps_its_fraction_whatever_the_scale_of_its_scores():
    mass = masses(4000, 4)
    fold = np.arange(4000) % 2
    score = np.random.default_rng(5).random(4000)
    (plain,) = mass_sculpting(mass, score, edges=EDGES, efficiencies=(0.1,), fold=fold)
    (scaled,) = mass_sculpting(mass, score + 10 * fold, edges=EDGES, efficiencies=(0.1,), fold=fold)
    assert plain == scaled
    assert sum(plain.after) == round(0.1 * sum(plain.before))


def test_result_survives_json(tmp_path):
    mass = masses(1000, 6)
    (found,) = mass_sculpting(mass, mass, edges=EDGES, efficiencies=(0.1,))
    assert MassSculpting.from_json(found.to_json(tmp_path / "s.json")) == found


def test_masses_outside_the_edges_are_refused():
    with pytest.raises(InputError, match="none of 10 events has a mass between 1 and 3"):
        mass_sculpting(np.full(10, 5.0), np.ones(10), edges=[1, 2, 3], efficiencies=(0.1,))


def test_selection_of_nothing_is_refused():
    with pytest.raises(InputError, match="keeps none of 10 events"):
        mass_sculpting(np.full(10, 1.5), np.ones(10), edges=[1, 2, 3], efficiencies=(0.01,))


@pytest.mark.parametrize("efficiency", [0.0, 1.0, 1.5])
def test_efficiency_that_selects_nothing_or_all_is_refused(efficiency):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        mass_sculpting(np.full(10, 1.5), np.ones(10), edges=[1, 2, 3], efficiencies=(efficiency,))
