"""The reader of LHC Olympics files."""

from __future__ import annotations

import shutil
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest

from overdensity.core import InputError
from overdensity.processors import LhcoSource, make_source, read_events


def read(path: str, start: int = 0, stop: int | None = None, **settings: object) -> ak.Array:
    return read_events(LhcoSource(**settings), path, start, stop)


def test_events_hold_the_particles_of_the_rows(lhco_file, rows) -> None:
    events = read(lhco_file)
    for event, row in zip(events, rows, strict=True):
        triples = row[:-1].reshape(-1, 3)
        expected = triples[triples[:, 0] > 0]
        for i, name in enumerate(("pt", "eta", "phi")):
            np.testing.assert_array_equal(event.particles[name], expected[:, i])
    assert not ak.any(events.particles.mass)
    np.testing.assert_array_equal(events.label, rows[:, -1])


def test_particles_behave_as_four_momenta(lhco_file) -> None:
    particles = read(lhco_file).particles
    np.testing.assert_allclose(
        ak.flatten(particles.E), ak.flatten(particles.pt * np.cosh(particles.eta))
    )


def test_a_range_is_the_slice_of_the_whole(lhco_file) -> None:
    whole, part = read(lhco_file), read(lhco_file, 13, 41)
    assert ak.array_equal(part, whole[13:41])


def test_a_range_is_read_without_the_rest(tmp_path, write, rows) -> None:
    path = write(tmp_path / "a.h5", rows)
    with h5py.File(path) as file:
        info = file["df/block0_values"].id.get_chunk_info(5)  # rows 35 to 41
    content = bytearray(Path(path).read_bytes())
    content[info.byte_offset : info.byte_offset + info.size] = b"\xff" * info.size
    Path(path).write_bytes(content)
    assert len(read(path, 0, 35)) == 35
    with pytest.raises(InputError, match=r"a\.h5: events 30 to 40 cannot be read.*damaged"):
        read(path, 30, 40)


def test_ids_survive_copy_new_name_padding_and_precision(tmp_path, write, rows, lhco_file) -> None:
    ids = ak.to_numpy(read(lhco_file).event)
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(lhco_file, tmp_path / "elsewhere" / "renamed.h5")
    wide = np.zeros((len(rows), 2101))
    wide[:, : rows.shape[1] - 1], wide[:, -1] = rows[:, :-1], rows[:, -1]
    padded = write(tmp_path / "padded.h5", wide)
    single = write(tmp_path / "single.h5", rows.astype(np.float32))
    for path in (copy, padded, single):
        np.testing.assert_array_equal(ak.to_numpy(read(path).event), ids)


def test_ids_of_files_with_one_name_differ(tmp_path, write, make_rows) -> None:
    ids = []
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        path = write(tmp_path / str(seed) / "a.h5", make_rows(30, seed=seed))
        ids.append(ak.to_numpy(read(path).event))
    assert len(np.unique(np.concatenate(ids))) == 60


def test_rows_of_triples_alone_have_no_label(tmp_path, write, rows) -> None:
    assert read(write(tmp_path / "a.h5", rows[:, :-1])).fields == ["particles", "event"]


def test_a_file_written_by_pandas_is_read(tmp_path, rows) -> None:
    path = tmp_path / "pandas.h5"
    pd.DataFrame(rows).to_hdf(path, key="df", complib="blosc", complevel=5)
    events = read(str(path))
    np.testing.assert_array_equal(events.label, rows[:, -1])
    assert ak.sum(ak.num(events.particles)) == np.count_nonzero(rows[:, :-1:3])


def test_the_official_file_is_read(shared_data) -> None:
    path = str(shared_data / "lhco" / "events_anomalydetection_tiny.h5")
    events = read(path)
    table = pd.read_hdf(path).to_numpy()
    assert ak.sum(events.label) == 93
    np.testing.assert_allclose(ak.sum(events.particles.pt, axis=1), table[:, :-1:3].sum(axis=1))


def test_an_event_without_particles_is_kept(tmp_path, write, rows) -> None:
    rows = rows[:3].copy()
    rows[1, :-1] = 0
    assert ak.num(read(write(tmp_path / "a.h5", rows)).particles)[1] == 0


def test_a_nan_is_not_taken_for_padding(tmp_path, write, rows) -> None:
    rows = rows[:2].copy()
    rows[1, 0] = np.nan
    particles = read(write(tmp_path / "a.h5", rows)).particles
    assert ak.any(np.isnan(particles.pt), axis=1).tolist() == [False, True]


def test_an_empty_file_gives_no_events(tmp_path, write, rows) -> None:
    events = read(write(tmp_path / "a.h5", rows[:0]))
    assert len(events) == 0
    assert events.fields == ["particles", "event", "label"]


@pytest.mark.parametrize("kind", ["text", "hdf5"])
def test_truth_is_taken_from_a_key_file(tmp_path, write, rows, kind) -> None:
    box = write(tmp_path / "box.h5", rows[:, :-1])
    key = str(tmp_path / f"box.{kind}")
    if kind == "text":
        np.savetxt(key, rows[:, -1])
    else:
        write(Path(key), rows[:, -1:])
    np.testing.assert_array_equal(read(box, 20, 45, keys={box: key}).label, rows[20:45, -1])


def test_the_key_of_a_file_is_found_however_its_path_is_written(
    tmp_path, write, rows, monkeypatch
) -> None:
    write(tmp_path / "box.h5", rows[:, :-1])
    np.savetxt(tmp_path / "box.key", rows[:, -1])
    monkeypatch.chdir(tmp_path)
    assert "label" in read(str(tmp_path / "box.h5"), keys={"./box.h5": "box.key"}).fields


