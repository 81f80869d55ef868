"""Several finished searches as channels of one: the same resonance mass, each event counted once."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...core import ConfigError, FitError, InputError, Record
from ...core.files.locks import locked
from ...core.identity import splitmix64
from ...core.records import write_text_atomic
from ...ml.blocks.reading import column_names
from ...ml.thin_windows import not_searched
from ...stats import count_patterns, selection_levels
from ...stats.combination.channels_hunt import hunt_channels
from ...stats.combination.joint import HuntChannel
from ...stats.combination.joint_result import CombinedResult
from ...stats.combination.overlap import remove_overlap
from ...stats.combination.workspace import combined_workspace
from ...stats.p_values.repeats import shared_variance
from ..config.search import SearchConfig
from ..drawing import COLOURS, STYLE, save_figure
from ..stages.background_function import all_counts, fabricated_fraction, spurious_of
from ..stages.inputs.event_files import event_files
from ..stages.provenance import Provenance, stage_key
from ..stages.run import Run
from ..stages.samples import load_masses
from ..stages.scores import Scores, read_scores
from ..stages.search_result import HIDES_SIGNAL
from ..stages.selecting import calibrated_scores, levels_of, sculpting_of

__all__ = [
    "ChannelEvents",
    "CombinedSearch",
    "combination_figure",
    "combine_searches",
    "search_flags",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChannelEvents(Record):
    """The events of a channel.

    Attributes
    ----------
    name, mass : str
        Of the channel; of the column of its resonant mass.
    scored : int
        Events in the scan range.
    removed : int
        Those of them that belong to an earlier channel.
    """

    name: str
    mass: str
    scored: int
    removed: int


@dataclass(frozen=True)
class CombinedSearch(Record):
    """What ``combination.json`` holds.

    Attributes
    ----------
    result : CombinedResult
        The statistical step.
    events : tuple of ChannelEvents
        In the order in which channels keep common events.
    flags : tuple of str
        What a reader must know, in plain sentences; empty when all is well.
    key : str
        Hash of all that this depends on: an unchanged one is not made again.
    provenance : Provenance
        Versions, configurations by channel, inputs.
    """

    schema = 3  # since all partitions into folds of a channel count
    made_by = "'overdensity combine'"

    result: CombinedResult
    events: tuple[ChannelEvents, ...]
    flags: tuple[str, ...]
    key: str
    provenance: Provenance


def combine_searches(configs: Mapping[str, SearchConfig], out: Path) -> CombinedSearch:
    """Search for one resonance in the channels of several scored searches.

    An event belongs to the first channel that has it, whatever its scores and wherever its masses
    lie: a channel has all events of its columns whose resonant mass is positive (the multijet
    processor writes zero where there is no third jet). Then the remaining events of each channel
    are selected and fitted anew. Number and seed of the pseudo-experiments are the largest number,
    and the first seed, of the searches.

    Writes ``combination.json``, ``combination.png`` and ``workspace.json`` (where there is a result
    to model); what is there already, made from the same searches, is not made again.

    Parameters
    ----------
    configs : mapping of str to SearchConfig
        The searches by the names of their channels, the one that keeps common events first.
    out : Path
        Folder of the result.

    Raises
    ------
    ConfigError
        If there are fewer than two searches, or their windows differ.
    InputError
        If scores are missing, events cannot be told apart, or a channel has none left.
    FitError
        If a channel has too few events to fit.
    """
    _check_windows(configs)
    for name, config in configs.items():
        config.fit.check_fitted(f"a combination ({name})")
        if config.fit.start == "auto":
            msg = (
                f"{name}: fit.start: auto is chosen by a search alone; for a combination give the mass "
                "that results.json has under fit_start"
            )
            raise ConfigError(msg)
    with locked(out / ".lock", what=str(out)):
        return _combined(configs, out)


def _combined(configs: Mapping[str, SearchConfig], out: Path) -> CombinedSearch:
    runs = {name: Run(config) for name, config in configs.items()}
    key = stage_key([(name, run.key("combination")) for name, run in runs.items()])
    found = CombinedSearch.earlier(out / "combination.json")
    if found is not None and found.key == key and (out / "combination.png").is_file():
        return found
    _check_ids({name: run.columns for name, run in runs.items()})
    owned = _owned(runs)
    channels, events, regions = {}, [], _regions(runs)
    for name, run in runs.items():
        parts = [read_scores(part) for part in run.partitions]
        kept = np.isin(parts[0].sample.event, owned[name])
        events.append(ChannelEvents(name, run.config.mass, kept.size, int(np.count_nonzero(~kept))))
        if not kept.any():
            msg = (
                f"{name}: all its {kept.size} events belong to channels before it; name the search "
                "with the more special events first"
            )
            raise InputError(msg)
        channels[name] = _channel(run, [_kept(scores, kept) for scores in parts], regions)
    first = next(iter(runs.values()))
    result = hunt_channels(
        channels,
        regions,
        pseudo_experiments=max(config.pseudo_experiments for config in configs.values()),
        seed=first.config.seed,
    )
    combined = CombinedSearch(
        result=result,
        events=tuple(events),
        flags=(
            *result.flags,
            *(
                f"{name}: {thin}"
                for name, run in runs.items()
                for thin in not_searched(run.left_out)
            ),
            *search_flags(configs, shared=any(each.removed for each in events)),
        ),
        key=key,
        provenance=Provenance.of(
            {name: config.model_dump(mode="json") for name, config in configs.items()},
            first.config.seed,
            sorted({name for config in configs.values() for name in event_files(config.events)}),
        ),
    )
    save_figure(combination_figure(result), out / "combination.png")
    try:
        write_text_atomic(out / "workspace.json", json.dumps(combined_workspace(result), indent=1))
    except FitError as error:  # no quotable window; the flags say so
        logger.warning("no workspace.json: %s", error)
        (out / "workspace.json").unlink(missing_ok=True)
    combined.to_json(out / "combination.json")
    return combined


def combination_figure(result: CombinedResult) -> Figure:
    """Draw the significance of each channel and of the combination at every mass."""
    mass = [hypothesis.mass / 1000 for hypothesis in result.hypotheses]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        for c, channel in enumerate(result.channels):
            points = [hypothesis.channels[c] for hypothesis in result.hypotheses]
            z = [np.nan if point is None else max(point.z_local or 0.0, 0.0) for point in points]
            colour = COLOURS[c % len(COLOURS)]
            axes.plot(mass, z, "o--", ms=4, color=colour, label=_legend(channel.name, channel))
        z = [max(hypothesis.z_local, 0.0) for hypothesis in result.hypotheses]
        axes.plot(mass, z, "o-", lw=2, color="black", label=_legend("combination", result))
        if result.best is not None:
            axes.plot(mass[result.best], z[result.best], "*", ms=15, color=COLOURS[2], zorder=5)
        axes.set_xlabel("resonance mass [TeV]")
        axes.set_ylabel("local significance [σ]")
        axes.set_ylim(
            0, 1.25 * max(3.0, *(np.nan_to_num(line.get_ydata()).max() for line in axes.lines))
        )
        axes.legend(loc="upper left", fontsize=9)
    return figure


def _legend(name: str, searched: Any) -> str:
    if searched.global_p is None:
        return name
    bound = "≥ " if searched.global_p.is_limit else ""
    return f"{name}: {bound}{searched.global_p.z_global:.1f}σ global"


def _check_windows(configs: Mapping[str, SearchConfig]) -> None:
    """Refuse searches that do not ask for the same masses."""
    if len(configs) < 2:
        msg = f"a combination needs at least two searches, not {len(configs)}"
        raise ConfigError(msg)
    (first, reference), *others = configs.items()
    for name, config in others:
        if config.scan != reference.scan:
            differing = [
                f"scan.{key}: {ours:g} and {theirs:g}"
                for key, ours in reference.scan.model_dump().items()
                if ours != (theirs := getattr(config.scan, key))
            ]
            msg = (
                f"{first} and {name} have other mass hypotheses ({', '.join(differing)}); score them "
                "with the same scan"
            )
            raise ConfigError(msg)


def _check_ids(columns: Mapping[str, Sequence[str]]) -> None:
    """Refuse columns whose events cannot be recognised in those of another search."""
    if len({tuple(files) for files in columns.values()}) == 1:
        return  # ids made of file and row are the same ids
    for name, files in columns.items():
        for path in files:
            if "event" not in column_names(path):
                msg = (
                    f"{path}: no column 'event', so that events which {name} has in common with "
                    "other searches would count twice; add the 64-bit ids of the events"
                )
                raise InputError(msg)


def _owned(runs: Mapping[str, Run]) -> dict[str, NDArray[np.uint64]]:
    """Return the ids of the events that belong to each channel, at all masses."""
    members = {}
    for name, run in runs.items():
        sample = load_masses(run, run.columns)
        members[name] = sample.event[sample.mass > 0]
    kept = remove_overlap(members)
    return {name: members[name][kept[name]] for name in members}


def _kept(scores: Scores, kept: NDArray[np.bool_]) -> Scores:
    """Return the scores of some of the events."""
    return dataclasses.replace(
        scores,
        sample=scores.sample.take(kept),
        fold=scores.fold[kept],
        values=scores.values[:, kept],
    )


def _regions(runs: Mapping[str, Run]) -> list[tuple[float, float]]:
    """Return the signal regions that are searched in one channel at least, GeV."""
    return sorted({region for run in runs.values() for region in run.regions})


def _channel(
    run: Run, scores: Sequence[Scores], regions: Sequence[tuple[float, float]]
) -> HuntChannel:
    """Select among the events of a channel as its own search would, in all its partitions."""
    config, first = run.config, scores[0]
    searched = np.array([region in run.regions for region in regions])
    selected = [
        _selected(part, of_part, searched)
        for part, of_part in zip(run.partitions, scores, strict=True)
    ]
    levels = np.stack([passed for passed, _ in selected])
    fraction, counts = np.zeros(len(regions)), all_counts(run, first)
    fraction[searched] = fabricated_fraction(run, counts, spurious_of(run, counts))
    return HuntChannel(
        patterns=[count_patterns(first.sample.mass, each, run.fit_edges) for each in levels],
        efficiencies=config.selections,
        model=run.fit_model,
        spurious=fraction,
        refused=np.stack([refused for _, refused in selected]),
        variance=shared_variance(first.sample.mass, levels, regions, len(config.cuts)),
        searched=searched,
    )


def _selected(
    run: Run, scores: Scores, searched: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Return the selections that events pass in each region, and which of them are refused.

    Of regions that are not searched, no selection counts; events are drawn for them at random.
    """
    cuts, ids = run.config.cuts, splitmix64(scores.sample.event)
    cut_on = calibrated_scores(run, scores)
    drawn = selection_levels(np.zeros(len(ids)), scores.fold, cuts, events=ids)
    passed = np.repeat(drawn[:, None], len(searched), axis=1)
    passed[:, searched] = levels_of(run, cut_on)
    refused = np.zeros((len(searched), len(cuts)), dtype=bool)
    refused[searched] = sculpting_of(run, cut_on).refused
    return passed, refused


def search_flags(configs: Mapping[str, SearchConfig], *, shared: bool) -> tuple[str, ...]:
    """Return flags where p-values are not to be quoted, or models may have learnt from each other.

    The models of a channel may have seen events that now belong to another. With the same folds and
    tournament in all searches that does no harm: of any two folds, at most one teaches the other,
    in whatever channel, so that the excesses of both are uncorrelated (docs/combination.md).

    Parameters
    ----------
    configs : mapping of str to SearchConfig
        The searches.
    shared : bool
        Whether they have events in common.

    Returns
    -------
    tuple of str
    """
    flags = [
        f"{name}: {HIDES_SIGNAL}"
        for name, config in configs.items()
        if config.fit.spurious == "data"
    ]
    flags += [
        f"{name}: cross_fitting: all lets folds learn from each other: the p-values are too small"
        for name, config in configs.items()
        if config.cross_fitting == "all"
    ]
    if shared and len({(config.folds, config.seed) for config in configs.values()}) > 1:
        flags.append(
            "the searches were trained on common events but divide them into other folds (folds, "
            "seed): their models may have learnt from each other, and the p-values be too small; "
            "score them with the same folds and seed"
        )
    return tuple(flags)
