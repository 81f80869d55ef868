"""Correctionlib files: names, inputs and what can be wrong with them."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.processors.calibration.corrections import CorrectionFile

# The whole of a small file: one correction of one input, in bins.
BINNED = {
    "schema_version": 2,
    "corrections": [
        {
            "name": "Total",
            "version": 1,
            "inputs": [{"name": "JetEta", "type": "real"}],
            "output": {"name": "delta", "type": "real"},
            "data": {
                "nodetype": "binning",
                "input": "JetEta",
                "edges": [-5.0, 0.0, 5.0],
                "content": [0.01, 0.02],
                "flow": "error",
            },
        }
    ],
}


@pytest.fixture
def path(tmp_path) -> str:
    (tmp_path / "a.json").write_text(json.dumps(BINNED))
    return str(tmp_path / "a.json")


def test_a_correction_is_evaluated_by_the_names_of_its_inputs(path) -> None:
    values = {"JetPt": np.array([1.0, 2.0]), "JetEta": np.array([-1.0, 1.0])}
    np.testing.assert_array_equal(CorrectionFile(path).evaluate("Total", values), [0.01, 0.02])


def test_no_jets_give_no_corrections(path) -> None:
    assert len(CorrectionFile(path).evaluate("Total", {"JetEta": np.empty(0)})) == 0


def test_gzip_is_read_too(path, tmp_path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(BINNED).encode()))
    values = {"JetEta": np.array([1.0])}
    assert CorrectionFile(f"{tmp_path}/a.json.gz").evaluate("Total", values) == [0.02]


def test_a_file_that_changed_under_a_run_is_refused(path) -> None:
    digest = CorrectionFile(path).digest
    assert CorrectionFile.cached(path, digest).digest == digest
    with pytest.raises(InputError, match="has changed since the run began"):
        CorrectionFile.cached(path, "0" * 16)


def test_a_misspelt_correction_gets_the_nearest_name(path) -> None:
    with pytest.raises(ConfigError, match="no correction 'Totall': did you mean 'Total'"):
        CorrectionFile(path).inputs("Totall", ["JetEta"])


def test_an_input_that_is_not_known_is_refused(path) -> None:
    with pytest.raises(ConfigError, match="Total needs the input 'JetEta', which is not known"):
        CorrectionFile(path).inputs("Total", ["JetPt", "run"])


def test_a_value_out_of_range_says_which_input(path) -> None:
    values = {"JetEta": np.array([0.5, 6.0])}
    with pytest.raises(InputError, match=r"Total has no value for JetEta 0\.5 to 6 "):
        CorrectionFile(path).evaluate("Total", values)


@pytest.mark.parametrize(
    "content", [b"{}", b"not json", b"\x1f\x8bcut", b"\xff\xfe", b'{"schema_version": 3}']
)
def test_another_file_is_refused(tmp_path, content) -> None:
    (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(InputError, match=r"b\.json: not a file of correctionlib"):
        CorrectionFile(f"{tmp_path}/b.json")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"^nowhere/a\.json: no such file$"):
        CorrectionFile("nowhere/a.json")
