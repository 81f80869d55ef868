"""CWoLa hunting with networks, as published, all of a window and fold trained as one bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from ...classifiers.ensemble import ClassifierHyper
from ...classifiers.network_kind import NetworkHyper
from ...method import register_method
from ...training.bank_hyper import BankHyper
from ..classifier_method import ClassifyingHyper
from .cwola import CwolaHunting

__all__ = ["CwolaNetworks", "CwolaNetworksHyper"]


def _published() -> ClassifierHyper:
    """Return four inner folds, each with the best of three networks in batches of 5000."""
    networks = NetworkHyper(**asdict(BankHyper()), restarts=3, batch=5000)
    return ClassifierHyper(kind="networks", inner_folds=4, members=1, settings=networks)


@dataclass(frozen=True)
class CwolaNetworksHyper(ClassifyingHyper):
    """Hyperparameters of CWoLa hunting with networks; the defaults are the published ones.

    Attributes
    ----------
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`). Published: not.
    classifier : ClassifierHyper
        Networks: an inner fold keeps the best of ``restarts`` on its validation events, and a batch
        holds so many events that each has some of a rare signal.
    """

    sort: bool = False
    classifier: ClassifierHyper = field(default_factory=_published)


@register_method("cwola_networks")
class CwolaNetworks(CwolaHunting):
    """CWoLa hunting with small networks, as published; slow without a GPU."""

    source: ClassVar[str] = (
        "CWoLa hunting, LHC Olympics 2020 (arXiv:2101.08320), section 4.1; arXiv:1902.02634"
    )
    Hyper: ClassVar[type[CwolaNetworksHyper]] = CwolaNetworksHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "sort": True,
        "classifier": {
            "networks": {
                "epochs": 15,
                "batch": 500,
                "width": 32,
                "restarts": 1,
                "patience": 20,
                "device": "cpu",
            }
        },
    }
