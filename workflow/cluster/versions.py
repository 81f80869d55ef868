"""Whether a cluster and this process can work together: the versions on both sides."""

from __future__ import annotations

import logging
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, requires
from typing import Any, cast

from distributed import Client
from packaging.requirements import Requirement

from ...core import ConfigError

__all__ = ["MUST_AGREE", "check_versions", "compare_versions", "required_packages"]

logger = logging.getLogger(__name__)

MUST_AGREE = ("dask", "distributed", "cloudpickle")
_COMPARED = ("msgpack", "numpy", "awkward", "coffea", "fastjet", "overdensity")


def check_versions(client: Client) -> None:
    """Compare the versions of scheduler and workers with those of this process.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.

    Raises
    ------
    ConfigError
        If Python (3.x), dask, distributed or cloudpickle differ, so that tasks could not be read,
        or a package is missing that this one needs. Lesser differences are logged.
    """
    required = required_packages()
    # Plain numbers and words travel here, which also versions that differ understand.
    found = cast("dict[str, Any]", client.get_versions(packages=[*_COMPARED, *required]))
    places = {"the scheduler": found["scheduler"]["packages"]}
    places |= {f"worker {name}": info["packages"] for name, info in found["workers"].items()}
    for difference in compare_versions(found["client"]["packages"], places, required):
        logger.warning("cluster: %s", difference)


def compare_versions(
    here: dict[str, str | None],
    places: dict[str, dict[str, str | None]],
    required: tuple[str, ...] = (),
) -> list[str]:
    """Return lesser differences between versions, one sentence each; see `check_versions`.

    Parameters
    ----------
    here : dict of str to str
        Versions in this process.
    places : dict of str to dict
        The same of the scheduler and of each worker.
    required : tuple of str
        Packages that must be everywhere.

    Raises
    ------
    ConfigError
        For a difference with which no task would run.
    """
    differences: dict[tuple[str, str], list[str]] = defaultdict(list)
    for place, there in places.items():
        for name in ("python", *MUST_AGREE):
            if _series(name, there.get(name)) != _series(name, here.get(name)):
                msg = (
                    f"cluster: {place} has {name} {there.get(name) or 'missing'}, this process "
                    f"{here.get(name)}: with both, tasks cannot be read; install the same version"
                )
                raise ConfigError(msg)
        missing = [name for name in required if there.get(name) is None]
        if missing:
            msg = f"cluster: {place} lacks {', '.join(missing)}; install what overdensity needs"
            raise ConfigError(msg)
        for name in ("python", *_COMPARED):
            if there.get(name) != here.get(name):
                differences[name, there.get(name) or "missing"].append(place)
    return [
        f"{_who(where)} {name} {version}, this process {here.get(name)}"
        for (name, version), where in differences.items()
        if name != "overdensity"  # it is sent (`shipping`)
    ]


def required_packages() -> tuple[str, ...]:
    """Return the names of the packages that this one needs, without its extras."""
    try:
        lines = requires("overdensity") or []
    except PackageNotFoundError:  # run from a folder: there is no list
        return ()
    requirements = [Requirement(line) for line in lines]
    return tuple(
        requirement.name
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    )


def _series(name: str, version: str | None) -> str | None:
    """Return the part of a version that must agree: 3.11 of Python, all of a package's."""
    if name == "python" and version is not None:
        return ".".join(version.split(".")[:2])
    return version


def _who(places: list[str]) -> str:
    if len(places) == 1:
        return f"{places[0]} has"
    return f"{places[0]} and {len(places) - 1} more have"
