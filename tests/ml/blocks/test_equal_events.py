"""The same events twice, under all the names that they can have."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.blocks.equal_events import (
    _equal_pairs,
    refuse_equal_rows,
    refuse_shared_events,
)

N = 300


def events(n: int = N, *, seed: int = 0, dtype: type = np.float32) -> pa.Table:
    rng = np.random.default_rng(seed)
    made = {"mjj": rng.uniform(2600, 6000, n), "x": rng.random(n), "k": rng.integers(0, 5, n)}
    return pa.table({name: column.astype(dtype) for name, column in made.items()})


def with_jets(n: int, jets: np.ndarray) -> pa.Table:
    table = events(n)
    fields = [pa.array(jets[:, i]) for i in range(3)]
    struct = pa.StructArray.from_arrays(fields, ["pt", "eta", "phi"])
    lists = pa.ListArray.from_arrays(np.arange(0, 2 * n + 1, 2), struct)
    return table.drop(["x", "k"]).append_column("jets", lists)


@pytest.fixture
def folder(tmp_path):
    pq.write_table(events(), tmp_path / "a.parquet")
    return tmp_path


def read(folder, features=("x",)) -> Sample:
    return Sample.from_parquet(folder, features=features)


@pytest.mark.parametrize("features", [("x",), ("x", "k"), ("k",), ()])
def test_a_copy_is_refused_by_the_names_of_both_files(folder, features):
    shutil.copy(folder / "a.parquet", folder / "b.parquet")
    with pytest.raises(
        InputError, match=r"a\.parquet and .*b\.parquet: 300 of 600 events are equal"
    ):
        read(folder, features)


def changed(kind: str) -> pa.Table:
    """The same events as a user may have written them once more."""
    table = events()
    if kind == "shuffled":
        return table.take(np.random.default_rng(1).permutation(N))
    if kind == "double precision":
        return events(dtype=np.float64)
    if kind == "a part":
        return table.slice(100, 20)
    if kind == "one event":
        return table.slice(100, 1)
    return table.append_column("note", pa.array(np.arange(N)))


@pytest.mark.parametrize(
    ("kind", "n"),
    [
        ("shuffled", N),
        ("double precision", N),
        ("a part", 20),
        ("one event", 1),
        ("a column more", N),
    ],
)
def test_the_same_events_written_otherwise_are_refused(folder, kind, n):
    pq.write_table(changed(kind), folder / "b.parquet", row_group_size=7)
    with pytest.raises(InputError, match=rf"{n} of {N + len(changed(kind))} events are equal"):
        read(folder)


def test_new_ids_do_not_hide_a_copy(folder):
    for at, name in enumerate("ab"):
        ids = pa.array(np.arange(N, dtype=np.uint64) + at * N)
        pq.write_table(events().append_column("event", ids), folder / f"{name}.parquet")
    with pytest.raises(InputError, match="300 of 600 events are equal"):
        read(folder)


def test_events_twice_in_one_file_are_refused(tmp_path):
    pq.write_table(pa.concat_tables([events(), events().slice(0, 30)]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"^\S*a\.parquet: 30 of 330 events are equal"):
        read(tmp_path)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_the_file_it_leads_to(folder, link):
    link(folder / "a.parquet", folder / "b.parquet")
    with pytest.raises(
        InputError, match=r"b\.parquet: the file is given twice, .* a?\S*a\.parquet"
    ):
        read(folder)


def test_lists_tell_events_of_one_mass_apart(tmp_path):
    jets = np.random.default_rng(2).uniform(1, 2, (4 * N, 3))
    masses = events().append_column("event", pa.array(np.arange(N)))["mjj"]
    for name, some in (("a", jets[: 2 * N]), ("b", jets[2 * N :])):
        pq.write_table(with_jets(N, some), tmp_path / f"{name}.parquet")
    assert len(masses) == N
    assert len(read(tmp_path, ["jets"])) == 2 * N
    pq.write_table(with_jets(N, jets[: 2 * N]), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="300 of 600 events are equal"):
        read(tmp_path, ["jets"])


def test_ids_that_repeat_are_overlapping_datasets(tmp_path):
    for name, start in (("a", 0), ("b", N - 7)):
        ids = pa.array(np.arange(start, start + N, dtype=np.uint64))
        table = events(seed=start).append_column("event", ids)
        pq.write_table(table, tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match=r"a\.parquet and .*b\.parquet: 7 event ids .*overlapping"):
        read(tmp_path)


def test_events_without_a_mass_are_not_compared(tmp_path):
    none = pa.table({name: pa.array(np.full(50, -1, np.float32)) for name in ("mjj", "x", "k")})
    pq.write_table(pa.concat_tables([events(), none]), tmp_path / "a.parquet")
    assert len(read(tmp_path)) == N + 50


def test_masses_alone_may_be_equal(tmp_path):
    masses = pa.table({"mjj": events()["mjj"]})
    pq.write_table(pa.concat_tables([masses, masses.slice(0, 5)]), tmp_path / "a.parquet")
    assert len(read(tmp_path, ())) == N + 5


def test_parts_of_a_divided_table_may_have_equal_names(tmp_path):
    for at, era in enumerate((2017, 2018)):
        part = tmp_path / f"era={era}"
        part.mkdir()
        pq.write_table(events().slice(100 * at, 100), part / "part-0.parquet")
        (part / "._part-0.parquet").write_bytes(b"what macOS leaves")
    assert len(read(tmp_path)) == 200


@given(st.integers(10, 3000), st.integers(20, 3000), st.integers(0, 99))
def test_rounding_alone_is_never_refused(steps, more, seed):
    """Independent columns of few values have equal events by chance, whatever the rounding."""
    rng = np.random.default_rng(seed)
    n = 400
    mass, x = rng.integers(1, steps + 1, n), rng.integers(0, more, n)
    pairs = [_equal_pairs(each.astype(np.float32)) for each in (mass, x)]
    equal = n - len(set(zip(mass.tolist(), x.tolist(), strict=True)))
    chance = n * (n - 1) / 2 * pairs[0] * pairs[1]
    assert equal <= 10 * chance + 5 * np.sqrt(10 * chance) + 2


def test_numbers_are_compared_as_precisely_as_they_are_stored(tmp_path):
    """In single precision, some of these are equal."""
    x = np.random.default_rng(4).uniform(0, 2, 20_000)
    made = pa.table({"mjj": 3000 + 500 * x, "x": x})
    assert len(np.unique(made["mjj"].to_numpy().astype(np.float32))) < len(x)
    pq.write_table(made, tmp_path / "a.parquet")
    assert len(read(tmp_path)) == len(x)


def test_a_feature_that_follows_the_mass_makes_chance_larger(tmp_path):
    rng = np.random.default_rng(5)
    mass = np.round(2000 + rng.exponential(700, 20_000), 1)
    beside = np.round(mass + rng.normal(0, 5, len(mass)))  # nearly the mass itself
    table = pa.table({"mjj": mass.astype("f4"), "m_rsd": beside.astype("f4")})
    pq.write_table(table, tmp_path / "a.parquet")
    Sample.from_parquet(tmp_path / "a.parquet", features=["m_rsd"])


def test_without_features_the_other_columns_say_how_much_is_chance(tmp_path):
    rng = np.random.default_rng(6)
    mass = (2000 + rng.exponential(700, 50_000)).astype("f4")
    table = pa.table({"mjj": mass, "j_n": rng.poisson(40, len(mass)).astype("f4")})
    pq.write_table(table, tmp_path / "a.parquet")
    Sample.from_parquet(tmp_path / "a.parquet", features=[])
    pq.write_table(table.slice(0, 5000), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="equal to another in the mass and all other columns"):
        Sample.from_parquet([tmp_path / "a.parquet", tmp_path / "b.parquet"], features=[])


def following(n: int, *, mass: float | None, copy: float | None, more: bool) -> pa.Table:
    """Masses and a copy of them in TeV, rounded to so many GeV or not; perhaps a rounded feature."""
    rng = np.random.default_rng(3)
    masses = 2500 * (1 + rng.pareto(6, n))
    rounded = [masses if step is None else np.round(masses / step) * step for step in (mass, copy)]
    table = {"mjj": rounded[0], "x": -rounded[1] / 1000}
    return pa.table(table | ({"k": rng.beta(5, 4, n).round(2)} if more else {}))


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(("mass", "copy"), [(1, 1), (1, 0.1), (1, 10), (0.1, 1), (10, None)])
def test_a_rounded_copy_of_a_rounded_mass_makes_no_events_equal(tmp_path, mass, copy, more):
    table = following(6000, mass=mass, copy=copy, more=more)
    pq.write_table(table, tmp_path / "a.parquet")
    names = [name for name in table.column_names if name != "mjj"]
    assert len(Sample.from_parquet(tmp_path / "a.parquet", features=names)) == 6000


@pytest.mark.parametrize(("mass", "copy"), [(None, None), (None, 1), (1, None)])
def test_some_events_twice_are_refused_beside_a_copy_of_the_mass(tmp_path, mass, copy):
    table = following(6000, mass=mass, copy=copy, more=False)
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(table.slice(0, 100), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"a\.parquet and .*b\.parquet: 100 of 6100 events"):
        Sample.from_parquet([tmp_path / "a.parquet", tmp_path / "b.parquet"], features=["x"])


def test_a_feature_in_the_place_of_the_mass_may_be_negative(tmp_path):
    table = events().append_column("lp", pa.array(-np.random.default_rng(3).exponential(size=N)))
    for name in ("a", "b"):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="300 of 600 events are equal"):
        Sample.from_parquet(tmp_path, features=("lp", "x"), mass="lp")


def test_samples_that_are_added_share_no_events():
    rng = np.random.default_rng(1)
    ids, x = np.arange(N, dtype=np.uint64), rng.random((N, 2)).astype(np.float32)
    few = rng.integers(0, 4, (N, 1)).astype(np.float32)
    refuse_shared_events([ids, ids], [x, x + 1], ["zz", "higgs"])  # ids that begin anew
    refuse_shared_events([ids, ids], [few, rng.permutation(few)], ["zz", "higgs"])  # few values
    for part in (slice(None), slice(0, N, 7)):
        with pytest.raises(InputError, match=r"zz and higgs: .* events are the same in both"):
            refuse_shared_events([ids, ids[part][::-1]], [x, x[part][::-1]], ["zz", "higgs"])


def test_rows_are_given_once():
    rng = np.random.default_rng(1)
    x, few = rng.random((N, 2)), rng.integers(0, 4, (N, 2)).astype(float)
    refuse_equal_rows(x, ["a"], "jets")
    for table in (few, few[:, :1], np.ones((N, 1)), rng.integers(0, 50, (N, 1)).astype(float)):
        refuse_equal_rows(table, ["a"], "jets")
    with pytest.raises(InputError, match="a, b: 30 of 330 jets are equal to another"):
        refuse_equal_rows(np.concatenate([x, x[::10]]), ["a", "b"], "jets")
