"""ANODE: the density of the signal region over the density interpolated from outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ....core.arrays import within
from ....core.windows import Window
from ...flows.conditional import ConditionalFlow, FlowHyper, fit_flow
from ...method import register_method
from .outer_density import FEW_EPOCHS, TRIANGULAR, OuterDensity, OuterHyper, refuse_choice

__all__ = ["Anode", "AnodeHyper"]


@dataclass(frozen=True)
class AnodeHyper(OuterHyper):
    """Hyperparameters of ANODE.

    Attributes
    ----------
    inner : FlowHyper
        The flow of the signal region and its training.
    start : {"outer", "random"}
        Initial weights of the flow of the signal region: those of the outer flow, so that both
        agree where the events of the signal region do not ask for a difference, or random ones, as
        published.
    """

    flow: FlowHyper = field(default_factory=lambda: replace(TRIANGULAR, keep="last"))
    inner: FlowHyper = field(
        default_factory=lambda: replace(TRIANGULAR, epochs=20, keep="last", average=1)
    )
    start: str = "outer"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_choice("start", self.start, ("outer", "random"))
        if self.start == "outer" and self.inner.shape() != self.flow.shape():
            msg = (
                "anode: with start: outer the flows 'flow' and 'inner' must have the same "
                f"{', '.join(self.flow.shape())}; give both, or use start: random"
            )
            raise ConfigError(msg)


@register_method("anode")
class Anode(OuterDensity[AnodeHyper]):
    """ANODE: the ratio of two densities, one learnt in the SR and one interpolated into it.

    R(x|m) = p_data(x|m) / p_background(x|m), both conditional flows: the numerator is learnt in the
    signal region, the denominator outside of it. The numerator begins as the denominator, so that
    what both got wrong alike is not in the ratio. An event beyond the range of the training events
    of one of the two has no ratio; it counts as background, R = 1.
    """

    source: ClassVar[str] = (
        "ANODE, LHC Olympics 2020 (arXiv:2101.08320), section 3.2; arXiv:2001.04990"
    )
    Hyper: ClassVar[type[AnodeHyper]] = AnodeHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "flow": FEW_EPOCHS,
        "inner": FEW_EPOCHS | {"epochs": 16, "batch": 128},
    }
    _inner: ConditionalFlow

    def _learn(
        self,
        x: NDArray[np.float32],
        mass: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        window: Window,
        seed: int,
    ) -> None:
        del window
        self._inner = fit_flow(
            x,
            mass,
            hyper=self.hyper.inner,
            seed=seed,
            weight=weight,
            device=self.hyper.device,
            start=self._flow if self.hyper.start == "outer" else None,
        )

    def _log_ratio(self, x: NDArray[np.float32], mass: NDArray[np.float64]) -> NDArray[np.float32]:
        densities = self._inner.log_density(x, mass), self._flow.log_density(x, mass)
        known = np.isfinite(densities).all(axis=0)  # not outside the range of a flow's events
        return np.subtract(*densities, where=known, out=np.zeros(len(x))).astype(np.float32)

    def _learnt(self) -> dict[str, NDArray[Any]]:
        return {f"inner.{key}": array for key, array in self._inner.arrays().items()}

    def _take_over(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._inner = ConditionalFlow.from_arrays(
            within(arrays, "inner."), device=self.hyper.device
        )
