"""What every method must do, as checks that the author of one can run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError, InputError, OverdensityError
from ..core.windows import Window
from .crossfit import shown_to, train_fold, unseen_simulation
from .evaluation.metrics import performance
from .folds import Folding
from .hyperparameters import replaced
from .known_methods import load_method
from .method import METHODS, Method
from .sample import Sample
from .toy_events import TOY_FEATURES, toy_events

__all__ = [
    "CHECKS",
    "TOY_FOLDING",
    "TOY_WINDOW",
    "ContractError",
    "MethodCase",
    "check_method",
    "toy_sample",
    "toy_simulation",
]

TOY_WINDOW = Window(3500.0, 3200.0, 3800.0, 2800.0, 4400.0)
TOY_FOLDING = Folding(seed=5, folds=2, scheme="all")
_NO_EVENTS = Window(6300.0, 6200.0, 6400.0, 5000.0, 6500.0)  # above all masses of the toy
_BETWEEN_SIGNALS = 700.0  # GeV


class ContractError(OverdensityError):
    """A method does not do what every method must do.

    Examples
    --------
    >>> check_method(type("Short", (METHODS["pca"],), {"score": lambda self, data: data.mass[:2]}))
    Traceback (most recent call last):
    overdensity.ml.contract.ContractError: ...
    """


def check_method(method: str | type[Method[Any]], **hyper: Any) -> None:
    """Check that a method does what every method must do.

    One finite float32 score an event; the same under the same seed and for events in any order;
    larger for a signal of the kind that it looks for; no look at the truth; the same after being
    stored; and bad input refused with one of our errors. The toy has 6300 events, and a method is
    trained four to six times.

    Parameters
    ----------
    method : str or type
        The method's name, or its class, which need not be registered.
    **hyper
        Hyperparameters; by default the method's ``fast`` ones.

    Raises
    ------
    ContractError
        For the first thing that it does not do.

    Examples
    --------
    >>> check_method("pca")
    """
    case = MethodCase.of(method, **hyper)
    for check in CHECKS:
        check(case)


@dataclass(frozen=True)
class MethodCase:
    """A method, the events that it is checked with, and what it made of them.

    Attributes
    ----------
    method : Method
        Not fitted.
    sample : Sample
        Labelled toy events, with a signal of the kind that the method looks for.
    simulation : Sample
        Simulated background.
    window : Window
        The signal region and its sidebands.
    folding : Folding
        Two folds, each of which learns from the other.
    """

    method: Method[Any]
    sample: Sample
    simulation: Sample
    window: Window = TOY_WINDOW
    folding: Folding = TOY_FOLDING

    @classmethod
    def of(cls, method: str | type[Method[Any]], **hyper: Any) -> MethodCase:
        """Return the case of a method, with hyperparameters in place of its ``fast`` ones."""
        found = METHODS.find(method) if isinstance(method, str) else method
        made = found(replaced(found.Hyper(), hyper or found.fast, of=f"method {found.name!r}"))
        sample = toy_sample(outliers=made.looks_for == "outliers", signals=made.signals)
        return cls(made, sample, toy_simulation())

    @property
    def name(self) -> str:
        """Return the name of the method."""
        return f"method {self.method.name!r}"

    def train(self, **changes: Any) -> Method[Any]:
        """Return the model of the first fold, with some of the inputs replaced."""
        inputs = {"sample": self.sample, "window": self.window, "simulation": self.simulation}
        return train_fold(self.method, **({"fold": 0, "folding": self.folding} | inputs | changes))

    @cached_property
    def fitted(self) -> Method[Any]:
        """Return the model of the first fold."""
        return self.train()

    @cached_property
    def shown(self) -> Sample:
        """Return the events as the method is shown them."""
        return shown_to(self.method, self.sample)

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """Return what the model of the first fold gives all events."""
        return self.fitted.score(self.shown)

    @cached_property
    def other_scores(self) -> NDArray[np.float32]:
        """Return what the model of the second fold gives all events."""
        return self.train(fold=1).score(self.shown)

    def refuse(self, doubt: str) -> None:
        """Raise the ContractError that a check has found."""
        msg = f"{self.name} {doubt}"
        raise ContractError(msg)

    def refuse_unless_repeated(self) -> None:
        """Raise a ContractError unless another training of the first fold gives the same scores."""
        if not np.array_equal(self.train().score(self.shown), self.scores):
            self.refuse("gives other scores for the same seed; draw from a generator made of it")

    def refuse_unless_refused(self, what: str, said: str, action: Callable[[], object]) -> None:
        """Raise a ContractError unless an action ends with one of our errors that says so."""
        try:
            action()
        except (InputError, ConfigError) as error:
            if said not in str(error):
                self.refuse(f"refuses {what} without naming it ({said!r}): {error}")
        except Exception as error:  # noqa: BLE001 - whatever the method raises
            self.refuse(
                f"ends with {type(error).__name__} for {what}, not with an InputError: {error}"
            )
        else:
            self.refuse(f"accepts {what}, and must raise an InputError that says {said!r}")


def toy_sample(
    *,
    background: int = 6000,
    signal: int = 300,
    outliers: bool = False,
    signals: int = 1,
    seed: int = 0,
) -> Sample:
    """Return a small search: smooth background in the mass, and a signal at 3.5 TeV.

    Beside feature columns, events have a group and the constituents and images of two jets, which
    have one prong each in the background and two in the signal.

    Parameters
    ----------
    background, signal : int
        Numbers of events.
    outliers : bool
        The signal lies where background does not; otherwise close together among it.
    signals : int
        With two there is the same signal at 4.2 TeV, labelled 2.
    seed : int
        Other events for another seed.

    Returns
    -------
    Sample
        With labels; a second signal replaces some of the background.

    Examples
    --------
    >>> sample = toy_sample()
    >>> len(sample), int(sample.label.sum()), sample.names
    (6300, 300, ('j1_mass', 'j2_mass', 'j1_tau21', 'j2_tau21'))
    """
    sample = toy_events(background, signal, seed)
    assert sample.label is not None  # toy events have them
    rng = np.random.default_rng(seed)
    mass, features, label = sample.mass.copy(), sample.features.copy(), sample.label.copy()
    first, rows = np.flatnonzero(label == 1), np.arange(len(label))
    if outliers:
        scattered = rng.normal(size=(len(first), features.shape[1]))
        features[first] = features.mean(axis=0) + 5 * features.std(axis=0) * scattered
    for number in range(2, signals + 1):
        chosen = rng.choice(np.flatnonzero(label == 0), len(first), replace=False)
        rows[chosen] = rows[first]
        mass[chosen] = mass[first] + (number - 1) * _BETWEEN_SIGNALS
        features[chosen], label[chosen] = features[first], number
    blocks = {name: block.take(rows) for name, block in sample.blocks.items()}
    return replace(sample, mass=mass, features=features, label=label, blocks=blocks)


def toy_simulation(seed: int = 1) -> Sample:
    """Return background of another generator: jets a little heavier, other events than the toy's.

    Examples
    --------
    >>> simulation = toy_simulation()
    >>> len(simulation), simulation.label.any()
    (6000, np.False_)
    """
    other = toy_events(6000, 0, seed)
    features = other.features.copy()
    features[:, :2] *= 1.05
    return replace(other, event=other.event ^ np.uint64(1 << 63), features=features)


def gives_one_finite_float32_score_an_event(case: MethodCase) -> None:
    """Return float32 of shape (n_events,), none of them NaN or infinite."""
    scores = case.scores
    if scores.shape != (len(case.sample),):
        case.refuse(f"gives scores of shape {scores.shape} for {len(case.sample)} events")
    if scores.dtype != np.float32:
        case.refuse(f"gives scores of type {scores.dtype}, not float32")
    if wrong := np.count_nonzero(~np.isfinite(scores)):
        case.refuse(f"gives {wrong} scores that are not finite")


def gives_the_same_scores_for_the_same_seed_alone(case: MethodCase) -> None:
    """Draw all that is random from the seed."""
    if "labels" in case.method.needs:  # of the others, `does_not_look_at_the_truth` asks it
        case.refuse_unless_repeated()
    if np.array_equal(case.other_scores, case.scores):  # simulation alone is the same in all folds
        other = replace(case.folding, seed=case.folding.seed + 1)
        if np.array_equal(case.train(folding=other).score(case.shown), case.scores):
            case.refuse("gives the same scores for another seed, with other events to learn from")


def scores_events_whatever_their_order(case: MethodCase) -> None:
    """Learn the same, and score each event the same, in whatever order they come."""
    order = np.random.default_rng(0).permutation(len(case.sample))
    shuffled = case.train(sample=case.sample.take(order)).score(case.shown.take(order))
    if not np.allclose(shuffled, case.scores[order], rtol=1e-4, atol=1e-6):
        case.refuse("gives other scores for events in another order")


def gives_the_signal_larger_scores(case: MethodCase) -> None:
    """Find the signal it looks for: AUC above 0.7, SIC above 3 where 1 % of background is kept."""
    if case.method.toy_is_too_small:
        return
    label = case.sample.label
    assert label is not None  # of the toy
    first = case.folding.of(case.sample.event) == 0
    scores = np.where(first, case.scores, case.other_scores)
    inside = case.window.signal(case.sample.mass)
    found = performance(scores[inside], label[inside], eps_b=(0.01,))
    if not (found.auc > 0.7 and found.sic[0].sic > 3):
        case.refuse(
            f"does not give the signal of the toy, {case.method.looks_for}, larger scores: AUC "
            f"{found.auc:.2f}, SIC(1 %) {found.sic[0].sic:.1f}, where 0.7 and 3 are asked for"
        )


def does_not_look_at_the_truth(case: MethodCase) -> None:
    """Give the same scores for the same seed with a wrong truth, unless the method needs labels."""
    if "labels" in case.method.needs:
        return
    label = case.sample.label
    assert label is not None  # of the toy
    order = np.argsort(case.sample.event, kind="stable")
    lies = replace(case.shown, label=(1 - label).astype(np.int8))
    lie = lies.take(order[case.folding.training(case.sample.event[order], 0)])
    unseen = unseen_simulation(case.method, case.simulation, case.sample, 0, case.folding)
    simulation = case.method.shown(unseen.take(np.argsort(unseen.event, kind="stable")))
    method = type(case.method)(case.method.hyper)
    method.fit(lie, case.window, simulation=simulation, seed=case.folding.training_seed(0))
    if not np.array_equal(method.score(lies), case.scores):
        case.refuse_unless_repeated()
        case.refuse("looks at the truth; say that it needs labels, or leave data.label alone")


def is_the_same_after_being_stored(case: MethodCase) -> None:
    """Keep hyperparameters and scores on the way through a file."""
    with tempfile.TemporaryDirectory() as folder:
        stored = case.fitted.save(Path(folder) / "fitted.npz")
        loaded = load_method(stored, type(case.method))
    if loaded.hyper != case.method.hyper:
        case.refuse(f"is read back with the hyperparameters {loaded.hyper}")
    if not np.array_equal(loaded.score(case.shown), case.scores):
        case.refuse("gives other scores after being stored; arrays() must return all it learnt")


def refuses_a_window_without_events(case: MethodCase) -> None:
    """Say that there are no events in the signal region."""
    above = replace(case.simulation, mass=1.06 * case.simulation.mass)
    what, said = "a window without events", "0 events in the signal region"
    case.refuse_unless_refused(what, said, lambda: case.train(window=_NO_EVENTS, simulation=above))


def refuses_a_constant_feature(case: MethodCase) -> None:
    """Name a feature that is the same in all events."""
    if "features" not in case.method.needs:
        return
    features, simulated = case.sample.features.copy(), case.simulation.features.copy()
    features[:, 2] = simulated[:, 2] = 0.5
    changes = {"sample": replace(case.sample, features=features)}
    changes |= {"simulation": replace(case.simulation, features=simulated)}
    case.refuse_unless_refused(
        "a constant feature", f"'{TOY_FEATURES[2]}'", lambda: case.train(**changes)
    )


def refuses_a_feature_that_is_a_function_of_the_mass(case: MethodCase) -> None:
    """Name a feature that would be learnt in place of a signal."""
    features = case.sample.features.copy()
    features[:, 2] = (case.sample.mass - 3500.0) ** 2
    sample, what = replace(case.sample, features=features), "is a function of the mass"
    case.refuse_unless_refused(
        f"a feature that {what}", f"'{TOY_FEATURES[2]}' {what}", lambda: case.train(sample=sample)
    )


def refuses_to_do_without_what_it_needs(case: MethodCase) -> None:
    """Ask for simulation and labels that are needed and not there."""
    if "simulation" in case.method.needs:
        beside = case.simulation.take(~case.window.signal(case.simulation.mass))
        case.refuse_unless_refused(
            "simulation outside of the signal region alone",
            "simulated events lies in the signal region",
            lambda: case.train(simulation=beside),
        )
        case.refuse_unless_refused(
            "a fit without simulation",
            "needs simulated events",
            lambda: case.train(simulation=None),
        )
    for need in {"constituents", "images"} & set(case.method.needs):
        case.refuse_unless_refused(
            f"a fit without {need}",
            f"needs {need}",
            lambda: case.train(sample=replace(case.sample, blocks={})),
        )
    if "labels" in case.method.needs:
        case.refuse_unless_refused(
            "a fit without labels",
            "no column 'label'",
            lambda: case.train(sample=case.sample.without_label()),
        )


def refuses_other_features_than_fitted(case: MethodCase) -> None:
    """Score only the features that were learnt."""
    other = replace(case.shown, names=("j1_mass", "j2_mass", "j1_tau32", "j2_tau32"))
    case.refuse_unless_refused(
        "features that it was not fitted on", "j1_tau32", lambda: case.fitted.score(other)
    )


def refuses_to_score_before_it_is_fitted(case: MethodCase) -> None:
    """Say so if nothing was learnt."""
    fresh, said = type(case.method)(case.method.hyper), "learnt nothing yet"
    case.refuse_unless_refused("to score unfitted", said, lambda: fresh.score(case.shown))


CHECKS: tuple[Callable[[MethodCase], None], ...] = (
    gives_one_finite_float32_score_an_event,
    gives_the_same_scores_for_the_same_seed_alone,
    does_not_look_at_the_truth,
    scores_events_whatever_their_order,
    gives_the_signal_larger_scores,
    is_the_same_after_being_stored,
    refuses_a_window_without_events,
    refuses_a_constant_feature,
    refuses_a_feature_that_is_a_function_of_the_mass,
    refuses_to_do_without_what_it_needs,
    refuses_other_features_than_fitted,
    refuses_to_score_before_it_is_fitted,
)
