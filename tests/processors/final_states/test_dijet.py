"""The dijet processor against a plain loop over FastJet's objects, and against Delphes."""

from __future__ import annotations

import math

import awkward as ak
import fastjet
import numpy as np
import pandas as pd
import pytest
import uproot

from overdensity.processors import DijetProcessor, LhcoSource, RootSource, read_events
from overdensity.processors.base import Selected

JET = ["pt", "eta", "phi", "mass", "tau1", "tau2", "tau3", "tau21", "tau32", "n"]
COLUMNS = {
    "event",
    "mjj",
    *(f"{jet}_{name}" for jet in ("j1", "j2") for name in JET),
    *(f"j3_{name}" for name in JET[:4]),
    "ht",
    "n_jets",
    "mJ1",
    "dmJ",
    "label",
}


def select(path: str, start: int = 0, stop: int | None = None, **settings: object) -> Selected:
    return DijetProcessor(**settings).select(read_events(LhcoSource(), path, start, stop))


def loop_over_events(rows: np.ndarray) -> dict[str, np.ndarray]:
    """One event after another with PseudoJets: how the notebook of the challenge does it."""
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    found: dict[str, list[float]] = {
        "mjj": [],
        "j1_mass": [],
        "j2_mass": [],
        "j1_pt": [],
        "j1_n": [],
    }
    for row in rows:
        particles = []
        for pt, eta, phi in row[: len(row) // 3 * 3].reshape(-1, 3):
            if pt > 0:
                px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
                particles.append(fastjet.PseudoJet(px, py, pz, math.sqrt(px**2 + py**2 + pz**2)))
        sequence = fastjet.ClusterSequence(particles, definition)
        jets = fastjet.sorted_by_pt(sequence.inclusive_jets(20.0))
        found["mjj"].append((jets[0] + jets[1]).m())
        found["j1_mass"].append(jets[0].m())
        found["j2_mass"].append(jets[1].m())
        found["j1_pt"].append(jets[0].pt())
        found["j1_n"].append(len(jets[0].constituents()))
    return {name: np.array(values) for name, values in found.items()}


def test_columns_are_those_of_the_contract(lhco_file) -> None:
    columns = select(lhco_file).columns
    assert set(columns) == COLUMNS
    kinds = {name: str(x.dtype) for name, x in columns.items() if x.dtype != np.float32}
    integers = {"j1_n": "int16", "j2_n": "int16", "n_jets": "int16"}
    assert kinds == {"event": "uint64", "label": "int8", **integers}


def test_columns_are_those_of_the_reference_sample(lhco_file, shared_data) -> None:
    import pyarrow.parquet as pq

    schema = pq.read_schema(shared_data / "reference" / "rnd_background.parquet")
    for name, column in select(lhco_file).columns.items():
        if name not in {"event", "mJ1", "dmJ"}:
            assert schema.field(name).type.to_pandas_dtype() == column.dtype


def test_events_agree_with_a_loop(lhco_file, rows) -> None:
    columns = select(lhco_file).columns
    for name, expected in loop_over_events(rows).items():
        np.testing.assert_allclose(columns[name], expected, rtol=1e-5)


def test_the_official_sample_agrees_with_a_loop(shared_data) -> None:
    path = str(shared_data / "lhco" / "events_anomalydetection_tiny.h5")
    columns = select(path).columns
    for name, expected in loop_over_events(pd.read_hdf(path).to_numpy()).items():
        np.testing.assert_allclose(columns[name], expected, rtol=1e-5)


@pytest.mark.slow(seconds=15)
def test_all_columns_agree_with_the_reference_sample(shared_data) -> None:
    reference = shared_data / "reference"
    columns = pd.DataFrame(select(str(reference / "rnd_events_13k.h5"), 0, 4000).columns)
    for kind, label in (("background", 0), ("signal", 1)):
        table = pd.read_parquet(reference / f"rnd_{kind}.parquet")
        names = [name for name in table.columns if name != "label"]
        ours = columns[columns.label == label].copy()
        # the rows are shuffled and only some of these events are in the table: pair by four numbers
        keys = ["mjj", "j1_pt", "j1_mass", "j2_mass"]
        for frame in (table, ours):
            frame["key"] = list(map(tuple, frame[keys].round(1).to_numpy()))
        pairs = ours.merge(table.drop_duplicates("key"), on="key", suffixes=("", "_ref"))
        assert len(pairs) > 0.6 * len(ours)
        for name in names:
            np.testing.assert_allclose(pairs[name], pairs[f"{name}_ref"], rtol=2e-4, atol=2e-3)


def test_mj1_and_dmj_are_made_of_the_masses(lhco_file) -> None:
    columns = select(lhco_file).columns
    masses = np.stack([columns["j1_mass"], columns["j2_mass"]])
    np.testing.assert_allclose(columns["mJ1"], masses.min(axis=0))
    np.testing.assert_allclose(columns["mJ1"] + columns["dmJ"], masses.max(axis=0), rtol=1e-6)


def test_jets_are_in_order_of_pt(lhco_file) -> None:
    columns = select(lhco_file).columns
    assert (columns["j1_pt"] >= columns["j2_pt"]).all()
    assert (columns["j2_pt"] >= columns["j3_pt"]).all()


@pytest.mark.parametrize("batch_events", [7, 10_000])
def test_the_batch_has_no_influence(lhco_file, batch_events) -> None:
    one, other = select(lhco_file), select(lhco_file, batch_events=batch_events)
    assert one.cutflow == other.cutflow
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[name])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["pt", "eta", "phi"])
def test_events_that_are_not_finite_are_dropped_and_counted(
    tmp_path, write, rows, bad, place
) -> None:
    rows = rows[:6].copy()
    rows[2, ["pt", "eta", "phi"].index(place)] = bad
    selected = select(write(tmp_path / "a.h5", rows))
    assert selected.cutflow == {"events read": 6, "finite particles": 5, "two jets": 5}
    whole = select(write(tmp_path / "b.h5", np.delete(rows, 2, axis=0)))
    np.testing.assert_array_equal(selected.columns["mjj"], whole.columns["mjj"])


