"""``overdensity tag``: what it prints and writes, and the sentences of what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from overdensity.core.files.name_lists import name_list
from overdensity.workflow import load_config

from ..taggers.conftest import SMALL, write_jets

Call = Callable[..., tuple[int, str, str]]


def test_a_tagger_is_trained_and_applied(call: Call, tmp_path: Path) -> None:
    jets = write_jets(tmp_path / "in" / "jets.parquet")
    sets = [word for each in SMALL for word in ("--set", each)]
    code, out, err = call("tag", "train", jets, "--out", tmp_path / "t", "--kind", "pfn", *sets)
    assert code == 0, err
    assert "accuracy" in out
    assert (tmp_path / "t").is_file()
    code, out, err = call("tag", "apply", tmp_path / "t", jets, "--out", tmp_path / "out")
    assert code == 0, err
    assert "500 jets in 1 files" in out
    assert "learnt from; their scores are not those" in " ".join(out.split())
    assert "tag" in pq.read_schema(tmp_path / "out" / "jets.parquet").names
    code, out, err = call("tag", "export", tmp_path / "t", "--out", tmp_path / "t.onnx")
    assert code == 0, err
    assert "reads constituents of a jet" in out
    columns = json.loads(call("processors", "--json")[1])  # which lists what a processor takes
    assert "features" in columns["jets"]
    load_config(search_with_tagger(tmp_path))


def search_with_tagger(folder: Path) -> Path:
    """The configuration of a search whose processor has the tagger among its features."""
    path = folder / "search.yaml"
    features = ["tau21", {"tag": str(folder / "t.onnx"), "name": "top"}]
    values = {
        "events": {"files": ["box.h5"]},
        "processor": {"name": "dijet", "features": features},
        "features": ["j1_tau21", "j1_top"],
    }
    path.write_text(yaml.safe_dump(values))
    return path


def test_features_are_chosen(call: Call, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(1), 300
    table = {"event": np.arange(n), "label": np.arange(n) % 2, "x": rng.normal(np.arange(n) % 2)}
    pq.write_table(pa.table(table), tmp_path / "jets.parquet")
    words = ("tag", "select", tmp_path / "jets.parquet", "--candidates", "x", "--start", "")
    code, out, err = call(*words, "--out", tmp_path / "chosen.json")
    assert code == 0, err
    assert "1 features" in out
    assert name_list(tmp_path / "chosen.json") == ("x",)


def test_bad_input_is_one_sentence(call: Call, tmp_path: Path) -> None:
    jets = write_jets(tmp_path / "in" / "jets.parquet", 40)

    def refused(said: str, *words: str | Path) -> None:
        code, _, err = call("tag", *words, "--out", tmp_path / "out")
        assert code == 2
        assert said in err
        assert err.strip().count("\n") == 0
        assert not (tmp_path / "out").exists()

    refused("not a tagger", "apply", jets, jets)
    refused("not a tagger", "train", jets, "--from", jets)
    refused("no column 'constituent'", "train", jets, "--columns", "constituent")
    refused("and mjj holds none", "train", jets, "--columns", "mjj")
    refused("no classifier is called 'pnf'", "train", jets, "--kind", "pnf")
