"""``overdensity tag``: what it prints and writes, and the sentences of what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

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
