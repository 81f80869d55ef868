"""Reading, keeping and refusing columns."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.ml.blocks.images import Images

N = 500


def columns(**changed):
    rng = np.random.default_rng(0)
    made = {
        "mjj": rng.uniform(2600, 6000, N).astype(np.float32),
        "j1_mass": rng.uniform(50, 500, N).astype(np.float32),
        "j1_tau21": rng.uniform(0, 1, N).astype(np.float32),
        "unused": rng.uniform(0, 1, N),
    } | changed
    return pa.table({name: column for name, column in made.items() if column is not None})


@pytest.fixture
def file(tmp_path):
    pq.write_table(columns(), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


FEATURES = ["j1_mass", "j1_tau21"]


def test_columns_are_read_as_they_were_written(file):
    sample = Sample.from_parquet(file, features=FEATURES)
    table = columns()
    np.testing.assert_array_equal(sample.mass, table["mjj"].to_numpy())
    for i, name in enumerate(FEATURES):
        np.testing.assert_array_equal(sample.features[:, i], table[name].to_numpy())
    assert sample.names == tuple(FEATURES)
    dtypes = (sample.event.dtype, sample.mass.dtype, sample.features.dtype)
    assert dtypes == (np.uint64, np.float64, np.float32)
    assert sample.label is None
    assert sample.weight is None


def test_stored_ids_weights_and_labels_are_taken(tmp_path):
    ids = np.arange(N, dtype=np.uint64) + np.uint64(2**63)
    label = (np.arange(N) % 2).astype(np.int8)
    pq.write_table(columns(event=ids, weight=np.full(N, 0.5), label=label), tmp_path / "a.parquet")
    sample = Sample.from_parquet(tmp_path / "a.parquet", features=FEATURES)
    np.testing.assert_array_equal(sample.event, ids)
    np.testing.assert_array_equal(sample.label, label)
    assert np.all(sample.weight == 0.5)
    assert sample.without_label().label is None


def test_made_ids_do_not_depend_on_the_folder_or_the_row_groups(file, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    pq.write_table(columns(), tmp_path / "elsewhere" / "a.parquet", row_group_size=37)
    here = Sample.from_parquet(file, features=FEATURES)
    there = Sample.from_parquet(tmp_path / "elsewhere", features=FEATURES)
    np.testing.assert_array_equal(here.event, there.event)


def test_folder_is_read_in_the_order_of_the_names(tmp_path):
    pq.write_table(columns().slice(300), tmp_path / "b.parquet")
    pq.write_table(columns().slice(0, 300), tmp_path / "a.parquet")
    sample = Sample.from_parquet(tmp_path, features=FEATURES)
    np.testing.assert_array_equal(sample.mass, columns()["mjj"].to_numpy())


def test_take_keeps_rows_together(file):
    sample = Sample.from_parquet(file, features=FEATURES)
    some = sample.take(sample.mass > 4000)
    assert 0 < len(some) < len(sample)
    i = np.flatnonzero(sample.mass > 4000)[3]
    assert some.event[3] == sample.event[i]
    np.testing.assert_array_equal(some.features[3], sample.features[i])


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.parquet: no such file"):
        Sample.from_parquet(tmp_path / "none.parquet", features=FEATURES)


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="without"):
        Sample.from_parquet(tmp_path, features=FEATURES)


@pytest.mark.parametrize("content", [b"not parquet at all", b"PAR1"])
def test_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match="not a Parquet file"):
        Sample.from_parquet(tmp_path / "a.parquet", features=FEATURES)


def test_truncated_file_is_refused(file):
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a Parquet file, or truncated"):
        Sample.from_parquet(file, features=FEATURES)


def test_missing_column_is_named_with_the_nearest(file):
    with pytest.raises(InputError, match=r"no column 'j1_tau12'; did you mean 'j1_tau21'"):
        Sample.from_parquet(file, features=["j1_tau12"])


def test_column_of_text_is_refused(tmp_path):
    pq.write_table(columns(j1_mass=["heavy"] * N), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="holds string, not numbers"):
        Sample.from_parquet(tmp_path, features=FEATURES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, None])
@pytest.mark.parametrize("name", ["mjj", "j1_mass"])
def test_values_that_are_not_finite_are_counted_and_refused(tmp_path, name, bad):
    values = columns()[name].to_pylist()
    values[3] = values[7] = bad
    pq.write_table(columns(**{name: pa.array(values, pa.float32())}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"column .*: 2 of 500 values are NaN or infinite"):
        Sample.from_parquet(tmp_path, features=FEATURES)


def test_file_given_twice_is_refused(file):
    with pytest.raises(InputError, match=r"a\.parquet: the file is given twice"):
        Sample.from_parquet([file, file], features=FEATURES)


def test_stored_ids_that_repeat_are_refused(tmp_path):
    pq.write_table(columns(event=np.arange(N, dtype=np.uint64) // 2), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="250 event ids occur more than once"):
        Sample.from_parquet(tmp_path, features=FEATURES)


def ids_of(tmp_path, table, *parts, features=FEATURES):
    """Ids of the rows of a table, written to files of some ranges, by the mass of each row."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for name, start, stop in parts or [("a", 0, N)]:
        pq.write_table(table.slice(start, stop - start), folder / f"{name}.parquet")
    sample = Sample.from_parquet(folder, features=features)
    order = np.lexsort((*sample.features.T, sample.mass))
    return sample.event[order]


