"""Features of whole events, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, nearest_names
from ..jets.constituents import flat_jets
from .event_shape import event_shape
from .images import event_images
from .n_subjettiness import ratio
from .table import check_once

__all__ = ["check_event_features", "event_features"]

_TAU = re.compile(r"tau([1-9])_rsd")
_RATIO = re.compile(rf"tau({'|'.join(f'{n + 1}{n}' for n in range(1, 9))})_rsd")
_PLAIN = ("m_rsd", "n_rsd", "ht_particles", "m_particles")
_IMAGE = "event_image"
_KNOWN = (
    *_PLAIN,
    _IMAGE,
    *(f"tau{n}_rsd" for n in range(1, 10)),
    *(f"tau{n + 1}{n}_rsd" for n in range(1, 9)),
)


def check_event_features(names: Iterable[str]) -> None:
    """Refuse names that are not features of events, and names given twice.

    Raises
    ------
    ConfigError
        With the nearest valid names.

    Examples
    --------
    >>> check_event_features(["m_rsd", "tau21_rsd"])
    >>> check_event_features(["m_rds"])
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: no event feature 'm_rds': did you mean 'm_rsd' or 'n_rsd'?
    """
    for name in (names := list(names)):
        if name not in _KNOWN:
            msg = f"no event feature {name!r}: {nearest_names(name, _KNOWN)}"
            raise ConfigError(msg)
    check_once(names, "event feature")


def event_features(names: Sequence[str], particles: ak.Array) -> dict[str, NDArray[Any]]:
    """Return features of events, all but images made of one clustering of the particles.

    Parameters
    ----------
    names : sequence of str
        Of the `event_shape`: ``m_rsd``, the mass of the event groomed by recursive soft drop (z_cut 0.15, β 0.7,
        dynamic R0), in GeV; ``n_rsd`` (int16), how many particles are left; ``tau1_rsd`` to
        ``tau9_rsd``, their N-subjettiness, and its ratios ``tau21_rsd`` to ``tau98_rsd``, zero
        where the denominator is; ``ht_particles``, the scalar sum of the pT of all particles
        before grooming, and ``m_particles``, the mass of the event as one jet (arXiv:2609.00132),
        both in GeV. And ``event_image``, the pT of all particles on a grid (`images.event_images`).
    particles : ak.Array, shape (n_events, var)
        Momentum4D with px, py, pz, E, in GeV.

    Returns
    -------
    dict of str to array, each of shape (n_events,)
        In the order of the names; images have their pixels as further axes.

    Raises
    ------
    ConfigError
        If a name is unknown or there twice.
    """
    check_event_features(names)
    columns: dict[str, NDArray[Any]] = {}
    if _IMAGE in names:
        columns[_IMAGE] = event_images(flat_jets(particles))
    of_shape = [name for name in names if name != _IMAGE]
    if of_shape:
        columns |= _of_shape(of_shape, particles)
    return {name: columns[name] for name in names}


def _of_shape(names: Sequence[str], particles: ak.Array) -> dict[str, NDArray[Any]]:
    """Return what is read off the event shape, and perhaps more."""
    axes = sorted({int(n) for name in names if name not in _PLAIN for n in _digits(name)})
    shape = event_shape(particles, axes or (1,))
    columns: dict[str, NDArray[Any]] = {
        "m_rsd": shape.m_rsd,
        "n_rsd": shape.n_rsd.astype(np.int16),
        "ht_particles": shape.ht,
        "m_particles": shape.mass,
    }
    tau = dict(zip(axes, shape.tau.T, strict=False))
    for name in names:
        if _TAU.fullmatch(name):
            columns[name] = tau[int(_digits(name))]
        elif _RATIO.fullmatch(name):
            above, below = _digits(name)
            columns[name] = ratio(tau[int(above)], tau[int(below)])
    return columns


def _digits(name: str) -> str:
    return name.removeprefix("tau").removesuffix("_rsd")
