"""The classifier kind ``cnn``: convolutional networks on images of jets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ...hyper_checks import refuse_unusable
from ...training.training_hyper import TrainingHyper
from ..kinds import Read, register_classifier
from ..module_kind import ModuleKind

if TYPE_CHECKING:
    from .image_ensemble import ImageEnsemble

__all__ = ["Cnn", "CnnHyper"]


@dataclass(frozen=True)
class CnnHyper:
    """Hyperparameters; defaults are those of the classifiers of Tag N' Train (arXiv:2002.12376).

    Attributes
    ----------
    filters : tuple of four int
        Of the convolutions; the image is halved after the second and the fourth.
    dense : int
        Nodes of the dense layer.
    training : TrainingHyper
        How they are trained; the best epoch on the validation events is kept.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> CnnHyper().filters, CnnHyper().dense
    ((32, 8, 8, 4), 16)
    """

    filters: tuple[int, ...] = (32, 8, 8, 4)
    dense: int = 16
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=40, batch=200, patience=5)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            "cnn",
            self,
            filters=len(self.filters) == 4 and all(each >= 1 for each in self.filters),
            dense=self.dense >= 1,
        )


@register_classifier("cnn")
class Cnn(ModuleKind):
    """Convolutional networks on images, each pixel standardised."""

    needs: ClassVar[tuple[Read, ...]] = ("images",)
    Hyper: ClassVar[type[CnnHyper]] = CnnHyper

    def _parts(self) -> tuple[type[ImageEnsemble], Callable[..., Mapping[int, ImageEnsemble]]]:
        from .image_ensemble import ImageEnsemble, fit_images  # noqa: PLC0415 - imports torch

        return ImageEnsemble, fit_images
