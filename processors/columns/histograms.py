"""Histograms as plain JSON values, in the form of uhi that other programs read."""

from __future__ import annotations

import json
from typing import Any

import hist
import uhi.io.json

__all__ = ["from_uhi", "to_uhi"]


def to_uhi(histogram: hist.Hist) -> dict[str, Any]:
    """Return a histogram as plain JSON values, in uhi's form.

    Examples
    --------
    >>> histogram = hist.Hist(hist.axis.Regular(2, 0.0, 1.0, name="tau21")).fill([0.1, 0.2, 0.8])
    >>> to_uhi(histogram)["storage"]["values"]
    [0.0, 2.0, 1.0, 0.0]
    """
    return json.loads(json.dumps(histogram, default=uhi.io.json.default))


def from_uhi(values: dict[str, Any]) -> hist.Hist:
    """Return the histogram that `to_uhi` wrote down.

    Examples
    --------
    >>> histogram = hist.Hist(hist.axis.Regular(2, 0.0, 1.0, name="tau21")).fill([0.1, 0.2, 0.8])
    >>> from_uhi(to_uhi(histogram)) == histogram
    True
    """
    return hist.Hist(json.loads(json.dumps(values), object_hook=uhi.io.json.object_hook))
