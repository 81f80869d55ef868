"""The exception family: one class per kind of failure a user can cause or meet."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigError",
    "FitError",
    "InputError",
    "MissingExtraError",
    "OverdensityError",
    "first_line",
    "nearest_names",
]


class OverdensityError(Exception):
    """Base of all errors whose message is written for the user.

    The command line prints the message as one line, without a traceback, and exits with code 2.

    Parameters
    ----------
    problem : str
        What is wrong, and what to do, if nobody on the way may know better.
    remedy : str
        What to do, for those who do not.

    Examples
    --------
    >>> try:
    ...     raise FitError("3 bins are too few for 4 parameters; use more bins")
    ... except OverdensityError as error:
    ...     print(error)
    3 bins are too few for 4 parameters; use more bins
    >>> error = InputError("key.json: not a key", remedy="delete it")
    >>> print(error, error.problem, sep=" | ")
    key.json: not a key; delete it | key.json: not a key
    """

    def __init__(self, problem: str = "", *, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem

    @property
    def problem(self) -> str:
        """What is wrong, without the remedy."""
        return super().__str__()


class InputError(OverdensityError):
    """A file or a column cannot be used: missing, truncated, of the wrong shape, not finite.

    Examples
    --------
    >>> from overdensity.core import Record
    >>> Record.from_json("nowhere.json")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: nowhere.json: ...
    """


class ConfigError(OverdensityError):
    """A configuration key or value cannot be used.

    Examples
    --------
    >>> from overdensity.core.windows import scan_windows
    >>> scan_windows(bins=3)
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: scan: a window of 2 + 3 + 2 bins does not fit into 3; ...
    """


class FitError(OverdensityError):
    """A fit cannot be done: too few bins, no events, no convergence.

    Examples
    --------
    >>> from overdensity.stats import fit
    >>> fit([2500, 3000, 3500, 4000], [9, 2, 0], function="dijet3")
    Traceback (most recent call last):
    overdensity.core.errors.FitError: only 2 of 3 fitted bins have events; ...
    """


class MissingExtraError(OverdensityError):
    """An optional dependency is needed and not installed.

    Examples
    --------
    >>> from overdensity.core import extra_for
    >>> with extra_for("method 'cathode'"):
    ...     raise ModuleNotFoundError(name="torch")  # what import does
    Traceback (most recent call last):
    overdensity.core.errors.MissingExtraError: method 'cathode' needs torch: pip install 'overdensity[networks]'
    """


def first_line(error: BaseException) -> str:
    r"""Return the first line of what an error says, or its kind where it says nothing.

    Examples
    --------
    >>> first_line(ValueError("not a file\nmore of that")), first_line(KeyError())
    ('not a file', 'KeyError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def nearest_names(name: str, valid: Iterable[str], *, n: int = 3) -> str:
    """Say which valid names a misspelt one may have meant.

    Parameters
    ----------
    name : str
        What the user wrote.
    valid : iterable of str
        What could have been written.
    n : int
        The largest number of suggestions.

    Returns
    -------
    str
        ``"did you mean 'scan'?"``, or the list of all valid names where none is close.

    Examples
    --------
    >>> nearest_names("scn", ["scan", "seed"])
    "did you mean 'scan'?"
    >>> nearest_names("mJJ", ["mjj", "ht"])
    "did you mean 'mjj'?"
    """
    valid = list(valid)
    folded = {each.casefold(): each for each in valid}  # mJJ is mjj
    close = get_close_matches(name.casefold(), folded, n=n, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(repr(folded[match]) for match in close)}?"
    return f"valid names are {', '.join(repr(match) for match in sorted(valid))}"