def test_made_ids_do_not_depend_on_names_files_and_their_order(tmp_path):
    table = columns()
    ids = ids_of(tmp_path, table)
    np.testing.assert_array_equal(ids_of(tmp_path, table, ("z", 0, N)), ids)
    np.testing.assert_array_equal(ids_of(tmp_path, table, ("b", 0, 130), ("a", 130, N)), ids)


def test_made_ids_are_of_the_mass_and_the_momenta_of_jets(tmp_path):
    table = columns()
    ids = ids_of(tmp_path, table)
    more = {"weight": np.ones(N), "label": np.zeros(N, np.int8), "new": np.arange(N)}
    np.testing.assert_array_equal(ids_of(tmp_path, columns(**more)), ids)
    np.testing.assert_array_equal(ids_of(tmp_path, table, features=["j1_tau21"]), ids)
    assert not np.isin(ids_of(tmp_path, columns(j2_eta=np.arange(N))), ids).any()


def test_events_of_one_mass_get_running_numbers_in_the_order_of_their_features(tmp_path):
    table = columns(mjj=np.full(N, 3000.0, np.float32), j1_mass=np.full(N, 80.0, np.float32))
    ids = ids_of(tmp_path, table)
    assert len(np.unique(ids)) == N
    turned = ids_of(tmp_path, table, ("b", 0, 130), ("a", 130, N))
    np.testing.assert_array_equal(turned, ids)


def test_equal_rounded_events_are_all_kept(tmp_path):
    """Chance makes them: 500 masses of 35 values, with a feature of 5."""
    rng = np.random.default_rng(0)
    rounded = {
        "mjj": rng.uniform(26, 60, N).round() * 100,
        "j1_tau21": rng.uniform(0, 4, N).round(),
    }
    pq.write_table(columns(**rounded), tmp_path / "a.parquet")
    sample = Sample.from_parquet(tmp_path, features=["j1_tau21"])
    assert len(np.unique(sample.event)) == N
    assert len(set(zip(sample.mass, sample.features[:, 0], strict=True))) < 0.5 * N


def test_constant_feature_is_named(file):
    sample = Sample.from_parquet(file, features=FEATURES)
    sample.features[:, 1] = 0.25
    with pytest.raises(InputError, match=r"feature 'j1_tau21' \(always 0\.25\) is .* it out"):
        sample.refuse_constant_features()
    sample.features[:, 0] = 0
    with pytest.raises(
        InputError, match=r"features '.* \(always 0\), 'j1_tau21'.* are .* them out"
    ):
        sample.refuse_constant_features()


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(InputError, match="shape"):
        Sample.from_arrays(np.ones(3), np.ones((3, 2)), ["one"])
    with pytest.raises(InputError, match="label"):
        Sample.from_arrays(np.ones(3), np.ones((3, 1)), ["one"], label=[0, 1])