def test_a_missing_key_is_named(tmp_path, lhco_file) -> None:
    source = LhcoSource(keys={lhco_file: "nowhere.key"})
    for look in (source.settings, lambda: read_events(source, lhco_file)):
        with pytest.raises(InputError, match=r"nowhere\.key: no such file"):
            look()


def test_another_truth_is_another_setting(tmp_path, lhco_file) -> None:
    settings = []
    for text in ("0\n1\n", "1\n1\n"):
        (tmp_path / "box.key").write_text(text)
        settings.append(LhcoSource(keys={lhco_file: str(tmp_path / "box.key")}).settings())
    assert settings[0] != settings[1]


def test_a_key_that_is_too_short_is_refused(tmp_path, write, rows) -> None:
    box, key = write(tmp_path / "box.h5", rows[:, :-1]), str(tmp_path / "box.key")
    np.savetxt(key, rows[:50, -1])
    with pytest.raises(InputError, match=r"box\.key: no truth for events 40 to 60"):
        read(box, 40, 60, keys={box: key})


def test_a_key_may_have_several_kinds_of_signal(tmp_path, write, rows) -> None:
    box, key = write(tmp_path / "box.h5", rows[:, :-1]), str(tmp_path / "box.key")
    kinds = np.arange(len(rows)) % 3  # as of Black Box 3
    np.savetxt(key, kinds)
    assert read(box, 0, 20, keys={box: key}).label.tolist() == kinds[:20].tolist()
    np.savetxt(key, np.where(kinds == 2, 0.5, kinds))
    with pytest.raises(InputError, match=r"box\.key: column 'label': .* the first 0\.5, are not 0"):
        read(box, 0, 20, keys={box: key})


def test_a_truth_that_is_no_bit_is_refused(tmp_path, write, rows) -> None:
    rows = rows.copy()
    rows[17, -1] = 3
    with pytest.raises(InputError, match=r"a\.h5: the truth of event 17 is 3, not 0 or 1"):
        read(write(tmp_path / "a.h5", rows))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere/a\.h5: no such file"):
        LhcoSource().inspect("nowhere/a.h5")


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "a.h5").write_text("pt,eta,phi\n")
    with pytest.raises(InputError, match=r"a\.h5: not a readable HDF5 file"):
        LhcoSource().inspect(str(tmp_path / "a.h5"))


def test_a_truncated_file_is_refused(tmp_path, lhco_file) -> None:
    content = Path(lhco_file).read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.h5: .*truncated"):
        LhcoSource().inspect(str(tmp_path / "cut.h5"))


def test_a_missing_dataset_names_those_that_exist(tmp_path, write, rows) -> None:
    path = write(tmp_path / "a.h5", rows, dataset="events/table")
    with pytest.raises(
        InputError, match="no dataset 'df/block0_values'; the file holds 'events/table'"
    ):
        LhcoSource().inspect(path)
    assert len(read(path, dataset="events/table")) == len(rows)


@pytest.mark.parametrize("columns", [2, 5, 92])
def test_a_table_of_another_shape_is_refused(tmp_path, write, columns) -> None:
    path = write(tmp_path / "a.h5", np.ones((4, columns)))
    with pytest.raises(InputError, match=rf"has the shape \(4, {columns}\)"):
        LhcoSource().inspect(path)


def test_particles_lie_where_the_configuration_says(tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jets/table"] = [[40.0, 0.1, 0.2, 1.0]]
        file["other"] = [[1.0]]
    source = make_source("lhco", [f"{tmp_path}/a.h5"], dataset="jets/table")
    assert read_events(source, tmp_path / "a.h5").label.tolist() == [1]
    with pytest.raises(InputError, match=r"holds 'jets/table', 'other'; name .* events\.dataset"):
        LhcoSource().inspect(tmp_path / "a.h5")


@pytest.mark.parametrize("kind", ["records", "blocks", "blocks of another key"])
def test_features_are_not_taken_for_particles(tmp_path, kind) -> None:
    place = "x" if "key" in kind else "df"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if kind == "records":
            file["df/table"] = np.zeros(3, [("pxj1", "<f8"), ("pyj1", "<f8")])
        else:
            file[f"{place}/block0_items"] = np.array([b"pxj1", b"pyj1", b"label"])
            file[f"{place}/block0_values"] = np.ones((5, 3))
    with pytest.raises(InputError, match=r"named columns \(pxj1, pyj1.*events\.format: columns"):
        LhcoSource().inspect(tmp_path / "a.h5")


def test_an_empty_box_has_no_events(tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["df/block0_values"] = np.empty((0, 2101))
    assert LhcoSource().inspect(tmp_path / "a.h5").n_events == 0
    assert len(read_events(LhcoSource(), tmp_path / "a.h5")) == 0
    pd.DataFrame(np.empty((0, 2101))).to_hdf(tmp_path / "b.h5", key="df")
    with pytest.raises(InputError, match=r"b\.h5: no events in it"):
        LhcoSource().inspect(tmp_path / "b.h5")


@pytest.mark.parametrize("values", [np.ones((3, 4), complex), np.full((3, 4), b"a")])
def test_what_are_no_real_numbers_is_refused(tmp_path, values) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["df/block0_values"] = values
    with pytest.raises(InputError, match=r"a\.h5: dataset 'df/block0_values' holds .* not real"):
        LhcoSource().inspect(tmp_path / "a.h5")
