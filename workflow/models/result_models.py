"""The result of a search as models: pyhf workspaces and a datacard of combine."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...core import FitError
from ...core.records import write_text_atomic
from ...stats import FitModel, HuntResult, best_workspace
from ...stats.workspaces.categories import Categories
from ...stats.workspaces.datacard import write_datacard
from ...stats.workspaces.shape import best_categories, categories_workspace
from .written_files import START_FILE, note_files

__all__ = ["HISTOGRAMS", "MODELS", "without_models", "write_models", "write_whole_range"]

_WINDOW, _WHOLE = ("workspace.json",), ("workspace_shape.json", "datacard.txt", "datacard.root")
MODELS = (*_WINDOW, *_WHOLE)
"""The files that are there where a result can be modelled."""

HISTOGRAMS = "histograms.json"
"""The features of the selected events, beside the models."""


def write_models(folder: Path, result: HuntResult, model: FitModel) -> tuple[str, ...]:
    """Write the best window's model and that of the whole range; what has none is taken away.

    Returns the flags of models that could not be made of a result, whose flags say it where there is none.

    Parameters
    ----------
    folder : Path
        Of the run.
    result : HuntResult
        The statistical step.
    model : FitModel
        As it was made with.
    """
    if result.best is None:
        without_models(folder)
        return ()
    flags: tuple[str, ...] = ()
    try:
        window = best_workspace(result)
        write_text_atomic(folder / _WINDOW[0], json.dumps(window, indent=1))
    except FitError as error:
        flags = _without(folder, _WINDOW, error)
    return flags + write_whole_range(folder, partial(best_categories, result, model=model))


def write_whole_range(folder: Path, make: Callable[[], Categories]) -> tuple[str, ...]:
    """Write the model of all bins as a workspace and as a datacard; without one, none is left there.

    Returns the flag of a model that could not be made.

    Parameters
    ----------
    folder : Path
        Of the run.
    make : callable
        Returns the model, or raises FitError where there is none.
    """
    flags: tuple[str, ...] = ()
    try:
        whole = make()
        write_text_atomic(folder / _WHOLE[0], json.dumps(categories_workspace(whole)))
        write_datacard(whole, folder / _WHOLE[1])
    except FitError as error:
        flags = _without(folder, _WHOLE, error)
    note_files(folder, (START_FILE, HISTOGRAMS, *MODELS))
    return flags


def without_models(folder: Path) -> None:
    """Take away the models of an earlier result, where this one has none.

    Parameters
    ----------
    folder : Path
        Of the run.
    """
    _take_away(folder, MODELS)
    note_files(folder, (START_FILE, HISTOGRAMS))


def _without(folder: Path, names: tuple[str, ...], error: FitError) -> tuple[str]:
    """Take away the model of an earlier result, and say why there is none of this one."""
    _take_away(folder, names)
    return (f"no {names[0]}: {error}",)


def _take_away(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
