"""Units of columns: all that our processors make in GeV, and nothing else."""

from __future__ import annotations

import pytest

from overdensity.processors.columns.units import axis_label

IN_GEV = (
    "mjj mjjj m_jets m12 m_low m_high mJ1 dmJ j1_pt j3_mass j1_softdrop_mass ht m_rsd ht_particles "
    "m_particles m4l mz1 l2_pt lt met pt mass"
)
OTHERS = (
    "j1_eta j1_phi j1_n j1_n_tracks j1_tau21_b2 j1_softdrop_zg j1_softdrop_rg j1_declustering_sum j1_efp7 "
    "j1_mass_over_pt j3_pt_over_m n_rsd tau21_rsd n_jets n_leptons charge l1_flavour j1_c2 j1_ptd delta_eta"
)


@pytest.mark.parametrize("name", IN_GEV.split())
def test_masses_and_momenta_are_in_gev(name: str) -> None:
    assert axis_label(name) == f"{name} [GeV]"


@pytest.mark.parametrize("name", OTHERS.split())
def test_others_are_called_what_they_are(name: str) -> None:
    assert axis_label(name) == name
