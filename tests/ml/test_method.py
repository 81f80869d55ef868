"""Making a method of one's own known, which does what every method must do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import (
    Constituents,
    Method,
    Sample,
    check_method,
    make_method,
    register_method,
)
from overdensity.ml.method import METHODS


def test_name_cannot_be_taken_twice():
    class Impostor(Method):
        source = ""

    with pytest.raises(ConfigError, match="two methods are called 'cwola'"):
        register_method("cwola")(Impostor)


def test_example_of_the_documentation_does_what_every_method_must_do():
    page = Path(__file__).parents[2] / "docs" / "methods" / "README.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(code, page, "exec"), {"__name__": __name__})  # our own page
    try:
        check_method("far")
    finally:
        METHODS.remove("far")


@pytest.mark.parametrize("name", ["cwola", "mahalanobis", "cathode"])
def test_constituents_alone_are_no_columns_of_numbers(name):
    """Trees of no column ended in an IndexError, after the windows had been chosen."""
    jets = {"j1_constituents": Constituents.from_lists([[(1.0, 0.0, 0.0)]] * 3)}
    sample = Sample.from_arrays(np.full(3, 3500.0), np.empty((3, 0)), (), blocks=jets)
    said = rf"method '{name}' reads columns of numbers, and no feature is one \(j1_constituents\)"
    with pytest.raises(InputError, match=said):
        make_method(name).shown(sample)
