"""The jet processor: events → one row of columns for each jet, for taggers and autoencoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError
from ..base import Columns
from ..jets.clustering import eta_phi, invariant_mass, kinematics
from ..jets.momentum import Jagged
from ..registry import register_processor
from ..steps import Steps
from .of_jets import Features, JetColumnProcessor

__all__ = ["JetProcessor"]


@register_processor("jets")
@dataclass(frozen=True)
class JetProcessor(JetColumnProcessor):
    r"""Describes jets one by one, whatever event they are from.

    An event is kept if all its particles are finite and if a jet of it passes the cuts; the
    cutflow counts events. Each jet is a row (float32 unless said, GeV):

    ``event`` (uint64), that of its event, so that jets of one event stay in one fold; ``jet``
    (int16), its place in the event by pT, from 1; ``mjj``, the mass of the two leading jets of its
    event, zero where there is one: a window in mass remains possible; ``pt, eta, phi, mass``; the
    features, by default N-subjettiness and ``constituents``, lists of ``pt, eta, phi`` relative
    to the jet; ``weight`` and ``label`` (int8) of its event where it has them.

    Sequence, image and graph methods take ``kt_sequence``, ``image`` and ``constituents``: see
    `features.table` for all names.

    Attributes
    ----------
    radius, min_jet_pt, max_abs_eta, collection, features
        See `JetColumnProcessor`; softer and more forward jets are left out.
    n_jets : int or None
        How many jets of an event at most, the leading ones of those that pass; None: all.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import momenta
    >>> pt, eta, phi = np.array([600.0, 500.0, 30.0]), np.zeros(3), np.array([0.0, 2.0, -2.0])
    >>> events = ak.zip({"jets": momenta(pt, eta, phi, np.array([3])), "event": [7]}, depth_limit=1)
    >>> columns = JetProcessor(collection="jets", features=()).select(events).columns
    >>> columns["event"].tolist(), columns["jet"].tolist(), columns["pt"].tolist()
    ([7, 7], [1, 2], [600.0, 500.0])
    """

    n_jets: int | None = 2
    features: Features = (
        "tau1",
        "tau2",
        "tau3",
        "tau21",
        "tau32",
        "n",
        "constituents",
    )

    axes: ClassVar[dict[str, Any]] = {
        "pt": hist.axis.Regular(100, 0, 5000, name="pt", label="jet $p_T$ [GeV]"),
        "eta": hist.axis.Regular(60, -3, 3, name="eta", label=r"jet $\eta$"),
        "mass": hist.axis.Regular(100, 0, 1000, name="mass", label="jet mass [GeV]"),
        "tau21": hist.axis.Regular(50, 0, 1, name="tau21", label=r"jet $\tau_{21}$"),
        "tau32": hist.axis.Regular(50, 0, 1, name="tau32", label=r"jet $\tau_{32}$"),
        "n": hist.axis.Regular(75, -0.5, 299.5, name="n", label="jet constituents"),
        "mjj": hist.axis.Regular(180, 1000, 10000, name="mjj", label="$m_{jj}$ [GeV]"),
    }

    def check_settings(self) -> None:
        """Refuse features that the jets do not have, and no jets at all."""
        super().check_settings()
        if self.n_jets == 0:
            msg = f"{self.name}: n_jets is 0; it must be at least 1, or null for all"
            raise ConfigError(msg)

    def describe(self, events: Jagged, steps: Steps) -> tuple[Columns, NDArray[np.integer[Any]]]:
        """Return the columns of the class, see `ColumnProcessor.describe`."""
        source = self.source
        # without a cut on eta the leading jets are known beforehand; only their constituents are read
        n_inside = self.n_jets if self.max_abs_eta is None else None
        jets, inside = source.find(events, min_pt=self.min_jet_pt, n_inside=n_inside)
        counts = ak.to_numpy(ak.num(jets, axis=1))
        mjj = np.zeros(len(jets))
        pairs = jets[counts > 1]
        mjj[counts > 1] = invariant_mass(pairs[:, 0], pairs[:, 1])
        place = ak.local_index(jets, axis=1) + 1

        jets, place = jets[:, :n_inside], place[:, :n_inside]
        if self.max_abs_eta is not None:
            eta, _ = eta_phi(ak.flatten(jets, axis=1))
            central = ak.unflatten(abs(eta) < self.max_abs_eta, ak.num(jets, axis=1))
            jets, inside, place = (x[central][:, : self.n_jets] for x in (jets, inside, place))
        counts = ak.to_numpy(ak.num(jets, axis=1))
        steps.cut("a jet", counts > 0)

        rows = np.repeat(np.arange(len(jets)), counts)
        columns: Columns = {
            "jet": ak.to_numpy(ak.flatten(place, axis=1)).astype(np.int16),
            "mjj": mjj[rows],
            **kinematics(ak.flatten(jets, axis=1)),
            **source.features(self.features, ak.flatten(inside, axis=1)),
        }
        return columns, rows
