"""Features of jets by name: the table of all that there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names
from ..jets.constituents import flat_jets
from .computing import (
    FeatureColumns,
    JetContents,
    correlators,
    count,
    declustered,
    images,
    polynomials,
    sequences,
    tau,
    tracks,
)
from .efp import GRAPHS
from .images import PIXELS
from .splitting_planes import LUND_PLANE, MASS_PLANE

__all__ = ["FEATURES", "Feature", "check_features", "check_once", "describe", "jet_features"]

# β and lengths are zero in no name: at least one of their digits is another.
_BETA = r"(_b(?=[0-9.]*[1-9])\d+(\.\d+)?)?"
_LONGEST = r"(_[1-9]\d*)?"


@dataclass(frozen=True)
class Feature:
    """A feature, or a family of features whose names hold numbers.

    Attributes
    ----------
    name : str
        The name; of a family, its form, such as ``tau<N>_b<beta>``.
    meaning : str
        What it is, with its unit.
    source : str
        Where it is defined.
    pattern : str
        The regular expression of the names.
    examples : tuple of str
        Names of the family that are in use; those that a misspelt one is compared with.
    dtype, shape : str
        Of a jet's value.
    compute : callable
        Computes all the names of one function together.

    Examples
    --------
    >>> tau = next(feature for feature in FEATURES if feature.matches("tau21"))
    >>> tau.name
    'tau<N><M>[_b<beta>]'
    """

    name: str
    meaning: str
    source: str
    compute: Callable[[Sequence[str], JetContents], FeatureColumns]
    pattern: str = ""
    examples: tuple[str, ...] = ()
    dtype: str = "float32"
    shape: str = "()"

    @property
    def names(self) -> tuple[str, ...]:
        """The name, or some of the family."""
        return self.examples or (self.name,)

    def matches(self, name: str) -> bool:
        """Say whether a name is of this feature or family."""
        return re.fullmatch(self.pattern or re.escape(self.name), name) is not None


def check_features(names: Iterable[str]) -> None:
    """Refuse names that are not features of jets, and names given twice.

    Raises
    ------
    ConfigError
        With the nearest valid names.

    Examples
    --------
    >>> check_features(["tau21", "n"])
    >>> check_features(["tau_21"])
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: no jet feature 'tau_21': did you mean 'tau21' or 'tau2' or 'tau1'?
    """
    for name in (names := list(names)):
        if not any(feature.matches(name) for feature in FEATURES):
            known = [known for feature in FEATURES for known in feature.names]
            msg = f"no jet feature {name!r}: {nearest_names(name, known)}"
            raise ConfigError(msg)
    check_once(names, "jet feature")


def check_once(names: Sequence[str], kind: str) -> None:
    """Refuse a feature that is asked for twice.

    Raises
    ------
    ConfigError
        With its name and kind.
    """
    for name in names:
        if names.count(name) > 1:
            msg = f"the {kind} {name!r} is asked for more than once"
            raise ConfigError(msg)


def jet_features(
    names: Sequence[str], constituents: ak.Array, *, radius: float, threads: int = 1
) -> dict[str, NDArray[Any] | ak.Array]:
    """Return features of jets.

    What several features share is computed once: one clustering gives all N-subjettiness of an
    exponent, another all that is read off a Cambridge/Aachen tree.

    Parameters
    ----------
    names : sequence of str
        Features; `describe` lists them.
    constituents : ak.Array, shape (n_jets, var)
        Momentum4D with px, py, pz, E in GeV, and ``charge`` where the features need it. A jet
        without constituents has zeros and empty lists.
    radius : float
        The radius of the jets.
    threads : int
        How many threads share the jets in the kernels; one where each core has its own worker
        process.

    Returns
    -------
    dict of str to array
        In the order of the names, each of length n_jets.

    Raises
    ------
    ConfigError
        If a name is unknown or there twice.
    InputError
        If a constituent is not finite or has no pT, or lacks what a feature needs, or the radius
        is not positive.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> pt, zeros = np.array([60.0, 40.0, 70.0]), np.zeros(3)
    >>> constituents = cartesian(momenta(pt, zeros, zeros, np.array([2, 1])))
    >>> jet_features(["n"], constituents, radius=0.8)
    {'n': array([2, 1], dtype=int16)}
    """
    check_features(names)
    if not radius > 0:
        msg = f"the jet radius is {radius}; it must be positive"
        raise InputError(msg)
    jets = JetContents(constituents, flat_jets(constituents), radius, threads)
    together: dict[Callable[[Sequence[str], JetContents], FeatureColumns], list[str]] = {}
    for name in names:
        feature = next(feature for feature in FEATURES if feature.matches(name))
        together.setdefault(feature.compute, []).append(name)
    columns: FeatureColumns = {}
    for compute, of_group in together.items():
        columns |= compute(of_group, jets)
    return {name: _narrow(columns[name]) for name in names}


def describe() -> list[dict[str, Any]]:
    """Return the table of features for documentation, as plain JSON values.

    Examples
    --------
    >>> describe()[0]["meaning"]
    'number of constituents'
    """
    return [
        {
            "name": feature.name,
            "meaning": feature.meaning,
            "source": feature.source,
            "dtype": feature.dtype,
            "shape": feature.shape,
            "examples": list(feature.names),
        }
        for feature in FEATURES
    ]


def _narrow(column: Any) -> Any:
    is_double = isinstance(column, np.ndarray) and column.dtype == np.float64
    return column.astype(np.float32) if is_double else column


_TAU = "one-pass winner-takes-all kT axes, R0 = radius; β = 1 unless it is named"
_TAU_SOURCE = "Thaler, Van Tilburg, arXiv:1011.2268, arXiv:1108.2701"
_SOFT_DROP = "after soft drop, z_cut = 0.1, β = 0"
_SOFT_DROP_SOURCE = "Larkoski, Marzani, Soyez, Thaler, arXiv:1402.2657"
_EFP_SOURCE = "Komiske, Metodiev, Thaler, arXiv:1712.07124"
_SEQUENCE = "list of {pt, eta, phi}"

FEATURES: tuple[Feature, ...] = (
    Feature("n", "number of constituents", "–", count, dtype="int16"),
    Feature(
        "n_tracks",
        "number of charged constituents; needs their charge",
        "–",
        tracks,
        dtype="int16",
    ),
    Feature(
        "tau<N>[_b<beta>]",
        f"N-subjettiness, N up to 9; {_TAU}",
        _TAU_SOURCE,
        tau,
        pattern=rf"tau[1-9]{_BETA}",
        examples=tuple(f"tau{n}{b}" for b in ("", "_b2", "_b0.5") for n in (1, 2, 3, 4)),
    ),
    Feature(
        "tau<N><M>[_b<beta>]",
        "ratio of N-subjettiness for N = M + 1 to that for M; zero where that is",
        _TAU_SOURCE,
        tau,
        pattern=rf"tau({'|'.join(f'{m + 1}{m}' for m in range(1, 9))}){_BETA}",
        examples=tuple(f"tau{nm}{b}" for b in ("", "_b2") for nm in (21, 32, 43)),
    ),
    Feature("softdrop_mass", f"mass in GeV {_SOFT_DROP}", _SOFT_DROP_SOURCE, declustered),
    Feature(
        "softdrop_zg",
        f"momentum fraction of the splitting that is left {_SOFT_DROP}; zero without one",
        _SOFT_DROP_SOURCE,
        declustered,
    ),
    Feature(
        "softdrop_rg",
        f"ΔR of the splitting that is left {_SOFT_DROP}; zero without one",
        _SOFT_DROP_SOURCE,
        declustered,
    ),
    *(
        Feature(
            f"{stem}[_b<beta>]",
            f"{meaning}; β = 1 unless it is named",
            source,
            correlators,
            pattern=f"{stem}{_BETA}",
            examples=(stem, f"{stem}_b2"),
        )
        for stem, meaning, source in (
            (
                "e2",
                "energy correlation of pairs, of fractions of pT",
                "Larkoski, Salam, Thaler, arXiv:1305.0007",
            ),
            (
                "e3",
                "energy correlation of triples, of fractions of pT",
                "Larkoski, Salam, Thaler, arXiv:1305.0007",
            ),
            ("c2", "C2 = e3 / e2², zero where e2 is", "Larkoski, Salam, Thaler, arXiv:1305.0007"),
            ("d2", "D2 = e3 / e2³, zero where e2 is", "Larkoski, Moult, Neill, arXiv:1409.6298"),
        )
    ),
    Feature(
        "lund",
        "declusterings along the hardest branch of the Cambridge/Aachen tree; kt and masses in GeV",
        "Dreyer, Salam, Soyez, arXiv:1807.04758",
        declustered,
        shape="list of {ln_inv_delta, ln_kt, z, psi, mass, mass_hard, mass_soft}",
    ),
    Feature(
        "lund_plane",
        "how many of these declusterings lie in cells of ln kt (-1 to 7, kt in GeV) and ln(1/Δ) (0 to 5)",
        "LDA, LHCO section 3.6, arXiv:2101.08320",
        declustered,
        dtype="uint8",
        shape=f"{LUND_PLANE}",
    ),
    Feature(
        "mass_plane",
        "how many splittings of subjets above 30 GeV lie in cells of subjet mass and mass drop (up to 0.8)",
        "LDA, LHCO section 3.6, arXiv:2101.08320",
        declustered,
        dtype="uint8",
        shape=f"{MASS_PLANE}",
    ),
    Feature(
        "declustering_sum",
        "sum of mass ratios of parents to daughters in the tree, down to 20 GeV",
        "BuHuLaSpa, LHCO section 3.3, arXiv:2101.08320",
        declustered,
    ),
    Feature(
        "efps[_b<beta>]",
        "all energy flow polynomials of degree ≤ 5, in the order of EnergyFlow's EFPSet('d<=5'), "
        "of fractions of pT; the first, the graph without edges, is 1; β = 1 unless it is named",
        _EFP_SOURCE,
        polynomials,
        pattern=f"efps{_BETA}",
        examples=("efps", "efps_b2"),
        shape=f"({len(GRAPHS)},)",
    ),
    Feature(
        "efp<k>[_b<beta>]",
        f"the k-th of these, from 0 to {len(GRAPHS) - 1}",
        _EFP_SOURCE,
        polynomials,
        pattern=f"efp({'|'.join(str(k) for k in range(len(GRAPHS)))}){_BETA}",
        examples=("efp1", "efp12", "efp101", "efp12_b2"),
    ),
    Feature(
        "image",
        "fractions of pT on a grid of ±radius: centered, rotated, flipped, of sum 1",
        "Macaluso, Shih, arXiv:1803.00107; LHCO section 4.3, arXiv:2101.08320",
        images,
        shape=f"({PIXELS}, {PIXELS})",
    ),
    Feature(
        "constituents[_<n>]",
        "the constituents, or the n hardest, in order of falling pT: pt in GeV, eta and phi "
        "relative to the jet",
        "–",
        sequences,
        pattern=f"constituents{_LONGEST}",
        examples=("constituents", "constituents_20"),
        shape=_SEQUENCE,
    ),
    Feature(
        "kt_sequence[_<n>]",
        "the constituents, or n of them, each the one of largest pT ΔR from the one before, the "
        "first the hardest: pt in GeV, eta and phi relative to the jet",
        "VRNN, LHCO eq. (3.1), arXiv:2101.08320",
        sequences,
        pattern=f"kt_sequence{_LONGEST}",
        examples=("kt_sequence", "kt_sequence_20"),
        shape=_SEQUENCE,
    ),
)
"""What can be asked for."""
