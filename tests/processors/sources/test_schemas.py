"""Branches under the names that schemas give them."""

from __future__ import annotations

import awkward as ak
import pytest

from overdensity.processors.sources.schemas import find_branches


@pytest.mark.parametrize(
    ("branch", "path"),
    [
        ("Jet_pt", ("Jet", "pt")),  # NanoAODSchema
        ("AnalysisJetsAuxDyn.pt", ("Jets", "pt")),  # PHYSLITESchema
        ("EventInfoAuxDyn.runNumber", ("EventInfo", "runNumber")),
        ("AntiKt4TruthDressedWZJetsAux.pt", ("AntiKt4TruthDressedWZJets", "pt")),
        ("Jets.fCoordinates.fE", ("Jets", "energy")),  # TreeMakerSchema
        ("particles_pt", ("particles", "pt")),  # nested Parquet
    ],
)
def test_a_branch_is_found_under_its_collection(branch, path) -> None:
    collection, name = path
    events = ak.Array([{collection: {name: 5.0}}])
    found = find_branches(events, frozenset({branch}))
    assert found[branch].to_list() == [5.0]


def test_a_branch_is_found_under_its_own_name_first() -> None:
    events = ak.Array([{"Jet_pt": 1.0, "Jet": {"pt": 2.0}}])
    assert find_branches(events, frozenset({"Jet_pt"}))["Jet_pt"].to_list() == [1.0]


def test_what_is_not_there_is_left_out() -> None:
    assert find_branches(ak.Array([{"Jet": {"pt": 2.0}}]), frozenset({"Jet_eta"})) == {}
