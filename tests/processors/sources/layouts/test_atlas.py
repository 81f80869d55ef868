"""PHYSLITE of ATLAS."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

from overdensity.processors import RootSource, read_events
from overdensity.processors.sources.layouts.atlas import PHYSLITE


@pytest.fixture(scope="module")
def events(shared_data) -> ak.Array:
    path = str(shared_data / "root" / "PHYSLITE_example.root")
    return read_events(RootSource(PHYSLITE), path, collections=("jets", "leptons"))


def test_atlas_energies_become_gev(shared_data, events) -> None:
    path, jets = str(shared_data / "root" / "PHYSLITE_example.root"), events.jets
    stored = uproot.open(path)["CollectionTree"]["AnalysisJetsAuxDyn.pt"].array()
    np.testing.assert_allclose(ak.flatten(jets.pt), ak.flatten(stored) / 1000, rtol=1e-6)


def test_muons_have_a_mass_that_the_file_does_not_say(events) -> None:
    leptons = events.leptons
    muons = leptons[abs(leptons.pdg_id) == 13]
    assert ak.any(ak.num(muons) > 0)
    np.testing.assert_allclose(ak.flatten(muons.mass), 0.105658)
