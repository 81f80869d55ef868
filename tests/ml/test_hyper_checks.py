"""What cannot be used is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from overdensity.core import ConfigError
from overdensity.ml.hyper_checks import refuse_unusable


def test_the_first_value_that_cannot_be_used_is_named():
    @dataclass(frozen=True)
    class Forest:
        trees: int = 100
        kind: str = "oak"

    forest = Forest(trees=0, kind="")
    refuse_unusable("forest", forest, trees=True, kind=True)
    with pytest.raises(ConfigError, match="forest: kind = '' cannot be used"):
        refuse_unusable("forest", forest, trees=True, kind=False)
