"""Events that several channels have in common: each counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, nearest_names

__all__ = ["remove_overlap"]


def remove_overlap(
    events: Mapping[str, ArrayLike], order: Sequence[str] | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Say which events each channel keeps: an event of several stays in the first of them.

    It looks at ids alone. Give it *all* events that belong to a channel, whatever their scores and
    masses, not the selected ones. Then the channels are disjoint categories of events, whose counts
    are independent Poisson variables, and what a later channel loses depends on the definition of
    the earlier ones alone (a third jet, say), which is smooth in its mass. Were the selected events
    removed, the later channel would lose them where the earlier one's classifier has a preference,
    which follows the fluctuations, or the signal, of the other channel.

    Parameters
    ----------
    events : mapping of str to array_like of uint64, shape (n_events,)
        Ids of the events of each channel.
    order : sequence of str, optional
        All names, the one that keeps its events first; by default the order of the mapping. The
        most special channel goes first, as it has nothing but what it shares.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_events,)
        True for events that stay.

    Raises
    ------
    InputError
        If the order does not name every channel once, or an id occurs twice in a channel.
    """
    names = list(events) if order is None else list(order)
    for name in names:
        if name not in events:
            msg = f"there is no channel {name!r}: {nearest_names(name, events)}"
            raise InputError(msg)
    if sorted(names) != sorted(events):
        msg = f"the order must name each of {', '.join(events)} once, got {', '.join(names)}"
        raise InputError(msg)
    kept: dict[str, NDArray[np.bool_]] = {}
    taken = np.empty(0, dtype=np.uint64)
    for name in names:
        ids = np.asarray(events[name], dtype=np.uint64)
        twice = ids.size - np.unique(ids).size
        if twice:
            msg = f"channel {name!r}: {twice} event ids occur more than once"
            raise InputError(msg)
        kept[name] = ~np.isin(ids, taken)
        taken = np.concatenate([taken, ids[kept[name]]])
    return {name: kept[name] for name in events}
