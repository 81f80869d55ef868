"""The section of a search that says which events are searched, and which validate it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from .sections import Section

__all__ = ["CutConfig", "RegionConfig"]


class CutConfig(Section):
    """What a column must be: at least one number, below another, or both.

    Attributes
    ----------
    column : str
        A column of numbers, which need not be a feature.
    above, below : float, optional
        In the unit of the column; an event at ``above`` passes, one at ``below`` does not.
    """

    column: str
    above: FiniteFloat | None = None
    below: FiniteFloat | None = None

    @model_validator(mode="after")
    def _some_event_can_pass(self) -> Self:
        if self.above is None and self.below is None:
            msg = f"a cut on {self.column} needs above, below or both"
            raise ValueError(msg)
        if self.above is not None and self.below is not None and self.above >= self.below:
            msg = f"no {self.column} is at least {self.above:g} and below {self.below:g}"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        """Say the cut in symbols."""
        low = "" if self.above is None else f"{self.above:g} ≤ "
        return f"{low}{self.column}{'' if self.below is None else f' < {self.below:g}'}"


def _by_column(value: Any) -> Any:
    """Return cuts that are given by their columns as a list of them."""
    if not isinstance(value, Mapping):
        return value
    return [
        {"column": column, **cut} if isinstance(cut, Mapping) else cut
        for column, cut in value.items()
    ]


class RegionConfig(Section):
    """Cuts that divide the events into a search region and a validation region.

    Attributes
    ----------
    cuts : tuple of CutConfig
        By column in YAML: ``cuts: {delta_eta: {below: 1.3}}``. An event passes that passes all.
    side : {'pass', 'fail'}
        Which events are searched: those that pass, or the others (``overdensity validate region``).

    Examples
    --------
    >>> region = RegionConfig(cuts={"delta_eta": {"above": -1.3, "below": 1.3}})
    >>> str(region), str(region.opposite)
    ('events with -1.3 ≤ delta_eta < 1.3', 'events without -1.3 ≤ delta_eta < 1.3')
    >>> region.keeps({"delta_eta": np.array([-2.0, 0.1, 1.3])}).tolist()
    [False, True, False]
    """

    cuts: Annotated[tuple[CutConfig, ...], BeforeValidator(_by_column), Field(min_length=1)]
    side: Literal["pass", "fail"] = "pass"

    @property
    def opposite(self) -> Self:
        """The region of all other events."""
        return self.model_copy(update={"side": "fail" if self.side == "pass" else "pass"})

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are cut on, each once."""
        return tuple(dict.fromkeys(cut.column for cut in self.cuts))

    def keeps(self, columns: Mapping[str, NDArray[np.floating[Any]]]) -> NDArray[np.bool_]:
        """Return which events lie in the region, shape (n_events,), from the columns by name."""
        passed = np.ones(len(columns[self.cuts[0].column]), np.bool_)
        for cut in self.cuts:
            value = columns[cut.column]
            passed &= (cut.above is None) | (value >= (cut.above or 0.0))
            passed &= (cut.below is None) | (value < (cut.below or 0.0))
        return passed if self.side == "pass" else ~passed

    def __hash__(self) -> int:
        """Let what is read be kept by its region."""
        return hash((self.cuts, self.side))

    def __str__(self) -> str:
        """Say which events, in words."""
        return f"events {'with' if self.side == 'pass' else 'without'} {' and '.join(map(str, self.cuts))}"
