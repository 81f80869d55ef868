"""What the processors of jets share: where their jets come from, and the cuts on the leading ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import awkward as ak
import numpy as np

from ...core.files.name_lists import expanded
from ..base import ColumnProcessor
from ..jets.momentum import Jagged
from ..options import checked
from ..steps import Steps
from ..taggers.tag_option import JetScorer, tagger_of
from .jet_source import JetSource, jet_source

__all__ = ["Features", "JetColumnProcessor", "LeadingJetsProcessor"]

_ALWAYS = ("pt", "eta", "phi", "mass")  # columns that need not be asked for, as a file of names may


def _read_features(value: Any, option: str) -> tuple[str | JetScorer, ...]:
    """Return the features that a configuration gives, the files of names and taggers read."""
    if not isinstance(value, (list, tuple)):
        return checked(value, tuple[str, ...], option)
    value = [each for each in expanded(value) if each in value or each not in _ALWAYS]
    made = [tagger_of(each) if isinstance(each, Mapping) else each for each in value]
    checked([each for each in made if not isinstance(each, JetScorer)], tuple[str, ...], option)
    return tuple(made)


Features: TypeAlias = Annotated[tuple[str | JetScorer, ...], _read_features]


@dataclass(frozen=True)
class JetColumnProcessor(ColumnProcessor):
    r"""A processor that describes jets.

    Attributes
    ----------
    radius : float
        R of the anti-kT algorithm.
    min_jet_pt : float
        What counts as a jet, in GeV.
    max_abs_eta : float or None
        Optional cut on \|η\| of jets.
    collection : str
        ``particles`` or ``raw_particles``, which are clustered; ``fat_jets`` or ``jets``, which
        are taken as stored, with what is stored of their features.
    features : tuple of str or JetScorer
        Features of the jets by name, see `features.table`; and taggers, ``{tag: file.onnx}``, whose
        scores they are (`taggers.tag_option.tagger_of`); and ``{names: FILE}``, the features that
        ``overdensity tag select`` has chosen.
    """

    radius: float = 1.0
    min_jet_pt: float = 50.0
    max_abs_eta: float | None = None
    collection: str = "particles"
    features: Features = ("tau1", "tau2", "tau3", "tau21", "tau32", "n")

    def check_settings(self) -> None:
        """Refuse features that the jets do not have."""
        _ = self.source

    @property
    def collections(self) -> tuple[str, ...]:
        """The list of particles or jets that is read."""
        return (self.collection,)

    @property
    def source(self) -> JetSource:
        """Where the jets come from."""
        return jet_source(self.collection, radius=self.radius, features=self.features)


@dataclass(frozen=True)
class LeadingJetsProcessor(JetColumnProcessor):
    r"""A processor that describes the leading jets of each event.

    Attributes
    ----------
    min_lead_pt : float or None
        Optional cut on the leading jet's pT, in GeV.
    max_delta_eta : float or None
        Optional cut on \|η1 − η2\| of the two leading jets; 1.3 in the dijet searches of CMS
        (arXiv:1806.00843), against the forward peak of QCD.
    """

    min_lead_pt: float | None = None
    max_delta_eta: float | None = None

    def cut_on_leading(self, jets: Jagged, steps: Steps, *, n: int) -> None:
        """Apply the optional cuts.

        Parameters
        ----------
        jets : ak.Array, shape (n_events, var)
            In order of falling pT, with px, py, pz in GeV.
        steps : Steps
            Takes the cuts.
        n : int
            How many leading jets must be central.
        """
        if self.min_lead_pt is not None:
            pt = np.hypot(jets.px, jets.py)
            steps.cut("leading jet pT", ak.any(pt > self.min_lead_pt, axis=1))
        leading = jets[:, :n]
        eta = np.arcsinh(leading.pz / np.hypot(leading.px, leading.py))
        if self.max_abs_eta is not None:
            steps.cut("leading jets eta", ak.all(abs(eta) < self.max_abs_eta, axis=1))
        if self.max_delta_eta is not None:
            delta_eta = ak.max(eta[:, :2], axis=1) - ak.min(eta[:, :2], axis=1)
            steps.cut("delta eta", ak.fill_none(delta_eta < self.max_delta_eta, value=False))
