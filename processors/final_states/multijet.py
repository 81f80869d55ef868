"""The multijet processor: events → one row of columns for each event with three jets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError
from ..base import Columns
from ..features.of_events import check_event_features, event_features
from ..jets.clustering import invariant_mass, kinematics
from ..jets.momentum import Jagged
from ..registry import register_processor
from ..steps import Steps
from .jet_source import CLUSTERED, at_rank
from .of_jets import LeadingJetsProcessor

__all__ = ["MultijetProcessor"]

_BOTH = ("j1", "j2")
_PAIRS = {"m12": (0, 1), "m13": (0, 2), "m23": (1, 2)}


@register_processor("multijet")
@dataclass(frozen=True)
class MultijetProcessor(LeadingJetsProcessor):
    r"""Describes the three leading jets of each event, and the event as a whole.

    For Black Box 3 of the LHC Olympics (arXiv:2101.08320, section 2.4): a resonance of 4.2 TeV
    that decays to two gluons, or to a gluon and R (2.2 TeV) → two gluons, so that neither ``mjj``
    nor ``mjjj`` alone shows all of it; and for networks on the sequence of jets (section 5.4).

    An event is kept if all its particles are finite, if it has `min_jets` jets, and if it passes
    the optional cuts. Its columns (float32 unless said, GeV; what needs a third jet is zero where
    there is none):

    ``event`` (uint64); ``mjj`` and ``mjjj``, the masses of the two and three leading jets;
    ``m_jets``, that of three where there are so many, else of two; ``m12, m13, m23``, those of the
    pairs (``m12`` is ``mjj``), and the same in order of mass,
    ``m_low, m_mid, m_high``; for ``j1, j2, j3`` in order of pT: ``pt, eta, phi, mass`` and the
    features; ``ht`` and ``n_jets`` (int16), the scalar sum of pT and the number of jets above
    `min_jet_pt`; ``j1_mass_over_pt, j2_mass_over_pt`` and ``j3_pt_over_m``, below; the event
    features; ``weight`` and ``label`` (int8) where the events have them.

    *One channel.* With ``min_jets: 2`` the mass ``m_jets`` of all events is where both decays of
    Black Box 3 peak. Beside it stand features without a scale: the multiplicities of both jets
    (``j1_n, j2_n``), their masses over their pT, and pT3 over ``m_jets``. (What is tied to
    the trigger's edge, such as pT2 over the mass, and ratios of the masses of pairs follow the mass
    itself.) For a splitting of momentum fraction z over an angle ΔR, m² ≈ z (1 − z) pT² ΔR²
    (arXiv:0802.2470, eq. 1), so that mass over pT has no scale. The five are ours, of no paper.

    *Which pair is R.* The squared masses of the two other pairs share M² − m_R² evenly, if R has
    no spin. With q = 2 m_R² / (M² − m_R²), R is ``m_mid`` with probability q and ``m_low``
    otherwise for q < 1 (m_R < M/√3); ``m_high`` with probability q − 1 and ``m_mid`` otherwise
    for 1 < q < 2; always ``m_high`` for m_R > M/√2. For Black Box 3, q = 0.77.

    Attributes
    ----------
    radius, min_jet_pt, max_abs_eta, collection, features
        See `JetColumnProcessor`; the cut on \|η\| is on all (up to three) leading jets, the
        features are of these.
    min_lead_pt, max_delta_eta
        See `LeadingJetsProcessor`.
    min_jets : int
        How many jets an event must have: 3, or 2 to keep the decays to two gluons as well.
    described : int
        How many jets have columns of their own, ``j4`` and so on beyond three: for networks on
        the sequence of jets.
    event_features : tuple of str
        Features of the whole event by name, see `features.of_events`; made of the particles.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import momenta
    >>> pt, eta, phi = np.array([600.0, 500.0, 300.0]), np.zeros(3), np.array([0.0, 2.0, -2.0])
    >>> events = ak.zip({"fat_jets": momenta(pt, eta, phi, np.array([3])), "event": [7]}, depth_limit=1)
    >>> processor = MultijetProcessor(collection="fat_jets", features=(), event_features=())
    >>> columns = processor.select(events).columns
    >>> [f"{columns[name][0]:.1f}" for name in ("mjjj", "m_low", "m_mid", "m_high")]
    ['1362.2', '704.3', '714.0', '921.8']
    """

    min_jets: int = 3
    described: int = 3
    event_features: tuple[str, ...] = ("m_rsd",)

    axes: ClassVar[dict[str, Any]] = {
        "mjj": hist.axis.Regular(180, 1000, 10000, name="mjj", label="$m_{jj}$ [GeV]"),
        "mjjj": hist.axis.Regular(180, 1000, 10000, name="mjjj", label="$m_{jjj}$ [GeV]"),
        "m_jets": hist.axis.Regular(180, 1000, 10000, name="m_jets", label="jets' mass [GeV]"),
        "m_mid": hist.axis.Regular(100, 0, 5000, name="m_mid", label="middle pair mass [GeV]"),
        "m_rsd": hist.axis.Regular(200, 0, 10000, name="m_rsd", label=r"$M_{\rm RSD}$ [GeV]"),
        "j1_pt": hist.axis.Regular(100, 0, 5000, name="j1_pt", label="leading jet $p_T$ [GeV]"),
        "j3_pt": hist.axis.Regular(100, 0, 2000, name="j3_pt", label="third jet $p_T$ [GeV]"),
        "ht": hist.axis.Regular(180, 1000, 10000, name="ht", label="$H_T$ [GeV]"),
        "n_jets": hist.axis.Integer(0, 16, name="n_jets", label="jets"),
    }

    def check_settings(self) -> None:
        """Refuse settings that cannot be."""
        super().check_settings()
        check_event_features(self.event_features)
        if self.min_jets not in (2, 3):
            msg = f"{self.name}: min_jets is {self.min_jets}; it must be 2 or 3"
            raise ConfigError(msg)
        if self.described < 3:
            msg = f"{self.name}: described is {self.described}; it must be 3 or more jets"
            raise ConfigError(msg)

    @property
    def collections(self) -> tuple[str, ...]:
        """The lists of particles or jets that are read."""
        if self.event_features and self._whole != self.collection:
            return (self.collection, self._whole)
        return (self.collection,)

    @property
    def _whole(self) -> str:
        """The particles that the event features are made of."""
        return self.collection if self.collection in CLUSTERED else CLUSTERED[0]

    def describe(self, events: Jagged, steps: Steps) -> tuple[Columns, NDArray[np.integer[Any]]]:
        """Return the columns of the class, see `ColumnProcessor.describe`."""
        source = self.source
        jets, inside = source.find(events, min_pt=self.min_jet_pt, n_inside=self.described)
        pt = np.hypot(jets.px, jets.py)
        n_jets = ak.to_numpy(ak.num(jets, axis=1))
        steps.cut({2: "two jets", 3: "three jets"}[self.min_jets], n_jets >= self.min_jets)
        self.cut_on_leading(jets, steps, n=3)

        keep = steps.kept
        jets, n_jets = jets[keep], n_jets[keep]
        counts = np.minimum(n_jets, self.described)
        leading: Jagged = ak.flatten(jets[:, : self.described], axis=1)
        columns = _masses(jets, n_jets > 2)
        of_jets = kinematics(leading)
        of_jets |= source.features(self.features, ak.flatten(inside[keep], axis=1))
        for rank in range(self.described):
            columns |= {
                f"j{rank + 1}_{name}": at_rank(x, counts, rank) for name, x in of_jets.items()
            }
        columns |= _without_scale(columns)
        columns["ht"] = ak.to_numpy(ak.sum(pt[keep], axis=1))
        columns["n_jets"] = n_jets.astype(np.int16)
        if self.event_features:
            columns |= event_features(self.event_features, events[self._whole][keep])
        return columns, np.flatnonzero(keep)


def _masses(jets: Jagged, three: NDArray[np.bool_]) -> Columns:
    """Return the masses of the leading jets, zero where they need a third and there is none."""
    columns: Columns = {"mjj": invariant_mass(jets[:, 0], jets[:, 1])}
    jets = jets[three]
    columns["mjjj"] = _where(three, invariant_mass(*(jets[:, rank] for rank in range(3))))
    pairs = {
        name: _where(three, invariant_mass(jets[:, one], jets[:, other]))
        for name, (one, other) in _PAIRS.items()
    }
    pairs["m12"] = columns["mjj"]
    columns["m_jets"] = np.where(three, columns["mjjj"], columns["mjj"])
    ordered = np.sort(np.stack(list(pairs.values())), axis=0)
    return columns | pairs | dict(zip(("m_low", "m_mid", "m_high"), ordered, strict=True))


def _without_scale(columns: Columns) -> Columns:
    """Return the masses of both jets over their pT, and the third jet's pT over the mass of all."""
    ratios = {f"{jet}_mass_over_pt": columns[f"{jet}_mass"] / columns[f"{jet}_pt"] for jet in _BOTH}
    return ratios | {"j3_pt_over_m": columns["j3_pt"] / columns["m_jets"]}


def _where(there: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = np.zeros(len(there))
    spread[there] = values
    return spread
