"""Region flows: one normalising flow for each region of an analysis, on simulated background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ....core import InputError
from ....core.arrays import within
from ....core.windows import Window
from ...flows.cell_resampling import resample_cells
from ...flows.conditional import ConditionalFlow, FlowHyper, fit_flow
from ...flows.gaps import Gaps
from ...flows.marginals import Marginals, effective_number
from ...hyper_checks import refuse_unusable, section
from ...method import Method, Need, register_method
from ...sample import Sample, simulated

__all__ = ["RegionFlows", "RegionFlowsHyper"]

_FAR = 5.0  # standard deviations: beyond, the flow is that of the edge, and the marginals fall on
_STEPS = 16  # of an epoch at least, where events are few
_FEWEST_IN_BATCH = 32
_WORST = 1e6  # of a score, which is finite for any event


@dataclass(frozen=True)
class RegionFlowsHyper:
    """Hyperparameters of the region flows; those of the flow are ours where nothing is published.

    Attributes
    ----------
    flow : FlowHyper
        The flow of each region and its training. RealNVP is published; layers and width are not.
    min_events : int
        The fewest effective events, (Σw)² / Σw², of a region.
    draws : int
        Points inside the cell of a discrete value at which the density is evaluated; their mean
        is the score.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    flow: FlowHyper = field(
        default_factory=lambda: FlowHyper(
            family="realnvp",
            layers=8,
            width=64,
            epochs=60,
            batch=512,
            learning_rate=1e-3,
            weight_decay=1e-5,
            patience=10,
        )
    )
    min_events: int = 200
    draws: int = 4
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            section(self),
            self,
            min_events=self.min_events >= 20,
            draws=self.draws >= 1,
        )


