"""Names of a configuration are those that the rooms have registered."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from overdensity.ml import methods
from overdensity.processors import PROCESSORS, SOURCES
from overdensity.stats import background_functions
from overdensity.workflow.config.registries import (
    FormatName,
    FunctionName,
    MethodName,
    ProcessorName,
)

REGISTRIES: list[tuple[Any, list[str], str, str]] = [
    (FormatName, ["auto", "columns", *SOURCES], "rot", "no format 'rot': did you mean 'root'?"),
    (
        FunctionName,
        list(background_functions()),
        "dijett4",
        "no background function 'dijett4': did you mean 'dijet4'",
    ),
    (
        MethodName,
        [info.name for info in methods()],
        "cwolla",
        "no method 'cwolla': did you mean 'cwola'",
    ),
    (ProcessorName, list(PROCESSORS), "dijett", "no processor 'dijett': did you mean 'dijet'?"),
]


@pytest.mark.parametrize(("kind", "names", "wrong", "complaint"), REGISTRIES)
def test_registered_names_are_taken_and_others_get_the_nearest(
    kind: Any, names: list[str], wrong: str, complaint: str
) -> None:
    adapter = TypeAdapter(kind)
    assert [adapter.validate_python(name) for name in names] == names
    with pytest.raises(ValidationError, match=complaint.replace("?", "")):
        adapter.validate_python(wrong)


def test_a_kind_of_classifier_that_stands_for_a_method_is_put_in_its_place() -> None:
    with pytest.raises(
        ValidationError, match=r"method: \{name: cwola, classifier: \{kind: pfn\}\}"
    ):
        TypeAdapter(MethodName).validate_python("pfn")
