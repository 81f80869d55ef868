"""Jets varied in scale and resolution, with a calibration that is known by formula."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors.calibration.variations import JetVariations
from overdensity.processors.jets.momentum import momenta

TAG, ALGORITHM = "Toy24_V1_MC", "AK8PFPuppi"
TOTAL = f"{TAG}_Total_{ALGORITHM}"
FLAVOR = f"{TAG}_FlavorQCD_{ALGORITHM}"
SIGNED = f"{TAG}_SinglePionHCAL_{ALGORITHM}"
SCALE_FACTOR = f"Toy24_JRV1_MC_ScaleFactor_{ALGORITHM}"
RESOLUTION = f"Toy24_JRV1_MC_PtResolution_{ALGORITHM}"
ENERGY = f"{TAG}_L1L2L3Res_{ALGORITHM}"


def correction(name: str, inputs: list[str], data: Any) -> dict[str, Any]:
    kinds = {"systematic": "string", "EventID": "int"}
    return {
        "name": name,
        "version": 1,
        "inputs": [{"name": x, "type": kinds.get(x, "real")} for x in inputs],
        "output": {"name": "value", "type": "real"},
        "data": data,
    }


def formula(expression: str, *variables: str) -> dict[str, Any]:
    """A formula of ROOT in x, y, z, t: the variables in this order."""
    return {
        "nodetype": "formula",
        "expression": expression,
        "parser": "TFormula",
        "variables": list(variables),
    }


def jerc() -> dict[str, Any]:
    """What CMS's ``fatJet_jerc.json`` holds, with formulae of a line in place of large tables."""
    signs = {"nom": "1.1", "up": "1.2", "down": "1.0"}
    by_sign = [{"key": key, "value": formula(f"{sf} + 0*x", "JetEta")} for key, sf in signs.items()]
    offset = formula("1 - z*(y - 10)/x/100", "JetPt", "Rho", "JetA")
    return {
        "schema_version": 2,
        "corrections": [
            correction(TOTAL, ["JetEta", "JetPt"], formula("0.01 + 1/y + 0.01*abs(x)", "JetEta", "JetPt")),
            correction(FLAVOR, ["JetEta", "JetPt"], formula("0.02 + 0*x", "JetEta")),
            correction(SIGNED, ["JetEta", "JetPt"], formula("0.02*(x - 500)/x", "JetPt")),
            correction(RESOLUTION, ["JetEta", "JetPt", "Rho"], formula("sqrt(0.0025 + 1/x + y/x/x)", "JetPt", "Rho")),
            correction(SCALE_FACTOR, ["JetEta", "JetPt", "systematic"], {"nodetype": "category", "input": "systematic", "content": by_sign}),
            correction(f"{TAG}_L1FastJet_{ALGORITHM}", ["JetA", "JetEta", "JetPt", "Rho"], offset),
            correction(f"{TAG}_L2Relative_{ALGORITHM}", ["JetEta", "JetPt"], formula("1.05 + 1/x", "JetPt")),
            correction("OfTheRun", ["JetEta", "run"], formula("0.02 + 0*x", "JetEta")),
        ],
        "compound_corrections": [
            {
                "name": ENERGY,
                "inputs": [{"name": x, "type": "real"} for x in ("JetA", "JetEta", "JetPt", "Rho")],
                "output": {"name": "value", "type": "real"},
                "inputs_update": ["JetPt"],
                "input_op": "*",
                "output_op": "*",
                "stack": [f"{TAG}_L1FastJet_{ALGORITHM}", f"{TAG}_L2Relative_{ALGORITHM}"],
            }
        ],
    }  # fmt: skip


