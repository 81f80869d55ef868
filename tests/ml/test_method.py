"""Making a method of one's own known, which does what every method must do."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import ConfigError
from overdensity.ml import Method, check_method, register_method
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
