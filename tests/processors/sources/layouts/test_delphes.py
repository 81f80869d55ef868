"""Files of Delphes."""

from __future__ import annotations

import awkward as ak
import numpy as np
import uproot

from overdensity.processors import RootSource, read_events
from overdensity.processors.sources.layouts.delphes import DELPHES


def test_delphes_events_hold_tracks_photons_and_neutral_hadrons(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_qcd.root")
    tree = uproot.open(path)["Delphes"]
    events = read_events(RootSource(), path)
    expected = sum(
        ak.sum(tree[name].array(), axis=1)
        for name in ("EFlowTrack.PT", "EFlowPhoton.ET", "EFlowNeutralHadron.ET")
    )
    np.testing.assert_allclose(ak.sum(events.particles.pt, axis=1), expected, rtol=1e-5)
    charged = ak.num(tree["EFlowTrack.PT"].array())
    assert ak.sum(events.particles.charge != 0, axis=1).tolist() == charged.tolist()
    assert len(np.unique(ak.to_numpy(events.event))) == len(events) == 250


def test_n_subjettiness_is_over_pt_and_radius(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_ttbar.root")
    jets = read_events(RootSource(DELPHES), path, collections=("fat_jets",)).fat_jets
    tree = uproot.open(path)["Delphes"]
    stored = ak.flatten(tree["FatJet/FatJet.Tau[5]"].array())[:, 0]
    expected = stored / ak.flatten(tree["FatJet/FatJet.PT"].array()) / 0.8
    np.testing.assert_allclose(ak.flatten(jets.tau1), expected, rtol=1e-6)
