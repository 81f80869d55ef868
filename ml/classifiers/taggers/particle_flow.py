"""The classifier kind ``pfn``: particle flow networks on the constituents of jets."""

from __future__ import annotations

from typing import ClassVar

from ..kinds import register_classifier
from .particle_flow_hyper import ParticleFlowHyper
from .tagger_kind import TaggerKind

__all__ = ["ParticleFlow"]


@register_classifier("pfn")
class ParticleFlow(TaggerKind):
    """Particle flow networks on constituents, beside numbers of the event where there are any."""

    Hyper: ClassVar[type[ParticleFlowHyper]] = ParticleFlowHyper
