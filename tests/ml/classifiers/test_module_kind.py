"""A kind whose members are modules names its ensemble and its training, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from overdensity.ml import watch
from overdensity.ml.classifiers.module_kind import ModuleKind


@dataclass(frozen=True)
class Means:
    """An ensemble whose networks are numbers, whose mean it says of all events."""

    networks: tuple[float, ...]

    def score(self, x: np.ndarray) -> np.ndarray:
        return np.full(len(x), np.mean(self.networks), np.float32)

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], *, hyper: Any) -> Means:
        assert hyper == "hyper"
        return cls(tuple(arrays["networks"]))


def trained(x, y, weight, inner, *, hyper, members, seed) -> dict[int, Means]:
    assert (hyper, members, seed) == ("hyper", 2, 7)
    return {0: Means((0.2, 0.2)), 1: Means((0.6, 0.6))}


class Kind(ModuleKind):
    Hyper: ClassVar[type] = dict

    def _parts(self):
        return Means, trained


def test_all_networks_are_one_ensemble_and_each_fold_is_judged_by_its_own() -> None:
    inner = np.arange(100) % 2
    hyper: Any = SimpleNamespace(settings="hyper", members=2, inner_folds=2)
    with watch() as seen:
        whole = Kind().fit(
            np.zeros((100, 1)), np.arange(100) < 40, np.ones(100), inner, hyper=hyper, seed=7
        )
    assert whole == Means((0.2, 0.2, 0.6, 0.6))
    (found,) = seen.reliability
    np.testing.assert_allclose(found.predicted, [0.2, 0.6], rtol=1e-6)
    assert Kind().restore({"networks": [0.5]}, hyper=hyper) == Means((0.5,))
