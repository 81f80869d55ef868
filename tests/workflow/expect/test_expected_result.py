from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.stats.reach.reach_curve import EventsNeeded
from overdensity.workflow.expect.expected_result import ExpectedReach, events_with_band, expected_of


@pytest.fixture
def found(expected: Path) -> ExpectedReach:
    return ExpectedReach.from_json(expected / "expected.json")


def test_printed_it_is_two_lines_a_signal(found: ExpectedReach) -> None:
    lines = str(found).splitlines()
    assert any(line.startswith("Z' 3.8") for line in lines)
    assert any(line.startswith("Gaussian") for line in lines)
    assert len(found.table().columns) == len(found.table().rows[0])


def test_numbers_of_events_have_their_band() -> None:
    needed = EventsNeeded(3.0, whole=False, asimov=90.0, events=(4.0, 6.54, 90.4, 120.0, None))
    assert events_with_band(needed, 200.0) == "90 (6.5-120)"
    assert events_with_band(replace(needed, events=(None,) * 5), 200.0) == "> 200"


def test_a_file_of_another_schema_is_refused(found: ExpectedReach) -> None:
    with pytest.raises(InputError, match="schema 9"):
        ExpectedReach.from_dict(found.to_dict() | {"schema": 9})


def test_the_file_holds_what_the_page_on_the_interface_names(expected: Path) -> None:
    stored = json.loads((expected / "expected.json").read_text())
    assert stored.get("schema", 1) == ExpectedReach.schema
    assert all(isinstance(flag, str) for flag in stored["flags"])
    for point in stored["points"]:
        assert isinstance(point["name"], str)
        assert point["low"] < point["mass"] < point["high"]
        wanted = [(each["z"], each["whole"]) for each in point["curve"]["needed"]]
        assert wanted == [(3.0, False), (5.0, False), (3.0, True), (5.0, True)]
        assert all(len(each["events"]) == 5 for each in point["curve"]["needed"])


def test_only_the_reach_of_this_search_is_shown(
    expected: Path, found: ExpectedReach, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = found.provenance.configuration
    later = configuration | {"expect": {"toys": 10}, "repeats": 5, "out": "elsewhere"}
    assert expected_of(later, expected) == found
    assert not caplog.records
    for other in ({"seed": 2}, {"folds": 9}, {"events": {"files": ["other.parquet"]}}):
        assert expected_of(configuration | other, expected) is None
    assert "run 'overdensity expect' to make it again" in caplog.text
    assert expected_of(configuration, expected / "none") is None
