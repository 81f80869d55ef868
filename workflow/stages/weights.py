"""What becomes of the weights of events where each event counts as one."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from ...core import InputError
from ...ml import Sample
from ...ml.blocks.other_weights import are_equal

__all__ = ["Weights", "weighed"]

Weights = Literal["kept", "refused", "dropped", "thinned"]


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
