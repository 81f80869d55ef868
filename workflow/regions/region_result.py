"""``regions.json``: what a search in regions has found, and which limits it sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...core import Record
from ...core.tables import Printed, Table
from ...stats.limits.discoveries import Discovery
from ...stats.limits.profiled import UpperLimit
from ...stats.search.printed import probability
from ...stats.workspaces.score_shape import Template
from ...stats.workspaces.visible import VisibleCounts
from ..stages.provenance import Provenance

__all__ = ["BenchmarkLimit", "RegionSearchResults", "RegionShape"]


@dataclass(frozen=True)
class FeatureClosure(Record):
    """A feature in simulated background and in events drawn from the flow, in shares of all events.

    Attributes
    ----------
    name : str
        The feature.
    edges : tuple of float
        Of the bins, which leave out one event in a hundred.
    simulated, errors : tuple of float
        Weighted simulated background, and its statistical errors.
    drawn : tuple of float
        Events drawn from the flow.
    """

    name: str
    edges: tuple[float, ...]
    simulated: tuple[float, ...]
    errors: tuple[float, ...]
    drawn: tuple[float, ...]


@dataclass(frozen=True)
class RegionShape(Record):
    """The score of one region.

    Attributes
    ----------
    name : str
        The region.
    simulated : int
        Simulated background events.
    effective : float
        What they are worth, (Σw)² / Σw².
    auc, p_closure : float or None
        Of the trees that tell events of the flow from simulated background; None without a flow.
    edges : tuple of float
        Inner edges of the bins of -log p; the outer ones are infinite.
    observed : tuple of float
        Data in each bin.
    backgrounds, signals : dict of str to Template
        Expected events in each bin.
    closure : tuple of FeatureClosure
        Features of events drawn from the flow, beside those of simulated background.
    """

    name: str
    simulated: int
    effective: float
    auc: float | None
    p_closure: float | None
    edges: tuple[float, ...]
    observed: tuple[float, ...]
    backgrounds: dict[str, Template]
    signals: dict[str, Template]
    closure: tuple[FeatureClosure, ...] = ()

    @property
    def expected(self) -> float:
        """Background events expected in all bins."""
        return sum(sum(each.events) for each in self.backgrounds.values())


@dataclass(frozen=True)
class BenchmarkLimit(Record):
    """A benchmark signal in the fit of all regions.

    Attributes
    ----------
    name : str
        The signal.
    mass : float or None
        As the configuration gives it, GeV.
    cross_section : float
        Predicted, fb.
    events : float
        Predicted signal events in all regions.
    strength : UpperLimit
        Limit on cross section over prediction.
    observed : float
        Limit on the cross section, fb.
    expected : tuple of float
        At the quantiles -2, -1, 0, +1, +2 σ of the background-only expectation, fb.
    discovery : Discovery
        Strength and significance of the signal in the data.
    classifier : UpperLimit or None
        As `strength`, of a classifier that was trained on this signal; None where there is none.
    """

    name: str
    mass: float | None
    cross_section: float
    events: float
    strength: UpperLimit
    observed: float
    expected: tuple[float, float, float, float, float]
    discovery: Discovery
    classifier: UpperLimit | None = None

    @property
    def ratio(self) -> float | None:
        """Expected limit of the flows over that of the classifier; None where there is none."""
        known = self.classifier
        return None if known is None else self.strength.expected[2] / known.expected[2]

    @property
    def classifier_expected(self) -> float | None:
        """Median expected limit of the classifier, fb; None where there is none."""
        known = self.classifier
        return None if known is None else known.expected[2] * self.cross_section


@dataclass(frozen=True)
class RegionSearchResults(Printed, Record):
    """What ``regions.json`` holds.

    Attributes
    ----------
    luminosity : float
        1/fb.
    regions : tuple of RegionShape
        In the order of their numbers.
    visible : VisibleCounts
        The most anomalous bin of each region, without a signal model.
    signals : tuple of BenchmarkLimit
        Benchmark signals.
    flags : tuple of str
        What a reader must know.
    provenance : Provenance
        Files, configuration and versions.
    """

    made_by: ClassVar[str] = "'overdensity run'"

    luminosity: float
    regions: tuple[RegionShape, ...]
    visible: VisibleCounts
    signals: tuple[BenchmarkLimit, ...]
    flags: tuple[str, ...]
    provenance: Provenance

    @property
    def sentence(self) -> str:
        """The model-independent result in words."""
        most = min(self.visible.regions, key=lambda each: each.p_local)
        relation = "≤" if self.visible.is_limit else "="
        return (
            f"{most.observed} events where {most.expected:.1f} ± {most.error:.1f} are expected in the "
            f"most anomalous bin of region {most.region}: local p = {most.p_local:.2g} "
            f"({most.z_local:.1f}σ), global p {relation} {self.visible.p_global:.2g} "
            f"({self.visible.z_global:.1f}σ)"
        )

    def table(self) -> Table:
        """Return a line a region: closure, the last bin, and its visible cross section."""
        rows = []
        for region, count in zip(self.regions, self.visible.regions, strict=True):
            observed, median = count.cross_section, count.cross_section_expected[2]
            rows.append(
                (
                    region.name,
                    f"{sum(region.observed):.0f}",
                    f"{region.expected:.1f}",
                    "–" if region.auc is None else f"{region.auc:.3f}",
                    f"{count.observed} ({count.expected:.1f} ± {count.error:.1f})",
                    probability(count.p_local),
                    f"{observed:.3g}",
                    f"{median:.3g}",
                )
            )
        return Table(
            "regions, their most anomalous bins, and limits on visible cross sections, fb, "
            f"{100 * self.visible.level:g} % CL",
            (
                *("region", "data", "expected", "AUC", "last bin (expected)", "local p"),
                *("σ vis", "median"),
            ),
            tuple(rows),
            left=1,
            notes=(self.sentence, *self.flags),
        )

    def signals_table(self) -> Table:
        """Return a line a benchmark signal: its limits and its significance."""
        rows = [
            (
                each.name,
                f"{each.cross_section:.3g}",
                f"{each.events:.1f}",
                f"{each.observed:.3g}",
                f"{each.expected[2]:.3g} [{each.expected[1]:.3g}, {each.expected[3]:.3g}]",
                f"{each.strength.observed:.2f}",
                f"{each.discovery.z:.1f}",
                "–" if each.classifier_expected is None else f"{each.classifier_expected:.3g}",
                "–" if each.ratio is None else f"{each.ratio:.2f}",
            )
            for each in self.signals
        ]
        return Table(
            "benchmark signals: cross sections and their limits, fb, and the median one of a classifier, "
            f"{100 * self.visible.level:g} % CL",
            (
                *("signal", "predicted", "events", "limit", "expected [±1σ]"),
                *("of predicted", "z", "classifier", "flows / classifier"),
            ),
            tuple(rows),
            left=1,
        )
