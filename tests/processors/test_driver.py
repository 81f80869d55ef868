"""From files to partitions: on each executor, again, and with what can go wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import h5py
import hdf5plugin  # noqa: F401 - registers blosc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coffea.processor import DaskExecutor, IterativeExecutor
from distributed import Client, LocalCluster

from overdensity.core import InputError, OverdensityError
from overdensity.processors import (
    LAYOUTS,
    DijetProcessor,
    LhcoSource,
    ParquetSource,
    ProcessingReport,
    RootSource,
    process,
    read_events,
)

from .conftest import write_flat


def run(files: Any, out: Path | str, **options: Any) -> ProcessingReport:
    files = [files] if isinstance(files, (str, Path)) else files
    return process(files, out, **{"source": LhcoSource(), "chunk_events": 25, **options})


def contents(out: Path) -> dict[str, bytes]:
    """The partitions, byte by byte."""
    return {path.name: path.read_bytes() for path in sorted((out / "columns").iterdir())}


def table(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "columns")


@pytest.fixture(scope="module")
def expected(lhco_file, tmp_path_factory) -> tuple[Path, ProcessingReport]:
    out = tmp_path_factory.mktemp("expected")
    return out, run(lhco_file, out)


def test_partitions_hold_what_the_processor_makes(expected, lhco_file) -> None:
    out, report = expected
    columns = DijetProcessor().select(read_events(LhcoSource(), lhco_file)).columns
    assert len(report.partitions) == 3
    pd.testing.assert_frame_equal(table(out), pd.DataFrame(columns))


def test_workers_are_given_absolute_paths(expected, lhco_file, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(Path(lhco_file).parent)
    report = run(Path(lhco_file).name, os.path.relpath(tmp_path))
    assert report.columns == f"{tmp_path}/columns"
    assert contents(tmp_path) == contents(expected[0])


def test_the_report_counts_what_was_done(expected, rows) -> None:
    out, report = expected
    assert report.columns == f"{out}/columns"
    assert (report.events_read, report.events_kept) == (60, 60)
    assert report.cutflow == {"events read": 60, "finite particles": 60, "two jets": 60}
    assert (report.reused, report.bad_files) == (0, {})
    assert sorted(os.listdir(report.columns)) == list(report.partitions)
    assert report.histogram("mjj").sum(flow=True) == 60
    assert ProcessingReport.from_json(out / "processing.json") == report


@pytest.mark.parametrize("chunk_events", [7, 60, 1000])
def test_chunks_have_no_influence_on_the_events(
    expected, lhco_file, tmp_path, chunk_events
) -> None:
    report = run(lhco_file, tmp_path, chunk_events=chunk_events)
    pd.testing.assert_frame_equal(table(tmp_path), table(expected[0]))
    assert report.hists == expected[1].hists


@pytest.mark.parametrize("name", ["job[12]", "job?", "job*", "era=2017"])
def test_a_folder_is_the_one_of_its_name(expected, lhco_file, tmp_path, name) -> None:
    """Files of ``job1`` were once removed by a run in ``job[12]``."""
    other, out = tmp_path / "job1", tmp_path / name
    run(lhco_file, other, chunk_events=60)
    run(lhco_file, out, chunk_events=20)
    report = run(lhco_file, out)
    assert contents(out) == contents(expected[0])
    assert len(contents(other)) == 1
    assert run(lhco_file, out).reused == len(report.partitions)


def test_two_runs_into_one_folder_are_one_too_many(lhco_file, tmp_path) -> None:
    """Both were done, and the report of one listed partitions that the other had removed."""
    said: list[str] = []

    def second() -> None:
        with pytest.raises(InputError) as error:
            run(lhco_file, tmp_path, chunk_events=7)
        said.append(str(error.value))

    def start_another(_: object) -> None:
        if not said:
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()

    report = run(lhco_file, tmp_path, monitor=start_another)
    assert "is at work in it (" in said[0]
    assert "wait for it, or choose another folder" in said[0]
    assert sorted(contents(tmp_path)) == list(report.partitions)
    assert not (tmp_path / ".lock").exists()


def test_partitions_that_another_removes_are_not_listed(lhco_file, tmp_path) -> None:
    """On a file system of another machine, which knows of no lock."""

    def executor(items, function, accumulator):
        made = IterativeExecutor(status=False)(items, function, accumulator)
        for path in (tmp_path / "columns").glob("*-000000000-*"):
            path.unlink()
        return made

    with pytest.raises(InputError, match="1 partitions were removed while others were made"):
        run(lhco_file, tmp_path, executor=executor)
    assert not (tmp_path / "processing.json").exists()


@pytest.mark.parametrize("damage", ["one bit", "fewer rows"])
def test_a_damaged_partition_is_made_again(expected, lhco_file, tmp_path, damage, caplog) -> None:
    run(lhco_file, tmp_path)
    path = sorted((tmp_path / "columns").iterdir())[1]
    if damage == "one bit":
        content = bytearray(path.read_bytes())
        content[200] ^= 4  # among the values of the first column
        path.write_bytes(content)
    else:
        pq.write_table(pq.read_table(path).slice(0, 20), path)
    report = run(lhco_file, tmp_path)
    assert contents(tmp_path) == contents(expected[0])
    assert report.reused == 2
    assert sum("made again" in message for message in caplog.messages) == 1


_CLIENT = """
import sys
from overdensity.processors import LhcoSource, process
process([sys.argv[1]], sys.argv[2], source=LhcoSource(), chunk_events=10)
"""


def test_a_killed_client_goes_on_where_it_was(tmp_path, make_rows, write) -> None:
    file = write(tmp_path / "events.h5", make_rows(320, seed=3))
    alone = run(file, tmp_path / "alone", chunk_events=10)
    out = tmp_path / "killed"
    with subprocess.Popen([sys.executable, "-c", _CLIENT, file, out]) as client:
        while len(list(out.glob("columns/*.parquet"))) < 4:
            assert client.poll() is None, "the run was over before it could be killed"
            time.sleep(0.001)
        client.kill()
    assert not (out / "processing.json").exists()
    report = run(file, out, chunk_events=10)
    assert 4 <= report.reused < 32
    assert contents(out) == contents(tmp_path / "alone")
    assert (report.cutflow, report.hists) == (alone.cutflow, alone.hists)


def test_one_bad_file_in_twenty_costs_only_itself(tmp_path, make_rows, write) -> None:
    files = [write(tmp_path / f"{i}.h5", make_rows(6, seed=i)) for i in range(20)]
    whole = Path(files[13]).read_bytes()
    Path(files[13]).write_bytes(whole[: len(whole) // 2])
    report = run(files, tmp_path / "out", skip_bad_files=True)
    assert list(report.bad_files) == [files[13]]
    assert "truncated" in report.bad_files[files[13]]
    good = run(files[:13] + files[14:], tmp_path / "good")
    assert contents(tmp_path / "out") == contents(tmp_path / "good")
    assert (report.cutflow, report.events_read) == (good.cutflow, 19 * 6)
    Path(files[13]).write_bytes(whole)
    assert run(files, tmp_path / "out").reused == 19


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if (
        os.getuid()
        or shutil.which("mount") is None
        or subprocess.run(mount, check=False).returncode
    ):
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_leaves_whole_partitions_and_room_lets_it_go_on(
    lhco_file, tmp_path, small_disk
) -> None:
    run(lhco_file, tmp_path / "alone", chunk_events=5)
    with pytest.raises(InputError, match="No space left on device"):
        run(lhco_file, small_disk, chunk_events=5)
    written = contents(small_disk)
    alone = contents(tmp_path / "alone")
    assert 0 < len(written) < len(alone)
    assert written.items() <= alone.items()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert run(lhco_file, small_disk, chunk_events=5).reused == len(written)
    assert contents(small_disk) == alone


def test_chunks_are_as_large_as_their_memory_allows(lhco_file, tmp_path) -> None:
    small = run(lhco_file, tmp_path / "small", chunk_events=None, chunk_memory="100 kB")
    large = run(lhco_file, tmp_path / "large", chunk_events=None, chunk_memory="1 GB")
    assert len(large.partitions) == 1 < len(small.partitions) < 60
    pd.testing.assert_frame_equal(table(tmp_path / "small"), table(tmp_path / "large"))


def test_a_cross_section_is_shared_among_the_events_of_its_dataset(
    tmp_path, make_rows, write
) -> None:
    files = [write(tmp_path / f"{i}.h5", make_rows(30, seed=i)) for i in range(3)]
    qcd = {"files": files[:2], "xsec": 2.0, "lumi": 300.0}
    report = run({"qcd": qcd, "data": [files[2]]}, tmp_path / "qcd")
    weights = table(tmp_path / "qcd").weight
    # 600 events are expected, of which 60 were simulated; an event of data counts once
    np.testing.assert_allclose(np.sort(weights), [1.0] * 30 + [10.0] * 60)
    assert report.cutflow_weighted["events read"] == pytest.approx(630)
    assert report.histogram("mjj").sum(flow=True).value == pytest.approx(630)


def test_a_chunk_that_cannot_be_read_leaves_a_note(tmp_path, lhco_file, monkeypatch) -> None:
    read = LhcoSource.read

    def broken(self, chunk, collections):
        if chunk.start == 25:
            msg = f"{chunk.path}: damaged"
            raise InputError(msg)
        return read(self, chunk, collections)

    monkeypatch.setattr(LhcoSource, "read", broken)
    report = run(lhco_file, tmp_path, skip_bad_files=True)
    assert len(report.partitions) == 2
    (note,) = (tmp_path / "failures").iterdir()
    assert json.loads(note.read_text())["error"] == f"{lhco_file}: damaged"
    monkeypatch.undo()
    run(lhco_file, tmp_path)
    assert os.listdir(tmp_path / "failures") == []


def test_simulation_that_lost_events_says_that_its_yields_are_too_small(
    tmp_path, make_rows, write, monkeypatch
) -> None:
    """The weights of skipped events stay in the sum by which the cross section is shared."""
    file = write(tmp_path / "a.h5", make_rows(30, seed=0))
    data = write(tmp_path / "b.h5", make_rows(30, seed=1))
    read = LhcoSource.read

    def broken(self, chunk, collections):
        if chunk.start == 20:
            msg = f"{chunk.path}: damaged"
            raise InputError(msg)
        return read(self, chunk, collections)

    monkeypatch.setattr(LhcoSource, "read", broken)
    fileset = {"qcd": {"files": [file], "xsec": 2.0, "lumi": 300.0}, "data": [data]}
    report = run(fileset, tmp_path / "run", chunk_events=20, skip_bad_files=True)
    (flag,) = report.flags
    assert flag.startswith("dataset 'qcd': 10 of 30 simulated events could not be read")
    assert "too small by some 33 %" in flag
    assert table(tmp_path / "run").weight.sum() == pytest.approx(400 + 20)


@pytest.mark.usefixtures("forked")
def test_a_killed_worker_loses_and_doubles_nothing(tmp_path, make_rows, write) -> None:
    file = write(tmp_path / "events.h5", make_rows(320, seed=3))
    alone = run(file, tmp_path / "alone", chunk_events=10)
    out = tmp_path / "killed"

    def kill(worker: int) -> None:
        while len(list(out.glob("columns/*.parquet"))) < 4:
            time.sleep(0.01)
        os.kill(worker, signal.SIGKILL)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        worker = next(iter(client.run(os.getpid).values()))
        killer = threading.Thread(target=kill, args=(worker,), daemon=True)
        killer.start()
        report = run(file, out, chunk_events=10, executor=DaskExecutor(client=client))
        killer.join(timeout=10)
        assert not killer.is_alive()
        assert worker not in client.run(os.getpid).values()
    assert contents(out) == contents(tmp_path / "alone")
    assert (report.cutflow, report.hists) == (alone.cutflow, alone.hists)


@dataclass(frozen=True)
class DeadlySource(LhcoSource):
    """Takes the worker with it, as a lack of memory does."""

    def read(self, chunk, collections=("particles",)):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("forked")
def test_a_chunk_that_kills_all_workers_is_an_error_in_words(lhco_file, tmp_path) -> None:
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)  # workers cannot import a test
    try:
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 0}),
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
            pytest.raises(OverdensityError, match="workers died on the same chunk"),
        ):
            run(lhco_file, tmp_path, source=DeadlySource(), executor=DaskExecutor(client=client))
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_finished_partitions_are_not_made_again(lhco_file, tmp_path) -> None:
    first = run(lhco_file, tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "columns").iterdir()}
    missing = tmp_path / "columns" / first.partitions[1]
    missing.unlink()
    again = run(lhco_file, tmp_path)
    assert again.reused == 2
    assert (again.cutflow, again.hists) == (first.cutflow, first.hists)
    for path in (tmp_path / "columns").iterdir():
        assert (path.stat().st_mtime_ns == times[path.name]) == (path != missing)


def test_a_half_written_partition_is_made_again(expected, lhco_file, tmp_path) -> None:
    name = run(lhco_file, tmp_path).partitions[0]
    path = tmp_path / "columns" / name
    path.write_bytes(path.read_bytes()[:1000])
    assert run(lhco_file, tmp_path).reused == 2
    assert contents(tmp_path) == contents(expected[0])


def test_partitions_survive_a_move_of_the_event_file(lhco_file, tmp_path) -> None:
    run(lhco_file, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy2(lhco_file, tmp_path / "elsewhere")
    assert run(moved, tmp_path).reused == 3


def test_a_file_that_was_changed_in_place_is_processed_again(lhco_file, tmp_path) -> None:
    changed = shutil.copy2(lhco_file, tmp_path)
    run(changed, tmp_path)
    with h5py.File(changed, "r+") as file:
        file["df/block0_values"][20:30, 0] *= 1.5
    os.utime(changed, ns=(1, 1))
    assert run(changed, tmp_path).reused == 0


def test_no_readable_chunk_at_all_is_an_error_also_where_bad_files_are_skipped(
    lhco_file, tmp_path, monkeypatch
) -> None:
    def broken(self, chunk, collections):
        msg = f"{chunk.path}: damaged"
        raise InputError(msg)

    monkeypatch.setattr(LhcoSource, "read", broken)
    with pytest.raises(InputError, match="damaged"):
        run(lhco_file, tmp_path, skip_bad_files=True)


def test_other_settings_replace_the_partitions(lhco_file, tmp_path) -> None:
    first = run(lhco_file, tmp_path)
    second = run(lhco_file, tmp_path, processor=DijetProcessor(radius=0.8))
    assert second.reused == 0
    assert not set(first.partitions) & set(second.partitions)
    assert sorted(os.listdir(second.columns)) == list(second.partitions)


def test_what_a_layout_says_is_a_setting(lhco_file, tmp_path) -> None:
    write_flat(tmp_path / "events.parquet", read_events(LhcoSource(), lhco_file))
    flat = LAYOUTS["flat"]
    other = dataclasses.replace(flat, weight=None)
    reports = [
        run(tmp_path / "events.parquet", tmp_path / "out", source=ParquetSource(layout))
        for layout in (flat, other, flat)
    ]
    assert [report.reused for report in reports] == [0, 0, 0]  # each replaced the one before
    assert reports[0].partitions == reports[2].partitions != reports[1].partitions


def test_columns_of_an_older_version_are_made_again(lhco_file, tmp_path, monkeypatch) -> None:
    run(lhco_file, tmp_path)
    monkeypatch.setattr("overdensity.processors.columns.partitions.version", lambda _: "0.0.1")
    assert run(lhco_file, tmp_path).reused == 0


@dataclass(frozen=True)
class Twice:
    """A variation that changes nothing."""

    names = ("again",)
    collections = ()
    varied = ("particles",)

    def settings(self) -> dict[str, Any]:
        return {"twice": True}

    def __call__(self, events):
        yield "nominal", events
        yield "again", events


def test_variations_that_are_no_longer_asked_for_are_removed(expected, lhco_file, tmp_path) -> None:
    report = run(lhco_file, tmp_path, variations=Twice())
    varied = tmp_path / "variations" / "again" / "columns"
    assert report.variations["again"].columns == str(varied)
    assert report.variations["again"].cutflow == report.cutflow
    pd.testing.assert_frame_equal(pd.read_parquet(varied), table(tmp_path))
    run(lhco_file, tmp_path)
    assert os.listdir(varied) == []
    assert contents(tmp_path) == contents(expected[0])


def test_another_file_is_added_to_those_that_are_done(
    lhco_file, tmp_path, make_rows, write
) -> None:
    run(lhco_file, tmp_path)
    other = write(tmp_path / "other.h5", make_rows(30, seed=9))
    report = run([lhco_file, other], tmp_path)
    assert (report.reused, report.events_kept) == (3, 90)
    assert table(tmp_path).event.is_unique


def test_the_order_of_the_files_has_no_influence(lhco_file, tmp_path, make_rows, write) -> None:
    other = write(tmp_path / "other.h5", make_rows(30, seed=9))
    one = run([lhco_file, other], tmp_path / "one")
    two = run([other, lhco_file], tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (one.cutflow, one.hists, one.partitions) == (two.cutflow, two.hists, two.partitions)


@pytest.fixture
def truncated(tmp_path, make_rows, write) -> str:
    whole = Path(write(tmp_path / "whole.h5", make_rows(40, seed=5)))
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return str(cut)


def test_a_bad_file_is_an_error_after_the_good_ones_are_written(
    expected, lhco_file, tmp_path, truncated
) -> None:
    with pytest.raises(InputError, match=r"cut\.h5: .*truncated.*3 good partitions written"):
        run([truncated, lhco_file], tmp_path)
    assert contents(tmp_path) == contents(expected[0])


def test_a_bad_file_is_listed_on_request(expected, lhco_file, tmp_path, truncated) -> None:
    missing = f"{tmp_path}/nowhere.h5"
    report = run([truncated, lhco_file, missing], tmp_path, skip_bad_files=True)
    assert set(report.bad_files) == {truncated, missing}
    assert report.bad_files[missing] == f"{missing}: no such file"
    assert (report.cutflow, report.hists) == (expected[1].cutflow, expected[1].hists)
    assert contents(tmp_path) == contents(expected[0])


def test_damage_in_the_middle_costs_only_its_chunk(tmp_path, make_rows, write) -> None:
    import h5py

    path = write(tmp_path / "a.h5", make_rows(60, seed=5))
    with h5py.File(path) as file:
        info = file["df/block0_values"].id.get_chunk_info(5)  # rows 35 to 41
    content = bytearray(Path(path).read_bytes())
    content[info.byte_offset : info.byte_offset + info.size] = b"\xff" * info.size
    Path(path).write_bytes(content)
    report = run(path, tmp_path, chunk_events=15, skip_bad_files=True)
    assert list(report.bad_files) == [f"{path} [30:45]"]
    assert report.events_read == len(table(tmp_path)) == 45
    with pytest.raises(InputError, match="events 30 to 45 cannot be read"):
        run(path, tmp_path, chunk_events=15)


def test_only_bad_files_are_an_error(truncated, tmp_path) -> None:
    with pytest.raises(InputError, match="truncated"):
        run(truncated, tmp_path, skip_bad_files=True)


def test_no_files_are_an_error(tmp_path) -> None:
    with pytest.raises(InputError, match="no event files"):
        run([], tmp_path)


def test_the_same_events_twice_are_an_error(lhco_file, tmp_path) -> None:
    copy = shutil.copy(lhco_file, tmp_path / "copy.h5")
    with pytest.raises(InputError, match=r"copy\.h5 and .*events\.h5 hold the same events"):
        run([lhco_file, copy], tmp_path)


def test_a_full_disk_is_an_error_and_leaves_no_half_file(lhco_file, tmp_path, monkeypatch) -> None:
    import fsspec

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(fsspec.filesystem("file")), "pipe_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        run(lhco_file, tmp_path)
    assert os.listdir(tmp_path / "columns") == []


def test_a_file_without_events_gives_columns_without_rows(tmp_path, write, rows) -> None:
    report = run(write(tmp_path / "a.h5", rows[:0]), tmp_path)
    assert (report.events_read, report.events_kept) == (0, 0)
    assert "j1_tau21" in table(tmp_path).columns


def test_root_files_run_like_the_others(shared_data, tmp_path) -> None:
    file = shared_data / "root" / "delphes_qcd.root"
    report = run(file, tmp_path, source=RootSource(), chunk_events=100)
    assert (len(report.partitions), report.events_kept) == (3, 250)
    assert np.isfinite(table(tmp_path).mjj).all()


def test_a_run_is_quiet_where_there_is_no_terminal(lhco_file, tmp_path, capfd) -> None:
    run(lhco_file, tmp_path, executor=IterativeExecutor())
    assert capfd.readouterr().out == ""


def test_files_and_results_may_lie_behind_any_fsspec_url(expected, lhco_file) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/data/events.h5", Path(lhco_file).read_bytes())
    report = run("memory://data/events.h5", "memory://runs/mine")
    assert (report.cutflow, report.hists) == (expected[1].cutflow, expected[1].hists)
    there = [memory.cat_file(f"/runs/mine/columns/{name}") for name in report.partitions]
    assert there == list(contents(expected[0]).values())
    assert memory.exists("/runs/mine/processing.json")
    assert run("memory://data/events.h5", "memory://runs/mine").reused == 3


def test_constituents_and_images_are_nested_columns(lhco_file, tmp_path) -> None:
    features = ("constituents_5", "image")
    run(lhco_file, tmp_path / "out", processor=DijetProcessor(features=features))
    made = pq.read_table(tmp_path / "out" / "columns")
    for jet in ("j1", "j2"):
        particles = made.schema.field(f"{jet}_constituents_5").type
        assert pa.types.is_list(particles)
        assert [(x.name, x.type) for x in particles.value_type] == [
            (name, pa.float32()) for name in ("pt", "eta", "phi")
        ]
        image = made.schema.field(f"{jet}_image").type
        assert image == pa.list_(pa.list_(pa.float32(), 40), 40)
        of_jets = made[f"{jet}_constituents_5"].to_pylist()
        assert max(len(of_jet) for of_jet in of_jets) == 5
        assert all(
            of_jet == sorted(of_jet, key=lambda particle: -particle["pt"]) for of_jet in of_jets
        )
        sums = np.array(made[f"{jet}_image"].to_pylist()).sum(axis=(1, 2))
        np.testing.assert_allclose(sums, 1.0, rtol=1e-5)
