"""``comparison.json`` and its figure: columns of data against columns of simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...core import ConfigError, Record
from ...core.files.outputs import own_folder
from ...core.identity import no_feature
from ...ml import Comparison, compare
from ...ml.blocks.equal_events import refuse_shared_events
from ..drawing import save_figure
from ..stages.inputs.event_files import column_paths
from ..stages.provenance import Provenance
from ..stages.samples import load_grouped
from .comparison_figure import plot_comparison

__all__ = ["ComparedFiles", "compare_files"]


@dataclass(frozen=True)
class ComparedFiles(Record):
    """What ``comparison.json`` holds.

    Attributes
    ----------
    result : Comparison
        All regions.
    provenance : Provenance
        Files, options and versions.
    """

    made_by: ClassVar[str] = "'overdensity validate compare'"

    result: Comparison
    provenance: Provenance


def compare_files(
    data: str,
    simulation: str,
    out: Path,
    *,
    features: Sequence[str],
    groups: str | None = None,
    folds: int = 5,
    permutations: int = 9999,
    seed: int = 1,
) -> ComparedFiles:
    """Compare files of columns, and write ``comparison.json`` and ``comparison.png``.

    Parameters
    ----------
    data, simulation : str
        Parquet files of columns: a file, a folder or a pattern. A column ``weight`` is the weights.
    out : Path
        Folder of the result.
    features : sequence of str
        Columns of numbers that are compared.
    groups : str, optional
        Column of whole numbers that divides the events into regions.
    folds, permutations, seed : int
        As :func:`~overdensity.ml.compare` takes them.

    Raises
    ------
    InputError
        If a file, column or region cannot be compared.
    ConfigError
        If an option cannot be used.
    """
    doubled = sorted({name for name in features if list(features).count(name) > 1})
    if msg := no_feature(features):
        raise ConfigError(msg)
    if not features or doubled or groups in features:
        wrong = doubled[0] if doubled else groups if features else ""
        msg = (
            f"--features: {wrong!r} cannot be compared; name columns once, without that of --groups"
        )
        raise ConfigError(msg)
    with own_folder(out):
        paths = [column_paths([each]) for each in (data, simulation)]
        samples = [load_grouped(files, features, groups)[0] for files in paths]
        refuse_shared_events(
            [each.event for each in samples],
            [each.features for each in samples],
            [data, simulation],
        )
        result = compare(*samples, folds=folds, permutations=permutations, seed=seed)
        options = {
            "data": data,
            "simulation": simulation,
            "features": list(features),
            "groups": groups,
            "folds": folds,
            "permutations": permutations,
        }
        found = ComparedFiles(result, Provenance.of(options, seed, [*paths[0], *paths[1]]))
        save_figure(plot_comparison(result, *samples), out / "comparison.png")
        found.to_json(out / "comparison.json")
    return found
