"""File sets: what users write, what is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import fsspec
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors.sources.filesets import Dataset, datasets


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a.root", "b.root", "c.h5", "notes.md"):
        (tmp_path / name).touch()
    return tmp_path


def names(files) -> list[str]:
    return [Path(path).name for dataset in datasets(files) for path in dataset.files]


def test_paths_become_one_dataset_without_a_name(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    assert datasets(["b.root", Path("a.root")]) == (
        Dataset("", (f"{folder}/b.root", f"{folder}/a.root")),
    )


def test_patterns_are_files_in_order(folder) -> None:
    assert names(f"{folder}/*.root") == ["a.root", "b.root"]


def test_a_file_whose_name_looks_like_a_pattern_is_taken_as_it_is(tmp_path) -> None:
    (tmp_path / "a[1].root").touch()
    assert names(str(tmp_path / "a[1].root")) == ["a[1].root"]


def test_a_folder_means_its_event_files(folder) -> None:
    assert names(folder) == ["a.root", "b.root", "c.h5"]


def test_a_text_file_is_a_list(folder) -> None:
    (folder / "list.txt").write_text(f"# the first run\n{folder}/b.root\n\n{folder}/a.root\n")
    assert names(folder / "list.txt") == ["b.root", "a.root"]


def test_patterns_work_behind_urls() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("one.root", "two.root"):
        memory.pipe_file(f"/filesets/{name}", b"")
    (dataset,) = datasets("memory://filesets/*.root")
    assert dataset.files == ("memory:///filesets/one.root", "memory:///filesets/two.root")


def test_coffeas_file_sets_are_understood_in_all_their_forms(folder) -> None:
    first, second = f"{folder}/a.root", f"{folder}/b.root"
    found = {"object_path": "Events", "steps": [[0, 5]], "num_entries": 5, "uuid": "…"}
    assert datasets({"x": [first], "y": {"files": {second: "Events"}}}) == (
        Dataset("x", (first,)),
        Dataset("y", (second,)),
    )
    assert datasets({"x": {"files": {first: found}, "metadata": {"year": 2018}}}) == (
        Dataset("x", (first,)),
    )
    (folder / "set.json").write_text(json.dumps({"x": {"files": [first, second]}}))
    assert names(folder / "set.json") == ["a.root", "b.root"]


def test_what_coffea_has_stored_of_files_is_not_used(folder) -> None:
    found = {"object_path": "Events", "steps": [[0, 3], [3, 5]], "num_entries": 5, "format": "root"}
    told = {"format": "root", "form": None, "compressed_form": "x", "did": "a:b", "metadata": None}
    files = {f"{folder}/a.root": found, f"{folder}/b.root": {"object_path": "Events"}}
    (folder / "set.json").write_text(json.dumps({"x": {"files": files, **told}}))
    assert names(folder / "set.json") == ["a.root", "b.root"]


@pytest.mark.parametrize("steps", [[[0, 3]], [[3, 5]], [[0, 2], [3, 5]], ["x"]])
def test_a_part_of_a_file_is_not_taken_for_all_of_it(folder, steps) -> None:
    files = {f"{folder}/a.root": {"object_path": "Events", "steps": steps, "num_entries": 5}}
    with pytest.raises(ConfigError, match=r"dataset 'x': the steps of .*a\.root "):
        datasets({"x": {"files": files}})


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.root?token=a*b[1]/c.d",
        "root://eos.example.org//store/a.root?authz={x,y}&scitag.flow=1",
        "simplecache::https://example.org/a.h5?x",
    ],
)
def test_the_query_of_a_url_is_no_pattern(url) -> None:
    (dataset,) = datasets(url)
    assert dataset.files == (url,)


def test_parts_of_a_dataset_of_atlas_are_event_files(folder) -> None:
    (folder / "DAOD_PHYSLITE.37019878._000001.pool.root.1").touch()
    (folder / "notes.1").touch()
    assert names(folder)[0] == "DAOD_PHYSLITE.37019878._000001.pool.root.1"
    assert len(names(folder)) == 4


@pytest.mark.parametrize("inside", [True, False])
def test_cross_sections_are_found_in_the_metadata_and_beside_the_files(folder, inside) -> None:
    numbers = {"xsec": 2.5, "lumi": 1000} if inside else {"cross_section": 2.5, "luminosity": 1e3}
    value = {"files": f"{folder}/a.root", **({"metadata": numbers} if inside else numbers)}
    (dataset,) = datasets({"qcd": value})
    assert (dataset.cross_section, dataset.luminosity) == (2.5, 1000.0)
    # N = sigma L: the weights of all generated events add up to it
    assert dataset.scale(500.0) * 500.0 == pytest.approx(2500.0)


def test_the_weights_of_a_skim_are_those_of_what_it_was_made_from(folder) -> None:
    value = {"files": f"{folder}/a.root", "xsec": 2.0, "lumi": 100, "sum_weights": 400.0}
    (dataset,) = datasets({"qcd": value})
    assert dataset.scale(10.0) == pytest.approx(0.5)


def test_data_has_no_scale(folder) -> None:
    (dataset,) = datasets([f"{folder}/a.root"])
    assert dataset.scale(10.0) is None


def test_weights_that_add_up_to_nothing_cannot_share_a_cross_section(folder) -> None:
    (dataset,) = datasets({"qcd": {"files": f"{folder}/a.root", "xsec": 1, "lumi": 1}})
    with pytest.raises(InputError, match="'qcd': the generator weights of its files add up to 0"):
        dataset.scale(0.0)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"qcd": {"files": ["a.root"], "xsec": 1}}, "'qcd': cross_section .* and luminosity"),
        ({"qcd": {"files": ["a.root"], "xsec": -1, "lumi": 1}}, "cross_section is -1"),
        ({"qcd": {"files": ["a.root"], "lumi": "many", "xsec": 1}}, "luminosity is 'many'"),
        ({"qcd": {"metadata": {}}}, "'qcd': the key 'files' is missing"),
        ({"qcd": {"files": ["a.root"], "xsecs": 1}}, "unknown key 'xsecs'.*'xsec'"),
        ({"qcd": 3}, "'qcd': files are paths, not 3"),
        (["a.root", "set.json"], r"set\.json: a JSON file set stands alone"),
    ],
)
def test_what_cannot_be_used_is_named(files, complaint) -> None:
    with pytest.raises(ConfigError, match=complaint):
        datasets(files)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("*.parquet", r"\*\.parquet: no file matches"),
        ("empty", "empty: the folder has no event files"),
        ("none.txt", r"none\.txt: no such file"),
        ("bad.json", r"bad\.json: not a JSON file"),
        ("three.json", "a file set is a JSON object or list, not int"),
    ],
)
def test_what_leads_to_no_files_is_an_error(folder, path, complaint) -> None:
    (folder / "empty").mkdir()
    (folder / "bad.json").write_text("{")
    (folder / "three.json").write_text("3")
    with pytest.raises(InputError, match=complaint):
        datasets(f"{folder}/{path}")


def test_no_files_are_an_error() -> None:
    with pytest.raises(InputError, match="no event files"):
        datasets([])


def test_a_file_in_two_datasets_would_count_double(folder) -> None:
    with pytest.raises(InputError, match=r"a\.root is given twice \(datasets 'x' and 'y'\)"):
        datasets({"x": f"{folder}/a.root", "y": f"{folder}/*.root"})


@pytest.fixture
def odd(tmp_path, monkeypatch) -> Path:
    for name in ("a.root", "b.root", "ab.root", "job[12]/a.root", "job1/z.root", "job{1,2}/q.root"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("?.root", ["a.root", "b.root"]),
        ("{a,b}.root", ["a.root", "b.root"]),
        ("{b,a}.root", ["b.root", "a.root"]),
        ("{a,{b,ab}}.root", ["a.root", "b.root", "ab.root"]),
        ("{a,?}.root", ["a.root", "b.root"]),
        ("[ab].root", ["a.root", "b.root"]),
        ("job[12]/*.root", ["job[12]/a.root"]),
        ("job[12]", ["job[12]/a.root"]),
        ("job{1,2}/?.root", ["job{1,2}/q.root"]),
        ("job[1]/*.root", ["job1/z.root"]),
        ("job?", ["job1/z.root"]),
    ],
)
def test_what_a_pattern_means(odd, given, found) -> None:
    (dataset,) = datasets(given)
    assert [os.path.relpath(path, odd) for path in dataset.files] == found


def test_a_folder_with_brackets_is_a_place_to_work_in(odd, monkeypatch) -> None:
    monkeypatch.chdir(odd / "job[12]")
    (dataset,) = datasets("*.root")
    assert dataset.files == (f"{odd}/job[12]/a.root",)


def test_the_part_without_a_match_is_named(odd) -> None:
    with pytest.raises(InputError, match=r"^c\.root: no file matches \(of \{a,c\}\.root\)"):
        datasets("{a,c}.root")


def test_files_behind_urls_may_have_such_names() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("job[12]/a.root", "job1/z.root"):
        memory.pipe_file(f"/patterns/{name}", b"")
    (dataset,) = datasets("memory://patterns/job[12]/a.root")
    assert dataset.files == ("memory:///patterns/job[12]/a.root",)


def test_home_and_links_are_followed(odd, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(odd))
    assert datasets("~/a.root")[0].files == (f"{odd}/a.root",)
    os.symlink("a.root", "c.root")
    with pytest.raises(InputError, match=r"c\.root and .*a\.root are one file"):
        datasets(["a.root", "c.root"])
