"""Models inside processors: the numbers of ``tag apply``, models of others, and bad ones."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnx
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Constituents, Sample
from overdensity.ml.tagging.onnx_export import export_tagger
from overdensity.processors import JetProcessor
from overdensity.processors.jets.momentum import momenta
from overdensity.processors.taggers.tag_option import tagger_of

from ...ml.tagging.conftest import untrained

CONSTITUENTS = ak.zip(
    {"pt": [[3.0, 1.0], [2.0]], "eta": [[0.1, -0.3], [0.0]], "phi": [[0.0, 0.4], [0.0]]},
    depth_limit=2,
)


def events(n: int = 12) -> Any:
    """Events with two wide jets of many particles."""
    rng = np.random.default_rng(2)
    per = 60
    pt, phi = rng.exponential(30.0, n * per) + 1.0, np.tile([0.0, 3.1], n * per // 2)
    eta = rng.normal(0.0, 0.2, n * per)
    particles = momenta(pt, eta, phi + rng.normal(0.0, 0.2, n * per), np.full(n, per))
    return ak.zip({"particles": particles, "event": np.arange(n)}, depth_limit=1)


def test_a_processor_gives_the_scores_of_the_columns(tmp_path: Path) -> None:
    tagger = untrained("pfn", "n", jet="constituents_20")
    export_tagger(tagger, tmp_path / "top.onnx")
    features = ("n", {"tag": str(tmp_path / "top.onnx")}, "constituents_20")
    columns = JetProcessor(radius=0.8, features=features).select(events()).columns
    assert list(columns)[-3:] == ["n", "top", "constituents_20"]
    lists = columns["constituents_20"]
    flat = [ak.to_numpy(ak.flatten(lists[name])) for name in ("pt", "eta", "phi")]
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(lists)))])
    block = Constituents.from_arrays(offsets, np.stack(flat, axis=1))
    jets = Sample.from_arrays(
        columns["mjj"], columns["n"][:, None], ("n",), blocks={"constituents_20": block}
    )
    assert columns["top"].dtype == np.float32
    np.testing.assert_allclose(columns["top"], tagger.score(jets), atol=1e-5)


def test_what_a_tagger_reads_need_not_be_a_column(model) -> None:
    path = model({"x": ["n", 1]}, inputs={"x": {"features": ["n"]}})
    processor = JetProcessor(radius=0.8, features=({"tag": str(path)},))
    columns = processor.select(events()).columns
    assert columns["sums"].min() > 10
    assert "n" not in columns


def test_a_processor_with_a_tagger_travels_to_workers(model) -> None:
    path = model({"x": ["n", 1]}, inputs={"x": {"features": ["n"]}})
    processor = JetProcessor(radius=0.8, features=({"tag": str(path)},))
    before = processor.select(events()).columns["sums"]
    path.unlink()
    again = pickle.loads(pickle.dumps(processor))
    np.testing.assert_array_equal(again.select(events()).columns["sums"], before)


def test_columns_are_made_anew_for_another_model(model) -> None:
    inputs = {"x": {"features": ["n"]}}

    def settings(**declared: Any) -> Any:
        path = model({"x": ["n", 1]}, inputs=inputs, **declared)
        return JetProcessor(features=({"tag": str(path)},)).settings()

    assert settings() == settings()
    assert settings() != settings(logit=True)
    assert settings()["features"][0]["declared"] == {"inputs": inputs}


def test_models_of_others_are_declared_in_the_configuration(model) -> None:
    path = model({"points": ["n", 2, 4], "mask": ["n", 1, 4], "numbers": ["n", 2]})
    given = {
        "points": {"constituents": "c", "variables": ["share", "log_pt"], "channels_first": True},
        "mask": {"constituents": "c", "variables": ["mask"], "channels_first": True},
        "numbers": {"features": ["n", "tau21"], "mean": [1, 0], "std": [2, 1]},
    }
    columns = {"c": CONSTITUENTS, "n": np.array([2, 1]), "tau21": np.array([0.5, 0.25])}
    expected = [
        [1 + np.log(3.0), 1 + np.log(2.0)],  # all shares, and the logarithms
        [2.0, 1.0],
        [1.0, 0.25],
    ]
    for column, values in enumerate(expected):
        tagger = tagger_of({"tag": str(path), "inputs": given, "column": column})
        np.testing.assert_allclose(tagger.score(columns), values, rtol=1e-6)
    odds = tagger_of({"tag": str(path), "inputs": given, "column": 2, "logit": True})
    np.testing.assert_allclose(odds.score(columns), 1 / (1 + np.exp([-1.0, -0.25])), rtol=1e-6)


def test_longer_jets_are_cut_to_what_a_model_takes(model) -> None:
    path = model({"x": ["n", 1, 3]}, inputs={"x": {"constituents": "c"}})
    tagger = tagger_of(
        {"tag": str(path), "inputs": {"x": {"constituents": "c", "mean": [1, 0, 0]}}}
    )
    pt_alone = tagger.score({"c": CONSTITUENTS})
    np.testing.assert_allclose(pt_alone, [2.1, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({}, "does not say what it reads; say it: {tag: "),
        ({"inputs": {"y": {"features": ["n"]}}}, "its inputs are x ('n', 2), and y are declared"),
        ({"inputs": {"x": {"features": ["n"]}}}, "has the shape ('n', 2), and what is declared for it"),
        ({"inputs": {"x": {"constituents": "c"}}}, "has the shape ('n', 2), and what is declared"),
        ({"inputs": {"x": {"features": ["n", "m"]}}, "output": "y"}, "it has no output 'y', but sums"),
        ({"inputs": {"x": {"features": ["n", "m"]}}, "column": 1}, "1 numbers for a jet, and no column 1"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_as_declared_is_refused(model, declared: Any, said: str) -> None:
    path = model({"x": ["n", 2]}, **declared)
    with pytest.raises(ConfigError) as refused:
        tagger_of({"tag": str(path)})
    assert said in str(refused.value)


def test_jets_that_have_no_score_are_refused(model) -> None:
    path = model({"x": ["n", "p", 3]}, inputs={"x": {"constituents": "c"}})
    lists = tagger_of({"tag": str(path)})
    with pytest.raises(InputError, match="1 of 2 jets have no constituents, of which there is no"):
        lists.score({"c": ak.concatenate([CONSTITUENTS[:1], CONSTITUENTS[:1][:, :0]])})
    with pytest.raises(InputError, match=r"'c' is no list of \{pt, eta, phi\}"):
        lists.score({"c": ak.Array([[1.0], [2.0]])})
    path = model({"x": ["n", 1]}, inputs={"x": {"features": ["n"], "mean": [3], "std": [1]}})
    numbers = tagger_of({"tag": str(path)})
    with pytest.raises(InputError, match="'n' lies 99997 widths from what the tagger was trained"):
        numbers.score({"n": np.array([1e5, 1e5])})
    with pytest.raises(InputError, match="1 of 2 jets have a n that is not finite"):
        numbers.score({"n": np.array([1.0, np.nan])})
    path = model({"x": ["n", 2]}, inputs={"x": {"features": ["n", "m"]}})
    sums = tagger_of({"tag": str(path)})
    with pytest.raises(InputError, match="the scores of 1 of 2 jets are NaN or infinite"):
        sums.score({"n": np.array([1.0, 3e38]), "m": np.array([1.0, 3e38])})


def test_a_feature_that_is_not_known_is_refused(model) -> None:
    path = model({"x": ["n", 1]}, inputs={"x": {"features": ["tau_21"]}})
    with pytest.raises(ConfigError, match="no jet feature 'tau_21': did you mean 'tau21'"):
        JetProcessor(features=({"tag": str(path)},))
    with pytest.raises(ConfigError, match="the jet feature 'sums' is asked for more than once"):
        JetProcessor(collection="fat_jets", features=({"tag": str(path)}, {"tag": str(path)}))
    with pytest.raises(ConfigError, match="features is"):
        JetProcessor(features=(3,))


def test_a_model_that_fails_on_jets_is_named(model) -> None:
    path = model({"x": ["n", 1]}, inputs={"x": {"features": ["n"]}})
    whole = onnx.load(path)
    whole.graph.initializer.append(onnx.numpy_helper.from_array(np.array([3, 1]), "three"))
    whole.graph.node.insert(0, onnx.helper.make_node("Reshape", ["x", "three"], ["shaped"]))
    whole.graph.node[1].input[0] = "shaped"
    onnx.save(whole, path)
    tagger = tagger_of({"tag": str(path)})
    with pytest.raises(ConfigError, match=r"sums\.onnx: the model fails on 4 jets .*"):
        tagger.score({"n": np.arange(4.0)})


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_a_model_for_so_many_jets_scores_any_number(model, size: int) -> None:
    """What torch.onnx.export writes unless it is told which axes are dynamic."""
    tagger = tagger_of({"tag": str(model({"x": [size, 1]}, inputs={"x": {"features": ["n"]}}))})
    assert tagger.score({"n": np.arange(4.0)}).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert tagger.score({"n": np.arange(0.0)}).tolist() == []


def test_weights_in_other_files_are_refused(model, tmp_path: Path) -> None:
    inputs = {"x": {"features": ["n"]}}
    whole = onnx.load(model({"x": ["n", 1]}, inputs=inputs))
    onnx.save(
        whole, tmp_path / "parts.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    with pytest.raises(ConfigError, match=r"parts\.onnx: has weights in other files; write it as"):
        tagger_of({"tag": str(tmp_path / "parts.onnx")})
