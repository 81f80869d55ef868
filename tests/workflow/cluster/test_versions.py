"""Which differences between versions no task would survive, and which are only told."""

from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.workflow.cluster.versions import MUST_AGREE, compare_versions, required_packages

HERE = dict.fromkeys(("dask", "distributed", "cloudpickle", "numpy"), "1.0") | {"python": "3.11.2"}


@pytest.mark.parametrize(
    ("there", "complaint"),
    [
        ({"python": "3.12.1"}, "worker a has python 3.12.1, this process 3.11.2"),
        ({"cloudpickle": "2.0"}, "worker a has cloudpickle 2.0, this process 1.0"),
        ({"coffea": None}, "worker a lacks coffea"),
    ],
)
def test_versions_that_cannot_work_together_are_refused(
    there: dict[str, str | None], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        compare_versions(HERE, {"worker a": HERE | there}, ("coffea",))


def test_lesser_differences_are_told_once() -> None:
    there = HERE | {"numpy": "2.0"}
    told = compare_versions(HERE, {"worker a": there, "worker b": there, "worker c": HERE})
    assert told == ["worker a and 1 more have numpy 2.0, this process 1.0"]


def test_equal_versions_are_not_mentioned() -> None:
    assert compare_versions(HERE, {"the scheduler": dict(HERE)}, ()) == []


def test_patch_versions_of_python_may_differ() -> None:
    (told,) = compare_versions(HERE, {"worker a": HERE | {"python": "3.11.9"}})
    assert told == "worker a has python 3.11.9, this process 3.11.2"


def test_what_carries_tasks_must_agree() -> None:
    assert {"dask", "distributed", "cloudpickle"} <= set(MUST_AGREE)


def test_required_packages_are_those_without_extras() -> None:
    required = required_packages()
    assert "numpy" in required
    assert "pytest" not in required
