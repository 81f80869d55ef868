from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from overdensity import read_run, search
from overdensity.core import ConfigError, InputError


def test_a_search_from_python_is_the_command_run(search_file: Path, finished_run: Path) -> None:
    out = search_file.parent / "elsewhere"
    results = search(yaml.safe_load(search_file.read_text()), out=str(out))
    assert results.best == read_run(finished_run).best
    assert read_run(out).windows == results.windows


def test_a_mapping_is_checked_as_a_file_is() -> None:
    with pytest.raises(ConfigError, match="unknown key 'featurs': did you mean 'features'"):
        search({"events": {"files": ["box.h5"]}, "featurs": []})


def test_overrides_count_for_files_and_mappings(search_file: Path) -> None:
    for given in (search_file, yaml.safe_load(search_file.read_text())):
        with pytest.raises(ConfigError, match="folds"):
            search(given, overrides=["folds=0"])


def test_a_folder_without_results_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results\.json there; run 'overdensity hunt' first"):
        read_run(tmp_path)
