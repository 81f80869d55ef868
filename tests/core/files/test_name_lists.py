"""Files of names among features."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import ConfigError
from overdensity.core.files.name_lists import expanded, name_list


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "chosen.json"
    path.write_text('{"names": ["mass", "efp12"], "rounds": []}')
    return str(path)


def test_names_stand_in_the_place_of_their_file(file: str) -> None:
    assert expanded(["tau21", {"names": file}]) == ["tau21", "mass", "efp12"]
    of_two = ["j1_mass", "j1_efp12", "j2_mass", "j2_efp12"]
    assert expanded([{"names": file, "of": ["j1", "j2"]}]) == of_two
    assert expanded("tau21") == "tau21"
    assert expanded([{"tag": "x.onnx"}]) == [{"tag": "x.onnx"}]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"names": []}', '{"names": [3]}'])
def test_what_is_no_file_of_names_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match=r"x\.json"):
        name_list(tmp_path / "x.json")


def test_an_entry_with_other_keys_is_refused(file: str) -> None:
    with pytest.raises(ConfigError, match="has other keys than names, a file, and of"):
        expanded([{"names": file, "jets": ["j1"]}])
    with pytest.raises(ConfigError, match="has other keys than names, a file, and of"):
        expanded([{"names": file, "of": "j1"}])
