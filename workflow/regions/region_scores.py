"""Scores of a search in regions: flows of all folds, and what they give every event."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core import InputError, progress
from ...core.identity import hex_digest
from ...ml import Folding, Sample, make_method
from ...ml.anomaly.densities.region_flows import RegionFlows
from ...ml.flows.marginals import effective_number
from ...ml.known_methods import load_method
from ..stages.provenance import stage_key
from .region_config import RegionSearchConfig
from .region_events import RegionEvents

__all__ = ["RegionScores", "learn_regions"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RegionScores:
    """The flows of all folds.

    Attributes
    ----------
    models : tuple of RegionFlows
        One a fold, which has not learnt from it.
    folding : Folding
        The division of all events, by a hash of their ids.
    thin : frozenset of int
        Regions with too few events for a flow; their events have the score 0.
    """

    models: tuple[RegionFlows, ...]
    folding: Folding
    thin: frozenset[int]

    def of(self, sample: Sample) -> NDArray[np.float64]:
        """Return -log p of each event, from the model of its fold.

        Simulated events are never scored by a model that learnt from them. Data have folds by the
        same hash, so that their scores are of the same mixture of models.
        """
        scores = np.zeros(len(sample))
        learnt = ~np.isin(sample.groups, list(self.thin))
        folds = self.folding.of(sample.event)
        for fold, model in enumerate(self.models):
            mine = learnt & (folds == fold)
            if mine.any():
                scores[mine] = model.score(sample.take(mine))
        return scores


def learn_regions(config: RegionSearchConfig, events: RegionEvents, folder: Path) -> RegionScores:
    """Train the flows of all folds, or read back those that are there already.

    Parameters
    ----------
    config : RegionSearchConfig
        The search.
    events : RegionEvents
        Its events.
    folder : Path
        Where the models are kept.

    Raises
    ------
    InputError
        If the weights of a region sum to zero or less, or no region has enough events.
    """
    method = _method(config)
    background = events.background
    folding = Folding(seed=config.seed, folds=config.folds, scheme="all")
    thin = _thin_regions(background, folding, method.hyper.min_events, events.names)
    if len(thin) == len(events.names):
        msg = (
            "backgrounds: no region has as many simulated events as a flow needs "
            f"({method.hyper.min_events} effective ones beside each fold); simulate more, or lower "
            "method.min_events"
        )
        raise InputError(msg)
    learnt = background.take(~np.isin(background.groups, list(thin)))
    digest = [learnt.event, learnt.features, learnt.weight, learnt.group]
    contents = hex_digest(*(each.tobytes() for each in digest if each is not None))
    key = stage_key(contents, learnt.names, method.described(), config.seed, config.folds)
    models = []
    with progress("region flows", config.folds, unit="folds") as advance:
        for fold in range(config.folds):
            path = folder / "flows" / f"fold{fold}-{key}.npz"
            found = _kept(path)
            if found is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                others = learnt.take(folding.training(learnt.event, fold))
                _method(config).learn(others, seed=folding.training_seed(fold)).save(path)
                found = _loaded(path)
            models.append(found)
            advance(1)
    return RegionScores(tuple(models), folding, thin)


def _kept(path: Path) -> RegionFlows | None:
    """Return the flows of a file; None where there is none, or a damaged one, which is made again."""
    if not path.is_file():
        return None
    try:
        return _loaded(path)
    except InputError as error:
        logger.warning("%s; it is made again", error)
        return None


def _loaded(path: Path) -> RegionFlows:
    found = load_method(path)
    assert isinstance(found, RegionFlows)  # its name is in the configuration
    return found


def _method(config: RegionSearchConfig) -> RegionFlows:
    method = make_method(config.method.name, **config.method.hyperparameters)
    assert isinstance(method, RegionFlows)  # the configuration takes no other
    return method


def _thin_regions(
    background: Sample, folding: Folding, fewest: int, names: dict[int, str]
) -> frozenset[int]:
    """Return the regions in which some fold leaves fewer events than a flow needs."""
    thin = set()
    weight = background.weights
    for region, name in names.items():
        for fold in range(folding.folds):
            mine = folding.training(background.event, fold) & (background.groups == region)
            total = float(weight[mine].sum())
            if mine.any() and not total > 0:
                msg = (
                    f"backgrounds: the weights of {int(mine.sum())} simulated events in region "
                    f"{name!r} sum to {total:g}; simulate more, or leave the region out (regions)"
                )
                raise InputError(msg)
            if not mine.any() or effective_number(weight[mine]) < fewest:
                thin.add(region)
    return frozenset(thin)
