from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.stats.signal.daughters import DaughterMass
from overdensity.workflow import SearchResults, load_config
from overdensity.workflow.challenge.jets_of_excess import (
    JetsOfExcess,
    _Events,
    _standing_out,
    has_a_peak,
    jets_of_excess,
)
from overdensity.workflow.stages.run import Run


@pytest.fixture(scope="module")
def jets(two_jets_run: Path) -> JetsOfExcess:
    results = SearchResults.from_json(two_jets_run / "results.json")
    assert results.best is not None
    run = Run(load_config(two_jets_run / "config.yaml"))
    return jets_of_excess(run, results, results.best)


def test_both_daughters_have_their_masses(jets: JetsOfExcess) -> None:
    for jet, mass in ((jets.heavier, 500.0), (jets.lighter, 200.0)):
        assert jet is not None
        assert jet.peak.mass_error is not None
        assert jet.peak.mass == pytest.approx(mass, abs=3 * jet.peak.mass_error)
        assert jet.mass_error == pytest.approx(
            np.linalg.norm([jet.peak.mass_error, 5.0, 0.02 * jet.peak.mass])
        )


def test_both_daughters_have_their_prongs(jets: JetsOfExcess) -> None:
    for jet, prongs in ((jets.heavier, 2), (jets.lighter, 3)):
        assert jet is not None
        assert jet.prongs is not None
        assert jet.prongs.number == prongs
        assert jet.prongs.excess > 5 * jet.prongs.excess_error


def test_the_spectra_add_up_to_what_was_selected(jets: JetsOfExcess) -> None:
    for jet in (jets.heavier, jets.lighter):
        assert jet is not None
        spectrum, peak = jet.spectrum, jet.peak
        assert sum(spectrum.observed) == pytest.approx(peak.n_events, rel=0.02)
        assert sum(spectrum.expected) == pytest.approx(peak.n_background, rel=0.05)


def test_the_record_survives_its_file(jets: JetsOfExcess, tmp_path: Path) -> None:
    assert JetsOfExcess.from_json(jets.to_json(tmp_path / "jets.json")) == jets


def test_without_both_jets_there_are_no_masses(finished_run: Path) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    assert results.best is not None
    found = jets_of_excess(Run(load_config(finished_run / "config.yaml")), results, results.best)
    assert (found.heavier, found.lighter) == (None, None)
    assert found.notes == ("masses of daughters are not measured: the columns have no j2_mass",)


def events_with(lighter_of_signal: np.ndarray, seed: int) -> _Events:
    """Events of an excess of 60 whose heavier jet weighs 500 GeV; a score has chosen some more."""
    rng, n = np.random.default_rng(seed), 4000
    qcd = np.sort(rng.gamma(3, 60, (n, 2)), axis=1)[:, ::-1]
    heavier = np.r_[qcd[:, 0], rng.normal(500, 20, 60)]
    mass = np.array([heavier, np.r_[qcd[:, 1], lighter_of_signal]])
    where = np.r_[np.arange(n) % 3, np.zeros(60)]  # a third is in the signal region
    chosen = (abs(heavier - 500) < 60) | (rng.random(n + 60) < 0.1)
    return _Events(mass, None, where == 0, where == 1, where > 0, chosen.astype(np.int8))


@pytest.mark.parametrize("is_gluon", [False, True])
def test_a_daughter_that_is_a_gluon_has_no_mass(is_gluon: bool) -> None:
    heavy = DaughterMass("heavier jet", 500.0, 3.0, 20.0, 90, 30.0)
    found = []
    for seed in range(8):
        rng = np.random.default_rng(100 + seed)
        lighter = rng.gamma(3, 60, 60) if is_gluon else rng.normal(120, 8, 60)
        events = events_with(lighter, seed)
        inside, beside = events.inside & (events.levels > 0), events.like_selected(1)
        seen = events.mass[1, inside]
        densest = float(seen[np.argmax([np.sum(abs(seen - x) < 12) for x in seen])])
        light = DaughterMass("lighter jet", densest, 3.0, 8.0, 90, 30.0)
        groups = events.mass[:, inside], events.mass[:, beside]
        found.append([peak.mass for peak in _standing_out(events, [heavy, light], groups)])
    assert sum(heavier == 500.0 for heavier, _ in found) >= 7
    nothing = sum(lighter is None for _, lighter in found)
    assert nothing >= 7 if is_gluon else nothing <= 1


def test_an_excess_that_looks_like_background_has_no_peak() -> None:
    rng = np.random.default_rng(3)
    fakes = []
    for _ in range(40):
        inside, beside = rng.gamma(3, 60, 300), rng.gamma(3, 60, 800)
        densest = inside[np.argmax([np.sum(abs(inside - x) < 30) for x in inside])]  # as if found
        fakes.append(has_a_peak(inside, beside, densest, 20.0))
    assert sum(fakes) <= 2
    assert has_a_peak(np.r_[inside, rng.normal(500, 20, 40)], beside, 500.0, 20.0)
