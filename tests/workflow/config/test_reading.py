"""From a YAML file and overrides to values, and from values to a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import ConfigError
from overdensity.workflow.config.reading import load_config, parse_config, read_yaml, validated
from overdensity.workflow.config.sections import Section


class Small(Section):
    """A configuration of two numbers."""

    one: int = 1
    two: int = 2


def test_the_folder_of_the_run_has_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "dijets.yaml"
    path.write_text("one: 3")
    assert read_yaml(path, out=None, first_key="one") == {"one": 3, "out": "runs/dijets"}
    assert read_yaml(path, out="here", first_key="one")["out"] == "here"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- 1", "expected keys such as 'one:', found list"),
        ("one: [", "not valid YAML"),
        (b"\xff\xfe\x00".decode("latin-1"), "bad.yaml"),
    ],
)
def test_what_is_no_mapping_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_yaml(path, out=None, first_key="one")
    assert "\n" not in str(caught.value)


def test_a_file_of_another_command_is_told_by_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text("{pool: {}, methods: [pca]}")
    with pytest.raises(
        ConfigError, match="a file of 'overdensity challenge suite', which has 'pool'"
    ):
        load_config(path)
    assert read_yaml(path, out=None, first_key="pool")["methods"] == ["pca"]


@pytest.mark.parametrize("name", ["box.h5", "nano.root", "a.parquet"])
def test_events_are_no_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: a file of events.*files: \[{name}\]"):
        load_config(name)


def test_overrides_are_yaml() -> None:
    assert validated(Small, {"one": 5}, ["two=7"], origin="x") == Small(one=5, two=7)


def test_a_word_that_stands_for_a_section_can_have_keys_set_below_it(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("{events: {files: a.parquet}, method: cathode, cluster: slurm}")
    config = load_config(path, ["method.trees=3", "cluster.maximum=7"])
    assert (config.method.name, config.method.options) == ("cathode", {"trees": 3})
    assert config.cluster.maximum == 7


def test_one_complaint_is_one_sentence() -> None:
    with pytest.raises(ConfigError) as caught:
        validated(Small, {"one": "a"}, origin="s.yaml")
    assert str(caught.value) == "s.yaml: one must be a whole number (got 'a')"


def test_all_complaints_are_said_a_line_each() -> None:
    with pytest.raises(ConfigError) as caught:
        validated(Small, {"one": "a", "tow": 3}, origin="s.yaml")
    assert str(caught.value).splitlines() == [
        "s.yaml: 2 keys cannot be used",
        "  one must be a whole number (got 'a')",
        "  unknown key 'tow': did you mean 'two'?",
    ]


def test_home_is_meant_by_a_tilde(tmp_path, monkeypatch):
    """A folder called ``~`` was made in the current one."""
    monkeypatch.setenv("HOME", "/home/someone")
    values = {
        "events": {"files": ["~/box.h5", "s3://bucket/~"], "key_file": "~/key.txt"},
        "signal": "~/signal.parquet",
        "out": "~/runs/box",
        "columns": "~/columns",
        "fit": {"spurious": ["~/qcd.parquet"]},
    }
    config = parse_config(values)
    assert config.events.files == ("/home/someone/box.h5", "s3://bucket/~")
    assert config.events.key_file == "/home/someone/key.txt"
    assert config.signal == ("/home/someone/signal.parquet",)
    assert (config.out, config.columns) == ("/home/someone/runs/box", "/home/someone/columns")
    assert config.fit.spurious == ("/home/someone/qcd.parquet",)
    (tmp_path / "box.yaml").write_text("events: {files: a.h5}\nout: ~")  # YAML's word for nothing
    assert load_config(tmp_path / "box.yaml").out == "runs/box"


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "box.yaml").write_text("events: {files: a.h5}\nseed: 1\nseed: 2")
    with pytest.raises(
        ConfigError, match=r"box\.yaml: .*the key 'seed' stands twice \(lines 2 and 3\)"
    ):
        load_config(tmp_path / "box.yaml")


def test_small_numbers_are_numbers_wherever_they_stand(tmp_path):
    text = "events: {files: a.h5}\nmethod: {name: cathode, lr: 1e-3}\nsystematics: {x: 1:30}"
    (tmp_path / "box.yaml").write_text(text)
    config = load_config(tmp_path / "box.yaml", ["method.weight_decay=1e-5"])
    assert config.method.options == {"lr": 1e-3, "weight_decay": 1e-5}
    assert config.systematics == {"x": "1:30"}
