"""The section of a search that says how the background of its selections is found."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ...core import ConfigError
from .registries import FunctionName
from .sections import PathText, Section

__all__ = ["EfficiencyConfig", "FitConfig"]

Background = Literal["function", "shaping", "transfer", "bump_hunt", "abcd"]

_OTHERS = {  # what each background is not made for, and why
    "shaping": "fits no function to the spectrum, which {what} would need",
    "transfer": "fits no function to the spectrum, which {what} would need",
    "bump_hunt": "looks in intervals of many widths, where {what} would need the one window of a mass",
    "abcd": "fits no function to the spectrum, which {what} would need",
}


class EfficiencyConfig(Section):
    """How a selection may bend the spectrum: log-odds of passing, a polynomial of ln(mass).

    Attributes
    ----------
    order : int
        Its degree.
    prior : {'measured'} or float
        Width of the Gaussian constraint of each term, from the slope on, as the rms of the log-odds over the
        scan range: a number, or as all windows of the search show it. With another ``fit.background`` than a
        function nothing is measured, and the terms are as good as free: the width is 1.
    """

    order: Annotated[int, Field(ge=0, le=6)] = 4
    prior: Literal["measured"] | Annotated[float, Field(gt=0)] = "measured"


class FitConfig(Section):
    """The background of the selections.

    Attributes
    ----------
    background : {'function', 'shaping', 'transfer', 'bump_hunt', 'abcd'}
        What a selection is compared with: the function, fitted before selection, times the smooth
        efficiency of the selection; without any function, the events before selection times that
        efficiency (a shaping function), or the events that fail times its odds (a transfer factor); the
        first of these in intervals of many widths (a bump hunt), with one score for all; or the
        events that pass one of two independent scores, or none (ABCD).
    widths : (int, int)
        Narrowest and widest interval of a bump hunt, bins of the scan; published are 2 to 7.
    function : str
        The background function: ``dijet3``, ``dijet4`` (LHCO 2020 eq. 4.3), ``dijet5``, or one
        that another package registers (`overdensity.stats.register_function`).
    bins_per_bin : int
        Bins of the fitted spectrum in each bin of the scan.
    efficiency : EfficiencyConfig
        How a selection may bend the spectrum.
    gof_threshold : float
        Goodness of fit below which a selection is flagged and not quoted.
    start : float or 'auto', optional
        Where fits and searched windows begin, in GeV, by default at the lower end of the scan; rounded
        up to an edge of the scan. Events below it are learnt from, and calibrate the scores. ``auto``:
        the lowest edge from which fits describe what lies outside their windows
        (`overdensity.stats.choose_start`).
    spurious : {'none', 'data'} or tuple of str
        Where the spurious signal of the function is measured, which enters as a nuisance: nowhere,
        on the unselected data, or on simulated background (Parquet files with the mass). ``data``
        is for studies: a signal among them counts as spurious and hides itself, so that neither
        p-values nor limits are to be quoted.
    """

    background: Background = "function"
    widths: tuple[Annotated[int, Field(ge=1)], int] = (2, 7)
    function: FunctionName = "dijet5"
    bins_per_bin: Annotated[int, Field(ge=1, le=100)] = 2
    efficiency: EfficiencyConfig = EfficiencyConfig()
    gof_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.003
    start: Literal["auto"] | Annotated[float, Field(gt=0)] | None = None
    spurious: Literal["data", "none"] | Annotated[tuple[PathText, ...], Field(min_length=1)] = (
        "none"
    )

    @property
    def has_one_score(self) -> bool:
        """Whether all windows are searched with the same score, which knows none of them."""
        return self.background in {"bump_hunt", "abcd"}

    @property
    def multiplied(self) -> Literal["function", "shaping", "transfer"]:
        """What the efficiency of a selection multiplies: a function, or counted events (`FitModel`)."""
        counted = self.background
        return counted if counted == "shaping" or counted == "transfer" else "function"  # noqa: PLR1714

    @property
    def fits_function(self) -> bool:
        """Whether a function is fitted to the spectrum."""
        return self.background in {"function", "bump_hunt"}

    def check_fitted(self, what: str) -> None:
        """Refuse what is made for a function that is fitted beside one window, where none is.

        Raises
        ------
        ConfigError
            With another background.
        """
        if self.background != "function":
            why = _OTHERS[self.background].format(what=what)
            msg = f"fit.background: {self.background} {why}; set fit.background: function"
            raise ConfigError(msg)

    def check_scores(self, name: str, *, windowed: bool, two: bool) -> None:
        """Refuse a method that has not the scores that the background is made of.

        Parameters
        ----------
        name : str
            The method.
        windowed, two : bool
            Whether it learns another score in each window, and whether it has two.

        Raises
        ------
        ConfigError
            If it has not.
        """
        if self.background == "abcd" and not two:
            msg = (
                f"fit.background: abcd needs two independent scores, and method {name!r} has one; give "
                "method: {name: double_disco, signals: [...]} and simulation"
            )
            raise ConfigError(msg)
        if self.has_one_score and windowed:
            msg = (
                f"fit.background: {self.background} has one score for all windows, and method {name!r} "
                "learns another one in each; choose a method that looks for outliers, such as "
                "mahalanobis, or set fit.background: function"
            )
            raise ConfigError(msg)

    @model_validator(mode="after")
    def _intervals_have_widths(self) -> Self:
        narrowest, widest = self.widths
        if narrowest > widest:
            msg = (
                f"widths: the narrowest interval has {narrowest} bins, the widest {widest}; give the "
                "smaller number first"
            )
            raise ValueError(msg)
        return self
