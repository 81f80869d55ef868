"""The result of a search as models: pyhf workspaces and a datacard of combine."""

from __future__ import annotations

import json
import logging

from ...core import FitError
from ...core.records import write_text_atomic
from ...stats import HuntResult, best_workspace
from ...stats.workspaces.datacard import write_datacard
from ...stats.workspaces.shape import best_categories, categories_workspace
from .run import Run

__all__ = ["MODELS", "write_models"]

logger = logging.getLogger(__name__)

_WINDOW, _WHOLE = ("workspace.json",), ("workspace_shape.json", "datacard.txt", "datacard.root")
MODELS = (*_WINDOW, *_WHOLE)
"""The files that are there where a result can be modelled."""


def write_models(run: Run, result: HuntResult) -> None:
    """Write the best window's model and that of the whole range; what has none is taken away.

    Parameters
    ----------
    run : Run
        The search.
    result : HuntResult
        Its statistical step.
    """
    try:
        window = best_workspace(result)
        write_text_atomic(run.folder / _WINDOW[0], json.dumps(window, indent=1))
    except FitError as error:  # no quotable window; the flags say so
        _without(run, _WINDOW, error)
    try:
        whole = best_categories(result, model=run.fit_model)
        write_text_atomic(run.folder / _WHOLE[0], json.dumps(categories_workspace(whole)))
        write_datacard(whole, run.folder / _WHOLE[1])
    except FitError as error:
        _without(run, _WHOLE, error)


def _without(run: Run, names: tuple[str, ...], error: FitError) -> None:
    """Say why there is no such model, and take away that of an earlier result."""
    logger.warning("no %s: %s", names[0], error)
    for name in names:
        (run.folder / name).unlink(missing_ok=True)
