"""An entry of the features that is a tagger: its file, its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from overdensity.core import ConfigError
from overdensity.processors.taggers.tag_option import JetScorer, tagger_of


def test_a_tagger_has_the_name_of_its_file_or_another(model) -> None:
    path = model({"x": ["n", 1]}, inputs={"x": {"features": ["tau21"]}})
    found = tagger_of({"tag": str(path)})
    assert isinstance(found, JetScorer)
    assert (found.name, found.declaration.needs) == ("sums", ("tau21",))
    assert tagger_of({"tag": str(path), "name": "top"}).name == "top"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"tagger": "x.onnx"}, "is neither a name nor {tag: FILE.onnx}"),
        ({"tag": 3}, "is neither a name nor {tag: FILE.onnx}"),
        ({"tag": "none.onnx"}, "none.onnx: no such file of a tagger"),
        ({"tag": "none-1.onnx"}, "'none-1' cannot be the name of a column"),
        ({"tag": "x.onnx", "name": "event"}, "'event' is another column already; give the score"),
        ({"tag": "mass.onnx"}, "'mass' is another column already"),
    ],
)
def test_what_names_no_tagger_is_refused(option: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        tagger_of(option)
    assert said in str(refused.value)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"x.onnx: not an ONNX model that onnxruntime can run"):
        tagger_of({"tag": str(path)})
    torch.save({}, path)
    with pytest.raises(
        ConfigError, match=r"a file of torch, .* 'overdensity tag export' makes one"
    ):
        tagger_of({"tag": str(path)})
