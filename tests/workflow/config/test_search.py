from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml

from overdensity.core import ConfigError
from overdensity.workflow.config.reading import load_config, parse_config
from overdensity.workflow.config.search import SearchConfig

SMALLEST = {"events": {"files": ["box.h5"]}}


def write(tmp_path: Path, values: object) -> Path:
    path = tmp_path / "box.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_everything_but_the_files_has_a_default(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SMALLEST))
    assert config.mass == "mjj"
    assert config.fit.spurious == "none"
    assert config.selections == (1, 0.1, 0.01, 0.002)
    assert (config.scan.low, config.scan.high, config.scan.bins) == (2632, 6000, 16)
    assert config.out == "runs/box"


def test_the_unselected_spectrum_is_searched_where_1_is_named() -> None:
    config = parse_config({**SMALLEST, "selections": [0.02, 1, 0.1]})
    assert config.selections == (1, 0.1, 0.02)
    assert (config.cuts, config.spectra) == ((0.1, 0.02), (1, 0.1, 0.02))
    config = parse_config({**SMALLEST, "selections": [0.1]})
    assert (config.cuts, config.spectra) == ((0.1,), (1, 0.1))


def test_the_page_shows_every_key_with_its_default() -> None:
    page = Path(__file__).parents[3] / "docs" / "search.md"
    block = re.search(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    shown = yaml.safe_load(block[1])
    assert shown.keys() == SearchConfig.model_fields.keys()
    needed = {key: shown[key] for key in ("events", "features", "out")}
    assert parse_config(shown) == parse_config(needed)


def test_the_configuration_of_the_issue_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(
        """
events: {format: columns, files: [box.parquet]}
mass: mjj
features: [j1_mass, j2_mass, j1_tau21, j2_tau21]
method: {name: cwola}
scan: {low: 2632, high: 6000, bins: 16, signal_bins: 3, sideband_bins: 2}
selections: [0.1, 0.01, 0.002]
seed: 1
cluster: local
"""
    )
    assert load_config(path).events.format == "columns"


def test_one_file_needs_no_list() -> None:
    assert parse_config({"events": {"files": "box.h5"}}).events.files == ("box.h5",)


def test_hyperparameters_stand_beside_the_methods_name() -> None:
    config = parse_config({**SMALLEST, "method": {"name": "cwola", "restarts": 2}})
    assert config.method.hyperparameters == {"restarts": 2}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({**SMALLEST, "selectoins": [0.1]}, "unknown key 'selectoins': did you mean 'selections'"),
        ({**SMALLEST, "scan": {"bin": 3}}, "unknown key 'scan.bin': did you mean 'bins'"),
        ({"events": {"fils": ["a"], "files": ["b"]}}, "'events.fils': did you mean 'files'"),
        (
            {**SMALLEST, "simulation": ["mc.h5"], "pseudo_datasets": {"simulation": "mc.h5"}},
            "simulation: mc.h5 is among pseudo_datasets.simulation too",
        ),
        ({"event": {"files": ["a"]}}, "unknown key 'event': did you mean 'events'"),
        ({**SMALLEST, "method": "cwolla"}, "method.name: no method 'cwolla': did you mean"),
        ({**SMALLEST, "fit": {"function": "dijet6"}}, "no background function 'dijet6': did you"),
        ({}, "the key 'events' is missing"),
        ({"events": {}}, "the key 'events.files' is missing"),
        ({"events": {"files": []}}, "events.files"),
        ({"events": {"files": ["a"], "format": "rot"}}, "events.format.*'rot'"),
        ({**SMALLEST, "selections": [0.1, 2]}, "between 0 and 1, not 2"),
        ({**SMALLEST, "selections": [0.1, 0.1]}, "repeat one another"),
        ({**SMALLEST, "selections": [1]}, "give a selection below 1 beside it"),
        ({**SMALLEST, "scan": {"bins": 10**9}}, "scan.bins must be at most 10000"),
        ({**SMALLEST, "repeats": 10**9}, "repeats must be at most 1000"),
        ({**SMALLEST, "scan": {"high": math.inf}}, "scan.high must be a finite number"),
        ({**SMALLEST, "limits": {"luminosity": math.inf}}, "limits.luminosity must be a finite"),
        (
            {**SMALLEST, "fit": {"efficiency": {"prior": math.inf}}},
            "prior must be 'measured' or be a finite number",
        ),
        ({**SMALLEST, "folds": 10**9}, "folds must be at most 100"),
        ({**SMALLEST, "workers": 10**6}, "workers must be at most 10000"),
        ({**SMALLEST, "pseudo_experiments": 10**12}, "pseudo_experiments must be at most"),
        ({**SMALLEST, "features": ["j1_mass", "label"]}, "'label' is no feature, but the label"),
        ({**SMALLEST, "region": {"cuts": {"label": {"below": 1}}}}, "'label' is the truth"),
        ({**SMALLEST, "scan": {"bins": 4}}, "scan.*takes .* = 7 bins, but there are only 4"),
        ({**SMALLEST, "scan": {"low": 7000}}, r"high \(6000 GeV\) must be above low \(7000 GeV\)"),
        ({**SMALLEST, "folds": 2}, "tournament needs at least 3 folds, not 2"),
        ({**SMALLEST, "repeats": 3, "folds": 1}, "folds must be at least 2"),
        ({**SMALLEST, "repeats": 0}, "repeats must be at least 1"),
        ({**SMALLEST, "out": "s3://bucket/run"}, "must be on a file system"),
        ({**SMALLEST, "features": ["mjj"]}, "the mass 'mjj' is among the features"),
        ({**SMALLEST, "seed": "one"}, "seed.*'one'"),
    ],
)
def test_a_bad_key_or_value_gets_one_clear_sentence(values: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        parse_config(values)
    assert "\n" not in str(caught.value)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"event": {"files": ["a"]}, "folds": 1, "scan": {"low": -1}})
    assert str(caught.value).splitlines() == [
        "configuration: 3 keys cannot be used",
        "  scan.low must be greater than 0 (got -1)",
        "  folds must be at least 2 (got 1)",
        "  unknown key 'event': did you mean 'events'?",
    ]


def test_a_word_is_the_name_of_a_method_or_processor() -> None:
    config = parse_config({**SMALLEST, "method": "pca", "processor": "multijet"})
    assert (config.method.name, config.processor.name) == ("pca", "multijet")
    assert config.method.hyperparameters == {}


def test_overrides_reach_any_level(tmp_path: Path) -> None:
    path = write(tmp_path, SMALLEST)
    config = load_config(path, ["scan.bins=20", "seed=7", "selections=[0.05]"], out="elsewhere")
    assert (config.scan.bins, config.seed, config.selections) == (20, 7, (0.05,))
    assert config.out == "elsewhere"


@pytest.mark.parametrize("override", ["seed", "=3", "seed.deeper=3", "seed=[1"])
def test_an_override_that_cannot_be_used_is_quoted(override: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--set"):
        load_config(write(tmp_path, {**SMALLEST, "seed": 1}), [override])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such configuration file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["a: [", "- 1", "!!python/object/apply:os.system ['true']"])
def test_file_that_is_no_safe_yaml_mapping_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(path)
