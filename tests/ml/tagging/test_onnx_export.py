"""Taggers as ONNX: the same numbers as torch, and what the file says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from overdensity.core import InputError
from overdensity.ml import Constituents, Sample
from overdensity.ml.tagging.onnx_export import DECLARATION, export_tagger

from .conftest import SHAPES, untrained


def some_jets(n: int, longest: int, seed: int) -> Sample:
    """Jets of 1 to so many constituents at any azimuth, in order of falling pT, and a number."""
    rng = np.random.default_rng(seed)
    jets = []
    for count in rng.integers(1, longest + 1, n):
        pt = np.sort(rng.uniform(0.5, 200.0, count))[::-1]
        eta, phi = rng.normal(0.3, 0.3, count), rng.normal(3.1, 0.3, count)
        jets.append(list(zip(pt, eta, phi, strict=True)))
    blocks = {"j1_constituents_30": Constituents.from_lists(jets)}
    return Sample.from_arrays(np.ones(n), rng.uniform(0, 1, (n, 1)), ("j1_tau21",), blocks=blocks)


def by_onnx(path: Path, jets: Sample) -> Any:
    """The score of onnxruntime."""
    session = onnxruntime.InferenceSession(path.read_bytes())
    block = jets.blocks["j1_constituents_30"]
    assert isinstance(block, Constituents)
    given = {"constituents": block.padded(max(16, int(block.counts.max())))[:]}
    if len(session.get_inputs()) > 1:
        given["numbers"] = (jets.features - np.float32(0.4)) / np.float32(0.2)
    return session.run(["score"], given)[0]


SLOW = ("particlenet", "part", "lorentznet")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.slow(seconds=3) if k in SLOW else ()) for k in SHAPES],
)
def test_scores_are_those_of_torch(kind: str, tmp_path: Path) -> None:
    names = ("j1_tau21",) if kind in ("pfn", "part") else ()
    tagger = untrained(kind, *names, jet="j1_constituents_30")
    export_tagger(tagger, tmp_path / "a.onnx")
    for n, longest in ((3, 30), (40, 9), (1, 1)):
        jets = some_jets(n, longest, seed=n)
        np.testing.assert_allclose(
            by_onnx(tmp_path / "a.onnx", jets), tagger.score(jets), atol=1e-5
        )


def test_the_file_says_what_it_reads(tmp_path: Path) -> None:
    tagger = untrained("pfn", "j1_tau21", jet="j2_constituents_30")
    declared = export_tagger(tagger, tmp_path / "a.onnx")
    stored = {each.key: each.value for each in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert json.loads(stored[DECLARATION]) == declared
    assert declared["inputs"]["constituents"]["constituents"] == "constituents_30"
    assert declared["inputs"]["numbers"]["features"] == ["tau21"]
    assert declared["schema"] == 1


def test_a_tagger_of_two_jets_is_refused(tmp_path: Path) -> None:
    tagger = untrained("pfn")
    two = replace(tagger, ensemble=replace(tagger.ensemble, jets=("j1", "j2")))
    with pytest.raises(InputError, match="reads one jet, and this one reads j1, j2"):
        export_tagger(two, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
