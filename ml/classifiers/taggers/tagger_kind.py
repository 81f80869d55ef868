"""What kinds of classifiers on the constituents of jets share: how they are trained and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from ..kinds import Read
from ..module_kind import ModuleKind

if TYPE_CHECKING:
    from .tagger_ensemble import TaggerEnsemble

__all__ = ["TaggerKind"]


class TaggerKind(ModuleKind):
    """Networks on constituents, beside numbers of the event where there are any.

    A kind of its own names the hyperparameters, which make an untrained network
    (:class:`~overdensity.ml.classifiers.taggers.tagger_ensemble.TaggerHyper`).
    """

    needs: ClassVar[tuple[Read, ...]] = ("constituents",)

    def _parts(self) -> tuple[type[TaggerEnsemble], Callable[..., Mapping[int, TaggerEnsemble]]]:
        from .tagger_ensemble import TaggerEnsemble, fit_taggers  # noqa: PLC0415 - imports torch

        return TaggerEnsemble, fit_taggers
