"""The choice of features: what tells is found, what does not is not, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.tagging import feature_choice
from overdensity.ml.tagging.feature_choice import ChoiceHyper, FeatureChoice, choose_features

NAMES = ("known", "noise", "copy", "useful", "constant")


def problem(n: int = 1200, strength: float = 1.5):
    """Features of which two tell the classes apart, and one is a function of a known one."""
    rng = np.random.default_rng(3)
    signal = np.arange(n) % 2 == 0
    known, useful = (rng.normal(strength * signal) for _ in range(2))
    columns = (known, rng.normal(size=n), np.exp(known), useful, np.ones(n))
    return np.stack(columns, axis=1).astype(np.float32), signal, np.arange(n, dtype=np.uint64)


def test_the_feature_that_adds_something_is_chosen(tmp_path: Path) -> None:
    x, signal, event = problem()
    found = choose_features(x, NAMES, signal, event, start=("known",), hyper=ChoiceHyper(most=1))
    assert found.names == ("known", "useful")
    first, second = found.rounds
    assert (first.name, second.name) == ("known", "useful")
    assert second.auc > first.auc + 0.02
    assert second.dcorr is not None
    assert second.dcorr > 0.1
    assert FeatureChoice.from_json(found.to_json(tmp_path / "c.json")) == found


def test_an_interrupted_choice_goes_on_from_its_last_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (x, signal, event), options = problem(), {"start": (), "hyper": ChoiceHyper(most=2, jets=300)}
    whole = choose_features(x, NAMES, signal, event, **options)
    file, rounds = tmp_path / "c.json.unfinished", []

    def seen(x: np.ndarray, *others: Any) -> np.ndarray:
        rounds.append(x.shape[1])
        if rounds == [1, 2] and not resumed:
            raise KeyboardInterrupt
        return out_of_sample(x, *others)

    out_of_sample = feature_choice._out_of_sample
    monkeypatch.setattr(feature_choice, "_out_of_sample", seen)
    resumed = False
    with pytest.raises(KeyboardInterrupt):
        choose_features(x, NAMES, signal, event, **options, unfinished=file)
    rounds.clear()
    resumed = True
    again = choose_features(x, NAMES, signal, event, **options, unfinished=file)
    assert rounds == [2]
    assert again == whole
    rounds.clear()
    choose_features(x, NAMES, ~signal, event, **options, unfinished=file)  # another problem
    assert rounds == [1, 2]


def test_without_a_signal_nothing_is_gained() -> None:
    x, signal, event = problem(strength=0.0)
    found = choose_features(x, NAMES, signal, event, start=(), hyper=ChoiceHyper(most=1, jets=300))
    assert found.rounds[0].auc == 0.5
    assert abs(found.rounds[1].auc - 0.5) < 0.12  # four standard deviations
    assert "constant" not in found.names


def test_bad_input_is_named() -> None:
    x, signal, event = problem(60)
    with pytest.raises(ConfigError, match="'mass' is to be known at the start"):
        choose_features(x, NAMES, signal, event, start=("mass",))
    with pytest.raises(InputError, match="without one class"):
        choose_features(x, NAMES, np.ones(60, bool), event, start=())
    x[3, 1] = np.nan
    with pytest.raises(InputError, match="'noise' has values that are NaN"):
        choose_features(x, NAMES, signal, event, start=())
    with pytest.raises(ConfigError, match=r"select: low = 0\.8 cannot be used"):
        ChoiceHyper(low=0.8)
