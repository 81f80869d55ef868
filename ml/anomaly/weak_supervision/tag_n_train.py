"""Tag N' Train: an outlier detector of one jet chooses what the classifier of the other learns from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError, InputError
from ....core.arrays import within
from ....core.windows import Window
from ...classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    classifier_from_arrays,
    fit_classifier,
)
from ...classifiers.kinds import Classifier, Inputs, Shown
from ...classifiers.network_kind import NetworkHyper
from ...folds import fold_of
from ...method import Method, register_method
from ...sample import Sample
from ..classifier_method import InputHyper, refuse_few_events
from ..outliers.autoencoder import Autoencoder, AutoencoderHyper
from ..outliers.reconstruction import jet_columns, refuse_few_to_learn
from ..substructure.image_autoencoder import ImageAutoencoder, ImageAutoencoderHyper

__all__ = ["TagNTrain", "TagNTrainHyper"]

_OTHER = {"j1": "j2", "j2": "j1"}


def _published() -> ClassifierHyper:
    """Return networks after the dense ones of the public code, one an inner fold."""
    networks = NetworkHyper(
        layers=4,
        width=32,
        beta1=0.8,
        beta2=0.99,
        decay=5e-4,
        epochs=40,
        patience=10,
        activation="leaky_elu",
        average=1,
        batch=200,
    )
    return ClassifierHyper(kind="networks", inner_folds=4, members=1, settings=networks)


@dataclass(frozen=True)
class TagNTrainHyper(AutoencoderHyper, InputHyper):
    """Hyperparameters of Tag N' Train; published ones where there are any.

    Those that are not listed here are of the autoencoders, and of the preparation of columns.

    Attributes
    ----------
    resonant : bool
        Ask of signal-like events that they lie in the signal region, and of background-like ones
        that they lie in the window: the variant "TNT + mjj".
    signal_like : tuple of float
        The fraction of events with the highest tags that is called signal, for each iteration.
    background_like : float
        The fraction of events with the lowest tags that is called background.
    classifier : ClassifierHyper
        The classifier of each jet; of a kind that reads images, it is tagged by images, too.
    images : ImageAutoencoderHyper
        The autoencoders of images, where the classifier reads these; then those of columns are not used.
    combine : {"mean", "max", "cuts"}
        How the scores of both jets become one; ``"cuts"`` is the tightest simultaneous cut that an
        event passes.
    cuts : tuple of float
        For ``"cuts"``. Published: both jets in the highest 3 %.
    min_events : int
        The fewest events of a part of the data, and of what it calls signal and background.
    """

    resonant: bool = True
    signal_like: tuple[float, ...] = (0.2, 0.1)
    background_like: float = 0.4
    classifier: ClassifierHyper = field(default_factory=_published)
    images: ImageAutoencoderHyper = field(default_factory=ImageAutoencoderHyper)
    combine: str = "cuts"
    cuts: tuple[float, ...] = (0.03, 0.03)
    min_events: int = 40
    members: int = 1
    events: int = 200_000
    epochs: int = 30
    batch: int = 200
    nodes: tuple[int, ...] = (32, 32, 16, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            cuts=len(self.cuts) == 2,
            background_like=0 < self.background_like < 1,
            signal_like=bool(self.signal_like)
            and all(0 < each <= 1 - self.background_like for each in self.signal_like),
        )


@register_method("tag_n_train")
class TagNTrain(Method[TagNTrainHyper]):
    """Tag N' Train: events tagged by one jet train the classifier of the other, and in turn.

    An autoencoder of each jet gives the first tags. Events with a high tag of one jet are richer in
    signal than those with a low one, and the classifier of the other jet learns to tell them apart;
    its scores are the tags of the next iteration. The autoencoders and each iteration have events
    of their own.
    """

    source: ClassVar[str] = (
        "Tag N' Train, LHC Olympics 2020 (arXiv:2101.08320), section 4.3; arXiv:2002.12376"
    )
    Hyper: ClassVar[type[TagNTrainHyper]] = TagNTrainHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"  # that is what is tagged
    fast: ClassVar[Mapping[str, Any]] = {
        "epochs": 5,
        "batch": 100,
        "learning_rate": 5e-3,
        "min_events": 20,
        "device": "cpu",
        "classifier": {
            "kind": "trees",
            "inner_folds": 2,
            "members": 1,
            "trees": {"events_per_leaf": 10, "leaves": 8},
        },
    }

    def __init__(self, hyper: TagNTrainHyper | None = None) -> None:
        super().__init__(hyper)
        needs = self.hyper.classifier.make_kind().needs
        if needs not in (("features",), ("images",)):
            msg = (
                f"method {self.name!r} tags with columns or with images, and the classifier "
                f"{self.hyper.classifier.kind!r} reads {' and '.join(needs)}; take one that reads "
                "either, such as networks or cnn"
            )
            raise ConfigError(msg)
        self.needs = needs

    @property
    def fewest_events(self) -> int:
        """So many leave enough that are signal-like; see :attr:`Method.fewest_events`."""
        parts = 1 + len(self.hyper.signal_like)
        return math.ceil(parts * self.hyper.min_events / min(self.hyper.signal_like))

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Tag and train as often as there are fractions; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        hyper = self.hyper
        refuse_few_to_learn(data, window, hyper.min_events)
        if not self._reads_images:
            data.refuse_constant_features()
        self._columns = self._columns_of(data)
        self._names = data.names
        data = self.inputs_of(data)
        part = fold_of(data.event, 1 + len(hyper.signal_like), seed=seed, salt="tag and train")
        first, *seeds = np.random.SeedSequence(seed).generate_state(1 + len(hyper.signal_like))
        untagged = data.take(part == 0)
        tagger: Autoencoder | ImageAutoencoder = (
            ImageAutoencoder(replace(hyper.images, min_events=hyper.min_events))
            if self._reads_images
            else Autoencoder(replace(hyper, combine="mean"))
        )
        tags_of: Callable[[Sample], NDArray[np.float32]]
        tags_of = tagger.fit(untagged, window, seed=int(first)).errors
        for number, (fraction, each) in enumerate(zip(hyper.signal_like, seeds, strict=True), 1):
            mine = data.take((part == number) & self._used(data, window))
            self._classifiers = self._trained(mine, tags_of(mine), window, fraction, int(each))
            tags_of = self._scores_of_jets
        self._known = np.sort(self._scores_of_jets(untagged), axis=0)
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return what both classifiers say together; see :meth:`Method.score`.

        With ``combine="cuts"`` it is 1 or more for the events that pass both cuts.
        """
        return self.hyper.combined(self.jet_scores(data), self._known)

    def jet_scores(self, data: Sample) -> NDArray[np.float32]:
        """Return the score of each jet, shape (n_events, 2).

        Raises
        ------
        InputError
            If nothing was learnt, or from other features.
        """
        self.refuse_unlike(data)
        return self._scores_of_jets(self.inputs_of(data))

    def inputs_of(self, data: Sample) -> Sample:
        """Return the columns or images as both see them; see :meth:`Method.inputs_of`."""
        prepared = self.hyper.prepared(data)
        if not self._reads_images:
            return prepared
        found = prepared.blocks_of("images", method=self.name)
        blocks = {name: found[name].normalised() for name in sorted(found)}
        nothing = np.empty((len(data), 0), np.float32)
        return replace(prepared, features=nothing, names=(), blocks=blocks)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        learnt = {
            f"{jet}.{name}": array
            for jet, classifier in self._classifiers.items()
            for name, array in classifier.arrays().items()
        }
        names = {"names": np.array(self._names, np.str_), "blocks": np.array(self._blocks, np.str_)}
        return names | {"known": self._known} | learnt

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self._known = arrays["known"]
        self._columns = self._of_jets(self._names, self._blocks)
        self._classifiers = {
            jet: classifier_from_arrays(within(arrays, f"{jet}."), self.hyper.classifier)
            for jet in self._columns
        }

    @property
    def _reads_images(self) -> bool:
        return self.needs == ("images",)

    def _of_jets(self, names: Sequence[str], blocks: Sequence[str]) -> dict[str, list[Any]]:
        """Return which columns, or images, belong to each jet."""
        if not self._reads_images:
            return dict(jet_columns(names))
        return {block.partition("_")[0]: [block] for block in sorted(blocks)}

    def _columns_of(self, data: Sample) -> dict[str, list[Any]]:
        """Return the columns, or the image, of both jets."""
        if self._reads_images:
            self._blocks = tuple(sorted(data.blocks_of("images", method=self.name)))
        columns = self._of_jets(data.names, self._blocks)
        if set(columns) != set(_OTHER):
            found = ", ".join(self._blocks if self._reads_images else data.names)
            what = "an image" if self._reads_images else "columns"
            msg = (
                f"method {self.name!r} tags with one jet and trains on the other, and needs {what} "
                f"of two jets, j1_* and j2_*; found {found}"
            )
            raise InputError(msg)
        return columns

    def _shown_of(self, prepared: Sample, jet: str) -> Shown:
        """Return what the classifier of a jet is shown."""
        mine = self._columns[jet]
        if not self._reads_images:
            return prepared.features[:, mine]
        return Inputs(prepared.features, {name: prepared.blocks[name] for name in mine})

    def _used(self, data: Sample, window: Window) -> NDArray[np.bool_]:
        """Return which events may be called signal or background."""
        if not self.hyper.resonant:
            return np.ones(len(data), np.bool_)
        return (data.mass >= window.sideband_low) & (data.mass < window.sideband_high)

    def _trained(
        self,
        data: Sample,
        tags: NDArray[np.float32],
        window: Window,
        fraction: float,
        seed: int,
    ) -> dict[str, Classifier]:
        """Return a classifier of each jet, which learns from what the tag of the other says."""
        hyper = self.hyper.classifier
        trained: dict[str, Classifier] = {}
        for jet, tag in zip(_OTHER.values(), tags.T, strict=True):
            low, high = np.quantile(tag, [self.hyper.background_like, 1 - fraction])
            signal, background = tag > high, tag <= low
            if self.hyper.resonant:
                signal &= window.signal(data.mass)
            refuse_few_events(
                {"signal-like sample": signal, "background-like sample": background},
                data.event,
                window,
                min_events=math.ceil(self.hyper.min_events / hyper.inner_folds),
                inner_folds=hyper.inner_folds,
                seed=seed,
            )
            chosen = signal | background
            mine, y = data.take(chosen), signal[chosen]
            trained[jet] = fit_classifier(
                self._shown_of(mine, jet),
                y,
                weight=balance_classes(y, mine.weight),
                hyper=hyper,
                seed=seed,
                event=mine.event,
            )
        return trained

    def _scores_of_jets(self, prepared: Sample) -> NDArray[np.float32]:
        scores = [
            self._classifiers[jet].score(self._shown_of(prepared, jet)) for jet in self._columns
        ]
        return np.stack(scores, axis=1)
