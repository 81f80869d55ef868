"""Intervals and rectangles of a bump hunt."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.core.windows import log_edges
from overdensity.stats.bumphunt.regions import grid

EDGES = log_edges(2632, 6000, 20)


def test_the_default_regions_are_all_intervals():
    intervals = grid((EDGES,), ((2, 4),), None)
    assert len(intervals.boxes) == 19 + 18 + 17
    assert len(np.unique(intervals.boxes, axis=0)) == len(intervals.boxes)
    assert intervals.inside(0).sum() == 2


def test_side_bands_hold_no_region():
    boxes = grid((EDGES,), ((2, 4),), 3).boxes
    assert boxes[:, 0].min() == 3
    assert boxes[:, 1].max() == 17


def test_rectangles_have_all_combinations():
    boxes = grid((EDGES, EDGES[:11]), ((1, 2), (2, 3)), None)
    assert len(boxes.boxes) == (20 + 19) * (9 + 8)
    assert boxes.shape == (20, 10)
    x0, x1, y0, y1 = boxes.boxes[-1]
    assert boxes.inside(-1).reshape(20, 10)[x0:x1, y0:y1].all()


@pytest.mark.parametrize("widths", [(0, 3), (4, 3), (21, 22)])
def test_widths_that_do_not_fit_are_refused(widths):
    with pytest.raises(InputError, match="do not fit"):
        grid((EDGES,), (widths,), None)
