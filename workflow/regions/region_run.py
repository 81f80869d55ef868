"""A search in regions from columns to the report: flows, closure, one fit, limits with and without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from ...core import FitError
from ...core.extras import skipped_without_extra
from ...core.files.locks import locked
from ...core.records import write_text_atomic
from ...ml import Folding
from ...ml.flows.marginals import effective_number
from ...stats.limits.profiled import UpperLimit
from ...stats.workspaces.visible import visible_counts
from ..cluster.campaign import in_file_names
from ..models.written_files import write_configuration
from ..stages.inputs.event_files import column_paths
from ..stages.provenance import Provenance
from .region_classifier import learn_signal
from .region_closure import Closure, close
from .region_config import RegionSearchConfig
from .region_events import RegionEvents, read_events
from .region_fit import ScoredRegion, benchmark, refuse_empty_regions, scored_regions
from .region_report import write_region_report
from .region_result import BenchmarkLimit, RegionSearchResults, RegionShape
from .region_scores import RegionScores, learn_regions

__all__ = ["run_regions"]

_ALIKE = 0.55  # AUC up to which drawn events and background count as alike


def run_regions(config: RegionSearchConfig) -> RegionSearchResults:
    """Search in all regions; flows that are there already are not trained again.

    Writes ``regions.json``, ``workspace_<signal>.json`` of each signal, ``config.yaml`` and
    ``report.html`` into the run's folder, the flows into ``flows/``, and ``regions.hepdata/`` (with the
    extra ``hepdata``).

    Parameters
    ----------
    config : RegionSearchConfig
        The search.

    Raises
    ------
    InputError
        If files, columns or regions cannot be used, another process works in the folder, or it holds
        a search with windows.
    """
    folder = config.folder
    with locked(folder / ".lock", what=str(folder)):
        events = read_events(config)
        refuse_empty_regions(config, events)
        write_configuration(folder, config)
        scores = learn_regions(config, events, folder)
        closure = close(scores, events.background, seed=config.seed)
        processes = events.backgrounds | events.signals
        regions = scored_regions(
            config,
            events,
            scores.of(events.data),
            {name: scores.of(each.sample) for name, each in processes.items()},
        )
        results = _results(config, events, scores, regions, closure)
        results.to_json(folder / "regions.json")
        write_region_report(folder)
        with skipped_without_extra("regions.hepdata"):
            from .region_hepdata import write_region_hepdata  # noqa: PLC0415 - an extra

            write_region_hepdata(results, folder)
    return results


def _results(
    config: RegionSearchConfig,
    events: RegionEvents,
    scores: RegionScores,
    regions: list[ScoredRegion],
    closure: dict[int, Closure],
) -> RegionSearchResults:
    signals: list[BenchmarkLimit] = []
    without: list[str] = []
    for name in config.signals:
        path = config.folder / f"workspace_{in_file_names(name)}.json"
        try:
            limit, workspace = benchmark(config, name, regions)
        except FitError as error:
            path.unlink(missing_ok=True)  # of an earlier run
            without.append(f"signal {name}: no limit, as a fit failed: {error}")
            continue
        if config.classifier:
            taught, why = _classified(config, events, name, scores.folding)
            limit = replace(limit, classifier=taught)
            without += [f"signal {name}: {why}; no limit stands beside the flows'"] if why else []
        write_text_atomic(path, json.dumps(workspace, indent=2, allow_nan=False) + "\n")
        signals.append(limit)
    shapes = tuple(
        _shape(each, closure.get(number))
        for number, each in zip(events.names, regions, strict=True)
    )
    return RegionSearchResults(
        luminosity=config.luminosity,
        regions=shapes,
        visible=visible_counts(
            [each.with_signal(None) for each in regions],
            luminosity=config.luminosity,
            level=config.level,
            seed=config.seed,
        ),
        signals=tuple(signals),
        flags=(*events.flags, *_flags(events, scores, shapes), *without),
        provenance=Provenance.of(
            config.model_dump(mode="json"), config.seed, column_paths(config.files)
        ),
    )


def _classified(
    config: RegionSearchConfig, events: RegionEvents, name: str, folding: Folding
) -> tuple[UpperLimit | None, str]:
    """Return the limit on a signal by a classifier of its own, in the same fit, or why there is none."""
    classifier = learn_signal(events, name, folding)
    if classifier is None:
        return None, "too few simulated events for a classifier"
    regions = scored_regions(
        config,
        replace(events, signals={name: events.signals[name]}),
        classifier.of(events.data),
        {
            process: classifier.of(each.sample)
            for process, each in (events.backgrounds | {name: events.signals[name]}).items()
        },
    )
    try:
        return benchmark(config, name, regions)[0].strength, ""
    except FitError as error:
        return None, f"a fit with a classifier failed: {error}"


def _shape(region: ScoredRegion, closure: Closure | None) -> RegionShape:
    return RegionShape(
        name=region.name,
        simulated=len(region.weight),
        effective=float(effective_number(region.weight)),
        auc=None if closure is None else closure.auc,
        p_closure=None if closure is None else closure.p,
        edges=tuple(region.edges[1:-1].tolist()),
        observed=region.observed,
        backgrounds=region.backgrounds,
        signals=region.signals,
        closure=() if closure is None else closure.features,
    )


def _flags(events: RegionEvents, scores: RegionScores, shapes: Sequence[RegionShape]) -> list[str]:
    flags = [
        f"region {events.names[number]}: too few simulated events for a flow; it is one bin"
        for number in sorted(scores.thin)
    ]
    flags += [
        f"region {each.name}: too few simulated events to compare them with events of the flow"
        for number, each in zip(events.names, shapes, strict=True)
        if each.auc is None and number not in scores.thin
    ]
    flags += [
        f"region {each.name}: trees tell events of the flow from background with an AUC of "
        f"{each.auc:.3f}, above {_ALIKE:g}: its score is less sensitive than it could be"
        for each in shapes
        if each.auc is not None and each.auc > _ALIKE
    ]
    for each in shapes:
        expected, seen = each.expected, sum(each.observed)
        if seen == 0 and expected > 20:
            flags.append(f"region {each.name}: no data, where {expected:.0f} events are expected")
    return flags
