"""What there is to do: files, chunks, weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from overdensity.core import InputError
from overdensity.processors import Dataset, FileSummary, LhcoSource, RootSource
from overdensity.processors.planning import FoundFile, complaint, find_files, plan_chunks


def in_this_process(items: Sequence[Any], function: Callable[[Any], Any], start: Any) -> Any:
    """What an executor does: the results of all items, added up."""
    results = [function(item) for item in items]
    return {key: {k: v for r in results for k, v in r[key].items()} for key in ("found", "bad")}


def found(**numbers: Any) -> FoundFile:
    summary = FileSummary("/data/a.root", **{"n_events": 25, "identity": 7, **numbers})
    return FoundFile(summary, 1000, "1000-now")


def plan(file: FoundFile, dataset: Dataset | None = None, **options: Any) -> list[Any]:
    wanted = [dataset or Dataset("", ("/data/a.root",))]
    given = {"chunk_events": 10, "memory": "256 MB", **options}
    return list(plan_chunks(wanted, {"/data/a.root": file}, "settings", **given).items())


def test_files_that_cannot_be_read_are_listed(lhco_file, tmp_path) -> None:
    missing = f"{tmp_path}/none.h5"
    files, bad = find_files([missing, lhco_file], LhcoSource(), ("particles",), in_this_process)
    assert list(files) == [lhco_file]
    assert files[lhco_file].summary.n_events == 60
    assert bad == {missing: f"{missing}: no such file"}


def test_none_that_can_be_read_is_an_error(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.h5: no such file; 0 good partitions written"):
        find_files([f"{tmp_path}/none.h5"], LhcoSource(), ("particles",), in_this_process)


def test_partitions_are_named_by_file_range_and_key() -> None:
    names, chunks = zip(*plan(found()), strict=True)
    assert [name[:22] for name in names] == [f"a-{i:09d}-{j:09d}-" for i, j in
                                             ((0, 10), (10, 20), (20, 25))]  # fmt: skip
    assert len({name[22:] for name in names}) == 1
    assert [(chunk.start, chunk.stop) for chunk in chunks] == [(0, 10), (10, 20), (20, 25)]


@pytest.mark.parametrize("change", [{"identity": 8}, {"sum_weights": 5.0}])
def test_another_file_or_weight_makes_another_key(change) -> None:
    assert plan(found())[0][0] != plan(found(**change))[0][0]


def test_a_file_that_changed_in_place_is_made_again() -> None:
    changed = found()._replace(stamp="1000-later")
    assert plan(found())[0][0] != plan(changed)[0][0]


def test_chunks_of_a_file_are_alike_and_fit_into_memory() -> None:
    # 4 bytes of memory for one of an event: 2500 events of 100 bytes in 1 MB
    file = found(n_events=6000, event_bytes=100.0)
    sizes = [c.stop - c.start for _, c in plan(file, chunk_events=None, memory="1 MB")]
    assert sizes == [2000, 2000, 2000]


def test_events_share_the_cross_section() -> None:
    dataset = Dataset("qcd", ("/data/a.root",), cross_section=2.0, luminosity=100.0)
    assert plan(found(sum_weights=50.0), dataset)[0][1].scale == 4.0
    assert plan(found(), dataset)[0][1].scale == 8.0  # of 25 events without weights


def test_a_file_that_should_know_how_many_were_generated_is_warned_of(caplog) -> None:
    dataset = Dataset("qcd", ("/data/a.root",), cross_section=2.0, luminosity=100.0)
    plan(found(sum_weights=50.0, knows_generated=False), dataset)
    assert "does not say how many events were generated" in caplog.text


@pytest.mark.parametrize(
    ("name", "sum_weights", "warned"),
    [
        ("nano_tt_v15", None, True),  # has lost its Runs tree
        ("nano_tt_v15", 1e6, False),
        ("nano_dy", None, False),
    ],
)
def test_a_skim_that_does_not_know_what_it_is_of_is_warned_of(
    shared_data, caplog, name, sum_weights, warned
) -> None:
    path = str(shared_data / "root" / f"{name}.root")
    files, _ = find_files([path], RootSource(), ("jets",), in_this_process)
    dataset = Dataset("mc", (path,), 1.0, 1.0, sum_weights)
    plan_chunks([dataset], files, "settings", chunk_events=None, memory="256 MB")
    assert ("does not say how many events were generated" in caplog.text) == warned


def test_where_any_events_have_weights_all_get_one() -> None:
    assert plan(found(sum_weights=50.0))[0][1].scale == 1.0
    assert plan(found())[0][1].scale is None


def test_several_bad_files_are_counted() -> None:
    text = complaint({"a": "a: no such file", "b": "b: no such file"}, n_good=1)
    assert text.startswith("2 files or ranges of files cannot be read, the first: a: no such file")
    assert "1 good partition written" in text
    assert text.endswith("goes on without them")


def test_a_file_cannot_hold_more_events_than_fit_into_it(tmp_path) -> None:
    class Boasting(LhcoSource):
        def inspect(self, path: Any, collections: Any = ()) -> FileSummary:
            return FileSummary(path, 10**9, 7)

    (tmp_path / "a.h5").write_bytes(b"x" * 2000)
    with pytest.raises(
        InputError, match=r"a\.h5: says that it holds 1000000000 events in 2000 bytes"
    ):
        find_files([f"{tmp_path}/a.h5"], Boasting(), ("particles",), in_this_process)
