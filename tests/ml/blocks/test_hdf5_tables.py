"""Feature tables in HDF5, as pandas writes them and others do."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.blocks.hdf5_tables import is_named_table
from overdensity.ml.blocks.reading import column_names

N = 30
NAMES = [
    f"{name}{jet}"
    for jet in ("j1", "j2")
    for name in ("px", "py", "pz", "m", "tau1", "tau2", "tau3")
]
FEATURES = ("j1_mass", "tau2j1", "j2_tau21")


def features() -> pd.DataFrame:
    """Columns as those of events_anomalydetection_v2.features.h5."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.uniform(10, 900, (N, len(NAMES))), columns=NAMES)
    frame["tau1j2"] *= np.arange(N) != 3
    frame["label"] = (np.arange(N) % 10 == 0).astype(float)
    return frame


def written(path: Path, *, kind: str) -> str:
    frame = features()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "records":
            with h5py.File(path, "w") as file:
                file["jets"] = frame.to_records(index=False)
        elif kind == "integers":  # two blocks, another key
            frame.astype({"label": int}).to_hdf(path, key="features")
        else:
            names = NAMES if "columns" in kind else None
            form = "fixed" if kind == "fixed" else "table"
            frame.to_hdf(path, key="df", complib="blosc", format=form, data_columns=names)
    return str(path)


@pytest.mark.parametrize("kind", ["fixed", "table", "table columns", "integers", "records"])
def test_columns_are_read_by_name_and_named_as_ours_are(tmp_path, kind) -> None:
    path = written(tmp_path / "box.h5", kind=kind)
    assert is_named_table(path)
    sample = Sample.from_parquet(path, mass="mjj", features=FEATURES)
    told, k = features(), 7
    one, two = (
        told.iloc[k][[f"{x}{jet}" for x in ("px", "py", "pz", "m")]] for jet in ("j1", "j2")
    )
    energy = sum(np.sqrt((each**2).sum()) for each in (one, two))
    momentum = one.to_numpy()[:3] + two.to_numpy()[:3]
    expected = np.sqrt(energy**2 - (momentum**2).sum())
    order = np.argsort(sample.features[:, 0])
    same = np.argsort(told["mj1"])
    np.testing.assert_allclose(sample.features[order, 0], told["mj1"][same].astype(np.float32))
    np.testing.assert_allclose(sample.features[order, 1], told["tau2j1"][same].astype(np.float32))
    assert sample.mass[sample.features[:, 0] == np.float32(told["mj1"][k])] == pytest.approx(
        expected
    )
    assert sample.label is not None
    assert sample.label.sum() == 3
    assert np.all(np.isfinite(sample.features))  # tau1 is zero once


def test_columns_in_hdf5_are_those_in_parquet(tmp_path) -> None:
    path = written(tmp_path / "a.h5", kind="fixed")
    told = features()
    names = [*NAMES, "label"]
    pq.write_table(
        pa.table({name: told[name].to_numpy() for name in names}), tmp_path / "a.parquet"
    )
    one = Sample.from_parquet(path, mass="mj1", features=("tau1j1",))
    two = Sample.from_parquet(tmp_path / "a.parquet", mass="mj1", features=("tau1j1",))
    np.testing.assert_array_equal(one.features, two.features)
    assert set(column_names(path)) > set(names)


def test_an_empty_table_has_no_events(tmp_path) -> None:
    path = str(tmp_path / "a.h5")
    features().iloc[:0].to_hdf(path, key="df")
    assert len(Sample.from_parquet(path, mass="mjj", features=FEATURES)) == 0


def damage(path: Path, how: str) -> None:
    with h5py.File(path, "w" if how != "two" else "a") as file:
        match how:
            case "particles":
                file["df/block0_values"] = np.ones((3, 7))
            case "two":
                file["more"] = np.zeros(3, [("a", "<f8")])
            case "unwritten":
                file.create_dataset("t", (10**9,), [("mjj", "<f8"), ("x", "<f8")], chunks=(1000,))
            case "twice":
                file["df/block0_items"] = np.array([b"mjj", b"mjj"])
                file["df/block0_values"] = np.ones((3, 2))
            case "lengths":
                file["df/block0_items"], file["df/block1_items"] = (
                    np.array([b"a"]),
                    np.array([b"b"]),
                )
                file["df/block0_values"], file["df/block1_values"] = (
                    np.ones((3, 1)),
                    np.ones((4, 1)),
                )


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("particles", "no table of named columns in it; .* events.format: lhco"),
        ("two", r"has 2 tables of named columns \(df, more\)"),
        ("unwritten", "parts of '/t' were never written"),
        ("twice", "has the column 'mjj' twice"),
        ("lengths", "its columns differ in length"),
        ("cut", "not a readable HDF5 file"),
        ("none", "no such file"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, how, said) -> None:
    path = tmp_path / "a.h5"
    if how == "two":
        written(path, kind="fixed")
    if how == "cut":
        written(path, kind="fixed")
        path.write_bytes(path.read_bytes()[:3000])
    elif how != "none":
        damage(path, how)
    with pytest.raises(InputError, match=rf"a\.h5: {said}") as caught:
        Sample.from_parquet(path, mass="mjj", features=("x",))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_pickled_is_not_run(tmp_path) -> None:
    path = written(tmp_path / "a.h5", kind="table")
    with h5py.File(path, "a") as file:
        file["df/table"].attrs["values_block_0_kind"] = np.bytes_(
            b"cos\nsystem\n(S'touch " + str(tmp_path / "x").encode() + b"'\ntR."
        )
    with pytest.raises(InputError, match="no column 'mjj'"):
        Sample.from_parquet(path, mass="mjj", features=FEATURES)
    assert not (tmp_path / "x").exists()
