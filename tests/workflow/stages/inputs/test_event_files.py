"""From the configuration to formats, sources, processors and the files of columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors import Layout, LhcoSource, ParquetSource, RootSource, datasets
from overdensity.workflow.config.reading import parse_config
from overdensity.workflow.config.search import SearchConfig
from overdensity.workflow.stages.inputs.event_files import (
    column_files,
    column_paths,
    event_format,
    event_processor,
    event_source,
    event_variations,
    processed_folder,
)


def config(files: Any, **keys: Any) -> SearchConfig:
    events = {
        key: keys.pop(key) for key in ("format", "layout", "key_file", "dataset") if key in keys
    }
    return parse_config({"events": {"files": files, **events}, **keys})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.h5", "lhco"), ("a.hdf5", "lhco"), ("a.root", "root"), ("a.parquet", "columns")],
)
def test_the_format_is_told_from_the_name(tmp_path, name, expected) -> None:
    assert event_format(config(f"{tmp_path}/{name}").events) == expected


def test_features_in_hdf5_are_columns(tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["df/block0_items"] = np.array([b"mjj", b"x"])
        file["df/block0_values"] = np.ones((3, 2))
    events = config(f"{tmp_path}/a.h5").events
    assert event_format(events) == "columns"
    assert event_source(events) is None
    for keys in ({}, {"format": "columns"}):  # it would not be looked at
        named = config(f"{tmp_path}/a.h5", dataset="df", **keys).events
        with pytest.raises(ConfigError, match="dataset: 'df' names particles in a file"):
            event_format(named)


def test_files_of_two_kinds_need_a_word(tmp_path) -> None:
    files = [f"{tmp_path}/a.h5", f"{tmp_path}/b.root"]
    for each in files:
        Path(each).touch()
    with pytest.raises(InputError, match="cannot tell the format"):
        event_format(config(files).events)


def test_of_what_is_not_there_no_format_is_asked_for(tmp_path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such file$"):
        event_format(config(f"{tmp_path}/nowhere").events)


@pytest.mark.parametrize(
    ("name", "keys", "source"),
    [
        ("a.h5", {}, LhcoSource()),
        ("a.h5", {"key_file": "a.key"}, LhcoSource(keys={"/data/a.h5": "a.key"})),
        ("a.h5", {"dataset": "x/y"}, LhcoSource(dataset="x/y")),
        ("DAOD_PHYSLITE.1._000001.pool.root.1", {}, RootSource()),
        ("a.root", {}, RootSource()),
        ("a.root", {"layout": "delphes"}, RootSource("delphes")),
        ("a.parquet", {"format": "parquet"}, ParquetSource("auto")),
        ("a.parquet", {}, None),
    ],
)
def test_the_source_follows_from_the_format(name, keys, source) -> None:
    assert event_source(config(f"/data/{name}", **keys).events) == source


def test_a_layout_of_ones_own_stands_in_the_configuration() -> None:
    layout = {"tree": "t", "collections": {"jets": {"pt": "a", "eta": "b", "phi": "c"}}}
    source = event_source(config("/data/a.root", layout=layout).events)
    assert isinstance(source, RootSource)
    assert isinstance(source.layout, Layout)
    assert source.layout.trees == ("t",)


def test_datasets_in_the_configuration_are_those_of_the_processors(tmp_path: Path) -> None:
    (tmp_path / "a.root").touch()
    files = {"qcd": {"files": f"{tmp_path}/*.root", "xsec": 1.5, "lumi": 2000}}
    search = config(files)
    assert datasets(search.events.files)[0].cross_section == 1.5  # pyright: ignore[reportArgumentType]
    assert event_format(search.events) == "root"


def test_columns_that_are_given_are_those_of_the_run(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "notes.txt"):
        (tmp_path / name).touch()
    files = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    assert column_files(config(f"{tmp_path}/*.parquet"), tmp_path / "run") == files
    assert column_paths([f"{tmp_path}/*.parquet"]) == files


def test_processor_and_variations_take_their_options_from_the_configuration() -> None:
    search = config("a.root", processor={"name": "dijet", "radius": 0.8})
    assert event_processor(search).settings()["radius"] == 0.8
    assert event_variations(search) is None


def test_columns_lie_in_the_folder_of_the_run_or_where_the_configuration_says() -> None:
    assert processed_folder(config("a.root"), Path("/runs/a")) == "/runs/a"
    assert processed_folder(config("a.root", columns="s3://b/c/"), Path("/runs/a")) == "s3://b/c"
