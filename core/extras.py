"""Optional packages: which extra of this distribution brings them, and what to say without one."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from .errors import MissingExtraError

__all__ = ["DISTRIBUTIONS", "EXTRAS", "extra_for", "require", "skipped_without_extra"]

logger = logging.getLogger(__name__)

EXTRAS = {
    "torch": "networks",
    "nflows": "networks",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "kmedoids": "transport",
    "ot": "transport",
    "hepdata_lib": "hepdata",
    "pyBumpHunter": "bumphunter",
    "pythia8mc": "simulation",
    "aiohttp": "facilities",
    "bokeh": "facilities",
    "dask_gateway": "facilities",
    "dask_jobqueue": "facilities",
    "fsspec_xrootd": "facilities",
    "XRootD": "facilities",
}
"""Packages by their import names, and the extra that installs each."""

DISTRIBUTIONS = {"ot": "POT"}
"""What pip calls those that it calls otherwise, but for hyphens and capitals."""


@contextmanager
def extra_for(what: str) -> Iterator[None]:
    """Enclose imports that need an extra; if it is not installed, the error names it.

    Parameters
    ----------
    what : str
        What needs the packages, as the sentence begins: ``"method 'cathode'"``.

    Raises
    ------
    MissingExtraError
        If a package of `EXTRAS` is imported inside, in whatever module, and is not installed.

    Examples
    --------
    >>> with extra_for("the classifier 'networks'"):
    ...     import json  # or torch, or a module of ours that imports torch
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        name = DISTRIBUTIONS.get(package, package.replace("_", "-"))
        msg = f"{what} needs {name}: pip install 'overdensity[{EXTRAS[package]}]'"
        raise MissingExtraError(msg) from None


@contextmanager
def skipped_without_extra(file: str) -> Iterator[None]:
    """Enclose the writing of a file that needs an extra; without it a warning says so, and nothing is raised.

    Parameters
    ----------
    file : str
        What is not written then, as the sentence begins: ``"limits.hepdata"``.

    Examples
    --------
    >>> with skipped_without_extra("limits.hepdata"):
    ...     import json  # or a module that needs an extra, and what it writes
    """
    try:
        with extra_for(f"{file} is not written: it"):
            yield
    except MissingExtraError as missing:
        logger.warning("%s", missing)


def require(package: str, *, by: str) -> ModuleType:
    """Import a package that an extra installs.

    Parameters
    ----------
    package : str
        Its import name, such as ``"pythia8mc"``.
    by : str
        What needs it, as the sentence begins: ``"simulation"``.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If it is not installed: ``simulation needs pythia8mc: pip install
        'overdensity[simulation]'``.

    Examples
    --------
    >>> require("json", by="this example").__name__
    'json'
    """
    with extra_for(by):
        return importlib.import_module(package)
