"""Names in a configuration that stand for something registered in another room.

One line for each registry; what is registered there, also by an installed package, can be named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from ...core import nearest_names

__all__ = ["FormatName", "FunctionName", "MethodName", "ProcessorName", "check_bins"]

_FORMAT_WORDS = ("auto", "columns")  # told from the names of the files; nothing to process


def _format(name: str) -> str:
    from ...processors.sources.source import SOURCES  # noqa: PLC0415 - registries are opened when needed

    return (
        name
        if name in _FORMAT_WORDS
        else _known("format", name, [*_FORMAT_WORDS, *SOURCES.names()])
    )


def _function(name: str) -> str:
    from ...stats.spectra.functions import FUNCTIONS  # noqa: PLC0415

    return _known("background function", name, FUNCTIONS.names())


def check_bins(key: str, name: str, bins: int) -> None:
    """Refuse a background function that has no bin left over to be tested in.

    Parameters
    ----------
    key : str
        Where the configuration names the function.
    name : str
        The function.
    bins : int
        Bins whose deviance tells the goodness of its fit.

    Raises
    ------
    ValueError
        If it has as many parameters as there are bins, or more.

    Examples
    --------
    >>> check_bins("fit.function", "dijet5", 4)
    Traceback (most recent call last):
    ValueError: fit.function: dijet5 has 5 parameters, and only 4 bins can tell whether it fits...
    """
    from ...stats.spectra.functions import n_parameters  # noqa: PLC0415

    number = n_parameters(name)
    if number >= bins:
        msg = (
            f"{key}: {name} has {number} parameters, and only {bins} bin{'s' * (bins != 1)} can tell "
            "whether it fits: those where fits are made, without a signal region and one bin of the scan "
            "on either side; raise scan.bins or fit.bins_per_bin, lower fit.start where it is set, or choose a "
            "function with fewer parameters"
        )
        raise ValueError(msg)


def _method(name: str) -> str:
    from ...ml.classifiers.kinds import CLASSIFIERS  # noqa: PLC0415
    from ...ml.method import METHODS  # noqa: PLC0415

    if name in CLASSIFIERS.names() and name not in METHODS.names():
        msg = (
            f"{name!r} is a kind of classifier, inside a method such as cwola: "
            f"method: {{name: cwola, classifier: {{kind: {name}}}}}"
        )
        raise ValueError(msg)
    return _known("method", name, METHODS.names())


def _processor(name: str) -> str:
    from ...processors import PROCESSORS  # noqa: PLC0415

    return _known("processor", name, PROCESSORS.names())


def _known(kind: str, name: str, names: Iterable[str]) -> str:
    """Return a name that is there, or refuse it with the nearest ones."""
    names = list(names)
    if name not in names:
        msg = f"no {kind} {name!r}: {nearest_names(name, names)}"
        raise ValueError(msg)
    return name


FormatName = Annotated[str, AfterValidator(_format)]
FunctionName = Annotated[str, AfterValidator(_function)]
MethodName = Annotated[str, AfterValidator(_method)]
ProcessorName = Annotated[str, AfterValidator(_processor)]
