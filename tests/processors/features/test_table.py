"""The contract that every feature of jets keeps, and the names."""

from __future__ import annotations

import json

import awkward as ak
import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors.features.table import FEATURES, check_features, describe, jet_features
from overdensity.processors.jets.momentum import cartesian, momenta

NAMES = [feature.names[0] for feature in FEATURES]
ALL_NAMES = [name for feature in FEATURES for name in feature.names]
RADIUS = 0.8


def feature_of(name: str):
    return next(feature for feature in FEATURES if feature.matches(name))


def make_jets(counts: list[int], *, seed: int = 3, turn: float = 0.0) -> ak.Array:
    """Two-pronged jets around (eta, phi) = (0.3, 2.9 + turn), most of them across phi = π."""
    rng = np.random.default_rng(seed)
    n = sum(counts)
    prong = rng.integers(0, 2, n)
    eta = 0.3 + 0.3 * prong + rng.normal(0, 0.1, n)
    phi = 2.9 + 0.4 * prong + rng.normal(0, 0.1, n) + turn
    pt, charge = rng.exponential(20, n) + 0.5, rng.integers(-1, 2, n).astype(np.int8)
    phi = np.arctan2(np.sin(phi), np.cos(phi))
    jets = cartesian(momenta(pt, eta, phi, np.array(counts)))
    return ak.with_field(jets, ak.unflatten(charge, counts), "charge")


def values(name: str, jets: ak.Array):
    return jet_features([name], jets, radius=RADIUS)[name]


def numbers(column) -> np.ndarray:
    """All numbers of a column in a row."""
    if isinstance(column, np.ndarray):
        return column.astype(np.float64).ravel()
    fields = [column[name] for name in column.fields] or [column]
    return np.concatenate([ak.to_numpy(ak.flatten(field, axis=None)) for field in fields])


@pytest.mark.parametrize("name", ALL_NAMES)
def test_shape_and_type_are_as_described(name) -> None:
    column, feature = values(name, make_jets([20, 0, 1, 9])), feature_of(name)
    assert len(column) == 4
    if isinstance(column, np.ndarray):
        assert str(column.shape[1:]) == feature.shape
        assert column.dtype == feature.dtype
    else:
        assert feature.shape == f"list of {{{', '.join(column.fields)}}}"
        for field in column.fields:
            assert str(column[field].type) == f"4 * var * {feature.dtype}"


@pytest.mark.parametrize("name", NAMES)
def test_no_jets_give_an_empty_column_of_the_same_type(name) -> None:
    jets = make_jets([5, 4])
    column, empty = values(name, jets), values(name, jets[:0])
    assert len(empty) == 0
    if isinstance(column, np.ndarray):
        assert (empty.shape[1:], empty.dtype) == (column.shape[1:], column.dtype)
    else:
        assert ak.type(empty).content == ak.type(column).content


@pytest.mark.parametrize("name", NAMES)
def test_a_jet_without_constituents_is_zero_or_an_empty_list(name) -> None:
    column = values(name, make_jets([3, 0, 3]))
    np.testing.assert_array_equal(numbers(column[1:2]), 0.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("counts", [[1], [2, 1], [1, 1, 1]])
def test_jets_of_one_and_two_particles_are_finite(name, counts) -> None:
    assert np.isfinite(numbers(values(name, make_jets(counts)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_jet_does_not_depend_on_its_neighbours(name) -> None:
    jets = make_jets([30, 2, 0, 17, 64, 1, 5])
    order = np.array([4, 0, 6, 2, 5, 1, 3])
    column, mixed = values(name, jets), values(name, jets[order])
    assert ak.array_equal(ak.Array(column)[order], ak.Array(mixed))
    alone = values(name, jets[3:4])
    assert ak.array_equal(ak.Array(column)[3:4], ak.Array(alone))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_jets_give_the_same_bits(name) -> None:
    jets = make_jets([30, 2, 0, 17])
    assert ak.array_equal(ak.Array(values(name, jets)), ak.Array(values(name, jets)))


@pytest.mark.parametrize("name", NAMES)
def test_threads_give_the_same_bits(name) -> None:
    jets = make_jets([30, 2, 0, 17, 8, 3])
    shared = jet_features([name], jets, radius=RADIUS, threads=2)[name]
    assert ak.array_equal(ak.Array(values(name, jets)), ak.Array(shared))


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_about_the_beam_changes_nothing(name) -> None:
    counts = [30, 12, 3, 17]
    column, turned = values(name, make_jets(counts)), values(name, make_jets(counts, turn=1.3))
    np.testing.assert_allclose(numbers(turned), numbers(column), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_jets_given_stay_as_they_are(name) -> None:
    jets = make_jets([9, 3])
    values(name, jets)
    assert ak.array_equal(jets, make_jets([9, 3]))


def test_columns_come_in_the_order_of_the_names_and_as_if_asked_for_alone() -> None:
    jets = make_jets([12, 0, 1, 30])
    columns = jet_features(ALL_NAMES[::-1], jets, radius=RADIUS)
    assert list(columns) == ALL_NAMES[::-1]
    for name, column in columns.items():
        # the axes for N do not depend on what else is asked for
        assert ak.array_equal(ak.Array(column), ak.Array(values(name, jets))), name


def test_the_table_is_plain_json_and_names_what_can_be_asked_for() -> None:
    table = json.loads(json.dumps(describe()))
    assert [row["name"] for row in table] == [feature.name for feature in FEATURES]
    for row in table:
        assert row["meaning"]
        assert row["source"]
        check_features(row["examples"])


def test_each_name_belongs_to_one_feature() -> None:
    for name in ALL_NAMES:
        assert sum(feature.matches(name) for feature in FEATURES) == 1


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [
        ("tau_21", "'tau21'"),
        ("tau21_b", "'tau21_b2'"),
        ("ntracks", "'n_tracks'"),
        ("Tau1", "'tau1'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(misspelt, nearest) -> None:
    with pytest.raises(
        ConfigError, match=rf"no jet feature '{misspelt}': did you mean .*{nearest}"
    ):
        check_features(["n", misspelt])


@pytest.mark.parametrize("name", ["tau0", "tau12", "tau31", "tau1_b0", "tau1_b0.0", "tau10", "n "])
def test_a_name_without_meaning_is_refused(name) -> None:
    with pytest.raises(ConfigError, match="no jet feature"):
        check_features([name])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="'tau1' is asked for more than once"):
        check_features(["tau1", "n", "tau1"])


def test_tracks_without_charges_are_refused() -> None:
    jets = make_jets([4])[["px", "py", "pz", "E"]]
    with pytest.raises(InputError, match="have no 'charge', only px, py, pz, E"):
        values("n_tracks", jets)


def test_tracks_are_the_charged_constituents() -> None:
    jets = make_jets([9, 0, 5])
    expected = [sum(q != 0 for q in jet) for jet in jets.charge.to_list()]
    np.testing.assert_array_equal(values("n_tracks", jets), expected)


def test_a_radius_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="the jet radius is 0"):
        jet_features(["n"], make_jets([3]), radius=0)