def test_events_of_negative_pt_are_dropped_and_counted(tmp_path, write, rows) -> None:
    rows = rows[:6].copy()
    rows[4, 3] *= -1
    cutflow = select(write(tmp_path / "a.h5", rows)).cutflow
    assert cutflow == {"events read": 6, "finite particles": 5, "two jets": 5}


def test_events_with_fewer_than_two_jets_are_dropped_and_counted(tmp_path, write) -> None:
    rows = np.zeros((4, 10))
    rows[1, :3] = 300, 0.1, 0.2  # one jet
    rows[2, :6] = 300, 0.1, 0.2, 40, 0.1, -3  # a second one below 50 GeV
    rows[3, :6] = 300, 0.1, 0.2, 60, 0.1, -3
    selected = select(write(tmp_path / "a.h5", rows))
    assert selected.cutflow == {"events read": 4, "finite particles": 4, "two jets": 1}
    columns = selected.columns
    assert columns["j2_pt"][0] == pytest.approx(60)
    # m² = 2 pT1 pT2 (cosh Δη − cos Δφ); jets of one particle have neither mass nor substructure
    assert columns["mjj"][0] == pytest.approx(np.sqrt(2 * 300 * 60 * (1 - np.cos(3.2))), rel=1e-6)
    for name in ("j1_tau1", "j1_tau21", "j1_tau32", "j3_pt", "j3_eta", "j3_mass"):
        assert columns[name][0] == 0
    assert (columns["j1_n"][0], columns["n_jets"][0]) == (1, 2)


def test_nothing_selected_has_all_columns(tmp_path, write) -> None:
    columns = select(write(tmp_path / "a.h5", np.zeros((3, 10)))).columns
    assert {name: len(column) for name, column in columns.items()} == dict.fromkeys(COLUMNS, 0)


def test_cuts_are_counted(lhco_file) -> None:
    everything = select(lhco_file).columns
    lead = everything["j1_pt"] > 1300
    central = lead & (abs(everything["j1_eta"]) < 1) & (abs(everything["j2_eta"]) < 1)
    cut = select(lhco_file, min_lead_pt=1300.0, max_abs_eta=1.0)
    assert list(cut.cutflow.values()) == [60, 60, 60, lead.sum(), central.sum()]
    assert 0 < central.sum() < lead.sum() < 60
    np.testing.assert_array_equal(cut.columns["event"], everything["event"][central])


def test_histograms_count_the_events(lhco_file) -> None:
    processor = DijetProcessor()
    columns = select(lhco_file).columns
    for name, histogram in processor.histograms(columns).items():
        edges = histogram.axes[0].edges
        inside = (columns[name] >= edges[0]) & (columns[name] < edges[-1])
        np.testing.assert_array_equal(
            histogram.values(), np.histogram(columns[name][inside], edges)[0]
        )
        assert histogram.sum(flow=True) == 60


