"""CWoLa hunting with networks, as published, all of a window and fold trained as one bank."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from ...classifiers.ensemble import ClassifierHyper, NetworkHyper
from ...method import register
from ...training.bank import BankHyper
from .cwola import SOURCE, CwolaHunting, NestedHyper

__all__ = ["CwolaNetworks", "NetworksHyper"]


@dataclass(frozen=True)
class NetworksHyper(NestedHyper, BankHyper):
    """Hyperparameters of CWoLa hunting with networks; the defaults are the published ones.

    Attributes
    ----------
    restarts : int
        Networks an inner fold; the best on its validation events is kept.
    batch : int
        Events in a batch: so many that each holds some of a rare signal.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    restarts: int = 3
    batch: int = 5000
    device: str = "auto"

    def __post_init__(self) -> None:
        NestedHyper.__post_init__(self)
        self.classifier  # noqa: B018 - refuses values that cannot be used

    @property
    def classifier(self) -> ClassifierHyper:
        """The ensemble."""
        networks = {field.name: getattr(self, field.name) for field in fields(NetworkHyper)}
        return ClassifierHyper(
            kind="networks",
            inner_folds=self.inner_folds,
            members=1,
            networks=NetworkHyper(**networks),
        )


@register
class CwolaNetworks(CwolaHunting[NetworksHyper]):
    """CWoLa hunting with small networks, as published; slow without a GPU."""

    name: ClassVar[str] = "cwola_networks"
    source: ClassVar[str] = SOURCE
    Hyper: ClassVar[type[NetworksHyper]] = NetworksHyper
