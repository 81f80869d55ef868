"""Files of CMS, ATLAS and Delphes: all become columns, and our jets are those stored in them.

The agreement is stated here and in docs/processors.md. Experiments store numbers with some ten
bits of mantissa (2e-3 to 5e-4 of a value), candidates and their PUPPI weights too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import awkward as ak
import numpy as np
import pandas as pd
import pytest
import uproot
from numpy.typing import NDArray

from overdensity.processors import (
    ColumnProcessor,
    DijetProcessor,
    JetProcessor,
    LeptonProcessor,
    MultijetProcessor,
    RootSource,
    process,
    read_events,
)
from overdensity.processors.features.n_subjettiness import contrib_n_subjettiness
from overdensity.processors.features.table import jet_features
from overdensity.processors.jets.clustering import cluster
from overdensity.processors.jets.momentum import cartesian, momenta

RADIUS = 0.8  # of the fat jets of CMS, and of those of Delphes's CMS card
TAUS = ("tau1", "tau2", "tau3", "tau4")

STORED = {"collection": "fat_jets", "features": ("tau21",)}
PLAIN = {"collection": "jets", "features": ()}

# what is in the files, and what is made of it
CASES: list[tuple[str, int, ColumnProcessor]] = [
    ("pfnano", 10, DijetProcessor(radius=RADIUS, features=(*TAUS, "d2", "softdrop_mass", "n"))),
    ("pfnano", 10, MultijetProcessor(collection="raw_particles", min_jets=2)),
    ("nano_tt_v15", 200, DijetProcessor(**STORED)),
    ("nano_tt_v15", 200, JetProcessor(radius=RADIUS, min_jet_pt=100)),
    ("nano_dy", 40, JetProcessor(**PLAIN)),
    ("nano_dy", 40, LeptonProcessor()),
    ("nano_dimuon", 40, JetProcessor(**PLAIN)),
    ("scouting_nano", 40, JetProcessor(**STORED)),
    ("treemaker", 10, DijetProcessor(**STORED)),
    ("treemaker", 10, MultijetProcessor(**PLAIN, event_features=())),
    ("PHYSLITE_example", 100, DijetProcessor(collection="fat_jets", features=("tau21", "d2"))),
    ("PHYSLITE_example", 100, LeptonProcessor(count_jets=True)),
    ("delphes_qcd", 250, DijetProcessor(radius=RADIUS)),
    ("delphes_ttbar", 150, MultijetProcessor()),
    ("delphes_zz4l", 1500, LeptonProcessor(count_jets=True)),
]


@pytest.mark.parametrize(
    ("name", "n_events", "processor"), CASES, ids=[f"{c[0]}-{c[2].name}" for c in CASES]
)
def test_every_real_file_becomes_columns(shared_data, tmp_path, name, n_events, processor) -> None:
    path = shared_data / "root" / f"{name}.root"
    report = process(
        path, tmp_path, source=RootSource(), processor=processor, chunk_events=(n_events + 1) // 2
    )
    left = list(report.cutflow.values())
    assert left[0] == report.events_read == n_events
    assert left == sorted(left, reverse=True)
    assert len(report.partitions) == 2
    assert report.bad_files == {}

    table = pd.read_parquet(report.columns)
    assert table["event"].nunique() == left[-1] == report.events_kept
    assert report.rows == len(table)
    if processor.name != "jets":
        assert table["event"].is_unique
    numbers = table.select_dtypes("number")
    assert np.isfinite(numbers).all(axis=None)
    for column in numbers.filter(regex=r"^(j\d_|l\d_)?(pt|mass)$|^m(jj|jjj|4l)$"):
        assert (numbers[column] >= 0).all()


def test_no_real_file_is_forgotten(shared_data) -> None:
    assert {path.stem for path in (shared_data / "root").glob("*.root")} == {c[0] for c in CASES}


# --- our jets and those of the experiments


class Pairs(NamedTuple):
    """Stored jets, each with the nearest of those clustered here."""

    stored: ak.Array  # with raw_pt and raw_mass
    jets: ak.Array
    constituents: ak.Array  # shape (n_jets, var)
    distance: NDArray[np.float64]


@cache
def paired(path: Path) -> Pairs:
    """Cluster the particles of a file and take the jet that is nearest to each stored fat jet."""
    events = read_events(RootSource(), path, collections=("particles", "fat_jets"))
    events = events[ak.num(events.particles) > 0]  # v15 keeps particles of few jets alone
    jets, inside = cluster(
        cartesian(events.particles), radius=RADIUS, min_pt=50.0, n_constituents=None
    )
    stored = events.fat_jets
    both = ak.cartesian({"stored": stored, "jet": jets}, nested=True)
    dphi = (both.stored.phi - both.jet.phi + np.pi) % (2 * np.pi) - np.pi
    distance = np.hypot(both.stored.eta - both.jet.eta, dphi)
    nearest = ak.argmin(distance, axis=2)
    raw = 1 - stored.raw_factor if "raw_factor" in stored.fields else 1.0
    stored = ak.with_field(stored, stored.pt * raw, "raw_pt")
    stored = ak.with_field(stored, stored.mass * raw, "raw_mass")
    flat = (ak.drop_none(ak.flatten(x)) for x in (stored, jets[nearest], inside[nearest]))
    return Pairs(*flat, ak.to_numpy(ak.drop_none(ak.flatten(ak.min(distance, axis=2)))))


@pytest.fixture(scope="module", params=["pfnano", "nano_tt_v15"])
def cms(shared_data, request) -> Pairs:
    """PFNano with all candidates, pT of a TeV; NanoAOD v15 with those of fat jets, 200 GeV."""
    pairs = paired(shared_data / "root" / f"{request.param}.root")
    near = pairs.distance < 0.1
    # v15 leaves out the constituents of two jets beside others that have them
    assert near.sum() == {"pfnano": 24, "nano_tt_v15": 62}[request.param]
    return Pairs(*(part[near] for part in pairs))


@pytest.fixture(scope="module", params=["delphes_qcd", "delphes_ttbar"])
def delphes(shared_data, request) -> Pairs:
    """Fat jets above 200 GeV."""
    pairs = paired(shared_data / "root" / f"{request.param}.root")
    assert len(pairs.jets) == {"delphes_qcd": 572, "delphes_ttbar": 329}[request.param]
    return pairs


def numbers(array: ak.Array) -> NDArray[np.float64]:
    return ak.to_numpy(array).astype(np.float64)


def test_jets_of_puppi_particles_are_those_of_cms_before_calibration(cms) -> None:
    assert cms.distance.max() < 1e-3
    pt, mass = numbers(cms.jets.pt), numbers(cms.jets.mass)
    np.testing.assert_allclose(pt, numbers(cms.stored.raw_pt), rtol=3e-3)
    np.testing.assert_allclose(mass, numbers(cms.stored.raw_mass), rtol=4e-3, atol=0.1)


def test_constituents_are_as_many_as_cms_counts(shared_data) -> None:
    pairs = paired(shared_data / "root" / "nano_tt_v15.root")  # PFNano of that age has no count
    near = pairs.distance < 0.1
    assert ak.num(pairs.constituents[near]).tolist() == pairs.stored.n[near].tolist()


def test_n_subjettiness_with_the_axes_of_cms_is_that_of_cms(cms) -> None:
    """CMS takes kT axes and one pass of minimisation, β = 1, R0 = 0.8 (`NjettinessAdder`)."""
    ours = contrib_n_subjettiness(
        cms.constituents, n=[1, 2, 3, 4], beta=1.0, radius=RADIUS, axes="OnePass_KT_Axes"
    )
    difference = abs(ours - np.stack([numbers(cms.stored[tau]) for tau in TAUS], axis=1))
    # 1e-4 of rounding; the minimum found may be another one where two are alike
    assert (np.median(difference, axis=0) < 1e-4).all()
    assert np.mean(difference < 1e-3) > 0.98
    assert difference.max() < 7e-3


def test_n_subjettiness_with_our_axes_is_near_that_of_cms(cms) -> None:
    """Winner-takes-all axes lead to the same minimum for most jets."""
    ours = jet_features((*TAUS, "tau21"), cms.constituents, radius=RADIUS)
    for tau, most in zip(TAUS, (1e-4, 1.5e-4, 3e-4, 1e-3), strict=True):
        assert np.median(abs(ours[tau] - numbers(cms.stored[tau]))) < most
    stored = numbers(cms.stored["tau2"]) / numbers(cms.stored["tau1"])  # .tau2 is vector's own
    difference = abs(ours["tau21"] - stored)
    assert np.median(difference) < 2e-3
    assert np.mean(difference < 0.02) > 0.8


def test_n_subjettiness_with_the_axes_of_delphes_is_that_of_delphes(delphes) -> None:
    """Its CMS card: one-pass kT axes, β = 1, unnormalised (`FastJetFinder`).

    The layout divides it by R0 and the pT of the jet; ours is divided by the sum of pT, which is
    larger, by some per mille, by 9 % at most.
    """
    ours = contrib_n_subjettiness(
        delphes.constituents, n=[1, 2, 3, 4], beta=1.0, radius=RADIUS, axes="OnePass_KT_Axes"
    )
    particles = delphes.constituents
    total = numbers(ak.sum(np.hypot(particles.px, particles.py), axis=1))
    stored = np.stack([numbers(delphes.stored[tau]) for tau in TAUS], axis=1)
    expected = stored * (numbers(delphes.stored.pt) / total)[:, None]
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
    excess = stored[:, 0] / ours[:, 0] - 1
    assert np.median(excess) < 0.01
    assert -1e-6 < excess.min() < excess.max() < 0.09


def test_n_subjettiness_with_our_axes_is_near_that_of_delphes(delphes) -> None:
    ours = jet_features(("tau21",), delphes.constituents, radius=RADIUS)["tau21"]
    stored = numbers(delphes.stored["tau2"]) / numbers(delphes.stored["tau1"])
    assert np.median(abs(ours - stored)) < 2e-4
    assert np.mean(abs(ours - stored) < 0.02) > 0.9


def test_soft_drop_mass_is_that_of_cms_v15_before_its_calibration(shared_data) -> None:
    path = shared_data / "root" / "nano_tt_v15.root"
    pairs = paired(path)
    near = pairs.distance < 0.1
    ours = jet_features(("softdrop_mass",), pairs.constituents[near], radius=RADIUS)
    tree = uproot.open(path)["Events"].arrays(filter_name=["FatJet_subJetIdx*", "SubJet_*", "PFC*"])
    tree = tree[ak.num(tree.PFCand_pt) > 0]
    raw = 1 - tree.SubJet_rawFactor
    values = (tree.SubJet_pt * raw, tree.SubJet_eta, tree.SubJet_phi, tree.SubJet_mass * raw)
    pt, eta, phi, mass = (numbers(ak.flatten(x)) for x in values)
    subjets = cartesian(momenta(pt, eta, phi, ak.to_numpy(ak.num(raw)), mass=mass))
    total = dict.fromkeys(("px", "py", "pz", "E"), 0.0)
    for index in (tree.FatJet_subJetIdx1, tree.FatJet_subJetIdx2):
        chosen = subjets[ak.mask(index, index >= 0)]
        total = {x: total[x] + numbers(ak.fill_none(ak.flatten(chosen[x]), 0.0)) for x in total}
    mass2 = total["E"] ** 2 - total["px"] ** 2 - total["py"] ** 2 - total["pz"] ** 2
    difference = abs(ours["softdrop_mass"] - np.sqrt(np.maximum(mass2, 0))[near])
    assert np.median(difference) < 0.1
    assert np.mean(difference < 0.5) > 0.95


def test_energy_correlations_stored_by_atlas_are_defined_as_ours(shared_data) -> None:
    """C2 and D2 of β = 1, made again of the correlations that are stored in MeV."""
    path = shared_data / "root" / "PHYSLITE_example.root"
    fields = {k: f"AnalysisLargeRJetsAuxDyn.ECF{k}" for k in (1, 2, 3)}
    tree = uproot.open(path)["CollectionTree"]
    first, second, third = (numbers(ak.flatten(tree[fields[k]].array())) for k in (1, 2, 3))
    jets = ak.flatten(read_events(RootSource(), path, collections=("fat_jets",)).fat_jets)
    good = second > 0
    assert good.sum() > 80  # a jet of one constituent has no pair; ATLAS stores -999 for it
    e2, e3 = (second / first**2)[good], (third / first**3)[good]
    np.testing.assert_allclose(numbers(jets.c2)[good], e3 / e2**2, rtol=1e-4)
    np.testing.assert_allclose(numbers(jets.d2)[good], e3 / e2**3, rtol=1e-4)