@register_method("region_flows")
class RegionFlows(Method[RegionFlowsHyper]):
    """Minus the log-density of the simulated background, of one RealNVP for each region (``group``).

    All are trained on weighted simulation alone. Features that are in order, as pT of leptons, are
    replaced by their gaps (:class:`~overdensity.ml.flows.gaps.Gaps`). All are made standard normal one by one
    first (:class:`~overdensity.ml.flows.marginals.Marginal`), discrete ones dequantised, so that a
    flow begins as the product of its marginals and has only the correlations to learn; with few
    events it ends near there. Negative weights are shared out among near events
    (:func:`~overdensity.ml.flows.cell_resampling.resample_cells`). A feature that is constant in a
    region is left out there.
    """

    needs: tuple[Need, ...] = ("features", "simulation")
    source: ClassVar[str] = (
        "J. Harrison, Anomaly detection with not-so-dense(ity) estimators at ATLAS (talk); "
        "ATLAS, arXiv:2508.19778"
    )
    windowed: bool = False
    trained_on: Literal["data", "simulation"] = "simulation"
    Hyper: ClassVar[type[RegionFlowsHyper]] = RegionFlowsHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"
    fast: ClassVar[Mapping[str, Any]] = {
        "flow": {"layers": 2, "width": 8, "depth": 1, "epochs": 1},
        "device": "cpu",
    }

    @property
    def fewest_events(self) -> int:
        """See :attr:`Method.fewest_events`."""
        return self.hyper.min_events

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn from simulation alone; see :meth:`Method.fit`."""
        del window  # the same in all
        background = simulated(self.name, simulation)
        self._names = data.names
        return self.learn(background, seed=seed)

    def learn(self, background: Sample, *, seed: int) -> Self:
        """Learn the density of each region (``background.group``), which needs neither data nor window.

        Parameters
        ----------
        background : Sample
            Simulated background in the order of the ids, with weights if they are not equal.
        seed : int
            All randomness comes from it.

        Raises
        ------
        InputError
            If a region has too few events, or weights that do not sum to more than zero, or two
            features that are the same, or a feature is constant in all of them.
        """
        self._names = background.names
        background.refuse_constant_features()
        group = background.groups
        self._regions = {
            int(region): self._learn(background.take(group == region), int(region), seed)
            for region in np.unique(group)
        }
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return -log p in the region of each event; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        group = data.groups
        scores = np.empty(len(data), np.float32)
        for region in np.unique(group):
            mine = group == region
            found = -self._region(int(region)).log_density(data.features[mine], self.hyper.draws)
            scores[mine] = np.clip(found, -_WORST, _WORST)
        return scores

    def sample(self, region: int, n: int, *, seed: int) -> Sample:
        """Draw events from the density of a region.

        Parameters
        ----------
        region : int
            The group.
        n : int
            How many.
        seed : int
            Same seed, same events.
        """
        x = self._region(region).sample(n, seed)
        return Sample.from_arrays(np.ones(n), x, self._names, group=np.full(n, region))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        found = {"names": np.array(self._names), "regions": np.array(list(self._regions))}
        for region, density in self._regions.items():
            found |= {f"{region}.{name}": array for name, array in density.arrays().items()}
        return found

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._regions = {
            region: _Density.from_arrays(within(arrays, f"{region}."), self.hyper.device)
            for region in arrays["regions"].tolist()
        }

    def _region(self, region: int) -> _Density:
        if region not in self._regions:
            msg = (
                f"method {self.name!r}: no simulated background was in region {region}, where "
                "events are to be scored; simulate it, or leave the region out"
            )
            raise InputError(msg)
        return self._regions[region]

    def _learn(self, events: Sample, region: int, seed: int) -> _Density:
        weight = events.weights
        total, effective = float(weight.sum()), effective_number(weight)
        if not total > 0:
            msg = (
                f"method {self.name!r}: the weights of the {len(events)} simulated events in region "
                f"{region} sum to {total:g}; simulate more, or leave the region out"
            )
            raise InputError(msg)
        if effective < self.hyper.min_events:
            msg = (
                f"method {self.name!r}: the {len(events)} simulated events in region {region} are "
                f"worth {effective:.0f}, too few to learn from, where {self.hyper.min_events} are "
                "needed; simulate more, or leave the region out"
            )
            raise InputError(msg)
        x = events.features
        kept = x.min(axis=0) < x.max(axis=0)
        if not kept.any():
            msg = f"method {self.name!r}: all features are constant in region {region}; give others"
            raise InputError(msg)
        self._refuse_equal(x, kept, region)
        gaps = Gaps.find(x[:, kept])
        x, constants = gaps.forward(x[:, kept])[0], x[0].astype(np.float64)
        first = Marginals.fit(x, np.abs(weight))
        rng = np.random.default_rng([seed, region + (1 << 40)])
        u = rng.random(x.shape)
        weight = resample_cells(first.forward(x, u)[0], weight)
        marginals = Marginals.fit(x, weight)
        z = marginals.forward(x, u)[0].clip(-_FAR, _FAR)
        flow = None
        if z.shape[1] > 1:
            batch = min(self.hyper.flow.batch, max(len(z) // _STEPS, _FEWEST_IN_BATCH))
            flow = fit_flow(
                z,
                np.zeros(len(z)),
                hyper=replace(self.hyper.flow, batch=batch),
                seed=int(rng.integers(1 << 32)),
                weight=weight,
                device=self.hyper.device,
                identity=range(z.shape[1]),
            )
        return _Density(kept, constants, gaps, marginals, flow)

    def _refuse_equal(self, x: NDArray[Any], kept: NDArray[np.bool_], region: int) -> None:
        """Refuse a feature that is another one again: their density is on a line."""
        for one, other in combinations(np.flatnonzero(kept), 2):
            if np.array_equal(x[:, one], x[:, other]):
                msg = (
                    f"method {self.name!r}: the features {self._names[one]!r} and "
                    f"{self._names[other]!r} are the same in all events of region {region}; leave "
                    "one of them out"
                )
                raise InputError(msg)


@dataclass(frozen=True, eq=False)
class _Density:
    """What was learnt of a region: which features vary, their gaps, marginals, and the flow of all."""

    kept: NDArray[np.bool_]
    constants: NDArray[np.float64]
    gaps: Gaps
    marginals: Marginals
    flow: ConditionalFlow | None

    def log_density(self, x: NDArray[Any], draws: int) -> NDArray[np.float64]:
        """Return log p; the density of the flow in z, times that of the marginals over a normal."""
        x, log_jacobian = self.gaps.forward(x[:, self.kept])
        points = np.random.default_rng(0).random((draws, x.shape[1]))  # the same for all events
        if not self.marginals.is_spread:
            points = points[:1]
        logs = []
        for u in points:
            z, log_density = self.marginals.forward(x, u)
            total = log_density.sum(axis=1)
            if self.flow is not None:
                z = z.clip(-_FAR, _FAR)
                normal = 0.5 * (np.square(z) + np.log(2 * np.pi)).sum(axis=1)
                total += self.flow.log_density(z, np.zeros(len(z))) + normal
            logs.append(total)
        return logsumexp(logs, axis=0) - np.log(len(points)) + log_jacobian

    def sample(self, n: int, seed: int) -> NDArray[np.float64]:
        """Return features of drawn events."""
        varying = int(self.kept.sum())
        if self.flow is None:
            z = np.random.default_rng(seed).standard_normal((n, varying))
        else:
            z = self.flow.sample(np.zeros(n), seed=seed)
        x = np.tile(self.constants, (n, 1))
        x[:, self.kept] = self.gaps.inverse(self.marginals.inverse(z))
        return x

    def arrays(self) -> dict[str, NDArray[Any]]:
        found = {"kept": self.kept, "constants": self.constants}
        found |= {f"gaps.{name}": each for name, each in self.gaps.arrays().items()}
        found |= {f"marginals.{name}": each for name, each in self.marginals.arrays().items()}
        if self.flow is not None:
            found |= {f"flow.{name}": each for name, each in self.flow.arrays().items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], device: str) -> _Density:
        flow = within(arrays, "flow.")
        return cls(
            arrays["kept"],
            arrays["constants"],
            Gaps.from_arrays(within(arrays, "gaps.")),
            Marginals.from_arrays(within(arrays, "marginals.")),
            ConditionalFlow.from_arrays(flow, device=device) if flow else None,
        )
