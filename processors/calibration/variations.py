"""Jet energy scale and resolution: the same events several times, with other jets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names
from ..columns.writer import NOMINAL
from ..jets.momentum import Jagged
from ..sources.chunks import absolute
from .corrections import CorrectionFile
from .smearing import matched_pt, normal_deviates, smearing_factor

__all__ = ["JetVariations"]

Floats = NDArray[np.float64]

SIGNS = {"up": 1.0, "down": -1.0}

_RADII = {"fat_jets": 0.8, "jets": 0.4}  # CMS
_OF_JETS = {"JetPt": "pt", "JetEta": "eta", "JetPhi": "phi", "JetMass": "mass", "JetA": "area"}
_KNOWN = (*_OF_JETS, "Rho")
_SMEAR = "JERSmear"
_OF_SMEAR = ("JetPt", "JetEta", "GenPt", "Rho", "EventID", "JER", "JERSF", "JERsf")


@dataclass(frozen=True)
class JetVariations:
    r"""Varies the energy of stored jets within the uncertainties of their calibration.

    For simulated events of CMS, with the corrections and uncertainties that CMS publishes as
    correctionlib files. In this order, each step on the result of the one before:

    1. `jec`, if given, replaces the correction of the jet energy that is in the file:
       ``pt (1 - raw_factor)`` times the new one.
    2. `jer`, if given, smears the resolution (`smearing`). This is ``nominal``; ``jer_up`` and
       ``jer_down`` use the scale factor's variations and the same random number of each jet.
    3. `jes`: ``jes_up`` and ``jes_down`` are ``nominal`` times :math:`1 \pm \delta`, with the
       relative uncertainty :math:`\delta` of the nominal jet. Sources of CMS have signs: where
       :math:`\delta < 0`, ``jes_up`` lowers the energy.

    The mass scales as pT does, the direction stays; the soft-drop mass scales in steps 2 and 3,
    not in 1, because CMS calibrates it by its subjets. ``raw_factor`` follows, so that the
    uncalibrated jet stays what it is. Jets are then in order of pT again. N-subjettiness and
    other ratios stay as stored. Other collections, and missing momentum, are left alone.

    Attributes
    ----------
    file : str
        The correctionlib file, any fsspec URL; workers must see it too.
    jes : str or mapping of str to str
        The correction that is the relative uncertainty, ``Summer19UL18_V5_MC_Total_AK8PFPuppi``;
        or several by the name of the variation, ``{"jes_flavor": "Summer19UL18_V5_MC_Flav…"}``,
        which gives ``jes_flavor_up`` and ``jes_flavor_down``.
    jer : str or None
        The scale factor of the resolution, ``Summer19UL18_JRV2_MC_ScaleFactor_AK8PFPuppi``. The
        resolution is that with ``PtResolution`` in place of ``ScaleFactor``.
    jec : str or None
        The correction of the energy, ``Summer19UL18_V5_MC_L1L2L3Res_AK8PFPuppi``.
    collection : str
        ``fat_jets`` or ``jets``.
    match : bool
        Smear with generator jets where there are matching ones. Without, all is random.
    smear_file : str or None
        Take the smearing factor from ``JERSmear`` of this file (CMS: ``jer_smear.json.gz``)
        rather than from `smearing`.

    Raises
    ------
    ConfigError
        If a correction is not in the file, or needs what is not known of a jet.
    InputError
        If a file cannot be read.

    Examples
    --------
    >>> import json
    >>> from tempfile import TemporaryDirectory
    >>> from overdensity.processors.jets.momentum import momenta
    >>> uncertainty = {
    ...     "name": "Total",
    ...     "version": 1,
    ...     "inputs": [{"name": "JetPt", "type": "real"}],
    ...     "output": {"name": "delta", "type": "real"},
    ...     "data": 0.02,
    ... }
    >>> jets = momenta(np.array([500.0]), np.zeros(1), np.zeros(1), np.array([1]))
    >>> events = ak.zip({"fat_jets": jets, "event": np.array([7], np.uint64)}, depth_limit=1)
    >>> with TemporaryDirectory() as folder:
    ...     with open(f"{folder}/jes.json", "w") as file:
    ...         json.dump({"schema_version": 2, "corrections": [uncertainty]}, file)
    ...     varied = JetVariations(f"{folder}/jes.json", jes="Total")
    ...     {name: these.fat_jets.pt.tolist() for name, these in varied(events)}
    {'nominal': [[500.0]], 'jes_up': [[510.0]], 'jes_down': [[490.0]]}
    """

    file: str
    jes: str | Mapping[str, str] = field(default_factory=dict)
    jer: str | None = None
    jec: str | None = None
    collection: str = "fat_jets"
    match: bool = True
    smear_file: str | None = None
    digests: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Look up all corrections, so that a wrong name is found before the run."""
        if self.collection not in _RADII:
            msg = (
                f"no calibrated jets {self.collection!r}: {nearest_names(self.collection, _RADII)}"
            )
            raise ConfigError(msg)
        if not (self.jes or self.jer or self.jec):
            msg = f"nothing to vary: give one of jes, jer and jec, names of corrections in {self.file}"
            raise ConfigError(msg)
        if bad := [name for name in self._sources if not name.isidentifier() or name == "jer"]:
            msg = f"jes: {bad[0]!r} cannot name a variation; use letters, digits and _, not jer"
            raise ConfigError(msg)
        paths = [absolute(self.file)]
        object.__setattr__(self, "file", paths[0])
        if self.smear_file is not None:
            paths.append(absolute(self.smear_file))
            object.__setattr__(self, "smear_file", paths[1])
        object.__setattr__(self, "digests", tuple(CorrectionFile(path).digest for path in paths))
        self._needed()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variations, without the nominal events."""
        varied = [*self._sources, *(["jer"] if self.jer else [])]
        return tuple(f"{name}_{sign}" for name in varied for sign in SIGNS)

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that must be read for it."""
        generated = (f"gen_{self.collection}",) if self.jer and self.match else ()
        return (self.collection, *generated, *(("rho",) if "Rho" in self._needed() else ()))

    @property
    def varied(self) -> tuple[str, ...]:
        """The collections that differ from one variation to the other."""
        return (self.collection,)

    def settings(self) -> dict[str, Any]:
        """Return what the versions depend on beside the events, as plain JSON values."""
        return {
            "jes": self._sources,
            "jer": self.jer,
            "jec": self.jec,
            "collection": self.collection,
            "match": self.match,
            "corrections": list(self.digests),
        }

    def __call__(self, events: ak.Array) -> Iterator[tuple[str, ak.Array]]:
        """Yield the nominal events, then those of each variation in the order of `names`.

        Parameters
        ----------
        events : ak.Array, shape (n_events,)
            With `collections` and ``event``.

        Raises
        ------
        InputError
            If the jets lack what a correction needs, or are outside the range of one.
        """
        inputs = self._inputs(events)
        calibration = self._calibration(inputs)
        inputs = _scaled(inputs, calibration)
        smearing = self._smearing(events, inputs)
        yield NOMINAL, self._with(events, calibration, smearing["nom"])

        nominal = _scaled(inputs, smearing["nom"])
        for name, correction in self._sources.items():
            delta = self._file.evaluate(correction, nominal)
            if len(delta) and not np.abs(delta).max() < 1:
                msg = (
                    f"{self.file}: {correction} is {delta.min():g} to {delta.max():g}, "
                    "not a relative uncertainty; jes is a correction such as ..._Total_..."
                )
                raise InputError(msg)
            for sign, direction in SIGNS.items():
                factor = smearing["nom"] * (1 + direction * delta)
                yield f"{name}_{sign}", self._with(events, calibration, factor)
        if self.jer:
            for sign in SIGNS:
                yield f"jer_{sign}", self._with(events, calibration, smearing[sign])

    @property
    def _sources(self) -> dict[str, str]:
        if isinstance(self.jes, str):
            return {"jes": self.jes} if self.jes else {}
        return dict(self.jes)

    @property
    def _file(self) -> CorrectionFile:
        return CorrectionFile.cached(self.file, self.digests[0])

    def _needed(self) -> frozenset[str]:
        """Return the inputs of all corrections."""
        needed = frozenset[str]()
        for name in (*self._sources.values(), *([self.jec] if self.jec else [])):
            needed |= self._file.inputs(name, _KNOWN)
        if self.jer:
            needed |= self._file.inputs(self.jer, (*_KNOWN, "systematic"))
            needed |= self._file.inputs(self._resolution, _KNOWN)
        if self.jer and self.smear_file is not None:
            needed |= CorrectionFile.cached(self.smear_file, self.digests[1]).inputs(
                _SMEAR, _OF_SMEAR
            )
        return needed

    @property
    def _resolution(self) -> str:
        if self.jer is None or "ScaleFactor" not in self.jer:
            msg = (
                f"jer: {self.jer!r} is not the name of a scale factor; "
                "it is like Summer19UL18_JRV2_MC_ScaleFactor_AK8PFPuppi"
            )
            raise ConfigError(msg)
        return self.jer.replace("ScaleFactor", "PtResolution")

    def _inputs(self, events: Jagged) -> dict[str, NDArray[Any]]:
        """Return what corrections may need of each jet, event after event."""
        jets = events[self.collection]
        needed = self._needed() | (frozenset({"raw_factor"}) if self.jec else frozenset())
        for name, extra in {"JetA": "area", "raw_factor": "raw_factor"}.items():
            if name in needed and extra not in ak.fields(jets):
                msg = (
                    f"the {self.collection} have no {extra}, which the corrections need; "
                    f"they have {', '.join(ak.fields(jets))}"
                )
                raise InputError(msg)
        of_jets = {**_OF_JETS, "raw_factor": "raw_factor"}
        counts = ak.to_numpy(ak.num(jets.pt, axis=1))
        inputs = {
            name: ak.to_numpy(ak.flatten(jets[field], axis=1)).astype(np.float64)
            for name, field in of_jets.items()
            if field in ak.fields(jets)
        }
        if "Rho" in needed:
            inputs["Rho"] = np.repeat(ak.to_numpy(events.rho).astype(np.float64), counts)
        inputs["event"] = np.repeat(ak.to_numpy(events.event), counts)
        inputs["index"] = ak.to_numpy(ak.flatten(ak.local_index(jets.pt, axis=1)))
        return inputs

    def _calibration(self, inputs: Mapping[str, NDArray[Any]]) -> Floats:
        """Return the factor on the stored jets that replaces their calibration."""
        if not self.jec:
            return np.ones(len(inputs["JetPt"]))
        raw = 1 - inputs["raw_factor"]
        return raw * self._file.evaluate(self.jec, _scaled(inputs, raw))

    def _smearing(self, events: Jagged, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """Return the factors on the calibrated jets: ``nom, up, down``."""
        if not self.jer:
            return {"nom": np.ones(len(inputs["JetPt"]))}
        pt = inputs["JetPt"]
        resolution = self._file.evaluate(self._resolution, inputs)
        generated = np.full(len(pt), -1.0)
        if self.match:
            jets = events[self.collection]
            calibrated = ak.zip(
                {
                    "pt": ak.unflatten(pt, ak.num(jets.pt, axis=1)),
                    "eta": jets.eta,
                    "phi": jets.phi,
                }
            )
            radius = _RADII[self.collection]
            generated = matched_pt(
                calibrated, events[f"gen_{self.collection}"], resolution, radius=radius
            )
        scales = {
            sign: self._file.evaluate(self.jer, {**inputs, "systematic": sign})
            for sign in ("nom", *SIGNS)
        }
        if self.smear_file is None:
            deviate = normal_deviates(inputs["event"], inputs["index"])
            return {
                sign: smearing_factor(pt, generated, resolution, scale, deviate)
                for sign, scale in scales.items()
            }
        given = {
            **inputs,
            "GenPt": generated,
            "EventID": inputs["event"].astype(np.int64),
            "JER": resolution,
        }
        file = CorrectionFile.cached(self.smear_file, self.digests[1])
        return {
            sign: file.evaluate(_SMEAR, {**given, "JERSF": scale, "JERsf": scale})
            for sign, scale in scales.items()
        }

    def _with(self, events: Jagged, calibration: Floats, factor: Floats) -> ak.Array:
        """Return events with jets scaled by both factors and in order of pT."""
        jets = events[self.collection]
        counts = ak.num(jets.pt, axis=1)
        varied = ak.unflatten(factor, counts)
        total = ak.unflatten(calibration * factor, counts)
        fields = {name: jets[name] for name in ak.fields(jets)}
        fields |= {name: fields[name] * total for name in ("pt", "mass")}
        if "softdrop_mass" in fields:
            fields["softdrop_mass"] = fields["softdrop_mass"] * varied
        if "raw_factor" in fields:
            fields["raw_factor"] = 1 - (1 - fields["raw_factor"]) / total
        order = ak.argsort(fields["pt"], axis=1, ascending=False, stable=True)
        scaled: Jagged = ak.zip(fields, depth_limit=2, with_name="Momentum4D")
        return ak.with_field(events, ak.to_packed(scaled[order]), self.collection)


def _scaled(inputs: Mapping[str, NDArray[Any]], factor: Floats) -> dict[str, NDArray[Any]]:
    """Return the inputs with jets of another energy."""
    return {**inputs, **{name: inputs[name] * factor for name in ("JetPt", "JetMass")}}
