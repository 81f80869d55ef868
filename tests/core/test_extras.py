from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from overdensity.core import MissingExtraError
from overdensity.core.extras import (
    DISTRIBUTIONS,
    EXTRAS,
    extra_for,
    require,
    skipped_without_extra,
)

ROOT = Path(__file__).resolve().parents[2]


def test_a_missing_package_is_one_sentence_that_names_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    sentence = "simulation needs pythia8mc: pip install 'overdensity[simulation]'"
    with pytest.raises(MissingExtraError, match=re.escape(sentence)):
        require("pythia8mc", by="simulation")


def test_an_import_within_an_import_is_told_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "deep_in_the_house.py").write_text("from torch.nn import functional\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with (
        pytest.raises(
            MissingExtraError, match=r"method 'x' needs torch: .*overdensity\[networks\]"
        ),
        extra_for("method 'x'"),
    ):
        import deep_in_the_house  # noqa: F401


def test_a_package_of_no_extra_fails_as_python_does() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), extra_for("a test"):
        import no_such_package  # noqa: F401


def test_a_file_that_needs_an_extra_is_left_out_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "hepdata_lib", None)
    with skipped_without_extra("limits.hepdata"):
        import hepdata_lib  # noqa: F401
    sentence = (
        "limits.hepdata is not written: it needs hepdata-lib: pip install 'overdensity[hepdata]'"
    )
    assert [each.getMessage() for each in caplog.records] == [sentence]


def test_every_optional_package_is_in_the_extra_it_is_said_to_be_in() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for package, extra in EXTRAS.items():
        listed = {
            Requirement(line).name.lower().replace("-", "_")
            for line in project["optional-dependencies"][extra]
        }
        assert DISTRIBUTIONS.get(package, package).lower() in listed


def test_no_optional_package_is_in_the_core() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {Requirement(line).name.lower().replace("-", "_") for line in project["dependencies"]}
    assert not core & {package.lower() for package in EXTRAS}
