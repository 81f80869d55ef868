"""What ``limits:`` of the configuration may say: signals, injections, luminosity."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from .sections import Files, FilesSection, Section, each_once

__all__ = ["InjectionsConfig", "LimitsConfig", "SignalConfig", "without_generated"]

_FEWEST_REPEATS = 5
_HIGHEST_LEVEL = 0.999


def without_generated(name: str) -> str:
    """Say what a cross section without the number of generated events lacks."""
    return (
        f"{name} has a cross_section and no 'generated', so that the efficiency is not known: give the "
        "events generated for its files before any cut, or their sum of weights (sum_weights in the "
        ".simulation.json of overdensity simulate)"
    )


class SignalConfig(FilesSection):
    """Simulated events of one signal model; the files alone will do.

    Attributes
    ----------
    files : tuple of str
        Columns (Parquet) with the features and the mass of the search: paths, patterns, folders.
    mass : float, optional
        Mass of the resonance, GeV, where the limit is drawn; by default the median of the files.
    generated : float, optional
        Events generated for the files, or their sum of weights, before any cut: what a cross
        section stands for. By default the events in the files.
    cross_section : float, optional
        Prediction in fb, drawn beside the limits; it stands for ``generated`` events.
    """

    mass: Annotated[float, Field(gt=0)] | None = None
    generated: Annotated[float, Field(gt=0)] | None = None
    cross_section: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _cross_section_has_a_number(self) -> Self:
        if self.cross_section is not None and self.generated is None:
            raise ValueError(without_generated("it"))
        return self


class InjectionsConfig(Section):
    """Searches repeated, training included, on events with signal among them.

    Attributes
    ----------
    strengths : tuple of float
        Expected numbers of signal events, as many as the files hold before any selection of the
        search; in increasing order. Strength 0 is always there.
    repeats : int
        Random subsets of the signal at each strength, 5 at least: fewer do not show how much the
        efficiency varies from training to training, and a limit could not cover.
    """

    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    repeats: int = 5

    @field_validator("strengths")
    @classmethod
    def _strengths_increase(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(each_once(value)))

    @field_validator("repeats")
    @classmethod
    def _repeats_can_cover(cls, value: int) -> int:
        if value < _FEWEST_REPEATS:
            msg = (
                f"{value} repeats do not show how much the efficiency varies from training to "
                f"training, and the limit would not cover; give {_FEWEST_REPEATS} or more"
            )
            raise ValueError(msg)
        return value


class LimitsConfig(Section):
    """Upper limits: ``limits:`` of the configuration.

    Attributes
    ----------
    level : float
        Confidence level, 0.999 at most.
    signals : dict of str to SignalConfig
        Signal models by name.
    injections : InjectionsConfig, optional
        Limits with the training repeated on injected signal; none by default.
    background : tuple of str, optional
        Columns of background-only events (simulation): injections then go into pseudo-data drawn
        from them, by default into the data with smeared masses. Never into the data as they are.
    luminosity : float, optional
        Of the data, in 1/fb; with it limits are cross sections too.
    """

    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    signals: dict[str, SignalConfig] = Field(default_factory=dict)
    injections: InjectionsConfig | None = None
    background: Files | None = None
    luminosity: Annotated[float, Field(gt=0)] | None = None

    @field_validator("level")
    @classmethod
    def _level_can_be_held(cls, value: float) -> float:
        if value > _HIGHEST_LEVEL:
            msg = (
                f"a limit cannot be shown to cover at the level {value:g}; choose {_HIGHEST_LEVEL:g} "
                "at most, as 0.95"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _injections_are_of_a_signal(self) -> Self:
        if self.injections is not None and not self.signals:
            msg = "injections need a signal; give limits.signals: {name: files}"
            raise ValueError(msg)
        if self.background is not None and self.injections is None:
            msg = "background is for injections; give limits.injections.strengths"
            raise ValueError(msg)
        return self
