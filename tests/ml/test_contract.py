"""What every registered method must do; a new one is tested by being registered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import ContractError, Method, check_method, methods
from overdensity.ml.contract import CHECKS, MethodCase, toy_sample, toy_simulation

NAMES = [info.name for info in methods()]


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest) -> MethodCase:
    return MethodCase.of(request.param)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_method_does_what_every_method_must_do(case: MethodCase, check) -> None:
    check(case)


@dataclass(frozen=True)
class Sharpness:
    power: float = 1.0


class Close(Method[Sharpness]):
    """Scores events by the density of the signal region over that of the sidebands, roughly."""

    name, source, Hyper = "close", "this test", Sharpness

    def fit(self, data, window, *, simulation=None, seed):
        data.refuse_constant_features()
        self._names = data.names
        x, inside = data.features, window.signal(data.mass)
        self.low, self.high = x.min(axis=0), x.max(axis=0)
        beside = window.lower(data.mass) | window.upper(data.mass)
        self.ratio = (1 + self._counts(x[inside])) / (1 + self._counts(x[beside]))
        return self

    def score(self, data):
        self.refuse_unlike(data)
        return (self.ratio[tuple(self._cells(data.features).T)] ** self.hyper.power).astype("f4")

    def arrays(self):
        return {
            "names": np.array(self._names),
            "low": self.low,
            "high": self.high,
            "ratio": self.ratio,
        }

    def restore(self, arrays):
        self._names = tuple(map(str, arrays["names"]))
        self.low, self.high, self.ratio = (arrays[key] for key in ("low", "high", "ratio"))

    def _cells(self, x):
        return ((x - self.low) / (self.high - self.low) * 8).clip(0, 7).astype(int)

    def _counts(self, x):
        return np.histogramdd(self._cells(x), bins=8, range=[(0, 8)] * x.shape[1])[0]


def test_method_that_nobody_registered_can_be_checked() -> None:
    check_method(Close)


class Upside(Close):
    """Larger is less anomalous."""

    def score(self, data):
        return -super().score(data)


class Peeking(Close):
    """Looks at the truth where there is one."""

    def score(self, data):
        return super().score(data) if data.label is None else data.label.astype("f4")


class Forgetful(Close):
    """Does not store all that it learnt."""

    def restore(self, arrays):
        super().restore(arrays)
        self.ratio = np.ones_like(self.ratio)


class Careless(Close):
    """Scores whatever it is given."""

    def refuse_unlike(self, data):
        pass


class Dicing(Close):
    """Draws from a generator that the seed does not decide."""

    def fit(self, data, window, *, simulation=None, seed):
        super().fit(data, window, seed=seed)
        self.ratio = self.ratio * np.random.default_rng().uniform(0.99, 1, self.ratio.shape)
        return self


class Double(Close):
    """Scores in the wrong type."""

    def score(self, data):
        return super().score(data).astype(float)


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        (Upside, "larger scores: AUC 0"),
        (Peeking, "looks at the truth"),
        (Forgetful, "gives other scores after being stored"),
        (Careless, "accepts features that it was not fitted on"),
        (Dicing, "other scores for the same seed"),
        (Double, "type float64, not float32"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_method_that_breaks_the_contract_is_told_how(method, complaint) -> None:
    with pytest.raises(ContractError, match=f"method 'close' .*{complaint}"):
        check_method(method)


def test_signals_of_the_toy_have_labels_of_their_own() -> None:
    sample = toy_sample(signals=2)
    assert np.bincount(sample.label).tolist() == [5700, 300, 300]
    assert np.median(sample.mass[sample.label == 2]) == pytest.approx(4200.0, abs=20.0)


def test_toy_simulation_has_other_events_than_the_toy() -> None:
    assert not np.isin(toy_simulation().event, toy_sample().event).any()


def test_input_error_of_a_case_names_the_window() -> None:
    case = MethodCase.of("pca")
    with pytest.raises(InputError, match=r"6200-6400 GeV.*0 events in the signal region"):
        case.train(window=type(case.window)(6300.0, 6200.0, 6400.0, 5000.0, 6500.0))


def test_page_of_methods_lists_all_of_them_with_what_they_need() -> None:
    page = Path(__file__).parents[2] / "docs" / "methods" / "README.md"
    table = page.read_text(encoding="utf-8").partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*`) \| .* \| (.*) \|$", table, re.MULTILINE)
    listed = {name: needs for names, needs in rows for name in re.findall(r"`(\w+)`", names)}
    assert listed == {info.name: ", ".join(info.needs) for info in methods()}