@pytest.mark.parametrize("name", ["delphes_qcd.root", "delphes_ttbar.root"])
def test_jets_agree_with_those_that_delphes_stored(shared_data, name) -> None:
    path = str(shared_data / "root" / name)
    columns = DijetProcessor(radius=0.8).select(read_events(RootSource(), path)).columns
    stored = uproot.open(path)["Delphes"].arrays(["FatJet.PT", "FatJet.Mass"])
    for rank in range(2):  # the CMS card: anti-kT, R = 0.8, of the energy flow, pT > 200 GeV
        there = ak.to_numpy(ak.num(stored["FatJet.PT"]) > rank)
        for ours, theirs in (("pt", "FatJet.PT"), ("mass", "FatJet.Mass")):
            expected = ak.to_numpy(stored[theirs][there][:, rank])
            np.testing.assert_allclose(columns[f"j{rank + 1}_{ours}"][there], expected, rtol=1e-4)


def test_jets_agree_with_those_that_cms_stored(shared_data) -> None:
    path = str(shared_data / "root" / "pfnano.root")
    columns = DijetProcessor(radius=0.8).select(read_events(RootSource(), path)).columns
    stored = uproot.open(path)["Events"].arrays(["FatJet_pt", "FatJet_rawFactor"])
    raw = ak.sort(stored.FatJet_pt * (1 - stored.FatJet_rawFactor), ascending=False)
    # stored at 10 bits of mantissa, and so are the candidates
    np.testing.assert_allclose(columns["j1_pt"], raw[:, 0], rtol=2e-3)
    np.testing.assert_allclose(columns["j2_pt"], raw[:, 1], rtol=2e-3)


@pytest.mark.parametrize("name", ["delphes_qcd.root", "delphes_ttbar.root"])
def test_stored_jets_of_delphes_agree_with_clustered_ones(shared_data, name) -> None:
    path = str(shared_data / "root" / name)
    options = {"radius": 0.8, "features": ("n",)}
    clustered = DijetProcessor(**options).select(read_events(RootSource(), path)).columns
    stored = DijetProcessor(**options, collection="fat_jets").select(
        read_events(RootSource(), path, collections=("fat_jets",))
    )
    # the card keeps fat jets above 200 GeV
    hard = clustered["j2_pt"] > 205
    order = np.argsort(clustered["event"])
    rows = order[np.searchsorted(clustered["event"], stored.columns["event"], sorter=order)]
    assert set(clustered["event"][hard]) <= set(stored.columns["event"])
    np.testing.assert_allclose(stored.columns["mjj"], clustered["mjj"][rows], rtol=1e-4)
    for rank in (1, 2):
        for column in ("pt", "mass", "eta"):
            ours, theirs = clustered[f"j{rank}_{column}"][rows], stored.columns[f"j{rank}_{column}"]
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-3)


def test_features_by_name_are_columns_of_both_jets(lhco_file) -> None:
    features = ("d2", "tau21_b2", "softdrop_mass", "image", "lund")
    some = select(lhco_file, features=features).columns
    usual = select(lhco_file).columns
    assert {name for name in some if name.startswith("j1_")} == {
        *(f"j1_{name}" for name in JET[:4]),
        *(f"j1_{name}" for name in features),
    }
    for name in ("event", "mjj", "j1_pt", "j3_mass", "ht", "n_jets", "dmJ", "label"):
        np.testing.assert_array_equal(some[name], usual[name])
    # soft drop takes away
    assert (some["j1_softdrop_mass"] <= usual["j1_mass"] * (1 + 1e-5)).all()


def test_the_order_of_features_has_no_influence(lhco_file) -> None:
    one = select(lhco_file, features=("tau21", "n", "tau2")).columns
    usual = select(lhco_file).columns
    for name in ("j1_tau21", "j2_n", "j2_tau2"):
        np.testing.assert_array_equal(one[name], usual[name])


def test_the_distance_in_eta_is_that_of_the_leading_jets(lhco_file) -> None:
    everything = select(lhco_file).columns
    close = abs(everything["j1_eta"] - everything["j2_eta"]) < 1.3
    cut = select(lhco_file, max_delta_eta=1.3)
    assert 0 < close.sum() < 60
    assert cut.cutflow["delta eta"] == close.sum()
    np.testing.assert_array_equal(cut.columns["event"], everything["event"][close])
