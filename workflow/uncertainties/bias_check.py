"""The bias of all background functions on the spectrum of a search: ``bias.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core import Record
from ...stats import background_functions, spectrum_of
from ...stats.uncertainties.bias import BiasCell, bias_matrix
from ..config.search import SearchConfig
from ..stages.run import open_run
from ..stages.samples import load_sample

__all__ = ["BIASED", "BiasCheck", "check_bias"]

BIASED = 0.2
"""Mean pull from which on a bias is an uncertainty."""


@dataclass(frozen=True)
class BiasCheck(Record):
    """Every function fitted to pseudo-experiments of every function.

    Attributes
    ----------
    functions : tuple of str
        All functions.
    toys : int
        Pseudo-experiments of each mass.
    cells : tuple of BiasCell
        For every number of events, signal, generating and fitting function.
    """

    functions: tuple[str, ...]
    toys: int
    cells: tuple[BiasCell, ...]


def check_bias(config: SearchConfig, *, toys: int = 1000) -> tuple[BiasCheck, Path]:
    """Measure the bias of all functions on the spectrum of a search, and write it down.

    The functions that generate are fitted to the masses of the events, of data or simulation.

    Parameters
    ----------
    config : SearchConfig
        The search, whose columns are there.
    toys : int
        Pseudo-experiments of each mass.

    Returns
    -------
    BiasCheck
    Path
        Of ``bias.json`` in the run's folder.

    Raises
    ------
    InputError
        If there are no columns.
    FitError
        If a function cannot be fitted.
    """
    run = open_run(config)
    functions = tuple(background_functions())
    counts = spectrum_of(load_sample(run).mass, run.fit_edges).counts
    cells = bias_matrix(
        run.fit_edges,
        counts,
        functions=functions,
        masses=[window.center for window in run.windows],
        toys=toys,
        seed=config.seed,
    )
    found, path = BiasCheck(functions, toys, tuple(cells)), run.folder / "bias.json"
    found.to_json(path)
    return found, path
