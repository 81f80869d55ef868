"""What cannot be used is refused by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import pytest

from overdensity.core import ConfigError
from overdensity.ml.classifiers.kinds import CLASSIFIERS
from overdensity.ml.hyper_checks import meaning, refuse_unusable
from overdensity.ml.method import METHODS


def test_the_first_value_that_cannot_be_used_is_named():
    @dataclass(frozen=True)
    class Forest:
        trees: int = 100
        kind: str = "oak"

    forest = Forest(trees=0, kind="")
    refuse_unusable("forest", forest, trees=True, kind=True)
    with pytest.raises(ConfigError, match="forest: kind = '' cannot be used"):
        refuse_unusable("forest", forest, trees=True, kind=False)


def inside(hyper: Any) -> Iterator[Any]:
    yield hyper
    for each in fields(hyper):
        if is_dataclass(value := getattr(hyper, each.name)):
            yield from inside(value)


@pytest.mark.parametrize("registry", [METHODS, CLASSIFIERS], ids=["methods", "classifiers"])
def test_each_hyperparameter_says_what_it_is(registry):
    """A refusal and ``overdensity methods NAME`` quote it."""
    for name in registry:
        for hyper in inside(registry.find(name).Hyper()):
            silent = [each.name for each in fields(hyper) if not meaning(type(hyper), each.name)]
            assert not silent, (name, type(hyper).__name__)


@pytest.mark.parametrize(
    "name",
    [
        "buhulaspa",
        "gan_ae",
        "graph_autoencoder",
        "normalised_image_autoencoder",
        "pca",
        "quak",
        "tag_n_train",
        "vrnn",
    ],
)
def test_a_refused_hyperparameter_is_one_of_the_method_by_its_name(name):
    hyper = METHODS.find(name).Hyper()
    numbers = [each.name for each in fields(hyper) if type(getattr(hyper, each.name)) is int]
    assert numbers
    for each in numbers:
        with pytest.raises(ConfigError, match=f"^{name}: {each} = -1 cannot be used"):
            replace(hyper, **{each: -1})