@pytest.mark.parametrize("of_mass", [lambda m: m, lambda m: -np.log(m), lambda m: (m - 3500) ** 2])
def test_feature_that_is_any_function_of_the_mass_is_named(of_mass):
    rng = np.random.default_rng(0)
    mass = rng.uniform(3000, 4000, 5000)
    features = np.stack([rng.normal(size=5000), of_mass(mass)], axis=1)
    sample = Sample.from_arrays(mass, features, ("free", "bound"))
    with pytest.raises(InputError, match="'bound' is a function of the mass"):
        sample.refuse_functions_of_mass()


def test_features_that_depend_on_the_mass_and_more_are_taken():
    rng = np.random.default_rng(0)
    mass = rng.uniform(3000, 4000, 5000)
    features = np.stack([mass + rng.normal(0, 100, 5000), rng.random(5000) < 0.01], axis=1)
    Sample.from_arrays(mass, features, ("smeared", "rare")).refuse_functions_of_mass()


def test_two_samples_stand_beside_one_another_in_the_order_of_ids():
    first = Sample.from_arrays([1.0, 2.0], [[1.0], [2.0]], ["x"], event=[5, 1], label=[0, 1])
    second = Sample.from_arrays([3.0, 4.0], [[3.0], [4.0]], ["x"], event=[3, 1], weight=[2.0, 3.0])
    both, of_first = first.beside(second)
    assert both.event.tolist() == [1, 1, 3, 5]
    assert of_first.tolist() == [True, False, False, True]
    assert both.mass.tolist() == [2.0, 4.0, 3.0, 1.0]
    assert both.features[:, 0].tolist() == [2.0, 4.0, 3.0, 1.0]
    assert both.weight.tolist() == [1.0, 3.0, 2.0, 1.0]
    assert both.label is None


def with_blocks(n: int = 6, **changed):
    images = np.arange(n * 4.0).reshape(n, 2, 2)
    return Sample.from_arrays(
        np.linspace(3000, 4000, n),
        np.arange(n)[:, None],
        ["x"],
        group=np.arange(n) % 2,
        blocks={"j1_image": Images.from_array(images)},
        **changed,
    )


def test_taken_events_keep_their_objects_and_groups():
    some = with_blocks().take(np.array([4, 1]))
    assert some.blocks["j1_image"][:][:, 0, 0].tolist() == [16, 4]
    assert some.group.tolist() == [0, 1]


def test_joined_samples_keep_the_objects_with_their_events():
    first, second = with_blocks(3, event=[5, 1, 9]), with_blocks(2, event=[3, 7])
    both, _ = first.beside(second)
    assert both.event.tolist() == [1, 3, 5, 7, 9]
    assert both.blocks["j1_image"][:][:, 0, 0].tolist() == [4, 0, 0, 4, 8]
    assert both.group.tolist() == [1, 0, 0, 1, 0]


def test_samples_of_which_one_lacks_a_block_are_not_joined():
    second = Sample.from_arrays([1.0], [[1.0]], ["x"])
    with pytest.raises(InputError, match=r"features x, j1_image and x cannot be joined"):
        with_blocks().beside(second)


def test_label_is_kept_where_all_samples_have_one():
    labelled = with_blocks(2, label=[0, 1])
    assert Sample.concatenated(labelled, labelled).label.tolist() == [0, 1, 0, 1]
    assert Sample.concatenated(labelled, with_blocks(2)).label is None


def test_blocks_of_another_length_are_refused():
    with pytest.raises(InputError, match="j1_image: 6 images do not belong to 2 events"):
        Sample.from_arrays([1.0, 2.0], [[1.0]] * 2, ["x"], blocks=with_blocks().blocks)


def test_blocks_that_are_not_needed_are_not_shown():
    assert with_blocks().showing(("features",), method="any").blocks == {}
    shown = with_blocks().showing(("images",), method="any")
    assert shown.blocks["j1_image"][1:].sum(axis=(1, 2)) == pytest.approx(1)
