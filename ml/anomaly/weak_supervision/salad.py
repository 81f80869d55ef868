"""SALAD: simulation corrected in the sidebands, interpolated, and compared with data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....core import Record
from ....core.arrays import within
from ....core.windows import Window
from ...classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    classifier_from_arrays,
    fit_classifier,
    inputs_for,
)
from ...classifiers.kinds import Classifier, Shown
from ...classifiers.network_kind import NetworkHyper
from ...crossfit import train_fold
from ...folds import Folding
from ...method import Need, register_method
from ...sample import Sample, simulated
from ..classifier_method import (
    FEW_TREES,
    ClassifierMethod,
    ClassifyingHyper,
    data_and_simulation,
    refuse_few_events,
)
from ..densities.outer_density import SIDEBANDS, refuse_choice

__all__ = ["BackgroundPrediction", "Salad", "SaladHyper", "predict_background"]

_PREFIX = "reweighting."


def _published() -> ClassifierHyper:
    """Return three layers of 64, ten epochs in batches of 200, the mean over ten networks."""
    networks = NetworkHyper(epochs=10, patience=10, batch=200, judge="last", average=1)
    return ClassifierHyper(kind="networks", inner_folds=5, members=2, settings=networks)


@dataclass(frozen=True)
class SaladHyper(ClassifyingHyper):
    """Hyperparameters of SALAD.

    Attributes
    ----------
    reweighting : ClassifierHyper
        The classifier of data and simulation in the sidebands, with the mass as an input: networks,
        which go smoothly from one sideband to the other, as published.
    sidebands : {"all", "window"}
        Where it learns: on all events outside of the signal region, as published, or in the
        sidebands of the window alone.
    """

    rescale: bool = False
    reweighting: ClassifierHyper = field(default_factory=_published)
    sidebands: str = "all"

    def __post_init__(self) -> None:
        refuse_choice("sidebands", self.sidebands, SIDEBANDS)


@register_method("salad")
class Salad(ClassifierMethod[SaladHyper]):
    """Data against simulation that was corrected to data in the sidebands, as a function of mass.

    A classifier of data and simulation in the sidebands, parametrised in the mass, gives weights
    w(x | m) = p(x | data, m) / p(x | simulation, m) which are interpolated into the signal region;
    a second one tells data from weighted simulation there.
    """

    needs: tuple[Need, ...] = ("features", "simulation")
    source: ClassVar[str] = (
        "SALAD, LHC Olympics 2020 (arXiv:2101.08320), section 4.4; arXiv:2001.05001"
    )
    Hyper: ClassVar[type[SaladHyper]] = SaladHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "classifier": FEW_TREES,
        "reweighting": {
            "inner_folds": 2,
            "members": 1,
            "networks": {
                "width": 16,
                "epochs": 3,
                "patience": 3,
                "batch": 500,
                "device": "cpu",
            },
        },
    }
    _reweighting: Classifier

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the correction in the sidebands, then the signal region; see :meth:`Method.fit`."""
        simulation = simulated(self.name, simulation)
        of_correction, of_region = (
            int(each) for each in np.random.SeedSequence([seed, 5]).generate_state(2)
        )
        self._reweighting = self._correct(data, window, simulation, of_correction)
        both, real = data_and_simulation(
            data,
            window,
            simulation,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=of_region,
        )
        weight = both.weights.copy()
        weight[~real] = self.weights(both.take(~real))
        return self._tell_apart(both, real, balance_classes(real, weight), seed=of_region)

    def weights(self, simulation: Sample) -> NDArray[np.float64]:
        """Return the weights that turn simulated events into background of the data.

        They are the ratio of the densities of x at the given mass (arXiv:2101.08320, equation 4.5)
        up to a constant: they do not normalise the number of events.

        Parameters
        ----------
        simulation : Sample
            Events of any mass; best those on which the correction was not trained.

        Returns
        -------
        ndarray of float64, shape (n_events,)
        """
        return simulation.weights * np.exp(
            self._reweighting.log_odds(self._with_mass(simulation)).astype(float)
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        correction = {f"{_PREFIX}{key}": value for key, value in self._reweighting.arrays().items()}
        return super().arrays() | correction

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        super().restore(arrays)
        self._reweighting = classifier_from_arrays(within(arrays, _PREFIX), self.hyper.reweighting)

    def _correct(self, data: Sample, window: Window, simulation: Sample, seed: int) -> Classifier:
        """Return the classifier of data and simulation in the sidebands."""
        both, real = data.beside(simulation)
        lower, upper = window.lower(both.mass), window.upper(both.mass)
        refuse_few_events(
            {
                "signal region": window.signal(both.mass) & real,
                "lower sideband": lower & real,
                "upper sideband": upper & real,
                "lower sideband of the simulation": lower & ~real,
                "upper sideband of the simulation": upper & ~real,
            },
            both.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.reweighting.inner_folds,
            seed=seed,
        )
        learnt = lower | upper if self.hyper.sidebands == "window" else ~window.signal(both.mass)
        both, real = both.take(learnt), real[learnt]
        both.refuse_constant_features()
        return fit_classifier(
            self._with_mass(both),
            real,
            weight=balance_classes(real, both.weight),
            hyper=self.hyper.reweighting,
            seed=seed,
            event=both.event,
        )

    def _with_mass(self, sample: Sample) -> Shown:
        mass = sample.mass.astype(np.float32)[:, None]
        features = np.hstack([self.hyper.inputs(sample), mass])
        return inputs_for(self.hyper.reweighting, features, sample.blocks)


@dataclass(frozen=True)
class BackgroundPrediction(Record):
    """Events that pass a cut on the score in the signal region, and how many were to be expected.

    Attributes
    ----------
    efficiency : float
        The fraction of the data of the signal region that passes.
    observed : int
        Data events that pass.
    predicted : float
        Background events that pass, from weighted simulation.
    error : float
        Statistical error of ``predicted``: of the simulation, and of the sidebands that normalise it.
        A systematic error of the correction is not included.
    """

    efficiency: float
    observed: int
    predicted: float
    error: float


def predict_background(
    method: Salad,
    sample: Sample,
    simulation: Sample,
    window: Window,
    folding: Folding,
    *,
    efficiencies: Sequence[float] = (1.0, 0.1, 0.01),
) -> list[BackgroundPrediction]:
    r"""Predict from corrected simulation how much background passes a cut on the score.

    For the threshold c of a selection (arXiv:2101.08320, equation 4.8),

    .. math:: N(c) = \sum_{i \in \mathrm{SR, sim.}} w(x_i | m_i) \, 1[g(x_i) > c]

    in each fold, with data and simulated events on which its model was not trained; the weights are
    normalised so that they sum to the data in the sidebands. Nothing is fitted to the mass spectrum,
    so the score may be correlated with the mass.

    Parameters
    ----------
    method : Salad
        Its hyperparameters count; it is not changed.
    sample, simulation : Sample
        Data and simulated background.
    window : Window
        The signal region and its sidebands.
    folding : Folding
        As in :func:`~overdensity.ml.cross_fit`.
    efficiencies : sequence of float
        Fractions of the data of the signal region that the cuts keep.

    Returns
    -------
    list of BackgroundPrediction
        One an efficiency.
    """
    shown, known = sample.without_label(), simulation.without_label()
    observed = np.zeros(len(efficiencies), np.int64)
    predicted, variance = np.zeros(len(efficiencies)), np.zeros(len(efficiencies))
    for fold in range(folding.folds):
        model = train_fold(method, sample, window, fold, folding, simulation=known)
        assert isinstance(model, Salad)  # as the method handed in
        data, mc = (each.take(folding.rows(each.event, fold)) for each in (shown, known))
        beside_data, beside_mc = (
            window.lower(each.mass) | window.upper(each.mass) for each in (data, mc)
        )
        weight = model.weights(mc)
        n_beside = np.count_nonzero(beside_data)
        weight *= n_beside / weight[beside_mc].sum()
        of_scale = 1 / n_beside + np.sum(weight[beside_mc] ** 2) / n_beside**2
        data, in_region = data.take(window.signal(data.mass)), window.signal(mc.mass)
        score, of_mc, weight = model.score(data), model.score(mc.take(in_region)), weight[in_region]
        for i, efficiency in enumerate(efficiencies):
            kept = round(efficiency * len(data))
            threshold = np.sort(score)[::-1][min(kept, len(data) - 1)] if kept < len(data) else -1.0
            passing = weight[of_mc > threshold]
            observed[i] += np.count_nonzero(score > threshold)
            predicted[i] += passing.sum()
            variance[i] += np.sum(passing**2) + of_scale * passing.sum() ** 2
    return [
        BackgroundPrediction(float(e), int(n), float(mu), float(np.sqrt(v)))
        for e, n, mu, v in zip(efficiencies, observed, predicted, variance, strict=True)
    ]
