"""Which events of the files count, and with what weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ....core import InputError
from ....ml import Sample
from ....ml.blocks.other_weights import are_equal
from ...config.region import RegionConfig

__all__ = ["Weights", "events_in_region", "weighed"]

Weights = Literal["kept", "refused", "dropped", "thinned"]


def events_in_region(
    files: Sequence[str], mass: str, features: tuple[str, ...], region: RegionConfig | None
) -> Sample:
    """Return the events that lie in a region; the columns of its cuts are read and not kept.

    Parameters
    ----------
    files : sequence of str
        Parquet files.
    mass : str
        Column of the resonant mass, GeV.
    features : tuple of str
        Feature columns.
    region : RegionConfig or None
        The cuts; None for all events.

    Raises
    ------
    InputError
        If a file or column cannot be used.
    """
    if region is None:
        return Sample.from_parquet(files, mass=mass, features=features)
    more = tuple(name for name in region.columns if name not in features)
    sample = Sample.from_parquet(files, mass=mass, features=(*features, *more))
    for name in region.columns:
        if name in sample.blocks:
            msg = f"{files[0]}: column {name!r} holds lists; region.cuts are on columns of numbers"
            raise InputError(msg)
    kept = len(sample.names) - len(more)
    values = dict(zip(sample.names, sample.features.T, strict=True))
    shown = replace(sample, features=sample.features[:, :kept], names=sample.names[:kept])
    return shown.take(region.keeps(values))


def weighed(sample: Sample, weights: Weights, *, file: str, seed: int) -> Sample:
    """Return a sample as it counts.

    Parameters
    ----------
    sample : Sample
        The events.
    weights : {"kept", "refused", "dropped", "thinned"}
        What becomes of their weights: they stay; are refused where they differ; are dropped; or events
        are thinned at random to equal weights.
    file : str
        One of their files, for the message.
    seed : int
        Of the thinning.

    Raises
    ------
    InputError
        If weights are refused, or events with negative weights would be thinned.
    """
    if sample.weight is None or not len(sample) or weights == "kept":
        return sample
    if weights == "thinned":
        if sample.weight.min() < 0 or not sample.weight.max() > 0:
            msg = f"{file}: signal events with negative or no weights cannot be injected"
            raise InputError(msg)
        kept = np.random.default_rng([seed, 1]).random(len(sample)) * sample.weight.max()
        return sample.take(kept < sample.weight)
    if weights == "refused" and not are_equal(sample.weight):
        msg = (
            f"{file}: events have different weights, and each of them counts as one here; if that is "
            "meant, write files without the column 'weight'; for the searched events, set "
            "events.weights=dropped"
        )
        raise InputError(msg)
    return replace(sample, weight=None)