def jer_smear() -> dict[str, Any]:
    """What CMS's ``jer_smear.json`` holds."""
    inputs = ["JetPt", "JetEta", "GenPt", "Rho", "EventID", "JER", "JERSF"]
    random = {
        "nodetype": "transform",
        "input": "GenPt",
        "rule": {
            "nodetype": "hashprng",
            "inputs": ["JetPt", "JetEta", "Rho", "EventID"],
            "distribution": "normal",
        },
        "content": formula("1+sqrt(max(x*x - 1, 0)) * y * z", "JERSF", "JER", "GenPt"),
    }
    scaled = formula("1+(x-1)*(y-z)/y", "JERSF", "JetPt", "GenPt")
    data = {
        "nodetype": "binning",
        "input": "GenPt",
        "edges": [-1.0, 0.0, 1.0],
        "flow": "clamp",
        "content": [random, scaled],
    }
    return {"schema_version": 2, "corrections": [correction("JERSmear", inputs, data)]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("jerc")
    (folder / "jerc.json").write_text(json.dumps(jerc()))
    (folder / "smear.json").write_text(json.dumps(jer_smear()))
    return folder


@pytest.fixture(scope="module")
def file(folder) -> str:
    return str(folder / "jerc.json")


def make_events(n_events: int, *, matched: float = 0.7) -> ak.Array:
    """Jets within 12 % of generator jets, of which some are missing."""
    rng = np.random.default_rng(11)
    counts = rng.integers(0, 4, n_events)
    n = int(counts.sum())
    generated = rng.uniform(200, 900, n)
    pt = generated * rng.normal(1, 0.12, n)
    eta, phi = rng.uniform(-2, 2, n), rng.uniform(-np.pi, np.pi, n)
    order = np.lexsort((-pt, np.repeat(np.arange(n_events), counts)))
    pt, generated = pt[order], generated[order]
    kept = rng.random(n) < matched
    of_event = np.repeat(np.arange(n_events), counts)
    extras = {
        "softdrop_mass": pt * 0.1,
        "tau21": rng.random(n),
        "raw_factor": np.full(n, 0.04),
        "area": np.full(n, 2.0),
        "place": np.arange(n),
    }
    return ak.zip(
        {
            "fat_jets": momenta(pt, eta, phi, counts, mass=pt * 0.2, extras=extras),
            "gen_fat_jets": momenta(
                generated[kept], eta[kept] + 0.01, phi[kept],
                np.bincount(of_event[kept], minlength=n_events),
            ),
            "event": rng.integers(0, 2**64, n_events, dtype=np.uint64),
            "rho": rng.uniform(10, 40, n_events),
        },
        depth_limit=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return make_events(400)


def in_stored_order(events: Any, name: str) -> np.ndarray:
    """A quantity of all jets as they were before the jets were sorted anew."""
    jets = events.fat_jets
    place = ak.to_numpy(ak.flatten(jets.place))
    return ak.to_numpy(ak.flatten(jets[name]))[np.argsort(place)]


def test_scale_moves_jets_by_the_uncertainty_to_both_sides(file, events) -> None:
    versions = dict(JetVariations(file, jes=TOTAL)(events))
    assert list(versions) == ["nominal", "jes_up", "jes_down"]
    nominal = versions["nominal"]
    assert ak.array_equal(nominal.fat_jets.pt, events.fat_jets.pt)
    pt, eta = in_stored_order(nominal, "pt"), in_stored_order(nominal, "eta")
    delta = 0.01 + 1 / pt + 0.01 * abs(eta)
    for sign, name in ((1, "jes_up"), (-1, "jes_down")):
        for moved in ("pt", "mass", "softdrop_mass"):
            expected = in_stored_order(nominal, moved) * (1 + sign * delta)
            np.testing.assert_allclose(in_stored_order(versions[name], moved), expected)
        for kept in ("eta", "phi", "tau21", "area"):
            np.testing.assert_array_equal(
                in_stored_order(versions[name], kept), in_stored_order(nominal, kept)
            )


def test_the_uncalibrated_jet_stays_what_it_is(file, events) -> None:
    raw = in_stored_order(events, "pt") * 0.96
    for _, version in JetVariations(file, jes=TOTAL, jer=SCALE_FACTOR, jec=ENERGY)(events):
        factor = 1 - in_stored_order(version, "raw_factor")
        np.testing.assert_allclose(in_stored_order(version, "pt") * factor, raw)


def test_jets_are_in_order_of_pt_again(file, events) -> None:
    moved = False
    for _, version in JetVariations(file, jes=TOTAL, jer=SCALE_FACTOR)(events):
        pt = version.fat_jets.pt
        assert ak.all(pt[:, :-1] >= pt[:, 1:])
        moved |= not ak.array_equal(version.fat_jets.place, events.fat_jets.place)
    assert moved


def test_several_sources_have_their_own_names(file, events) -> None:
    variations = JetVariations(file, jes={"jes_total": TOTAL, "jes_flavor": FLAVOR})
    versions = dict(variations(events))
    four = ("jes_total_up", "jes_total_down", "jes_flavor_up", "jes_flavor_down")
    assert variations.names == four
    assert tuple(versions) == ("nominal", *four)
    ratio = in_stored_order(versions["jes_flavor_down"], "pt") / in_stored_order(events, "pt")
    np.testing.assert_allclose(ratio, 0.98)


def test_a_new_calibration_replaces_the_old_one(file, events) -> None:
    (_, version), *_ = JetVariations(file, jec=ENERGY)(events)
    raw = in_stored_order(events, "pt") * 0.96
    rho = np.repeat(ak.to_numpy(events.rho), ak.num(events.fat_jets.pt))
    offset = raw * (1 - 2.0 * (rho - 10) / raw / 100)
    np.testing.assert_allclose(in_stored_order(version, "pt"), offset * (1.05 + 1 / offset))
    ratio = in_stored_order(version, "pt") / in_stored_order(events, "pt")
    np.testing.assert_allclose(
        in_stored_order(version, "mass"), in_stored_order(events, "mass") * ratio
    )
    np.testing.assert_array_equal(
        in_stored_order(version, "softdrop_mass"), in_stored_order(events, "softdrop_mass")
    )


def test_matched_jets_move_away_from_their_generator_jets(file) -> None:
    events = make_events(400, matched=1.0)
    versions = dict(JetVariations(file, jer=SCALE_FACTOR)(events))
    generated = in_stored_order(
        ak.with_field(events, ak.with_field(events.gen_fat_jets, events.fat_jets.place, "place"), "fat_jets"), "pt"
    )  # fmt: skip
    pt = in_stored_order(events, "pt")
    rho = np.repeat(ak.to_numpy(events.rho), ak.num(events.fat_jets.pt))
    near = abs(pt - generated) < 3 * np.sqrt(0.0025 + 1 / pt + rho / pt**2) * pt
    assert 0.5 < near.mean() < 1
    for name, scale in (("nominal", 1.1), ("jer_up", 1.2), ("jer_down", 1.0)):
        smeared = in_stored_order(versions[name], "pt")
        np.testing.assert_allclose(smeared[near], (generated + scale * (pt - generated))[near])


def test_the_width_of_many_jets_is_that_of_data(file) -> None:
    """Half of 10^5 jets have a generator jet, half are smeared at random; pt / generated."""
    rng = np.random.default_rng(3)
    n, pt = 100_000, 700.0
    sigma = np.sqrt(0.0025 + 1 / pt + 20 / pt**2)
    # Smearing at random takes the resolution at the pT measured, which differs jet by jet.
    reco = pt * (1 + sigma * rng.normal(size=n))
    counts = np.ones(n, dtype=np.int64)
    there = np.arange(n) % 2
    eta = np.zeros(n)
    events = ak.zip(
        {
            "fat_jets": momenta(reco, eta, eta, counts, mass=eta),
            "gen_fat_jets": momenta(np.full(n // 2, pt), eta[::2], eta[::2], there),
            "event": np.arange(n, dtype=np.uint64),
            "rho": np.full(n, 20.0),
        },
        depth_limit=1,
    )
    for name, version in JetVariations(file, jer=SCALE_FACTOR)(events):
        scale = {"nominal": 1.1, "jer_up": 1.2, "jer_down": 1.0}[name]
        smeared = ak.to_numpy(version.fat_jets.pt[:, 0]) / pt
        for half in (smeared[there == 1], smeared[there == 0]):
            assert half.std() == pytest.approx(scale * sigma, rel=4 / np.sqrt(n) + 0.005)
            assert half.mean() == pytest.approx(1, abs=4 * sigma * scale / np.sqrt(n / 2))


def test_chunks_have_no_influence(file, events) -> None:
    variations = JetVariations(file, jes=TOTAL, jer=SCALE_FACTOR, jec=ENERGY)
    whole = dict(variations(events))
    pieces = [dict(variations(events[i : i + 130])) for i in range(0, len(events), 130)]
    for name, version in whole.items():
        joined = ak.concatenate([piece[name].fat_jets for piece in pieces])
        assert ak.array_equal(joined, version.fat_jets)


def test_variations_travel_to_workers(file, events) -> None:
    variations = JetVariations(file, jer=SCALE_FACTOR)
    travelled = dict(pickle.loads(pickle.dumps(variations))(events))
    for name, version in variations(events):
        assert ak.array_equal(version.fat_jets, travelled[name].fat_jets)


def test_events_without_jets_stay_so(file, events) -> None:
    empty = events[ak.num(events.fat_jets.pt) == 0]
    for chosen in (empty, empty[:0]):
        versions = dict(JetVariations(file, jes=TOTAL, jer=SCALE_FACTOR, jec=ENERGY)(chosen))
        assert len(versions) == 5
        assert all(ak.num(x.fat_jets.pt).tolist() == [0] * len(chosen) for x in versions.values())


def test_cms_smearing_by_correctionlib_gives_the_same_for_matched_jets(
    file, folder, events
) -> None:
    ours = dict(JetVariations(file, jer=SCALE_FACTOR)(events))
    theirs = dict(
        JetVariations(file, jer=SCALE_FACTOR, smear_file=str(folder / "smear.json"))(events)
    )
    for name in ("nominal", "jer_up"):
        same = np.isclose(in_stored_order(ours[name], "pt"), in_stored_order(theirs[name], "pt"))
        assert 0.4 < same.mean() < 0.9  # the others have other random numbers
        moved = in_stored_order(theirs[name], "pt") != in_stored_order(events, "pt")
        assert moved.all()


def test_what_must_be_read_follows_from_the_corrections(file) -> None:
    assert JetVariations(file, jes=TOTAL).collections == ("fat_jets",)
    assert JetVariations(file, jer=SCALE_FACTOR).collections == ("fat_jets", "gen_fat_jets", "rho")
    random = JetVariations(file, jer=SCALE_FACTOR, match=False, collection="jets")
    assert random.collections == ("jets", "rho")


def test_settings_know_the_content_of_the_file_and_not_its_place(file, folder, tmp_path) -> None:
    settings = JetVariations(file, jes=TOTAL).settings()
    json.dumps(settings)
    copy = tmp_path / "copy.json"
    copy.write_bytes(Path(file).read_bytes())
    assert JetVariations(str(copy), jes=TOTAL).settings() == settings
    copy.write_text(Path(file).read_text().replace("0.01 + 1/y", "0.02 + 1/y"))
    assert JetVariations(str(copy), jes=TOTAL).settings() != settings
    assert JetVariations(file, jes=FLAVOR).settings() != settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jes": "Toy24_V1_MC_Totl_AK8PFPuppi"}, r"did you mean .*Toy24_V1_MC_Total_AK8PFPuppi"),
        ({"jes": "OfTheRun"}, "OfTheRun needs the input 'run', which is not known here"),
        ({"jer": RESOLUTION}, "not the name of a scale factor"),
        ({"jer": "Toy24_JRV9_MC_ScaleFactor_AK8PFPuppi"}, "did you mean .*JRV1"),
        ({"jes": {"jer": TOTAL}}, "'jer' cannot name a variation"),
        ({"jes": {"a/b": TOTAL}}, "'a/b' cannot name a variation"),
        ({}, "nothing to vary"),
        ({"jes": TOTAL, "collection": "fatjets"}, "did you mean 'fat_jets'"),
    ],
)
def test_wrong_options_are_refused_before_the_run(file, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        JetVariations(file, **options)


def test_a_source_with_a_sign_lowers_some_jets_where_it_raises_others(file, events) -> None:
    """Those of single pions, fragmentation and the relative pT are zero at one pT, as CMS has them."""
    sets = dict(JetVariations(file, jes=SIGNED)(events))
    pt = np.sort(ak.to_numpy(ak.flatten(sets["nominal"].fat_jets.pt)))
    assert pt[0] < 500 < pt[-1]
    for name, sign in (("jes_up", 1), ("jes_down", -1)):
        varied = np.sort(ak.to_numpy(ak.flatten(sets[name].fat_jets.pt)))
        np.testing.assert_allclose(varied, pt + sign * 0.02 * (pt - 500), rtol=1e-9)


def test_a_correction_that_is_no_uncertainty_is_refused(file, events) -> None:
    with pytest.raises(InputError, match=r"is 1\.05.* to 1\.05.*, not a relative uncertainty"):
        list(JetVariations(file, jes=f"{TAG}_L2Relative_{ALGORITHM}")(events))


def test_jets_without_what_a_correction_needs_are_refused(file, events) -> None:
    bare = momenta(*(np.ones(1),) * 3, np.ones(1, dtype=np.int64))
    few = ak.with_field(events[:1], bare, "fat_jets")
    with pytest.raises(InputError, match=r"fat_jets have no area, which the corrections need"):
        list(JetVariations(file, jec=ENERGY)(few))


def test_variations_of_what_is_not_read_are_refused(file) -> None:
    from overdensity.processors import DijetProcessor
    from overdensity.processors.columns.writer import ColumnWriter

    with pytest.raises(ConfigError, match=r"dijet processor reads particles, .* change fat_jets"):
        ColumnWriter(DijetProcessor(), "out", JetVariations(file, jes=TOTAL))


@pytest.mark.parametrize(
    ("name", "collection", "n_events"),
    [("nano_tt_v15", "fat_jets", 200), ("nano_dy", "jets", 40)],
)
def test_real_events_of_cms_are_varied(file, shared_data, name, collection, n_events) -> None:
    from overdensity.processors import RootSource, read_events

    variations = JetVariations(file, jes=TOTAL, jer=SCALE_FACTOR, jec=ENERGY, collection=collection)
    path = str(shared_data / "root" / f"{name}.root")
    events = read_events(RootSource("nano"), path, collections=variations.collections)
    assert len(events) == n_events
    total = {
        key: ak.to_numpy(ak.sum(varied[collection].pt, axis=1))
        for key, varied in variations(events)
    }
    some = total["nominal"] > 0
    assert some.sum() >= 20
    assert (total["jes_up"] > total["nominal"])[some].all()
    assert (total["jes_down"] < total["nominal"])[some].all()
    np.testing.assert_allclose(
        total["jes_up"] + total["jes_down"], 2 * total["nominal"], rtol=1e-12
    )
    assert (total["jer_up"] != total["jer_down"])[some].all()


def test_one_pass_writes_columns_of_each_variation(file, shared_data, tmp_path) -> None:
    from overdensity.processors import DijetProcessor, RootSource, process

    variations = JetVariations(file, jes=TOTAL, jer=SCALE_FACTOR)
    report = process(
        [str(shared_data / "root" / "nano_tt_v15.root")],
        tmp_path,
        source=RootSource("nano"),
        processor=DijetProcessor(collection="fat_jets", features=("tau21",), min_jet_pt=170.0),
        variations=variations,
        chunk_events=100,
    )
    assert set(report.variations) == set(variations.names)
    tables = {
        name: pd.read_parquet(columns).set_index("event")
        for name, columns in [
            ("nominal", report.columns),
            *((name, varied.columns) for name, varied in report.variations.items()),
        ]
    }
    assert len(tables["jes_up"]) >= len(tables["nominal"]) >= len(tables["jes_down"]) > 0
    both = tables["jes_up"].join(tables["nominal"].add_suffix("_nominal"), how="inner")
    same = both[np.isclose(both.j1_eta, both.j1_eta_nominal)]
    assert len(same) > 0
    shift = same.j1_pt / same.j1_pt_nominal - 1
    expected = 0.01 + 1 / same.j1_pt_nominal + 0.01 * abs(same.j1_eta)
    np.testing.assert_allclose(shift, expected, rtol=1e-4)
