"""CATHODE: events of the signal region against samples of the interpolated background density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ....core.arrays import within
from ....core.windows import Window
from ...classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    classifier_from_arrays,
    fit_classifier,
)
from ...classifiers.kinds import Classifier
from ...method import register_method
from .outer_density import FEW_EPOCHS, OuterDensity, OuterHyper

__all__ = ["FEW_SAMPLES", "Cathode", "CathodeHyper", "draw_masses"]

FEW_SAMPLES = {  # for tests: quick on a few thousand events
    "flow": FEW_EPOCHS,
    "oversampling": 2.0,
    "classifier": {"inner_folds": 2, "members": 1, "trees": {"iterations": 20}},
}


@dataclass(frozen=True)
class CathodeHyper(OuterHyper):
    """Hyperparameters of CATHODE and LaCATHODE.

    Attributes
    ----------
    oversampling : float
        Artificial events for each event of the signal region.
    bandwidth : float
        Of the kernel density of the masses in the signal region, after a logit transform.
    classifier : ClassifierHyper
        The classifier of data and artificial events.
    """

    oversampling: float = 4.0
    bandwidth: float = 0.01
    classifier: ClassifierHyper = field(default_factory=ClassifierHyper)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("oversampling", "bandwidth"):
            if not getattr(self, name) > 0:
                msg = f"{name} must be above zero, not {getattr(self, name)}"
                raise ConfigError(msg)


CathodeT = TypeVar("CathodeT", bound=CathodeHyper)


class DataAgainstSamples(OuterDensity[CathodeT], Generic[CathodeT]):
    """A classifier of data and artificial background; subclasses say in which space."""

    _classifier: Classifier

    def __init__(self, hyper: CathodeT | None = None) -> None:
        super().__init__(hyper)
        kind = self.hyper.classifier.make_kind()
        if kind.needs != ("features",):
            msg = (
                f"method {self.name!r} draws artificial events, which have columns alone, and the classifier "
                f"{kind.name!r} reads {' and '.join(kind.needs)}; take one that reads columns, such as trees"
            )
            raise ConfigError(msg)

    def _learnt(self) -> dict[str, NDArray[Any]]:
        return {f"classifier.{key}": a for key, a in self._classifier.arrays().items()}

    def _take_over(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._classifier = classifier_from_arrays(
            within(arrays, "classifier."), self.hyper.classifier
        )

    def _n_samples(self, n_data: int) -> int:
        return max(1, round(self.hyper.oversampling * n_data))

    def _classify(
        self,
        data: NDArray[np.float32],
        weight: NDArray[np.float64] | None,
        samples: NDArray[np.float32],
        seed: int,
    ) -> None:
        """Fit the classifier; data and samples count the same, however many they are."""
        y = np.arange(len(data) + len(samples)) < len(data)
        of_events = None
        if weight is not None:
            of_events = np.concatenate([weight, np.ones(len(samples))])
        self._classifier = fit_classifier(
            np.concatenate([data, samples]),
            y,
            weight=balance_classes(y, of_events),
            hyper=self.hyper.classifier,
            seed=seed,
        )


@register_method("cathode")
class Cathode(DataAgainstSamples[CathodeHyper]):
    """CATHODE: a classifier of data and samples of the background density interpolated into the SR.

    A flow learns the features given the mass outside of the signal region. Sampled at masses of the
    signal region, it gives as much background there as one likes, without simulation, and what tells
    data from it is signal.
    """

    source: ClassVar[str] = (
        "CATHODE, A. Hallin et al., arXiv:2109.00546; classifier by boosted trees as in "
        "arXiv:2309.13111"
    )
    Hyper: ClassVar[type[CathodeHyper]] = CathodeHyper
    fast: ClassVar[Mapping[str, Any]] = FEW_SAMPLES

    def _learn(
        self,
        x: NDArray[np.float32],
        mass: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        window: Window,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        of_flow, of_classifier = (int(s) for s in rng.integers(2**32, size=2))
        masses = draw_masses(
            mass,
            window,
            self._n_samples(len(x)),
            bandwidth=self.hyper.bandwidth,
            weight=weight,
            rng=rng,
        )
        self._classify(x, weight, self._flow.sample(masses, seed=of_flow), of_classifier)

    def _log_ratio(self, x: NDArray[np.float32], mass: NDArray[np.float64]) -> NDArray[np.float32]:
        del mass  # the classifier sees features alone
        return self._classifier.log_odds(x)


def draw_masses(
    mass: NDArray[np.float64],
    window: Window,
    n: int,
    *,
    bandwidth: float,
    rng: np.random.Generator,
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Draw masses from a Gaussian kernel density of those in the signal region.

    With u = (m - low) / (high - low), the kernels are Gaussians in log(u / (1 - u)), so that no mass
    leaves the signal region (arXiv:2109.00546, section III).

    Parameters
    ----------
    mass : ndarray of float64, shape (n_events,)
        Masses in the signal region, in GeV.
    window : Window
        Gives its edges.
    n : int
        How many to draw.
    bandwidth : float
        Standard deviation of a kernel, without unit.
    rng : Generator
        Source of randomness.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights.

    Returns
    -------
    ndarray of float64, shape (n,)
        In GeV.
    """
    chosen = rng.choice(mass, n, p=None if weight is None else weight / weight.sum())
    # a mass on the lower edge is in the signal region, and its logit is not finite
    u = np.clip((chosen - window.low) / (window.high - window.low), 1e-9, 1 - 1e-9)
    moved = np.log(u / (1 - u)) + bandwidth * rng.normal(size=n)
    return window.low + (window.high - window.low) / (1 + np.exp(-moved))
