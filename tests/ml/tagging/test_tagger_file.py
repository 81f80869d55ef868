"""Taggers as files: what comes back, and what is no tagger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from overdensity.core import InputError
from overdensity.ml.tagging.tagger import Tagger
from overdensity.ml.tagging.tagger_file import load_tagger, save_tagger


@pytest.fixture
def path(tagger: Tagger, tmp_path: Path) -> Path:
    save_tagger(tmp_path / "two_prong.tagger", tagger)
    return tmp_path / "two_prong.tagger"


def changed(path: Path, **values: object) -> Path:
    """The file with other values."""
    torch.save(torch.load(path, weights_only=True) | values, path)
    return path


def test_a_tagger_survives_its_file(tagger: Tagger, path: Path, jets) -> None:
    again = load_tagger(path)
    np.testing.assert_array_equal(again.score(jets), tagger.score(jets))
    assert (again.kind, again.hyper, again.columns) == (tagger.kind, tagger.hyper, tagger.columns)
    assert again.knows(jets) == tagger.knows(jets)


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_tagger_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=r"x: not a tagger \(.*'overdensity tag train'"):
        load_tagger(tmp_path / "x")
    with pytest.raises(
        InputError, match="none: no such file; give a file of 'overdensity tag train'"
    ):
        load_tagger(tmp_path / "none")


def test_a_damaged_file_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a tagger"):
        load_tagger(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schema": 2}, "of schema 2, and this version of overdensity reads schema 1"),
        ({"kind": "pcnn"}, "not the weights of the network that it names .*'pcnn'|'phi'"),
        ({"kind": "none"}, "not the weights of the network that it names .*'none'"),
        ({"hyper": '{"phi": [3]}'}, "not the weights of the network that it names"),
        ({"arrays": {}}, "not the weights of the network that it names"),
    ],
)
def test_a_tagger_of_another_network_is_refused(path: Path, values, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_tagger(changed(path, **values))
